"""Hostile input in the long run: random cases against every property of tests/properties.py.

    python benchmarks/trust/hostile.py --cases 100000

Beside what the tests ask, every case must end within two seconds and 200 MB; one that took longer has a second try,
since the machine may have stood still. The table gives the processor's time. Needs the extra ``test``.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

SECONDS, MEGABYTES = 2.0, 200.0


class Measured:
    """A check that also asks for time and memory, and keeps the largest of both."""

    def __init__(self, check: Callable[[Any], None]) -> None:
        self._check, self.cases, self.seconds, self.megabytes = check, 0, 0.0, 0.0

    def __call__(self, case: Any) -> None:
        before, started, used = _megabytes("VmRSS", reset=True), time.perf_counter(), time.process_time()
        self._check(case)
        waited, seconds = time.perf_counter() - started, time.process_time() - used
        grown = _megabytes("VmHWM") - before
        if waited >= SECONDS:
            started = time.perf_counter()
            self._check(case)
            waited = time.perf_counter() - started
        self.cases += 1
        if self.cases > 5:  # the first ones import, and read what is kept
            self.seconds, self.megabytes = max(self.seconds, seconds), max(self.megabytes, grown)
            assert waited < SECONDS, f"{waited:.1f} s"
            assert grown < MEGABYTES, f"{grown:.0f} MB"


def _one_case(measured: Measured) -> Callable[[Any], None]:
    def run(case: Any) -> None:
        measured(case)

    return run


def _megabytes(what: str, reset: bool = False) -> float:
    """What this process holds now (VmRSS), or held at most since the peak was last reset (VmHWM); Linux."""
    if reset:
        Path("/proc/self/clear_refs").write_text("5")
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(what)) / 1024


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--cases", type=int, default=100_000, help="of all properties together (default: 100,000)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--only", nargs="+", metavar="WHAT", help='of these alone, as the table names them: "a CSV file"'
    )
    options = parser.parse_args()
    from hypothesis import HealthCheck, Phase, given, seed, settings
    from properties import PROPERTIES

    print("| what is sent | cases | slowest | memory grew by at most |\n|---|---|---|---|")
    chosen = {what: PROPERTIES[what] for what in options.only or PROPERTIES}
    for what, (strategy, check) in chosen.items():
        measured = Measured(check)
        asked = settings(
            max_examples=-(-options.cases // len(chosen)),
            deadline=None,
            database=None,
            phases=[Phase.generate, Phase.shrink],
            suppress_health_check=list(HealthCheck),
        )
        seed(options.seed)(asked(given(strategy)(_one_case(measured))))()
        slowest = f"{1000 * measured.seconds:.0f} ms"
        print(f"| {what} | {measured.cases:,} | {slowest} | {measured.megabytes:.0f} MB |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
