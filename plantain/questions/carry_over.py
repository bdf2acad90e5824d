"""Whether the pose axis of some subjects tells pose from other changes in subjects it has not seen."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from plantain import stats
from plantain.data.prompts import match_rows
from plantain.data.result import ProbeResult
from plantain.data.study import POSE, ControlStudy
from plantain.errors import InputError
from plantain.questions.answer import Answer
from plantain.questions.families import scope_view
from plantain.wording import Table

SCOPE = "attention heads"


@dataclass(frozen=True)
class Transfers(Answer):
    """Whether each set's axis carries over to held-out subjects, and tells held-out pose pairs from control pairs.

    Where nothing but wording changes an axis carries over as well; that of "paraphrase" should not. An AUC is high too
    where the control lies on the axis's other side, and its p says that the two contrasts differ, no more.
    """

    weights: tuple[str, ...]
    controls: tuple[str, ...]  # the sets that pose is told from
    shares: dict[tuple[str, str], stats.HeldOutShare]  # by weights and set: of pose and of every control
    found: dict[tuple[str, str], stats.AxisTransfer]  # by weights and control: pose pairs along the axis of pose
    scope: str  # which heads

    @property
    def tables(self) -> list[Table]:
        """One, with a row a set: held-out share along its own axis (p), and AUC of pose against it."""
        own_axis = [f"{weights}: own axis (p)" for weights in self.weights]
        rows = [("Set", *own_axis, *(f"{weights}: AUC of pose against it" for weights in self.weights))]
        for name in (POSE, *self.controls):
            own = [self.shares[weights, name] for weights in self.weights]
            cells = [f"{100 * share.share:.0f} % ({share.p:.3f})" for share in own]
            cells += ["—" if name == POSE else f"{self.found[weights, name].auc:.2f}" for weights in self.weights]
            rows.append((name, *cells))
        return [Table(f"Held-out pairs, over {self.scope}", "", tuple(rows))]

    @property
    def sentences(self) -> list[str]:
        """What carries over, for each weights, and what that does not say."""
        own = "; ".join(f"{w} {100 * self.shares[w, POSE].share:.0f} %" for w in self.weights)
        lines = [
            "An axis is learned on four fifths of the subjects. Of the others' pose pairs, on the pose side of it "
            f"(50 % by chance): {own}."
        ]
        if self.controls:
            aucs = {w: [self.found[w, control].auc for control in self.controls] for w in self.weights}
            shares = {w: [100 * self.shares[w, control].share for control in self.controls] for w in self.weights}
            others = "; ".join(f"{w} {min(each):.0f} to {max(each):.0f} %" for w, each in shares.items())
            ranges = "; ".join(f"{w} {min(each):.2f} to {max(each):.2f}" for w, each in aucs.items())
            lines += [
                f"The same of each control on its own axis, without any pose in it: {others}.",
                f"Pose pairs told from those of {len(self.controls)} controls along the axis of pose, AUC: {ranges}. "
                "An AUC is high too where a control lies on the other side of the axis.",
            ]
        return lines

    def gain(self, control: str) -> float | None:
        """AUC on trained weights less its mean over untrained ones; None without any."""
        untrained = [self.found[w, control].auc for w in self.weights if w.startswith("untrained")]
        return self.found["trained", control].auc - float(np.mean(untrained)) if untrained else None


def transfers(
    study: ControlStudy, controls: Sequence[str] | None = None, scope: str = SCOPE, folds: int = 5, seed: int = 0
) -> Transfers:
    """Learn axes on four fifths of the subjects, and see where the pairs of the others lie.

    >>> found = transfers(load_controls("assets/runs/controls"))
    >>> found.shares["untrained 0", "dense_pose"].share, found.found["trained", "setting"].auc

    Subjects and settings of the held-out fifth are new to the axis; of the ten T-pose wordings most are not.
    ``stats.axis_transfer`` and ``stats.held_out_share`` have the method and the nulls. ``controls``: names of
    sets, those that the study lacks left out; None: all that are not about pose's own contrast.

    Raises InputError: a study without ``dense_pose``, or with fewer than two subjects.
    """
    if POSE not in study.sets:
        raise InputError(
            f"The study has no run of {POSE}, so there is no pose axis; run `python -m plantain controls`."
        )
    kept = tuple(name for name in (study.controls() if controls is None else controls) if name in study.sets)
    shares, found = {}, {}
    for weights in study.weights:
        runs = study.runs[weights]
        for name in (POSE, *kept):
            d, groups = runs[name].differences(scope_view(scope)), _subjects(runs[name])
            shares[weights, name] = stats.held_out_share(d, min(folds, len(set(groups))), seed, groups)
        for name in kept:
            p, c, groups = _matched(runs[POSE], runs[name], scope)
            found[weights, name] = stats.axis_transfer(p, c, min(folds, len(set(groups))), seed, groups)
    return Transfers(tuple(study.weights), kept, shares, found, scope)


def along_axis(
    shift: np.ndarray, pose: ProbeResult, control: ProbeResult, scope: str = "card heads", seed: int = 0
) -> tuple[float, float]:
    """Where a new pair lies on the pose axis: shares of held-out control and pose pairs that lie below it.

    ``shift``: the pair's differences, shape (n_heads,) of ``scope``. The axis for the new pair is that of all pose
    pairs; each held-out pair is placed by the axis of its own training pairs, of the same length.
    """
    p, c, groups = _matched(pose, control, scope)
    held_out = stats.axis_transfer(p, c, min(5, len(set(groups))), seed, groups, n_flips=1)
    # As the axis of a fold is made: the mean of the pose pairs, every head over its root mean square of both kinds.
    scale = np.sqrt((np.concatenate([p, c]) ** 2).mean(axis=0))
    scale = np.where(scale > 0, scale, 1.0)
    axis = p.mean(axis=0) / scale
    position = float((shift / scale) @ axis / np.linalg.norm(axis))
    return float((held_out.scores[:, 1] < position).mean()), float((held_out.scores[:, 0] < position).mean())


def _matched(pose: ProbeResult, control: ProbeResult, scope: str) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Rows of both of the same subject, and the subject of each."""
    first, second = np.array(match_rows(pose.prompts, control.prompts)).T
    view, subjects = scope_view(scope), _subjects(pose)
    return pose.differences(view)[first], control.differences(view)[second], [subjects[i] for i in first]


def _subjects(run: ProbeResult) -> list[str]:
    return [str(pair.tags.get("subject", pair.id)) for pair in run.prompts.pairs]
