"""Figures of a run: one function a figure, each with the sentence that says what it shows.

Without pyplot: threads of a server share nothing. Widths are in inches, ``WIDE`` (a page) or ``NARROW`` (a phone).
"""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullLocator

from plantain import stats
from plantain.data.heads import HeadMap
from plantain.questions.response import Block, CardTable, Summary
from plantain.questions.thresholds import CountCurve
from plantain.report.figures import panels
from plantain.report.palette import GRID, MUTED, PLUS, RUN, TWIN
from plantain.report.picture import NARROW, TEXT, WIDE, Picture, style
from plantain.stats import THRESHOLDS
from plantain.wording import number, signed

_Blocks = Sequence[np.ndarray]  # |t| of the heads of each block
# More points than this become a raster: as vectors they would be megabytes.
_MAX_POINTS = 1500
_COUNTS = 0.82  # inches for "10,000" and the name of the axis


def overview(
    summary: Summary, head_map: HeadMap, title: str = "", twin: Summary | None = None, width: float = WIDE
) -> Picture:
    """Blocks down the page: left, |t| over each block's heads, the untrained twin's below; right, the map of signed t.

    >>> figures.overview(plantain.summarise(result), result.head_map).to_bytes("svg")
    """
    table = head_map.table(summary.view)
    present = [i for i in range(len(head_map.block_names)) if (table["block_index"] == i).any()]
    names = [head_map.block_names[i] for i in present]
    by_block = [summary.t[table["block_index"] == i] for i in present]
    n_joint = sum(i < head_map.n_joint for i in present)
    n_attention = int(((table["part"] == "attention") & (table["block_index"] == present[-1])).sum())

    with style():
        # A figure's height is known only with its title's lines, which are written on it.
        top = panels.write_title(Figure(figsize=(width, 1)), title) + 0.24
        rows_height = panels.ROW * len(names)
        figure = Figure(figsize=(width, top + rows_height + 1.08))
        panels.write_title(figure, title)
        inner = width - panels.NAMES - 0.12
        gap = 0.24 if width > NARROW else 0.14
        left_width = 0.36 * (inner - gap)
        left = panels.panel(figure, panels.NAMES, top, left_width, rows_height)
        right_from = panels.NAMES + left_width + gap
        right = panels.panel(figure, right_from, top, inner - gap - left_width, rows_height)

        panels.distributions(left, [np.abs(t) for t in by_block], RUN, -0.16 if twin is not None else 0.0)
        if twin is not None:
            panels.distributions(left, [np.abs(twin.t[table["block_index"] == i]) for i in present], TWIN, 0.23)
        panels.threshold_lines(left, summary.thresholds)
        panels.block_rows(left, names, n_joint)
        left.xaxis.set_major_locator(MaxNLocator(nbins=5 if width > NARROW else 3, integer=True))
        left.set_xlabel("|t| over a block's heads" if width > NARROW else "|t| of its heads")
        key = [(RUN, "this run"), (TWIN, "untrained twin")] if twin is not None else [(RUN, "heads of a block")]
        panels.distribution_key(figure, top + rows_height + 0.5, key)

        # Full colour is the extremes' alone, and these are few: they should not make all others pale.
        finite = np.abs(summary.t[np.isfinite(summary.t)])
        limit = max(summary.thresholds[-1], float(np.quantile(finite, 0.995)) if finite.size else 0.0)
        panels.signed_map(right, by_block, limit, n_joint, n_attention)
        right.set_xlabel("head within its block")
        panels.colour_bar(figure, right, top + rows_height + 0.52, limit)
    return Picture(figure, alt_text(summary, twin))


def null_counts(curve: CountCurve, twin: CountCurve | None = None, width: float = WIDE) -> Picture:
    """Heads above every threshold, observed and under sign flips; no threshold is special."""
    columns = 4 if width > NARROW else 2
    dashed = (0, (4, 2))
    with style():
        top = 0.46 if columns == 4 else 0.66
        figure = Figure(figsize=(width, top + 2.65))
        axes = panels.panel(figure, _COUNTS, top, width - _COUNTS - 0.15, 2.15)
        x = curve.thresholds
        axes.fill_between(x, 0, curve.null_p99, color=MUTED, alpha=0.22, linewidth=0)
        axes.plot(x, curve.null_median, color=MUTED, linewidth=1)
        entries = [panels.key("observed", RUN, 2.2)]
        if twin is not None:
            axes.plot(twin.thresholds, twin.observed, color=TWIN, linewidth=1.6, linestyle=dashed)
            entries.append(panels.key("untrained twin", TWIN, 1.6, linestyle=dashed))
        entries += [
            panels.key(f"99 % of {curve.n_flips:,} sign flips", MUTED, 7, alpha=0.3),
            panels.key("median flip", MUTED, 1),
        ]
        axes.plot(x, curve.observed, color=RUN, linewidth=2.2)
        # Logarithmic, so that a count and a null a hundred times smaller are both read; 0 has its own place.
        axes.set_yscale("symlog", linthresh=1, linscale=0.45)
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
        axes.yaxis.set_minor_locator(NullLocator())
        axes.set_ylim(0, 1.5 * curve.n_heads)
        logarithmic = panels.abs_t_axis(axes, max(float(x[-1]), float(twin.thresholds[-1]) if twin else 0.0))
        panels.threshold_lines(axes, THRESHOLDS)
        said = []
        for threshold in THRESHOLDS:
            observed, p99 = curve.at(threshold)
            panels.dot_with_number(axes, threshold, observed, RUN, f"{observed:,}")
            said.append(f"at |t| > {threshold:g}, {observed:,} of {curve.n_heads:,} against {p99:,.0f}")
            if twin is not None:
                beside = twin.at(threshold)[0]
                panels.dot_with_number(axes, threshold, beside, TWIN, f"{beside:,}", "lower left")
                said[-1] += f", untrained twin {beside:,}"
            # Under its own curve, and above the axis where it is 0.
            corner = "lower right" if p99 >= 1 else "upper right"
            panels.dot_with_number(axes, threshold, p99, MUTED, f"null p99 {p99:,.0f}", corner)
        axes.set_xlabel("threshold of |t|" + " (logarithmic from 8)" * logarithmic)
        panels.y_label(axes, "heads above it", _COUNTS - 0.24)
        panels.legend(figure, entries, columns)
    start = f"Heads above every threshold of |t|, beside the 99th percentile of {curve.n_flips:,} sign flips: "
    return Picture(figure, start + "; ".join(said) + ".")


def split_half(summary: Summary, twin: Summary | None = None, width: float = WIDE) -> Picture:
    """How alike the t maps of two random halves of the pairs are."""
    shown = [(summary.split_half_r, RUN, "this run")]
    if twin is not None:
        shown.append((twin.split_half_r, TWIN, "untrained twin"))
    found = [(r[np.isfinite(r)], colour, label) for r, colour, label in shown]
    said, entries = [], []
    for r, colour, label in found:
        median = f"median {np.median(r):.3f}" if len(r) else "not defined"
        said.append(f"{label}, {median}" + (f" over {len(r)} random splits" if len(r) else ""))
        entries.append(panels.key(f"{label}: {median}", colour, 7, alpha=0.75))
    with style():
        figure = Figure(figsize=(width, 2.55))
        axes = panels.panel(figure, 0.62, 0.42, width - 0.62 - 0.2, 1.65)
        every = np.concatenate([r for r, _, _ in found])
        if len(every):
            bins = np.linspace(min(0.0, float(np.floor(10 * every.min()) / 10)), 1.0, 61)
            # The twin behind; both are seen where they overlap.
            for r, colour, _ in reversed(found):
                axes.hist(r, bins=bins.tolist(), color=colour, alpha=0.75, linewidth=0)
                axes.axvline(float(np.median(r)) if len(r) else np.nan, color=colour, linewidth=1.6)
            axes.set_xlim(bins[0], 1)
        axes.yaxis.set_major_locator(MaxNLocator(nbins=4, integer=True))
        axes.set_xlabel("Pearson r between the halves' t maps")
        axes.set_ylabel("random splits")
        panels.legend(figure, entries)
    return Picture(figure, f"Split-half r: {'; '.join(said)}.")


def block_maxima(table: CardTable, title: str = "", width: float = WIDE) -> Picture:
    """The blocks a card names, by their largest |t|; all that a card without released data allows."""
    with style():
        top = panels.write_title(Figure(figsize=(width, 1)), title) + 0.18
        height = 0.3 * len(table.blocks)
        figure = Figure(figsize=(width, top + height + 0.5))
        panels.write_title(figure, title)
        room = 1.3  # for the count beside a bar
        axes = panels.panel(figure, panels.NAMES, top, width - panels.NAMES - room, height)
        maxima = [block.max_abs_t for block in table.blocks]
        axes.barh(range(len(maxima)), maxima, color=RUN, height=0.62)
        for row, block in enumerate(table.blocks):
            said = f"{block.n_above:,}/{block.n_heads:,} at |t|>{block.threshold:g}"
            panels.note(axes, said, (block.max_abs_t, row), (5, 0), MUTED, va="center", annotation_clip=False)
        axes.set_xlim(0, 1.02 * max(maxima))
        panels.threshold_lines(axes, table.thresholds)
        panels.block_rows(axes, [block.name for block in table.blocks], 0)
        axes.set_xlabel("largest |t| of the block")
    return Picture(figure, "Largest |t| by block: " + "; ".join(_short(block) for block in table.blocks) + ".")


def pair_over_reference(
    abs_t: _Blocks, reference: _Blocks | None, names: Sequence[str], label: str, beside: str = "", width: float = WIDE
) -> Picture:
    """|t| of a typed pair, an array a block, over the same blocks of a cached run in grey; both by their label."""
    finite = [float(t[np.isfinite(t)].max(initial=0)) for t in (*abs_t, *(reference or []))]
    with style():
        entries = [panels.key(label, PLUS)]
        if reference is not None:
            entries.append(panels.key(beside, TWIN))
        top = 0.34 + 0.2 * sum(len(panels.wrapped(text, width - 0.5)) for _, text in entries)
        height = panels.ROW * len(names)
        figure = Figure(figsize=(width, top + height + 0.5))
        axes = panels.panel(figure, panels.NAMES, top, width - panels.NAMES - 0.2, height)
        if reference is not None:
            panels.distributions(axes, reference, TWIN, 0.23)
        panels.distributions(axes, abs_t, PLUS, -0.16 if reference is not None else 0.0)
        logarithmic = panels.abs_t_axis(axes, max(1.02 * max(finite), THRESHOLDS[-1] + 0.5))
        panels.threshold_lines(axes, THRESHOLDS)
        panels.block_rows(axes, names, sum(name.startswith("joint") for name in names))
        axes.set_xlabel("|t| over a block's heads" + " (logarithmic from 8)" * logarithmic)
        panels.legend(figure, entries, columns=1)
    order = np.argsort([-float(np.max(t)) for t in abs_t])[:3]
    largest = ", ".join(f"{names[i]} ({number(np.max(abs_t[i]), 1)})" for i in order)
    said = f"|t| by block of {label}: {_counts(abs_t)}; largest in {largest}."
    if reference is not None:
        said += f" In grey, {beside}: {_counts(reference)}."
    return Picture(figure, said)


def t_against_t(a: np.ndarray, b: np.ndarray, label_a: str, label_b: str, width: float = WIDE) -> Picture:
    """Signed t of the same heads in two runs: whether the same heads respond, and in the same direction."""
    r = stats.pearson(a, b)
    said_r = f"r = {signed(r, 3)}" if np.isfinite(r) else "r is not defined"
    both = np.isfinite(a) & np.isfinite(b)
    a, b = a[both], b[both]
    limit = 1.05 * max(float(np.abs(a).max(initial=0)), float(np.abs(b).max(initial=0)), 3.5)
    with style():
        side = min(width - 0.85, 4.2)
        figure = Figure(figsize=(width, side + 0.85))
        axes = panels.panel(figure, 0.62 + (width - 0.85 - side) / 2, 0.3, side, side)
        for line in (axes.axhline, axes.axvline):
            line(0, color=GRID, linewidth=0.8)
            for threshold in (-3, 3):
                line(threshold, color=MUTED, linewidth=0.8, linestyle=":")
        axes.plot([-limit, limit], [-limit, limit], color=MUTED, linewidth=0.8)
        if len(a) > _MAX_POINTS:
            cells = panels.density(a, b, limit)
            axes.imshow(cells, extent=(-limit, limit, -limit, limit), origin="lower", interpolation="none")
        else:
            axes.plot(a, b, "o", color=RUN, alpha=0.5, markersize=3.2, markeredgewidth=0)
        axes.set(xlim=(-limit, limit), ylim=(-limit, limit), aspect="equal")
        axes.set_xlabel(f"t, {label_a}")
        axes.set_ylabel(f"t, {label_b}")
        axes.set_title(f"{len(a):,} heads, {said_r}", fontsize=TEXT, loc="left")
    in_both = (np.abs(a) > 3) & (np.abs(b) > 3)
    same, opposite = int((in_both & (a * b > 0)).sum()), int((in_both & (a * b < 0)).sum())
    said = (
        f"Signed t of {len(a):,} heads, {label_a} against {label_b}: {said_r}; {same:,} heads lie beyond 3 in both "
        f"with the same sign, {opposite:,} with opposite signs."
    )
    return Picture(figure, said)


def alt_text(summary: Summary, twin: Summary | None = None) -> str:
    """The finding of ``overview`` in words."""
    first, p99 = summary.thresholds[0], summary.null_p99[0]
    larger = int((summary.t > first).sum())
    blocks = "; ".join(_short(block) for block in summary.blocks[:3])
    beside = f" The untrained twin has {twin.share}, null p99 {twin.null_p99[0]:,.0f}." if twin is not None else ""
    return (
        f"|t| by block and a map of signed t: {summary.counts[0]:,} of {summary.n_heads:,} heads "
        f"({100 * summary.shares[0]:.1f} %) at |t| > {first:g}, {larger:,} of them larger for B, where 99 % of "
        f"{len(summary.null.max_abs_t):,} sign flips give at most {p99:,.0f}.{beside} Largest: {blocks}."
    )


def _counts(by_block: _Blocks) -> str:
    every = np.concatenate([np.ravel(t) for t in by_block])
    counts = ", ".join(f"{int((every > c).sum()):,} at |t| > {c:g}" for c in THRESHOLDS)
    return f"of {len(every):,} heads {counts}"


def _short(block: Block) -> str:
    return f"{block.name} with {number(block.max_abs_t)}"
