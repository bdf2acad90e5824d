"""Statistics over prompt pairs: NumPy arrays in, NumPy arrays out, no torch.

Throughout, ``d`` has shape (n_pairs, n_heads) and holds the differences B - A of one quantity.
The pair is the sampling unit. Letters in shape comments: P pairs, H heads, F flips, S splits.

Two kinds of head have no variance over pairs, and neither is dropped: all differences zero
(*silent*: t = d_z = 0), and all differences equal but not zero (t = d_z = ±inf).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from plantain.errors import InputError

Array = NDArray[np.float64]

MIN_PAIRS = 3  # with two, t has one degree of freedom and no finite mean
# Working set of one tile of the flip product (rows of flips x columns of heads, float32): 1 MB,
# which stays in the second-level cache.
_TILE_FLIPS, _TILE_HEADS = 64, 4096
# 2**24 rows of two counts and a maximum are 400 MB; more would not fit a laptop.
_MAX_EXHAUSTIVE_PAIRS = 24


def paired_t(d: ArrayLike) -> Array:
    """Paired t of every head: mean(d) / (sd(d) / sqrt(n)), n - 1 degrees of freedom.

    >>> t = plantain.stats.paired_t(result.differences())        # (n_pairs, n_heads) -> (n_heads,)

    Parameters
    ----------
    d : array, shape (n_pairs, n_heads)
        Differences B - A.

    Returns
    -------
    t : float64 array, shape (n_heads,)
        Equal to ``scipy.stats.ttest_rel(b, a).statistic`` where that is finite; 0 for silent heads,
        ±inf where all differences are equal and not zero.

    Raises
    ------
    InputError
        Fewer than 3 pairs, not two dimensions, or NaN or infinity in ``d``.
    """
    d = check_differences(d)
    return cohens_dz(d) * np.sqrt(len(d))


def cohens_dz(d: ArrayLike) -> Array:
    """Cohen's d_z of every head: mean(d) / sd(d) = t / sqrt(n), the sd with n - 1.

    >>> dz = plantain.stats.cohens_dz(result.differences())      # (n_pairs, n_heads) -> (n_heads,)

    Silent heads have d_z = 0; heads whose differences are all equal and not zero, ±inf.
    Source: Lakens (2013), doi:10.3389/fpsyg.2013.00863. Raises as ``paired_t`` does.
    """
    d = check_differences(d)
    mean = d.mean(axis=0)
    sd = d.std(axis=0, ddof=1)
    constant = (d == d[0]).all(axis=0)  # exact: rounding of the mean would leave an sd of 1e-17
    sd[constant] = 1.0
    dz = mean / sd
    dz[constant] = np.where(d[0, constant] == 0, 0.0, np.copysign(np.inf, d[0, constant]))
    return dz


@dataclass(frozen=True)
class SignFlipNull:
    """Counts and maxima under flips of the within-pair labels.

    Attributes
    ----------
    counts : int array, shape (n_flips, n_thresholds)
        Heads with |t| above each threshold, for each flip.
    max_abs_t : float64 array, shape (n_flips,)
        Largest |t| over the heads, for each flip.
    thresholds : tuple of float
    exhaustive : bool
        True when all 2**n_pairs flips were made, the identity among them.
    """

    counts: NDArray[np.int64]
    max_abs_t: Array
    thresholds: tuple[float, ...]
    exhaustive: bool

    def count_quantile(self, q: float = 0.99) -> Array:
        """NumPy's linear quantile of the count at each threshold: (n_thresholds,)."""
        return np.quantile(self.counts, q, axis=0)

    def set_p(self, observed: ArrayLike) -> Array:
        """How often a flip gives at least the observed count, the observed labelling counted in.

        #(count >= observed) / 2**n when all flips were made, else (b + 1) / (m + 1)
        (Phipson & Smyth 2010, doi:10.2202/1544-6115.1585), so that p is never 0.
        """
        return self._p((self.counts >= np.asarray(observed)).sum(axis=0))

    def max_p(self, abs_t: ArrayLike) -> Array:
        """Family-wise adjusted p of |t|: how often the largest |t| of a flip reaches it.

        Westfall & Young's single-step max-T; any shape of ``abs_t`` is kept.
        """
        ordered = np.sort(self.max_abs_t)
        # Products over flips are float32: an observed maximum may come back a hair smaller.
        reach = np.asarray(abs_t, dtype=float) * (1 - 1e-5)
        return self._p(len(ordered) - np.searchsorted(ordered, reach, side="left"))

    def _p(self, n_reached: ArrayLike) -> Array:
        m = len(self.max_abs_t)
        reached = np.asarray(n_reached, dtype=float)
        return reached / m if self.exhaustive else (reached + 1) / (m + 1)


def sign_flip_null(
    d: ArrayLike, n_flips: int = 1000, thresholds: Sequence[float] = (3.0, 5.0), seed: int = 0
) -> SignFlipNull:
    """Null of the head counts and of the largest |t|: flip each pair's sign across all heads at once.

    >>> null = plantain.stats.sign_flip_null(d, n_flips=1000, thresholds=(3, 5), seed=0)
    >>> null.counts.shape, null.max_abs_t.shape
    ((1000, 2), (1000,))

    With ``n_flips >= 2**n_pairs`` all flips are enumerated (and ``counts`` has 2**n_pairs rows);
    otherwise the signs are drawn at random and the identity is not added to them. The null says that d is
    symmetric about zero; it does not say that the difference is about the thing one asked.

    All thresholds come from one matrix product. The sum of squares of a head's differences does not
    change under flips, so with u = d / sqrt(sum d^2) and s the signs, s·u decides:
    |t| > c  <=>  |s·u| > c sqrt(n / (n - 1 + c^2)).

    Raises
    ------
    InputError
        As ``paired_t``; also fewer than one flip, a threshold that is not positive, or more than
        2**24 flips to enumerate.
    """
    d = check_differences(d)
    n, n_heads = d.shape
    if isinstance(n_flips, bool) or n_flips != int(n_flips) or n_flips < 1:
        raise InputError(f"n_flips must be a whole number of at least 1; got {n_flips!r}.")
    cuts = np.array([float(c) for c in thresholds])
    if cuts.size == 0 or not (cuts > 0).all() or not np.isfinite(cuts).all():
        raise InputError(f"thresholds must be positive numbers of |t|; got {tuple(thresholds)!r}.")
    exhaustive = n_flips >= 2**n
    if exhaustive and n > _MAX_EXHAUSTIVE_PAIRS:
        raise InputError(f"All 2**{n} flips are too many to enumerate; use n_flips below {2**_MAX_EXHAUSTIVE_PAIRS:,}.")

    # Enumeration is exact, so that ties between flips stay ties; sampling needs no such care.
    dtype = np.float64 if exhaustive else np.float32
    scale = np.sqrt((d * d).sum(axis=0))
    u = np.divide(d, scale, out=np.zeros_like(d), where=scale > 0).astype(dtype)  # (P, H)
    u_cuts = (cuts * np.sqrt(n / (n - 1 + cuts**2))).astype(dtype)
    # Flipping every sign leaves |t| as it was, so half of the enumeration is enough.
    n_rows = 2 ** (n - 1) if exhaustive else int(n_flips)
    rng = np.random.default_rng(seed)

    counts = np.zeros((n_rows, len(cuts)), dtype=np.int64)
    max_u = np.zeros(n_rows)
    all_same = np.zeros(n_rows, dtype=bool)
    infinite = np.zeros(n_rows, dtype=bool)
    # A head of differences ±x is infinite under the flips that give all of them one sign.
    even = (np.abs(d) == np.abs(d[0])).all(axis=0) & (d[0] != 0)
    patterns = np.unique(np.sign(d[:, even]), axis=1)  # (P, patterns)
    product = np.empty((_TILE_FLIPS, min(_TILE_HEADS, n_heads)), dtype=dtype)
    above = np.empty(product.shape[1], dtype=bool)
    for row in range(0, n_rows, _TILE_FLIPS):
        rows = slice(row, min(row + _TILE_FLIPS, n_rows))
        signs = _enumerated_signs(rows, n) if exhaustive else _random_signs(rng, rows, n)
        all_same[rows] = np.abs(signs.sum(axis=1)) == n
        signs = signs.astype(dtype)  # (F, P)
        infinite[rows] = (np.abs(signs @ patterns) == n).any(axis=1)
        for head in range(0, n_heads, _TILE_HEADS):
            tile = u[:, head : head + _TILE_HEADS]
            abs_u = product[: len(signs), : tile.shape[1]]
            np.abs(np.matmul(signs, tile, out=abs_u), out=abs_u)  # (F, H)
            highest = abs_u.max(axis=1)
            np.maximum(max_u[rows], highest, out=max_u[rows])
            for k, cut in enumerate(u_cuts):
                # Most flips have no head above the higher thresholds. One row at a time: counting a
                # contiguous run of booleans is vectorised, an axis is not.
                for flip in np.flatnonzero(highest > cut):
                    line = above[: tile.shape[1]]
                    counts[row + flip, k] += np.count_nonzero(np.greater(abs_u[flip], cut, out=line))

    max_abs_t = _t_of_u(max_u, n)
    max_abs_t[infinite] = np.inf
    if all_same.any():
        # No relative sign is flipped there: take the same t as everybody reads, not the product's.
        abs_t = np.abs(paired_t(d))
        counts[all_same], max_abs_t[all_same] = (abs_t[:, None] > cuts).sum(axis=0), abs_t.max()
    if exhaustive:
        counts, max_abs_t = np.concatenate([counts, counts[::-1]]), np.concatenate([max_abs_t, max_abs_t[::-1]])
    return SignFlipNull(counts, max_abs_t, tuple(float(c) for c in cuts), exhaustive)


def expected_counts(n_pairs: int, n_heads: int, thresholds: Sequence[float] = (3.0, 5.0)) -> Array:
    """Heads above each |t| that chance alone gives on average: n_heads · 2 · P(T > c), n_pairs - 1 degrees of freedom.

    >>> plantain.stats.expected_counts(25, 16_320)               # about 101 at |t| > 3, 0.7 at |t| > 5

    Exact for normal differences; correlation between heads does not change a mean.
    """
    from scipy.stats import t as student  # here, since reading a run needs no distribution

    return n_heads * 2 * student.sf(np.asarray(thresholds, dtype=float), n_pairs - 1)


def split_half(d: ArrayLike, n_splits: int = 100, seed: int = 0) -> Array:
    """Reliability of the t map: Pearson r between two random halves of the pairs, over heads.

    >>> r = plantain.stats.split_half(d, n_splits=100, seed=0)   # (n_pairs, n_heads) -> (n_splits,)
    >>> median, (q1, q3) = np.median(r), np.quantile(r, [0.25, 0.75])

    An odd number of pairs is split into n // 2 and n - n // 2 (25: 12 and 13). Heads whose t is
    infinite in either half are left out of that split's r. A split whose r is undefined (t maps
    without variance) is NaN.

    Raises
    ------
    InputError
        As ``paired_t``; also fewer than 4 pairs (a half needs two) or fewer than 3 heads.
    """
    d = check_differences(d)
    n, n_heads = d.shape
    if n < 4 or n_heads < 3:
        raise InputError(f"Split-half r needs at least 4 pairs and 3 heads; got {n} pairs and {n_heads} heads.")
    if n_splits < 1:
        raise InputError(f"n_splits must be at least 1; got {n_splits}.")
    rng = np.random.default_rng(seed)
    squared = d * d
    r = np.empty(n_splits)
    for split in range(n_splits):
        order = rng.permutation(n)
        in_first = np.zeros(n)
        in_first[order[: n // 2]] = 1
        halves = np.stack([in_first, 1 - in_first])  # (2, P)
        first, second = _t_of_sums(halves @ d, halves @ squared, halves.sum(axis=1))
        r[split] = _pearson(first, second)
    return r


@dataclass(frozen=True)
class AxisAlignment:
    """How far a shift lies along a reference axis: ``r`` with its null, and two-sided ``p``."""

    r: float
    null: Array
    p: float


def axis_alignment(shift: ArrayLike, d: ArrayLike, n_flips: int = 1000, seed: int = 0) -> AxisAlignment:
    """Correlate one shift with the t map of a reference set of pairs, over heads.

    >>> plantain.stats.axis_alignment(shift, result.differences()).r

    The shift, shape (n_heads,), is divided by each head's root mean square of ``d``, so that no
    head counts for its scale alone. Null: the same correlation with the t maps of sign-flipped
    reference pairs, that is, with directions that word-level variation of those pairs gives by
    itself. p = (b + 1) / (m + 1) on |r|. Heads silent in ``d`` are left out. A high r says that
    the shift resembles the reference contrast, whatever drives either of them.

    Raises
    ------
    InputError
        As ``paired_t``; also a shift of another length, or fewer than 3 heads that are not silent.
    """
    d = check_differences(d)
    shift = np.asarray(shift, dtype=float)
    if shift.shape != (d.shape[1],):
        raise InputError(f"The shift has shape {shift.shape}, the reference has {d.shape[1]} heads; they must match.")
    if not np.isfinite(shift).all():
        raise InputError("The shift holds NaN or infinity; measure it again.")
    n = len(d)
    scale = np.sqrt((d * d).mean(axis=0))
    heads = scale > 0
    if heads.sum() < 3:
        raise InputError(f"Only {int(heads.sum())} heads of the reference vary; at least 3 are needed.")
    d, scaled = d[:, heads], shift[heads] / scale[heads]
    if np.ptp(scaled) == 0:
        raise InputError("The shift is the same in every head, so it correlates with nothing; give another prompt.")
    rng = np.random.default_rng(seed)
    signs = np.concatenate([np.ones((1, n)), _random_signs(rng, slice(0, n_flips), n)])
    u = d / np.sqrt((d * d).sum(axis=0))
    limit = np.sqrt(n * (1 - 1e-9))  # keeps heads whose t would be infinite finite, and largest
    rs = np.array([_pearson(scaled, _t_of_u(np.clip(row @ u, -limit, limit), n)) for row in signs])
    null = rs[1:]
    return AxisAlignment(float(rs[0]), null, float(((np.abs(null) >= abs(rs[0])).sum() + 1) / (n_flips + 1)))


def check_differences(d: ArrayLike) -> Array:
    """``d`` as float64 (n_pairs, n_heads); InputError for fewer than 3 pairs, NaN or infinity."""
    array = np.asarray(d, dtype=np.float64)
    if array.ndim != 2 or array.shape[1] == 0:
        raise InputError(f"Differences must have the shape (n_pairs, n_heads); got {array.shape}.")
    if len(array) < MIN_PAIRS:
        raise InputError(f"A t over pairs needs at least {MIN_PAIRS} pairs; got {len(array)}. Add pairs.")
    if not np.isfinite(array).all():
        kind = "NaN" if np.isnan(array).any() else "infinity"
        pair, head = np.argwhere(~np.isfinite(array))[0]
        raise InputError(f"The differences hold {kind}, first at pair {pair}, head {head}; run that pair again.")
    return array


def _random_signs(rng: np.random.Generator, rows: slice, n: int) -> NDArray[np.int8]:
    return (1 - 2 * rng.integers(0, 2, size=(rows.stop - rows.start, n), dtype=np.int8)).astype(np.int8)


def _enumerated_signs(rows: slice, n: int) -> NDArray[np.int8]:
    """Bit p of the row number flips pair p; row 0 is the identity."""
    bits = (np.arange(rows.start, rows.stop)[:, None] >> np.arange(n)) & 1
    return (1 - 2 * bits).astype(np.int8)


def _t_of_u(u: Array, n: int) -> Array:
    """t = u sqrt((n - 1) / (n - u^2)), the inverse of the normalisation in ``sign_flip_null``."""
    u = np.asarray(u, dtype=float)
    left = np.maximum(n - u * u, n * np.finfo(float).eps)
    return u * np.sqrt((n - 1) / left)


def _t_of_sums(total: Array, squares: Array, n: Array) -> Array:
    """Paired t from sums and sums of squares; rows are groups of ``n`` pairs each: (G, H)."""
    n = n[:, None]
    within = squares - total**2 / n
    # Below this the variance is rounding error of equal values, where |t| would exceed 1e6.
    constant = within <= 1e-12 * squares
    t = total / np.sqrt(n * np.where(constant, 1, within) / (n - 1))
    return np.where(constant, np.where(total == 0, 0.0, np.copysign(np.inf, total)), t)


def _pearson(x: Array, y: Array) -> float:
    finite = np.isfinite(x) & np.isfinite(y)
    if not finite.all():
        x, y = x[finite], y[finite]
    if len(x) < 3:
        return float("nan")
    x, y = x - x.mean(), y - y.mean()
    scale = np.sqrt((x @ x) * (y @ y))
    return float(x @ y / scale) if scale > 0 else float("nan")
