"""HTML of the page's own making: figures, tables; everything that is not ours is escaped here."""

import re
from collections.abc import Callable
from html import escape

from plantain.report.picture import NARROW, WIDE, Picture
from plantain.report.section import Section
from plantain.wording import Table


def alert(what: str, said: object) -> str:
    """A paragraph for what went wrong: ``what`` stands out, and what is said of it may hold anything."""
    return f'<p class="plantain-error" role="alert"><strong>{escape(what)}</strong> {escape(str(said))}</p>'


def status(said: str) -> str:
    return f'<p role="status">{escape(said)}</p>'


def page_figure(draw: Callable[[float], Picture], *tables: Table) -> str:
    """A figure for a wide and for a narrow screen, of which the page's CSS shows one; tables are folded below it."""
    numbers = "".join(html_table(table) for table in tables)
    folded = f"<details><summary>The same as numbers</summary>{numbers}</details>" if tables else ""
    return (
        f'<figure class="plantain-figure"><div class="plantain-wide">{draw(WIDE).to_svg()}</div>'
        f'<div class="plantain-narrow">{draw(NARROW).to_svg()}</div>{folded}</figure>'
    )


def section_html(section: Section) -> str:
    """A section of a report: title, sentences, the picture with its numbers folded under it, else its tables."""
    said = "".join(f"<p>{escape(sentence)}</p>" for sentence in section.sentences)
    if section.draw is not None:
        shown = page_figure(section.draw, *section.tables)
    else:
        shown = "".join(html_table(table) for table in section.tables)
    return f'<h3>{escape(section.title)}</h3><div class="plantain-prose">{said}</div>{shown}'


def html_table(table: Table, caption: str | None = None) -> str:
    """An HTML table under its title; every cell is text and escaped, numbers are marked as such for their alignment."""
    head, *body = table.cells
    first = "".join(f'<th scope="col"{_number_class(cell)}>{escape(cell)}</th>' for cell in head)
    lines = ("".join(f"<td{_number_class(cell)}>{escape(cell)}</td>" for cell in row) for row in body)
    rows = "".join(f"<tr>{line}</tr>" for line in lines)
    title = table.title if caption is None else caption
    said = f"<caption>{escape(title)}</caption>" if title else ""
    # Reached by the keyboard, since on a phone it scrolls.
    return (
        f'<div class="plantain-scroll" tabindex="0"><table>{said}<thead><tr>{first}</tr></thead>'
        f"<tbody>{rows}</tbody></table></div>"
    )


def _number_class(text: str) -> str:
    numeric = re.fullmatch(r"[+\-−]?(\d[\d,]*(\.\d+)?|\.\d+)(e[+\-]?\d+)?( ?%|×)?( \(\d[\d.]* ?%\))?|constant|—", text)
    return ' class="plantain-number"' if numeric else ""
