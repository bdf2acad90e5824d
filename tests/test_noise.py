"""Noise levels as realised: the inverse of a scheduler's shift, and runs at the levels asked for."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
from diffusers import FlowMatchEulerDiscreteScheduler
from diffusers.pipelines.flux2.pipeline_flux2_klein import compute_empirical_mu

import plantain
from plantain.data.settings import ProbeConfig
from plantain.errors import InputError
from plantain.model import noise
from plantain.paths import POSEBOX, RUNS
from plantain.probe.probe import iter_probe, run_probe

LEVELS = (1.0, 0.75, 0.5, 0.25)


def pipe_with(**options):
    """A pipeline as far as noise goes: Posebox's scheduler, other options."""
    config = json.loads((POSEBOX / "scheduler" / "scheduler_config.json").read_text())
    scheduler = FlowMatchEulerDiscreteScheduler.from_config(config | options)
    return SimpleNamespace(vae_scale_factor=8, scheduler=scheduler)


def test_the_shift_is_the_one_that_was_measured():
    """Handed over as they are, the four levels become 1, .955, .875 and .70 on Posebox."""
    scheduler = pipe_with().scheduler
    scheduler.set_timesteps(sigmas=list(LEVELS), mu=compute_empirical_mu(64, 4))
    np.testing.assert_allclose(scheduler.sigmas[:4], [1, 0.955, 0.875, 0.70], atol=1e-3)


@pytest.mark.parametrize("size", [(128, 128), (512, 512), (1024, 1536)])
@pytest.mark.parametrize("levels", [LEVELS, (0.9,), (1.0, 0.01)])
@pytest.mark.parametrize("options", [{}, {"use_dynamic_shifting": False}, {"time_shift_type": "linear"}], ids=str)
def test_what_is_handed_over_is_realised_as_asked(size, levels, options):
    pipe = pipe_with(**options)
    handed = noise.sigmas_for(pipe, levels, *size)
    mu = compute_empirical_mu((size[0] // 16) * (size[1] // 16), len(levels))
    pipe.scheduler.set_timesteps(sigmas=list(handed), mu=mu)
    np.testing.assert_allclose(pipe.scheduler.sigmas[:-1], levels, rtol=0, atol=noise.TOLERANCE / 100)


def test_the_scheduler_of_the_pipeline_is_left_as_it_was():
    pipe = pipe_with()
    before = pipe.scheduler.sigmas.clone()
    noise.sigmas_for(pipe, LEVELS, 128, 128)
    assert pipe.scheduler.sigmas.equal(before)


@pytest.mark.parametrize("options", [{"shift_terminal": 0.1}, {"use_karras_sigmas": True}], ids=str)
def test_a_schedule_that_cannot_be_inverted_is_refused_with_what_it_would_make(options):
    with pytest.raises(InputError, match=r"makes the noise levels 1, .* where 1, 0\.75, 0\.5, 0\.25 were asked for"):
        noise.sigmas_for(pipe_with(**options), LEVELS, 128, 128)


@pytest.mark.parametrize("realised", [(1.0, 0.5011), (1.0,), (1.0, 0.5, 0.2)])
def test_other_levels_than_asked_for_are_refused(realised):
    noise.check_realised((1.0, 0.5), (1.0, 0.5009))
    with pytest.raises(InputError, match="were asked for"):
        noise.check_realised((1.0, 0.5), realised)


@pytest.mark.parametrize("name", ["odd_pipeline", "posebox"])
def test_the_transformer_gets_the_levels_of_the_settings(request, small_prompts, name):
    pipe, told = request.getfixturevalue(name), []
    spy = pipe.transformer.register_forward_pre_hook(
        lambda module, args, kwargs: told.append(kwargs["timestep"][0].item()), with_kwargs=True
    )
    config = ProbeConfig(num_inference_steps=4, noise_levels=LEVELS, batch_size=100)
    result = run_probe(pipe, small_prompts, config)
    spy.remove()
    np.testing.assert_allclose(told, LEVELS, rtol=0, atol=noise.TOLERANCE)
    np.testing.assert_allclose(result.provenance["realised_sigmas"], LEVELS, rtol=0, atol=noise.TOLERANCE)


def test_bfloat16_rounds_what_the_transformer_is_told(small_prompts):
    pipe, told = plantain.load_pipeline("posebox", device="cpu", dtype="bfloat16"), []
    pipe.transformer.register_forward_pre_hook(
        lambda module, args, kwargs: told.append(kwargs["timestep"][0].item()), with_kwargs=True
    )
    config = ProbeConfig(num_inference_steps=4, noise_levels=LEVELS, batch_size=100)
    result = run_probe(pipe, small_prompts, config)
    np.testing.assert_allclose(result.provenance["realised_sigmas"], LEVELS, rtol=0, atol=noise.TOLERANCE)
    np.testing.assert_allclose(told, [1, 0.754, 0.5, 0.25], rtol=0, atol=noise.TOLERANCE)


def test_a_scheduler_that_goes_its_own_way_in_the_run_is_caught(odd_pipeline, small_prompts, monkeypatch):
    monkeypatch.setattr("plantain.probe.probe.sigmas_for", lambda pipe, levels, height, width: levels)
    with pytest.raises(InputError, match=r"where 0\.5 were asked for"):
        run_probe(odd_pipeline, small_prompts, ProbeConfig(noise_levels=(0.5,)))


# -- settings --------------------------------------------------------------------------------------


def test_settings_without_noise_levels_are_those_of_older_runs():
    old = json.loads((RUNS / "posebox" / "run.json").read_text())["config"]
    assert "noise_levels" not in old
    assert ProbeConfig.from_dict(old) == ProbeConfig()
    assert ProbeConfig().to_dict() == old


def test_settings_with_noise_levels_survive_json():
    config = ProbeConfig(num_inference_steps=4, noise_levels=[1, 0.75, 0.5, 0.25])
    assert config.noise_levels == LEVELS
    assert ProbeConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config
    assert config != ProbeConfig(num_inference_steps=4)


@pytest.mark.parametrize(
    ("settings", "match"),
    [
        ({"noise_levels": (1.5,)}, "noise_levels must be None or noise levels above 0"),
        ({"noise_levels": (0.0,)}, "noise_levels must be None or noise levels above 0"),
        ({"noise_levels": (1.0, 0.5)}, "noise_levels must be one level for each of the 1 steps"),
        ({"noise_levels": (0.5, 1.0), "num_inference_steps": 2}, "falling"),
        ({"noise_levels": (0.5,), "sigmas": (0.5,)}, "noise_levels must be None where sigmas are given"),
    ],
)
def test_noise_levels_that_cannot_be(settings, match):
    with pytest.raises(InputError, match=match):
        ProbeConfig(**settings)


def test_a_resumed_run_keeps_its_noise_levels(odd_pipeline, small_prompts):
    config = ProbeConfig(noise_levels=(0.5,), batch_size=2)
    part = next(progress.result for progress in iter_probe(odd_pipeline, small_prompts, config) if progress.result)
    assert run_probe(odd_pipeline, small_prompts, config, resume=part).complete
    with pytest.raises(InputError, match=r"the saved run has noise_levels \(0\.5,\), this one None"):
        run_probe(odd_pipeline, small_prompts, ProbeConfig(batch_size=2), resume=part)


# -- the shipped runs ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["posebox", "posebox-untrained"])
def test_the_shipped_runs_are_at_the_levels_they_name(name):
    folder = RUNS / "levels" / name
    result = plantain.load_result(folder)
    assert result.complete
    assert result.model == name
    assert result.prompts == plantain.load_prompts("dense_pose")
    assert (result.config.noise_levels, result.config.n_seeds) == (LEVELS, 8)
    np.testing.assert_allclose(result.provenance["realised_sigmas"], LEVELS, rtol=0, atol=noise.TOLERANCE)
    assert max(path.stat().st_size for path in folder.iterdir()) <= 10e6
    # Pure noise and seed 0 are the first step of the run at default settings.
    first = plantain.load_result(RUNS / name)
    np.testing.assert_allclose(result.mean_square[:, :, :1, :1], first.mean_square, rtol=1e-3, atol=1e-7)


@pytest.mark.slow
def test_a_shipped_run_is_what_its_command_makes(posebox):
    shipped = plantain.load_result(RUNS / "levels" / "posebox")
    states = iter_probe(posebox, shipped.prompts, shipped.config)
    fresh = next(progress.result for progress in states if progress.result is not None)
    np.testing.assert_allclose(fresh.mean_square, shipped.mean_square[: fresh.n_pairs], rtol=1e-3, atol=1e-7)
