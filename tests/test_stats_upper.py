"""Counts of one direction: beside all flips, beside drawn ones, and where t ties with a cut or is infinite."""

import numpy as np
import pytest

from plantain import stats
from plantain.stats.flips import random_signs

EXACT = 1e-8

pytestmark = pytest.mark.filterwarnings("error")


@pytest.mark.parametrize("n", [5, 40])
def test_one_sided_counts_against_enumeration(n):
    rng = np.random.default_rng(n)
    s = rng.normal(np.array([0, 0, 0, 0.5, 1, 2]), size=(n, 6))
    count = stats.count_upper(s, n_flips=2**n if n == 5 else 500, thresholds=(1, 2))
    t = s.mean(axis=0) / (s.std(axis=0, ddof=1) / np.sqrt(n))
    np.testing.assert_allclose(count.t, t, atol=EXACT)
    assert count.counts == ((t > 1).sum(), (t > 2).sum())
    if n == 5:
        signs = np.array([[1 if row >> p & 1 else -1 for p in range(n)] for row in range(2**n)])[::-1]
    else:
        signs = random_signs(np.random.default_rng(0), 500, n)
    flipped = signs[:, :, None] * s
    every = flipped.mean(axis=1) / (flipped.std(axis=1, ddof=1) / np.sqrt(n))
    np.testing.assert_array_equal(count.null.counts, np.stack([(every > cut).sum(axis=1) for cut in (1, 2)], axis=1))
    np.testing.assert_allclose(count.null.max_abs_t, every.max(axis=1), rtol=EXACT if n == 5 else 1e-4)
    if n == 5:
        expected = [(every.max(axis=1) >= top - 1e-9 * abs(top)).mean() for top in t]
        np.testing.assert_allclose(count.max_p, expected, atol=EXACT)
        reached = [(every > cut).sum(axis=1) >= (t > cut).sum() for cut in (1, 2)]
        np.testing.assert_allclose(count.set_p, np.mean(reached, axis=1))


@pytest.mark.parametrize(
    "s",
    [
        np.full((6, 2), 0.1),
        np.array([[0, 1, 5, 5, 2, 1, 0, 4]]).T,
        np.array([[1, 6, 6, 6, 6]]).T,
        np.array([[3, -3, 3]]).T,
    ],
    ids=["constant", "t of exactly 3", "t of exactly 5", "one flip from constant"],
)
def test_what_was_observed_is_one_of_all_flips(s):
    """A p of 0 cannot be: the flip of no sign reaches what was observed, ties and infinities among it."""
    n = len(s)
    count = stats.count_upper(s, n_flips=2**n)
    assert count.null.smallest_p == 1 / 2**n
    assert min(*count.set_p, *count.max_p) >= count.null.smallest_p
    assert count.null.counts[0].tolist() == list(count.counts)
    assert count.null.max_abs_t[0] == count.t.max()
    assert count.null.max_abs_t[-1] == (-count.t).max()
    assert np.isinf(count.null.max_abs_t).any() == (np.abs(s) == np.abs(s[0])).all()


def test_a_head_that_falls_in_every_pair_reaches_its_own_flip():
    assert stats.count_upper(-np.arange(1.0, 7)[:, None], n_flips=64).max_p.tolist() == [1]


def test_no_head_reaches_a_cut_beyond_all_numbers():
    count = stats.count_upper(np.random.default_rng(0).normal(size=(6, 50)), n_flips=64, thresholds=(1e160,))
    assert not count.null.counts.any()


def test_a_head_that_falls_is_no_finding():
    s = np.random.default_rng(0).normal(-2, 1, size=(20, 3))
    count = stats.count_upper(s)
    assert count.counts == (0, 0)
    assert (count.max_p > 0.9).all()
