"""A typed pair's shift stands on one scale with the pose's: units, bands and sentence."""

import numpy as np
import pytest

from plantain.data.result import load_result
from plantain.paths import RUNS
from plantain.questions.typed_shift import typed_shift
from plantain.report.figures import typed


@pytest.fixture(scope="module")
def runs():
    folder = RUNS / "controls" / "posebox"
    return {name: load_result(folder / name) for name in ("dense_pose", "paraphrase", "setting")}


def by_block(run):
    d, index = run.differences(), run.head_map.table()["block_index"]
    return np.array([[np.sqrt((row[index == b] ** 2).mean()) for b in range(index.max() + 1)] for row in d])


def test_the_unit_is_the_median_pose_pair_of_each_block(runs):
    found = typed_shift(runs["setting"], runs["dense_pose"], runs["paraphrase"])
    pose = by_block(runs["dense_pose"])
    np.testing.assert_allclose(found.pose, pose / np.median(pose, axis=0))
    np.testing.assert_allclose(found.own, np.median(by_block(runs["setting"]), axis=0) / np.median(pose, axis=0))
    np.testing.assert_allclose(found.reworded, by_block(runs["paraphrase"]) / np.median(pose, axis=0))
    assert np.median(found.pose, axis=0) == pytest.approx(1)


def test_the_same_pose_in_other_words_shifts_less_than_another_pose(runs):
    """What the scale is for: |t| over seeds is large for both."""
    found = typed_shift(runs["paraphrase"], runs["dense_pose"], runs["paraphrase"])
    assert np.median(found.own) < 0.3
    assert found.sentence.startswith(f"Its shift is {np.median(found.own):.2f} times the median pose pair's")
    assert "the same pose in other words shifts by" in found.sentence


def test_without_the_pose_run_there_is_no_unit_and_without_the_other_no_band(runs):
    assert typed_shift(runs["setting"], None, None) is None
    found = typed_shift(runs["setting"], runs["dense_pose"], None)
    assert found.reworded is None
    assert found.sentence.endswith("(median over blocks).")
    assert {row[4:] for row in found.table.cells[1:]} == {("—",) * 3}


def test_the_figure_says_where_it_is_largest_and_fits_a_phone(runs):
    found = typed_shift(runs["setting"], runs["dense_pose"], runs["paraphrase"])
    picture = typed.draw(found, 3.4)
    assert picture.alt.startswith("Shift by block of your prompts")
    assert found.names[int(np.argmax(found.own))] in picture.alt
    assert found.sentence in picture.alt
    assert b"<svg" in picture.to_bytes("svg")
