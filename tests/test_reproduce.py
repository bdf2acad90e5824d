"""The command that makes a run again: what it says is what the run was."""

import shlex
from dataclasses import replace

import pytest

import plantain
from plantain import cli
from plantain.cli.settings import config_of
from plantain.data.prompts import PromptSet
from plantain.model.names import EMBEDDED_MODELS
from plantain.paths import RUNS
from plantain.report import command as reproduce


@pytest.fixture(scope="module")
def result():
    return plantain.load_result(RUNS / "posebox")


def options_of(command):
    words = shlex.split(command)
    assert words[:3] == ["python", "-m", "plantain"]
    return cli.parser().parse_args(words[3:])


@pytest.mark.parametrize("name", EMBEDDED_MODELS)
def test_a_shipped_run_is_named_by_its_model_and_its_prompts(name):
    options = options_of(reproduce.shell_command(plantain.load_result(RUNS / name)))
    assert (options.model, options.prompts, options.dtype) == (name, "dense_pose", "float32")


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"seed": 3, "n_seeds": 2},
        {"num_inference_steps": 4, "guidance_scale": 2.5},
        {"num_inference_steps": 2, "sigmas": (1.0, 0.4)},
        {"height": 64, "width": 96, "channels_per_head": 32},
    ],
    ids=str,
)
def test_every_setting_comes_back(result, settings):
    import numpy as np

    config = plantain.ProbeConfig(**settings)
    shape = (25, 2, config.n_seeds, config.num_inference_steps, 3, result.head_map.n_runs)
    run = replace(result, config=config, mean_square=np.zeros(shape, np.float32))
    options = options_of(reproduce.shell_command(run))
    again = config_of(options)
    # The batch that the machine chose is said too: rounding depends on it.
    assert replace(again, batch_size=None) == config
    assert again.batch_size == result.provenance["batch_size"]


def test_a_model_of_the_hub_is_named_at_its_revision_and_its_twin_by_the_option(result):
    known = {**result.provenance, "model": "acme/klein", "revision": "abc123"}
    assert options_of(reproduce.shell_command(replace(result, provenance=known))).model == "acme/klein@abc123"
    twin = replace(result, provenance={**known, "model": "acme/klein-untrained", "weights_seed": 3})
    options = options_of(reproduce.shell_command(twin))
    assert (options.model, options.untrained, options.weights_seed) == ("acme/klein@abc123", True, 3)


def test_altered_prompts_of_a_shipped_name_are_read_from_the_file_beside_the_run(result):
    first, *rest = result.prompts.pairs
    altered = PromptSet("dense_pose", (replace(first, b="a nurse"), *rest))
    assert options_of(reproduce.shell_command(replace(result, prompts=altered))).prompts == "prompts.json"
