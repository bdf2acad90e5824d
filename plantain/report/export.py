"""What a view shows, as files in one ZIP: every figure as SVG and PDF, every table as CSV."""

import csv
import io
import re
import unicodedata
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

from plantain.report.files import to_csv
from plantain.report.picture import WIDE, Picture
from plantain.report.section import Section
from plantain.wording import Table

Files = dict[str, str | bytes]
"""Contents by the names of their files."""
# Every file of a ZIP is as old as ZIP itself: the same contents give the same bytes.
_DATE = (1980, 1, 1, 0, 0, 0)
_LONGEST_NAME = 60
_NUMBER = re.compile(r"[+-]?(\d{1,3}(,\d{3})+|\d+)?(\.\d+)?(e[+-]?\d+)?(?<=\d)")


def figure_files(name: str, picture: Picture) -> Files:
    """A figure as SVG and PDF.

    >>> figure_files("shift", typed.draw(found)).keys()
    """
    return {f"{name}.{kind}": picture.to_bytes(kind) for kind in ("svg", "pdf")}


def section_files(name: str, section: Section) -> Files:
    """A section's figure, its tables, and what it says in words, as Markdown.

    >>> section_files("dose", QUESTIONS["dose"].section(result, twin)[0]).keys()
    """
    files: Files = {f"{name}.md": section.markdown(1)}
    if section.draw is not None:
        files |= figure_files(section.name or name, section.draw(WIDE))
    return files | table_files(section.tables, name)


def table_files(tables: Iterable[Table], prefix: str = "") -> Files:
    """Tables as CSV, each named by its title; two of one title are numbered.

    >>> table_files([Table("Heads", "", (("set", "heads"), ("dense_pose", "269")))])
    {'heads.csv': 'set,heads\\ndense_pose,269\\n'}
    """
    files: Files = {}
    for table in tables:
        stem = file_name(f"{prefix} {table.title}")
        name, n = f"{stem}.csv", 2
        while name in files:
            name, n = f"{stem}_{n}.csv", n + 1
        files[name] = table_csv(table)
    return files


def table_csv(table: Table) -> str:
    """A table's cells as CSV; numbers as a program reads them: no thousands' commas, an ASCII minus, no dash for none.

    >>> table_csv(Table("Heads", "", (("head", "t"), ("joint[0] head 1", "−1,234.5"), ("joint[0] head 2", "—"))))
    'head,t\\njoint[0] head 1,-1234.5\\njoint[0] head 2,\\n'
    """
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerows([[_plain(cell) for cell in row] for row in table.cells])
    return buffer.getvalue()


def squares_csv(maps: dict[str, np.ndarray]) -> str:
    """Maps of one shape as CSV, a row a square.

    >>> squares_csv({"shift": np.zeros((8, 8))})
    """
    rows, columns = next(iter(maps.values())).shape
    places = [{"row": r + 1, "column": c + 1} for r in range(rows) for c in range(columns)]
    values = {name: values.ravel() for name, values in maps.items()}
    return to_csv(place | {name: float(of[i]) for name, of in values.items()} for i, place in enumerate(places))


def file_name(text: str) -> str:
    """A text as the name of a file: small letters, digits and underscores, at most 60 of them.

    >>> file_name("single[6] head 2, trained")
    'single_6_head_2_trained'
    """
    plain = unicodedata.normalize("NFKD", text[:1000]).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "_", plain).strip("_")[:_LONGEST_NAME].strip("_") or "table"


def write_zip(path: Path, files: Mapping[str, str | bytes]) -> Path:
    """All files in one; the same contents give the same bytes.

    >>> write_zip(folder / "pair.zip", {"shift.csv": "block,shift\\n"})
    """
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name, _DATE), content, zipfile.ZIP_DEFLATED)
    return path


def _plain(cell: str) -> str:
    if cell == "—":
        return ""
    number = cell.replace("−", "-")
    return number.replace(",", "") if _NUMBER.fullmatch(number) else cell
