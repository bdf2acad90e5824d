"""Specificity: which heads mark where the pose moved the body, and which where any other content is drawn?

>>> print(specificity(load_sets(["assets/runs/dense"])).text)
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from plantain.data.family import Family
from plantain.errors import InputError
from plantain.questions.answer import Answer
from plantain.questions.place import SCOPES, place_count
from plantain.wording import Table, number, p_value

POSE = "dense_pose"
TRUTH = "drawn"
"""The one map that every set has: where the two pictures differ."""
_SHOWN = ("trained", "untrained 0")


@dataclass(frozen=True)
class TwoWay:
    """Heads that pass *place* on the pose, on another set, on both, on neither."""

    weights: str
    scope: str
    other: str
    pose: np.ndarray  # (H,) t on the pose
    content: np.ndarray  # (H,) t on the other set

    @property
    def counts(self) -> tuple[int, int, int, int]:
        """Pose alone, the other alone, both, neither, at t > 3."""
        a, b = self.pose > 3, self.content > 3
        return int((a & ~b).sum()), int((~a & b).sum()), int((a & b).sum()), int((~a & ~b).sum())

    @property
    def expected_both(self) -> float:
        """Heads on both, were the two unrelated over heads."""
        pose, content, both, neither = self.counts
        return (pose + both) * (content + both) / (pose + content + both + neither)

    @property
    def p(self) -> float:
        """Fisher's exact p of the table, two-sided; heads share their inputs, so it is too small where they do."""
        from scipy.stats import fisher_exact  # here, since reading a run needs no distribution

        pose, content, both, neither = self.counts
        return float(fisher_exact([[both, pose], [content, neither]])[1])


@dataclass(frozen=True)
class Specificity(Answer):
    """Two-way tables of the pose against every other set that has been run."""

    tables_of: tuple[TwoWay, ...]

    @property
    def sentences(self) -> list[str]:
        """One a set, over the trained model's attention heads, and what it can't say."""
        said = []
        for found in self.tables_of:
            if (found.weights, found.scope) == ("trained", "attention heads"):
                pose, other, both, neither = found.counts
                said.append(
                    f"Of {len(found.pose)} attention heads {both} mark where the pose moved the body and where "
                    f"{found.other} changes the picture ({found.expected_both:.0f} were the two unrelated over heads); "
                    f"{pose} the pose alone, {other} {found.other} alone, {neither} neither."
                )
        said.append(
            "A head that marks both carries what is drawn where, whatever it is. Heads share their inputs, so tables "
            "are held against the untrained twin's, not against their p alone."
        )
        return said

    @property
    def tables(self) -> list[Table]:
        """A row a set, weights and scope."""
        header = ("set", "weights", "counted", "pose alone", "set alone", "both", "neither", "both, if unrelated", "p")
        rows = [
            (t.other, t.weights, t.scope, *(f"{n:,}" for n in t.counts), number(t.expected_both, 1), p_value(t.p))
            for t in self.tables_of
        ]
        note = "Place by the pictures drawn, own − others, t > 3; p of Fisher's exact test, heads taken as unrelated."
        return [Table("Pose against other content", note, (header, *rows))]

    @property
    def columns(self) -> Mapping[str, Iterable[Any]]:
        """Of the trained attention heads: t on the pose and on every set."""
        trained = [t for t in self.tables_of if (t.weights, t.scope) == ("trained", "attention heads")]
        return {"t_pose": trained[0].pose} | {f"t_{t.other}": t.content for t in trained}


def specificity(sets: Mapping[str, Family]) -> Specificity:
    """Hold *place* on the pose against *place* on every other set, head by head.

    >>> specificity(load_sets(["assets/runs/dense"])).tables_of[0].counts

    Raises InputError: no dense run of the pose, or none of another set on the same architecture.
    """
    if POSE not in sets or len(sets) < 2:
        raise InputError(f"Specificity needs dense runs of {POSE} and of another set; got {', '.join(sets) or 'none'}.")
    pose, found = sets[POSE], []
    for name, family in sets.items():
        if name == POSE or family.trained.head_map != pose.trained.head_map:
            continue
        for weights in _SHOWN:
            if weights in family.runs and weights in pose.runs:
                for scope, view in SCOPES.items():
                    t = [place_count(f.runs[weights], view, n_flips=1, truth=TRUTH).t for f in (pose, family)]
                    found.append(TwoWay(weights, scope, name, *t))
    if not found:
        raise InputError("Specificity needs runs of one architecture; these are of different ones.")
    return Specificity(tuple(found))
