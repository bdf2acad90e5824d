"""Parts that several figures share: panels placed in inches from the upper left, distributions, the map, keys."""

import textwrap
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, MaxNLocator

from plantain.report.palette import GRID, INK, MUTED, PAPER, RUN, rgb, signed_cells
from plantain.report.picture import NARROW, SMALL, SMOOTH, TEXT

NAMES = 0.68  # inches for "single[19]"
LINE = 0.165  # inches from one line of text to the next
ROW = 0.205  # inches of a block, its twin's line included
_EDGE = 0.06
# From here on |t| is drawn logarithmically: a few seeds of one pair give hundreds, 25 pairs give tens.
_LINEAR_UP_TO, _LARGE = 8.0, 40.0
# A map of more columns is shrunk on most screens, where dropping pixels would drop heads; smoothing
# it needs rows of several pixels, or blocks would run into one another.
_MANY_COLUMNS, _PIXELS_A_ROW = 300, 8


def panel(figure: Figure, left: float, top: float, width: float, height: float) -> Axes:
    w, h = figure.get_size_inches()
    return figure.add_axes((left / w, 1 - (top + height) / h, width / w, height / h))


def inches_wide(axes: Axes) -> float:
    figure = axes.get_figure(root=True)
    assert figure is not None
    return float(axes.get_position().width * figure.get_size_inches()[0])


def y_label(axes: Axes, text: str, inches: float) -> None:
    """The name of the y axis, ending that far left of it, however wide its numbers are."""
    axes.set_ylabel(text)
    axes.yaxis.set_label_coords(-inches / inches_wide(axes), 0.5)


def write(figure: Figure, x: float, y: float, text: str, **settings: Any) -> None:
    """A line of text at a place, small and centred on its height unless told."""
    w, h = figure.get_size_inches()
    figure.text(x / w, 1 - y / h, text, **{"va": "center", "fontsize": SMALL, **settings})


def wrapped(text: str, width: float) -> list[str]:
    """Lines of a text that fit a width, judged by an average letter of the widest usual font."""
    return [line for part in text.split("\n") for line in textwrap.wrap(part, int(width * 72 / (0.56 * TEXT)))]


def write_title(figure: Figure, title: str) -> float:
    """The title's lines, the first part in ink, the others muted; returns where they end."""
    width, _ = figure.get_size_inches()
    y = 0.14
    for number, part in enumerate(title.split("\n")):
        for line in wrapped(part, width):
            write(figure, _EDGE, y, line, fontsize=TEXT, color=INK if number == 0 else MUTED)
            y += LINE
    return y


def distributions(axes: Axes, by_block: Sequence[np.ndarray], colour: str, offset: float) -> None:
    """Each block's range as a thin line, its quartiles as a thick one, its median as a dot."""
    finite = [t[np.isfinite(t)] if np.isfinite(t).any() else np.zeros(1) for t in by_block]
    quantiles = np.array([np.quantile(t, [0, 0.25, 0.5, 0.75, 1]) for t in finite]).T
    _ranges(axes, np.arange(len(by_block)) + offset, quantiles, colour)


def _ranges(axes: Axes, rows: Any, quantiles: Any, colour: str) -> None:
    low, q1, median, q3, high = quantiles
    axes.hlines(rows, low, high, color=colour, linewidth=0.9)
    axes.hlines(rows, q1, q3, color=colour, linewidth=3.2)
    axes.plot(median, rows, "o", color=PAPER, markeredgecolor=colour, markeredgewidth=1, markersize=3.6)


def distribution_key(figure: Figure, top: float, entries: Sequence[tuple[str, str]]) -> None:
    """What the lines of ``distributions`` are, and which (colour, name) is which run."""
    height = 0.17 * len(entries)
    glyphs = panel(figure, _EDGE, top, 0.42, height)
    glyphs.set_axis_off()
    for row, (colour, name) in enumerate(entries):
        _ranges(glyphs, row, (0, 0.25, 0.45, 0.7, 1), colour)
        write(figure, 0.56, top + 0.17 * (row + 0.5), name)
    glyphs.set(xlim=(0, 1), ylim=(len(entries) - 0.5, -0.5))
    write(figure, _EDGE, top + height + 0.11, "range, quartiles, median", color=MUTED)


def threshold_lines(axes: Axes, thresholds: Sequence[float]) -> None:
    """Dotted lines at thresholds of |t|, each with its number above the panel."""
    axes.set_xlim(left=0)
    for threshold in thresholds:
        axes.axvline(threshold, color=INK, linewidth=0.8, linestyle=":", zorder=0.5)
        above(axes, threshold, f"{threshold:g}", MUTED)


def above(axes: Axes, x: float, text: str, colour: str = INK) -> None:
    """A small text above a panel, at a place of its x axis."""
    note(axes, text, (x, 1), (0, 3), colour, xycoords=("data", "axes fraction"), ha="center")


def note(axes: Axes, text: str, at: Any, offset: tuple[int, int], colour: str = INK, **settings: Any) -> None:
    axes.annotate(text, at, offset, textcoords="offset points", fontsize=SMALL, color=colour, **settings)


def block_rows(axes: Axes, names: Sequence[str], n_joint: int) -> None:
    """A row a block, from the top, joint and single blocks parted by a line."""
    axes.set_yticks(range(len(names)), list(names))
    axes.tick_params(axis="y", length=0)
    axes.set_ylim(len(names) - 0.5, -0.5)
    if 0 < n_joint < len(names):
        axes.axhline(n_joint - 0.5, color=GRID, linewidth=0.8, zorder=0.4)


def abs_t_axis(axes: Axes, highest: float) -> bool:
    """|t| from 0, beyond 8 logarithmic where the largest would flatten the rest; returns whether it is."""
    w = inches_wide(axes)
    if highest <= _LARGE:
        axes.set_xlim(0, highest)
        axes.xaxis.set_major_locator(MaxNLocator(nbins=8 if w > NARROW else 5, integer=True))
        return False
    axes.set_xscale("symlog", linthresh=_LINEAR_UP_TO, linscale=1.5)
    decades = [10**k for k in range(1, 9) if 10**k <= highest]
    axes.set_xticks([0, 2, 4, 6, *decades] if w > NARROW else [0, 5, *decades])
    axes.set_xticks([m * ten for ten in decades for m in (2, 5) if m * ten <= highest], minor=True)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axes.set_xlim(0, 1.2 * highest)
    return True


def signed_map(axes: Axes, by_block: Sequence[np.ndarray], limit: float, n_joint: int, n_attention: int) -> None:
    """Signed t, a row a block; frames go around the heads there are, so that no head is not a zero."""
    n_columns, n_rows = max(len(t) for t in by_block), len(by_block)
    grid = np.full((n_rows, n_columns), np.nan)
    for row, t in zip(grid, by_block, strict=True):
        row[: len(t)] = t
    cells = signed_cells(grid, limit)
    many = n_columns > _MANY_COLUMNS
    # "none" keeps the raster at a pixel a head in files; a viewer enlarges it.
    extent = (-0.5, n_columns - 0.5, n_rows - 0.5, -0.5)
    raster = np.repeat(cells, _PIXELS_A_ROW, axis=0) if many else cells
    image = axes.imshow(raster, aspect="auto", interpolation="none", extent=extent)
    image.set_gid(SMOOTH if many else None)
    for first, last in ((0, n_joint), (n_joint, n_rows)):
        if last > first:
            end = len(by_block[first])
            x, y = np.array([0, end, end, 0, 0]), np.array([first, first, last, last, first])
            axes.plot(x - 0.5, y - 0.5, color=INK, linewidth=0.8, clip_on=False)
    if n_attention:
        above(axes, (n_attention - 1) / 2, "attention")
    if n_attention < n_columns:
        above(axes, (n_attention + n_columns - 1) / 2, "MLP")
    if 0 < n_attention < n_columns:
        axes.plot([n_attention - 0.5] * 2, [n_joint - 0.5, n_rows - 0.5], color=INK, linewidth=0.8)
    if n_joint and len(by_block[0]) < n_columns:
        middle = (len(by_block[0]) + n_columns - 1) / 2, (n_joint - 1) / 2
        axes.text(*middle, "joint blocks:\nattention only", ha="center", va="center", fontsize=SMALL, color=MUTED)
    for spine in axes.spines.values():
        spine.set_visible(False)
    axes.set(xlim=(-0.5, n_columns - 0.5), ylim=(n_rows - 0.5, -0.5), yticks=[])
    axes.xaxis.set_major_locator(MaxNLocator(nbins=5 if n_columns < 100 else 4, integer=True))


def colour_bar(figure: Figure, beside: Axes, top: float, limit: float) -> None:
    """Which colour is which sign, and how strong; centred under the map."""
    w, _ = figure.get_size_inches()
    box = beside.get_position()
    middle, room = w * (box.x0 + box.x1) / 2, w * (box.x1 - box.x0)
    length = min(room - 1.3, 2.2)
    bar = panel(figure, middle - length / 2, top, length, 0.11)
    ramp = np.linspace(-limit, limit, 101)[None]
    bar.imshow(signed_cells(ramp, limit), aspect="auto", interpolation="none", extent=(-limit, limit, 0, 1))
    for spine in bar.spines.values():
        spine.set(visible=True, linewidth=0.6)
    bar.set_yticks([])
    bar.xaxis.set_major_locator(MaxNLocator(nbins=4, integer=True, symmetric=True))
    bar.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}".replace("-", "−")))
    bar.set_xlabel("t of B − A", labelpad=2)
    for x, side, align in ((-length / 2 - 0.07, "A larger", "right"), (length / 2 + 0.07, "B larger", "left")):
        write(figure, middle + x, top + 0.055, side, ha=align)


def dot_with_number(axes: Axes, x: float, y: float, colour: str, text: str, corner: str = "upper right") -> None:
    """A point of a curve with its value at a corner of it: "upper right", "lower right" or "lower left"."""
    axes.plot([x], [y], "o", color=PAPER, markeredgecolor=colour, markeredgewidth=1.4, markersize=4.6, clip_on=False)
    place = (-5 if "left" in corner else 5, -11 if "lower" in corner else 3)
    note(axes, text, (x, y), place, ha="right" if "left" in corner else "left")


def key(text: str, colour: str, linewidth: float = 3.2, **settings: Any) -> tuple[Line2D, str]:
    """An entry of ``legend``: a stroke, and what it stands for."""
    return Line2D([], [], color=colour, linewidth=linewidth, **settings), text


def legend(figure: Figure, entries: Sequence[tuple[Line2D, str]], columns: int = 4) -> None:
    """Entries of ``key`` along the upper edge of a figure."""
    w, h = figure.get_size_inches()
    strokes, texts = zip(*entries, strict=True)
    lines = ["\n".join(wrapped(text, w - 0.5)) for text in texts]
    place: dict[str, Any] = {"loc": "upper left", "bbox_to_anchor": (0.03 / w, 1 - 0.05 / h), "borderaxespad": 0}
    figure.legend(strokes, lines, ncols=columns, handlelength=1.6, columnspacing=1.2, borderpad=0.2, **place)


def density(a: np.ndarray, b: np.ndarray, limit: float) -> np.ndarray:
    """Where points (a, b) lie within ±limit, as RGBA: alpha grows with the logarithm of their number."""
    counts, _, _ = np.histogram2d(b, a, bins=160, range=[[-limit, limit]] * 2)
    alpha = np.log1p(counts) / max(float(np.log1p(counts.max())), 1.0)
    cells = np.empty((*counts.shape, 4), dtype=np.uint8)
    cells[..., :3] = rgb(RUN)
    cells[..., 3] = np.round(255 * np.where(counts > 0, 0.25 + 0.75 * alpha, 0))
    return cells
