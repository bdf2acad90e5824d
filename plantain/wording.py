"""Numbers and tables as text: one wording of each, for shell, page and files."""

from __future__ import annotations

from dataclasses import dataclass


def shorten(text: str) -> str:
    """One line of at most 160 characters."""
    text = " ".join(text.split())
    return text if len(text) <= 160 else text[:157] + "…"


def signed(value: float, decimals: int = 0) -> str:
    """A number with its sign, a true minus: +2, −0.40; 0 has none."""
    return f"{value:+.{decimals}f}".replace("-", "−") if value else "0"


def duration(seconds: float) -> str:
    """Seconds as one says them: "under a second", "8 s", "3 min", "1 h 20 min"."""
    if seconds < 0.95:
        return "under a second"
    if seconds < 59.5:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    return f"{minutes // 60} h {minutes % 60} min" if minutes % 60 else f"{minutes // 60} h"


def cost(seconds: float, price_per_hour: float) -> str:
    """What that time costs, in the currency of the price: "0.04", or "less than 0.01"."""
    amount = seconds / 3600 * price_per_hour
    return f"{amount:.2f}" if amount >= 0.01 else "less than 0.01"


@dataclass(frozen=True)
class Table:
    """Cells as texts, the header first, under a title and a line that says how to read them."""

    title: str
    note: str
    cells: tuple[tuple[str, ...], ...]

    @property
    def text(self) -> str:
        """In columns of equal width."""
        widths = [max(len(row[i]) for row in self.cells) for i in range(len(self.cells[0]))]
        rows = ["  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip() for row in self.cells]
        return "\n".join([self.title, self.note, "", *rows])

    @property
    def markdown(self) -> str:
        """Under a heading of the second level."""
        header, *body = [" | ".join(cell.replace("|", "\\|") for cell in row) for row in self.cells]
        rule = "|".join(["---"] * len(self.cells[0]))
        table = [f"| {header} |", f"|{rule}|", *(f"| {row} |" for row in body)]
        return "\n".join([f"## {self.title}", "", self.note, "", *table])
