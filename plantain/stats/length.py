"""The effect at equal length: prompts that differ in length too, with the length taken out."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from plantain.errors import InputError
from plantain.stats.flips import all_or_random_signs, t_of_r
from plantain.stats.null import SignFlipNull, check_count, check_thresholds, resampled_p
from plantain.stats.paired import Array, check_column, check_differences, cohens_dz, unit_columns
from plantain.stats.tally import tally


@dataclass(frozen=True)
class LengthAdjusted:
    """The difference where both sides are of equal length; arrays of shape (n_heads,)."""

    b0: Array  # effect at equal length
    b1: Array  # effect of one more token
    t: Array  # b0 over its standard error
    p: Array  # two-sided sign-flip p of each head for itself; never below ``null.smallest_p``, so not for ``fdr``
    null: SignFlipNull  # of |t| over heads
    df: int  # n_pairs - 2; n_pairs - 1 where no pair differs in length
    inflation: float  # how much larger b0's standard error is than a mean's with the same residuals
    extrapolated: bool  # no pair's length difference is 0 and all have one sign: b0 is outside what was measured


def length_adjusted(
    d: ArrayLike,
    delta_length: ArrayLike,
    n_flips: int = 1000,
    seed: int = 0,
    thresholds: tuple[float, ...] = (3.0, 5.0),
) -> LengthAdjusted:
    """Fit d = b0 + b1·Δlength, Δlength not centred, and test b0 by flipping d and Δlength together.

    >>> found = plantain.stats.length_adjusted(d, tokens_b - tokens_a)      # (n_pairs, n_heads), (n_pairs,)
    >>> found.t, found.p, found.inflation, found.extrapolated

    Without an effect at equal length, swapping the sides of a pair turns (d, Δlength) into (-d, -Δlength), so both
    must flip; flipping d alone rejected up to 0.22 at 0.05 (10 pairs, Δlength from -1 to 3). A sign on a whole row of
    a regression moves to its constant, so with s in its place and Δlength projected out of both, one matrix product
    gives the correlation r of s with d, and t = r sqrt(df / (1 - r²)). Source: Winkler et al. (2014),
    doi:10.1016/j.neuroimage.2014.01.060. A flip that is itself proportional to Δlength has no t and counts as infinite.
    With Δlength = 0 in all pairs this is ``paired_t`` and its sign-flip null. A length that acts otherwise than in a
    straight line stays in b0.

    Raises InputError as ``paired_t``; also fewer than 4 pairs with lengths that differ, or one and the same non-zero
    Δlength in every pair, where length and contrast cannot be told apart.
    """
    d = check_differences(d)
    n = len(d)
    x = check_column(delta_length, n, "delta_length")
    n_flips, cuts = check_count("n_flips", n_flips), check_thresholds(thresholds)
    differs = bool(x.any())
    if differs and n < 4:
        raise InputError(f"An effect at equal length needs at least 4 pairs; got {n}. Add pairs.")
    if differs and np.ptp(x) == 0:
        raise InputError(
            f"delta_length is {x[0]:g} in every pair, so length and contrast cannot be told apart; vary the lengths."
        )
    df = n - 2 if differs else n - 1
    unit = x / np.sqrt(x @ x) if differs else x
    rest = d - np.outer(unit, unit @ d)  # d without what Δlength explains through 0
    rest[:, (np.abs(rest) <= 1e-12 * np.abs(d).max(axis=0)).all(axis=0)] = 0
    u = unit_columns(rest)  # (P, H)

    signs, exhaustive = all_or_random_signs(n_flips, n, 20, np.random.default_rng(seed))
    rows, defined = _project(signs.astype(float), unit)
    counts, max_r = tally(rows, u, cuts / np.sqrt(df + cuts**2))
    counts[~defined], max_r[~defined] = d.shape[1], 1
    max_abs_t = np.where(defined, t_of_r(max_r, df), np.inf)

    one, _ = _project(np.ones((1, n)), unit)
    r = one[0] @ u
    t = t_of_r(r, df) if differs else cohens_dz(d) * np.sqrt(n)
    null = SignFlipNull(counts, max_abs_t, tuple(float(c) for c in cuts), exhaustive)
    at_least = np.full(d.shape[1], (~defined).sum())
    for row in range(0, len(rows), 64):
        at_least += (np.abs(rows[row : row + 64][defined[row : row + 64]] @ u) >= np.abs(r) * (1 - 1e-9)).sum(axis=0)
    p = resampled_p(at_least, len(rows), exhaustive)

    share = n * x.mean() ** 2 / (x @ x) if differs else 0.0
    b0 = (1 - unit.sum() * unit) @ d / (n * (1 - share))
    b1 = x @ (d - b0) / (x @ x) if differs else np.zeros(d.shape[1])
    extrapolated = bool(x.min() > 0 or x.max() < 0)
    return LengthAdjusted(b0, b1, t, p, null, df, float((1 - share) ** -0.5), extrapolated)


def _project(signs: Array, unit: Array) -> tuple[Array, np.ndarray]:
    """Rows of signs without their part along ``unit``, of length 1, and which of them have anything left."""
    rest = signs - np.outer(signs @ unit, unit)
    norm = np.sqrt((rest * rest).sum(axis=1))
    defined = norm > 1e-6 * np.sqrt(signs.shape[1])
    return np.divide(rest, norm[:, None], out=np.zeros_like(rest), where=defined[:, None]), defined
