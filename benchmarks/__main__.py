"""Every benchmark of speed, one after the other, as one table: ``python -m benchmarks``.

Each runs in a process of its own. The table is printed and written to docs/speed.md, with docs/speed.json beside it.
``python -m benchmarks null probe`` measures those two anew, and keeps the other rows.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE / "speed"))
from measured import Row, machine, read, table  # noqa: E402

MEASURES = ("capture", "probe", "dense_pass", "patching", "null", "growth", "start", "page", "klein")
DOCS = HERE.parent / "docs"
HEAD = """# Speed

What takes time, beside a peer or the limit, measured in turns in one run: `python -m benchmarks`, on a machine that
does nothing else; the extra `bench` brings the peers. The ratio is ours over theirs, the median of the turns with its
quartiles: below 1 ours is faster. *Wanted* was set before anything was measured. No test asserts a time.
"""
UNMEASURED = """
![How time grows with the work: pairs, seeds, tokens, sets and heads beside a line in proportion](growth.svg)

## What misses its aim, or hardly meets it

- Capture. Beside it stands a forward whose hooks only read what they see, which nothing that reads can undercut. What
  is left is how torch adds up sixteen neighbours on a CPU: one kernel, which reads once.
- The probe beside its bare forwards: capture is the largest part of what it adds, as Posebox's heads are narrow; then
  encoding, and the fingerprint of the weights, taken anew in every run, since weights can be changed between two.
- Patching that joins late saves what comes before the first patched block; thirty heads anywhere leave little of it.

## Not measured

Nothing here ran on a GPU, and FLUX.2 Klein's weights were not at hand. Missing: seconds of the 25-pair probe, of a
dense run and of a patch at 512 × 512 and 1,024 × 1,024 pixels, peak memory there, and the share of a large product's
FLOP/s: `python benchmarks/speed/klein.py` measures them where there is one.
"""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("measures", nargs="*", metavar="MEASURE", help=f"only these, anew: {', '.join(MEASURES)}")
    chosen = parser.parse_args().measures or MEASURES
    if unknown := set(chosen) - set(MEASURES):
        parser.error(f"unknown: {', '.join(sorted(unknown))}; measures: {', '.join(MEASURES)}")
    kept = DOCS / "speed.json"
    found: dict[str, list[dict[str, Any]]] = json.loads(kept.read_text(encoding="utf-8")) if kept.exists() else {}
    for name in chosen:
        print(f"-- {name}", file=sys.stderr, flush=True)
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "rows.json"
            done = subprocess.run(
                [sys.executable, str(HERE / "speed" / f"{name}.py"), "--json", str(file)], check=False
            )
            if done.returncode:
                print(f"{name} failed with {done.returncode}; its rows stay as they were.", file=sys.stderr)
                continue
            found[name] = [asdict(row) | {"machine": machine()} for row in read(file)]
        kept.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        (DOCS / "speed.md").write_text(written(found), encoding="utf-8")
    print(written(found))
    return 0


def written(found: dict[str, list[dict[str, Any]]]) -> str:
    """The page docs/speed.md of rows by measure."""
    rows = [row for name in MEASURES for row in found.get(name, [])]
    machines = dict.fromkeys(str(row["machine"]) for row in rows)
    said = "\n".join(f"Measured on {one}." for one in machines)
    names = list(Row.__dataclass_fields__)
    return f"{HEAD}\n{said}\n\n{table(Row(**{n: row[n] for n in names}) for row in rows)}\n{UNMEASURED}"


if __name__ == "__main__":
    sys.exit(main())
