"""Does the shift grow with the distance in pose, or is it a step that any other pose sets off?"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from plantain.errors import InputError
from plantain.stats.flips import t_of_r
from plantain.stats.null import ResampledNull, check_count, check_thresholds
from plantain.stats.paired import Array, check_column, check_differences, unit_columns
from plantain.stats.tally import tally

MODELS = ("step", "slope", "both")


@dataclass(frozen=True)
class DoseResponse:
    """Slopes of the shift on the distance, with their null, and three models of the shift; a value a head."""

    slope: Array  # least squares with an intercept
    intercept: Array
    t: Array  # the slope over its standard error, n_pairs - 2 degrees of freedom
    null: ResampledNull  # of |t| with the distances permuted over pairs, all heads alike
    max_p: Array  # family-wise adjusted p of the slope
    r2: Array  # (3, n_heads): share of the sum of d² that each of ``MODELS`` explains
    loo_r2: Array  # (3, n_heads): the same left one out; below 0: worse than no shift at all
    best: NDArray[np.int64]  # index into ``MODELS`` of the largest ``loo_r2``; -1 where none is above 0

    @property
    def n_best(self) -> dict[str, int]:
        """Heads that each model predicts best; "none" where no shift at all predicts better."""
        return count_best(self.best)


def count_best(best: NDArray[np.int64]) -> dict[str, int]:
    """Heads for each of ``MODELS`` and "none", by their ``DoseResponse.best``."""
    return {name: int((best == k).sum()) for k, name in enumerate(MODELS)} | {"none": int((best < 0).sum())}


def dose_response(
    d: ArrayLike,
    distance: ArrayLike,
    n_permutations: int = 1000,
    seed: int = 0,
    thresholds: tuple[float, ...] = (3.0, 5.0),
) -> DoseResponse:
    """Slope of every head's shift on the pair's distance, and whether a step or a slope explains it better.

    >>> found = plantain.stats.dose_response(d, distance)         # (n_pairs, n_heads), (n_pairs,)
    >>> found.t, found.max_p, found.n_best

    The slope has an intercept, so a shift that is the same for all pairs gives none. Its t is a function of the
    correlation, t = r sqrt((n - 2) / (1 - r²)), so permuting distances takes one matrix product; the same
    permutations for all heads, so the largest |t| over heads keeps its distribution. The p is exact when, without a
    slope, the shifts of the pairs could be exchanged; words that go with distance break that.

    Three models of d, none of them given the others' baseline: "step" d = b0, "slope" d = b1·distance, "both"
    d = b0 + b1·distance. Left-one-out errors come from the leverages, e / (1 - h) (Allen's PRESS), so "both"
    has no advantage from its second number. One head's ``best`` is a noisy choice; read the counts over heads.

    Raises InputError as ``paired_t``; also fewer than 4 pairs, distances that are all equal or where one pair alone
    decides the slope, or fewer than one permutation.
    """
    d = check_differences(d)
    n = len(d)
    x = check_column(distance, n, "distance")
    n_permutations, cuts = check_count("n_permutations", n_permutations), check_thresholds(thresholds)
    if n < 4:
        raise InputError(f"A slope over pairs needs at least 4 pairs; got {n}. Add pairs.")
    if np.ptp(x) == 0:
        raise InputError(f"distance is {x[0]:g} in every pair, so nothing can be said about a slope; vary it.")
    x_centred, d_centred = x - x.mean(), d - d.mean(axis=0)
    d_centred[:, (d == d[0]).all(axis=0)] = 0  # exact: else rounding would correlate
    norm = np.sqrt((x_centred**2).sum())
    u = unit_columns(d_centred)  # (P, H)
    t = t_of_r(x_centred / norm @ u, n - 2)
    slope = x_centred @ d_centred / norm**2

    rng = np.random.default_rng(seed)
    rows = rng.permuted(np.tile(x_centred / norm, (n_permutations, 1)), axis=1)
    counts, max_r = tally(rows.astype(np.float32), u.astype(np.float32), cuts / np.sqrt(n - 2 + cuts**2))
    null = ResampledNull(counts, t_of_r(max_r, n - 2), tuple(float(c) for c in cuts), exhaustive=False)
    r2, loo_r2 = _compare(d, x)
    best = np.where(loo_r2.max(axis=0) > 0, loo_r2.argmax(axis=0), -1)
    return DoseResponse(slope, d.mean(axis=0) - slope * x.mean(), t, null, null.max_p(np.abs(t)), r2, loo_r2, best)


def _compare(d: Array, x: Array) -> tuple[Array, Array]:
    """R² and left-one-out R² of the three models: (3, H) each, in shares of the sum of d²."""
    ones = np.ones_like(x)
    total = (d * d).sum(axis=0)
    r2, loo_r2 = np.zeros((3, d.shape[1])), np.zeros((3, d.shape[1]))
    for k, columns in enumerate(([ones], [x], [ones, x])):
        basis, _ = np.linalg.qr(np.stack(columns, axis=1))  # (P, 1 or 2)
        leverage = (basis**2).sum(axis=1)
        if (leverage > 1 - 1e-9).any():
            pair = int(leverage.argmax())
            raise InputError(f"Pair {pair} alone decides the slope on distance; give more pairs other distances.")
        error = d - basis @ (basis.T @ d)
        left_out = error / (1 - leverage)[:, None]
        for out, residual in ((r2, error), (loo_r2, left_out)):
            out[k] = 1 - np.divide((residual**2).sum(axis=0), total, out=np.ones_like(total), where=total > 0)
    return r2, loo_r2
