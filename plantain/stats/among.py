"""What a causal study says of one number among others, of two rankings, of two curves, and of a mean over pairs."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from plantain.errors import InputError
from plantain.stats.null import check_count, resampled_p
from plantain.stats.paired import MIN_PAIRS, Array

# A rank correlation or residual below this is rounding error; of ranks, which are halves of whole numbers.
_ROUNDING = 1e-9


@dataclass(frozen=True)
class Among:
    """Where a value lies among ``n_others`` others; arrays of the value's shape, NaN where there are no others."""

    p: Array  # upper tail
    below: Array  # share of the others below it
    n_others: int


def place_among(observed: ArrayLike, others: ArrayLike) -> Among:
    """Upper p of an observed value among those of other sets, draw by draw: (b + 1) / (m + 1).

    >>> plantain.stats.place_among(y_top, y_matched).p                     # (), (m,) -> ()
    >>> plantain.stats.place_among(curve, curves).below                    # (n_k,), (m, n_k) -> (n_k,)

    b of m others are at least as large, ties counted. Never 0, and at most a share alpha of all p is <= alpha where
    the observed set is one like the others. Each place of an array has its own p; they are not adjusted. No others at
    all: NaN. Source: Phipson & Smyth (2010), doi:10.2202/1544-6115.1585.

    Raises InputError: others that are not (m, *observed.shape), or NaN in either.
    """
    one, many = np.asarray(observed, dtype=np.float64), np.asarray(others, dtype=np.float64)
    if many.ndim != one.ndim + 1 or many.shape[1:] != one.shape:
        raise InputError(f"others needs the shape (m, *{one.shape}), one row for each other set; got {many.shape}.")
    if np.isnan(one).any() or np.isnan(many).any():
        raise InputError("place_among cannot place NaN; leave out what was not measured.")
    m = len(many)
    if m == 0:
        return Among(np.full(one.shape, np.nan), np.full(one.shape, np.nan), 0)
    return Among(np.asarray(resampled_p((many >= one).sum(axis=0), m)), np.asarray((many < one).mean(axis=0)), m)


@dataclass(frozen=True)
class PartialSpearman:
    """Rank correlation ``r`` with a third ranking taken out, under permutations (``null``), and two-sided ``p``."""

    r: float
    null: Array  # (n_permutations,)
    p: float


def partial_spearman(
    x: ArrayLike, y: ArrayLike, given: ArrayLike, n_permutations: int = 1000, seed: int = 0
) -> PartialSpearman:
    """Spearman's r of x and y over heads, the rank of ``given`` taken out of the ranks of both.

    >>> plantain.stats.partial_spearman(np.abs(t), effect, given=size).r   # three of (n_heads,)

    r is Pearson's of the residuals of rank(x) and rank(y) after least squares on 1 and rank(given), ties at their mean
    rank: (r_xy - r_xg r_yg) / sqrt((1 - r_xg²)(1 - r_yg²)). A constant ``given`` leaves Spearman's r.
    For p the residuals of rank(x) are permuted, added to what was fitted, and fitted again (Freedman & Lane 1983,
    doi:10.1080/07350015.1983.10509354): p = (b + 1) / (m + 1) of |r|. It assumes that rank(x) depends on rank(given)
    along a line with the same scatter everywhere, and that heads are exchangeable beyond that; a bent dependence leaves
    some of ``given`` in r. NaN in all three where nothing of x or of y is left.

    Raises InputError: not three of one length, fewer than 4 heads, NaN, or fewer than one permutation.
    """
    from scipy.stats import rankdata

    arrays = [np.asarray(values, dtype=np.float64) for values in (x, y, given)]
    shapes = [array.shape for array in arrays]
    if arrays[0].ndim != 1 or len(set(shapes)) != 1 or len(arrays[0]) < 4:
        raise InputError(f"x, y and given need one number for each of at least 4 heads; got the shapes {shapes}.")
    if any(np.isnan(array).any() for array in arrays):
        raise InputError("x, y and given must not hold NaN; leave those heads out of all three.")
    n_permutations, n = check_count("n_permutations", n_permutations), len(arrays[0])
    ranks = np.stack([rankdata(array) for array in arrays]) - (n + 1) / 2  # (3, H)
    norm = float(np.sqrt(ranks[2] @ ranks[2]))
    unit = ranks[2] / norm if norm > 0 else np.zeros(n)
    left = ranks[:2] - np.outer(ranks[:2] @ unit, unit)
    lengths = np.sqrt((left * left).sum(axis=1))
    if (lengths <= _ROUNDING * n).any():
        return PartialSpearman(float("nan"), np.full(n_permutations, np.nan), float("nan"))
    ex, ey = left[0], left[1] / lengths[1]
    r = float(np.clip(ex @ ey / lengths[0], -1, 1))
    rng = np.random.default_rng(seed)
    permuted = rng.permuted(np.tile(ex, (n_permutations, 1)), axis=1)  # (F, H)
    # ey is free of given already, so that fitting again changes the length alone.
    length = np.sqrt(np.maximum(lengths[0] ** 2 - (permuted @ unit) ** 2, 0))
    null = np.divide(permuted @ ey, length, out=np.zeros(n_permutations), where=length > _ROUNDING * n)
    reached = int((np.abs(null) >= abs(r) - _ROUNDING).sum())
    return PartialSpearman(r, null, float(resampled_p(reached, n_permutations)))


def area_between(x: ArrayLike, upper: ArrayLike, lower: ArrayLike) -> Array:
    """Mean height between two curves: the trapezoid area between them over the range of x.

    >>> plantain.stats.area_between([1, 3, 10, 30], y_top, y_random)       # (n_x,), (…, n_x), (…, n_x) -> (…)

    Σ ½ (d_i + d_i+1)(x_i+1 - x_i) / (x_n - x_1), d = upper - lower; negative where ``lower`` is the higher one.
    In log x the small sets count as much as the large.

    Raises InputError: fewer than 2 x, x that do not rise, curves of another length, or NaN or infinity.
    """
    at, top, bottom = (np.asarray(values, dtype=np.float64) for values in (x, upper, lower))
    if at.ndim != 1 or len(at) < 2 or not np.isfinite(at).all() or not (np.diff(at) > 0).all():
        raise InputError(f"x must hold at least 2 finite numbers that rise; got {at.tolist()}.")
    if top.ndim == 0 or bottom.ndim == 0 or top.shape[-1] != len(at) or bottom.shape[-1] != len(at):
        raise InputError(f"Each curve needs a value at each of the {len(at)} x; got {top.shape} and {bottom.shape}.")
    if not (np.isfinite(top).all() and np.isfinite(bottom).all()):
        raise InputError("The curves hold NaN or infinity; leave out what was not measured.")
    return np.asarray(np.trapezoid(top - bottom, at, axis=-1) / (at[-1] - at[0]))


@dataclass(frozen=True)
class MeanInterval:
    """A mean over pairs and its Student-t interval; arrays of the shape of one pair's values."""

    mean: Array
    low: Array
    high: Array
    n_pairs: int
    level: float


def mean_interval(values: ArrayLike, level: float = 0.95) -> MeanInterval:
    """Mean over pairs with Student's interval: mean ± t_(n-1)((1 + level) / 2) · sd / sqrt(n), the sd with n - 1.

    >>> found = plantain.stats.mean_interval(y)                            # (n_pairs, …) -> (…)
    >>> found.low, found.mean, found.high

    The pair is the sampling unit: folds, seeds and random sets are averaged within a pair first. Exact for normal
    values. Equal values give an interval of no width.

    Raises InputError: fewer than 3 pairs, NaN or infinity, or a level not between 0 and 1.
    """
    from scipy.stats import t as student  # here, since reading a run needs no distribution

    y = np.asarray(values, dtype=np.float64)
    if y.ndim == 0 or len(y) < MIN_PAIRS:
        n = 1 if y.ndim == 0 else len(y)
        raise InputError(f"An interval over pairs needs at least {MIN_PAIRS} pairs; got {n}. Add pairs.")
    if not np.isfinite(y).all():
        raise InputError(f"The values hold NaN or infinity, first at pair {np.argwhere(~np.isfinite(y))[0][0]}.")
    if not 0 < level < 1:
        raise InputError(f"level must lie between 0 and 1; got {level!r}.")
    mean = y.mean(axis=0)
    half = student.ppf((1 + level) / 2, len(y) - 1) * y.std(axis=0, ddof=1) / np.sqrt(len(y))
    return MeanInterval(np.asarray(mean), np.asarray(mean - half), np.asarray(mean + half), len(y), float(level))
