"""The sign-flip null: what counts and maxima of |t| do when each pair's sign is flipped across all heads."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from plantain.errors import InputError
from plantain.stats.null import SignFlipNull, check_count, check_thresholds
from plantain.stats.paired import Array, check_differences, paired_t, unit_columns
from plantain.stats.tally import tally, tally_sums

_BLOCK_FLIPS = 4096  # signs made at a time: all 2**24 of them would be 400 MB
# Of an enumeration: the sums of some pairs under all their flips, added to those of the others.
_SUMS_BYTES = 2**25
_MOST_LOW_PAIRS = 12
# 2**24 rows of two counts and a maximum are 400 MB; more would not fit a laptop.
_MAX_EXHAUSTIVE_PAIRS = 24


Report = Callable[[float], None]  # of the share that is done


def sign_flip_null(
    d: ArrayLike,
    n_flips: int = 1000,
    thresholds: Sequence[float] = (3.0, 5.0),
    seed: int = 0,
    report: Report | None = None,
) -> SignFlipNull:
    """Null of the head counts and of the largest |t|: flip each pair's sign across all heads at once.

    >>> null = plantain.stats.sign_flip_null(d, n_flips=1000, thresholds=(3, 5), seed=0)
    >>> null.counts.shape, null.max_abs_t.shape
    ((1000, 2), (1000,))

    With ``n_flips >= 2**n_pairs`` all flips are enumerated (``counts`` has 2**n_pairs rows); otherwise signs are drawn
    at random, the identity not added. The null says that d is symmetric about zero, not what the difference is about.

    All thresholds come from one matrix product. The sum of squares of a head's differences does not change under flips,
    so with u = d / sqrt(sum d^2) and s the signs, s·u decides: |t| > c <=> |s·u| > c sqrt(n / (n - 1 + c^2)).

    ``report`` is told the share done, many times a minute: all flips of 24 pairs and 16,320 heads take minutes.

    Raises InputError as ``paired_t``; also fewer than one flip, a threshold that is not positive, or more than 2**24
    flips to enumerate.
    """
    d = check_differences(d)
    n = len(d)
    n_flips, cuts = check_count("n_flips", n_flips), check_thresholds(thresholds)
    exhaustive = n_flips >= 2**n
    if exhaustive and n > _MAX_EXHAUSTIVE_PAIRS:
        raise InputError(f"All 2**{n} flips are too many to enumerate; use n_flips below {2**_MAX_EXHAUSTIVE_PAIRS:,}.")

    # Enumeration is exact, so that ties between flips stay ties; sampling needs no such care.
    dtype = np.float64 if exhaustive else np.float32
    u = unit_columns(d, dtype)  # (P, H)
    u_cuts = u_of_t(cuts, n).astype(dtype)
    patterns = even_signs(d)
    if exhaustive:
        counts, max_u = _all_flips(u, u_cuts, report)
        all_same = np.arange(len(max_u)) == 0
        infinite = np.isin(np.arange(len(max_u)), _rows_of(patterns))
    else:
        counts, max_u, all_same, infinite = _random_flips(u, u_cuts, n_flips, seed, patterns, report)

    max_abs_t = t_of_u(max_u, n)
    max_abs_t[infinite] = np.inf
    if all_same.any():
        # No relative sign is flipped there: take the same t as everybody reads, not the product's.
        abs_t = np.abs(paired_t(d))
        counts[all_same], max_abs_t[all_same] = (abs_t[:, None] > cuts).sum(axis=0), abs_t.max()
    if exhaustive:
        counts, max_abs_t = np.concatenate([counts, counts[::-1]]), np.concatenate([max_abs_t, max_abs_t[::-1]])
    return SignFlipNull(counts, max_abs_t, tuple(float(c) for c in cuts), exhaustive)


def _random_flips(
    u: NDArray[Any], cuts: NDArray[Any], n_flips: int, seed: int, patterns: Array, report: Report | None
) -> tuple[NDArray[np.int64], Array, NDArray[np.bool_], NDArray[np.bool_]]:
    """Counts, the largest |u|, and where all signs are one, or a head of ``patterns`` has one sign."""
    n, rng = len(u), np.random.default_rng(seed)
    counts, max_u = np.zeros((n_flips, len(cuts)), dtype=np.int64), np.zeros(n_flips)
    all_same, infinite = np.zeros(n_flips, dtype=bool), np.zeros(n_flips, dtype=bool)
    for row in range(0, n_flips, _BLOCK_FLIPS):
        rows = slice(row, min(row + _BLOCK_FLIPS, n_flips))
        signs = random_signs(rng, rows.stop - rows.start, n)
        all_same[rows] = np.abs(signs.sum(axis=1)) == n
        signs = signs.astype(u.dtype)  # (F, P)
        infinite[rows] = (np.abs(signs @ patterns) == n).any(axis=1)
        counts[rows], max_u[rows] = tally(signs, u, cuts)
        if report is not None:
            report(rows.stop / n_flips)
    return counts, max_u, all_same, infinite


def _all_flips(u: NDArray[Any], cuts: NDArray[Any], report: Report | None) -> tuple[NDArray[np.int64], Array]:
    """Counts and the largest |u| under every flip that leaves the last pair as it is, half of all.

    Row r flips pair p where bit p of r is set. The sums of the first pairs under their flips are made once, and added
    to those of the others, so that a flip of n pairs costs one addition a head in place of n products.
    """
    n, n_heads = u.shape
    most = _SUMS_BYTES // (n_heads * u.itemsize)  # rows of sums
    n_low = min(n - 1, _MOST_LOW_PAIRS, max(0, most.bit_length() - 1))
    n_high = n - 1 - n_low
    low = enumerated_signs(slice(0, 2**n_low), n_low) @ u[:n_low]
    counts, max_u = np.zeros((2 ** (n - 1), len(cuts)), dtype=np.int64), np.zeros(2 ** (n - 1))
    step = max(1, min(most, _BLOCK_FLIPS))
    for start in range(0, 2**n_high, step):
        stop = min(start + step, 2**n_high)
        high = enumerated_signs(slice(start, stop), n_high) @ u[n_low : n - 1] + u[n - 1]
        rows = slice(start * len(low), stop * len(low))
        counts[rows], max_u[rows] = tally_sums(high, low, cuts)
        if report is not None:
            report(stop / 2**n_high)
    return counts, max_u


def _rows_of(patterns: Array) -> NDArray[np.int64]:
    """Rows of ``_all_flips`` under which a head of these signs, (P, patterns), has one sign throughout."""
    flipped = patterns[:-1] != patterns[-1]  # (P - 1, patterns)
    return np.asarray((flipped * 2 ** np.arange(len(flipped))[:, None]).sum(axis=0), dtype=np.int64)


def all_or_random_signs(n_flips: int, n: int, most: int, rng: np.random.Generator) -> tuple[NDArray[np.int8], bool]:
    """Signs of n pairs, (F, P), and whether they are all 2**n: where n <= ``most`` and ``n_flips`` asks for as many."""
    if n <= most and n_flips >= 2**n:
        return enumerated_signs(slice(0, 2**n), n), True
    return random_signs(rng, n_flips, n), False


def random_signs(rng: np.random.Generator, n_flips: int, n: int) -> NDArray[np.int8]:
    return (1 - 2 * rng.integers(0, 2, size=(n_flips, n), dtype=np.int8)).astype(np.int8)


def enumerated_signs(rows: slice, n: int) -> NDArray[np.int8]:
    """Bit p of the row number flips pair p; row 0 is the identity."""
    bits = (np.arange(rows.start, rows.stop)[:, None] >> np.arange(n)) & 1
    return (1 - 2 * bits).astype(np.int8)


def even_signs(d: Array) -> Array:
    """Signs of the heads whose differences are ±x, (P, patterns): infinite under flips that give all of them one."""
    even = d[:, (np.abs(d[0]) == np.abs(d[1])) & (d[0] != 0)]  # few, and all others need not be looked at
    return np.unique(np.sign(even[:, (np.abs(even) == np.abs(even[0])).all(axis=0)]), axis=1)


def t_of_u(u: Array, n: int) -> Array:
    """t = u sqrt((n - 1) / (n - u^2)), the inverse of the normalisation in ``sign_flip_null``."""
    return t_of_r(np.asarray(u, dtype=float) / np.sqrt(n), n - 1)


def u_of_t(t: Array, n: int) -> Array:
    """u = t sqrt(n / (n - 1 + t^2)), which is above a cut's where t is above the cut."""
    return np.asarray(t / np.hypot(t, np.sqrt(n - 1)) * np.sqrt(n))  # of any t: its square would overflow


def t_of_r(r: Array, df: int) -> Array:
    """t = r sqrt(df / (1 - r^2)) of a (partial) correlation with ``df`` degrees of freedom."""
    r = np.asarray(r, dtype=float)
    return r * np.sqrt(df / np.maximum(1 - r * r, np.finfo(float).eps))
