"""What sets of heads move when they are patched: the mean over pairs, beside matched sets, for every ranking and k."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from plantain import stats
from plantain.data.interventions import RANKINGS, WITHIN
from plantain.data.patching import PatchStudy

# Matched sets that write, on average, less or more than this share of the chosen one are no match: each lies within
# 10 %, but around the largest heads all lie below.
_TOLERANCE = 0.02


@dataclass(frozen=True)
class Chosen:
    """The k heads first in a ranking, chosen on some pairs and patched in the others.

    Attributes
    ----------
    mean, low, high : mean over pairs of a measure, and its Student-t interval of 95 %
    bottom : the same of the k last; ``random``: of k heads at random; NaN where not made
    matched : of the matched sets, ``others`` each set's mean (m,)
    ratio : how much the matched sets write over what the chosen one does, mean
    p : place of the chosen set among them, upper tail; NaN where the sets are no match
    """

    ranking: str
    k: int
    measure: str
    direction: str
    mean: float
    low: float
    high: float
    bottom: float
    random: float
    others: np.ndarray
    ratio: float
    p: float

    @property
    def matched(self) -> float:
        return float(self.others.mean()) if len(self.others) else float("nan")


def over_pairs(study: PatchStudy, numbers: np.ndarray, measure: str) -> np.ndarray:
    """A measure in every pair, of interventions of which one is made in each: (n_pairs,); NaN where none is."""
    values = study.of(numbers, measure)
    made = np.isfinite(values)
    total = np.where(made, values, 0.0).sum(axis=0)
    return np.where(made.any(axis=0), total / np.maximum(made.sum(axis=0), 1), np.nan)


def sets_by_draw(study: PatchStudy, numbers: np.ndarray, measure: str) -> np.ndarray:
    """The mean over pairs of every draw of matched or random sets: (m,)."""
    if not len(numbers):
        return np.zeros(0)
    draws, which = np.unique(study.table.draw[numbers], return_inverse=True)
    values = study.of(numbers, measure)
    made = np.isfinite(values)
    total, n = np.zeros((len(draws), values.shape[1])), np.zeros((len(draws), values.shape[1]))
    np.add.at(total, which, np.where(made, values, 0.0))
    np.add.at(n, which, made)
    known = (n > 0).any(axis=1)
    mean = np.divide(total, n, out=np.full(total.shape, np.nan), where=n > 0)
    return np.asarray(np.nanmean(mean[known], axis=1))


def chosen(
    study: PatchStudy, ranking: str, k: int, measure: str = "y_truth", direction: str = "sufficiency"
) -> Chosen | None:
    """One ranking and one k; None where the study has no such set, or did not measure it.

    >>> chosen(study, "place", 8).p
    """
    table = study.table
    own = table.where(role="chosen", ranking=ranking, k=k, direction=direction)
    values = over_pairs(study, own, measure)
    values = values[np.isfinite(values)]
    if len(values) < stats.MIN_PAIRS:
        return None
    interval = stats.mean_interval(values)
    matched = table.where(role="matched", ranking=ranking, k=k, direction=direction)
    others = sets_by_draw(study, matched, measure)
    ratio = _written(study, matched) / _written(study, own) if len(matched) else float("nan")
    fits = len(others) > 0 and abs(ratio - 1) <= _TOLERANCE
    p = float(stats.place_among(float(values.mean()), others).p) if fits else float("nan")
    bottom = over_pairs(study, table.where(role="bottom", ranking=ranking, k=k, direction=direction), measure)
    drawn = sets_by_draw(study, table.where(role="random", k=k, direction=direction), measure)
    return Chosen(
        ranking, k, measure, direction, float(interval.mean), float(interval.low), float(interval.high),
        _mean(bottom), _mean(drawn), others, ratio, p,
    )  # fmt: skip


@dataclass(frozen=True)
class Adds:
    """Whether a ranking adds to the size of what is written.

    Attributes
    ----------
    high, low : of the 2 k heads that write most, the k first and the k last in the ranking; means over pairs
    ratio : what the first half writes over what the second does
    t : paired t over pairs of high − low
    others : k of the same 2 k at random, each draw's mean (m,)
    p : place of ``high`` among them, upper tail, once what a set writes is taken out of all along a line over the draws
    partial : rank correlation, over heads, of the ranking's score with what a head moves by itself, ‖W_out Δx‖ taken
        out of both
    partial_p : of that, by permutation
    """

    ranking: str
    k: int
    measure: str
    high: float
    low: float
    ratio: float
    t: float
    others: np.ndarray
    p: float
    partial: float
    partial_p: float


def adds(study: PatchStudy, ranking: str, k: int, measure: str = "y_truth") -> Adds | None:
    """One ranking and one k; None where the study has no such sets.

    >>> adds(study, "place", 8).t
    """
    table = study.table
    halves = [table.where(role=role, ranking=ranking, k=k) for role in ("within high", "within low")]
    sides = [over_pairs(study, half, measure) for half in halves]
    made = np.isfinite(sides).all(axis=0)
    if ranking not in WITHIN or made.sum() < stats.MIN_PAIRS:
        return None
    high, low = (side[made] for side in sides)
    drawn = table.where(role="within random", k=k)
    others = sets_by_draw(study, drawn, measure)
    p = _placed_beyond_size(study, float(high.mean()), halves[0], others, drawn)
    partial, partial_p = partial_of(study, ranking, measure)
    t = float(stats.paired_t((high - low)[:, None])[0])
    ratio = _written(study, halves[0]) / _written(study, halves[1])
    return Adds(ranking, k, measure, float(high.mean()), float(low.mean()), ratio, t, others, p, partial, partial_p)


def _placed_beyond_size(
    study: PatchStudy, value: float, own: np.ndarray, others: np.ndarray, drawn: np.ndarray
) -> float:
    """A set's place among random ones, by what is left of y* when a line in the size that sets write is taken off."""
    draws = study.table.draw[drawn]
    sizes = np.array([_written(study, drawn[draws == draw]) for draw in np.unique(draws)])
    if len(others) < 3 or len(sizes) != len(others):
        return float("nan")
    slope, offset = np.polyfit(sizes, others, 1) if np.ptp(sizes) > 1e-9 * sizes.max() else (0.0, 0.0)
    left = value - slope * _written(study, own) - offset
    return float(stats.place_among(left, others - slope * sizes - offset).p)


def single_heads(study: PatchStudy, measure: str, direction: str = "sufficiency") -> np.ndarray:
    """A measure of every head by itself, in the view's order: (n_heads, n_pairs)."""
    numbers = study.table.where(role="single", direction=direction)
    return study.of(numbers[np.argsort(study.table.draw[numbers], kind="stable")], measure)


def partial_of(study: PatchStudy, ranking: str, measure: str = "y_truth") -> tuple[float, float]:
    """Partial Spearman's r of a ranking's score with what single heads move, given ‖W_out Δx‖, and its p."""
    score = study.scores[RANKINGS.index(ranking)].astype(np.float64)
    moved = single_heads(study, measure)
    known = np.isfinite(score)
    if not len(moved) or not known.all() or not np.isfinite(moved).all():
        return float("nan"), float("nan")
    found = stats.partial_spearman(score, moved.mean(axis=1), study.size_of("write").mean(axis=0))
    return float(found.r), float(found.p)


def curve(study: PatchStudy, ranking: str, measure: str = "y_truth") -> tuple[list[int], list[Chosen]]:
    """A ranking over all its k.

    >>> k, sets = curve(study, "place")
    """
    found = [(k, chosen(study, ranking, k, measure)) for k in ks_of(study, ranking)]
    some = [(k, one) for k, one in found if one is not None]
    return [k for k, _ in some], [one for _, one in some]


def random_band(study: PatchStudy, measure: str = "y_truth") -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """k, and the least and the largest mean of the sets at random, (n_k,) each; empty where there are none.

    >>> k, low, high = random_band(study)
    """
    numbers = study.table.where(role="random", direction="sufficiency")
    ks = np.unique(study.table.k[numbers])
    every = [sets_by_draw(study, numbers[study.table.k[numbers] == k], measure) for k in ks]
    made = np.array([len(values) > 0 for values in every], bool)
    low, high = (np.array([edge(values) for values in every if len(values)]) for edge in (np.min, np.max))
    return ks[made], low, high


def ks_of(study: PatchStudy, ranking: str) -> list[int]:
    """Sizes of sets that a study chose by a ranking."""
    return sorted({int(k) for k in study.table.k[study.table.where(role="chosen", ranking=ranking)]})


def rankings_of(study: PatchStudy) -> list[str]:
    """Rankings that a study chose by, in their order."""
    return [name for name in RANKINGS if len(study.table.where(role="chosen", ranking=name))]


def _written(study: PatchStudy, numbers: np.ndarray) -> float:
    """Mean over sets of sqrt Σ write² over their heads, the size that matched sets match."""
    heads = study.head_map.runs_of_heads(study.view)
    inside = (study.table.runs[numbers].astype(np.float32) @ heads.T.astype(np.float32)) >= heads.sum(axis=1)
    size = study.size_of("write").mean(axis=0)
    return float(np.sqrt(inside @ size**2).mean())


def _mean(values: np.ndarray) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else float("nan")
