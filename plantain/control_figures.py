"""Is it pose? One picture: pose beside every control, trained beside untrained, all heads and family by family."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from plantain import drawing
from plantain.comparison import PARAPHRASE, ControlReport
from plantain.families import FAMILIES
from plantain.picture import GRID, INK, MUTED, NARROW, PLUS, RUN, SMALL, TEXT, TWIN, WIDE, Picture, style

_LEXICAL = "lexical"  # the row of all eight
LABELS = {
    "dense_pose": "T-pose, expressive",
    "dense_pose_fixed": "T-pose in one wording",
    "articulation": "as many joints bent",
    "body_clothing": "5 bodies × 5 outfits",
    "canonical": "T-pose, A-pose",
    "setting": "one place, others",
    _LEXICAL: "one remark, others (8)",
    "length": "fewer, more words",
    PARAPHRASE: "same pose, reworded",
}
"""What the two sides of a set are, in a few words."""
_OF_POSE = ("dense_pose", "dense_pose_fixed", "articulation", "body_clothing", "canonical")
_NAMES = 1.5  # inches for a label
_ROW = 0.27
_TITLE = 0.24  # inches above a panel for its name
_AXIS = 0.46  # inches under a panel for its axis
_GAP = 0.2
_OFFSET = 0.19  # of a row: trained above, untrained below its middle


def is_it_pose(report: ControlReport, width: float = WIDE) -> Picture:
    """Share of heads at |t| > 3 in pose and in every control, and which of the two is larger, head by head.

    >>> control_figures.is_it_pose(comparison.compare(study)).to_bytes("svg")

    Green is the trained model, grey below it each untrained transformer; a tick is where 99 % of sign flips
    stay below. Above, all card heads, and how many heads respond more to pose than to a control (to the right)
    or the other way round (to the left). Below, the share of each family of heads alone.
    """
    rows = _rows(report)
    families = [scope for scope in report.scopes if scope in FAMILIES]
    wide = width > NARROW
    tiers: list[list[str]] = [["card heads", "selectivity"]] if wide else [["card heads"], ["selectivity"]]
    step = len(families) if wide else 2
    tiers += [families[i : i + step] for i in range(0, len(families), step)]
    height = _ROW * len(rows)
    with style():
        top = 0.5 if wide else 0.72
        figure = Figure(figsize=(width, top + len(tiers) * (_TITLE + height + _AXIS)))
        for tier in tiers:
            top += _TITLE
            room = (width - _NAMES - 0.15 - _GAP * (len(tier) - 1)) / len(tier)
            for i, scope in enumerate(tier):
                axes = drawing.panel(figure, _NAMES + i * (room + _GAP), top, room, height)
                if scope == "selectivity":
                    _selectivity_panel(axes, report, rows)
                else:
                    _share_panel(axes, report, rows, scope)
                _label_rows(axes, rows, named=i == 0)
            top += height + _AXIS
        untrained = len(report.weights) - 1
        entries = [(drawing.line_key(RUN, 0, marker="o", markersize=5), f"{report.model}: share of heads at |t| > 3")]
        if untrained:
            seeds = f"{untrained} seeds" if untrained > 1 else "one seed"
            entries.append((drawing.line_key(TWIN, 0, marker="o", markersize=5), f"untrained transformer, {seeds}"))
        entries.append((drawing.line_key(MUTED, 0, marker="|", markersize=8), "99 % of sign flips lie left of it"))
        drawing.legend(figure, entries, columns=3 if wide else 1)
    return Picture(figure, alt_text(report))


def alt_text(report: ControlReport) -> str:
    """The finding of ``is_it_pose`` in words."""
    said = []
    for weights in report.weights:
        pose = report.count(weights, report.pose, "card heads")
        own = report.count(weights, report.pose, "attention heads")
        parts = [f"pose {_percent(pose.share)} of card heads ({_percent(own.share)} of attention heads)"]
        if report.lexical:
            shares = [report.count(weights, name, "card heads").share for name in report.lexical]
            parts.append(f"lexical sets {_percent(min(shares))} to {_percent(max(shares))}")
        parts += [
            f"{name} {_percent(report.count(weights, name, 'card heads').share)}"
            for name in ("setting", "length", PARAPHRASE)
            if name in report.sets
        ]
        said.append(f"{weights}: {', '.join(parts)}")
    text = f"Share of heads at |t| > {report.threshold:g}, {report.model}. {'; '.join(said)}."
    if report.lexical:
        medians = [
            f"{weights} {_median_larger(report, weights):,.0f}"
            for weights in report.weights
        ]
        n_heads = report.count("trained", report.pose, "card heads").n_heads
        text += f" Heads that respond more to pose than to a lexical control, median of {n_heads:,}: {', '.join(medians)}."
    if "setting" in report.controls:
        found = [report.selectivity(weights, "setting", "card heads") for weights in report.weights]
        beside = ", ".join(f"{row.weights} {row.larger:,} against {row.smaller:,}" for row in found)
        text += f" More to pose than to setting, and the reverse: {beside}."
    return text


def _rows(report: ControlReport) -> list[tuple[str, tuple[str, ...]]]:
    """(name of a row, its sets): the lexical sets share one."""
    rows: list[tuple[str, tuple[str, ...]]] = []
    for name in report.sets:
        if name not in report.lexical:
            rows.append((name, (name,)))
        elif not any(row == _LEXICAL for row, _ in rows):
            rows.append((_LEXICAL, report.lexical))
    return rows


def _share_panel(axes: Axes, report: ControlReport, rows: Sequence[tuple[str, tuple[str, ...]]], scope: str) -> None:
    pose = report.count("trained", report.pose, scope)
    axes.axvline(100 * pose.share, color=RUN, linewidth=0.8, linestyle=":", zorder=0.5)
    for y, (_, sets) in enumerate(rows):
        for weights in report.weights:
            trained = weights == "trained"
            colour, at = (RUN, y - _OFFSET) if trained else (TWIN, y + _OFFSET)
            for name in sets:
                count = report.count(weights, name, scope)
                tick, share = 100 * count.null_share, 100 * count.share
                if len(sets) == 1 and share > tick:
                    axes.plot([tick, share], [at, at], color=colour, linewidth=1.1, alpha=0.7, zorder=1)
                axes.plot([tick] * 2, [at - 0.16, at + 0.16], color=MUTED, linewidth=0.9, zorder=1.5)
                small = len(sets) > 1
                axes.plot(
                    [share],
                    [at],
                    "o",
                    color=colour,
                    markersize=3.4 if small else 4.8,
                    alpha=0.6 if small else 0.9,
                    markeredgewidth=0,
                    clip_on=False,
                    zorder=2,
                )
    axes.set_xlim(0, 100)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=5 if drawing.inches_wide(axes) > 2.2 else 2, integer=True))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.0f} %"))
    unit = "own heads" if pose.unit == "attention heads" else "runs"
    _name_panel(axes, f"{_SCOPE_TITLES.get(scope, scope)}, {pose.n_heads:,} {unit}")


_SCOPE_TITLES = {"card heads": "all card heads", "single attention": "single attention"}


def _selectivity_panel(axes: Axes, report: ControlReport, rows: Sequence[tuple[str, tuple[str, ...]]]) -> None:
    scope = "card heads"
    n_heads = report.count("trained", report.pose, scope).n_heads
    for y, (row, sets) in enumerate(rows):
        if sets[0] not in report.controls:
            said = "pose itself" if row == report.pose else "pose in another set"
            axes.text(0, y, said, ha="center", va="center", fontsize=SMALL, color=MUTED)
            continue
        for weights in report.weights:
            colour, at = (RUN, y - _OFFSET) if weights == "trained" else (TWIN, y + _OFFSET)
            found = [report.selectivity(weights, name, scope) for name in sets]
            larger = float(np.median([each.larger for each in found]))
            smaller = float(np.median([each.smaller for each in found]))
            axes.barh(at, 100 * larger / n_heads, height=0.3, color=colour, alpha=0.85)
            axes.barh(at, -100 * smaller / n_heads, height=0.3, color=colour, alpha=0.85)
    limit = 100 * max(max(each.larger, each.smaller) for each in report.selectivities.values() if each.scope == scope)
    limit = 1.1 * limit / n_heads
    axes.set_xlim(-limit, limit)
    axes.axvline(0, color=INK, linewidth=0.8)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=5, integer=True, symmetric=True))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{abs(value):.0f} %"))
    _name_panel(axes, "heads that respond more")
    axes.set_xlabel("to the control  ←   → to pose")


def _name_panel(axes: Axes, name: str) -> None:
    axes.set_title(name, fontsize=SMALL, loc="left", color=INK, pad=4)


def _label_rows(axes: Axes, rows: Sequence[tuple[str, tuple[str, ...]]], named: bool) -> None:
    labels = [LABELS.get(name, name) for name, _ in rows]
    axes.set_yticks(range(len(rows)), labels if named else [""] * len(rows))
    axes.tick_params(axis="y", length=0)
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.spines["left"].set_color(GRID)
    for y, (name, _) in enumerate(rows[:-1]):
        parts = name in _OF_POSE and rows[y + 1][0] not in _OF_POSE
        axes.axhline(y + 0.5, color=MUTED if parts else GRID, linewidth=0.9 if parts else 0.5, zorder=0.4)


def _median_larger(report: ControlReport, weights: str) -> float:
    return float(np.median([report.selectivity(weights, name, "card heads").larger for name in report.lexical]))


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"
