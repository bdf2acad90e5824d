"""Matched sets of heads: against enumeration by hand, and what every set must meet."""

from itertools import combinations

import numpy as np
import pytest

from plantain import stats
from plantain.errors import InputError

pytestmark = pytest.mark.filterwarnings("error")

STRATA = np.repeat([0, 1, 2], 25)


def sizes(n_heads, seed=0, spread=0.6):
    return np.exp(spread * np.random.default_rng(seed).normal(size=n_heads))


def by_hand(chosen, strata, most_shared):
    """Every admissible set, as sorted tuples."""
    chosen, wanted = set(chosen), sorted(strata[list(chosen)])
    limit = min(int(most_shared * len(chosen) + 1e-9), len(chosen) - 1)
    return {
        heads
        for heads in combinations(range(len(strata)), len(chosen))
        if sorted(strata[list(heads)]) == wanted and len(chosen & set(heads)) <= limit
    }


def hold(found, chosen, strata, size, most_shared=0.5, tolerance=0.1):
    """What every answer of one fold must meet."""
    k = len(chosen)
    assert (np.diff(found.sets, axis=1) > 0).all()
    assert len(np.unique(found.sets, axis=0)) == len(found)
    assert (np.sort(strata[found.sets], axis=1) == np.sort(strata[chosen])).all()
    shared = np.isin(found.sets, chosen).sum(axis=1)
    np.testing.assert_array_equal(found.shared, shared)
    assert (shared <= min(int(most_shared * k + 1e-9), k - 1)).all()
    ratio = np.sqrt((size[found.sets] ** 2).sum(axis=1) / (size[chosen] ** 2).sum())
    np.testing.assert_allclose(found.ratio, ratio, rtol=1e-12)
    inside = np.abs(ratio - 1) <= tolerance
    assert inside[: found.within].all()
    assert not inside[found.within :].any()
    assert (np.diff(np.abs(np.log(ratio[found.within :]))) >= 0).all()


@pytest.mark.parametrize("most_shared", [0, 0.5, 1])
@pytest.mark.parametrize("chosen", [[4], [0, 9], [1, 2, 3], [0, 1, 5, 9]])
def test_all_admissible_sets_are_found(chosen, most_shared):
    strata, size = np.array([0] * 5 + [1] * 6), sizes(11)
    expected = by_hand(chosen, strata, most_shared)
    found = stats.matched_sets(chosen, strata, size, 1000, most_shared=most_shared)
    assert found.exhaustive
    assert {tuple(row) for row in found.sets.tolist()} == expected
    hold(found, chosen, strata, size, most_shared)


def test_without_enumeration_the_same_sets_are_found():
    chosen, strata, size = [0, 1, 7], np.array([0] * 5 + [1] * 6), sizes(11)
    found = stats.matched_sets(chosen, strata, size, 1000, most_enumerated=0)
    assert not found.exhaustive
    assert {tuple(row) for row in found.sets.tolist()} == by_hand(chosen, strata, 0.5)


def test_the_nearest_fill_up():
    chosen, strata, size = np.array([0, 6]), np.array([0] * 5 + [1] * 6), sizes(11)
    found = stats.matched_sets(chosen, strata, size, 12, tolerance=0.05)
    every = np.array(sorted(by_hand(chosen, strata, 0.5)))
    distance = np.abs(np.log((size[every] ** 2).sum(axis=1) / (size[chosen] ** 2).sum()) / 2)
    assert 0 < found.within < len(found) == 12
    np.testing.assert_allclose(np.sort(np.abs(np.log(found.ratio))), np.sort(distance)[:12], rtol=1e-12)


@pytest.mark.parametrize("n_heads", [75, 510])
@pytest.mark.parametrize("k", [1, 2, 4, 12, 30])
def test_drawn_sets_match(k, n_heads):
    rng = np.random.default_rng(k)
    strata, size = np.repeat([0, 1, 2], n_heads // 3), sizes(n_heads, seed=1)
    score = 0.5 * np.log(size) / 0.6 + np.sqrt(0.75) * rng.normal(size=n_heads)
    chosen = np.argsort(-score)[:k]
    found = stats.matched_sets(chosen, strata, size)
    hold(found, chosen, strata, size)
    assert len(found) == (n_heads // 3 - 1 if (k, n_heads) == (1, 75) else 100)
    if k >= 4:
        assert found.within >= 95
        assert abs(found.ratio.mean() - 1) < 0.04


@pytest.mark.parametrize("k", [1, 5, 20])
def test_the_largest_heads_have_no_match_and_the_ratio_tells(k):
    size = sizes(75)
    chosen = np.argsort(-size)[:k]
    found = stats.matched_sets(chosen, STRATA, size)
    hold(found, chosen, STRATA, size)
    assert (found.ratio < 1).all() or k == 1
    # What is nearest is known: the most that may be shared, and the largest of the others.
    best = 0.0
    for kept in combinations(range(k), k // 2) if k < 20 else []:
        rest = [s for s in np.unique(STRATA[chosen]) for _ in range((STRATA[np.delete(chosen, kept)] == s).sum())]
        others = np.setdiff1d(np.argsort(-size), chosen)
        total = (size[chosen[list(kept)]] ** 2).sum()
        for s in set(rest):
            total += (np.sort(size[others[STRATA[others] == s]] ** 2)[::-1][: rest.count(s)]).sum()
        best = max(best, np.sqrt(total / (size[chosen] ** 2).sum()))
    if k == 5:
        assert found.ratio.max() == pytest.approx(best, rel=0.01)


def test_draws_are_by_weight_with_and_without_enumeration():
    """Heads are in the sets as often, whichever way; 4 heads of 16, so that both are possible."""
    strata, size, chosen = np.zeros(16, dtype=int), sizes(16, seed=4, spread=0.3), [0, 3, 8, 12]
    often = []
    for most in (20_000, 0):
        found = [stats.matched_sets(chosen, strata, size, 10, seed, most_enumerated=most) for seed in range(60)]
        assert all(sets.within == 10 for sets in found)
        often.append(np.bincount(np.concatenate([sets.sets.ravel() for sets in found]), minlength=16) / 600)
    # 600 draws of a share near 1/4: standard error of a difference 0.025.
    np.testing.assert_allclose(often[0], often[1], atol=0.1)


def test_seeds():
    size, chosen = sizes(75), np.arange(0, 60, 10)
    one, same, other = (stats.matched_sets(chosen, STRATA, size, seed=seed) for seed in (3, 3, 4))
    np.testing.assert_array_equal(one.sets, same.sets)
    assert not np.array_equal(one.sets, other.sets)
    turned = stats.matched_sets(chosen[::-1], STRATA, size, seed=3)
    np.testing.assert_array_equal(one.sets, turned.sets)


def test_many_sets_are_distinct():
    size, chosen = sizes(75), np.array([0, 1, 30, 60])
    found = stats.matched_sets(chosen, STRATA, size, 2000)
    assert len(found) == 2000
    hold(found, chosen, STRATA, size)


def test_no_set_where_the_overlap_allows_none():
    found = stats.matched_sets([0, 1, 2], [0, 0, 0, 0, 1], np.ones(5))
    assert (len(found), found.within, found.exhaustive, found.sets.shape) == (0, 0, True, (0, 3))
    assert np.isnan(found.alike)
    folds = stats.matched_sets([[0, 1, 2], [1, 2, 3]], [0, 0, 0, 0, 1], np.ones(5))
    assert folds.sets.shape == (0, 2, 3)


def test_alike_by_hand():
    """Single heads share none; of pairs out of three heads without one, any two share one."""
    assert stats.matched_sets([0], [0] * 5, np.ones(5)).alike == 0
    found = stats.matched_sets([0, 1], [0, 0, 0, 0], np.ones(4), most_shared=0.5)
    pairs = list(combinations(found.sets.tolist(), 2))
    assert found.alike == pytest.approx(np.mean([len(set(a) & set(b)) / 2 for a, b in pairs]))


def test_folds_overlap_as_the_chosen_ones_do():
    rng, size = np.random.default_rng(5), sizes(75)
    base = rng.normal(size=75)
    folds = np.argsort(-(base + 0.3 * rng.normal(size=(5, 75))), axis=1)[:, :8]
    found = stats.matched_sets(folds, STRATA, size)
    assert found.sets.shape == (100, 5, 8)
    assert found.within == 100
    assert len(np.unique(found.sets.reshape(100, -1), axis=0)) == 100
    for k, fold in enumerate(folds):
        assert (np.diff(found.sets[:, k], axis=1) > 0).all()
        np.testing.assert_array_equal(found.shared[:, k], np.isin(found.sets[:, k], fold).sum(axis=1))
        assert (found.shared[:, k] <= 4).all()
        ratio = np.sqrt((size[found.sets[:, k]] ** 2).sum(axis=1) / (size[fold] ** 2).sum())
        np.testing.assert_allclose(found.ratio[:, k], ratio, rtol=1e-12)
        assert (np.sort(STRATA[found.sets[:, k]], axis=1) == np.sort(STRATA[fold])).all()
    for a, b in combinations(range(5), 2):
        common = len(np.intersect1d(folds[a], folds[b]))
        assert all(len(np.intersect1d(row[a], row[b])) == common for row in found.sets)


def test_folds_that_agree_are_one():
    size, chosen = sizes(75), np.array([4, 40])
    one, folds = stats.matched_sets(chosen, STRATA, size), stats.matched_sets([[4, 40], [40, 4]], STRATA, size)
    assert folds.exhaustive
    np.testing.assert_array_equal(folds.sets[:, 0], one.sets)
    np.testing.assert_array_equal(folds.sets[:, 1], one.sets)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"chosen": [0, 0]}, "names a head twice"),
        ({"chosen": [0, 6]}, "from 0 to 5; got 0 to 6"),
        ({"chosen": [-1]}, "from 0 to 5"),
        ({"chosen": []}, "must hold head numbers"),
        ({"chosen": [0.5]}, "must hold head numbers"),
        ({"strata": [0.0] * 6}, "one whole number and one size for each head"),
        ({"size": np.ones(5)}, "one whole number and one size for each head"),
        ({"size": [1, 1, 0, 1, 1, 1]}, "head 2 has 0.0"),
        ({"size": [1, np.nan, 0, 1, 1, 1]}, "head 1 has nan"),
        ({"n_sets": 0}, "n_sets must be a whole number of at least 1"),
        ({"most_shared": 1.5}, "from 0 to 1; got 1.5"),
        ({"tolerance": 0}, "must be a positive share"),
        ({"most_enumerated": -1}, "most_enumerated"),
    ],
)
def test_bad_input(change, message):
    given = {"chosen": [0, 3], "strata": [0, 0, 0, 1, 1, 1], "size": np.ones(6)} | change
    with pytest.raises(InputError, match=message):
        stats.matched_sets(**given)
