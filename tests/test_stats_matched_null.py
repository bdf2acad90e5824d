"""p among matched sets: uniform where a ranking says nothing beyond size, simulated, and where it is not."""

import numpy as np
import pytest
from scipy import stats as scipy_stats

from plantain import stats

pytestmark = pytest.mark.filterwarnings("error")


def study(rng, with_size, saturating, k=5, folds_differ=0.2, n_heads=75, n_folds=5):
    """p and mean ratio of a study where a ranking says nothing but, by ``with_size``, how large a head is."""
    strata, z = np.repeat([0, 1, 2], n_heads // 3), rng.normal(size=n_heads)
    size = np.exp(0.5 * z)
    effect = size**2 + rng.normal(size=n_heads)
    score = with_size * z + np.sqrt(1 - with_size**2) * rng.normal(size=n_heads)
    score = score + folds_differ * rng.normal(size=(n_folds, n_heads))
    top = np.argsort(-score, axis=1)[:, :k]
    matched = stats.matched_sets(top, strata, size, seed=int(rng.integers(2**31)))
    sums = effect[np.concatenate([np.sort(top, axis=1)[None], matched.sets])].sum(axis=-1) / k  # (1 + m, n_folds)
    y = 1 - np.exp(-sums / 3) if saturating else sums
    y = (y[..., None] + 0.3 * rng.normal(size=(*y.shape, 5))).mean(axis=(1, 2))  # five pairs a fold
    return float(stats.place_among(y[0], y[1:]).p), matched.ratio.mean()


# Folds that rank alike, three heads: all sets are looked at. Folds that differ a little: chains.
@pytest.mark.parametrize(("with_size", "saturating", "k", "folds_differ"), [(0, False, 3, 0), (0.5, True, 5, 0.2)])
def test_p_is_uniform_where_the_ranking_says_nothing_beyond_size(with_size, saturating, k, folds_differ):
    n = 500
    p = [study(np.random.default_rng([1, i]), with_size, saturating, k, folds_differ)[0] for i in range(n)]
    low, high = scipy_stats.binom.interval(0.99, n, 5 / 101)
    assert low <= (np.array(p) <= 0.05).sum() <= high
    assert scipy_stats.kstest(p, "uniform").pvalue > 0.01


def test_p_is_too_small_where_the_ranking_is_size():
    p, ratio = np.transpose([study(np.random.default_rng([2, i]), 1, False, folds_differ=0) for i in range(40)])
    assert ratio.mean() < 0.95
    assert (p <= 0.05).mean() > 0.2
