"""How many heads respond: t of every head, the counts above thresholds, and what a null gives of them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike

from plantain.stats.effect import mean_squared_effect
from plantain.stats.flips import Report, sign_flip_null
from plantain.stats.null import ResampledNull
from plantain.stats.paired import Array, check_differences, paired_t
from plantain.stats.reliability import split_half

THRESHOLDS = (3.0, 5.0)
"""The card's own thresholds of |t|."""


@dataclass(frozen=True)
class HeadCount:
    """Heads above each threshold of ``null``, observed and under its relabellings.

    >>> count = stats.count_heads(d)                              # (n_pairs, n_heads)
    >>> count.counts, count.null_p99, count.set_p                 # a value for each of count.thresholds
    """

    t: Array  # (n_heads,)
    null: ResampledNull
    n_pairs: int
    split_half_r: Array = field(default_factory=lambda: np.empty(0))  # ``split_half``; empty where it is not defined
    mean_d2: float = float("nan")  # ``mean_squared_effect``; NaN for fewer than 4 pairs

    @property
    def n_heads(self) -> int:
        return len(self.t)

    @property
    def thresholds(self) -> tuple[float, ...]:
        return self.null.thresholds

    @cached_property
    def counts(self) -> tuple[int, ...]:
        """Heads with |t| above each threshold."""
        return tuple(int(n) for n in (np.abs(self.t)[:, None] > np.array(self.thresholds)).sum(axis=0))

    @property
    def shares(self) -> tuple[float, ...]:
        """The same as shares of all heads, from 0 to 1."""
        return tuple(count / self.n_heads for count in self.counts)

    @cached_property
    def null_p99(self) -> tuple[float, ...]:
        """The 99th percentile of each count under the null."""
        return tuple(float(q) for q in self.null.count_quantile(0.99))

    @property
    def set_p(self) -> tuple[float, ...]:
        """How often the null gives as many heads, the observed labelling counted in."""
        return tuple(float(p) for p in self.null.set_p(self.counts))

    @cached_property
    def max_p(self) -> Array:
        """Family-wise adjusted p of every head."""
        return self.null.max_p(np.abs(self.t))

    @property
    def split_half(self) -> tuple[float, float, float] | None:
        """Median and quartiles of ``split_half_r``; None where it is not defined."""
        if not len(self.split_half_r) or not np.isfinite(self.split_half_r).all():
            return None
        median, q1, q3 = np.quantile(self.split_half_r, [0.5, 0.25, 0.75])
        return float(median), float(q1), float(q3)


def count_heads(
    d: ArrayLike,
    n_flips: int = 1000,
    n_splits: int = 100,
    seed: int = 0,
    thresholds: Sequence[float] = THRESHOLDS,
    report: Report | None = None,
) -> HeadCount:
    """Count the heads that respond, beside the sign-flip null: paired t of d, (n_pairs, n_heads).

    >>> stats.count_heads(result.differences("head")).counts

    ``seed`` drives flips and splits; ``n_splits=0`` leaves the halves out; ``report`` is told how far the flips are.
    Formulas and errors: ``paired_t``, ``sign_flip_null``, ``split_half``.
    """
    d = check_differences(d)
    t, null = paired_t(d), sign_flip_null(d, n_flips, thresholds, seed, report)
    enough = len(d) >= 4
    r = split_half(d, n_splits, seed) if enough and n_splits and d.shape[1] >= 3 else np.empty(0)
    return HeadCount(t, null, len(d), r, mean_squared_effect(d) if enough else float("nan"))
