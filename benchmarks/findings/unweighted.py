"""A Posebox trained without the figure's weight: what it draws, and its rungs beside those of the shipped one.

    P=runs/unweighted/posebox-unweighted D=runs/unweighted/dense
    python -m plantain.posebox train --out $P --figure-weight 0 --parts-of posebox --pictures 8192 --steps 1000
    python -m plantain.posebox prove $P --out runs/unweighted/proof --per-pose 1
    python -m plantain dense --model $P --out $D/trained
    python -m plantain dense --model $P --out $D/untrained --untrained --maps $D/trained
    python -m plantain dense --model $P --out $D/grafted --grafted --maps $D/trained --no-decoders
    python benchmarks/findings/unweighted.py runs/unweighted
    python benchmarks/findings/unweighted.py --table

Autoencoder and text encoder are the shipped ones, so that the text says the same to both. It saw half of the pictures
and fewer steps than the shipped transformer: what it lacks may be that.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from plantain.data.family import load_family
from plantain.paths import RUNS
from plantain.questions.ladder import RUNGS, Rung, ladder
from plantain.wording import p_value, share

KEPT = Path(__file__).with_suffix(".json")
SCOPE = "attention heads"
WEIGHTS = ("trained", "grafted", "untrained 0")


def read(folder: Path) -> dict[str, Any]:
    """What is kept of it: its training, its proof, and every rung of its attention heads."""
    training = json.loads((folder / "posebox-unweighted" / "training.json").read_text(encoding="utf-8"))
    proof = json.loads((folder / "proof" / "proof.json").read_text(encoding="utf-8"))
    return {
        "settings": training["settings"],
        "versions": training["versions"],
        "proof": {key: proof[key] for key in ("weights_fingerprint", "draw", "shares")},
        "rungs": [vars(rung) for rung in rungs(folder / "dense")],
    }


def rungs(folder: Path) -> list[Rung]:
    """The rungs of attention heads in dense runs, those of ``WEIGHTS``."""
    found = ladder(load_family([folder])).rungs
    return [rung for rung in found if rung.scope == SCOPE and rung.weights in WEIGHTS]


def table() -> list[list[str]]:
    """Every rung but the last, trained with and without the weight, beside the twins of each."""
    kept = [Rung(**rung) for rung in json.loads(KEPT.read_text(encoding="utf-8"))["rungs"]]
    shipped = rungs(RUNS / "dense")
    both = (("shipped", shipped), ("unweighted", kept))
    rows = [["rung", *(f"{name}: {weights}" for name, _ in both for weights in WEIGHTS)]]
    for name in RUNGS:
        if name != "cause":  # no patching study was made of it
            rows.append([name.replace("_", ", "), *(_cell(of, name, weights) for _, of in both for weights in WEIGHTS)])
    return rows


def _cell(found: list[Rung], name: str, weights: str) -> str:
    one = next((rung for rung in found if (rung.rung, rung.weights) == (name, weights)), None)
    if one is None or one.count is None:
        return "not run"
    return share(one.count, one.n_heads) + (f", p {p_value(one.p)}" if one.p is not None else "")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("folder", nargs="?", type=Path, help="where the commands above wrote")
    parser.add_argument("--table", action="store_true", help="print what is kept")
    options = parser.parse_args()
    if options.folder is not None:
        KEPT.write_text(json.dumps(read(options.folder), indent=1) + "\n", encoding="utf-8")
    for row in table():
        print(" | ".join(row))
    return 0


if __name__ == "__main__":
    sys.exit(main())
