"""Figures of ``stability``: how many heads respond at each noise level, and how alike the maps are."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from plantain.questions.stability import Stability
from plantain.report.figures import panels
from plantain.report.palette import MUTED, RUN, TWIN
from plantain.report.picture import NARROW, WIDE, Picture, style

_LEFT, _HEIGHT, _BELOW = 0.72, 1.75, 0.62  # inches: numbers and name of the y axis; a panel; its x axis
_DASHED = (0, (4, 2))


def draw(found: Stability, twin: Stability | None = None, width: float = WIDE) -> Picture:
    """Heads above the threshold at each noise level, and the agreement of each level's map with the first's.

    >>> draw(found, found_of_the_twin).to_bytes("svg")

    Thin lines are single noise seeds; dashed, Spearman's ρ between two of them at one level. Dotted is what sign flips
    reach: left their 99th percentile, right the 95th, at the same two levels.
    """
    shown = [(found, RUN, "this run")] + ([(twin, TWIN, "untrained twin")] if twin is not None else [])
    beside = width > NARROW
    if beside:
        top, room = 0.72, (width - 2 * _LEFT - 0.3) / 2
        place, height = (2 * _LEFT + room + 0.15, top), top + _HEIGHT + _BELOW
    else:
        top, room = 0.92, width - _LEFT - 0.15
        place = (_LEFT, top + _HEIGHT + _BELOW + 0.3)
        height = place[1] + _HEIGHT + _BELOW
    with style():
        figure = Figure(figsize=(width, height))
        left = panels.panel(figure, _LEFT, top, room, _HEIGHT)
        right = panels.panel(figure, *place, room, _HEIGHT)
        for run, colour, _ in shown:
            left.plot(run.levels, run.counts_by_seed, color=colour, linewidth=0.6, alpha=0.45)
            left.plot(run.levels, run.counts, "o-", color=colour, linewidth=2.0, markersize=4)
            left.plot(run.levels, run.null_p99, color=colour, linewidth=1.2, linestyle=":")
            right.plot(run.levels, run.between_levels[0], "o-", color=colour, linewidth=2.0, markersize=4)
            right.plot(run.levels, run.between_levels_p95[0], color=colour, linewidth=1.2, linestyle=":")
            right.plot(run.levels, run.between_seeds, color=colour, linewidth=1.2, linestyle=_DASHED)
        left.set_ylim(0, 1.08 * max(run.counts_by_seed.max() for run, _, _ in shown) + 1)
        left.yaxis.set_major_locator(MaxNLocator(nbins=5, integer=True))
        drawn = [(run.between_levels[0], run.between_levels_p95[0], run.between_seeds) for run, _, _ in shown]
        agreement = np.concatenate([line for lines in drawn for line in lines])
        lowest = float(np.nanmin(agreement)) if np.isfinite(agreement).any() else 0.0
        right.set_ylim(min(0.8, np.floor(10 * lowest) / 10), 1.005)
        for axes in (left, right):
            _level_axis(axes, found.levels)
        panels.y_label(left, f"heads at |t| > {found.threshold:g}, of {found.n_heads:,}", _LEFT - 0.2)
        panels.y_label(right, f"ρ with the map at {found.levels[0]:g}", _LEFT - 0.2)
        entries = [panels.key(label, colour, 2.0) for _, colour, label in shown]
        entries += [panels.key("one seed", MUTED, 0.6), panels.key("two seeds", MUTED, 1.2, linestyle=_DASHED)]
        entries.append(panels.key("sign flips: 99 % left, 95 % right", MUTED, 1.2, linestyle=":"))
        panels.legend(figure, entries, columns=3 if beside else 2)
    return Picture(figure, alt_text(found, twin))


def alt_text(found: Stability, twin: Stability | None = None) -> str:
    said = [_said(found, "this run")] + ([_said(twin, "the untrained twin")] if twin is not None else [])
    listed = ", ".join(f"{level:g}" for level in found.levels)
    return f"Heads at |t| > {found.threshold:g} at noise levels {listed}: {'; '.join(said)}."


def _said(run: Stability, name: str) -> str:
    counts = ", ".join(f"{count:,}" for count in run.counts)
    text = f"{name} {counts} of {run.n_heads:,}"
    if len(run.levels) > 1:
        rho, by_flips = run.between_levels[0, -1], run.between_levels_p95[0, -1]
        text += f", the last level's map like the first's at ρ = {rho:.2f}, where sign flips reach {by_flips:.2f}"
    if len(run.seeds) > 1:
        text += f", two seeds' maps at ρ = {np.nanmin(run.between_seeds):.2f} or more"
    return text


def _level_axis(axes: Axes, at: tuple[float, ...]) -> None:
    """From pure noise on the left to the picture on the right."""
    axes.set_xticks(at)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    reach = 0.06 * (max(at) - min(at)) or 0.5
    axes.set_xlim(max(at) + reach, min(at) - reach)
    axes.set_xlabel("noise level σ, as realised")
