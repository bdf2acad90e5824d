"""A table of prompts as a spreadsheet or a program saves it: from bytes to text, and from text to numbered rows."""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import compress
from pathlib import Path

from plantain.data.texts import visible
from plantain.errors import InputError
from plantain.wording import shorten

# Far above any prompt set in use; they keep a stray upload from filling the memory, or a run.json from growing
# beyond what is read again. Names of tags count once a pair.
MAX_FILE_BYTES = 10 * 1024**2
MAX_PAIRS, MAX_TAGS, MAX_SET_BYTES = 20_000, 200, 6_000_000
# A set of a CSV file has the names of columns at every pair: where that makes it this many times as large, it is no
# table of prompts. Below so many characters it does no harm.
MAX_GROWTH, SMALL_SET = 9, 100_000
MAX_ROWS, MAX_COLUMNS = 1_048_576, 16_384  # as many as a spreadsheet has, most of them empty
MAX_LINE = 1_000_000
SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "vertical bars"}
NAMED = ("a", "b", "id")  # columns whose names are read without regard to case

_DIRECTIVE = re.compile(r'"?sep=(.)"?[,;\t|]*\n', re.IGNORECASE)  # Excel's first line, which it does not show
_END = "\0"  # a last line, which no text holds, and which is a row of its own only if every quote is closed


@dataclass(frozen=True)
class Sheet:
    """The rows of a CSV file that hold something, under the columns that have a name."""

    columns: list[str]
    rows: list[list[str]]
    numbers: list[int]  # of the rows, as a spreadsheet counts them: from 1, empty ones included
    separator: str
    left_out: list[str]  # a sentence each: rows and columns that are not read


def read_content(path: Path) -> bytes:
    """Return a file's bytes.

    Raises InputError: no ordinary file, one that cannot be read, or more than ``MAX_FILE_BYTES``.
    """
    try:
        if path.exists() and not path.is_file():  # a pipe would be waited for, a device read without end
            raise InputError(f"{path} is not an ordinary file; give the path of a .json or .csv file.")
        with path.open("rb") as file:
            content = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise InputError(f"Cannot read the prompt file {str(path)!r}: {error.strerror or error}.") from error
    if len(content) > MAX_FILE_BYTES:
        raise InputError(f"{path.name} is larger than {MAX_FILE_BYTES // 1024**2} MB; a prompt set is far smaller.")
    return content


def decode(content: bytes, source: str) -> tuple[str, str]:
    """Return a file's text and its encoding: UTF-16 where a byte order mark says so, else UTF-8.

    Raises InputError: the bytes are neither.
    """
    marked = content[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
    name, codec = ("UTF-16", "utf-16") if marked else ("UTF-8", "utf-8-sig")
    try:
        text = content.decode(codec)
        broken = content.find(b"\0") if "\0" in text else -1
    except UnicodeDecodeError as error:
        text, broken = "", error.start
    if broken >= 0:
        line = len(re.findall(rb"\r\n|\r|\n", content[:broken])) + 1
        raise InputError(
            f"Line {line} of {source} is not {name} text. Save the file again as “CSV UTF-8”, or as JSON in UTF-8."
        )
    return text, name


def read_sheet(text: str, source: str) -> Sheet:
    """Return the rows of a CSV text whose first row names the columns ``a`` and ``b``; ``source`` stands in errors.

    The separator is the first of ``SEPARATORS`` under which the first row holds both names.

    Raises InputError: no such row, too many rows or columns, a cell beyond the last column, a quote left open.
    """
    if len(text) > MAX_FILE_BYTES:
        raise InputError(f"{source} is larger than {MAX_FILE_BYTES // 1024**2} MB; a prompt set is far smaller.")
    text = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    if "\0" in text:
        raise InputError(f"{source} holds NUL characters and is not plain text; save it again as “CSV UTF-8”.")
    directive = _DIRECTIVE.match(text)
    text = text[directive.end() :] if directive else text
    start = text.rfind("\n", 0, len(text) - len(text.lstrip())) + 1  # after empty lines
    columns, separator = _header(text[start:], directive[1] if directive else "", source)
    reader = _reader(text[start:], separator, source)
    next(reader)
    first = text.count("\n", 0, start) + 2
    rows, numbers, n_empty = _rows(reader, first, len(columns), source)
    nameless = [not column for column in columns]
    named = [column for column in columns if column]
    _check_names(named, source)
    _check_size(len(text), named, len(rows), source)
    return Sheet(
        named,
        [[cell for cell, skip in zip(row, nameless, strict=False) if not skip] for row in rows],
        numbers,
        separator,
        _left_out(rows, numbers, nameless, n_empty),
    )


def _reader(text: str, separator: str, source: str) -> Iterator[list[str]]:
    """Rows under a separator, then ``[_END]`` unless a quote is left open."""
    return csv.reader(_lines(text, source), delimiter=separator, skipinitialspace=True)


def _lines(text: str, source: str) -> Iterator[str]:
    for line in io.StringIO(text):
        if len(line) > MAX_LINE:
            raise InputError(
                f"{source} has a line of more than {MAX_LINE:,} characters; a pair of prompts is far shorter."
            )
        yield line
    yield _END


def _header(text: str, first: str, source: str) -> tuple[list[str], str]:
    """The names in the first row, and the separator; ``first`` is tried before the others."""
    longest: list[str] = []
    broken: csv.Error | None = None
    for separator in sorted(SEPARATORS, key=lambda separator: separator != first):
        try:
            row = next(_reader(text, separator, source))
        except csv.Error as error:  # a cell without end
            broken = error
            continue
        columns = [_column(cell) for cell in row[:MAX_COLUMNS]]
        if {"a", "b"} <= set(columns):
            if len(row) > MAX_COLUMNS:
                raise InputError(f"{source} has {len(row):,} columns; give a, b, id, and at most {MAX_TAGS} tags.")
            return columns, separator
        if len(row) > len(longest):
            longest = row[:40]
    if broken and not longest:
        raise InputError(f"{source} is not readable as CSV ({broken}); save it again as “CSV UTF-8”.") from broken
    names = "" if longest == [_END] else shorten(", ".join(repr(cell[:160]) for cell in longest))
    raise InputError(
        f"{source} needs the columns 'a' and 'b' in its first row, separated by , ; tab or |; it has "
        f"{names or 'none'}. Name the columns of the two prompts a and b."
    )


def _column(cell: str) -> str:
    name = visible(cell)
    return name.lower() if name.lower() in NAMED else name


def _rows(
    reader: Iterator[list[str]], first: int, n_columns: int, source: str
) -> tuple[list[list[str]], list[int], int]:
    """Rows that hold something, their numbers, and how many are empty."""
    rows: list[list[str]] = []
    numbers: list[int] = []
    row, number = [_END], first - 1
    try:
        for number, row in enumerate(reader, first):
            if row == [_END]:
                break
            if any(map(str.strip, row[n_columns:])):
                column = next(i for i, cell in enumerate(row) if i >= n_columns and cell.strip()) + 1
                raise InputError(
                    f"Row {number} of {source} has text in column {column}, and the first row has only {n_columns} "
                    "columns. Put prompts that contain the separator in quotes, or name the column in the first row."
                )
            if any(map(str.strip, row)):
                rows.append(row)
                numbers.append(number)
            if len(rows) > MAX_PAIRS or number > MAX_ROWS:
                raise InputError(f"{source} holds more than {MAX_PAIRS:,} pairs or {MAX_ROWS:,} rows; give fewer.")
    except csv.Error as error:
        raise InputError(
            f"{source} is not readable as CSV from row {number + 1} on ({error}); close its quotes, or save it again "
            "as “CSV UTF-8”."
        ) from error
    if row != [_END]:
        raise InputError(f"A quote that opens in row {number} of {source} is never closed; close it.")
    return rows, numbers, number - first - len(rows)


def _check_names(named: list[str], source: str) -> None:
    name, times = Counter(named).most_common(1)[0]
    if times > 1:
        raise InputError(f"{source} has the column {shorten(name)!r} twice; give every column a name of its own.")
    if len(named) > MAX_TAGS + len(NAMED):
        raise InputError(f"{source} has {len(named):,} columns; give a, b, id, and at most {MAX_TAGS} tags.")


def _check_size(n_characters: int, columns: list[str], n_rows: int, source: str) -> None:
    """Before the pairs are made: each holds the names of all columns."""
    written = n_rows * sum(len(column) + 8 for column in columns)  # quotes, colon, comma
    if written > max(SMALL_SET, MAX_GROWTH * n_characters):
        raise InputError(
            f"{source} has {len(columns):,} columns whose names, kept at each of {n_rows:,} pairs, would make it "
            f"{written / n_characters:,.0f} times as large; use shorter names, or fewer columns."
        )
    if written > MAX_SET_BYTES:
        raise InputError(
            f"{source} has more than {MAX_SET_BYTES:,} bytes with the names of {len(columns):,} columns at each of "
            f"{n_rows:,} pairs; give fewer pairs or columns."
        )


def _left_out(rows: list[list[str]], numbers: list[int], nameless: list[bool], n_empty: int) -> list[str]:
    sentences = []
    if n_empty:
        sentences.append(f"Skipped {n_empty:,} empty {'row' if n_empty == 1 else 'rows'}.")
    places = [place for place, without in enumerate(nameless, 1) if without]
    if places:
        listed = ", ".join(map(str, places[:5])) + (" …" if len(places) > 5 else "")
        which = f"columns {listed}, which have no name" if len(places) > 1 else f"column {listed}, which has no name"
        filled = [n for n, row in zip(numbers, rows, strict=True) if any(map(str.strip, compress(row, nameless)))]
        text = f"text in {len(filled):,} rows" if len(filled) > 1 else f"text in row {filled[0]}" if filled else "empty"
        sentences.append(f"Left out {which} ({text}).")
    return sentences
