"""Effects, their intervals, and cross-fitted shares: against SciPy and against simulated truth."""

import numpy as np
import pytest
from scipy import stats as scipy_stats
from scipy.stats import fisher_exact

from plantain import stats
from plantain.errors import InputError
from plantain.stats.rates import fisher_larger

pytestmark = pytest.mark.filterwarnings("error")

TAIL = 2e-4  # of the noncentral t's inverse, in probability


def normal(n_pairs, n_heads, seed=0, mean=0.0):
    return np.random.default_rng(seed).normal(mean, 1.0, (n_pairs, n_heads))


@pytest.mark.parametrize(("n_pairs", "correction"), [(25, 0.9684), (3, 0.5642), (200, 0.9962)])
def test_correction_and_g(n_pairs, correction):
    d = normal(n_pairs, 20, mean=0.5)
    found = stats.hedges_g(d)
    assert found.correction == pytest.approx(correction, abs=1e-4)
    np.testing.assert_allclose(found.g, found.correction * stats.cohens_dz(d))


@pytest.mark.parametrize("n_pairs", [3, 10, 25])
@pytest.mark.parametrize("confidence", [0.9, 0.95, 0.99])
def test_interval_puts_t_at_either_tail(n_pairs, confidence):
    d = normal(n_pairs, 60) + np.linspace(-2, 2, 60)
    found, t = stats.hedges_g(d, confidence), stats.paired_t(d)
    root, tail = np.sqrt(n_pairs), (1 - confidence) / 2
    np.testing.assert_allclose(scipy_stats.nct.sf(t, n_pairs - 1, found.low * root), tail, atol=TAIL)
    np.testing.assert_allclose(scipy_stats.nct.cdf(t, n_pairs - 1, found.high * root), tail, atol=TAIL)


def test_g_is_unbiased_and_its_interval_covers():
    for effect in (0.0, 0.6, 2.0):
        found = stats.hedges_g(normal(12, 20_000, seed=3, mean=effect))
        assert found.g.mean() == pytest.approx(effect, abs=0.015)
        covered = (found.low <= effect) & (effect <= found.high)
        assert covered.mean() == pytest.approx(0.95, abs=0.006)


def test_heads_without_variance():
    found = stats.hedges_g(np.column_stack([np.zeros(6), np.full(6, 0.2), np.full(6, -0.2)]))
    np.testing.assert_array_equal(found.g, [0, np.inf, -np.inf])
    np.testing.assert_array_equal(found.low[1:], [np.inf, -np.inf])
    assert found.high[0] == pytest.approx(1.96 / np.sqrt(6), rel=1e-3)
    assert found.low[0] == pytest.approx(-found.high[0])


def test_mean_squared_effect_is_unbiased_where_the_raw_mean_is_not():
    rng = np.random.default_rng(5)
    for size in (0.0, 0.5):
        truth = rng.normal(0, size, 100) if size else np.zeros(100)
        values = [stats.mean_squared_effect(rng.normal(size=(12, 100)) + truth) for _ in range(400)]
        error = 4 * np.std(values) / np.sqrt(400)
        assert np.mean(values) == pytest.approx((truth**2).mean(), abs=error)
    with pytest.raises(InputError, match="at least 4 pairs; got 3"):
        stats.mean_squared_effect(normal(3, 3))


# -- cross-fitted shares -----------------------------------------------------------------------


def test_cross_fitted_share_by_hand():
    d = normal(11, 60, seed=2) + np.r_[np.full(30, 1.5), np.zeros(30)]
    order = np.random.default_rng(4).permutation(11)
    a, b = order[:5], order[5:]
    shares, n_chosen, kept, effects = [], [], [], []
    for choosing, judging in ((a, b), (b, a)):
        t = scipy_stats.ttest_1samp(d[choosing], 0).statistic
        heads = np.abs(t) > 2.5
        way = d[judging][:, heads] * np.sign(t[heads])
        n_chosen.append(heads.sum())
        shares.append((way > 0).mean(axis=1))
        kept.append((way.mean(axis=0) > 0).mean())
        effects.append(stats.hedges_g(way).g.mean())
    found = stats.cross_fitted_share(d, threshold=2.5, seed=4)
    assert found.n_chosen.tolist() == n_chosen
    assert found.kept == pytest.approx(np.mean(kept))
    assert found.effect == pytest.approx(np.mean(effects))
    assert found.share == pytest.approx((shares[0].mean() + shares[1].mean()) / 2)
    ends = [scipy_stats.ttest_1samp(x, 0).confidence_interval(0.95) for x in shares]
    assert found.low == pytest.approx((ends[0].low + ends[1].low) / 2)
    assert found.high == pytest.approx((ends[0].high + ends[1].high) / 2)


@pytest.mark.parametrize(("share_real", "effect"), [(0.0, 0.0), (0.3, 0.8), (0.7, 1.0), (1.0, 0.5)])
def test_cross_fitted_share_covers_the_truth_of_mixtures_with_correlated_heads(share_real, effect):
    rng = np.random.default_rng(8)
    n_sets, n, heads = 250, 24, 80
    loading = rng.normal(size=(3, heads)) * 0.5
    sd = np.sqrt((loading**2).sum(axis=0) + 1)
    truth = np.where(np.arange(heads) < share_real * heads, effect, 0.0) * rng.choice([-1, 1], heads)
    covered = total = 0
    gs, raw, target = [], [], []
    for simulation in range(n_sets):
        d = rng.normal(size=(n, 3)) @ loading + rng.normal(size=(n, heads)) + truth * sd
        found = stats.cross_fitted_share(d, threshold=2.0, seed=simulation)
        if not found.n_chosen.all():
            continue
        order = np.random.default_rng(simulation).permutation(n)
        expected, g_true = [], []
        for half in (order[:12], order[12:]):
            t = stats.paired_t(d[half])
            chosen = np.abs(t) > 2
            expected.append(scipy_stats.norm.cdf(truth[chosen] * np.sign(t[chosen])).mean())
            g_true.append((truth[chosen] * np.sign(t[chosen])).mean())
            raw.append(np.abs(stats.hedges_g(d[half]).g[chosen]).mean())
        covered += found.low <= np.mean(expected) <= found.high
        total += 1
        gs.append(found.effect)
        target.append(np.mean(g_true))
    print(f"{share_real} {effect}: covered {covered}/{total}, g {np.mean(gs):.3f} true {np.mean(target):.3f} "
          f"where chosen {np.mean(raw):.3f}")  # fmt: skip
    assert covered >= scipy_stats.binom.ppf(0.001, total, 0.95)
    assert np.mean(gs) == pytest.approx(np.mean(target), abs=5 * np.std(np.subtract(gs, target)) / np.sqrt(total))
    assert np.mean(raw) > np.mean(gs)


def test_cross_fitted_share_where_nothing_or_one_half_is_chosen():
    nothing = stats.cross_fitted_share(normal(10, 5), threshold=50)
    assert nothing.n_chosen.tolist() == [0, 0]
    assert np.isnan([nothing.kept, nothing.share, nothing.low, nothing.high, nothing.effect]).all()
    certain = stats.cross_fitted_share(np.abs(normal(10, 5)) + 5)
    assert (certain.kept, certain.share, certain.low, certain.high) == (1, 1, 1, 1)


@pytest.mark.parametrize(("d", "arguments", "message"), [
    (normal(5, 4), {}, "at least 6 pairs; got 5"),
    (normal(8, 4), {"threshold": -1}, "at least 0; got -1"),
    (normal(8, 4), {"confidence": 1}, "confidence must lie between 0 and 1; got 1"),
])  # fmt: skip
def test_unusable_input_is_refused(d, arguments, message):
    with pytest.raises(InputError, match=message):
        stats.cross_fitted_share(d, **arguments)


def test_hedges_g_refuses_a_confidence_of_95():
    with pytest.raises(InputError, match="got 95"):
        stats.hedges_g(normal(5, 4), 95)


@pytest.mark.parametrize("n", [1, 5, 75, 510])
def test_one_share_larger_than_another_is_fishers_p(n):
    rng = np.random.default_rng(n)
    counts = [(0, 0), (n, 0), (n, n), (0, n), *rng.integers(0, n + 1, size=(20, 2)).tolist()]
    for k, other in counts:
        expected = fisher_exact([[k, n - k], [other, n - other]], alternative="greater").pvalue
        assert fisher_larger(k, n, other, n) == pytest.approx(expected, rel=1e-8)


def test_shares_of_unlike_sizes_and_counts_that_cannot_be():
    expected = fisher_exact([[3, 4], [1, 29]], alternative="greater").pvalue
    assert fisher_larger(3, 7, 1, 30) == pytest.approx(expected, rel=1e-10)
    for wrong in ((-1, 5, 1, 5), (6, 5, 1, 5), (1, 5, 6, 5)):
        with pytest.raises(InputError, match=r"A share is a count of 0 … n"):
            fisher_larger(*wrong)
