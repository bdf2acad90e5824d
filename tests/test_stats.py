"""plantain.stats against SciPy, against enumeration by hand and against simulated nulls."""

from itertools import product

import numpy as np
import pytest
from scipy import stats as scipy_stats

from plantain import stats
from plantain.errors import InputError

pytestmark = pytest.mark.filterwarnings("error")

EXACT = 1e-10
THRESHOLDS = (1.0, 2.0, 3.0, 5.0)


def normal(n_pairs, n_heads, seed=0, mean=0.0):
    return np.random.default_rng(seed).normal(mean, 1.0, (n_pairs, n_heads))


def correlated(rng, n_pairs, n_heads):
    """Heads that share one factor, each with a scale of its own."""
    shared = rng.normal(size=(n_pairs, 1))
    return (shared + rng.normal(size=(n_pairs, n_heads))) * rng.uniform(0.1, 10, n_heads)


def drawn_signs(n_flips, n_pairs, seed):
    return 1.0 - 2 * np.random.default_rng(seed).integers(0, 2, size=(n_flips, n_pairs), dtype=np.int8)


def scipy_null(d, signs):
    abs_t = np.array([np.abs(scipy_stats.ttest_1samp(d * s[:, None], 0).statistic) for s in signs])
    counts = np.stack([(abs_t > c).sum(axis=1) for c in THRESHOLDS], axis=1)
    return counts, abs_t.max(axis=1)


# -- t and d_z ---------------------------------------------------------------------------------


@pytest.mark.parametrize("n_pairs", [3, 4, 25, 200])
def test_t_is_scipys(n_pairs):
    rng = np.random.default_rng(n_pairs)
    a, b = rng.normal(5, 1, (2, n_pairs, 40)) * rng.uniform(1e-3, 1e3, 40)
    t = stats.paired_t(b - a)
    np.testing.assert_allclose(t, scipy_stats.ttest_rel(b, a).statistic, rtol=EXACT)
    np.testing.assert_allclose(t, scipy_stats.ttest_1samp(b - a, 0).statistic, rtol=EXACT)


@pytest.mark.parametrize("n_pairs", [3, 12, 25])
def test_dz_is_t_over_root_n(n_pairs):
    d = normal(n_pairs, 30, mean=0.4)
    np.testing.assert_allclose(stats.cohens_dz(d), stats.paired_t(d) / np.sqrt(n_pairs), rtol=EXACT)
    np.testing.assert_allclose(stats.cohens_dz(d), d.mean(axis=0) / d.std(axis=0, ddof=1), rtol=EXACT)


def test_t_by_hand():
    assert stats.paired_t([[1], [2], [3]]) == pytest.approx([2 * np.sqrt(3)])


def test_t_has_the_sign_of_the_mean_and_leaves_its_input_alone():
    d = normal(10, 4, mean=3.0) * [1, -1, 1, -1]
    before = d.copy()
    np.testing.assert_array_equal(np.sign(stats.paired_t(d)), [1, -1, 1, -1])
    np.testing.assert_array_equal(d, before)


# -- sign-flip null ----------------------------------------------------------------------------


@pytest.mark.parametrize("n_pairs", [3, 4, 5, 6, 7, 8])
def test_exhaustive_null_is_the_enumeration(n_pairs):
    d = normal(n_pairs, 12, seed=n_pairs, mean=0.7)
    flips = np.array(list(product([1, -1], repeat=n_pairs)))
    counts, max_abs_t = scipy_null(d, flips)
    null = stats.sign_flip_null(d, n_flips=2**n_pairs, thresholds=THRESHOLDS)
    assert null.exhaustive
    assert null.counts.shape == (2**n_pairs, len(THRESHOLDS))
    assert sorted(map(tuple, null.counts)) == sorted(map(tuple, counts))
    np.testing.assert_allclose(np.sort(null.max_abs_t), np.sort(max_abs_t), rtol=1e-9)


@pytest.mark.parametrize("n_pairs", [3, 8, 10])
def test_exhaustive_rows_are_flips_in_binary_order(n_pairs):
    d = normal(n_pairs, 6, seed=n_pairs, mean=0.5)
    flips = np.array([[-1 if row >> pair & 1 else 1 for pair in range(n_pairs)] for row in range(2**n_pairs)])
    abs_t = np.abs(scipy_stats.ttest_1samp(d * flips[:, :, None], 0, axis=1).statistic)
    null = stats.sign_flip_null(d, n_flips=2**n_pairs, thresholds=THRESHOLDS)
    np.testing.assert_array_equal(null.counts, np.stack([(abs_t > c).sum(axis=1) for c in THRESHOLDS], axis=1))
    np.testing.assert_allclose(null.max_abs_t, abs_t.max(axis=1), rtol=1e-9)


def test_identity_is_the_first_exhaustive_row():
    d = normal(6, 50, mean=1.5)
    null = stats.sign_flip_null(d, n_flips=1000, thresholds=(3, 5))
    abs_t = np.abs(stats.paired_t(d))
    np.testing.assert_array_equal(null.counts[0], [(abs_t > 3).sum(), (abs_t > 5).sum()])
    assert null.max_abs_t[0] == abs_t.max()


def test_more_flips_than_exist_are_not_made_twice():
    d = normal(4, 5)
    assert len(stats.sign_flip_null(d, n_flips=1000).counts) == 16
    assert not stats.sign_flip_null(d, n_flips=15).exhaustive


def test_exhaustive_p_by_hand():
    # t = 2 sqrt(3) for (1, 2, 3), and sqrt(3) at most for its other flips
    null = stats.sign_flip_null([[1], [2], [3]], n_flips=8, thresholds=(3.0,))
    assert null.counts[:, 0].tolist() == [1, 0, 0, 0, 0, 0, 0, 1]
    assert null.set_p([1]) == pytest.approx([2 / 8])
    assert null.set_p([0]) == pytest.approx([1])
    assert null.max_p(2 * np.sqrt(3)) == pytest.approx(2 / 8)
    assert null.max_p(0.0) == 1


def test_random_p_counts_the_observed_labelling_in():
    null = stats.SignFlipNull(np.array([[0], [2], [3], [5]]), np.array([1.0, 2.0, 3.0, 4.0]), (3.0,), exhaustive=False)
    assert null.set_p([3]).tolist() == [(2 + 1) / (4 + 1)]
    assert null.set_p([9]).tolist() == [1 / 5]
    np.testing.assert_allclose(null.max_p([[0.5, 2.5], [4.0, 9.0]]), [[1, 3 / 5], [2 / 5, 1 / 5]])
    assert null.count_quantile(0.5).tolist() == [2.5]


def test_random_null_does_not_count_the_identity():
    d = normal(25, 200, mean=2.0)
    null = stats.sign_flip_null(d, n_flips=99)
    abs_t = np.abs(stats.paired_t(d))
    assert len(null.counts) == 99
    assert null.max_abs_t.max() < abs_t.max() / 2
    assert null.set_p([(abs_t > 3).sum(), (abs_t > 5).sum()]).tolist() == [1 / 100, 1 / 100]
    assert null.max_p(abs_t.max()) == 1 / 100


def test_a_drawn_identity_ties_with_the_observed_maximum():
    d = np.array([[1.0, 1.001, 1.0, 0.999, 1.0005], [3, 1, -2, 0.5, 1]]).T
    signs = drawn_signs(31, 5, seed=3)
    n_identity = int((np.abs(signs.sum(axis=1)) == 5).sum())
    assert n_identity > 0
    null = stats.sign_flip_null(d, n_flips=31, seed=3)
    assert null.max_p(np.abs(stats.paired_t(d)).max()) == (n_identity + 1) / 32


def test_seed_decides_the_flips():
    d = normal(20, 300, mean=0.3)
    one, same, other = (stats.sign_flip_null(d, n_flips=200, thresholds=(1, 2), seed=seed) for seed in (7, 7, 8))
    np.testing.assert_array_equal(one.counts, same.counts)
    np.testing.assert_array_equal(one.max_abs_t, same.max_abs_t)
    assert (one.counts != other.counts).any()


@pytest.mark.parametrize(("n_heads", "n_flips"), [(1, 1), (2047, 127), (2049, 129), (4500, 300)])
def test_tiles_change_nothing(n_heads, n_flips):
    n_pairs = 12
    d = normal(n_pairs, n_heads, seed=1)
    d[:, -1] += 3  # the largest |t| sits in the last column, so a lost tile shows
    counts, max_abs_t = scipy_null(d, drawn_signs(n_flips, n_pairs, seed=5))
    null = stats.sign_flip_null(d, n_flips=n_flips, thresholds=THRESHOLDS, seed=5)
    np.testing.assert_array_equal(null.counts, counts)
    np.testing.assert_allclose(null.max_abs_t, max_abs_t, rtol=1e-4)


def test_any_number_of_thresholds_in_one_pass():
    d = normal(15, 400, mean=0.5)
    cuts = (0.5, 1, 1.5, 2, 2.5, 3, 4, 5.5)
    together = stats.sign_flip_null(d, n_flips=150, thresholds=cuts, seed=2)
    assert together.thresholds == cuts
    assert together.counts.shape == (150, len(cuts))
    for k, cut in enumerate(cuts):
        alone = stats.sign_flip_null(d, n_flips=150, thresholds=(cut,), seed=2)
        np.testing.assert_array_equal(together.counts[:, k], alone.counts[:, 0])


def test_counts_do_not_depend_on_the_scale_of_a_head():
    d = normal(10, 100)
    scale = 10.0 ** np.linspace(-12, 12, 100)
    one, other = (stats.sign_flip_null(x, n_flips=64, thresholds=(1, 2), seed=0) for x in (d, d * scale))
    np.testing.assert_array_equal(one.counts, other.counts)


# -- simulated nulls and planted effects -------------------------------------------------------


@pytest.fixture(scope="module")
def null_ps():
    """p of 300 sets without effect: max-|t|, set-level as reported, set-level with ties broken at random."""
    rng = np.random.default_rng(20)
    rows = []
    for simulation in range(300):
        d = correlated(rng, 12, 30)
        null = stats.sign_flip_null(d, n_flips=199, thresholds=(1.5,), seed=simulation)
        abs_t = np.abs(stats.paired_t(d))
        observed = (abs_t > 1.5).sum()
        ties = (null.counts[:, 0] == observed).sum()
        broken = null.set_p([observed])[0] - rng.uniform() * (ties + 1) / 200
        rows.append((null.max_p(abs_t.max()), null.set_p([observed])[0], broken))
    return np.array(rows)


@pytest.mark.parametrize("column", [0, 2])
def test_p_is_uniform_without_an_effect(null_ps, column):
    low, high = scipy_stats.binom.interval(0.999, len(null_ps), 0.05)
    assert low <= (null_ps[:, column] <= 0.05).sum() <= high
    assert scipy_stats.kstest(null_ps[:, column], "uniform").pvalue > 0.001


def test_reported_set_p_is_not_too_small_without_an_effect(null_ps):
    for level in (0.01, 0.05, 0.2, 0.5):
        assert (null_ps[:, 1] <= level).sum() <= scipy_stats.binom.ppf(0.999, len(null_ps), level)


def test_planted_effect_is_found_with_its_size_and_sign():
    truth = np.zeros(200)
    truth[:20], truth[20:40] = 1.2, -0.9
    scale = np.random.default_rng(1).uniform(0.01, 100, 200)
    d = (normal(400, 200, seed=2) + truth) * scale
    dz, t = stats.cohens_dz(d), stats.paired_t(d)
    np.testing.assert_allclose(dz, truth, atol=5 * np.sqrt((1 + 1.2**2 / 2) / 400))
    assert abs(dz[:20].mean() - 1.2) < 0.05
    assert abs(dz[20:40].mean() + 0.9) < 0.05
    null = stats.sign_flip_null(d, n_flips=199, thresholds=(3,))
    adjusted = null.max_p(np.abs(t))
    assert (adjusted[:40] == 1 / 200).all()
    assert (adjusted[40:] > 0.01).all()
    assert null.set_p([(np.abs(t) > 3).sum()])[0] == 1 / 200


def test_expected_counts_are_the_average_without_an_effect():
    counts = stats.expected_counts(12, 20_000, thresholds=(1, 2, 3))
    abs_t = np.abs(stats.paired_t(normal(12, 20_000, seed=6)))
    for count, cut in zip(counts, (1, 2, 3), strict=True):
        assert (abs_t > cut).sum() == pytest.approx(count, abs=5 * np.sqrt(count))
    np.testing.assert_allclose(stats.expected_counts(25, 16_320), [101.1, 0.68], rtol=0.02)


# -- split-half --------------------------------------------------------------------------------


@pytest.mark.parametrize("n_pairs", [4, 5, 24, 25])
def test_split_half_is_pearson_of_the_halves_t(n_pairs, monkeypatch):
    d = normal(n_pairs, 60, seed=n_pairs) + np.linspace(-1, 1, 60)
    rng = np.random.default_rng(9)
    expected = []
    for _ in range(20):
        order = rng.permutation(n_pairs)
        first, second = order[: n_pairs // 2], order[n_pairs // 2 :]
        t_maps = [scipy_stats.ttest_1samp(d[half], 0).statistic for half in (first, second)]
        expected.append(scipy_stats.pearsonr(*t_maps).statistic)
    np.testing.assert_allclose(stats.split_half(d, n_splits=20, seed=9), expected, rtol=1e-7, atol=1e-9)
    monkeypatch.setattr("plantain.stats.reliability._BLOCK_VALUES", 60 * 3)  # three splits at a time
    np.testing.assert_allclose(stats.split_half(d, n_splits=20, seed=9), expected, rtol=1e-7, atol=1e-9)


def test_25_pairs_are_split_into_12_and_13():
    order = np.random.default_rng(0).permutation(25)
    assert (len(order[:12]), len(order[12:])) == (12, 13)
    d = normal(25, 40, mean=0.5)
    t_12, t_13 = (scipy_stats.ttest_1samp(d[half], 0).statistic for half in (order[:12], order[12:]))
    assert stats.split_half(d, n_splits=1, seed=0)[0] == pytest.approx(np.corrcoef(t_12, t_13)[0, 1], rel=1e-9)


def test_split_half_nears_one_with_a_strong_effect_and_zero_without():
    noise = normal(25, 2000)
    assert stats.split_half(noise + np.linspace(-3, 3, 2000)).min() > 0.9
    assert stats.split_half(normal(200, 2000) + np.linspace(-3, 3, 2000)).min() > 0.98
    assert abs(np.median(stats.split_half(noise))) < 0.1


def test_split_half_follows_its_seed():
    d = normal(10, 50)
    np.testing.assert_array_equal(stats.split_half(d, 10, seed=1), stats.split_half(d, 10, seed=1))
    assert (stats.split_half(d, 10, seed=1) != stats.split_half(d, 10, seed=2)).any()


def test_split_half_leaves_out_heads_that_are_infinite_in_a_half():
    d = normal(12, 30, mean=0.5)
    with_constant = np.column_stack([d, np.full(12, 0.1)])
    np.testing.assert_allclose(stats.split_half(with_constant, 10), stats.split_half(d, 10), rtol=1e-9)


def test_split_half_of_silent_heads_is_not_defined():
    assert np.isnan(stats.split_half(np.zeros((8, 10)), 3)).all()


@pytest.mark.parametrize("shape", [(3, 10), (10, 2)])
def test_split_half_needs_four_pairs_and_three_heads(shape):
    with pytest.raises(InputError, match=f"at least 4 pairs and 3 heads; got {shape[0]} pairs and {shape[1]} heads"):
        stats.split_half(normal(*shape))


def test_split_half_needs_a_split():
    with pytest.raises(InputError, match="n_splits must be at least 1; got 0"):
        stats.split_half(normal(5, 5), n_splits=0)


# -- alignment with an axis --------------------------------------------------------------------


@pytest.fixture(scope="module")
def axis():
    truth = np.random.default_rng(4).normal(0, 1, 300)
    return normal(25, 300, seed=5) + truth


def test_shift_along_the_axis_aligns(axis):
    found = stats.axis_alignment(axis.mean(axis=0), axis, n_flips=199)
    assert found.r > 0.95
    assert found.p == 1 / 200
    assert found.null.shape == (199,)
    assert stats.axis_alignment(-axis.mean(axis=0), axis, n_flips=199).r == pytest.approx(-found.r)


def test_random_shift_does_not_align(axis):
    ps = [stats.axis_alignment(normal(1, 300, seed=s)[0], axis, n_flips=99).p for s in range(20)]
    assert np.mean(np.array(ps) <= 0.05) <= 0.25
    assert np.median(ps) > 0.2


def test_alignment_is_the_correlation_with_the_t_map(axis):
    shift = normal(1, 300, seed=8)[0]
    scaled = shift / np.sqrt((axis**2).mean(axis=0))
    expected = scipy_stats.pearsonr(scaled, stats.paired_t(axis)).statistic
    assert stats.axis_alignment(shift, axis, n_flips=1).r == pytest.approx(expected, rel=1e-9)


def test_alignment_ignores_the_scale_of_heads_and_silent_ones(axis):
    shift, scale = axis[0], 10.0 ** np.random.default_rng(3).uniform(-6, 6, 300)
    plain = stats.axis_alignment(shift, axis, n_flips=20)
    scaled = stats.axis_alignment(np.append(shift * scale, 1e9), np.column_stack([axis * scale, np.zeros(25)]), 20)
    assert scaled.r == pytest.approx(plain.r)
    np.testing.assert_allclose(scaled.null, plain.null, rtol=1e-9)


@pytest.mark.parametrize(
    ("shift", "message"),
    [
        (np.zeros(299), r"shift has shape \(299,\), the reference has 300 heads"),
        (np.zeros((25, 300)), r"shift has shape \(25, 300\)"),
        (np.zeros(300), "shift is the same in every head"),
        (np.full(300, np.nan), "shift holds NaN or infinity"),
    ],
)
def test_unusable_shift_is_refused(axis, shift, message):
    with pytest.raises(InputError, match=message):
        stats.axis_alignment(shift, axis)


def test_alignment_needs_heads_that_vary():
    d = np.zeros((5, 10))
    d[:, :2] = normal(5, 2)
    with pytest.raises(InputError, match="Only 2 heads of the reference vary; at least 3"):
        stats.axis_alignment(np.arange(10), d)


# -- heads without variance, and input that cannot be used --------------------------------------


def test_heads_without_variance_have_zero_or_infinite_t():
    d = np.column_stack([np.zeros(7), np.full(7, 0.1), np.full(7, -0.3), np.full(7, 1e-20), normal(7, 1)[:, 0]])
    with np.errstate(all="raise"):
        t, dz = stats.paired_t(d), stats.cohens_dz(d)
    np.testing.assert_array_equal(t[:4], [0, np.inf, -np.inf, np.inf])
    np.testing.assert_array_equal(dz[:4], [0, np.inf, -np.inf, np.inf])
    assert np.isfinite(t[4])


@pytest.mark.parametrize("n_flips", [256, 100])
def test_silent_heads_never_count(n_flips):
    d = normal(8, 20)
    with np.errstate(all="raise"):
        silent = stats.sign_flip_null(np.zeros((8, 50)), n_flips, thresholds=(1e-6, 3))
        mixed = stats.sign_flip_null(np.column_stack([d, np.zeros((8, 5))]), n_flips, thresholds=(1e-6, 1))
    assert not silent.counts.any()
    assert not silent.max_abs_t.any()
    np.testing.assert_array_equal(mixed.counts, stats.sign_flip_null(d, n_flips, thresholds=(1e-6, 1)).counts)


@pytest.mark.parametrize("value", [0.1, -0.1, 1 / 3, 7.0])
@pytest.mark.parametrize("n_flips", [64, 63])
def test_constant_head_is_infinite_where_all_signs_are_equal(value, n_flips):
    n_pairs = 6
    d = np.column_stack([normal(n_pairs, 3), np.full(n_pairs, value)])
    with np.errstate(all="raise"):
        null = stats.sign_flip_null(d, n_flips, thresholds=(3, 1000), seed=1)
    if n_flips == 64:
        signs = np.array(list(product([1, -1], repeat=n_pairs)))[:, ::-1]
    else:
        signs = drawn_signs(n_flips, n_pairs, seed=1)
    equal = np.abs(signs.sum(axis=1)) == n_pairs
    assert 0 < equal.sum() < len(equal)
    np.testing.assert_array_equal(np.isinf(null.max_abs_t), equal)
    np.testing.assert_array_equal(null.counts[:, 1] > 0, equal)


def test_head_of_equal_sizes_is_infinite_under_the_flips_that_align_it():
    d = np.array([[0.1, 0.1, -0.1, 0.1], [3, 1, -2, 0.5]]).T
    null = stats.sign_flip_null(d, n_flips=16)
    assert np.flatnonzero(np.isinf(null.max_abs_t)).tolist() == [0b0100, 0b1011]
    assert null.max_p(np.inf) == 2 / 16


def test_alignment_stands_a_constant_head():
    d = np.column_stack([normal(6, 10), np.full(6, 0.1)])
    with np.errstate(all="raise"):
        found = stats.axis_alignment(d.mean(axis=0), d, n_flips=50)
    assert np.isfinite(found.r)
    assert np.isfinite(found.null).all()


FUNCTIONS = [
    stats.paired_t,
    stats.cohens_dz,
    stats.sign_flip_null,
    stats.split_half,
    stats.split_half_null,
    stats.exact_p,
    stats.hedges_g,
    stats.mean_squared_effect,
    stats.cross_fitted_share,
    lambda d: stats.selectivity(d, d),
    lambda d: stats.selectivity_null(d, d),
    lambda d: stats.axis_transfer(d, d),
    lambda d: stats.dose_response(d, np.zeros(4)),
    lambda d: stats.length_adjusted(d, np.zeros(4)),
    lambda d: stats.canonical_effect(d, d, d, d),
    lambda d: stats.axis_alignment(np.zeros(4), d),
]


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize(
    ("d", "message"),
    [
        (np.zeros((2, 4)), "at least 3 pairs; got 2"),
        (np.zeros((0, 4)), "at least 3 pairs; got 0"),
        (np.zeros(4), r"shape \(n_pairs, n_heads\); got \(4,\)"),
        (np.zeros((4, 4, 4)), r"got \(4, 4, 4\)"),
        (np.zeros((4, 0)), r"got \(4, 0\)"),
        ([[0, 0, 0, 0]] * 3 + [[0, 0, np.nan, 0]], "hold NaN, first at pair 3, head 2"),
        ([[0, -np.inf, 0, 0]] + [[0, 0, 0, 0]] * 3, "hold infinity, first at pair 0, head 1"),
    ],
)
def test_unusable_differences_are_refused(function, d, message):
    with pytest.raises(InputError, match=message):
        function(d)


@pytest.mark.parametrize("n_flips", [0, -1, 1.5, True])
def test_unusable_number_of_flips_is_refused(n_flips):
    with pytest.raises(InputError, match=f"n_flips must be a whole number of at least 1; got {n_flips!r}"):
        stats.sign_flip_null(normal(5, 4), n_flips)


@pytest.mark.parametrize("thresholds", [(), (0,), (3, -5), (np.nan,), (3, np.inf)])
def test_unusable_thresholds_are_refused(thresholds):
    with pytest.raises(InputError, match="thresholds must be positive numbers"):
        stats.sign_flip_null(normal(5, 4), 10, thresholds)


def test_too_many_flips_to_enumerate_are_refused():
    with pytest.raises(InputError, match=r"All 2\*\*25 flips are too many"):
        stats.sign_flip_null(normal(25, 4), 2**25)


@pytest.mark.parametrize("name", stats.__all__)
def test_every_name_is_there_and_documented(name):
    assert name == "MIN_PAIRS" or name == "MODELS" or getattr(stats, name).__doc__
