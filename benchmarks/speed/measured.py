"""What the benchmarks of speed share: calls timed in turns, rows that set ours beside a peer or a limit, one table.

A module of them gives rows, and is run alone (``python benchmarks/speed/null.py``) or with all others
(``python -m benchmarks``), each in a process of its own.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike


@dataclass(frozen=True)
class Row:
    """Ours beside theirs: medians in ``unit``, and the ratio within a turn with its quartiles."""

    what: str
    against: str
    ours: float
    theirs: float
    ratio: float  # ours / theirs
    low: float
    high: float
    at_most: float | None = None  # the ratio that is wanted
    note: str = ""
    unit: str = "s"

    @property
    def holds(self) -> str:
        """Whether the ratio is what is wanted, in a word; empty where nothing is."""
        return "" if self.at_most is None else "yes" if self.ratio <= self.at_most else "no"


def in_turns(calls: Mapping[str, Callable[[], object]], turns: int = 9, rest: float = 0.0) -> dict[str, np.ndarray]:
    """Seconds of every call, turn by turn after one to warm up: a machine that slows down slows all of them.

    >>> in_turns({"ours": probe, "theirs": usual_loop}, turns=5)["ours"].shape
    (5,)

    Each call is first as often as the others. ``rest``: seconds before each one.
    """
    names, found = [*calls], dict[str, list[float]]()
    for turn in range(turns + 1):
        for name in names[turn % len(names) :] + names[: turn % len(names)]:
            time.sleep(rest)
            started = time.perf_counter()
            calls[name]()
            if turn:
                found.setdefault(name, []).append(time.perf_counter() - started)
    return {name: np.array(seconds) for name, seconds in found.items()}


def beside(
    what: str,
    against: str,
    ours: ArrayLike,
    theirs: ArrayLike,
    at_most: float | None = None,
    note: str = "",
    unit: str = "s",
) -> Row:
    """A row of what was timed in turns.

    >>> beside("null of 1,000 flips", "MNE", found["ours"], found["mne"], at_most=0.1)
    """
    one, other = np.asarray(ours, dtype=float), np.asarray(theirs, dtype=float)
    low, ratio, high = np.quantile(one / other, [0.25, 0.5, 0.75])
    middle = float(np.median(one)), float(np.median(other))
    return Row(what, against, *middle, float(ratio), float(low), float(high), at_most, note, unit)


def limited(what: str, ours: ArrayLike, limit: float, note: str = "", unit: str = "s") -> Row:
    """A row of what is held against a limit that was set for it.

    >>> limited("first paint", paints, 1.5)
    """
    return beside(what, f"{limit:g} {unit}", ours, np.full(np.shape(ours), limit), 1.0, note, unit)


def table(rows: Iterable[Row]) -> str:
    """Markdown.

    >>> print(table(rows))
    """
    lines = ["| what | ours | against | theirs | ratio (quartiles) | wanted | so |", "|---|---|---|---|---|---|---|"]
    for row in rows:
        wanted = "" if row.at_most is None else f"≤ {row.at_most:g}"
        what = row.what + (f" ({row.note})" if row.note else "")
        ratio = f"{row.ratio:.3g} ({row.low:.3g} to {row.high:.3g})"
        ours, theirs = _said(row.ours, row.unit), _said(row.theirs, row.unit)
        lines.append(f"| {what} | {ours} | {row.against} | {theirs} | {ratio} | {wanted} | {row.holds} |")
    return "\n".join(lines)


def machine() -> str:
    """On what it was measured."""
    import os

    import torch

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    has = ", ".join(name for name in ("avx2", "avx512", "amx") if name in _flags()) or platform.machine()
    return (
        f"{cores} cores ({has}), Python {platform.python_version()}, NumPy {np.__version__}, torch {torch.__version__}"
    )


def main(rows: Callable[[], Iterable[Row]], says: str | None) -> int:
    """The main function of a module: its table, and its rows as JSON where ``--json`` names a file."""
    parser = argparse.ArgumentParser(description=(says or "").splitlines()[0])
    parser.add_argument("--json", type=Path, help="write the rows there as well")
    options = parser.parse_args()
    found = []
    for row in rows():
        found.append(row)
        print(table([row]).splitlines()[-1], file=sys.stderr, flush=True)
    print(f"{machine()}\n\n{table(found)}")
    if options.json:
        options.json.write_text(json.dumps([asdict(row) for row in found], indent=1), encoding="utf-8")
    return 0


def read(file: Path) -> list[Row]:
    """Rows as ``--json`` wrote them."""
    names = {field.name for field in fields(Row)}
    return [Row(**{name: row[name] for name in names}) for row in json.loads(file.read_text(encoding="utf-8"))]


def _said(value: float, unit: str) -> str:
    if unit == "s" and value < 0.9995:
        return f"{1000 * value:.3g} ms"
    return f"{value:,.0f} {unit}" if value >= 100 else f"{value:.3g} {unit}"


def _flags() -> str:
    try:
        return Path("/proc/cpuinfo").read_text()
    except OSError:
        return ""
