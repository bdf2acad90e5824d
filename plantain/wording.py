"""Numbers and tables as text: one wording of each, for shell, page and files."""

import codecs
import contextlib
import math
import re
import shlex
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

CONSTANT = "constant"
"""Stands for an infinite t or d: the differences of all pairs are equal and not zero, so they have no variance."""


def shorten(text: str) -> str:
    """One line of at most 160 characters."""
    text = " ".join(text.split())
    return text if len(text) <= 160 else text[:157] + "…"


def signed(value: float, decimals: int = 0) -> str:
    """A number with its sign, a true minus: +2, −0.40; 0 has none. What is not finite as ``number`` has it."""
    if not math.isfinite(value):
        return number(value)
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


def time_left(seconds: float) -> str:
    """What is left of a run: "about 8 s left", "about 3 min left", and at its end "nearly done"."""
    return "nearly done" if seconds < 0.95 else f"about {duration(seconds)} left"


def cost(seconds: float, price_per_hour: float) -> str:
    """What that time costs, in the currency of the price: "0.04", or "less than 0.01"."""
    amount = seconds / 3600 * price_per_hour
    return f"{amount:.2f}" if amount >= 0.01 else "less than 0.01"


def number(value: float, decimals: int = 2) -> str:
    """A number with so many decimals; an infinite one as ``CONSTANT``, NaN as a dash."""
    if math.isnan(value):
        return "—"
    return f"{value:.{decimals}f}" if math.isfinite(value) else CONSTANT


def finite(value: Any) -> Any:
    """Return a value as JSON can hold it: None for infinity and NaN, lists for tuples; objects and lists throughout.

    >>> finite({"max_abs_t": float("inf"), "counts": (3, 1)})
    {'max_abs_t': None, 'counts': [3, 1]}
    """
    if isinstance(value, Mapping):
        return {key: finite(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [finite(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def share(count: float, n: int) -> str:
    """A count and its share of ``n``: "269 (52.7 %)"."""
    return f"{count:,.0f} ({100 * count / n:.1f} %)"


def p_value(p: float) -> str:
    """Four decimals, or one significant digit more where those would be 0: "0.0010", "2.4e-06"."""
    return f"{p:.4f}" if p >= 0.0001 else f"{p:.1e}"


def shell_line(*words: object, program: str = "plantain") -> str:
    """Return a command to paste into a shell; words with spaces or quotes are quoted.

    >>> shell_line("report", "my runs/first")
    "python -m plantain report 'my runs/first'"
    """
    return shlex.join(["python", "-m", program, *map(str, words)])


# A number must keep its sign where an encoding has no minus of its own.
_PLAIN = {"−": "-", "–": "-", "—": "-", "×": "x", "…": "...", "•": "*", "·": "*", "‖": "||", "≤": "<=", "≥": ">="} | {
    "→": "->", "←": "<-", "±": "+/-", "²": "^2", "½": "1/2", "“": '"', "”": '"', "’": "'", "′": "'", "°": " degrees"
} | {"Δ": "delta ", "Σ": "sum ", "α": "alpha", "β": "beta", "ρ": "rho", "σ": "sigma", "∞": "inf"}  # fmt: skip


def print_anything() -> None:
    """Let stdout and stderr write in ASCII what their encoding lacks, where ``print`` would raise.

    A minus becomes "-", × becomes "x"; a sign that has no such form becomes "?". The encoding stays, since whoever
    redirects to a file reads it in the encoding of that terminal or pipe.
    """
    codecs.register_error("plantain", _in_ascii)
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError, OSError, ValueError):  # no stream, another's, or a closed one
            stream.reconfigure(errors="plantain")  # type: ignore[union-attr]


def _in_ascii(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(_PLAIN.get(sign, "?") for sign in error.object[error.start : error.end]), error.end


_LINK = re.compile(r"\][(\[]|^\s*\[[^\]]*\]:")


def inert(text: str) -> str:
    """A text that may be anybody's, on one line of Markdown where it opens no HTML, picture or block.

    >>> inert("a <b>chef</b> ![x](http://x.example)")
    'a &lt;b>chef&lt;/b> !\\\\[x\\\\](http://x.example)'

    Emphasis stays, and so does whatever only looks like the others: "p < 0.05", "single[6]". A bare address stays text
    too; some who show Markdown make a link of it.
    """
    text = re.sub(r"<(?=[A-Za-z/!?])", "&lt;", " ".join(text.splitlines()))
    text = re.sub(r"^\s*(?=#|>|~~~|```)", r"\\", text)  # a heading, a quotation, a block of code to the end of the page
    return re.sub(r"[\\\[\]]", r"\\\g<0>", text) if _LINK.search(text) else text


def code(text: str) -> str:
    """The same as a span of code."""
    return f"`{' '.join(text.splitlines()).replace('`', chr(39))}`"


@dataclass(frozen=True)
class Table:
    """Cells as texts, the header first, under a title and a line that says how to read them.

    >>> print(Table("Heads", "At |t| > 3.", (("set", "heads"), ("dense_pose", "269"))).text)
    """

    title: str
    note: str
    cells: tuple[tuple[str, ...], ...]

    @property
    def columns(self) -> str:
        """The cells alone, in columns of equal width."""
        widths = [max(len(row[i]) for row in self.cells) for i in range(len(self.cells[0]))]
        rows = ["  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip() for row in self.cells]
        return "\n".join(rows)

    @property
    def text(self) -> str:
        """Title, note and columns."""
        return "\n".join([*(line for line in (self.title, self.note) if line), "", self.columns])

    @property
    def rows_markdown(self) -> str:
        """The cells alone, as a table of Markdown."""
        header, *body = [" | ".join(inert(cell).replace("|", "\\|") for cell in row) for row in self.cells]
        return "\n".join([f"| {header} |", f"|{'|'.join(['---'] * len(self.cells[0]))}|", *(f"| {r} |" for r in body)])

    def markdown(self, level: int = 2) -> str:
        """Under a heading of that level, where the table has a title."""
        heading = f"{'#' * level} {inert(self.title)}" if self.title else ""
        return "\n\n".join(part for part in (heading, inert(self.note), self.rows_markdown) if part)
