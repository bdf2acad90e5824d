"""Stability over noise: the numbers against SciPy and the summary, planted agreement, and what agreement cannot say."""

import numpy as np
import pytest
from made_runs import LEVELS, SMALL, made_run
from scipy.stats import spearmanr

import plantain
from plantain import stats
from plantain.errors import InputError
from plantain.paths import RUNS
from plantain.questions.stability import stability
from plantain.report.figures import stability as stability_figures
from plantain.report.picture import NARROW, WIDE

H = SMALL.n_runs


def noisy(n_pairs=25, n_seeds=4, n_levels=3, effect=None, by_pair=1.0, by_noise=1.0, seed=0):
    """Effect of each head, plus a part of each pair that all noise shares, plus noise of its own."""
    rng = np.random.default_rng(seed)
    effect = np.zeros(H) if effect is None else effect
    shared = by_pair * rng.normal(size=(n_pairs, 1, 1, H))
    own = by_noise * rng.normal(size=(n_pairs, n_seeds, n_levels, H))
    return made_run(0.1 * (effect + shared + own))


@pytest.fixture(scope="module")
def planted():
    return noisy(effect=np.linspace(-1, 1, H))


def test_the_numbers_are_those_of_a_summary_of_scipy_and_of_min_f(planted):
    found = stability(planted, n_flips=200)
    assert (found.levels, found.seeds) == (LEVELS[:3], (0, 1, 2, 3))
    assert found.t_by_seed.shape == (3, 4, H)
    for step in range(3):
        table = plantain.summarise(planted, step=step, n_flips=200)
        np.testing.assert_allclose(found.t[step], table.t)
        assert (found.counts[step], found.null_p99[step]) == (table.counts[0], table.null_p99[0])
        alone = stats.paired_t(planted.differences(seed=2, step=step))
        np.testing.assert_allclose(found.t_by_seed[step, 2], alone)
        d = np.stack([planted.differences(seed=s, step=step) for s in range(4)], axis=1)
        np.testing.assert_allclose(found.min_f[step].p, stats.min_f_prime(d).p)
    expected = spearmanr(found.t.T).statistic
    np.testing.assert_allclose(found.between_levels, expected)
    between = spearmanr(found.t_by_seed[1].T).statistic[np.triu_indices(4, 1)]
    np.testing.assert_allclose(found.between_seeds[1], np.median(between))


def test_an_effect_that_noise_does_not_share_makes_maps_agree_beyond_the_flips(planted):
    found = stability(planted, n_flips=200)
    assert (found.between_levels[0, 1:] > found.between_levels_p95[0, 1:]).all()
    assert (found.between_seeds > found.between_seeds_p95).all()
    assert "are more alike at every level" in found.text


def test_without_an_effect_what_pairs_share_agrees_as_much_as_flips_do():
    """Two seeds of the same pairs correlate without any effect: ρ alone would be taken for a replication."""
    found = stability(noisy(by_noise=0.3), n_flips=200)
    assert (found.between_levels[0, 1:] > 0.8).all()
    assert (found.between_seeds > 0.8).all()
    assert (found.between_levels_p95[0, 1:] > 0.8).all()
    assert "are not more alike" in found.text
    assert max(found.n_both) <= 3


def test_the_agreement_of_noise_passes_its_flips_as_often_as_it_should():
    found = [stability(noisy(n_seeds=1, n_levels=2, seed=seed), n_flips=200, seed=seed) for seed in range(60)]
    passed = [one.between_levels[0, 1] > one.between_levels_p95[0, 1] for one in found]
    assert np.mean(passed) < 0.15  # 5 % nominal; 60 draws


def test_heads_kept_at_every_level():
    effect = np.zeros((3, H))
    effect[:, :10] = 1  # at every level
    effect[:2, 10:15] = 1  # gone at the last
    effect[:, 15:18] = [[1], [1], [-1]]  # turned at the last
    rng = np.random.default_rng(0)
    found = stability(made_run(effect + 0.01 * rng.normal(size=(25, 1, 3, H))), n_flips=20)
    np.testing.assert_array_equal(found.counts >= [18, 18, 13], True)
    assert found.same_way[0] >= 18
    assert 10 <= found.same_way[1] <= 12


@pytest.mark.parametrize(("n_seeds", "n_levels", "columns"), [(1, 3, 5), (2, 1, 6), (3, 1, 8), (3, 2, 10)])
def test_columns_that_a_run_cannot_fill_are_left_out(n_seeds, n_levels, columns):
    found = stability(noisy(n_seeds=n_seeds, n_levels=n_levels), n_flips=20)
    assert {len(row) for row in found.tables[0].cells} == {columns}
    assert len(found.tables[0].cells) == 1 + n_levels
    assert bool(found.min_f) == (n_seeds >= 3)
    assert ("minF' over pairs and seeds needs 3" in found.text) == (n_seeds < 3)
    for width in (WIDE, NARROW):
        assert stability_figures.draw(found, width=width).to_bytes("svg")


def test_one_level_and_one_seed_are_refused():
    with pytest.raises(InputError, match="nothing to compare; run it with --noise-levels"):
        stability(plantain.load_result(RUNS / "posebox"))


def test_silent_heads_and_runs_without_recorded_levels_do_no_harm():
    run = noisy(n_seeds=3, n_levels=2)
    run.mean_square[..., 0] = 4.0
    del run.provenance["realised_sigmas"]
    found = stability(run, n_flips=20)
    assert found.levels == (2.0, 1.0)
    assert not found.t[:, 0].any()
    assert np.isfinite(found.between_levels).all()


@pytest.mark.parametrize("width", [WIDE, NARROW])
def test_the_figure_says_what_it_shows(planted, width):
    found = stability(planted, n_flips=100)
    picture = stability_figures.draw(found, stability(noisy(), n_flips=100), width)
    assert f"this run {', '.join(map(str, found.counts))} of {H}" in picture.alt
    assert "the untrained twin" in picture.alt
    drawn = picture.to_svg()
    for text in ("noise level σ, as realised", "untrained twin", "one seed", "two seeds"):
        assert text in drawn
