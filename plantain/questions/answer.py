"""What every question gives back: sentences, tables, and a value a head; shown as text, page and files elsewhere."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from plantain.wording import Table


class Answer(ABC):
    """Base of the answers; a question's own says ``sentences`` at least.

    >>> print(dose(result).text)
    """

    @property
    @abstractmethod
    def sentences(self) -> Sequence[str]:
        """What was found, with its null, in whole sentences."""

    @property
    def finding(self) -> str:
        """The one sentence to be set beside another run's."""
        return self.sentences[0]

    @property
    def tables(self) -> Sequence[Table]:
        """The same as numbers."""
        return ()

    @property
    def columns(self) -> Mapping[str, Iterable[Any]]:
        """A value for each head, by the name of its column; empty where heads are not told apart."""
        return {}

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values: what it says, unless the answer knows better."""
        tables = {table.title: [list(row) for row in table.cells] for table in self.tables}
        return {"sentences": list(self.sentences), "tables": tables}

    @property
    def text(self) -> str:
        """The sentences and the tables, as plain text."""
        return "\n\n".join(["\n".join(self.sentences), *(table.columns for table in self.tables)])
