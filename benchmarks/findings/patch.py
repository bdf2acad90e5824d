"""Make the shipped patching studies: Posebox, its twins, and the heads of pose and setting in one another's pairs.

    python benchmarks/findings/patch.py

Each is a run of ``python -m plantain patch``; a folder that holds a whole study already is left as it is, an
interrupted one is gone on with. The dense runs that rank the heads must be there (``dense.py``).
"""

import sys

from making import make, out_of

from plantain.data.disk import PATCH
from plantain.data.patching import load_study
from plantain.errors import InputError
from plantain.paths import RUNS

OUT, DENSE = RUNS / "patch", RUNS / "dense"
# Twins and other contrasts are asked less: whether anything moves at all, and a size or two of sets.
LESS = ["--k", "8", "15", "--matched", "0"]
STUDIES = {
    "posebox": ["--beside", str(DENSE / "posebox" / "setting"), "--draw"],
    "posebox-card": [
        *("--view", "card", "--k", "15", "51", "102", "--matched", "20"),
        *("--beside", str(DENSE / "posebox" / "setting")),
    ],
    "posebox-grafted": ["--grafted"],
    "posebox-untrained-0": ["--untrained", "--k", "8", "15", "--matched", "10"],
    "posebox-permuted-0": ["--permuted", "--k", "8", "--matched", "5"],
    "setting": ["--dense", str(DENSE / "posebox" / "setting"), *LESS],
    "setting-of-pose": ["--dense", str(DENSE / "posebox" / "setting"), "--sets-from", str(OUT / "posebox"), *LESS],
    "pose-of-setting": ["--sets-from", str(OUT / "setting"), *LESS],
}


def commands() -> list[list[str]]:
    """Arguments of ``python -m plantain patch``, in the order in which they can be run."""
    return [["patch", "--model", "posebox", "--out", str(OUT / name), *more] for name, more in STUDIES.items()]


def is_made(command: list[str]) -> bool:
    """Whether a whole study lies there, its pictures drawn where they are wanted."""
    try:
        study = load_study(out_of(command))
    except InputError:
        return False
    drawn = len(study.about.get("unpatched", {}))
    return study.complete and ("--draw" not in command or drawn == study.n_pairs)


if __name__ == "__main__":
    sys.exit(make(commands(), PATCH.description, is_made))
