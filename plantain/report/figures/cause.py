"""Figure of ``cause``: what the first k heads of each ranking move, beside heads that are matched or at random."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from plantain.questions.cause import Cause
from plantain.questions.cause_tables import SAID, drawn_share
from plantain.questions.chosen import curve, random_band
from plantain.report.figures import panels
from plantain.report.palette import INK, MINUS, PLUS, RUN, TWIN
from plantain.report.picture import NARROW, WIDE, Picture, style

LINES = {"t": (MINUS, "--"), "place": (RUN, "-"), "deformation": (PLUS, "-"), "write": (INK, ":")}
"""Colour and stroke of the rankings that are drawn."""
_HEIGHT = 2.1


def draw(found: Cause, twin: None = None, width: float = WIDE) -> Picture:
    """y* over k for each ranking, the band of random sets behind; below it, where pictures were drawn, those that turn.

    >>> draw(found).to_bytes("svg")
    """
    with style():
        drawn = bool(len(found.trained.drawn_rows))
        top = 0.62 if width > NARROW else 1.1
        beside = drawn and width > NARROW
        rows = 2 if drawn and not beside else 1
        figure = Figure(figsize=(width, top + rows * (_HEIGHT + 0.6)))
        inner = width - 0.75
        each = (inner - 0.7) / 2 if beside else inner
        axes = panels.panel(figure, 0.6, top, each, _HEIGHT)
        _curves(axes, found)
        if drawn:
            where = (0.6 + each + 0.7, top) if beside else (0.6, top + _HEIGHT + 0.6)
            _turned(panels.panel(figure, *where, each, _HEIGHT), found)
        entries = [panels.key(SAID[name], colour, 2.2, linestyle=dash) for name, (colour, dash) in LINES.items()]
        entries += [panels.key("random sets", TWIN, 6, alpha=0.35), panels.key("matched sets", TWIN, 0, marker="o")]
        panels.legend(figure, entries, 3 if width > NARROW else 2)
    return Picture(figure, alt_text(found))


def alt_text(found: Cause) -> str:
    what = f"What heads of {found.trained.model} move when another run's values are put into them."
    return " ".join([what, *found.sentences])


def _curves(axes: Axes, found: Cause) -> None:
    k, low, high = random_band(found.trained, found.measure)
    if len(k):
        axes.fill_between(k, low, high, color=TWIN, alpha=0.35, linewidth=0)
    for ranking, (colour, dash) in LINES.items():
        at, sets = curve(found.trained, ranking, found.measure)
        axes.plot(at, [one.mean for one in sets], color=colour, linestyle=dash, linewidth=2)
        matched = [(k, one.matched) for k, one in zip(at, sets, strict=True) if not np.isnan(one.p)]
        if matched:
            axes.plot(*zip(*matched, strict=True), "o", color="none", markeredgecolor=colour, markersize=4.2)
    axes.set_xlabel("heads patched, k")
    axes.set_ylabel("y*, share of the true difference" if found.measure == "y_truth" else "y, share of the difference")
    axes.set_ylim(bottom=0)


def _turned(axes: Axes, found: Cause) -> None:
    for ranking, (colour, dash) in LINES.items():
        known = [(k, drawn_share(found.trained, ranking, k)) for k in sorted({int(k) for k in found.trained.table.k})]
        points = [(k, one["turned"]) for k, one in known if one]
        if points:
            axes.plot(*zip(*points, strict=True), color=colour, linestyle=dash, linewidth=2, marker="o", markersize=3)
    axes.set_xlabel("heads patched at every step, k")
    axes.set_ylabel("pictures that turn")
    axes.yaxis.set_major_formatter(PercentFormatter(1))
    axes.set_ylim(0, 1.02)
