"""Would other pairs, or other noise, give the same map of t?"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from plantain.errors import InputError
from plantain.stats.flips import random_signs
from plantain.stats.null import check_count, resampled_p
from plantain.stats.paired import MIN_PAIRS, Array, check_differences, paired_t, t_of_sums

# Values of each half's t at a time, half a megabyte: what is done to them one after the other stays near the core.
_BLOCK_VALUES = 2**16


def split_half(d: ArrayLike, n_splits: int = 100, seed: int = 0) -> Array:
    """Reliability of the t map: Pearson r between two random halves of the pairs, over heads.

    >>> r = plantain.stats.split_half(d, n_splits=100, seed=0)   # (n_pairs, n_heads) -> (n_splits,)
    >>> median, (q1, q3) = np.median(r), np.quantile(r, [0.25, 0.75])

    An odd number of pairs is split into n // 2 and n - n // 2 (25: 12 and 13). Heads whose t is infinite in either half
    are left out of that split's r. A split whose r is undefined (t maps without variance) is NaN.

    Raises InputError as ``paired_t``; also fewer than 4 pairs (a half needs two) or fewer than 3 heads.
    """
    d = _check_halves(d)
    n = len(d)
    if n_splits < 1:
        raise InputError(f"n_splits must be at least 1; got {n_splits}.")
    first = _random_halves(np.random.default_rng(seed), n_splits, n)
    squared, r = d * d, np.empty(n_splits)
    block = max(1, _BLOCK_VALUES // d.shape[1])
    for start in range(0, n_splits, block):
        one = first[start : start + block]
        halves = np.concatenate([one, 1 - one])  # (2S, P)
        t = t_of_sums(halves @ d, halves @ squared, halves.sum(axis=1))
        r[start : start + block] = _row_pearson(t[: len(one)], t[len(one) :])
    return r


def _random_halves(rng: np.random.Generator, n_splits: int, n: int) -> Array:
    """1 where a pair is in the first half of a split, else 0: (n_splits, n_pairs)."""
    first = np.zeros((n_splits, n))
    for row in first:
        row[rng.permutation(n)[: n // 2]] = 1
    return first


def _check_halves(d: ArrayLike) -> Array:
    d = check_differences(d)
    if len(d) < 4 or d.shape[1] < 3:
        raise InputError(f"Split-half r needs at least 4 pairs and 3 heads; got {len(d)} pairs and {d.shape[1]} heads.")
    return d


def spearman_brown(r: ArrayLike, factor: float = 2.0) -> Array:
    """Reliability of ``factor`` times as many pairs: k r / (1 + (k - 1) r); halves to the whole by default.

    >>> plantain.stats.spearman_brown(0.87)                       # 0.930: of 25 pairs, from halves of 12 and 13

    Any shape is kept. A negative r has no reliability behind it, and its corrected value means nothing; -1 gives -inf.
    Source: Brown (1910), Spearman (1910).

    Raises InputError: r outside -1 to 1 (NaN passes), or a factor that is not positive.
    """
    r = np.asarray(r, dtype=float)
    if (np.abs(r) > 1).any() or not factor > 0:
        raise InputError(f"Spearman-Brown needs r from -1 to 1 and a positive factor; got {r!r} and {factor!r}.")
    with np.errstate(divide="ignore"):
        return np.divide(factor * r, 1 + (factor - 1) * r)


@dataclass(frozen=True)
class SplitHalfNull:
    """Median split-half ``r``, the same under sign flips (``null``, (n_flips,)), and one-sided ``p``."""

    r: float
    null: Array
    p: float


def split_half_null(d: ArrayLike, n_flips: int = 200, n_splits: int = 20, seed: int = 0) -> SplitHalfNull:
    """Median split-half r against its own null: the same splits of sign-flipped pairs.

    >>> plantain.stats.split_half_null(d).p                       # about 3 s for 16,320 heads

    Correlated heads give large r of either sign without any effect (three factors behind 600 heads: -0.54 to 0.50 from
    the 5th to the 95th percentile), so r says little by itself. Flips are drawn at random; p = (b + 1) / (m + 1), for
    large r. ``r`` is the median over this function's own ``n_splits``.

    Raises InputError as ``split_half``; also fewer than one flip or split, or r that is not defined.
    """
    d = _check_halves(d)
    n = len(d)
    n_flips, n_splits = check_count("n_flips", n_flips), check_count("n_splits", n_splits)
    rng = np.random.default_rng(seed)
    first = _random_halves(rng, n_splits, n)
    halves = np.concatenate([first, 1 - first])  # (2S, P)
    sizes, squares = halves.sum(axis=1), halves @ (d * d)  # flips leave squares as they are

    def median(signs: Array) -> float:
        t = t_of_sums((halves * signs) @ d, squares, sizes)  # (2S, H)
        return float(np.median(_row_pearson(t[:n_splits], t[n_splits:])))

    observed = median(np.ones(n))
    if np.isnan(observed):
        raise InputError("Split-half r is not defined for these differences: too few heads vary within both halves.")
    null = np.array([median(signs) for signs in random_signs(rng, n_flips, n).astype(float)])
    # A flip without a defined r counts against us.
    return SplitHalfNull(observed, null, float(resampled_p((~(null < observed)).sum(), n_flips)))


def rank_stability(ts: Sequence[ArrayLike] | ArrayLike) -> Array:
    """Spearman correlation of every two t maps over heads: do other noise or other pairs rank heads alike?

    >>> maps = [stats.paired_t(result.differences(seed=s)) for s in result.config.seeds]
    >>> plantain.stats.rank_stability(maps)                       # (n_maps, n_heads) -> (n_maps, n_maps)

    Ranks of signed t, so infinities have theirs. NaN beside a map without variance. Maps of the same pairs share
    their pairs' noise; a null for such an agreement needs pairs flipped, not heads shuffled.

    Raises InputError: fewer than two maps, fewer than 3 heads, or NaN.
    """
    from scipy.stats import rankdata

    maps = np.asarray(ts, dtype=float)
    if maps.ndim != 2 or len(maps) < 2 or maps.shape[1] < 3:
        raise InputError(f"Rank stability needs at least two maps of at least 3 heads; got the shape {maps.shape}.")
    if np.isnan(maps).any():
        raise InputError("The t maps hold NaN; compute them with paired_t.")
    ranks = rankdata(maps, axis=1)
    ranks -= ranks.mean(axis=1, keepdims=True)
    norm = np.sqrt((ranks * ranks).sum(axis=1))
    scale = np.outer(norm, norm)
    return np.divide(ranks @ ranks.T, scale, out=np.full(scale.shape, np.nan), where=scale > 0)


@dataclass(frozen=True)
class MinFPrime:
    """F over pairs (``f1``), over noise seeds (``f2``), and over both at once; every array (n_heads,)."""

    f1: Array
    f2: Array
    min_f: Array
    df: Array  # degrees of freedom of the denominator; the numerator has 1
    p: Array


def min_f_prime(d: ArrayLike) -> MinFPrime:
    """Does a head's effect hold for new pairs *and* new noise? Clark's minF' of every head.

    >>> d = np.stack([result.differences(seed=s) for s in result.config.seeds], axis=1)
    >>> plantain.stats.min_f_prime(d).p                           # (n_pairs, n_seeds, n_heads) -> (n_heads,)

    F1 = t² over pairs of the means over seeds, F2 = t² over seeds of the means over pairs,
    minF' = F1 F2 / (F1 + F2) on 1 and (F1 + F2)² / (F1²/(n_seeds - 1) + F2²/(n_pairs - 1)) degrees of freedom.
    A lower bound of quasi-F; simulated with 20 pairs and 5 seeds, p <= 0.05 came in 0.9 to 5.5 %. Source: Clark (1973),
    doi:10.1016/S0022-5371(73)80014-3. Where one F is infinite, minF' and its df are the other's.

    Raises InputError: not three dimensions, fewer than 3 pairs or 3 seeds, NaN or infinity.
    """
    from scipy.special import fdtrc

    d = np.asarray(d, dtype=np.float64)
    if d.ndim != 3 or min(d.shape[:2]) < MIN_PAIRS:
        raise InputError(
            f"minF' needs the shape (n_pairs, n_seeds, n_heads), pairs and seeds at least {MIN_PAIRS}; got {d.shape}."
        )
    n_pairs, n_seeds = d.shape[:2]
    f1, f2 = paired_t(d.mean(axis=1)) ** 2, paired_t(d.mean(axis=0)) ** 2
    # In shares of F1 + F2, so that an infinite F is a share of 1.
    with np.errstate(invalid="ignore", divide="ignore"):
        share = np.where(np.isinf(f1), np.where(np.isinf(f2), 0.5, 1.0), f1 / (f1 + f2))
        share = np.where(f1 + f2 == 0, 0.5, share)
        min_f = np.where(np.isinf(f1), f2, np.where(np.isinf(f2), f1, share * f2))
    df = 1 / (share**2 / (n_seeds - 1) + (1 - share) ** 2 / (n_pairs - 1))
    return MinFPrime(f1, f2, min_f, df, fdtrc(1, df, min_f))


def _row_pearson(x: Array, y: Array) -> Array:
    """Pearson r of matching rows; heads infinite in either are left out of that row. NaN of fewer than 3 heads."""
    finite = np.isfinite(x) & np.isfinite(y)
    if finite.all():
        x, y = x - x.mean(axis=1, keepdims=True), y - y.mean(axis=1, keepdims=True)
    else:
        n = finite.sum(axis=1, keepdims=True)
        x, y = (np.where(finite, t - np.where(finite, t, 0).sum(axis=1, keepdims=True) / n.clip(1), 0) for t in (x, y))
        x[n[:, 0] < 3] = 0
    scale = np.sqrt(np.einsum("sh,sh->s", x, x) * np.einsum("sh,sh->s", y, y))
    covariance = np.einsum("sh,sh->s", x, y)
    return np.divide(covariance, scale, out=np.full(len(scale), np.nan), where=scale > 0)
