"""Deformation as a dose: is a head's shift a step, canonical or not, or does it grow with how much the body is bent?

>>> found = dose(plantain.load_result("assets/runs/posebox"))
>>> print(found.text)

The distances come from the pairs' tags: poses are named there, and each name has a skeleton. No picture is measured.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from plantain import stats
from plantain.data.prompts import PromptPair
from plantain.data.result import ProbeResult
from plantain.data.view import View
from plantain.errors import InputError
from plantain.pose.distance import distance_from_t_pose, pair_distances
from plantain.questions.answer import Answer
from plantain.stats.null import resampled_p
from plantain.stats.slope import count_best
from plantain.wording import Table, number, signed

MEASURES = {"rotation": "mean joint rotation in degrees", "joints": "number of bent joints"}
EXPLANATIONS = (*stats.MODELS, "none")
"""What may predict a head's shift best: a step, a slope, both, or no shift at all."""
FWER = 0.05
# Every comparison of models under permuted distances is one fit a head; 200 are enough for a p of 0.005.
_MODEL_PERMUTATIONS = 200


@dataclass(frozen=True)
class BlockDose:
    """One block: heads whose slope has |t| above the first threshold, the largest, and what predicts its heads best."""

    name: str
    n_heads: int
    n_above: int
    max_abs_t: float
    n_best: dict[str, int]


@dataclass(frozen=True)
class Dose(Answer):
    """The shift of every head against the distance of the pair.

    The p is of the gain, not of the count: where heads go together, a chance slope leads in all of them at once, but
    not by much.
    """

    measure: str  # one of ``MEASURES``
    distance: np.ndarray  # (n_pairs,): B's from the T-pose minus A's, which is 0 where A is a T-pose
    step: stats.HeadCount  # of the ordinary paired t: the shift as a step
    response: stats.DoseResponse  # slope with intercept, its null of permuted distances, the models left one out
    blocks: tuple[BlockDose, ...]  # in the model's order
    distance_null: np.ndarray  # ``n_by_distance`` with the distances permuted over pairs: (n,)
    gain_null: np.ndarray  # ``gain`` with the same permutations
    length_r: float  # correlation of the distance with B − A in tokens; NaN where lengths are equal

    @cached_property
    def slope(self) -> stats.HeadCount:
        """Heads whose slope has |t| above each threshold, beside permuted distances."""
        return stats.HeadCount(self.response.t, self.response.null, len(self.distance))

    @property
    def n_heads(self) -> int:
        return self.slope.n_heads

    @property
    def n_fwer(self) -> int:
        """Heads whose slope passes the largest |t| of 95 % of the permutations."""
        return int((self.response.max_p <= FWER).sum())

    @property
    def n_best(self) -> dict[str, int]:
        """Heads for each of ``EXPLANATIONS``: which predicts pairs left out best."""
        return self.response.n_best

    @property
    def n_by_distance(self) -> int:
        """Heads that a model with the distance in it predicts better than a step."""
        return _n_by_distance(self.response)

    @property
    def gain(self) -> float:
        """What the distance adds to a step: mean left-one-out R² of the better model with it, minus the step's."""
        return _gain(self.response)

    @property
    def gain_p(self) -> float:
        """How often permuted distances add as much, the observed ones counted in."""
        return float(resampled_p((self.gain_null >= self.gain).sum(), len(self.gain_null)))

    @property
    def finding(self) -> str:
        """The slopes, of all sentences."""
        return self.sentences[1]

    @property
    def tables(self) -> list[Table]:
        """One row a block."""
        first = self.slope.thresholds[0]
        header = ("block", "heads", f"slope |t| > {first:g}", "max |t| of slope", *EXPLANATIONS)
        rows = []
        for block in self.blocks:
            best = (f"{block.n_best[name]:,}" for name in EXPLANATIONS)
            rows.append((block.name, f"{block.n_heads:,}", f"{block.n_above:,}", number(block.max_abs_t), *best))
        return [Table("By block", "", (header, *rows))]

    @property
    def columns(self) -> dict[str, Any]:
        """Slope and intercept, t of the slope with its family-wise p, t of the step, and what predicts best."""
        found = self.response
        columns = {"slope": found.slope, "intercept": found.intercept, "t_slope": found.t, "p_fwer": found.max_p}
        # A best of -1 is "none", the last.
        return columns | {"t_step": self.step.t, "best": [EXPLANATIONS[k] for k in found.best]}

    @property
    def sentences(self) -> list[str]:
        """Distances, slopes, steps, what predicts best, and what may stand behind a slope."""
        slope = self.slope
        low, high = self.distance.min(), self.distance.max()
        slopes = "; ".join(
            f"{count:,} heads at |t| > {c:g} (null p99 {p99:,.0f}, p = {p:.3f})"
            for c, count, p99, p in zip(slope.thresholds, slope.counts, slope.null_p99, slope.set_p, strict=True)
        )
        steps = ", ".join(f"{n:,} at |t| > {c:g}" for c, n in zip(self.step.thresholds, self.step.counts, strict=True))
        best = self.n_best
        lines = [
            f"Distance of {len(self.distance)} pairs, {MEASURES[self.measure]}: {low:.3g} to {high:.3g}.",
            f"Slope on it, of {self.n_heads:,} heads: {slopes}; {self.n_fwer:,} pass FWER 5 %.",
            f"The same shift in all pairs (a step, the paired t): {steps}.",
            f"What predicts a pair left out best: a step {best['step']:,}, a slope {best['slope']:,}, both "
            f"{best['both']:,}, neither {best['none']:,}.",
            f"So {self.n_by_distance:,} heads are predicted better with the distance than by a step, where permuted "
            f"distances give {np.median(self.distance_null):,.0f}. It adds {signed(self.gain, 4)} to the left-one-out "
            f"R² of a head on average (95 % of permutations: at most {signed(np.quantile(self.gain_null, 0.95), 4)}; "
            f"p = {self.gain_p:.3f}, where {1 / (len(self.gain_null) + 1):.3f} is the smallest possible).",
        ]
        if low > 0 or high < 0:
            lines.append(
                "No pair lies near distance 0, so a step and a slope through 0 predict almost alike; permuted "
                "distances say how much of a slope's lead is chance."
            )
        if np.isfinite(self.length_r) and abs(self.length_r) > 0.3:
            lines.append(
                f"The distance goes with the number of tokens (r = {signed(self.length_r, 2)}), so a slope may be one "
                "on length."
            )
        return lines


def distances(result: ProbeResult, measure: str = "rotation") -> np.ndarray:
    """B's distance from the T-pose minus A's, for every pair done: (n_pairs,).

    >>> distances(plantain.load_result("assets/runs/posebox"), "joints")[:3]
    array([5., 5., 3.])

    "rotation" is the mean over nine joints of how far each is turned away from the T-pose, in degrees; "joints"
    is how many of the nine are bent, from the tag ``bent_joints`` where there is one. Poses are looked up by the
    tag ``pose`` ([a, b], names of Posebox's poses).

    Raises InputError: another measure, or a pair whose tags tell no distance.
    """
    if measure not in MEASURES:
        raise InputError(f"measure must be one of {', '.join(MEASURES)}; got {measure!r}.")
    sides = [(_rotation if measure == "rotation" else _joints)(pair) for pair in result.prompts.pairs[: result.n_pairs]]
    return np.array([b - a for a, b in sides])


def dose(
    result: ProbeResult,
    measure: str = "rotation",
    view: View | str = "card",
    n_permutations: int = 1000,
    seed: int = 0,
) -> Dose:
    """Regress every head's shift on the pair's distance from the T-pose (``stats.dose_response``).

    >>> found = dose(result, measure="joints", view="head")
    >>> found.slope.counts, found.n_best

    ``view`` is a ``View``, or "card" or "head". The null permutes distances over pairs, the same way for all heads;
    it is exact when pairs could be exchanged without a slope. A pose's words go with its distance: a slope says that
    the shift grows with it, not that the model measures joints.

    Raises InputError as ``distances`` and ``stats.dose_response``: poses that are all as far, or fewer than 4 pairs.
    """
    view = View.of(view)
    x = distances(result, measure)
    d = result.differences(view)
    response = stats.dose_response(d, x, n_permutations, seed)
    distance_null, gain_null = _model_nulls(d, x, min(n_permutations, _MODEL_PERMUTATIONS), seed)
    tokens = (result.token_counts[:, 1, 1] - result.token_counts[:, 0, 1]).astype(float)
    return Dose(
        measure=measure,
        distance=x,
        step=stats.count_heads(d, n_splits=0, seed=seed),
        response=response,
        blocks=_blocks(result, view, response),
        distance_null=distance_null,
        gain_null=gain_null,
        length_r=float(np.corrcoef(x, tokens)[0, 1]) if np.ptp(tokens) else float("nan"),
    )


def _model_nulls(d: np.ndarray, x: np.ndarray, n_permutations: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """``n_by_distance`` and ``gain`` with permuted distances: (n_permutations,) each."""
    rng = np.random.default_rng(seed)
    found = [stats.dose_response(d, rng.permutation(x), 1) for _ in range(n_permutations)]
    return np.array([_n_by_distance(f) for f in found]), np.array([_gain(f) for f in found])


def _n_by_distance(response: stats.DoseResponse) -> int:
    return response.n_best["slope"] + response.n_best["both"]


def _gain(response: stats.DoseResponse) -> float:
    """Mean over heads of what "slope" or "both", whichever is better, explains beyond "step"."""
    step, *with_distance = response.loo_r2
    return float((np.max(with_distance, axis=0) - step).mean())


def _blocks(result: ProbeResult, view: View, response: stats.DoseResponse) -> tuple[BlockDose, ...]:
    blocks = []
    for name, heads in result.head_map.block_masks(view).items():
        abs_t, best = np.abs(response.t[heads]), response.best[heads]
        above, highest = int((abs_t > stats.THRESHOLDS[0]).sum()), float(abs_t.max())
        blocks.append(BlockDose(name, len(abs_t), above, highest, count_best(best)))
    return tuple(blocks)


def _rotation(pair: PromptPair) -> tuple[float, float]:
    found = pair_distances(pair.tags)
    if found is None:
        raise _untold(pair)
    return found


def _joints(pair: PromptPair) -> tuple[float, float]:
    tagged, poses = pair.tags.get("bent_joints"), pair.tags.get("pose")
    if isinstance(tagged, list) and len(tagged) == 2 and all(isinstance(n, int | float) for n in tagged):
        return float(tagged[0]), float(tagged[1])
    if not isinstance(poses, list) or len(poses) != 2 or not all(isinstance(pose, str) for pose in poses):
        raise _untold(pair)
    try:
        return distance_from_t_pose(poses[0])[1], distance_from_t_pose(poses[1])[1]
    except InputError as error:
        raise _untold(pair) from error


def _untold(pair: PromptPair) -> InputError:
    return InputError(
        f"The tags of pair {pair.id!r} tell no distance from the T-pose; give it the tag pose, a list with the pose of "
        "a and of b by their names in Posebox, as in prompts/dense_pose.json."
    )
