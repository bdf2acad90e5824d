"""Whether the pose axis of some subjects tells pose from other changes in subjects it has not seen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from plantain import stats
from plantain.controls import LEXICAL, ControlStudy
from plantain.families import scope_differences
from plantain.prompts import match_rows
from plantain.result import ProbeResult

AGAINST = (*LEXICAL, "remarks", "length", "setting", "canonical")
SCOPE = "attention heads"


@dataclass(frozen=True)
class Transfers:
    """AUC of held-out pose pairs against held-out pairs of each control.

    Attributes
    ----------
    weights, controls : the rows and columns of ``found``
    found : {(weights, control): stats.AxisTransfer}
    scope : which heads
    """

    weights: tuple[str, ...]
    controls: tuple[str, ...]
    found: dict[tuple[str, str], stats.AxisTransfer]
    scope: str

    @property
    def rows(self) -> list[list[str]]:
        """A row a control, a header first: AUC and p with each weights, and trained less the mean of the untrained."""
        header = ["Pose against", *(f"{weights}: AUC (p)" for weights in self.weights), "trained − untrained"]
        rows = [header]
        for control in self.controls:
            cells = [self.found[weights, control] for weights in self.weights]
            gain = self.gain(control)
            rows.append(
                [
                    control,
                    *(f"{cell.auc:.2f} ({cell.p:.3f})" for cell in cells),
                    "—" if gain is None else f"{gain:+.2f}".replace("-", "−"),
                ]
            )
        return rows

    @property
    def sentence(self) -> str:
        """Range of the AUC over the controls, for each weights."""
        ranges = []
        for weights in self.weights:
            aucs = [self.found[weights, control].auc for control in self.controls]
            ranges.append(f"{weights} {min(aucs):.2f} to {max(aucs):.2f}")
        return (
            "The axis of dense_pose is learned on four fifths of the subjects, and pose pairs of the others are told "
            f"from their control pairs along it. AUC (0.5 by chance) over {len(self.controls)} controls: "
            f"{'; '.join(ranges)}."
        )

    def gain(self, control: str) -> float | None:
        """AUC on trained weights less its mean over untrained ones; None without any."""
        trained, *untrained = (self.found[weights, control].auc for weights in self.weights)
        return trained - float(np.mean(untrained)) if untrained else None


def transfers(
    study: ControlStudy, controls: Sequence[str] = AGAINST, scope: str = SCOPE, folds: int = 5, seed: int = 0
) -> Transfers:
    """Learn the axis of ``dense_pose`` on four fifths of the subjects, and tell pose from control in the others.

    >>> found = transfer.transfers(controls.load_controls("assets/runs/controls"))
    >>> found.found["trained", "setting"].auc

    Subjects, their settings and their pose's words are all new in the held-out fifth: every pair of ``dense_pose``
    has its own. ``stats.axis_transfer`` has the method and the null. Controls that a study lacks are left out.
    """
    kept = tuple(name for name in controls if name in study.sets)
    found = {}
    for weights in study.weights:
        runs = study.runs[weights]
        pose = runs["dense_pose"]
        for name in kept:
            found[weights, name] = _transfer(pose, runs[name], scope, folds, seed)
    return Transfers(tuple(study.weights), kept, found, scope)


def along_axis(
    shift: np.ndarray, pose: ProbeResult, control: ProbeResult, scope: str = "card heads", seed: int = 0
) -> tuple[float, float]:
    """Where a new pair lies on the pose axis: shares of held-out control and pose pairs that lie below it.

    ``shift``: the pair's differences, shape (n_heads,) of ``scope``. The axis for the new pair is that of all pose
    pairs; each held-out pair is placed by the axis of its own training pairs, of the same length.
    """
    p, c = _matched(pose, control, scope)
    held_out = stats.axis_transfer(p, c, seed=seed, n_flips=1)
    # As the axis of a fold is made: the mean of the pose pairs, every head over its root mean square of both kinds.
    scale = np.sqrt((np.concatenate([p, c]) ** 2).mean(axis=0))
    scale = np.where(scale > 0, scale, 1.0)
    axis = p.mean(axis=0) / scale
    position = float((shift / scale) @ axis / np.linalg.norm(axis))
    return float((held_out.scores[:, 1] < position).mean()), float((held_out.scores[:, 0] < position).mean())


def _transfer(pose: ProbeResult, control: ProbeResult, scope: str, folds: int, seed: int) -> stats.AxisTransfer:
    return stats.axis_transfer(*_matched(pose, control, scope), folds=folds, seed=seed)


def _matched(pose: ProbeResult, control: ProbeResult, scope: str) -> tuple[np.ndarray, np.ndarray]:
    """Rows of both of the same subject."""
    rows = np.array(match_rows(pose.prompts, control.prompts))  # (P, 2)
    return scope_differences(pose, scope)[rows[:, 0]], scope_differences(control, scope)[rows[:, 1]]
