"""Split-half r against its null, Spearman-Brown, rank stability, minF': SciPy, by hand, and simulated."""

import numpy as np
import pytest
import statsmodels.api as sm
from scipy import stats as scipy_stats

from plantain import stats
from plantain.errors import InputError
from plantain.stats.paired import pearson
from plantain.stats.reliability import _row_pearson

pytestmark = pytest.mark.filterwarnings("error")


def normal(n_pairs, n_heads, seed=0, mean=0.0):
    return np.random.default_rng(seed).normal(mean, 1.0, (n_pairs, n_heads))


def test_spearman_brown():
    np.testing.assert_allclose(stats.spearman_brown([0, 0.5, 1, 0.87]), [0, 2 / 3, 1, 0.9305], atol=1e-4)
    assert stats.spearman_brown(0.5, 3) == pytest.approx(0.75)
    assert stats.spearman_brown(-1) == -np.inf
    assert np.isnan(stats.spearman_brown(np.nan))


@pytest.mark.parametrize(("r", "factor"), [(1.1, 2), (0.5, 0), (0.5, -1)])
def test_spearman_brown_refuses(r, factor):
    with pytest.raises(InputError, match="r from -1 to 1 and a positive factor"):
        stats.spearman_brown(r, factor)


def test_spearman_brown_foretells_the_whole_of_parallel_halves():
    rng = np.random.default_rng(1)
    truth = rng.normal(size=20_000)
    parts = truth + rng.normal(size=(4, 20_000))
    half, whole = np.corrcoef(parts[0], parts[1])[0, 1], np.corrcoef(parts[:2].sum(0), parts[2:].sum(0))[0, 1]
    assert stats.spearman_brown(half) == pytest.approx(whole, abs=0.01)


def test_rows_at_once_are_pearson_row_by_row():
    """Infinities in some rows and not in others, up to rows of which fewer than three heads are left."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(60, 9))
    y = x + rng.normal(size=x.shape)
    share = np.linspace(0, 1, 60)[:, None]
    x[rng.random(x.shape) < share / 2], y[rng.random(x.shape) < share] = np.inf, -np.inf
    expected = [pearson(a, b) for a, b in zip(x, y, strict=True)]
    assert 0 < np.isnan(expected).sum() < 60
    np.testing.assert_allclose(_row_pearson(x, y), expected, atol=1e-12)
    np.testing.assert_allclose(_row_pearson(x[:1], y[:1]), expected[:1], atol=1e-12)


# -- split-half null ---------------------------------------------------------------------------


def test_split_half_null_is_split_half_of_flipped_pairs():
    d = normal(9, 30, mean=0.3)
    found = stats.split_half_null(d, n_flips=5, n_splits=4, seed=6)
    rng = np.random.default_rng(6)
    orders = [rng.permutation(9) for _ in range(4)]
    signs = 1.0 - 2 * rng.integers(0, 2, size=(5, 9), dtype=np.int8)

    def median(flipped):
        maps = [[scipy_stats.ttest_1samp(flipped[h], 0).statistic for h in (o[:4], o[4:])] for o in orders]
        return np.median([scipy_stats.pearsonr(*pair).statistic for pair in maps])

    assert found.r == pytest.approx(median(d))
    np.testing.assert_allclose(found.null, [median(d * s[:, None]) for s in signs])
    assert found.p == ((found.null >= found.r).sum() + 1) / 6


def test_split_half_r_is_wide_among_correlated_heads_and_its_p_is_not():
    rng = np.random.default_rng(2)
    rs, ps = [], []
    for simulation in range(400):
        d = rng.normal(size=(12, 3)) @ rng.normal(size=(3, 60)) + 0.5 * rng.normal(size=(12, 60))
        found = stats.split_half_null(d, n_flips=39, n_splits=5, seed=simulation)
        rs.append(found.r)
        ps.append(found.p)
    low, high = scipy_stats.binom.interval(0.999, 400, 0.05)
    print(f"r 5-95 %: {np.quantile(rs, [0.05, 0.95])}; p <= .05: {np.mean(np.array(ps) <= 0.05)}")
    assert np.quantile(rs, 0.95) > 0.25
    assert low <= (np.array(ps) <= 0.05).sum() <= high


def test_split_half_null_finds_an_effect_and_stands_constant_heads():
    d = normal(20, 200) + np.linspace(-1, 1, 200)
    assert stats.split_half_null(d, n_flips=99).p == 1 / 100
    with_constant = np.column_stack([d, np.full(20, 0.1)])
    a, b = (stats.split_half_null(x, n_flips=9, n_splits=3) for x in (d, with_constant))
    assert a.r == pytest.approx(b.r)


@pytest.mark.parametrize(("d", "arguments", "message"), [
    (np.zeros((3, 5)), {}, "at least 4 pairs and 3 heads; got 3 pairs"),
    (np.zeros((8, 5)), {}, "not defined"),
    (normal(8, 5), {"n_flips": 0}, "n_flips must be a whole number"),
    (normal(8, 5), {"n_splits": 0}, "n_splits must be a whole number"),
])  # fmt: skip
def test_split_half_null_refuses(d, arguments, message):
    with pytest.raises(InputError, match=message):
        stats.split_half_null(d, **arguments)


# -- rank stability ----------------------------------------------------------------------------


def test_rank_stability_is_spearmans():
    maps = normal(4, 50) + normal(1, 50, seed=1)
    maps[0, :5] = maps[0, 5]  # ties
    np.testing.assert_allclose(stats.rank_stability(maps), scipy_stats.spearmanr(maps, axis=1).statistic)


def test_rank_stability_with_infinities_and_flat_maps():
    maps = normal(2, 10)
    maps[0, 0], maps[1, 0] = np.inf, 100
    assert np.isfinite(stats.rank_stability(maps)).all()
    assert np.isnan(stats.rank_stability([np.zeros(5), np.arange(5)])[0, 1])


@pytest.mark.parametrize(("maps", "message"), [
    (np.zeros((1, 5)), "at least two maps"),
    (np.zeros((2, 2)), "at least 3 heads"),
    (np.full((2, 5), np.nan), "hold NaN"),
])  # fmt: skip
def test_rank_stability_refuses(maps, message):
    with pytest.raises(InputError, match=message):
        stats.rank_stability(maps)


# -- minF' -------------------------------------------------------------------------------------


def test_min_f_prime_by_hand():
    d = normal(25 * 4, 6).reshape(25, 4, 6) + 0.4
    f1 = scipy_stats.ttest_1samp(d.mean(axis=1), 0).statistic ** 2
    f2 = scipy_stats.ttest_1samp(d.mean(axis=0), 0).statistic ** 2
    found = stats.min_f_prime(d)
    np.testing.assert_allclose(found.f1, f1)
    np.testing.assert_allclose(found.f2, f2)
    np.testing.assert_allclose(found.min_f, f1 * f2 / (f1 + f2))
    np.testing.assert_allclose(found.df, (f1 + f2) ** 2 / (f1**2 / 3 + f2**2 / 24))
    np.testing.assert_allclose(found.p, scipy_stats.f.sf(found.min_f, 1, found.df))


def test_f1_is_that_of_an_analysis_of_variance():
    d = normal(8 * 3, 1).reshape(8, 3, 1) + 0.4
    fit = sm.OLS(d.mean(axis=1)[:, 0], np.ones(8)).fit()
    assert stats.min_f_prime(d).f1[0] == pytest.approx(fit.tvalues[0] ** 2)


def test_min_f_prime_at_the_ends():
    d = normal(12, 4).reshape(4, 3, 4)
    d[..., 0] = 0
    d[..., 1] = 0.5
    d[..., 2] = np.array([1.0, 2, 3, 5])[:, None]  # the same for every seed
    with np.errstate(all="raise"):
        found = stats.min_f_prime(d)
    assert (found.min_f[0], found.p[0]) == (0, 1)
    assert (found.min_f[1], found.p[1]) == (np.inf, 0)
    assert found.f2[2] == np.inf
    assert found.min_f[2] == pytest.approx(found.f1[2])
    assert found.df[2] == pytest.approx(3)


def test_min_f_prime_keeps_its_level_where_f1_alone_does_not():
    """Pairs and seeds both random, 2,000 heads of no effect: F1 takes noise shared by all pairs for an effect."""
    rng = np.random.default_rng(4)
    d = rng.normal(size=(20, 1, 2000)) + rng.normal(size=(1, 5, 2000)) + rng.normal(size=(20, 5, 2000))
    found = stats.min_f_prime(d)
    f1_alone = (scipy_stats.f.sf(found.f1, 1, 19) <= 0.05).mean()
    print(f"size: minF' {(found.p <= 0.05).mean():.3f}, F1 alone {f1_alone:.3f}")
    assert (found.p <= 0.05).sum() <= scipy_stats.binom.ppf(0.999, 2000, 0.05)
    assert f1_alone > 0.2


@pytest.mark.parametrize("shape", [(5, 4), (2, 4, 3), (4, 2, 3)])
def test_min_f_prime_refuses(shape):
    with pytest.raises(InputError, match="n_pairs, n_seeds, n_heads"):
        stats.min_f_prime(np.zeros(shape))
