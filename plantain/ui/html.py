"""HTML of the page's own making: figures, tables; everything that is not ours is escaped here."""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Sequence
from typing import Any

from plantain.report.picture import NARROW, WIDE, Picture


def alert(what: str, said: object) -> str:
    """A paragraph for what went wrong: ``what`` stands out, and what is said of it may hold anything.

    >>> alert("Not run.", InputError("Prompt A is empty; write one."))
    """
    bold, rest = html.escape(what), html.escape(str(said))
    return f'<p class="plantain-error" role="alert"><strong>{bold}</strong> {rest}</p>'


def status(said: str) -> str:
    """A line on how far something is."""
    return f'<p role="status">{html.escape(said)}</p>'


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
