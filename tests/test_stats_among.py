"""One value among others, two rankings given a third, two curves, a mean over pairs: against SciPy and by hand."""

from itertools import permutations

import numpy as np
import pytest
from scipy import stats as scipy_stats
from scipy.integrate import trapezoid

from plantain import stats
from plantain.errors import InputError

pytestmark = pytest.mark.filterwarnings("error")

TOLERANCE = 1e-12


def test_place_by_hand():
    found = stats.place_among(2.0, [1, 2, 3, 0])
    assert (float(found.p), float(found.below), found.n_others) == (3 / 5, 0.5, 4)
    assert stats.place_among(9, [1, 2, 3]).p == 1 / 4


def test_places_of_an_array_are_its_own():
    rng = np.random.default_rng(0)
    observed, others = rng.normal(size=(3, 2)), rng.normal(size=(50, 3, 2))
    found = stats.place_among(observed, others)
    for at in np.ndindex(3, 2):
        one = stats.place_among(observed[at], others[(slice(None), *at)])
        assert (one.p, one.below) == (found.p[at], found.below[at])


def test_no_others_no_p():
    found = stats.place_among([1.0, 2.0], np.empty((0, 2)))
    assert np.isnan(found.p).all()
    assert np.isnan(found.below).all()
    assert found.n_others == 0


def test_p_of_one_like_the_others_is_uniform():
    values = np.random.default_rng(1).normal(size=(100, 2000))
    p = stats.place_among(values[0], values[1:]).p
    assert scipy_stats.kstest(p, "uniform").pvalue > 0.01


@pytest.mark.parametrize(
    ("observed", "others", "message"),
    [
        (1.0, 2.0, "one row for each other set"),
        ([1.0, 2.0], [[1.0], [2.0]], "one row for each other set"),
        (np.nan, [1.0], "cannot place NaN"),
        (1.0, [np.nan], "cannot place NaN"),
    ],
)
def test_place_bad_input(observed, others, message):
    with pytest.raises(InputError, match=message):
        stats.place_among(observed, others)


def test_a_constant_leaves_spearman():
    rng = np.random.default_rng(2)
    x = rng.integers(0, 8, size=30)  # with ties
    y = x + 3 * rng.normal(size=30)
    found = stats.partial_spearman(x, y, np.ones(30), 2000)
    expected = scipy_stats.spearmanr(x, y)
    assert found.r == pytest.approx(expected.statistic, abs=TOLERANCE)
    assert found.p == pytest.approx(expected.pvalue, abs=0.02)
    assert len(found.null) == 2000


def test_partial_is_the_formula_and_the_residuals():
    rng = np.random.default_rng(3)
    given = rng.normal(size=40)
    x, y = given + rng.normal(size=40), given + rng.normal(size=40)
    xy, xg, yg = (scipy_stats.spearmanr(a, b).statistic for a, b in ((x, y), (x, given), (y, given)))
    found = stats.partial_spearman(x, y, given, 1)
    assert found.r == pytest.approx((xy - xg * yg) / np.sqrt((1 - xg**2) * (1 - yg**2)), abs=TOLERANCE)
    rx, ry, rg = (scipy_stats.rankdata(a) for a in (x, y, given))
    left = [r - np.polyval(np.polyfit(rg, r, 1), rg) for r in (rx, ry)]
    assert found.r == pytest.approx(np.corrcoef(left)[0, 1], abs=1e-10)


def test_the_null_is_that_of_all_permutations():
    """Five heads: 120 permutations by hand, refitted, against many random ones."""
    x, y, given = np.array([1, 3, 2, 5, 4]), np.array([2, 5, 1, 4, 3]), np.array([1, 2, 3, 5, 4])
    design = np.column_stack([np.ones(5), given])
    hat = design @ np.linalg.pinv(design)
    ex, ey = x - hat @ x, y - hat @ y
    every = []
    for order in permutations(range(5)):
        again = hat @ x + ex[list(order)]
        again = again - hat @ again
        every.append(again @ ey / np.linalg.norm(again) / np.linalg.norm(ey))
    found = stats.partial_spearman(x, y, given, 20_000)
    r = ex @ ey / np.linalg.norm(ex) / np.linalg.norm(ey)
    assert found.r == pytest.approx(r, abs=TOLERANCE)
    assert found.p == pytest.approx(np.mean(np.abs(every) >= abs(r) - 1e-9), abs=0.015)
    assert np.abs(found.null[:, None] - np.array(every)).min(axis=1).max() < 1e-9


def test_partial_p_is_uniform_where_given_explains_all():
    p = []
    for i in range(500):
        rng = np.random.default_rng([4, i])
        given = rng.normal(size=40)
        x, y = given + rng.normal(size=40), given + rng.normal(size=40)
        p.append(stats.partial_spearman(x, y, given, 199, seed=i).p)
    low, high = scipy_stats.binom.interval(0.99, 500, 0.05)
    assert low <= (np.array(p) <= 0.05).sum() <= high
    assert scipy_stats.kstest(p, "uniform").pvalue > 0.01


def test_partial_seeds_and_nothing_left():
    rng = np.random.default_rng(5)
    x, y, given = rng.normal(size=(3, 20))
    one, same, other = (stats.partial_spearman(x, y, given, 50, seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one.null, same.null)
    assert not np.array_equal(one.null, other.null)
    for nothing in (np.ones(20), np.exp(given), -given):
        found = stats.partial_spearman(nothing, y, given, 50)
        assert np.isnan([found.r, found.p, *found.null]).all()


@pytest.mark.parametrize(
    ("x", "y", "given", "n", "message"),
    [
        ([1, 2, 3], [1, 2, 3], [1, 2, 3], 9, "at least 4 heads"),
        ([1, 2, 3, 4], [1, 2, 3, 4], [1, 2, 3], 9, "one number for each"),
        ([1, 2, 3, np.nan], [1, 2, 3, 4], [1, 2, 3, 4], 9, "must not hold NaN"),
        ([1, 2, 3, 4], [1, 2, 4, 3], [1, 1, 2, 2], 0, "n_permutations"),
    ],
)
def test_partial_bad_input(x, y, given, n, message):
    with pytest.raises(InputError, match=message):
        stats.partial_spearman(x, y, given, n)


def test_area_is_the_trapezoid_over_the_range():
    rng = np.random.default_rng(6)
    x, upper, lower = np.array([1, 2, 5, 10, 30]), rng.normal(size=(4, 5)), rng.normal(size=5)
    expected = (trapezoid(upper, x, axis=1) - trapezoid(lower, x)) / 29
    np.testing.assert_allclose(stats.area_between(x, upper, lower), expected, atol=TOLERANCE)
    assert stats.area_between([0, 1, 4], [3, 3, 3], [1, 1, 1]) == 2
    assert stats.area_between([0, 1], [0, 0], [1, 1]) == -1


@pytest.mark.parametrize(
    ("x", "upper", "lower", "message"),
    [
        ([1], [1], [1], "at least 2 finite numbers that rise"),
        ([1, 1], [1, 1], [1, 1], "at least 2 finite numbers that rise"),
        ([1, 2], [1, 1, 1], [1, 1], "a value at each of the 2 x"),
        ([1, 2], [1, 1], 0, "a value at each of the 2 x"),
        ([1, 2], [1, np.nan], [1, 1], "NaN or infinity"),
    ],
)
def test_area_bad_input(x, upper, lower, message):
    with pytest.raises(InputError, match=message):
        stats.area_between(x, upper, lower)


@pytest.mark.parametrize("level", [0.9, 0.95])
def test_interval_is_scipys(level):
    y = np.random.default_rng(7).normal(size=(12, 3))
    found = stats.mean_interval(y, level)
    expected = scipy_stats.ttest_1samp(y, 0).confidence_interval(level)
    np.testing.assert_allclose(found.low, expected.low, atol=TOLERANCE)
    np.testing.assert_allclose(found.high, expected.high, atol=TOLERANCE)
    np.testing.assert_allclose(found.mean, y.mean(axis=0), atol=TOLERANCE)
    assert (found.n_pairs, found.level) == (12, level)


def test_interval_of_equal_values_has_no_width():
    found = stats.mean_interval([0.5, 0.5, 0.5])
    assert found.low == found.mean == found.high == 0.5


@pytest.mark.parametrize(
    ("values", "level", "message"),
    [
        ([1, 2], 0.95, "at least 3 pairs; got 2"),
        (1.0, 0.95, "at least 3 pairs; got 1"),
        ([1, 2, np.inf], 0.95, "first at pair 2"),
        ([1, 2, 3], 95, "level must lie between 0 and 1"),
    ],
)
def test_interval_bad_input(values, level, message):
    with pytest.raises(InputError, match=message):
        stats.mean_interval(values, level)
