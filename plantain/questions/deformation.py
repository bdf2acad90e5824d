"""Deformation: can parts of poses left out be read off a head? True of the model: random projections pass as often.

>>> print(deformation(load_family(["assets/runs/dense"])).text)
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from plantain import stats
from plantain.data.dense import DenseResult
from plantain.data.family import Family
from plantain.data.folds import folds_of
from plantain.pose.distance import pose_rotations
from plantain.questions.answer import Answer
from plantain.questions.decoded import Forms
from plantain.questions.projections import beside, load_projections
from plantain.wording import Table, signed

# Of the largest axis; text features are float32.
_NO_AXIS = 1e-6
LABELS = {
    "figure": "body or ground (not a part)",
    "deformation": "parts given the body",
    "deformation_beyond": "parts beyond outline and position",
}


@dataclass(frozen=True)
class Deformation(Answer):
    """Decoders of left-out poses: parts token by token, and joint angles from a head's mean."""

    forms: Forms
    rotations: dict[str, np.ndarray]
    """By weights: left-out R² of nine joint angles from each attention head's mean over image tokens; (A,)."""
    text_r2: dict[str, float]
    """By weights: the same from the text features alone."""
    projected: tuple[int, ...] = ()
    """Random projections of the blocks' inputs that pass beyond outline and position, a draw each."""

    @property
    def sentences(self) -> list[str]:
        """Parts, strictly and as first defined; body against ground under its own name; angles beside the text's."""
        strict = self.forms.counts["trained", "deformation_beyond"]
        said = [
            f"Parts of left-out poses beyond outline and position: {self.forms.said('deformation_beyond')}. "
            f"{beside(strict.counts[0], strict.n_heads, self.projected)}",
            f"Parts given the body: {self.forms.said('deformation')}.",
            f"Body or ground alone, no part named: {self.forms.said('figure')}.",
        ]
        if "trained" in self.rotations:
            best, text = float(self.rotations["trained"].max()), self.text_r2["trained"]
            above = int((self.rotations["trained"] > text).sum())
            said.append(
                f"Joint angles of left-out poses: text features alone R² {signed(text, 2)}, the best of "
                f"{len(self.rotations['trained'])} heads {signed(best, 2)}, {above} above the text's; the best of many "
                "is picked with hindsight."
            )
        said.append("What can be read off is not thereby used.")
        return said

    @property
    def tables(self) -> list[Table]:
        tables = [self.forms.table("Parts of left-out poses")]
        if self.rotations:
            header = ("weights", "text features' R²", "heads above it", "median head", "best head")
            rows = [
                (w, signed(self.text_r2[w], 2), f"{int((r > self.text_r2[w]).sum())}", signed(float(np.median(r)), 2),
                 signed(float(r.max()), 2))
                for w, r in self.rotations.items()
            ]  # fmt: skip
            note = "R² over nine joints of poses left out, from a head's mean over image tokens on the B side."
            tables.append(Table("Joint angles", note, (header, *rows)))
        return tables

    @property
    def columns(self) -> Mapping[str, Iterable[Any]]:
        more = {"r2_rotations": self.rotations["trained"]} if "trained" in self.rotations else {}
        return {**self.forms.columns(list(LABELS)), **more}


def deformation(family: Family, n_flips: int = 1000, seed: int = 0) -> Deformation:
    """Count the heads of every run off which the parts of left-out poses can be read.

    >>> deformation(load_family(["assets/runs/dense"])).forms.counts["trained", "deformation_beyond"].counts

    Raises InputError where the trained run has no such decoder.
    """
    forms = Forms.of(family, LABELS, n_flips, seed)
    rotations, text = {}, {}
    for weights, run in family.runs.items():
        if "pooled" in run.decoded and (found := rotation_r2(run)) is not None:
            rotations[weights], text[weights] = found
    return Deformation(forms, rotations, text, load_projections(family).get("deformation", ()))


def rotation_r2(run: DenseResult) -> tuple[np.ndarray, float] | None:
    """Left-out R² of B's joint angles from every head's mean, (A,), and from the text features; None without poses.

    >>> heads, text = rotation_r2(load_dense("assets/runs/dense/posebox/dense_pose"))

    1 − Σ(y − ŷ)² / Σ(y − ȳ)², over nine joints together; ŷ and ȳ from the other folds. The text's features are turned
    onto their principal axes, of which there are at most as many as pairs, and keep their scale: each standardised, the
    many that hardly vary would drown the few that tell the pose, and the text would be too easy to beat.
    """
    angles, folds = pose_rotations([pair.tags for pair in run.prompts.pairs]), folds_of(run.prompts)
    if angles is None or folds is None or not np.ptp(angles):
        return None
    pooled = run.decoded["pooled"].astype(np.float64).transpose(1, 0, 2)  # (A, P, C)
    centred = run.decoded["text"].astype(np.float64)
    centred = centred - centred.mean(axis=0)
    axes = np.linalg.svd(centred, full_matrices=False)
    text = (axes.U * axes.S)[:, axes.S / axes.S.max() > _NO_AXIS]  # the axis that centring took is only rounding
    return stats.left_out_r2(pooled, angles, folds), float(
        stats.left_out_r2(text[None], angles, folds, together=True)[0]
    )
