"""Dense runs of one prompt set that belong together: a model, and its twins that have learned nothing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from plantain.data.dense import DenseResult, load_dense
from plantain.data.disk import DENSE
from plantain.errors import InputError

KINDS = ("trained", "grafted", "untrained", "permuted")
"""Weights as they are; each block in turn drawn anew; the transformer drawn anew; its values shuffled."""


@dataclass(frozen=True, eq=False)  # told apart by identity, so that what is made of it can be cached
class Family:
    """A model's dense run and its twins', by their weights: "trained", "grafted", "untrained 0", "permuted 0", …

    >>> family = load_family(["assets/runs/dense"])
    >>> family.trained.place("head"), list(family.runs)
    """

    runs: dict[str, DenseResult]

    @property
    def trained(self) -> DenseResult:
        return self.runs["trained"]

    @property
    def twins(self) -> dict[str, DenseResult]:
        return {weights: run for weights, run in self.runs.items() if weights != "trained"}

    @property
    def model(self) -> str:
        return self.trained.run.model

    @classmethod
    def of(cls, runs: Iterable[DenseResult]) -> Family:
        """Runs of one prompt set and its settings; refused where they are not, or where none or two are trained."""
        by_weights: dict[str, DenseResult] = {}
        for run in runs:
            weights = weights_of(run)
            if weights in by_weights:
                raise InputError(f"Two of the dense runs are {weights}; give one folder of each.")
            by_weights[weights] = run
        if "trained" not in by_weights:
            raise InputError(
                f"A dense run is read beside its trained model's; got {', '.join(by_weights) or 'no run'}."
            )
        first = by_weights["trained"]
        for weights, run in by_weights.items():
            if (run.prompts, run.run.config, run.head_map) != (first.prompts, first.run.config, first.head_map):
                raise InputError(f"The dense run {weights!r} is of other prompts or settings than the trained one.")
        order = sorted(by_weights, key=lambda weights: (KINDS.index(weights.split()[0]), weights))
        return cls({weights: by_weights[weights] for weights in order})


def weights_of(run: DenseResult) -> str:
    """Which weights a dense run is of: "trained", "grafted", "untrained 0", "permuted 0", …"""
    known = run.run.provenance
    kind = str(known.get("weights", "untrained" if run.run.untrained else "trained"))
    return kind if kind in ("trained", "grafted") else f"{kind} {known.get('weights_seed', 0)}"


def load_family(folders: Sequence[str | Path], prompts: str = "dense_pose") -> Family:
    """The whole dense runs of one prompt set, by its name, in some folders and below them.

    >>> load_family(["assets/runs/dense"], "setting")

    Raises InputError: no such run, two of the same weights, none that is trained, or one that cannot be read.
    """
    found = sorted({path.parent for folder in folders for path in Path(folder).rglob(DENSE.description)})
    runs = [run for run in map(load_dense, found) if _whole(run) and run.prompts.name == prompts]
    if not runs:
        where = ", ".join(map(str, folders))
        raise InputError(f"No whole dense run of {prompts!r} lies in {where}; make one: python -m plantain dense.")
    return Family.of(runs)


def _whole(run: DenseResult) -> bool:
    """Whether all pairs are matched and, of a grafted run, which goes block by block, all blocks are done."""
    n_blocks = len(run.head_map.block_names)
    return run.complete and run.about.get("blocks_done", n_blocks) == n_blocks
