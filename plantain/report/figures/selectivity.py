"""Is it pose? One picture: pose beside every control, trained beside untrained, all heads and family by family."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from plantain.data.study import OF_POSE, TWINS
from plantain.questions.families import FAMILIES
from plantain.questions.selectivity import ControlReport
from plantain.report.figures import panels
from plantain.report.palette import GRID, INK, MUTED, RUN, TWIN
from plantain.report.picture import NARROW, SMALL, WIDE, Picture, style

_SELECTIVITY = "selectivity"  # the panel that no scope has; it is of attention heads
_WHOLE = ("attention heads", "card heads")
# Inches: for the rows' labels, a row, above a panel for its name, under it for its axis, between two panels.
_NAMES, _ROW, _TITLE, _AXIS, _GAP = 1.52, 0.265, 0.34, 0.21, 0.27
_SECOND_LINE = 0.1  # the panel with a name of two lines, where it stands alone
_KEY_LETTERS = 110  # of a legend in one line
_LABEL_LETTERS = 22
_OFFSET = 0.19  # of a row: trained above, untrained below its middle

_Rows = Sequence[tuple[str, tuple[str, ...]]]


def draw(report: ControlReport, width: float = WIDE) -> Picture:
    """Share of heads at |t| > 3 in pose and in every control, and which of the two is larger, head by head.

    >>> draw(compare(study)).to_bytes("svg")

    Green is the trained model, grey each untrained transformer, a tick what 99 % of sign flips do not exceed. Above,
    attention heads, all card heads, and which of pose and control is larger; below, each family of heads alone.
    """
    rows = _rows(report)
    families = [scope for scope in report.scopes if scope in FAMILIES]
    wide = width > NARROW
    tiers = [[*_WHOLE, _SELECTIVITY]] if wide else [[*_WHOLE], [_SELECTIVITY]]
    step = len(families) if wide else 2
    tiers += [families[i : i + step] for i in range(0, len(families), step)]
    height = _ROW * len(rows)
    entries = _key(report)
    columns = len(entries) if wide and sum(len(text) for _, text in entries) <= _KEY_LETTERS else 1
    with style():
        lines = 1 if columns > 1 else sum(len(panels.wrapped(text, width - 0.5)) for _, text in entries)
        top = 0.1 + 0.2 * lines
        below = 0.08 if wide else 0.08 + _SECOND_LINE
        figure = Figure(figsize=(width, top + len(tiers) * (_TITLE + height + _AXIS) + below))
        for tier in tiers:
            top += _TITLE + (_SECOND_LINE if tier == [_SELECTIVITY] else 0)
            room = (width - _NAMES - 0.17 - _GAP * (len(tier) - 1)) / len(tier)
            for i, scope in enumerate(tier):
                axes = panels.panel(figure, _NAMES + i * (room + _GAP), top, room, height)
                if scope == _SELECTIVITY:
                    _selectivity_panel(axes, report, rows)
                else:
                    _share_panel(axes, report, rows, scope)
                _label_rows(axes, report, rows, named=i == 0)
            top += height + _AXIS
        panels.legend(figure, entries, columns)
    return Picture(figure, alt_text(report))


def alt_text(report: ControlReport) -> str:

    def percent(weights: str, name: str, scope: str = _WHOLE[0]) -> float:
        return 100 * report.count(weights, name, scope).shares[0]

    said = []
    for weights in report.weights:
        own, card = (percent(weights, report.pose, scope) for scope in _WHOLE)
        parts = [f"pose {own:.0f} % of attention heads and {card:.0f} % of card heads"]
        if report.lexical:
            lexical = [percent(weights, name) for name in report.lexical]
            parts.append(f"the lexical sets {min(lexical):.0f} % to {max(lexical):.0f} %")
        others = [*report.of_role("control"), *report.of_role("nothing")]
        parts += [f"{name} {percent(weights, name):.0f} %" for name in others]
        said.append(f"{weights}, {', '.join(parts)}")
    text = f"Share of heads at |t| > {report.threshold:g} in {report.model}: {'; '.join(said)}."
    for what, names in (("the lexical sets (median)", report.lexical), ("setting", ("setting",))):
        found = [(weights, report.larger_smaller(weights, names)) for weights in report.weights]
        counted = [f"{weights} {each[0]:,.0f} against {each[1]:,.0f}" for weights, each in found if each]
        if counted:
            text += f" Attention heads that respond more to pose than to {what}, and the reverse: {', '.join(counted)}."
    return text


def _rows(report: ControlReport) -> _Rows:
    """(name of a row, its sets): the lexical sets share one."""
    sets = {"lexical" if name in report.lexical else name: (name,) for name in report.sets}
    return [(row, report.lexical if row == "lexical" else of_row) for row, of_row in sets.items()]


def _share_panel(axes: Axes, report: ControlReport, rows: _Rows, scope: str) -> None:
    pose = report.count("trained", report.pose, scope)
    axes.axvline(100 * pose.shares[0], color=RUN, linewidth=0.8, linestyle=":", zorder=0.5)
    for y, (_, sets) in enumerate(rows):
        for weights in report.weights:
            colour, at = (RUN, y - _OFFSET) if weights == "trained" else (TWIN, y + _OFFSET)
            for name in sets:
                count = report.count(weights, name, scope)
                tick, share = 100 * count.null_p99[0] / count.n_heads, 100 * count.shares[0]
                alone = len(sets) == 1
                if alone and share > tick:
                    axes.plot([tick, share], [at, at], color=colour, linewidth=1.1, alpha=0.7, zorder=1)
                axes.plot([tick] * 2, [at - 0.16, at + 0.16], color=MUTED, linewidth=0.9, zorder=1.5)
                # The eight lexical sets are a strip: smaller, and seen through where they overlap.
                dot: dict[str, Any] = {"markersize": 4.8, "alpha": 0.9} if alone else {"markersize": 3.6, "alpha": 0.6}
                axes.plot([share], [at], "o", color=colour, markeredgewidth=0, clip_on=False, **dot)
    axes.set_xlim(0, 100)
    room = panels.inches_wide(axes)
    axes.set_xticks([0, 25, 50, 75, 100] if room > 1.8 else [0, 50, 100])
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.0f}"))
    _name_panel(axes, f"{'all card heads' if scope == 'card heads' else scope}, {pose.n_heads:,}")


def _selectivity_panel(axes: Axes, report: ControlReport, rows: _Rows) -> None:
    n_heads = report.count("trained", report.pose, _WHOLE[0]).n_heads
    found = [each for each in report.selectivities.values() if each.scope == _WHOLE[0]]
    limit = 112 * max([max(each.larger, each.smaller) for each in found] + [n_heads // 10 + 1]) / n_heads
    for y, (row, sets) in enumerate(rows):
        if sets[0] not in report.controls:
            said = "pose itself" if row == report.pose else "pose as well"
            axes.text(0.03 * limit, y, said, va="center", fontsize=SMALL, color=MUTED)
            continue
        twins = [weights for weights in report.weights if weights != "trained"]
        for weights, colour, at in [("trained", RUN, y - _OFFSET), *((twin, TWIN, y + _OFFSET) for twin in twins)]:
            counted = [report.selectivity(weights, name, _WHOLE[0]) for name in sets]
            for sign, numbers in ((1, [c.larger for c in counted]), (-1, [c.smaller for c in counted])):
                # Of several sets the median; several seeds are seen through one another.
                share = sign * 100 * float(np.median(numbers)) / n_heads
                alpha = 0.9 if weights == "trained" else 0.9 / len(twins)
                axes.barh(at, share, height=0.32, color=colour, alpha=alpha, linewidth=0)
    axes.set_xlim(-limit, limit)
    axes.axvline(0, color=INK, linewidth=0.8)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=4, integer=True, symmetric=True))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{abs(value):.0f}"))
    _name_panel(axes, "attention heads that respond more\n← to the control")
    panels.above(axes, 0.75 * limit, "to pose →")


def _key(report: ControlReport) -> list[tuple[panels.Line2D, str]]:
    trained = f"{report.model}, % of heads at |t| > {report.threshold:g}"
    entries = [panels.key(trained, RUN, 0, marker="o", markersize=5)]
    for kind in TWINS:
        n_seeds = sum(weights.startswith(kind) for weights in report.weights)
        seeds = f"{n_seeds} seeds" if n_seeds > 1 else "one seed"
        if n_seeds:
            entries.append(panels.key(f"{kind} transformer, {seeds}", TWIN, 0, marker="o", markersize=5))
    return [*entries, panels.key("99 % of sign flips stay left of it", MUTED, 0, marker="|", markersize=8)]


def _name_panel(axes: Axes, name: str) -> None:
    axes.set_title(name, fontsize=SMALL, loc="left", color=INK, pad=3, linespacing=1.15)


def _label_rows(axes: Axes, report: ControlReport, rows: _Rows, named: bool) -> None:
    short = [name if len(name) <= _LABEL_LETTERS else f"{name[: _LABEL_LETTERS - 1]}…" for name, _ in rows]
    labels = [report.labels[sets[0]] or name for name, (_, sets) in zip(short, rows, strict=True)]
    axes.set_yticks(range(len(rows)), labels if named else [""] * len(rows))
    axes.tick_params(axis="y", length=0)
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.spines["left"].set_color(GRID)
    for y, (name, _) in enumerate(rows[:-1]):
        parts = _of_pose(report, name) and not _of_pose(report, rows[y + 1][0])
        axes.axhline(y + 0.5, color=MUTED if parts else GRID, linewidth=0.9 if parts else 0.5, zorder=0.4)


def _of_pose(report: ControlReport, row: str) -> bool:
    """Whether a row is of pose, its variants or what lies next to it; the line is drawn under these."""
    return report.roles.get(row, "lexical") in (*OF_POSE, "near")
