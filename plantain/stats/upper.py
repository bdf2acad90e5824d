"""Counts of heads whose t lies above a threshold, where only one direction is an answer."""

from collections.abc import Sequence
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike

from plantain.stats.count import THRESHOLDS, HeadCount
from plantain.stats.flips import all_or_random_signs, even_signs, t_of_u, u_of_t
from plantain.stats.null import ResampledNull, check_count, check_thresholds
from plantain.stats.paired import Array, check_differences, paired_t, unit_columns
from plantain.stats.tally import tally

# All flips are made up to here; more pairs take a random sample.
_MAX_EXHAUSTIVE_PAIRS = 14


class UpperNull(ResampledNull):
    """``ResampledNull`` of counts and maxima of t itself."""

    @property
    def smallest_p(self) -> float:
        """The smallest p this null can give: 1 / 2**n when all flips were made, else 1 / (m + 1)."""
        m = len(self.max_abs_t)
        return 1 / m if self.exhaustive else 1 / (m + 1)


class UpperCount(HeadCount):
    """``HeadCount`` of t > threshold in place of |t|; ``null.max_abs_t`` holds the largest t of each flip."""

    @cached_property
    def counts(self) -> tuple[int, ...]:
        """Heads with t above each threshold."""
        return tuple(int(n) for n in (self.t[:, None] > np.array(self.thresholds)).sum(axis=0))

    @cached_property
    def max_p(self) -> Array:
        """Family-wise adjusted p of every head, one-sided."""
        return self.null.max_p(self.t)


def count_upper(
    s: ArrayLike, n_flips: int = 1000, seed: int = 0, thresholds: Sequence[float] = THRESHOLDS
) -> UpperCount:
    """Count the heads whose scores s, (n_pairs, n_heads), lie above 0: paired t, beside flips of each pair's sign.

    >>> stats.count_upper(dense.place("head", sided=True)).set_p

    The null is that a pair's scores are as likely to have the other sign, in all heads at once. ``2**n_pairs`` flips or
    more, up to 14 pairs: all are made.

    Raises InputError as ``paired_t``, and for fewer than one flip or thresholds that are not positive.
    """
    s = check_differences(s)
    n_flips, cuts = check_count("n_flips", n_flips), check_thresholds(thresholds)
    signs, every = all_or_random_signs(n_flips, len(s), _MAX_EXHAUSTIVE_PAIRS, np.random.default_rng(seed))
    u = unit_columns(s, np.float64 if every else np.float32)
    counts, highest = tally(signs.astype(u.dtype), u, u_of_t(cuts, len(s)).astype(u.dtype), upper=True)
    highest = t_of_u(highest, len(s))
    highest[(signs @ even_signs(s) == len(s)).any(axis=1)] = np.inf
    t, same = paired_t(s), signs.sum(axis=1)
    for sign in (1, -1):  # no relative sign is flipped there: take the same t as everybody reads, not the product's
        rows = same == sign * len(s)
        counts[rows], highest[rows] = (sign * t[:, None] > cuts).sum(axis=0), (sign * t).max()
    null = UpperNull(counts, highest, tuple(float(cut) for cut in cuts), every)
    return UpperCount(t, null, len(s))
