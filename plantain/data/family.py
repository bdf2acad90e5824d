"""Dense runs of one prompt set that belong together: a model, and its twins that have learned nothing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from plantain.data.dense import DenseResult, load_dense
from plantain.data.disk import DENSE, PATCH
from plantain.data.patching import PatchStudy, load_study
from plantain.errors import InputError

KINDS = ("trained", "grafted", "untrained", "permuted")
"""Weights as they are; each block in turn drawn anew; the transformer drawn anew; its values shuffled."""
# Shares of tokens, rendered again on another machine.
_SAME_MAP = 1e-3


@dataclass(frozen=True, eq=False)  # told apart by identity, so that what is made of it can be cached
class Family:
    """A model's dense run and its twins', by their weights: "trained", "grafted", "untrained 0", "permuted 0", …

    >>> family = load_family(["assets/runs/dense"])
    >>> family.trained.place("head"), list(family.runs)
    """

    runs: dict[str, DenseResult]
    studies: dict[str, PatchStudy] = field(default_factory=dict)
    """Patching studies of the same weights, for the rung of cause."""

    @property
    def trained(self) -> DenseResult:
        return self.runs["trained"]

    @property
    def twins(self) -> dict[str, DenseResult]:
        return {weights: run for weights, run in self.runs.items() if weights != "trained"}

    @property
    def model(self) -> str:
        return self.trained.run.model

    @property
    def judged(self) -> list[list[bool | None]] | None:
        """Whether the pictures of A and B of every pair show a T-pose (None: not to be told); None if nobody judged."""
        found: Any = self.trained.about.get("judged")
        ok = isinstance(found, list) and len(found) == len(self.trained.prompts)
        return found if ok and all(isinstance(row, list) and len(row) == 2 for row in found) else None

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
            # A twin's own pictures are lopsided alike in every pair, which breaks the sided test.
            if run.maps.shape != first.maps.shape or not np.allclose(run.maps, first.maps, rtol=0, atol=_SAME_MAP):
                raise InputError(
                    f"The dense run {weights!r} was matched with other maps than the trained one; make it again with "
                    "the trained run's folder as --maps."
                )
        return cls({weights: by_weights[weights] for weights in sorted(by_weights, key=_order)})


def weights_of(run: DenseResult) -> str:
    """Which weights a dense run is of: "trained", "grafted", "untrained 0", "permuted 0", …"""
    known = run.run.provenance
    kind = str(known.get("weights", "untrained" if run.run.untrained else "trained"))
    if kind not in KINDS:
        raise InputError(f"A dense run has weights that are {', '.join(KINDS)}; got {kind!r}. Make the run again.")
    return kind if kind in ("trained", "grafted") else f"{kind} {known.get('weights_seed', 0)}"


def load_family(folders: Sequence[str | Path], prompts: str = "dense_pose") -> Family:
    """The whole dense runs of one prompt set, by its name, in some folders and below them.

    >>> load_family(["assets/runs/dense"], "setting")

    Patching studies among them come along, and those in the folder ``patch`` beside a folder ``dense``.

    Raises InputError: no such run, two of the same weights, none that is trained, or one that cannot be read.
    """
    runs = _runs(folders).get(prompts)
    if not runs:
        where = ", ".join(map(str, folders))
        raise InputError(f"No whole dense run of {prompts!r} lies in {where}; make one: python -m plantain dense.")
    beside = [Path(folder).with_name("patch") for folder in folders if Path(folder).name == "dense"]
    family = Family.of(runs)
    known = {weights: run.run.provenance.get("weights_fingerprint") for weights, run in family.runs.items()}
    studies = {
        weights: study
        for weights, study in _studies([*folders, *beside], prompts).items()
        if weights in known and study.provenance.get("weights_fingerprint") == known[weights]  # else another model's
    }
    return replace(family, studies=studies)


def load_sets(folders: Sequence[str | Path]) -> dict[str, Family]:
    """The same of every prompt set that has a trained run there, by its name.

    >>> list(load_sets(["assets/runs/dense"]))
    """
    families = {name: runs for name, runs in _runs(folders).items() if "trained" in map(weights_of, runs)}
    return {name: Family.of(runs) for name, runs in families.items()}


@dataclass(frozen=True, eq=False)  # told apart by identity, so that what is made of it can be cached
class Studies:
    """A model's patching study and its twins', by their weights: "trained", "grafted", "untrained 0", "permuted 0", …

    >>> studies = load_studies(["assets/runs/patch"])
    >>> studies.trained.model, list(studies.runs)
    """

    runs: dict[str, PatchStudy]

    @property
    def trained(self) -> PatchStudy:
        return self.runs["trained"]


def load_studies(folders: Sequence[str | Path], prompts: str = "dense_pose") -> Studies:
    """The whole studies of one prompt set's attention heads in some folders and below them; else of its card heads.

    >>> load_studies(["assets/runs/patch"])

    Raises InputError: no such study, two of the same weights, none that is trained, or one that cannot be read.
    """
    found = _studies(folders, prompts) or _studies(folders, prompts, "card")
    if "trained" not in found:
        where = ", ".join(map(str, folders))
        raise InputError(
            f"No whole patching study of a trained model on {prompts!r} lies in {where}; make one: python -m plantain "
            "patch."
        )
    first = found["trained"]
    for weights, study in found.items():
        if (study.prompts, study.config, study.head_map) != (first.prompts, first.config, first.head_map):
            raise InputError(f"The study {weights!r} is of other prompts, settings or heads than the trained one.")
    return Studies(found)


@dataclass(frozen=True, eq=False)
class Crossed:
    """A trained model's studies of two contrasts, each with the heads of either: by (tested on, chosen on)."""

    runs: dict[tuple[str, str], PatchStudy]

    @property
    def contrasts(self) -> list[str]:
        return list(dict.fromkeys(tested for tested, _ in self.runs))


def load_crossed(folders: Sequence[str | Path], contrasts: tuple[str, str] = ("dense_pose", "setting")) -> Crossed:
    """Whole studies of a trained model in folders and below them, of two prompt sets with the heads of both.

    >>> load_crossed(["assets/runs/patch"]).runs["setting", "dense_pose"]          # pose's heads in pairs of settings

    Raises InputError where one of the four is not there.
    """
    found: dict[tuple[str, str], PatchStudy] = {}
    for folder in sorted({path.parent for start in folders for path in Path(start).rglob(PATCH.description)}):
        study = load_study(folder)
        if study.complete and study.weights == "trained" and study.view.grouping == "head":
            key = study.prompts.name, str(study.about.get("sets_from") or study.prompts.name)
            if key in found:
                raise InputError(f"Two studies of {key[0]!r} have the heads of {key[1]!r}; give one folder of each.")
            found[key] = study
    wanted = [(tested, chosen) for tested in contrasts for chosen in contrasts]
    if missing := [pair for pair in wanted if pair not in found]:
        tested, chosen = missing[0]
        raise InputError(
            f"No study of {tested!r} with the heads of {chosen!r} lies in {', '.join(map(str, folders))}; make it: "
            "python -m plantain patch, with --sets-from for the heads of another contrast."
        )
    if len({study.provenance.get("weights_fingerprint") for study in found.values()}) > 1:
        raise InputError("The studies of the two contrasts are of different models; give those of one.")
    return Crossed({pair: found[pair] for pair in wanted})


def _studies(folders: Sequence[str | Path], prompts: str, grouping: str = "head") -> dict[str, PatchStudy]:
    """Whole studies in folders and below them, by weights; of sets that were chosen on these prompts."""
    found: dict[str, PatchStudy] = {}
    for folder in sorted({path.parent for start in folders for path in Path(start).rglob(PATCH.description)}):
        study = load_study(folder)
        if not study.complete or study.prompts.name != prompts or study.view.grouping != grouping:
            continue
        if study.about.get("sets_from"):
            continue
        if study.weights in found:
            raise InputError(f"Two of the patching studies are {study.weights}; give one folder of each.")
        found[study.weights] = study
    return {weights: found[weights] for weights in sorted(found, key=_order)}


def _order(weights: str) -> tuple[int, int, str]:
    """Trained first, then as ``KINDS``, then by seed."""
    return KINDS.index(weights.split()[0]), len(weights), weights


def _runs(folders: Sequence[str | Path]) -> dict[str, list[DenseResult]]:
    """Whole runs in folders and below them, by prompt set."""
    found: dict[str, list[DenseResult]] = {}
    for folder in sorted({path.parent for start in folders for path in Path(start).rglob(DENSE.description)}):
        run = load_dense(folder)
        if run.complete:
            found.setdefault(run.prompts.name, []).append(run)
    return found
