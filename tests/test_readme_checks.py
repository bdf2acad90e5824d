"""What the README says of noise, dose and length is what the cached runs say."""

import re
import shlex

import numpy as np
import pytest

import plantain
from plantain import cli
from plantain.cli.settings import config_of
from plantain.paths import ROOT, RUNS
from plantain.questions import length as audit
from plantain.questions.dose import dose
from plantain.questions.stability import stability
from plantain.wording import signed

README = (ROOT / "README.md").read_text(encoding="utf-8")
TEXT = " ".join(README.split())
MODELS = ("posebox", "posebox-untrained")


def row(*cells):
    return f"| {' | '.join(map(str, cells))} |"


@pytest.fixture(scope="module")
def found():
    return {name: stability(plantain.load_result(RUNS / "levels" / name)) for name in MODELS}


def test_the_command_of_the_cached_runs_has_their_settings():
    (line,) = re.findall(r"^ *python -m plantain (run .*\$model)$", README, flags=re.MULTILINE)
    options = cli.parser().parse_args(shlex.split(line))
    for name in MODELS:
        shipped = plantain.load_result(RUNS / "levels" / name)
        assert config_of(options) == shipped.config
        assert (options.prompts, options.out) == (shipped.prompts.name, "assets/runs/levels/$model")


@pytest.mark.parametrize("name", MODELS)
def test_the_table_of_noise(found, name):
    run = found[name]
    seeds = f"{run.counts_by_seed.min()} to {run.counts_by_seed.max()}"
    between = (run.between_levels[0, -1], run.between_levels_p95[0, -1], run.between_seeds[0], run.between_seeds_p95[0])
    assert row(name, *run.counts, seeds, run.same_way[1], *(f"{r:.3f}" for r in between)) in README


def test_what_is_said_of_replication(found):
    trained, untrained = (found[name] for name in MODELS)
    said = f"leaves {trained.n_both[0]} of the {trained.n_pairs_alone[0]} heads that pass"
    assert said in TEXT
    assert f"(untrained: {untrained.n_both[0]} of {untrained.n_pairs_alone[0]})" in TEXT
    for run in (trained, untrained):
        assert "are not more alike" in run.text
    ahead = [run.between_levels[0, -1] - run.between_levels_p95[0, -1] for run in (trained, untrained)]
    assert 0.005 < ahead[0] < 0.015  # "by a hundredth"
    assert ahead[1] < 0


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize(("grouping", "kind"), [("card", "510 card"), ("head", "75 attention")])
def test_the_table_of_the_dose(name, grouping, kind):
    d = dose(plantain.load_result(RUNS / name), grouping=grouping)
    permuted = f"{d.null_p99[0]:.0f}", f"{d.set_p[0]:.3f}"
    best = d.n_best["step"], d.n_by_distance, f"{np.median(d.distance_null):.0f}"
    assert row(name, kind, d.counts[0], *permuted, *best, signed(d.gain, 3), f"{d.gain_p:.3f}") in README


def test_what_is_said_of_the_dose():
    run = plantain.load_result(RUNS / "posebox")
    rotation, joints = dose(run), dose(run, "joints")
    assert f"{rotation.distance.min():.1f} to {rotation.distance.max():.1f} degrees in `dense_pose`" in TEXT
    assert f"`--measure joints`; {joints.distance.min():.0f} to {joints.distance.max():.0f})" in TEXT
    shift = f"{rotation.step_counts[0]} heads shift at |t| > 3, and {rotation.counts[0]} shift more the further"
    assert shift in TEXT
    gain = f"gain {signed(joints.gain, 3)}, p = {joints.gain_p:.3f}"
    assert f"({joints.counts[0]} heads, p = {joints.set_p[0]:.3f}; {gain})" in TEXT


def test_what_is_said_of_length(posebox):
    prompts = plantain.load_prompts("length")
    pipes = posebox, plantain.load_pipeline("posebox-untrained", device="cpu")
    trained, untrained = (audit.equal_length(plantain.run_probe(pipe, prompts)) for pipe in pipes)
    found = trained.audit
    assert f"{signed(float(found.delta.mean()), 2)} tokens on average (t = {signed(found.t, 2)})" in TEXT
    plain, flips = (trained.counts[0], untrained.counts[0]), (trained.p99[0], untrained.p99[0])
    assert f"{plain[0]} of 510 heads lie at |t| > 3 on Posebox (untrained: {plain[1]})" in TEXT
    assert f"where 99 % of flips give at most {flips[0]:.0f} ({flips[1]:.0f})" in TEXT
    equal = trained.counts_adjusted[0], untrained.counts_adjusted[0]
    assert f"and {equal[0]} at equal length (untrained: {equal[1]})" in TEXT
    assert f"length is {trained.adjusted.inflation:.2f} times a mean's" in TEXT
    assert not trained.adjusted.extrapolated
