"""Sizes of two contrasts: definitions by hand, their null, and simulated wording, pose and mixtures."""

import numpy as np
import pytest
from scipy import stats as scipy_stats

from plantain import stats
from plantain.errors import InputError

pytestmark = pytest.mark.filterwarnings("error")

N, HEADS = 16, 100


def noise(rng, n=N, heads=HEADS):
    """Heads that share three factors."""
    return 0.6 * rng.normal(size=(n, 3)) @ rng.normal(size=(3, heads)) + rng.normal(size=(n, heads))


def simulate(make, n_sets, threshold, n_flips=99):
    """(n_sets, 5): n_larger, n_smaller, p_larger, p_smaller, p_excess."""
    rng = np.random.default_rng(3)
    rows = []
    for simulation in range(n_sets):
        pose, control = make(rng)
        pose, control = pose + noise(rng), control + noise(rng)
        found = stats.selectivity(pose, control, threshold)
        null = stats.selectivity_null(pose, control, threshold, n_flips, seed=simulation)
        rows.append((found.n_larger, found.n_smaller, null.p_larger, null.p_smaller, null.p_excess))
    return np.array(rows)


def test_selectivity_by_hand():
    rng = np.random.default_rng(0)
    mean = np.array([[3, 1], [-3, 1], [1, -3], [1, 3], [3, 3], [3, -3], [0, 0]]).T
    pose, control = (m + 0.1 * rng.normal(size=(10, 7)) for m in mean)
    pose[:, 6] = control[:, 6] = 0
    found = stats.selectivity(pose, control, 6)
    assert found.larger.tolist() == [True, True, False, False, False, False, False]
    assert found.smaller.tolist() == [False, False, True, True, False, False, False]
    assert (found.n_larger, found.n_smaller) == (2, 2)
    np.testing.assert_allclose(found.t_minus[:6], scipy_stats.ttest_rel(pose, control).statistic[:6])
    np.testing.assert_allclose(found.t_plus[:6], scipy_stats.ttest_rel(pose, -control).statistic[:6])


def test_selectivity_turns_with_its_arguments():
    rng = np.random.default_rng(1)
    pose, control = noise(rng) + 1, noise(rng)
    one, turned, signed = (stats.selectivity(*x, 2) for x in ((pose, control), (control, pose), (-pose, control)))
    np.testing.assert_array_equal(one.larger, turned.smaller)
    np.testing.assert_array_equal(one.larger, signed.larger)
    assert one.n_larger > 0


def test_null_is_that_of_exchanged_subjects():
    """Heads of equal size and sign: a flip is a real exchange of pose and control."""
    rng = np.random.default_rng(2)
    base = rng.normal(0, 3, HEADS)
    pose, control = base + noise(rng), base + noise(rng)
    strong = np.abs(base) > 2  # there it is p - c that is flipped
    pose, control = pose[:, strong], control[:, strong]
    null = stats.selectivity_null(pose, control, 1.5, n_flips=30, seed=5)
    signs = 1 - 2 * np.random.default_rng(5).integers(0, 2, size=(30, N), dtype=np.int8)
    for k, row in enumerate(signs):
        swap = (row < 0)[:, None]
        found = stats.selectivity(np.where(swap, control, pose), np.where(swap, pose, control), 1.5)
        assert (found.n_larger, found.n_smaller) == (null.larger[k], null.smaller[k])


def test_small_sets_are_enumerated():
    rng = np.random.default_rng(2)
    null = stats.selectivity_null(5 + noise(rng, 6), noise(rng, 6), 1.5, n_flips=64)
    assert null.exhaustive
    assert len(null.larger) == 64
    assert null.larger.tolist() == null.smaller[::-1].tolist()
    assert null.p_larger == (null.larger >= null.larger[0]).mean()


def equal(rng):
    base = rng.normal(0, 2, HEADS)
    return base, base * rng.choice([-1, 1], HEADS)


def wording(rng):
    return rng.normal(0, 1.5, HEADS), rng.normal(0, 1.5, HEADS)


def pose_only(rng):
    return rng.normal(0, 1.5, HEADS), np.zeros(HEADS)


def mixture(rng):
    both = rng.normal(0, 1.5, (2, HEADS))
    both[0] += np.where(rng.random(HEADS) < 0.4, 2.0 * np.sign(both[0]), 0)
    return both


def test_equal_sizes_are_called_at_the_nominal_rate():
    found = simulate(equal, 1000, threshold=2.0)
    limit = scipy_stats.binom.ppf(0.999, 1000, 0.05)
    rates = (found[:, 2:] <= 0.05).mean(axis=0)
    print(f"equal size: larger {found[:, 0].mean():.2f}, smaller {found[:, 1].mean():.2f}, p<=.05 {rates}")
    assert ((found[:, 2:] <= 0.05).sum(axis=0) <= limit).all()
    assert (rates > 0.005).all()
    # One side of one t at most: intersection-union.
    assert found[:, 0].mean() / HEADS <= scipy_stats.t.sf(2, N - 1) * 1.1


def test_flipping_pose_and_control_together_is_not_valid():
    rng = np.random.default_rng(4)
    rejected = 0
    for _ in range(40):
        pose, control = equal(rng)
        pose, control = pose + noise(rng), control + noise(rng)
        signs = rng.choice([-1, 1], (39, N, 1))
        null = np.array([stats.selectivity(pose * s, control * s, 2).n_larger for s in signs])
        rejected += (null >= stats.selectivity(pose, control, 2).n_larger).sum() + 1 <= 2
    print(f"flipped together: rejected {rejected}/40")
    assert rejected > 10


def test_wording_alone_gives_larger_and_smaller_alike():
    found = simulate(wording, 300, threshold=3.0)
    larger, smaller = found[:, 0], found[:, 1]
    rates = (found[:, 2:] <= 0.05).mean(axis=0)
    print(f"wording: larger {larger.mean():.2f}, smaller {smaller.mean():.2f}, p<=.05 {rates}")
    assert larger.mean() > 5
    assert abs((larger - smaller).mean()) < 4 * (larger - smaller).std() / np.sqrt(300)


def test_pose_alone_gives_far_more_larger():
    found = simulate(pose_only, 100, threshold=3.0)
    print(f"pose: larger {found[:, 0].mean():.2f}, smaller {found[:, 1].mean():.2f}")
    assert found[:, 0].mean() > 100 * max(found[:, 1].mean(), 0.1)
    assert (found[:, 2] <= 0.05).all()


def test_a_mixture_lies_between():
    found = simulate(mixture, 100, threshold=3.0)
    ratio = found[:, 0].mean() / found[:, 1].mean()
    print(f"mixture: larger {found[:, 0].mean():.2f}, smaller {found[:, 1].mean():.2f}")
    assert 1.3 < ratio < 10


# -- among controls ----------------------------------------------------------------------------


def test_placed_among():
    found = stats.placed_among(7, [1, 7, 9, 2])
    assert (found.n_at_least, found.n_others, found.p) == (2, 4, 3 / 5)
    assert found.ratio == pytest.approx(7 / 9)
    assert stats.placed_among(10, range(8)).p == pytest.approx(1 / 9)
    assert stats.placed_among(3, [0, 0]).ratio == np.inf


def test_one_more_wording_is_placed_evenly():
    rng = np.random.default_rng(6)
    ps = []
    for _ in range(1000):
        means = rng.normal(0, rng.uniform(0.1, 1, (9, 1)), (9, 30))
        counts = [stats.mean_squared_effect(m + rng.normal(size=(8, 30))) for m in means]
        ps.append(stats.placed_among(counts[0], counts[1:]).p)
    seen = np.bincount(np.round(np.array(ps) * 9).astype(int), minlength=10)[1:]
    assert scipy_stats.chisquare(seen).pvalue > 0.001


@pytest.mark.parametrize(("value", "others"), [(1, []), (np.nan, [1]), (1, [np.nan])])
def test_placed_among_refuses(value, others):
    with pytest.raises(InputError, match="none of them NaN"):
        stats.placed_among(value, others)


@pytest.mark.parametrize("function", [stats.selectivity, stats.selectivity_null])
def test_unusable_contrasts_are_refused(function):
    with pytest.raises(InputError, match=r"pose and control must hold the same subjects.*\(5, 4\) and \(6, 4\)"):
        function(np.zeros((5, 4)), np.zeros((6, 4)))
    for threshold in (0, np.nan, np.inf):
        with pytest.raises(InputError, match="must be positive"):
            function(np.zeros((5, 4)), np.zeros((5, 4)), threshold)
