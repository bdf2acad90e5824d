"""*Where* for one typed pair: every head's shift over the two pictures just drawn, with what one pair can say of it."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from html import escape
from typing import Any

import gradio as gr
import numpy as np
from PIL.Image import Image

from plantain.data.prompts import PromptPair
from plantain.data.result import ProbeResult
from plantain.stats.match import unit_maps
from plantain.ui import overlay
from plantain.ui.dense import place_beside
from plantain.ui.engine import LATEST
from plantain.ui.html import alert, html_table
from plantain.ui.where import chooser
from plantain.ui.where_view import index_of, model_caveats
from plantain.wording import signed

TITLE = "Where: does a head's shift lie where the two pictures differ?"
NOT_OFFERED = (
    "Where a head's shift lies is shown for models that draw in seconds; this one takes minutes. From the shell: "
    "python -m plantain draw, then python -m plantain dense."
)
NO_NULL = "One pair gives no null: own − others, whether the place is this pair's own, needs more pairs."
DIFFER = "Where the two pictures differ"

Update = dict[Any, Any]


@dataclass(frozen=True, eq=False)
class PairMaps:
    """All that is shown of one pair: kept for the visitor, so that another head needs no model."""

    pair: PromptPair
    of: str  # which pair it is of several, else ""
    shift: np.ndarray  # (attention heads, rows, columns)
    difference: np.ndarray  # (rows, columns), of the two pictures
    pictures: tuple[bytes, bytes]  # WebP
    size: tuple[int, int]  # of a picture: width and height
    result: ProbeResult  # what the pair was probed with
    place: tuple[np.ndarray, int] | None  # t of the same heads over so many pairs of dense_pose

    @cached_property
    def names(self) -> list[str]:
        return self.result.head_map.names("head")

    @cached_property
    def sizes(self) -> np.ndarray:
        """Mean shift over all tokens, (attention heads,)."""
        return np.asarray(self.shift.mean(axis=(1, 2), dtype=np.float64))

    @cached_property
    def r(self) -> np.ndarray:
        """Pearson r of every head's shift with where the pictures differ; 0 where either is the same everywhere."""
        heads = unit_maps(self.shift.reshape(len(self.shift), -1))
        return np.asarray(heads @ unit_maps(self.difference.reshape(-1)))

    @property
    def strongest(self) -> int:
        return int(self.sizes.argmax())


def maps_of(result: ProbeResult, pair: PromptPair, shift: np.ndarray, images: Sequence[Image]) -> PairMaps:
    """Lay a pair's shifts and its two pictures beside each other.

    >>> maps = maps_of(result, prompts.pairs[0], engine.shift(pair, config), engine.draw(both, 0))
    """
    from plantain.probe.dense import picture_difference  # torch: only where a model has run

    a, b = (image.convert("RGB") for image in images)
    pixels = np.stack([np.asarray(a), np.asarray(b)])[None]
    of = f"the first of {len(result.prompts)} subjects" if len(result.prompts) > 1 else ""
    difference = picture_difference(pixels, (shift.shape[1], shift.shape[2]))[0]
    return PairMaps(pair, of, shift, difference, (_webp(a), _webp(b)), a.size, result, place_beside(result))


def shown(maps: PairMaps, head: int) -> tuple[str, str]:
    """HTML of a head's shift over both pictures, with its sentence; and of the same maps as numbers.

    >>> pictures, numbers = shown(maps, maps.strongest)
    """
    values, name = maps.shift[head].astype(np.float64), maps.names[head]
    words = overlay.map_words(values)
    figures = []
    for side, text, file in zip("AB", (maps.pair.a, maps.pair.b), maps.pictures, strict=True):
        alt = f"{side}; the picture that is drawn, “{text}” The shift of {name}, over it: {words}."
        figures.append(overlay.figure(overlay.map_svg(values, alt, maps.size, file), f"Prompt {side}"))
    alt = f"{DIFFER}: {overlay.map_words(maps.difference)}."
    figures.append(overlay.figure(overlay.map_svg(maps.difference, alt, maps.size), DIFFER))
    drawn = (
        f'<div class="plantain-where"><div class="plantain-maps">{"".join(figures)}</div>'
        f'<div class="plantain-prose"><p role="status">{sentence(maps, head)}</p>'
        f'<p class="plantain-muted">{overlay.how_to_read(values)}</p></div></div>'
    )
    tables = overlay.numbers_table(values, f"Shift of {name}"), overlay.numbers_table(maps.difference, DIFFER)
    return drawn, "".join(html_table(table) for table in tables)


def sentence(maps: PairMaps, head: int) -> str:
    """Where a head's shift is largest, how it matches the pictures, and what one pair leaves open; HTML.

    >>> sentence(maps, maps.strongest)
    """
    values = maps.shift[head]
    if not values.max() > 0:
        found = "its output is the same under both prompts"
    else:
        row, column = np.unravel_index(int(values.argmax()), values.shape)
        found = f"its shift is largest in row {row + 1}, column {column + 1}"
        if np.ptp(maps.difference) > 0:
            found += f", and matches where the two drawn pictures differ with Pearson r = {signed(maps.r[head], 2)}"
        else:
            found += "; the two pictures differ nowhere more than elsewhere, so there is no r"
    if maps.place is None:
        beside = "No dense run of these weights over dense_pose is saved here, so no place t stands beside it."
    else:
        t, n_pairs = maps.place
        beside = f"Over the {n_pairs} pairs of dense_pose, cached, the same head has place t = {signed(t[head], 1)}."
    of = f" ({escape(maps.of)})" if maps.of else ""
    return f"<strong>{escape(maps.names[head])}</strong>{of}: {found}. {NO_NULL} {beside}"


def heads_html(maps: PairMaps) -> str:
    """The heads to choose one of, coloured by the size of their shift: one pair has no t of place."""
    largest = float(maps.sizes.max())
    by = overlay.Colouring(
        group="plantain-typed-head",
        legend="Choose an attention head; the greener, the larger its shift in this pair (mean over squares)",
        said=lambda value: f"mean shift {value:.2f}",
        full=largest,
        ends=("0", f"{largest:.2f}"),
    )
    return overlay.coloured_choices(maps.result.head_map, maps.sizes, maps.strongest, by)


def _webp(image: Image) -> bytes:
    file = io.BytesIO()
    image.save(file, "WEBP", lossless=True)
    return file.getvalue()


# -- the components --------------------------------------------------------------------------------


class PairWhere:
    """The overlay under an answered pair; empty and hidden until there is one."""

    def __init__(self) -> None:
        self._maps = gr.State(None)  # PairMaps | None
        self._failed = gr.HTML()
        with gr.Column(visible=False, min_width=0) as self._frame:
            gr.HTML(f'<section class="plantain-page"><h2>{escape(TITLE)}</h2></section>')
            self._view = gr.HTML()
            self._heads = chooser(0, "")
            self._caveat = gr.HTML()
            with gr.Accordion("The numbers of these maps", open=False):
                self._numbers = gr.HTML()
        self._heads.change(_show, [self._maps, self._heads], [self._view, self._numbers], **LATEST)

    @property
    def head(self) -> gr.HTML:
        """Which head is chosen."""
        return self._heads

    @property
    def outputs(self) -> list[Any]:
        return [self._maps, self._failed, self._frame, self._view, self._heads, self._caveat, self._numbers]

    def given(self, maps: PairMaps) -> Update:
        view, numbers = shown(maps, maps.strongest)
        caveat = escape(" ".join(model_caveats(maps.result)))
        return {
            self._maps: maps,
            self._failed: "",
            self._frame: gr.Column(visible=True),
            self._view: view,
            self._heads: gr.HTML(value=maps.strongest, choices=heads_html(maps)),
            self._caveat: f'<p class="plantain-prose plantain-muted">{caveat}</p>',
            self._numbers: numbers,
        }

    def failed(self, said: str) -> Update:
        return self.empty() | {self._failed: alert("Where is not shown.", said)}

    def empty(self) -> Update:
        blank = dict.fromkeys((self._failed, self._view, self._caveat, self._numbers), "")
        hidden = {self._maps: None, self._frame: gr.Column(visible=False), self._heads: gr.HTML(value=0, choices="")}
        return blank | hidden


def _show(maps: PairMaps | None, head: Any) -> tuple[Any, Any]:
    if maps is None:  # taken away meanwhile, or the page was served anew
        return gr.skip(), gr.skip()
    return shown(maps, index_of(head, len(maps.names)))
