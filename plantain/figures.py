"""Figures of a run: one function a figure, each with the sentence that says what it shows.

Drawn on matplotlib ``Figure`` objects without pyplot, so that threads of a server share nothing. Places
are in inches from the upper left corner: text keeps its size while panels take what a width leaves them.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, MaxNLocator

from plantain.curve import CountCurve
from plantain.heads import HeadMap
from plantain.picture import (
    GRID,
    INK,
    MUTED,
    NARROW,
    PAPER,
    PLUS,
    RUN,
    SMALL,
    TEXT,
    TWIN,
    WIDE,
    Picture,
    rgb,
    signed_cells,
    style,
)
from plantain.summary import Block, CardTable, Summary

_NAMES = 0.68  # inches for "single[19]"
_LINE = 0.165  # inches from one line of text to the next
# From here on |t| is drawn logarithmically: a few seeds of one pair give hundreds, 25 pairs give tens.
_LINEAR_UP_TO, _LARGE = 8.0, 40.0
# More points than this become a raster: as vectors they would be megabytes.
_MAX_POINTS = 1500


def overview(
    summary: Summary, head_map: HeadMap, title: str = "", twin: Summary | None = None, width: float = WIDE
) -> Picture:
    """Blocks down the page: left, |t| over each block's heads; right, the map of signed t.

    >>> figures.overview(plantain.summarise(result), result.head_map).to_bytes("svg")

    ``twin`` is the summary of the untrained twin in the same view, drawn in grey under each block.
    """
    table = head_map.table(summary.view["grouping"], summary.view["part"])
    present = [i for i in range(len(head_map.block_names)) if (table["block_index"] == i).any()]
    names = [head_map.block_names[i] for i in present]
    by_block = [summary.t[table["block_index"] == i] for i in present]
    n_joint = sum(i < head_map.n_joint for i in present)
    n_attention = int(((table["part"] == "attention") & (table["block_index"] == present[-1])).sum())

    with style():
        lines = _wrapped(title, width)
        top = 0.12 + _LINE * len(lines) + 0.26
        rows_height = 0.205 * len(names)
        figure = Figure(figsize=(width, top + rows_height + 1.08))
        _write_title(figure, lines)
        inner = width - _NAMES - 0.12
        gap = 0.24 if width > NARROW else 0.14
        left_width = 0.36 * (inner - gap)
        left = _axes(figure, _NAMES, top, left_width, rows_height)
        right = _axes(figure, _NAMES + left_width + gap, top, inner - gap - left_width, rows_height)

        _distributions(left, [np.abs(t) for t in by_block], RUN, -0.16 if twin is not None else 0.0)
        if twin is not None:
            _distributions(left, [np.abs(twin.t[table["block_index"] == i]) for i in present], TWIN, 0.23)
        _threshold_lines(left, summary.thresholds)
        _block_rows(left, names, n_joint)
        left.xaxis.set_major_locator(MaxNLocator(nbins=5 if width > NARROW else 3, integer=True))
        left.set_xlabel("|t| over a block's heads")
        _distribution_key(figure, top + rows_height + 0.5, "the run" if twin is not None else "", twin is not None)

        limit = _colour_limit(summary)
        _draw_map(right, by_block, limit, n_joint, n_attention)
        right.set_xlabel("head within its block")
        _colour_bar(figure, right, top + rows_height + 0.52, limit)
    return Picture(figure, alt_text(summary, twin))


def null_counts(curve: CountCurve, twin: CountCurve | None = None, width: float = WIDE) -> Picture:
    """Heads above every threshold, observed and under sign flips; no threshold is special."""
    with style():
        figure = Figure(figsize=(width, 3.1))
        axes = _axes(figure, 0.62, 0.5, width - 0.62 - 0.3, 2.1)
        x = curve.thresholds
        axes.fill_between(x, 0, curve.null_p99, color=MUTED, alpha=0.22, linewidth=0)
        axes.plot(x, curve.null_median, color=MUTED, linewidth=1)
        if twin is not None:
            axes.plot(twin.thresholds, twin.observed, color=TWIN, linewidth=1.6, linestyle=(0, (4, 2)))
        axes.plot(x, curve.observed, color=RUN, linewidth=2.2)
        for threshold in (3.0, 5.0):
            observed, p99 = curve.at(threshold)
            axes.axvline(threshold, color=MUTED, linewidth=0.8, linestyle=":")
            _dot_with_number(axes, threshold, observed, RUN, f"{observed:,}")
            _dot_with_number(axes, threshold, p99, MUTED, f"{p99:,.0f}")
        # Logarithmic, so that a count and a null a hundred times smaller are both read; 0 has its own place.
        axes.set_yscale("symlog", linthresh=1, linscale=0.45)
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
        axes.yaxis.set_minor_locator(MaxNLocator(1))
        axes.set_ylim(0, 1.5 * curve.n_heads)
        highest = max(float(x[-1]), float(twin.thresholds[-1]) if twin is not None else 0.0)
        _abs_t_axis(axes, highest, 0.0)
        axes.set_xlabel("threshold of |t|")
        axes.set_ylabel("heads above it")
        entries: list[tuple[Any, str]] = [(Line2D([], [], color=RUN, linewidth=2.2), "observed")]
        if twin is not None:
            dashed = Line2D([], [], color=TWIN, linewidth=1.6, linestyle=(0, (4, 2)))
            entries.append((dashed, "untrained twin"))
        entries.append((Line2D([], [], color=MUTED, linewidth=7, alpha=0.3), "99 % of sign flips"))
        _legend(figure, entries, 0.05, width)
    said = []
    for threshold in (3.0, 5.0):
        observed, p99 = curve.at(threshold)
        beside = f", untrained twin {twin.at(threshold)[0]:,}" if twin is not None else ""
        said.append(f"at |t| > {threshold:g}, {observed:,} of {curve.n_heads:,} against {p99:,.0f}{beside}")
    return Picture(
        figure, "Heads above every threshold of |t|, beside the 99th percentile of sign flips: " + "; ".join(said) + "."
    )


def split_half(summary: Summary, twin: Summary | None = None, width: float = WIDE) -> Picture:
    """How alike the t maps of two random halves of the pairs are."""
    shown = [(summary, RUN, "the run"), *([(twin, TWIN, "untrained twin")] if twin is not None else [])]
    found = [(s.split_half_r[np.isfinite(s.split_half_r)], colour, label) for s, colour, label in shown]
    with style():
        figure = Figure(figsize=(width, 2.6))
        axes = _axes(figure, 0.62, 0.45, width - 0.62 - 0.2, 1.65)
        every = np.concatenate([r for r, _, _ in found])
        if len(every):
            bins = np.linspace(min(0.0, float(every.min())), 1.0, 51)
            for (r, colour, _), alpha in reversed(list(zip(found, (1.0, 0.75), strict=False))):
                axes.hist(r, bins=bins.tolist(), color=colour, alpha=alpha, linewidth=0)
                if len(r):
                    axes.axvline(float(np.median(r)), color=colour, linewidth=1.6)
            axes.set_xlim(bins[0], 1)
        axes.yaxis.set_major_locator(MaxNLocator(nbins=4, integer=True))
        axes.set_xlabel("Pearson r between the halves' t maps")
        axes.set_ylabel("random splits")
        entries = [
            (Line2D([], [], color=colour, linewidth=7), f"{label}: median {np.median(r):.3f}" if len(r) else label)
            for r, colour, label in found
        ]
        _legend(
            figure, entries if twin is not None or not len(every) else [(entries[0][0], entries[0][1][9:])], 0.05, width
        )
    return Picture(figure, f"Split-half r: {'; '.join(_said_r(r, label) for r, _, label in found)}.")


def block_maxima(table: CardTable, title: str = "", width: float = WIDE) -> Picture:
    """The blocks a card names, by their largest |t|; all that a card without released data allows."""
    with style():
        lines = _wrapped(title, width)
        top = 0.12 + _LINE * len(lines) + 0.2
        height = 0.3 * len(table.blocks)
        figure = Figure(figsize=(width, top + height + 0.5))
        _write_title(figure, lines)
        room = 1.25  # for the count beside a bar
        axes = _axes(figure, _NAMES, top, width - _NAMES - room, height)
        rows = list(range(len(table.blocks)))
        maxima = [block.max_abs_t for block in table.blocks]
        axes.barh(rows, maxima, color=RUN, height=0.62)
        for row, block in zip(rows, table.blocks, strict=True):
            said = f" {block.n_above:,}/{block.n_heads:,} at |t|>{block.threshold:g}"
            axes.annotate(said, (block.max_abs_t, row), va="center", fontsize=SMALL, color=MUTED, annotation_clip=False)
        axes.set_xlim(0, 1.02 * max(maxima))
        _threshold_lines(axes, table.thresholds)
        axes.set_yticks(rows, [block.name for block in table.blocks])
        axes.set_ylim(len(rows) - 0.5, -0.5)
        axes.tick_params(axis="y", length=0)
        axes.set_xlabel("largest |t| of the block")
    return Picture(figure, "Largest |t| by block: " + "; ".join(_short(block) for block in table.blocks) + ".")


def pair_over_reference(
    abs_t: Sequence[np.ndarray],
    reference: Sequence[np.ndarray] | None,
    names: Sequence[str],
    label: str,
    reference_label: str = "",
    thresholds: Sequence[float] = (3.0, 5.0),
    width: float = WIDE,
) -> Picture:
    """Per-block |t| of a typed pair, over the same blocks of a cached run in grey.

    ``abs_t`` and ``reference`` hold an array of |t| for each block.
    """
    n_joint = sum(name.startswith("joint") for name in names)
    with style():
        entries = [(Line2D([], [], color=PLUS, linewidth=3.2), label)]
        if reference is not None:
            entries.append((Line2D([], [], color=TWIN, linewidth=3.2), reference_label))
        lines = [line for _, text in entries for line in _wrapped(text, width)]
        top = 0.12 + 0.2 * len(lines) + 0.22
        height = 0.205 * len(names)
        figure = Figure(figsize=(width, top + height + 0.5))
        axes = _axes(figure, _NAMES, top, width - _NAMES - 0.2, height)
        if reference is not None:
            _distributions(axes, reference, TWIN, 0.23)
        _distributions(axes, abs_t, PLUS, -0.16 if reference is not None else 0.0)
        _abs_t_axis(axes, float(axes.dataLim.x1), 1.0)
        _threshold_lines(axes, thresholds)
        _block_rows(axes, names, n_joint)
        axes.set_xlabel("|t| over a block's heads" + (" (logarithmic from 8)" if axes.get_xscale() != "linear" else ""))
        _legend(figure, entries, 0.05, width, columns=1)
    order = np.argsort([-float(np.max(t)) for t in abs_t])[:3]
    largest = ", ".join(f"{names[i]} ({np.max(abs_t[i]):.1f})" for i in order)
    every = np.concatenate([np.ravel(t) for t in abs_t])
    counts = ", ".join(f"{int((every > c).sum()):,} at |t| > {c:g}" for c in thresholds)
    beside = ""
    if reference is not None:
        other = np.concatenate([np.ravel(t) for t in reference])
        beside = f" In grey, {reference_label}: " + ", ".join(
            f"{int((other > c).sum()):,} at |t| > {c:g}" for c in thresholds
        )
    return Picture(
        figure,
        f"|t| by block of {label}: of {len(every):,} heads {counts}; largest in {largest}.{beside}{'.' * bool(beside)}",
    )


def t_against_t(a: np.ndarray, b: np.ndarray, label_a: str, label_b: str, width: float = WIDE) -> Picture:
    """Signed t of the same heads in two runs: whether the same heads respond, and in the same direction."""
    both = np.isfinite(a) & np.isfinite(b)
    a, b = a[both], b[both]
    defined = len(a) > 2 and a.std() > 0 and b.std() > 0
    r = float(np.corrcoef(a, b)[0, 1]) if defined else float("nan")
    said_r = f"r = {signed(r, 3)}" if defined else "r is not defined"
    limit = 1.05 * max(float(np.abs(a).max(initial=0)), float(np.abs(b).max(initial=0)), 3.5)
    with style():
        side = min(width - 0.85, 4.2)
        figure = Figure(figsize=(width, side + 0.95))
        axes = _axes(figure, 0.62 + (width - 0.85 - side) / 2, 0.35, side, side)
        for line in (axes.axhline, axes.axvline):
            line(0, color=GRID, linewidth=0.8)
            for threshold in (-3, 3):
                line(threshold, color=MUTED, linewidth=0.8, linestyle=":")
        axes.plot([-limit, limit], [-limit, limit], color=MUTED, linewidth=0.8)
        if len(a) > _MAX_POINTS:
            axes.imshow(
                _density(a, b, limit), extent=(-limit, limit, -limit, limit), origin="lower", interpolation="none"
            )
        else:
            axes.plot(a, b, "o", color=RUN, alpha=0.5, markersize=3.2, markeredgewidth=0)
        axes.set(xlim=(-limit, limit), ylim=(-limit, limit), aspect="equal")
        axes.set_xlabel(f"t, {label_a}")
        axes.set_ylabel(f"t, {label_b}")
        axes.set_title(f"{len(a):,} heads, {said_r}", fontsize=TEXT, loc="left")
    same = int((((a > 3) & (b > 3)) | ((a < -3) & (b < -3))).sum())
    opposite = int((((a > 3) & (b < -3)) | ((a < -3) & (b > 3))).sum())
    return Picture(
        figure,
        f"Signed t of {len(a):,} heads, {label_a} against {label_b}: {said_r}; {same:,} heads lie beyond 3 in both "
        f"with the same sign, {opposite:,} with opposite signs.",
    )


def alt_text(summary: Summary, twin: Summary | None = None) -> str:
    """The finding of ``overview`` in words."""
    first, p99 = summary.thresholds[0], summary.null_p99[0]
    larger = int((summary.t > first).sum())
    blocks = "; ".join(_short(block) for block in summary.blocks[:3])
    beside = (
        f" The untrained twin has {twin.counts[0]:,} ({100 * twin.shares[0]:.1f} %), null p99 {twin.null_p99[0]:,.0f}."
        if twin is not None
        else ""
    )
    return (
        f"|t| by block and a map of signed t: {summary.counts[0]:,} of {summary.n_heads:,} heads "
        f"({100 * summary.shares[0]:.1f} %) at |t| > {first:g}, {larger:,} of them larger for B, where 99 % of sign "
        f"flips give at most {p99:,.0f}.{beside} Largest: {blocks}."
    )


def signed(value: float, decimals: int) -> str:
    """A number with its sign, a true minus: +0.13, −0.22."""
    return f"{value:+.{decimals}f}".replace("-", "−")


# -- parts of figures --------------------------------------------------------------------------


def _axes(figure: Figure, left: float, top: float, width: float, height: float) -> Axes:
    """Axes at a place in inches from the upper left corner."""
    w, h = figure.get_size_inches()
    return figure.add_axes((left / w, 1 - (top + height) / h, width / w, height / h))


def _text(figure: Figure, x: float, y: float, text: str, **settings: Any) -> None:
    w, h = figure.get_size_inches()
    figure.text(x / w, 1 - y / h, text, **{"va": "center", "fontsize": SMALL, **settings})


def _wrapped(text: str, width: float) -> list[str]:
    """Lines of a text that fit a width, judged by an average letter of the widest usual font."""
    return [line for part in text.split("\n") for line in textwrap.wrap(part, int(width * 72 / (0.56 * TEXT)))]


def _write_title(figure: Figure, lines: Sequence[str]) -> None:
    for number, line in enumerate(lines):
        _text(figure, 0.06, 0.14 + _LINE * number, line, fontsize=TEXT, color=INK if number == 0 else MUTED)


def _distributions(axes: Axes, by_block: Sequence[np.ndarray], colour: str, offset: float) -> None:
    """Each block's range as a thin line, its quartiles as a thick one, its median as a dot."""
    rows = np.arange(len(by_block)) + offset
    finite = [t[np.isfinite(t)] if np.isfinite(t).any() else np.zeros(1) for t in by_block]
    low, q1, median, q3, high = np.array([np.quantile(t, [0, 0.25, 0.5, 0.75, 1]) for t in finite]).T
    axes.hlines(rows, low, high, color=colour, linewidth=0.9)
    axes.hlines(rows, q1, q3, color=colour, linewidth=3.2)
    axes.plot(median, rows, "o", color=PAPER, markeredgecolor=colour, markeredgewidth=1, markersize=3.6)


def _threshold_lines(axes: Axes, thresholds: Sequence[float]) -> None:
    """Dotted lines at thresholds of |t|, each with its number above the panel."""
    axes.set_xlim(left=0)
    for threshold in thresholds:
        axes.axvline(threshold, color=INK, linewidth=0.8, linestyle=":", zorder=0.5)
        axes.annotate(
            f"{threshold:g}",
            (threshold, 1),
            (0, 3),
            xycoords=("data", "axes fraction"),
            textcoords="offset points",
            ha="center",
            fontsize=SMALL,
            color=MUTED,
        )


def _block_rows(axes: Axes, names: Sequence[str], n_joint: int) -> None:
    axes.set_yticks(range(len(names)), list(names))
    axes.tick_params(axis="y", length=0)
    axes.set_ylim(len(names) - 0.5, -0.5)
    if 0 < n_joint < len(names):
        axes.axhline(n_joint - 0.5, color=GRID, linewidth=0.8, zorder=0.4)


def _distribution_key(figure: Figure, top: float, label: str, with_twin: bool) -> None:
    """What the lines of ``_distributions`` are, and which colour is which run."""
    rows = [(RUN, label or "each block")] + ([(TWIN, "untrained twin")] if with_twin else [])
    height = 0.17 * len(rows)
    glyphs = _axes(figure, 0.06, top, 0.42, height)
    glyphs.set_axis_off()
    for number, (colour, text) in enumerate(rows):
        glyphs.hlines([number], 0, 1, color=colour, linewidth=0.9)
        glyphs.hlines([number], 0.25, 0.7, color=colour, linewidth=3.2)
        glyphs.plot([0.45], [number], "o", color=PAPER, markeredgecolor=colour, markeredgewidth=1, markersize=3.6)
        _text(figure, 0.56, top + 0.17 * (number + 0.5), text)
    glyphs.set(xlim=(0, 1), ylim=(len(rows) - 0.5, -0.5))
    _text(figure, 0.06, top + height + 0.11, "range, quartiles, median", color=MUTED)


def _colour_limit(summary: Summary) -> float:
    """Where the colour is full: a few extreme heads should not make all others pale."""
    finite = np.abs(summary.t[np.isfinite(summary.t)])
    return max(summary.thresholds[-1], float(np.quantile(finite, 0.995)) if finite.size else 0.0)


def _draw_map(axes: Axes, by_block: Sequence[np.ndarray], limit: float, n_joint: int, n_attention: int) -> None:
    """Signed t, a row a block; frames go around the heads there are, so that no head is not a zero."""
    n_columns, n_rows = max(len(t) for t in by_block), len(by_block)
    grid = np.full((n_rows, n_columns), np.nan)
    for row, t in zip(grid, by_block, strict=True):
        row[: len(t)] = t
    # "none" keeps the raster at a pixel a head in files; a viewer enlarges it.
    axes.imshow(signed_cells(grid, limit), aspect="auto", interpolation="none")
    for first, last in ((0, n_joint), (n_joint, n_rows)):
        if last > first:
            end = len(by_block[first])
            box_x, box_y = [0, end, end, 0, 0], [first, first, last, last, first]
            axes.plot(np.array(box_x) - 0.5, np.array(box_y) - 0.5, color=INK, linewidth=0.8, clip_on=False)
    above: dict[str, Any] = {
        "va": "bottom",
        "ha": "center",
        "xycoords": ("data", "axes fraction"),
        "textcoords": "offset points",
    }
    if n_attention:
        axes.annotate("attention", ((n_attention - 1) / 2, 1), (0, 3), fontsize=SMALL, **above)
    if n_attention < n_columns:
        axes.annotate("MLP", ((n_attention + n_columns - 1) / 2, 1), (0, 3), fontsize=SMALL, **above)
    if 0 < n_attention < n_columns:
        axes.plot([n_attention - 0.5] * 2, [n_joint - 0.5, n_rows - 0.5], color=INK, linewidth=0.8)
    if n_joint and len(by_block[0]) < n_columns:
        middle = (len(by_block[0]) + n_columns - 1) / 2, (n_joint - 1) / 2
        axes.text(*middle, "joint blocks:\nattention only", ha="center", va="center", fontsize=SMALL, color=MUTED)
    for spine in axes.spines.values():
        spine.set_visible(False)
    axes.set(xlim=(-0.5, n_columns - 0.5), ylim=(n_rows - 0.5, -0.5), yticks=[])
    axes.xaxis.set_major_locator(MaxNLocator(nbins=5, integer=True))


def _colour_bar(figure: Figure, beside: Axes, top: float, limit: float) -> None:
    """Which colour is which sign, and how strong; centred under the map."""
    w, _ = figure.get_size_inches()
    box = beside.get_position()
    middle, room = w * (box.x0 + box.x1) / 2, w * (box.x1 - box.x0)
    length = min(room - 1.3, 2.2)
    bar = _axes(figure, middle - length / 2, top, length, 0.11)
    ramp = np.linspace(-limit, limit, 101)[None]
    bar.imshow(signed_cells(ramp, limit), aspect="auto", interpolation="none", extent=(-limit, limit, 0, 1))
    for spine in bar.spines.values():
        spine.set(visible=True, linewidth=0.6)
    bar.set_yticks([])
    bar.xaxis.set_major_locator(MaxNLocator(nbins=4, integer=True, symmetric=True))
    bar.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}".replace("-", "−")))
    bar.set_xlabel("t of B − A", labelpad=2)
    for x, side, align in ((-length / 2 - 0.07, "A larger", "right"), (length / 2 + 0.07, "B larger", "left")):
        _text(figure, middle + x, top + 0.055, side, ha=align)


def _abs_t_axis(axes: Axes, highest: float, margin: float) -> None:
    """|t| from 0: linear, or linear to 8 and logarithmic beyond where the largest would flatten the rest."""
    if highest > _LARGE:
        axes.set_xscale("symlog", linthresh=_LINEAR_UP_TO, linscale=1.5)
        ticks = [0, 2, 4, 6, 8, *(m * 10**k for k in range(1, 8) for m in (1, 2, 5) if m * 10**k <= highest)]
        axes.set_xticks([t for t in ticks if t <= 8 or str(t)[0] == "1"], minor=False)
        axes.set_xticks([t for t in ticks if t > 8], minor=True)
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
        axes.set_xlim(0, 1.25 * highest)
    else:
        axes.set_xlim(0, highest + margin / 3)
        axes.xaxis.set_major_locator(MaxNLocator(nbins=8, integer=True))


def _dot_with_number(axes: Axes, x: float, y: float, colour: str, text: str) -> None:
    axes.plot([x], [y], "o", color=PAPER, markeredgecolor=colour, markeredgewidth=1.4, markersize=4.6, clip_on=False)
    axes.annotate(text, (x, y), (5, 3), textcoords="offset points", fontsize=SMALL, color=INK)


def _legend(figure: Figure, entries: Sequence[tuple[Any, str]], top: float, width: float, columns: int = 3) -> None:
    w, h = figure.get_size_inches()
    figure.legend(
        [handle for handle, _ in entries],
        ["\n".join(_wrapped(text, width - 0.5)) for _, text in entries],
        loc="upper left",
        bbox_to_anchor=(0.03 / w, 1 - top / h),
        ncols=columns,
        handlelength=1.6,
        columnspacing=1.2,
        borderaxespad=0,
        borderpad=0.2,
    )


def _density(a: np.ndarray, b: np.ndarray, limit: float) -> np.ndarray:
    """Where the points lie, as RGBA: alpha grows with the logarithm of their number."""
    counts, _, _ = np.histogram2d(b, a, bins=160, range=[[-limit, limit]] * 2)
    alpha = np.log1p(counts) / np.log1p(counts.max())
    cells = np.empty((*counts.shape, 4), dtype=np.uint8)
    cells[..., :3] = rgb(RUN)
    cells[..., 3] = np.round(255 * np.where(counts > 0, 0.25 + 0.75 * alpha, 0))
    return cells


def _said_r(r: np.ndarray, label: str) -> str:
    if not len(r):
        return f"{label}, not defined"
    return f"{label}, median {np.median(r):.3f} over {len(r)} random splits"


def _short(block: Block) -> str:
    return f"{block.name} with {block.max_abs_t:.2f}"
