"""The pose axis in subjects it has not seen: planted, absent, and in the cached runs."""

from dataclasses import replace

import numpy as np
import pytest

import plantain
from plantain.paths import RUNS
from plantain.probe import study as controls
from plantain.questions import carry_over as transfer


@pytest.fixture(scope="module")
def study():
    return controls.load_controls(RUNS / "controls")


@pytest.fixture(scope="module")
def found(study):
    return transfer.transfers(study)


def test_every_auc_is_that_of_the_estimator_on_rows_of_the_same_subject(study, found):
    pose, control = study.trained["dense_pose"], study.trained["setting"]
    subjects = [pair.tags["subject"] for pair in pose.prompts.pairs]
    again = plantain.stats.axis_transfer(pose.differences("head"), control.differences("head"), groups=subjects)
    assert found.found["trained", "setting"].auc == again.auc
    assert {weights for weights, _ in found.found} == {"trained", "untrained 0", "untrained 1"}


def test_the_gain_of_training_is_told_beside(found):
    trained, *untrained = (found.found[weights, "length"].auc for weights in found.weights)
    assert found.gain("length") == pytest.approx(trained - np.mean(untrained))
    assert len(found.rows) == 2 + len(transfer.AGAINST)


def test_a_control_with_shuffled_pose_shifts_is_not_told_apart(study):
    """Pose against itself with every pair's sign drawn at random has no axis in common."""
    pose = study.trained["dense_pose"]
    rng = np.random.default_rng(0)
    swapped = pose.mean_square.copy()
    for row in np.flatnonzero(rng.random(len(swapped)) < 0.5):
        swapped[row] = swapped[row, ::-1]
    none = replace(pose, mean_square=swapped)
    chance = plantain.stats.axis_transfer(none.differences("head"), none.differences("head")[::-1])
    assert 0.2 < chance.auc < 0.8
    assert chance.p > 0.01


def test_a_new_pair_is_placed_among_held_out_ones(study):
    pose, control = study.trained["dense_pose"], study.trained["setting"]
    of_pose = transfer.along_axis(pose.differences().mean(axis=0), pose, control)
    of_control = transfer.along_axis(control.differences().mean(axis=0), pose, control)
    reverse = transfer.along_axis(-pose.differences().mean(axis=0), pose, control)
    assert of_pose[0] > 0.9
    assert of_control[0] < of_pose[0]
    assert reverse == (0.0, 0.0)


def test_an_axis_carries_over_where_there_is_one_and_only_there():
    rng = np.random.default_rng(0)
    noise = rng.normal(size=(25, 60))
    planted = noise + 0.8 * rng.normal(size=60)
    assert plantain.stats.held_out_share(planted).share > 0.9
    assert plantain.stats.held_out_share(planted).p == pytest.approx(1 / 1001)
    ps = [plantain.stats.held_out_share(rng.normal(size=(25, 60)), n_flips=99).p for _ in range(200)]
    assert np.mean(np.array(ps) <= 0.05) < 0.1
    # Twice the same rows: only by subject are they not told by their own copy.
    twice, subjects = np.repeat(noise, 2, axis=0), np.repeat(np.arange(25), 2)
    assert plantain.stats.held_out_share(twice).share > 0.7
    assert plantain.stats.held_out_share(twice, groups=subjects).share < 0.7


def test_a_study_without_pose_is_refused(study):
    only = replace(study, runs={weights: {"setting": runs["setting"]} for weights, runs in study.runs.items()})
    with pytest.raises(plantain.InputError, match="no run of dense_pose"):
        transfer.transfers(only)
