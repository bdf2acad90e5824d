"""Paired t and d_z of every head, and what they are checked for."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from plantain.errors import InputError

Array = NDArray[np.float64]

MIN_PAIRS = 3  # with two, t has one degree of freedom and no finite mean


def paired_t(d: ArrayLike) -> Array:
    """Paired t of every head: mean(d) / (sd(d) / sqrt(n)), n - 1 degrees of freedom.

    >>> t = plantain.stats.paired_t(result.differences())        # (n_pairs, n_heads) -> (n_heads,)

    Equal to ``scipy.stats.ttest_rel(b, a).statistic`` where that is finite; 0 for silent heads, ±inf where all
    differences are equal and not zero.

    Raises InputError: fewer than 3 pairs, not two dimensions, or NaN or infinity in ``d``.
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


def expected_counts(n_pairs: int, n_heads: int, thresholds: Sequence[float] = (3.0, 5.0)) -> Array:
    """Heads above each |t| that chance alone gives on average: n_heads · 2 · P(T > c), n_pairs - 1 degrees of freedom.

    >>> plantain.stats.expected_counts(25, 16_320)               # about 101 at |t| > 3, 0.7 at |t| > 5

    Exact for normal differences; correlation between heads does not change a mean.
    """
    from scipy.special import stdtr  # scipy.stats takes a second to import, and a page that opens asks for this

    return np.asarray(n_heads * 2 * stdtr(n_pairs - 1, -np.asarray(thresholds, dtype=float)))


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


def check_matched(a: ArrayLike, b: ArrayLike, names: tuple[str, str]) -> tuple[Array, Array]:
    """Two sets of differences whose rows are the same subjects; InputError where shapes differ."""
    first, second = check_differences(a), check_differences(b)
    if first.shape != second.shape:
        raise InputError(
            f"{names[0]} and {names[1]} must hold the same subjects and heads, row by row; "
            f"got the shapes {first.shape} and {second.shape}."
        )
    return first, second


def check_column(values: ArrayLike, n_pairs: int, name: str) -> Array:
    """One finite number a pair as float64, shape (n_pairs,); else InputError."""
    column = np.asarray(values, dtype=np.float64)
    if column.shape != (n_pairs,):
        raise InputError(f"{name} needs one number for each of the {n_pairs} pairs; got the shape {column.shape}.")
    if not np.isfinite(column).all():
        raise InputError(f"{name} holds NaN or infinity, first at pair {int(np.argmin(np.isfinite(column)))}.")
    return column


def unit_columns(d: Array, dtype: Any = np.float64) -> NDArray[Any]:
    """Each head's differences over their root sum of squares, which flips leave as it is: (…, P, H)."""
    norm = np.sqrt((d * d).sum(axis=-2, keepdims=True))
    norm[norm == 0] = 1.0
    return np.divide(d, norm, out=np.empty(d.shape, dtype), casting="same_kind")


def t_of_sums(total: Array, squares: Array, n: Array) -> Array:
    """Paired t from sums and sums of squares; rows are groups of ``n`` pairs each: (G, H)."""
    n = n[:, None]
    within = squares - total**2 / n
    # Below this the variance is rounding error of equal values, where |t| would exceed 1e6.
    constant = within <= 1e-12 * squares
    t = total / np.sqrt(n * np.where(constant, 1, within) / (n - 1))
    return np.where(constant, np.where(total == 0, 0.0, np.copysign(np.inf, total)), t)


def pearson(x: Array, y: Array) -> float:
    """Pearson r over the places where both are finite; NaN for fewer than 3, or where one does not vary.

    >>> stats.pearson(summary.t, twin.t)
    """
    finite = np.isfinite(x) & np.isfinite(y)
    if not finite.all():
        x, y = x[finite], y[finite]
    if len(x) < 3:
        return float("nan")
    x, y = x - x.mean(), y - y.mean()
    scale = np.sqrt((x @ x) * (y @ y))
    return float(x @ y / scale) if scale > 0 else float("nan")
