"""Figures of ``dose``: in which blocks a step, a slope or both predict the heads best."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from plantain.questions.dose import EXPLANATIONS, MEASURES, Dose
from plantain.report.figures import panels
from plantain.report.palette import GRID, MINUS, PLUS, RUN
from plantain.report.picture import NARROW, WIDE, Picture, style
from plantain.wording import signed

_COLOURS = dict(zip(EXPLANATIONS, (MINUS, PLUS, RUN, GRID), strict=True))
_LABELS = {"step": "a step: the same shift in all pairs", "slope": "a slope: as far as the pose is from the T-pose"}
_LABELS |= {"both": "both", "none": "neither"}
_ALIGN: tuple[Any, ...] = ("left", "center", "right")


def draw(found: Dose, twin: Dose | None = None, width: float = WIDE) -> Picture:
    """What predicts the heads of each block best, pairs left out one at a time; the untrained twin at its side.

    >>> draw(found, found_of_the_twin).to_bytes("svg")
    """
    shown = [(found, "this run")] + ([(twin, "untrained twin")] if twin is not None else [])
    names = [block.name for block in found.blocks]
    n_joint = sum(name.startswith("joint") for name in names)
    with style():
        wide = width > NARROW
        top, gap = 0.5 + 0.19 * (2 if wide else 4), 0.3 if wide else 0.2
        height = panels.ROW * len(names)
        figure = Figure(figsize=(width, top + height + 0.55))
        room = (width - panels.NAMES - 0.25 - gap * (len(shown) - 1)) / len(shown)
        for column, (run, label) in enumerate(shown):
            axes = panels.panel(figure, panels.NAMES + column * (room + gap), top, room, height)
            _bars(axes, run)
            panels.block_rows(axes, names, n_joint)
            if column:
                axes.set_yticklabels([])
            chance = np.median(run.distance_null)
            led = f"{run.n_by_distance:,}, by chance {chance:,.0f}"
            panels.above(axes, 0.5, f"{label}\ndistance leads in {led}" if wide else f"{label}\n{led}")
            axes.set_xlabel("share of a block's heads" if wide else "share of heads")
        entries = [panels.key(_LABELS[name], _COLOURS[name], 7) for name in EXPLANATIONS]
        panels.legend(figure, entries, 2 if wide else 1)
    return Picture(figure, alt_text(found, twin))


def alt_text(found: Dose, twin: Dose | None = None) -> str:
    said = [_said(found, "this run")] + ([_said(twin, "the untrained twin")] if twin is not None else [])
    distance = MEASURES[found.measure]
    return f"What predicts each head's shift best, by block, with the distance as {distance}: {'; '.join(said)}."


def _said(run: Dose, name: str) -> str:
    best = run.n_best
    return (
        f"in {name}, of {run.n_heads:,} heads a step {best['step']:,}, a slope {best['slope']:,}, both "
        f"{best['both']:,}, neither {best['none']:,}; with the distance {run.n_by_distance:,}, where permuted "
        f"distances give {np.median(run.distance_null):,.0f}; it adds {signed(run.gain, 3)} to the left-one-out R² "
        f"(p = {run.gain_p:.3f})"
    )


def _bars(axes: Axes, run: Dose) -> None:
    rows = np.arange(len(run.blocks))
    start = np.zeros(len(rows))
    for name in EXPLANATIONS:
        share = np.array([block.n_best[name] / block.n_heads for block in run.blocks])
        axes.barh(rows, share, left=start, height=0.72, color=_COLOURS[name], linewidth=0)
        start += share
    axes.set_xlim(0, 1)
    axes.set_xticks([0, 0.5, 1])
    axes.xaxis.set_major_formatter(PercentFormatter(1))
    # Inwards at the ends, so that two panels' numbers do not meet.
    for text, align in zip(axes.get_xticklabels(), _ALIGN, strict=True):
        text.set_horizontalalignment(align)
