"""What a resampling leaves: counts and maxima of |t| under it, and what can be said of the observed ones."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from plantain.errors import InputError
from plantain.stats.paired import Array


@dataclass(frozen=True)
class ResampledNull:
    """Counts and maxima of |t| over the heads under relabellings of the pairs, flips or permutations."""

    counts: NDArray[np.int64]  # (n_flips, n_thresholds): heads with |t| above each threshold
    max_abs_t: Array  # (n_flips,): largest |t| over the heads
    thresholds: tuple[float, ...]
    exhaustive: bool  # all 2**n_pairs flips were made, the identity among them

    @property
    def smallest_p(self) -> float:
        """The smallest p this null can give: 2 / 2**n when all flips were made, else 1 / (m + 1).

        Flipping every sign leaves |t| as it was, hence the 2. Do not hand p floored here to ``fdr``.
        """
        m = len(self.max_abs_t)
        return 2 / m if self.exhaustive else 1 / (m + 1)

    def count_quantile(self, q: float = 0.99) -> Array:
        """NumPy's linear quantile of the count at each threshold: (n_thresholds,)."""
        return np.quantile(self.counts, q, axis=0)

    def set_p(self, observed: ArrayLike) -> Array:
        """How often a flip gives at least the observed count, the observed labelling counted in.

        >>> null.set_p(count.counts)                              # (n_thresholds,); ``resampled_p`` of the counts
        """
        return resampled_p((self.counts >= np.asarray(observed)).sum(axis=0), len(self.counts), self.exhaustive)

    def max_p(self, abs_t: ArrayLike) -> Array:
        """Family-wise adjusted p of |t|: how often the largest |t| of a flip reaches it.

        >>> adjusted = null.max_p(np.abs(stats.paired_t(d)))      # FWER over all heads of d

        Westfall & Young's single-step max-T; any shape of ``abs_t`` is kept.
        """
        ordered = np.sort(self.max_abs_t)
        # Products over flips are float32: an observed maximum may come back a hair smaller.
        reach = np.asarray(abs_t, dtype=float)
        reach = reach * (1 - 1e-5 * np.sign(reach))
        reached = len(ordered) - np.searchsorted(ordered, reach, side="left")
        return resampled_p(reached, len(ordered), self.exhaustive)

    def true_discoveries(self, abs_t_counts: ArrayLike, alpha: float = 0.05) -> NDArray[np.int64]:
        """Lower bound, at confidence 1 - alpha, on how many of the heads above each threshold are no chance.

        >>> null.true_discoveries([(abs_t > c).sum() for c in null.thresholds])   # (n_thresholds,)

        R - V, at least 0: R heads are above, and V is the (1 - alpha) quantile of the counts under flips, the
        observed one among them. Holds however the heads are correlated, for one threshold chosen beforehand, not
        for the best of several. Source: Hemerik & Goeman (2018), doi:10.1111/rssb.12238. "No chance" says that
        the differences of a head are not symmetric about zero, not why.

        Raises InputError: ``alpha`` not between 0 and 1, or not one count a threshold.
        """
        if not 0 < alpha < 1:
            raise InputError(f"alpha must lie between 0 and 1; got {alpha!r}.")
        observed = np.asarray(abs_t_counts)
        if observed.shape != (len(self.thresholds),):
            expected = f"one count for each of the {len(self.thresholds)} thresholds"
            raise InputError(f"true_discoveries needs {expected}; got the shape {observed.shape}.")
        counts = self.counts if self.exhaustive else np.concatenate([self.counts, observed[None]])
        # The smallest count that at least 1 - alpha of the flips do not exceed, never a value in between.
        false = np.quantile(counts, 1 - alpha, axis=0, method="inverted_cdf")
        return np.maximum(observed - false, 0).astype(np.int64)


class SignFlipNull(ResampledNull):
    """``ResampledNull`` under flips of the within-pair labels."""


def resampled_p(n_reached: ArrayLike, m: int, exhaustive: bool = False) -> Array:
    """p of a figure that ``n_reached`` of m relabellings reach: b / m where these are all there are.

    Else (b + 1) / (m + 1), which is never 0 (Phipson & Smyth 2010, doi:10.2202/1544-6115.1585).
    """
    reached = np.asarray(n_reached, dtype=float)
    return reached / m if exhaustive else (reached + 1) / (m + 1)


def check_thresholds(thresholds: ArrayLike) -> Array:
    """Positive numbers of |t| as float64, shape (n_thresholds,); else InputError."""
    cuts = np.atleast_1d(np.asarray(thresholds, dtype=float))
    if cuts.ndim != 1 or cuts.size == 0 or not (cuts > 0).all() or not np.isfinite(cuts).all():
        raise InputError(f"thresholds must be positive numbers of |t|; got {thresholds!r}.")
    return cuts


def check_count(name: str, value: object) -> int:
    """A whole number of at least 1; else InputError naming it."""
    if isinstance(value, bool) or not isinstance(value, (int, float, np.integer)) or not value >= 1 or value % 1 != 0:
        raise InputError(f"{name} must be a whole number of at least 1; got {value!r}.")
    return int(value)
