"""Two typed prompts: what is run for them, which t comes out, and what is said of it."""

import numpy as np
import pytest
from scipy import stats as scipy_stats

import plantain
from plantain.paths import RUNS
from plantain.questions import typed_pair


@pytest.fixture(scope="module")
def reference():
    return plantain.load_result(RUNS / "posebox")


def run(posebox, a, b, n_seeds=5):
    prompts, config = typed_pair.job(a, b, n_seeds)
    return plantain.run_probe(posebox, prompts, config), prompts


def test_t_over_seeds_is_scipys_over_the_seeds_differences(posebox, reference):
    result, _ = run(posebox, "a nurse standing", "a nurse kneeling")
    reading = typed_pair.read_pair(result, np.array([[9, 9]]), reference)
    d = np.stack([result.differences(seed=seed)[0] for seed in range(5)])
    np.testing.assert_allclose(reading.t, scipy_stats.ttest_1samp(d, 0).statistic, rtol=1e-9)
    assert reading.over == "5 noise seeds of one pair"
    assert "n = 1 in prompts" in reading.caveat
    assert reading.sentences[0] == f"{reading.which} {reading.caveat}"
    assert f"{int((abs(reading.t) > 3).sum())} of 510" in reading.sentences[0]


def test_a_template_runs_over_the_subjects_and_their_articles(posebox, reference):
    prompts, config = typed_pair.job("{subject} standing", "the hat of {subject}", 8)
    assert len(prompts) == 25
    assert config.n_seeds == 1
    assert all(pair.a.startswith(("A ", "An ")) for pair in prompts.pairs)
    assert all(pair.b.startswith("The hat of a") for pair in prompts.pairs)
    result = plantain.run_probe(posebox, prompts, config)
    reading = typed_pair.read_pair(result, np.tile([9, 11], (25, 1)), reference)
    assert reading.over == "25 subjects"
    assert "B is 2 tokens longer" in reading.sentences[1]


def test_the_axis_of_the_cached_run_lies_along_itself(reference):
    reading = typed_pair.read_pair(reference, np.tile([9, 9], (25, 1)), reference)
    assert "p = 0.001" in reading.sentences[2]
    np.testing.assert_array_equal(reading.abs_t, reading.reference)


def test_rows_are_the_blocks_with_their_largest_t(reference):
    reading = typed_pair.read_pair(reference, np.tile([9, 9], (25, 1)), None)
    assert [row[0] for row in reading.rows] == list(reference.head_map.block_names)
    assert max(float(row[1]) for row in reading.rows) == round(float(reading.abs_t.max()), 2)
    assert sum(int(row[2]) for row in reading.rows) == reading.n_above
    assert {row[4] for row in reading.rows} == {"—"}
    assert "no cached dense_pose run" in reading.sentences[2]


@pytest.mark.parametrize(
    ("a", "b", "n_seeds", "sentence"),
    [
        ("", "a dog", 8, "Prompt A is empty"),
        ("a cat", " a cat ", 8, "Both prompts are the same"),
        ("a cat", "a\u00a0cat", 8, "Both prompts look the same"),
        ("{who} sitting", "{who} standing", 8, "the only placeholder is {subject}"),
        ("{subject} sitting", "a dog", 8, "in both prompts or in neither"),
        ("a cat", "a dog", 2, "3 to 32 noise seeds"),
        ("a cat", "a dog", 33, "3 to 32 noise seeds"),
    ],
)
def test_what_cannot_be_run_is_refused(a, b, n_seeds, sentence):
    with pytest.raises(plantain.InputError, match=sentence):
        typed_pair.job(a, b, n_seeds)
