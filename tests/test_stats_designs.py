"""Dose, length, transfer and factorial designs: statsmodels, by hand, and simulated."""

from itertools import product

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from scipy import stats as scipy_stats
from statsmodels.formula.api import ols

from plantain import stats
from plantain.errors import InputError

pytestmark = pytest.mark.filterwarnings("error")

EXACT = 1e-9


def normal(n_pairs, n_heads, seed=0, mean=0.0):
    return np.random.default_rng(seed).normal(mean, 1.0, (n_pairs, n_heads))


def rates(p, level=0.05):
    """Hits at a level, and the range chance allows them at that level."""
    p = np.asarray(p)
    return (p <= level).sum(), *scipy_stats.binom.interval(0.999, p.size, level)


# -- dose --------------------------------------------------------------------------------------


@pytest.fixture
def distance():
    return np.random.default_rng(9).uniform(0.5, 3, 12)


def test_slope_is_statsmodels(distance):
    d = normal(12, 8) + np.outer(distance, np.linspace(-1, 1, 8)) + 0.5
    found = stats.dose_response(d, distance, 20)
    for head in range(8):
        fit = sm.OLS(d[:, head], sm.add_constant(distance)).fit()
        np.testing.assert_allclose([found.intercept[head], found.slope[head]], fit.params, rtol=EXACT)
        assert found.t[head] == pytest.approx(fit.tvalues[1])


def test_models_are_compared_as_by_leaving_pairs_out(distance):
    d = normal(12, 6) + np.outer(distance, np.linspace(-1, 1, 6)) + 0.5
    found = stats.dose_response(d, distance, 20)
    ones = np.ones(12)
    for k, design in enumerate((ones[:, None], distance[:, None], np.stack([ones, distance], axis=1))):
        fit = [sm.OLS(d[:, head], design).fit() for head in range(6)]
        np.testing.assert_allclose(found.r2[k], [1 - f.ssr / (f.model.endog**2).sum() for f in fit], rtol=EXACT)
        press = np.zeros(6)
        for pair in range(12):
            rest = np.arange(12) != pair
            for head in range(6):
                b = np.linalg.lstsq(design[rest], d[rest, head], rcond=None)[0]
                press[head] += (d[pair, head] - design[pair] @ b) ** 2
        np.testing.assert_allclose(found.loo_r2[k], 1 - press / (d**2).sum(axis=0), rtol=EXACT)


def test_permuted_null_is_that_of_a_loop(distance):
    d = normal(12, 9)
    found = stats.dose_response(d, distance, 30, seed=3, thresholds=(1, 2))
    rng = np.random.default_rng(3)
    permuted = rng.permuted(np.tile(distance, (30, 1)), axis=1)
    abs_t = []
    for x in permuted:
        r = np.array([scipy_stats.pearsonr(x, column).statistic for column in d.T])
        abs_t.append(np.abs(r) * np.sqrt(10 / (1 - r**2)))
    np.testing.assert_allclose(found.null.max_abs_t, np.max(abs_t, axis=1), rtol=1e-4)
    np.testing.assert_array_equal(found.null.counts[:, 0], (np.array(abs_t) > 1).sum(axis=1))
    assert found.max_p[0] == ((found.null.max_abs_t >= abs(found.t[0])).sum() + 1) / 31


def test_step_slope_and_both_are_told_apart():
    x = np.random.default_rng(1).uniform(0.2, 4, 30)
    noise = 0.3 * normal(30, 300)
    shift = np.concatenate([np.full((30, 75), 2.0), np.outer(x, np.ones(75)), np.outer(2 + x, np.ones(75))], axis=1)
    d = np.concatenate([shift, np.zeros((30, 75))], axis=1) + noise
    found = stats.dose_response(d, x, 200)
    for k, best in enumerate((0, 1, 2, -1)):
        part = found.best[75 * k : 75 * (k + 1)]
        print(f"model {best}: {(part == best).mean():.2f}")
        assert (part == best).mean() > (0.75 if best >= 0 else 0.5)
    assert sum(found.n_best.values()) == 300
    assert (found.max_p[75:225] == 1 / 201).all()
    assert (found.max_p[:75] <= 0.05).mean() < 0.1


def test_permuted_distances_keep_the_family_wise_level_where_there_is_a_step():
    rng = np.random.default_rng(5)
    smallest = []
    for simulation in range(1000):
        x = rng.uniform(0, 3, 10)
        d = rng.normal(size=(10, 2)) @ rng.normal(size=(2, 20)) + rng.normal(size=(10, 20)) + 1.5
        smallest.append(stats.dose_response(d, x, 99, seed=simulation).max_p.min())
    hits, low, high = rates(smallest)
    print(f"dose FWER {hits / 1000:.3f}")
    assert low <= hits <= high


def test_dose_of_heads_without_variance(distance):
    d = np.column_stack([np.zeros(12), np.full(12, 0.1), distance])
    found = stats.dose_response(d, distance, 19)
    assert found.t[:2].tolist() == [0, 0]
    assert found.t[2] > 1e6
    assert found.best.tolist()[:2] == [-1, 0]
    assert found.r2[1, 2] == pytest.approx(1)


@pytest.mark.parametrize(("n", "distance", "message"), [
    (5, [1, 1, 1, 1, 1], "distance is 1 in every pair"),
    (5, [0, 0, 0, 0, 1], "Pair 4 alone decides the slope"),
    (5, [1, 2], r"each of the 5 pairs; got the shape \(2,\)"),
    (5, [1, 2, np.nan, 3, 4], "distance holds NaN or infinity, first at pair 2"),
    (3, [1, 2, 3], "at least 4 pairs; got 3"),
])  # fmt: skip
def test_unusable_distance_is_refused(n, distance, message):
    with pytest.raises(InputError, match=message):
        stats.dose_response(normal(n, 4), distance)


# -- length ------------------------------------------------------------------------------------


def test_length_is_statsmodels():
    x = np.random.default_rng(2).integers(-2, 8, 15).astype(float)
    d = normal(15, 7) + np.outer(x, np.linspace(-1, 1, 7)) + 0.4
    found = stats.length_adjusted(d, x, 50)
    for head in range(7):
        fit = sm.OLS(d[:, head], sm.add_constant(x)).fit()
        np.testing.assert_allclose([found.b0[head], found.b1[head]], fit.params, rtol=EXACT)
        assert found.t[head] == pytest.approx(fit.tvalues[0])
        alone = np.sqrt(fit.scale / 15)
        assert found.inflation == pytest.approx(fit.bse[0] / alone)
    assert found.df == 13
    assert not found.extrapolated


@pytest.mark.parametrize("n_flips", [2**6, 40])
def test_length_flips_are_refits_of_flipped_pairs(n_flips):
    x = np.array([1.0, 3, 2, 0, 4, 7])
    d = normal(6, 5, mean=0.8) + 0.2 * x[:, None]
    found = stats.length_adjusted(d, x, n_flips, seed=4, thresholds=(1, 2))
    if n_flips == 64:
        signs = np.array([[-1 if row >> pair & 1 else 1 for pair in range(6)] for row in range(64)])
    else:
        signs = 1.0 - 2 * np.random.default_rng(4).integers(0, 2, size=(40, 6), dtype=np.int8)
    abs_t = np.array([
        [abs(sm.OLS(s * d[:, h], sm.add_constant(s * x, has_constant="add")).fit().tvalues[0]) for h in range(5)]
        for s in signs
    ])  # fmt: skip
    np.testing.assert_allclose(found.null.max_abs_t, abs_t.max(axis=1), rtol=1e-6)
    np.testing.assert_array_equal(found.null.counts[:, 1], (abs_t > 2).sum(axis=1))
    reached = (abs_t >= np.abs(found.t) * (1 - 1e-9)).sum(axis=0)
    np.testing.assert_allclose(found.p, reached / 64 if n_flips == 64 else (reached + 1) / 41)
    assert found.null.exhaustive == (n_flips == 64)


@pytest.mark.parametrize("n_flips", [2**8, 99])
def test_equal_lengths_give_the_plain_t_and_its_null(n_flips):
    d = normal(8, 20, mean=0.5)
    d[:, 0], d[:, 1] = 0, 0.1
    found, null = stats.length_adjusted(d, np.zeros(8), n_flips), stats.sign_flip_null(d, n_flips)
    np.testing.assert_allclose(found.t, stats.paired_t(d))
    np.testing.assert_allclose(found.b0, d.mean(axis=0), atol=1e-15)
    assert (found.df, found.inflation, found.extrapolated) == (7, 1, False)
    np.testing.assert_array_equal(found.null.counts, null.counts)
    if n_flips == 256:
        np.testing.assert_allclose(found.p, stats.exact_p(d))


def test_length_is_extrapolated_where_no_pair_is_equal():
    d = normal(6, 3)
    far = stats.length_adjusted(d, [5, 6, 7, 8, 6, 7])
    assert far.extrapolated
    assert far.inflation > 5
    assert not stats.length_adjusted(d, [0, 6, 7, 8, 6, 7]).extrapolated
    assert not stats.length_adjusted(d, [-1, 6, 7, 8, 6, 7]).extrapolated


def test_a_flip_along_the_lengths_counts_as_infinite():
    found = stats.length_adjusted(normal(6, 4), [2, -2, 2, 2, -2, 2], 64)
    assert np.isinf(found.null.max_abs_t).sum() == 2
    assert found.p.min() >= 4 / 64


def test_flipping_length_along_keeps_the_level_and_flipping_d_alone_does_not():
    """40 sets of lengths, 100 heads each with an effect of length and none at equal length."""
    rng = np.random.default_rng(7)
    together, alone = [], []
    for simulation in range(40):
        x = rng.integers(-1, 4, 10) + 0.01
        d = 2 * x[:, None] + rng.normal(size=(10, 100))
        together.append(stats.length_adjusted(d, x, 199, seed=simulation).p)
        # d alone: the same regression of s·d on x as it is
        q, _ = np.linalg.qr(x[:, None])
        rest = 1 - q[:, 0] * q[:, 0].sum()

        def t_of(y, q=q, rest=rest):
            e = y - q @ (q.T @ y)
            r = (rest @ e) / np.sqrt((rest @ rest) * (e * e).sum(axis=0))
            return np.abs(r) * np.sqrt(8 / (1 - r * r))

        null = np.array([t_of(d * s[:, None]) for s in rng.choice([-1.0, 1.0], (99, 10))])
        alone.append(((null >= t_of(d)).sum(axis=0) + 1) / 100)
    size, wrong = (np.concatenate(p) <= 0.05 for p in (together, alone))
    print(f"length: together {size.mean():.3f}, d alone {wrong.mean():.3f}")
    # Sets differ in their lengths; the spread over 40 sets, not over heads, is what chance leaves.
    error = np.array([(p <= 0.05).mean() for p in together]).std() / np.sqrt(40)
    assert abs(size.mean() - 0.05) < 4 * max(error, 0.0035)
    assert wrong.mean() > 0.1


@pytest.mark.parametrize(("n", "x", "message"), [
    (5, [3, 3, 3, 3, 3], "delta_length is 3 in every pair"),
    (3, [1, 2, 3], "at least 4 pairs; got 3"),
    (5, [1, 2, 3], "each of the 5 pairs"),
])  # fmt: skip
def test_unusable_length_is_refused(n, x, message):
    with pytest.raises(InputError, match=message):
        stats.length_adjusted(normal(n, 4), x)


# -- transfer ----------------------------------------------------------------------------------


def test_transfer_by_hand():
    pose, control = normal(9, 30, mean=0.3), normal(9, 30, seed=1)
    groups = np.array([0, 0, 0, 1, 1, 2, 3, 4, 4])
    found = stats.axis_transfer(pose, control, folds=3, seed=2, groups=groups, n_flips=2**5)
    assert all(len(set(found.folds[groups == g])) == 1 for g in range(5))

    def auc(p, c):
        wins = total = 0
        for k in range(3):
            held, train = found.folds == k, found.folds != k
            scale = np.sqrt((np.concatenate([p[train], c[train]]) ** 2).mean(axis=0))
            axis = (p[train] / scale).mean(axis=0)
            a, b = (p[held] / scale) @ axis, (c[held] / scale) @ axis
            wins += (a[:, None] > b).sum()
            total += len(a) * len(b)
            np.testing.assert_array_equal(held.sum(), len(a))
        return wins / total

    assert found.auc == pytest.approx(auc(pose, control))
    # Bit g of the row number exchanges group g.
    for row, value in enumerate(found.null):
        swap = np.array([row >> g & 1 for g in groups], dtype=bool)[:, None]
        assert value == pytest.approx(auc(np.where(swap, control, pose), np.where(swap, pose, control)))
    assert found.p == (found.null >= found.auc - 1e-9).mean()
    held = found.folds == 0
    scale = np.sqrt((np.concatenate([pose[~held], control[~held]]) ** 2).mean(axis=0))
    axis = (pose[~held] / scale).mean(axis=0)
    np.testing.assert_allclose(found.scores[held, 0], pose[held] / scale @ axis / np.linalg.norm(axis))


def test_transfer_finds_an_axis_and_ignores_scales():
    truth = np.random.default_rng(3).normal(size=200)
    pose, control = normal(25, 200) + 0.5 * truth, normal(25, 200, seed=1)
    found = stats.axis_transfer(pose, control, n_flips=199)
    assert (found.auc, found.p) == (1, 1 / 200)
    scale = 10.0 ** np.random.default_rng(4).uniform(-6, 6, 200)
    silent = [np.column_stack([x * scale, np.zeros(25)]) for x in (pose, control)]
    np.testing.assert_allclose(stats.axis_transfer(*silent, n_flips=199).null, found.null)


def test_transfer_keeps_its_level_where_rows_of_a_subject_share_their_shift():
    """40 heads, 6 subjects of 3 rows, pose and control alike: exchanged by subject, p <= 0.05 in 5 %."""
    rng = np.random.default_rng(6)
    groups = np.repeat(np.arange(6), 3)
    p, leaked = [], []
    for simulation in range(1000):
        pose, control = (np.repeat(rng.normal(size=(6, 40)), 3, axis=0) + 0.5 * rng.normal(size=(18, 40)) for _ in "ab")
        p.append(stats.axis_transfer(pose, control, 3, simulation, groups, n_flips=64).p)
        if simulation < 100:
            leaked.append(stats.axis_transfer(pose, control, 3, simulation, n_flips=63).auc)
    hits, _, high = rates(p)
    print(f"transfer size {hits / 1000:.3f}; AUC with subjects in both sides of a fold {np.mean(leaked):.2f}")
    assert 15 <= hits <= high
    assert np.mean(leaked) > 0.6


@pytest.mark.parametrize(("arguments", "message"), [
    ({"folds": 7}, "from 2 to the 6 groups; got 7"),
    ({"folds": 1}, "from 2 to the 6 groups; got 1"),
    ({"folds": 5, "groups": [0, 0, 1, 1, 2, 2]}, "from 2 to the 3 groups; got 5"),
    ({"groups": [0, 1]}, "one label for each of the 6 rows"),
    ({"folds": 0}, "folds must be a whole number"),
])  # fmt: skip
def test_unusable_folds_are_refused(arguments, message):
    with pytest.raises(InputError, match=message):
        stats.axis_transfer(normal(6, 4), normal(6, 4, seed=1), **arguments)


def test_transfer_needs_heads_that_vary():
    with pytest.raises(InputError, match="No head varies"):
        stats.axis_transfer(np.zeros((6, 4)), np.zeros((6, 4)))


# -- factorial designs -------------------------------------------------------------------------


def test_canonical_effect_by_hand_and_by_regression():
    few_e, few_c, many_e, many_c = cells = normal(4 * 9, 3).reshape(4, 9, 3) + np.array([2, 0, 5, 1])[:, None, None]
    found = stats.canonical_effect(*cells)
    np.testing.assert_allclose(found.canonical, ((few_e - few_c) + (many_e - many_c)) / 2)
    np.testing.assert_allclose(found.articulation.mean(axis=0), ((many_e + many_c) - (few_e + few_c)).mean(axis=0) / 2)
    np.testing.assert_allclose(found.interaction, many_e - many_c - few_e + few_c)
    from statsmodels.stats.anova import AnovaRM

    rows = [
        {"y": cells[2 * many + canonical, subject, 0], "many": many, "canonical": canonical, "subject": subject}
        for many, canonical, subject in product((0, 1), (0, 1), range(9))
    ]
    table = AnovaRM(pd.DataFrame(rows), "y", "subject", ["many", "canonical"]).fit().anova_table["F Value"]
    for name, effect in {
        "canonical": found.canonical,
        "many": found.articulation,
        "many:canonical": found.interaction,
    }.items():
        assert stats.paired_t(effect)[0] ** 2 == pytest.approx(table[name])


def test_canonical_effect_refuses_other_shapes():
    with pytest.raises(InputError, match=r"four cells must hold the same.*\(5, 4\), \(5, 4\), \(6, 4\)"):
        stats.canonical_effect(*[np.zeros((n, 4)) for n in (5, 5, 6, 5)])


def test_two_way_is_statsmodels():
    shift = normal(25, 4).reshape(5, 5, 4) + np.arange(5)[:, None, None] * 0.5
    shift = shift[:, :4]
    found = stats.two_way(shift)
    body, clothes = np.indices((5, 4))
    for head in range(4):
        frame = pd.DataFrame({"y": shift[..., head].ravel(), "body": body.ravel(), "clothes": clothes.ravel()})
        table = sm.stats.anova_lm(ols("y ~ C(body) + C(clothes)", frame).fit())
        np.testing.assert_allclose([found.f_rows[head], found.f_columns[head]], table["F"].iloc[:2])
        np.testing.assert_allclose([found.p_rows[head], found.p_columns[head]], table["PR(>F)"].iloc[:2])
    assert (found.df_rows, found.df_columns, found.df_error) == (4, 3, 12)


def test_two_way_keeps_its_level_and_stands_flat_heads():
    shift = normal(25, 4000, seed=3).reshape(5, 5, 4000) + np.arange(5)[:, None, None]
    shift[..., 0], shift[..., 1], shift[..., 2] = 0, 0.1, np.arange(5)[:, None]
    with np.errstate(all="raise"):
        found = stats.two_way(shift)
    hits, low, high = rates(found.p_columns[3:])
    assert low <= hits <= high
    assert (found.p_rows[3:] <= 0.05).mean() > 0.95
    assert found.f_rows[:3].tolist() == [0, 0, np.inf]
    assert found.f_columns[:3].tolist() == [0, 0, 0]


@pytest.mark.parametrize(("shift", "message"), [
    (np.zeros((5, 5)), "shape"),
    (np.zeros((1, 5, 3)), "two of each"),
    (np.full((3, 3, 2), np.nan), "NaN or infinity"),
])  # fmt: skip
def test_two_way_refuses(shift, message):
    with pytest.raises(InputError, match=message):
        stats.two_way(shift)
