"""The commands stability, audit and dose: what they print and write, and a sentence for every bad input."""

import csv

import numpy as np
import pytest

import plantain
from plantain import cli
from plantain.paths import RUNS
from plantain.questions.dose import dose
from plantain.questions.stability import stability

LEVELS = RUNS / "levels" / "posebox"


def read(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_stability_prints_both_twins_and_writes_its_files(run_cli, tmp_path):
    status, printed, said = run_cli("stability", LEVELS, "--out", tmp_path / "out")
    assert status == 0
    found = stability(plantain.load_result(LEVELS))
    assert all(sentence in printed for sentence in found.sentences)
    assert found.tables[0].columns in printed
    assert "By noise level, untrained twin" in printed
    assert "Wrote" in said
    assert {path.suffix for path in (tmp_path / "out").iterdir()} == {".svg", ".pdf", ".png", ".csv"}
    rows = read(tmp_path / "out" / "stability.csv")
    np.testing.assert_allclose([float(row["t_0.25"]) for row in rows], found.t[-1], rtol=1e-6)
    np.testing.assert_allclose([float(row["p_min_f_0.5"]) for row in rows], found.min_f[2].p, rtol=1e-6)


@pytest.mark.parametrize("grouping", ["card", "head"])
def test_dose_prints_both_twins_and_writes_its_files(run_cli, tmp_path, grouping):
    arguments = ["dose", RUNS / "posebox", "--measure", "joints", "--grouping", grouping, "--out", tmp_path]
    status, printed, _ = run_cli(*arguments)
    assert status == 0
    found = dose(plantain.load_result(RUNS / "posebox"), "joints", grouping)
    assert all(sentence in printed for sentence in found.sentences)
    assert found.tables[0].columns in printed
    assert "By block, untrained twin" in printed
    rows = read(tmp_path / "dose.csv")
    np.testing.assert_allclose([float(row["t_slope"]) for row in rows], found.response.t, rtol=1e-6)
    assert [row["best"] for row in rows].count("none") == found.n_best["none"]


def test_a_twin_is_named_or_refused(run_cli):
    twin = RUNS / "posebox-untrained"
    assert run_cli("dose", RUNS / "posebox", "--twin", twin)[0] == 0
    status, _, said = run_cli("dose", RUNS / "posebox", "--twin", RUNS / "posebox-random")
    assert status == cli.EXIT_BAD_INPUT
    assert "is not the untrained twin" in said


def test_audit_of_prompts_and_of_a_run(run_cli):
    status, printed, _ = run_cli("audit", "--prompts", "length", "--model", "posebox")
    assert status == 0
    assert "UNBALANCED" in printed
    status, printed, _ = run_cli("audit", RUNS / "posebox", "--grouping", "head")
    assert status == 0
    assert "equally many tokens" in printed
    assert "the effect at equal length already" in printed


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["audit"], "either the folder of a run or --prompts"),
        (["audit", RUNS / "posebox", "--prompts", "length"], "either the folder of a run or --prompts"),
        (["audit", RUNS / "posebox", "--model", "posebox"], "leave --model out"),
        (["audit", "--prompts", "nothing"], "No prompt set called 'nothing'"),
        (["stability", RUNS / "posebox"], "nothing to compare"),
        (["stability", "nowhere"], "holds no run"),
        (["dose", RUNS / "posebox", "--measure", "metres"], "invalid choice: 'metres'"),
        (["run", "--noise-levels", "1", "0.5", "--sigmas", "1", "0.5"], "--noise-levels and --sigmas contradict"),
        (["run", "--noise-levels", "1", "0.5", "--steps", "3"], "--steps 3 and 2 --noise-levels contradict"),
        (["run", "--noise-levels", "0.5", "1"], "falling"),
    ],
    ids=str,
)
def test_bad_input_is_told_in_a_sentence(run_cli, arguments, sentence):
    status, printed, said = run_cli(*arguments)
    assert (status, printed) == (cli.EXIT_BAD_INPUT, "")
    assert sentence in said


def test_a_file_in_the_way_of_out_is_told(run_cli, tmp_path):
    (tmp_path / "file").write_text("")
    status, _, said = run_cli("dose", RUNS / "posebox", "--out", tmp_path / "file")
    assert status == cli.EXIT_BAD_INPUT
    assert "Give another --out" in said
