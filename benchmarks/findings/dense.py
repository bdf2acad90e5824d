"""Make the shipped dense runs: Posebox, its twins, and the prompt sets that the pose is held against.

    python benchmarks/findings/dense.py

Each is a run of ``python -m plantain dense``; a folder that holds a whole run already is left as it is, an
interrupted one is gone on with. Twins are read against the pictures of the trained model.
"""

import sys

from making import make, out_of

from plantain.data.dense import load_dense
from plantain.data.disk import DENSE
from plantain.errors import InputError
from plantain.paths import RUNS

OUT = RUNS / "dense"
MAIN = "dense_pose"
CONTROLS = ("setting", "canonical", "body_clothing", "articulation", "remarks")
"""What pose is held against: each on the trained model and on one untrained twin."""
TWINS = {
    "posebox-untrained-0": ["--untrained"],
    "posebox-untrained-1": ["--untrained", "--weights-seed", "1"],
    "posebox-permuted-0": ["--permuted"],
    "posebox-grafted": ["--grafted"],
}


def commands() -> list[list[str]]:
    """Arguments of ``python -m plantain dense``, in the order in which they can be run."""
    made = []
    for prompts in (MAIN, *CONTROLS):
        trained = OUT / "posebox" / prompts
        made.append(["--prompts", prompts, "--out", str(trained)])
        for name, weights in TWINS.items():
            if prompts == MAIN or name == "posebox-untrained-0":
                made.append(
                    ["--prompts", prompts, "--out", str(OUT / name / prompts), "--maps", str(trained), *weights]
                )
    return [["dense", "--model", "posebox", *more] for more in made]


def is_made(command: list[str]) -> bool:
    """Whether a whole dense run lies there."""
    try:
        return load_dense(out_of(command)).finished
    except InputError:
        return False


if __name__ == "__main__":
    sys.exit(make(commands(), DENSE.description, is_made))
