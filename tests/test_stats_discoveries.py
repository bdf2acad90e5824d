"""p, FDR, FWER and the bound on true discoveries: against SciPy, statsmodels, MNE and enumeration by hand."""

from itertools import product

import numpy as np
import pytest
from scipy import stats as scipy_stats
from statsmodels.stats.multitest import multipletests

from plantain import stats
from plantain.errors import InputError

pytestmark = pytest.mark.filterwarnings("error")

EXACT = 1e-10


def normal(n_pairs, n_heads, seed=0, mean=0.0):
    return np.random.default_rng(seed).normal(mean, 1.0, (n_pairs, n_heads))


def all_signs(n):
    return np.array(list(product([1, -1], repeat=n)))


# -- p of the t distribution -------------------------------------------------------------------


@pytest.mark.parametrize("n_pairs", [3, 8, 25])
def test_t_pvalues_are_scipys(n_pairs):
    d = normal(n_pairs, 50, mean=0.5)
    expected = scipy_stats.ttest_1samp(d, 0).pvalue
    np.testing.assert_allclose(stats.t_pvalues(stats.paired_t(d), n_pairs), expected, rtol=EXACT)


def test_t_pvalues_at_the_ends_and_in_any_shape():
    assert stats.t_pvalues([[0, np.inf], [-np.inf, 3]], 25)[:, 0].tolist() == [1, 0]
    assert stats.t_pvalues(3.0, 25) * 16_320 == pytest.approx(stats.expected_counts(25, 16_320, [3])[0])


# -- exact p -----------------------------------------------------------------------------------


@pytest.mark.parametrize("n_pairs", [3, 4, 7, 8])
def test_exact_p_is_the_enumeration(n_pairs):
    d = normal(n_pairs, 20, seed=n_pairs, mean=0.6)
    sums = np.abs(all_signs(n_pairs) @ d)
    expected = (sums >= np.abs(d.sum(axis=0)) * (1 - 1e-9)).mean(axis=0)
    np.testing.assert_allclose(stats.exact_p(d), expected, rtol=EXACT)
    null = stats.sign_flip_null(d[:, :1], n_flips=2**n_pairs)
    assert null.max_p(np.abs(stats.paired_t(d[:, :1])))[0] == pytest.approx(expected[0])


def test_exact_p_is_scipys_permutation_test():
    d = normal(9, 6, mean=0.5)
    found = scipy_stats.permutation_test(
        (d,), lambda x, axis: np.mean(x, axis=axis), permutation_type="samples", n_resamples=np.inf, axis=0
    )
    np.testing.assert_allclose(stats.exact_p(d), found.pvalue, rtol=EXACT)


def test_exact_p_with_ties_by_hand():
    d = np.array([[1, 0.1, 0, 5], [1, 0.1, 0, 1], [1, 0.1, 0, -6], [1, -0.1, 0, 0]], dtype=float)
    np.testing.assert_allclose(stats.exact_p(d), [2 / 16, 10 / 16, 1, 1])


def test_exact_p_of_25_pairs_reaches_below_any_sampled_one():
    d = np.abs(normal(25, 3, mean=2.0)) + 0.1
    np.testing.assert_allclose(stats.exact_p(d), 2 / 2**25)
    noise = normal(25, 100, seed=1, mean=0.4)
    t_p = stats.t_pvalues(stats.paired_t(noise), 25)
    np.testing.assert_allclose(np.log(stats.exact_p(noise)), np.log(t_p), atol=2.5)


def test_too_many_pairs_for_an_exact_p():
    with pytest.raises(InputError, match="at most 30 pairs; got 31"):
        stats.exact_p(normal(31, 2))


# -- FDR ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["bh", "by"])
def test_fdr_is_statsmodels(method):
    p = np.random.default_rng(2).uniform(size=200) ** 2
    expected = multipletests(p, method=f"fdr_{method}")[1]
    np.testing.assert_allclose(stats.fdr(p, method), expected, rtol=EXACT)
    np.testing.assert_allclose(stats.fdr(p.reshape(20, 10), method), expected.reshape(20, 10), rtol=EXACT)


def test_fdr_by_hand():
    np.testing.assert_allclose(stats.fdr([0.01, 0.04, 0.03]), [0.03, 0.04, 0.04])


@pytest.mark.parametrize(("p", "method", "message"), [
    ([0.5], "bonferroni", '"bh" or "by"; got \'bonferroni\''),
    ([], "bh", "at least one value"),
    ([0.5, np.nan], "bh", "between 0 and 1"),
    ([1.1], "bh", "between 0 and 1"),
])  # fmt: skip
def test_unusable_p_is_refused(p, method, message):
    with pytest.raises(InputError, match=message):
        stats.fdr(p, method)


@pytest.mark.parametrize(("t", "n", "message"), [([np.nan], 5, "t holds NaN"), ([1], 2, "at least 3 pairs; got 2")])
def test_unusable_t_is_refused(t, n, message):
    with pytest.raises(InputError, match=message):
        stats.t_pvalues(t, n)


# -- FWER and true discoveries -----------------------------------------------------------------


def test_smallest_p():
    assert stats.sign_flip_null(normal(5, 3), 32).smallest_p == 2 / 32
    assert stats.sign_flip_null(normal(25, 3), 999).smallest_p == 1 / 1000
    null = stats.sign_flip_null([[1], [2], [3]], n_flips=8)
    assert null.max_p(2 * np.sqrt(3)) == null.smallest_p


def test_max_p_is_that_of_a_loop():
    d = normal(7, 15, mean=0.8)
    abs_t = np.abs(scipy_stats.ttest_1samp(d * all_signs(7)[:, :, None], 0, axis=1).statistic)
    observed = np.abs(stats.paired_t(d))
    expected = (abs_t.max(axis=1)[:, None] >= observed * (1 - 1e-9)).mean(axis=0)
    np.testing.assert_allclose(stats.sign_flip_null(d, 128).max_p(observed), expected, rtol=EXACT)


def test_max_p_is_mnes():
    mne_stats = pytest.importorskip("mne.stats")
    d = normal(7, 15, mean=0.8)
    t, p, _ = mne_stats.permutation_t_test(d, n_permutations="all", tail=0, verbose="error")
    np.testing.assert_allclose(stats.paired_t(d), t, rtol=1e-9)
    # MNE leaves one of the 64 distinct flips out: its p is that of 63.
    ours, theirs = 64 * stats.sign_flip_null(d, 128).max_p(np.abs(t)), 63 * p
    np.testing.assert_allclose(theirs, np.round(theirs), atol=1e-9)
    assert set(np.round(ours - theirs)) <= {0, 1}


def test_true_discoveries_by_hand():
    counts = np.arange(19)[:, None]  # 0 … 18
    null = stats.SignFlipNull(counts, np.zeros(19), (3.0,), exhaustive=False)
    # with the observed 30 there are 20, of which 19 are at most 18
    assert null.true_discoveries([30]).tolist() == [30 - 18]
    assert null.true_discoveries([30], alpha=0.1).tolist() == [30 - 17]
    assert null.true_discoveries([30], alpha=0.01).tolist() == [0]
    assert null.true_discoveries([5]).tolist() == [0]
    every = stats.SignFlipNull(np.r_[counts, [[30]]], np.zeros(20), (3.0,), exhaustive=True)
    assert every.true_discoveries([30]).tolist() == [12]


@pytest.mark.parametrize(("counts", "alpha", "message"), [
    ([1], 0.05, "each of the 2 thresholds; got the shape"),
    ([1, 2], 0, "alpha must lie between 0 and 1; got 0"),
])  # fmt: skip
def test_unusable_counts_are_refused(counts, alpha, message):
    with pytest.raises(InputError, match=message):
        stats.sign_flip_null(normal(5, 4), 10).true_discoveries(counts, alpha)


def test_fwer_and_the_bound_hold_among_correlated_heads():
    """1,000 sets, 30 heads sharing two factors, 8 of them with an effect: each fails in 5 % at most."""
    rng = np.random.default_rng(11)
    n_sets, n, heads = 1000, 10, 30
    effect = np.r_[np.full(8, 1.3), np.zeros(heads - 8)]
    fwer, bound, bounds = 0, 0, []
    for simulation in range(n_sets):
        noise = rng.normal(size=(n, 2)) @ rng.normal(size=(2, heads)) + 0.7 * rng.normal(size=(n, heads))
        d = noise + effect
        abs_t = np.abs(stats.paired_t(d))
        null = stats.sign_flip_null(d, n_flips=99, thresholds=(2.0,), seed=simulation)
        fwer += (null.max_p(abs_t)[8:] <= 0.05).any()
        lower = null.true_discoveries([(abs_t > 2).sum()])[0]
        bound += lower > (abs_t[:8] > 2).sum()
        bounds.append(lower)
    limit = scipy_stats.binom.ppf(0.999, n_sets, 0.05)
    print(f"FWER {fwer / n_sets:.3f}, bound too high {bound / n_sets:.3f}, mean bound {np.mean(bounds):.2f}")
    assert fwer <= limit
    assert bound <= limit
    assert np.mean(bounds) > 0.5


def test_fwer_is_met_without_any_effect():
    rng = np.random.default_rng(12)
    n_sets, n, heads = 1000, 10, 30
    hits = false = 0
    for simulation in range(n_sets):
        d = rng.normal(size=(n, 2)) @ rng.normal(size=(2, heads)) + 0.7 * rng.normal(size=(n, heads))
        abs_t = np.abs(stats.paired_t(d))
        null = stats.sign_flip_null(d, n_flips=99, thresholds=(2.0,), seed=simulation)
        hits += null.max_p(abs_t.max()) <= 0.05
        false += null.true_discoveries([(abs_t > 2).sum()])[0] > 0
    low, high = scipy_stats.binom.interval(0.999, n_sets, 0.05)
    print(f"FWER {hits / n_sets:.3f}, bound above 0 {false / n_sets:.3f}")
    assert low <= hits <= high
    assert false <= high
