"""One part of a report: a title, sentences, tables and a picture; as text and as Markdown here, as HTML in the page."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from plantain.wording import Table, inert

if TYPE_CHECKING:
    from plantain.report.picture import Picture


@dataclass(frozen=True)
class Section:
    """What is said of one thing, whatever it is shown as.

    >>> print(Section("Is it length?", ["Lengths are equal in every pair."]).text)
    """

    title: str
    sentences: Sequence[str] = ()
    tables: Sequence[Table] = ()
    draw: Callable[[float], Picture] | None = None  # of a width in inches
    name: str = ""  # of the picture's files

    @property
    def text(self) -> str:
        """Plain text for the shell."""
        said = "\n".join(f"- {sentence}" for sentence in self.sentences)
        return "\n\n".join(part for part in (self.title, said, *(table.text for table in self.tables)) if part) + "\n"

    def markdown(self, level: int = 2) -> str:
        """Markdown under a heading of that level: the picture, named by its alternative text, sentences, tables."""
        from plantain.report.picture import WIDE  # here, since the shell's answers need no matplotlib

        picture = "" if self.draw is None else f"![{inert(self.draw(WIDE).alt)}]({self.name}.svg)"
        said = "\n".join(f"- {inert(sentence)}" for sentence in self.sentences)
        tables = [table.markdown(level + 1) for table in self.tables]
        return (
            "\n\n".join(part for part in (f"{'#' * level} {inert(self.title)}", picture, said, *tables) if part) + "\n"
        )
