"""The count at every threshold: at the summary's own it is the summary's."""

import numpy as np
import pytest

import plantain
from plantain import stats
from plantain.paths import RUNS
from plantain.questions import counted
from plantain.questions.thresholds import count_curve


@pytest.fixture(scope="module")
def result():
    return plantain.load_result(RUNS / "posebox")


@pytest.mark.parametrize(
    "view", [{}, {"grouping": "head"}, {"part": "mlp", "stream": "image"}, {"thresholds": (2.9, 4)}]
)
def test_at_the_summarys_thresholds_it_is_the_summary(result, view):
    table = plantain.summarise(result, n_flips=200, seed=3, **view)
    curve = count_curve(result, table)
    for k, threshold in enumerate(table.thresholds):
        assert threshold in curve.thresholds
        assert curve.at(threshold) == (table.counts[k], pytest.approx(table.null_p99[k]))
    assert curve.n_heads == table.n_heads


def test_it_falls_from_all_heads_to_none(result):
    table = plantain.summarise(result, n_flips=200)
    curve = count_curve(result, table)
    for values in (curve.observed, curve.null_median, curve.null_p99):
        assert len(values) == len(curve.thresholds)
        assert (np.diff(values) <= 0).all()
    assert (curve.null_median <= curve.null_p99).all()
    assert curve.observed[0] > 0.9 * 510
    assert curve.observed[-1] == 0
    assert (np.diff(curve.thresholds) > 0).all()
    null = stats.sign_flip_null(result.differences(), 200, curve.thresholds.tolist(), 0)
    np.testing.assert_array_equal(curve.null_median, np.median(null.counts, axis=0))


def test_few_thresholds_are_enough_where_t_is_huge(result):
    from dataclasses import replace

    table = plantain.summarise(result, n_flips=50)
    table = replace(table, count=replace(table.count, t=np.linspace(0, 5000, 510)))
    curve = count_curve(result, table)
    assert len(curve.thresholds) < 200
    assert curve.thresholds[-1] == pytest.approx(5000.25)
    assert curve.observed[-1] == 0


def test_a_sentence_takes_more_flips_than_the_table_unless_there_are_many_heads_or_somebody_chose(result, monkeypatch):
    many = counted.Counted(result)
    assert (many.card_null.n_flips, many.card_null.said) == (100_000, "99 % of 100,000 sign flips")
    again = stats.sign_flip_null(result.differences("card"), 100_000, (3.0, 5.0))
    assert many.card_null.p99 == pytest.approx(again.count_quantile(0.99)[0], abs=1)
    assert many.card.null.counts.shape[0] == 1000  # the card's own table
    assert counted.Counted(result, n_flips=200).card_null.n_flips == 200
    monkeypatch.setattr(counted, "_MOST_VALUES", 10**6)
    assert counted.Counted(result).card_null.n_flips == 1000
