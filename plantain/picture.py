"""Pictures: one palette, and a figure as a file or as an SVG inside the page that follows its theme.

A file (PNG, SVG, PDF) has a white background. Inside the page the background is the page's, and text
and lines take the page's colours, so that one drawing is right in light and in dark mode.
"""

from __future__ import annotations

import hashlib
import html
import io
import re
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.figure import Figure

# Inches: as wide as a page of text, and as a telephone. At 72 units an inch and the sizes below, a
# narrow figure shows its smallest text at 9 CSS pixels on a screen of 375.
WIDE, NARROW = 8.6, 4.3
TEXT, SMALL = 9.0, 8.5  # points
_PIXELS_PER_INCH = 128  # widest an inline figure grows; beyond it text would outgrow the page's

# After Okabe & Ito, told apart with any colour vision (https://jfly.uni-koeln.de/color/), and chosen so
# that each stands out from white and from near-black: rasters cannot follow the theme.
PLUS, MINUS = "#e06c00", "#1a80c4"  # B larger, A larger
RUN, TWIN = "#0d9b76", "#8a8a8a"  # the run itself; what it is held against
INK, MUTED, GRID, PAPER = "#222222", "#616161", "#d6d6d6", "#ffffff"

_NAMES = {"ink": INK, "muted": MUTED, "grid": GRID, "paper": PAPER, "plus": PLUS, "minus": MINUS}
_NAMES |= {"run": RUN, "twin": TWIN}
VARIABLES = {f"--plantain-{name}": colour for name, colour in _NAMES.items()}
"""CSS variables of the page's light mode; an inline SVG falls back to these values."""
DARK = VARIABLES | {
    "--plantain-ink": "#e8e8e8",
    "--plantain-muted": "#a9a9a9",
    "--plantain-grid": "#454545",
    "--plantain-paper": "#0b0f19",
}
"""The same in dark mode; what marks data keeps its colour."""

_THEMED = {colour: f"var({name}, {colour})" for name, colour in VARIABLES.items()}
_STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",  # text stays text: it can be searched, read aloud and edited
    "svg.hashsalt": "plantain",
    "text.parse_math": False,  # a model's name may hold dollar signs
    "font.size": TEXT,
    "axes.labelsize": TEXT,
    "xtick.labelsize": SMALL,
    "ytick.labelsize": SMALL,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.8,
    "legend.frameon": False,
    "legend.fontsize": SMALL,
} | dict.fromkeys(
    ("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color", "patch.edgecolor"), INK
)
SMOOTH = "smooth"
"""``gid`` of an image that a viewer should smooth: matplotlib's SVG asks for hard pixels everywhere."""
_SMOOTH_IMAGE = re.compile(rb'(id="smooth"[^>]*style="image-rendering:)[^"]*')
# Settings of matplotlib are the whole process's: two threads drawing at once would mix them.
_lock = threading.RLock()


@contextmanager
def style() -> Iterator[None]:
    """Draw in the house style; the settings of matplotlib are put back afterwards."""
    with _lock, rc_context(_STYLE):
        yield


@dataclass(frozen=True)
class Picture:
    """A figure and its alternative text.

    >>> figures.overview(table, result.head_map).to_bytes("pdf")
    """

    figure: Figure
    alt: str

    def to_bytes(self, kind: str = "png", dpi: int = 150) -> bytes:
        """The figure on white as "png", "svg" or "pdf"; the same figure gives the same bytes."""
        return self._saved(kind, dpi, PAPER)

    def to_svg(self, key: str = "") -> str:
        """The figure as an SVG to stand inside a page, in the page's colours (``VARIABLES``, ``DARK``).

        Ids come from a digest of the drawing, so that pictures of one page never share one; where the
        same picture stands twice, ``key`` tells the two apart.
        """
        drawn = self._saved("svg", 72, "none").decode()
        drawn = drawn[drawn.index("<svg") :]
        drawn = re.sub(r"<metadata>.*?</metadata>|<style.*?</style>", "", drawn, flags=re.DOTALL)
        digest = hashlib.sha256(f"{key}\0{self.alt}\0{drawn}".encode()).hexdigest()[:10]
        wanted = set(re.findall(r'(?:href="|url\()#([\w.-]+)', drawn))
        drawn = re.sub(r"<[^>]+>", lambda tag: _themed(tag[0], f"p{digest}-", wanted), drawn[drawn.index(">") + 1 :])
        drawn = re.sub(r"\s*\n\s*", "\n", drawn)
        width, height = (72 * inches for inches in self.figure.get_size_inches())
        css = (
            f"display:block;width:100%;max-width:{width / 72 * _PIXELS_PER_INCH:.0f}px;height:auto;"
            "font-family:system-ui,sans-serif;stroke-linejoin:round;stroke-linecap:butt"
        )
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" role="img" '
            f'aria-label="{html.escape(self.alt)}" style="{css}">{drawn}'
        )

    def _saved(self, kind: str, dpi: int, paper: str) -> bytes:
        buffer = io.BytesIO()
        metadata = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}.get(kind)
        with style():
            self.figure.savefig(buffer, format=kind, dpi=dpi, metadata=metadata, facecolor=paper)
        saved = buffer.getvalue()
        return _SMOOTH_IMAGE.sub(rb"\1auto", saved) if kind == "svg" else saved


def _themed(tag: str, prefix: str, wanted: set[str]) -> str:
    """One tag of a drawing: ids apart from those of other drawings, colours and font left to the page."""
    tag = tag.replace("xlink:href", "href").replace("base64,\n", "base64,")
    tag = re.sub(r' id="([^"]*)"', lambda m: f' id="{prefix}{m[1]}"' if m[1] in wanted else "", tag)
    tag = re.sub(r'(href="|url\()#', rf"\g<1>#{prefix}", tag)
    tag = re.sub(r" font-family: [^;\"]*;?| transform=\"rotate\(-0 [^\"]*\"", "", tag)
    return re.sub(r"#[0-9a-f]{6}\b", lambda m: _THEMED.get(m[0], m[0]), tag)


def signed_cells(t: np.ndarray, limit: float) -> np.ndarray:
    """Colours of signed values: RGBA, uint8, one more axis than ``t``; NaN and 0 leave the background as it is.

    Alpha is |t| / limit, over ``PLUS`` or ``MINUS``: no effect looks like the page in either mode.
    """
    alpha = np.clip(np.abs(np.nan_to_num(t, nan=0.0)) / limit, 0, 1)
    colours = np.array([rgb(MINUS), rgb(PLUS)], dtype=np.uint8)
    filled = colours[(np.nan_to_num(t, nan=0.0) > 0).astype(int)]
    return np.concatenate([filled, np.round(255 * alpha)[..., None].astype(np.uint8)], axis=-1)


def rgb(colour: str) -> tuple[int, ...]:
    return tuple(int(colour[i : i + 2], 16) for i in (1, 3, 5))


# -- for the page ------------------------------------------------------------------------------


def page_figure(draw: Callable[[float], Picture], table: str = "") -> str:
    """HTML of a figure, drawn for a wide and for a narrow screen; the page's CSS shows one of them.

    >>> page_figure(lambda width: figures.split_half(table, width=width), html_table(header, rows))

    ``table`` is HTML, unfolded below the figure by who wants numbers.
    """
    folded = f"<details><summary>The same as numbers</summary>{table}</details>" if table else ""
    return (
        f'<figure class="plantain-figure"><div class="plantain-wide">{draw(WIDE).to_svg()}</div>'
        f'<div class="plantain-narrow">{draw(NARROW).to_svg()}</div>{folded}</figure>'
    )


def html_table(header: Sequence[Any], rows: Sequence[Sequence[Any]], caption: str = "") -> str:
    """An HTML table; every cell is text and escaped, numbers are marked as such for their alignment."""
    head = "".join(f'<th scope="col"{_number_class(cell)}>{html.escape(str(cell))}</th>' for cell in header)
    body = "".join(
        "<tr>" + "".join(f"<td{_number_class(cell)}>{html.escape(str(cell))}</td>" for cell in row) + "</tr>"
        for row in rows
    )
    # Reached by the keyboard, since on a phone it scrolls.
    said = f"<caption>{html.escape(caption)}</caption>" if caption else ""
    table = f"<table>{said}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    return f'<div class="plantain-scroll" tabindex="0">{table}</div>'


def _number_class(cell: Any) -> str:
    text = str(cell)
    numeric = re.fullmatch(r"[+\-−]?(\d[\d,]*(\.\d+)?|\.\d+)(e[+\-]?\d+)?( ?%|×)?( \(\d[\d.]* ?%\))?|∞|—", text)
    return ' class="plantain-number"' if numeric else ""
