"""How sure one can be of a run's counts: each figure against its own definition."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats as scipy_stats

import plantain
from plantain.paths import RUNS
from plantain.questions.certainty import certainty_table, infer


@pytest.fixture(scope="module", params=["card", "head"])
def both(request):
    result = plantain.load_result(RUNS / "posebox")
    summary = plantain.summarise(result, request.param)
    return result, summary, infer(result, summary)


def test_discoveries_are_those_of_scipy_on_t_p(both):
    _, summary, found = both
    p = 2 * scipy_stats.t.sf(np.abs(summary.t), 24)
    for method, n in (("bh", found.n_bh), ("by", found.n_by)):
        assert n == (scipy_stats.false_discovery_control(p, method=method) <= 0.05).sum()
    assert found.n_by <= found.n_bh


def test_fwer_passes_heads_beyond_95_of_100_largest_t(both):
    _, summary, found = both
    maxima = np.append(summary.null.max_abs_t, np.abs(summary.t).max())
    p = (maxima[:, None] >= np.abs(summary.t)).mean(axis=0)
    assert found.n_fwer == (p <= 0.05).sum()
    assert found.smallest_p == pytest.approx(1 / 1001)


def test_true_discoveries_are_below_the_count_by_the_nulls_quantile(both):
    _, summary, found = both
    for k, true in enumerate(found.true_discoveries):
        counts = np.append(summary.null.counts[:, k], summary.counts[k])
        assert true == max(0, summary.counts[k] - np.quantile(counts, 0.95, method="higher"))


def test_reliability_comes_with_its_null_and_stepped_up(both):
    _, summary, found = both
    r = summary.split_half[0]
    assert found.spearman_brown == pytest.approx(2 * r / (1 + r))
    assert found.split_half.r == pytest.approx(r, abs=0.05)
    assert np.nanquantile(found.split_half.null, 0.95) < found.split_half.r
    assert found.to_dict()["split_half_null"]["p"] == found.split_half.p


def test_a_run_of_three_pairs_leaves_out_what_it_cannot_say():
    result = plantain.load_result(RUNS / "posebox")
    three = replace(result, mean_square=result.mean_square[:3], token_counts=result.token_counts[:3])
    found = infer(three, plantain.summarise(three))
    assert (found.cross_fitted, found.split_half, found.mean_squared_effect) == (None, None, None)
    assert len(certainty_table({"This run": found}).cells) == 1 + 7
    assert found.smallest_p == 1 / 4  # three pairs have eight flips, and |t| does not tell a flip from its mirror
