"""Dose: distances from tags, planted slopes and steps, and no slope where there is none."""

import numpy as np
import pytest
from made_runs import SMALL, made_run

import plantain
from plantain import stats
from plantain.errors import InputError
from plantain.paths import RUNS
from plantain.pose.poses import POSES
from plantain.questions.dose import EXPLANATIONS, distances, dose
from plantain.report.figures import dose as dose_figures
from plantain.report.picture import NARROW, WIDE

H = SMALL.n_runs
DENSE = plantain.load_prompts("dense_pose")
TAGS = [dict(pair.tags) for pair in DENSE.pairs]
# From nothing bent to nearly everything: a step and a slope through 0 can be told apart.
WIDELY = [{"pose": ["t-pose-1", "t-pose-2"]}] * 5 + TAGS[:20]


def planted(tags, step=0.0, slope=0.0, seed=0, noise=0.02):
    """Heads that shift by step + slope · distance / 100, and noise."""
    plain = made_run(np.ones((len(tags), H)), tags)
    x = distances(plain)
    noisy = noise * np.random.default_rng(seed).normal(size=(len(tags), H))
    return made_run(step * (x[:, None] > 0) + slope * x[:, None] / 100 + noisy, tags)


# -- distances -------------------------------------------------------------------------------------


def test_distances_are_those_of_the_skeletons():
    run = made_run(np.ones((25, H)), TAGS)
    rotation, joints = distances(run), distances(run, "joints")
    rest = POSES["t-pose"].rotations()
    for i, pair in enumerate(DENSE.pairs):
        pose = POSES[pair.tags["pose"][1]]
        assert rotation[i] == pytest.approx(np.abs(pose.rotations() - rest).mean(), abs=0.01)
        assert joints[i] == pair.tags["bent_joints"][1] == len(pose.bent_joints())


def test_distances_are_b_minus_a_and_joints_are_looked_up_where_no_tag_counts_them():
    tags = [{"pose": poses} for poses in (["windmill", "t-pose"], ["t-pose", "windmill"], ["a-pose", "a-pose"])]
    run = made_run(np.ones((3, H)), tags)
    np.testing.assert_array_equal(distances(run, "joints"), [-2, 2, 0])
    np.testing.assert_allclose(distances(run), [-11.56, 11.56, 0])


@pytest.mark.parametrize("measure", ["rotation", "joints"])
@pytest.mark.parametrize("tags", [{}, {"pose": "t-pose"}, {"pose": ["t-pose", "flying"]}, {"pose": [1, 2]}], ids=str)
def test_a_pair_whose_tags_tell_no_distance_is_named(tags, measure):
    with pytest.raises(InputError, match="tags of pair 'p01' tell no distance"):
        distances(made_run(np.ones((3, H)), [TAGS[0], tags, TAGS[1]]), measure)


def test_another_measure_is_refused():
    with pytest.raises(InputError, match="measure must be one of rotation, joints; got 'metres'"):
        distances(made_run(np.ones((3, H)), TAGS[:3]), "metres")


def test_poses_that_are_all_as_far_are_refused():
    with pytest.raises(InputError, match="in every pair, so nothing can be said about a slope"):
        dose(made_run(np.random.default_rng(0).normal(size=(5, H)), [TAGS[0]] * 5))


# -- planted ---------------------------------------------------------------------------------------


def test_a_planted_slope_is_a_slope():
    found = dose(planted(WIDELY, slope=1.0), n_permutations=200)
    assert found.slope.counts[0] == H
    assert found.n_fwer == H
    assert found.n_best["slope"] + found.n_best["both"] == H
    assert found.n_best["slope"] > 0.7 * H
    assert found.gain_p < 0.01
    np.testing.assert_allclose(found.response.slope, 0.01, rtol=0.1)


def test_a_planted_step_is_a_step():
    """Every pair shifts alike, however far its pose is."""
    x = made_run(0.5 + 0.02 * np.random.default_rng(0).normal(size=(25, H)), TAGS)
    found = dose(x, n_permutations=200)
    assert found.step.counts[1] == H
    assert found.n_best["step"] > 0.7 * H
    assert found.slope.set_p[0] > 0.05
    assert found.gain_p > 0.05


def test_a_step_with_a_slope_is_both():
    x = distances(made_run(np.ones((25, H)), TAGS))
    d = 0.5 + x[:, None] / 100 + 0.02 * np.random.default_rng(0).normal(size=(25, H))
    found = dose(made_run(d, TAGS), n_permutations=100)
    assert found.n_best == {"step": 0, "slope": 0, "both": H, "none": 0}


def test_noise_has_neither():
    """Set-level p of slopes and of the distance's gain, over 30 draws of pure noise; 1.5 of them are due at 0.05."""
    noise = (0.02 * np.random.default_rng(seed).normal(size=(25, H)) for seed in range(30))
    found = [dose(made_run(d, TAGS), n_permutations=39, seed=seed) for seed, d in enumerate(noise)]
    assert np.mean([f.slope.set_p[0] <= 0.05 for f in found]) < 0.2
    assert np.mean([f.gain_p <= 0.05 for f in found]) < 0.2
    assert np.mean([f.gain_p <= 0.2 for f in found]) < 0.4
    assert np.mean([f.n_best["none"] for f in found]) > 0.5 * H


def test_blocks_add_up_and_are_in_the_models_order():
    found = dose(planted(WIDELY, step=0.05, slope=0.05), n_permutations=50)
    assert [block.name for block in found.blocks] == SMALL.block_names
    assert sum(block.n_heads for block in found.blocks) == H
    assert sum(block.n_above for block in found.blocks) == found.slope.counts[0]
    for name in EXPLANATIONS:
        assert sum(block.n_best[name] for block in found.blocks) == found.n_best[name]
    assert max(block.max_abs_t for block in found.blocks) == np.abs(found.response.t).max()


def test_the_shift_of_the_run_is_what_is_regressed():
    run = plantain.load_result(RUNS / "posebox")
    found = dose(run, "joints", "head", n_permutations=50)
    d = run.differences("head")
    np.testing.assert_allclose(found.step.t, stats.paired_t(d))
    x = np.array([pair.tags["bent_joints"][1] for pair in run.prompts.pairs], dtype=float)
    slope, intercept = np.polyfit(x, d[:, 7], 1)
    np.testing.assert_allclose([found.response.slope[7], found.response.intercept[7]], [slope, intercept])


def test_lengths_that_go_with_the_distance_are_said():
    x = distances(made_run(np.ones((25, H)), TAGS))
    tokens = np.stack([np.full(25, 20), 20 + np.round(x / 10)], axis=1).astype(int)
    found = dose(made_run(np.random.default_rng(0).normal(size=(25, H)), TAGS, tokens), n_permutations=20)
    assert found.length_r > 0.9
    assert "goes with the number of tokens (r = +" in found.text
    assert "goes with the number of tokens" not in dose(planted(TAGS), n_permutations=20).text


@pytest.mark.parametrize("width", [WIDE, NARROW])
def test_the_figure_says_what_it_shows(width):
    found, twin = dose(planted(TAGS, slope=0.5), n_permutations=50), dose(planted(TAGS), n_permutations=50)
    picture = dose_figures.draw(found, twin, width)
    assert f"of {H} heads a step {found.n_best['step']}" in picture.alt
    assert f"in the untrained twin, of {H} heads" in picture.alt
    drawn = picture.to_svg()
    for text in ("single[5]", "untrained twin", "neither"):
        assert text in drawn
    assert dose_figures.draw(found, width=width).to_bytes("png")
