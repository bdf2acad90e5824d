"""Figures of a run: one function a figure, each with the sentence that says what it shows.

Drawn on matplotlib ``Figure`` objects without pyplot, so that threads of a server share nothing.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from plantain.heads import HeadMap
from plantain.summary import Block, CardTable, Summary

# Okabe & Ito's palette, told apart with any colour vision: https://jfly.uni-koeln.de/color/
BLUE, ORANGE, GREY, INK = "#0072B2", "#D55E00", "#9A9A9A", "#222222"
_SIGNED = "PuOr_r"  # purple and orange stay apart with any colour vision
# Text stays text in an SVG, so that it can be searched and edited.
_STYLE: dict[Any, Any] = {"svg.fonttype": "none", "svg.hashsalt": "plantain", "font.size": 9}


@dataclass(frozen=True)
class Picture:
    """A figure and its alternative text."""

    figure: Figure
    alt: str

    def to_bytes(self, kind: str = "png", dpi: int = 150) -> bytes:
        """The figure as "png", "svg" or "pdf"; the same figure gives the same bytes."""
        import matplotlib

        buffer = io.BytesIO()
        metadata = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}.get(kind)
        with matplotlib.rc_context(_STYLE):
            self.figure.savefig(buffer, format=kind, dpi=dpi, metadata=metadata)
        return buffer.getvalue()


def overview(summary: Summary, head_map: HeadMap, title: str = "") -> Picture:
    """Blocks down the page: left, |t| over each block's heads; right, the map of signed t.

    >>> figures.overview(plantain.summarise(result), result.head_map).to_bytes("svg")
    """
    table = head_map.table(summary.view["grouping"], summary.view["part"])
    names = head_map.block_names
    by_block = [summary.t[table["block_index"] == index] for index in range(len(names))]
    figure = _figure(8.4, 1.3 + 0.2 * len(names))
    left, right = figure.subplots(1, 2, sharey=True, width_ratios=[1, 1.7])
    _distributions(left, [np.abs(t) for t in by_block], BLUE)
    _threshold_lines(left, summary.thresholds)
    left.set_yticks(range(len(names)), names)
    left.set_xlabel("|t| over the heads of a block")

    grid = np.full((len(names), max(len(t) for t in by_block)), np.nan)
    for row, t in zip(grid, by_block, strict=True):
        row[: len(t)] = t
    finite = np.abs(grid[np.isfinite(grid)])
    limit = max(summary.thresholds[-1], float(np.quantile(finite, 0.995)) if finite.size else 0.0)
    image = right.imshow(
        np.clip(grid, -limit, limit), aspect="auto", cmap=_SIGNED, vmin=-limit, vmax=limit, interpolation="nearest"
    )
    bar = figure.colorbar(image, ax=right, fraction=0.05, pad=0.02)
    bar.set_label("t of B − A")
    n_attention = int((table["part"][table["block_index"] == len(names) - 1] == "attention").sum())
    right.set_xlabel("head within its block")
    right.xaxis.set_major_locator(MaxNLocator(integer=True))
    if 0 < n_attention < grid.shape[1]:
        right.plot([n_attention - 0.5] * 2, [head_map.n_joint - 0.5, len(names) - 0.5], color=INK, linewidth=1.2)
        right.set_xlabel("head within its block: attention | MLP, parted by the line")
    left.set_ylim(len(names) - 0.5, -0.5)
    _title(figure, title)
    return Picture(figure, alt_text(summary))


def null_counts(summary: Summary) -> Picture:
    """The observed number of heads above each threshold, beside the numbers under sign flips."""
    assert summary.null is not None
    figure = _figure(8.4, 2.6)
    parts = []
    for axes, k in zip(
        figure.subplots(1, len(summary.thresholds), squeeze=False)[0], range(len(summary.thresholds)), strict=True
    ):
        counts, observed, p99 = summary.null.counts[:, k], summary.counts[k], summary.null_p99[k]
        # Bins around whole numbers: of width one while they stay visible.
        width = max(1, int(np.ceil((counts.max() - counts.min() + 1) / 40)))
        bins = np.arange(counts.min(), counts.max() + width + 1, width) - 0.5
        axes.hist(counts, bins=bins, color=GREY, label="sign flips")
        axes.axvline(p99, color=INK, linewidth=1, linestyle="--", label=f"null p99 = {p99:,.0f}")
        axes.axvline(observed, color=ORANGE, linewidth=2, label=f"observed = {observed:,}")
        axes.set_xlabel(f"heads at |t| > {summary.thresholds[k]:g}")
        axes.set_ylabel("flips")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=8))
        axes.legend(frameon=False, fontsize=8, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=3)
        parts.append(f"at |t| > {summary.thresholds[k]:g}, {observed:,} heads against a null p99 of {p99:,.0f}")
    return Picture(figure, "Observed count of heads against its sign-flip null: " + "; ".join(parts) + ".")


def split_half(summary: Summary) -> Picture:
    """How alike the t maps of two random halves of the pairs are."""
    figure = _figure(4.2, 2.6)
    axes = figure.subplots()
    r = summary.split_half_r[np.isfinite(summary.split_half_r)]
    if len(r):
        axes.hist(r, bins=20, color=BLUE)
        axes.axvline(float(np.median(r)), color=ORANGE, linewidth=2, label=f"median {np.median(r):.3f}")
        axes.legend(frameon=False, fontsize=8)
    axes.set_xlabel("Pearson r between the halves' t maps")
    axes.set_ylabel("random splits")
    said = f"median {np.median(r):.3f} over {len(r)} random splits" if len(r) else "not defined for this run"
    return Picture(figure, f"Split-half r: {said}.")


def block_maxima(table: CardTable, title: str = "") -> Picture:
    """The blocks a card names, by their largest |t|; all that a card without released data allows."""
    figure = _figure(8.4, 0.9 + 0.32 * len(table.blocks))
    axes = figure.subplots()
    rows = range(len(table.blocks))
    axes.barh(list(rows), [block.max_abs_t for block in table.blocks], color=BLUE, height=0.6)
    _threshold_lines(axes, table.thresholds)
    axes.set_yticks(list(rows), [block.name for block in table.blocks])
    axes.invert_yaxis()
    axes.set_xlabel("largest |t| of the block")
    _title(figure, title)
    return Picture(figure, "Largest |t| by block: " + "; ".join(_short(block) for block in table.blocks) + ".")


def pair_over_reference(
    abs_t: Sequence[np.ndarray],
    reference: Sequence[np.ndarray] | None,
    names: Sequence[str],
    label: str,
    reference_label: str = "",
    thresholds: Sequence[float] = (3.0, 5.0),
) -> Picture:
    """Per-block |t| of a typed pair, over the same blocks of a cached run in grey.

    ``abs_t`` and ``reference`` hold an array of |t| for each block.
    """
    figure = _figure(8.4, 1.3 + 0.26 * len(names))
    axes = figure.subplots()
    if reference is not None:
        _distributions(axes, reference, GREY, offset=0.22, label=reference_label)
    _distributions(axes, abs_t, ORANGE, offset=-0.16 if reference is not None else 0.0, label=label)
    _threshold_lines(axes, thresholds)
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.5, -0.6)
    axes.set_xlabel("|t| over the heads of a block")
    figure.legend(frameon=False, fontsize=8, loc="outside upper left")
    order = np.argsort([-float(np.max(t)) for t in abs_t])[:3]
    top = ", ".join(f"{names[i]} ({np.max(abs_t[i]):.1f})" for i in order)
    return Picture(figure, f"|t| of the typed prompts by block; largest in {top}.")


def alt_text(summary: Summary) -> str:
    """The finding of ``overview`` in words."""
    first = summary.thresholds[0]
    p99 = summary.null_p99[0]
    blocks = "; ".join(_short(block) for block in summary.blocks[:3])
    return (
        f"|t| by block and a map of signed t: {summary.counts[0]:,} of {summary.n_heads:,} heads "
        f"({100 * summary.shares[0]:.1f} %) at |t| > {first:g}, where 99 % of sign flips give at most {p99:,.0f}. "
        f"Largest: {blocks}."
    )


def signed(value: float, decimals: int) -> str:
    """A number with its sign, a true minus: +0.13, −0.22."""
    return f"{value:+.{decimals}f}".replace("-", "−")


def _figure(width: float, height: float) -> Figure:
    return Figure(figsize=(width, height), layout="constrained", facecolor="white")


def _distributions(
    axes: Axes, by_block: Sequence[np.ndarray], colour: str, offset: float = 0.0, label: str | None = None
) -> None:
    """Each block's range as a thin line, its quartiles as a thick one, its median as a dot."""
    rows = np.arange(len(by_block)) + offset
    finite = [t[np.isfinite(t)] if np.isfinite(t).any() else np.zeros(1) for t in by_block]
    low, q1, median, q3, high = np.array([np.quantile(t, [0, 0.25, 0.5, 0.75, 1]) for t in finite]).T
    axes.hlines(rows, low, high, color=colour, linewidth=0.8)
    axes.hlines(rows, q1, q3, color=colour, linewidth=3.5)
    axes.plot(median, rows, "o", color="white", markeredgecolor=colour, markersize=4, label=label)


def _threshold_lines(axes: Axes, thresholds: Sequence[float]) -> None:
    for threshold in thresholds:
        axes.axvline(threshold, color=INK, linewidth=0.8, linestyle=":")
    axes.set_xlim(left=0)


def _title(figure: Figure, title: str) -> None:
    if title:
        figure.suptitle(title, fontsize=10, x=0.01, ha="left")


def _short(block: Block) -> str:
    return f"{block.name} with {block.max_abs_t:.2f}"
