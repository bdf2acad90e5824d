"""Figures in one style: as a file on white, or as an SVG inside the page in the colours of its light or dark mode."""

from __future__ import annotations

import hashlib
import html
import io
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from plantain.report.palette import INK, PAPER, THEMED

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Inches: as wide as a page of text, and as a telephone. At 72 units an inch and the sizes below, a
# narrow figure shows its smallest text at 9 CSS pixels on a screen of 375.
WIDE, NARROW = 8.6, 4.3
TEXT, SMALL = 9.0, 8.5  # points
_PIXELS_PER_INCH = 128  # widest an inline figure grows; beyond it text would outgrow the page's

_STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",  # text stays text: it can be searched, read aloud and edited
    "svg.hashsalt": "plantain",
    "text.parse_math": False,  # a model's name may hold dollar signs
    "axes.linewidth": 0.8,
}
for _value, _names in {
    TEXT: "font.size axes.labelsize",
    SMALL: "xtick.labelsize ytick.labelsize legend.fontsize",
    INK: "text.color axes.labelcolor axes.edgecolor xtick.color ytick.color patch.edgecolor",
    "none": "figure.facecolor axes.facecolor",
    False: "axes.spines.top axes.spines.right legend.frameon",
}.items():
    _STYLE |= dict.fromkeys(_names.split(), _value)
SMOOTH = "smooth"
"""``gid`` of an image that a viewer should smooth: matplotlib's SVG asks for hard pixels everywhere."""
_SMOOTH_IMAGE = re.compile(rb'(id="smooth"[^>]*style="image-rendering:)[^"]*')
# Settings of matplotlib are the whole process's: two threads drawing at once would mix them.
_lock = threading.RLock()


@contextmanager
def style() -> Iterator[None]:
    """Draw in the house style; the settings of matplotlib are put back afterwards."""
    from matplotlib import rc_context  # here, since a page opens without it

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

    def save(self, path: Path) -> None:
        """As ``path`` with .svg, .pdf and .png at its end."""
        for kind in ("svg", "pdf", "png"):
            path.with_name(f"{path.name}.{kind}").write_bytes(self.to_bytes(kind))

    def to_svg(self, key: str = "") -> str:
        """The figure as an SVG to stand inside a page; ``key`` tells two of the same picture apart."""
        drawn = self._saved("svg", 72, "none").decode()
        drawn = drawn[drawn.index("<svg") :]
        drawn = re.sub(r"<metadata>.*?</metadata>|<style.*?</style>", "", drawn, flags=re.DOTALL)
        # Pictures of one page must not share an id.
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
    return re.sub(r"#[0-9a-f]{6}\b", lambda m: THEMED.get(m[0], m[0]), tag)
