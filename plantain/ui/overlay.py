"""What *Where* draws: a map as squares over a picture, pairs and heads to choose from, the numbers of a map."""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from typing import NamedTuple

import numpy as np
from PIL import Image

from plantain.data.heads import HeadMap
from plantain.data.prompts import PromptPair
from plantain.report.palette import DEEPEST, INK, RUN
from plantain.wording import Table, number, signed

T_SHOWN = 10.0
"""Cells have their full colour from this place t on: three times the threshold, where nobody doubts any more."""
THRESHOLD = 3.0
_THUMBNAIL_QUALITY = 70  # 25 pictures of 128 pixels take 28 kB, where the kept files take 270


class Square(NamedTuple):
    """One value of a map where it lies on a picture, in pixels from the upper left."""

    row: int
    column: int
    x: float
    y: float
    width: float
    height: float
    alpha: float


def squares(values: np.ndarray, width: int, height: int) -> list[Square]:
    """The squares of a map, (rows, columns), over a picture: each covers its token's pixels, row by row.

    >>> squares(dense.shift[0, 0], 128, 128)[0]

    Alpha is the value's share of the map's largest; nothing is smoothed, since nothing finer was measured.
    """
    rows, columns = values.shape
    w, h = width / columns, height / rows
    alpha = np.clip(np.asarray(values, dtype=np.float64) / (float(values.max()) or 1.0), 0, 1)
    return [Square(r, c, c * w, r * h, w, h, float(alpha[r, c])) for r in range(rows) for c in range(columns)]


def map_svg(values: np.ndarray, alt: str, size: tuple[int, int], picture: bytes | None = None) -> str:
    """A map as an inline SVG: over a picture (a WebP file) in the run's colour, or alone in ink.

    >>> map_svg(dense.shift[0, 0], "Where it lies.", (128, 128), pictures.files[1])

    ``size``: width and height in pixels. The picture is drawn in greys, so that no colour of its own is mistaken for
    the map's.
    """
    width, height = size
    # One drawing unit of bleed would show as lines between squares; hard edges show none.
    drawn = "".join(
        f'<rect x="{s.x:g}" y="{s.y:g}" width="{s.width:g}" height="{s.height:g}" fill-opacity="{shown:.3f}"/>'
        for s in squares(values, width, height)
        if (shown := DEEPEST * s.alpha) >= 0.001
    )
    under = "" if picture is None else f'<image href="{data_uri(picture)}" width="{width}" height="{height}"/>'
    fill = f"var(--plantain-run, {RUN})" if picture is not None else f"var(--plantain-ink, {INK})"
    return (
        f'<svg class="plantain-map" viewBox="0 0 {width} {height}" role="img" aria-label="{escape(alt)}">{under}'
        f'<g fill="{fill}" shape-rendering="crispEdges">{drawn}</g></svg>'
    )


def map_words(values: np.ndarray) -> str:
    """Where a map lies, in words: its strongest squares, and in how many it exceeds half of that.

    >>> map_words(np.eye(2))
    'strongest in row 1, column 1, then row 2, column 2; above half of that in 2 of 4 squares'
    """
    if not values.max() > 0:
        return "zero everywhere"
    order = np.argsort(-values, axis=None, kind="stable")[: min(3, int((values > 0).sum()))]
    places = [f"row {r + 1}, column {c + 1}" for r, c in zip(*np.unravel_index(order, values.shape), strict=True)]
    wide = int((values > values.max() / 2).sum())
    return f"strongest in {', then '.join(places)}; above half of that in {wide:,} of {values.size:,} squares"


def numbers_table(values: np.ndarray, title: str, note: str = "") -> Table:
    """The numbers of a map as a table, a row a row of squares.

    >>> html_table(numbers_table(dense.maps[0, 0], "Where the body moved"))
    """
    header = ("row", *(f"col {c + 1}" for c in range(values.shape[1])))
    rows = ((str(r + 1), *(number(float(value)) for value in row)) for r, row in enumerate(values))
    return Table(title, note, (header, *rows))


def figure(svg: str, caption: str) -> str:
    """A map with what it is a map of written under it."""
    return f"<figure>{svg}<figcaption>{escape(caption)}</figcaption></figure>"


def how_to_read(values: np.ndarray) -> str:
    """What a square is, and what its colour says, in plain text."""
    rows, columns = values.shape
    return (
        f"A square is a token, {rows} × {columns} of them, not smoothed. The greener, the further apart the head's "
        f"output there is under the two prompts; greenest: {values.max():.2f}, its largest in this pair."
    )


def data_uri(webp: bytes) -> str:
    return f"data:image/webp;base64,{base64.b64encode(webp).decode()}"


def thumbnail(pixels: np.ndarray) -> str:
    """A small picture as a data URI: at most 128 pixels a side, and lossy."""
    image = Image.fromarray(pixels)
    image.thumbnail((128, 128))
    file = io.BytesIO()
    image.save(file, "WEBP", quality=_THUMBNAIL_QUALITY)
    return data_uri(file.getvalue())


def pair_name(pair: PromptPair, index: int) -> str:
    """What a pair is called where it is chosen: its number, its subject, and its pose where that is tagged.

    >>> pair_name(prompts.pairs[0], 0)
    'Pair 1, fisherman: lunge reach'
    """
    pose = pair.tags.get("pose")
    said = f": {str(pose[-1]).replace('-', ' ')}" if isinstance(pose, list | tuple) and pose else ""
    return f"Pair {index + 1}, {pair.id.replace('-', ' ')}{said}"


def pair_choices(
    pairs: Sequence[PromptPair],
    pixels: np.ndarray | None,
    conditions: Sequence[str],
    group: str = "plantain-pair",
) -> str:
    """The pairs to choose one of: radio buttons that show the B side, a picture of an A side before them.

    ``group``: of the radio buttons, one name a chooser.
    """
    shown = []
    for i, pair in enumerate(pairs):
        name = escape(pair_name(pair, i))
        face = f'<span aria-hidden="true">{i + 1}</span>'
        if pixels is not None:
            face = f'<img src="{thumbnail(pixels[i, 1])}" alt="{name}">'
        chosen = " checked" if i == 0 else ""
        shown.append(
            f'<label title="{name}"><input type="radio" name="{group}" value="{i}" aria-label="{name}"{chosen}>'
            f"{face}</label>"
        )
    first = ""
    if pixels is not None:
        alt = f"{conditions[0]}: how the A side of every pair looks"
        first = (
            f'<span class="plantain-first"><img src="{thumbnail(pixels[0, 0])}" alt="{escape(alt)}">'
            '<span aria-hidden="true">→</span></span>'
        )
    said = f"Choose one of {len(pairs)} pairs, shown by its {conditions[1]}"
    said += f"; first, {conditions[0]}" if first else ""
    return f'<fieldset class="plantain-pairs"><legend>{escape(said)}</legend>{first}{"".join(shown)}</fieldset>'


@dataclass(frozen=True)
class Colouring:
    """What the cells of a choice of heads are coloured by."""

    group: str  # of the radio buttons: one name a chooser, or two on a page would be one
    legend: str
    said: Callable[[float], str]  # a value in words
    full: float  # from this value on a cell has its full colour
    ends: tuple[str, str]  # of the scale, in words
    dotted_above: float = math.inf


def head_choices(head_map: HeadMap, t: np.ndarray, best: int, notes: Sequence[str] = ()) -> str:
    """The attention heads to choose one of: a column a block, a row a head, coloured by place t; a slider under it.

    >>> head_choices(run.head_map, place_count(run, "head").t, best=0)

    where.js keeps cells, slider and buttons at one head; ``best`` is the button's that says *strongest*. ``notes``:
    what else is told of each head that is pointed at.
    """
    passing = f"{int((t > THRESHOLD).sum())} of {len(t)}"
    by = Colouring(
        group="plantain-head",
        legend=f"Choose an attention head; {passing} at place t > {THRESHOLD:g}, dotted",
        said=lambda value: f"place t = {signed(value, 1)}",
        full=T_SHOWN,
        ends=("place t ≤ 0", f"≥ {T_SHOWN:g}"),
        dotted_above=THRESHOLD,
    )
    return coloured_choices(head_map, t, best, by, notes)


def coloured_choices(head_map: HeadMap, values: np.ndarray, best: int, by: Colouring, notes: Sequence[str] = ()) -> str:
    """The same, coloured by a value of every head.

    >>> coloured_choices(run.head_map, size, best=int(size.argmax()), by=colouring)
    """
    rows, names = head_map.n_attention_heads, head_map.block_names
    cells = []
    for i, (name, value) in enumerate(zip(head_map.names("head"), map(float, values), strict=True)):
        said = f"{name}, {by.said(value)}" + (f", {notes[i]}" if notes else "")
        depth = 100 * min(max(value, 0) / (by.full or 1), 1)
        passes = ' class="passes"' if value > by.dotted_above else ""
        cells.append(
            f'<label{passes} style="--depth:{depth:.0f}%" title="{said}">'
            f'<input type="radio" name="{by.group}" value="{i}" aria-label="{said}"></label>'
        )
    kinds = [("joint", head_map.n_joint), ("single", head_map.n_single)]
    above = "".join(f'<span style="grid-column:span {n}">{kind}</span>' for kind, n in kinds if n)
    left = "".join(f"<span>head {row}</span>" for row in range(rows))
    return (
        f'<fieldset class="plantain-heads" style="--rows:{rows};--blocks:{len(names)};--joint:{head_map.n_joint}">'
        f"<legend>{escape(by.legend)}</legend>"
        f'<div class="plantain-kinds" aria-hidden="true">{above}</div>'
        f'<div class="plantain-rows" aria-hidden="true">{left}</div>'
        f'<div class="plantain-cells" data-rows="{rows}">{"".join(cells)}</div>'
        f'<input type="range" class="plantain-block" min="0" max="{len(names) - 1}" value="0" step="1" '
        f'aria-label="Block" data-blocks="{escape(" ".join(names))}">'
        '<div class="plantain-chosen"><output></output>'
        f'<button type="button" class="plantain-button" data-head="{best}">Strongest</button>'
        '<button type="button" class="plantain-button" data-head="random">Random</button>'
        f'<span class="plantain-scale"><span>{escape(by.ends[0])}</span><span class="plantain-ramp"></span>'
        f"<span>{escape(by.ends[1])}</span></span></div></fieldset>"
    )
