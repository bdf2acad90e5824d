"""``plantain controls`` and ``plantain compare``: from sets to the answer, interruptions, bad input."""

import errno
import json
import os

import numpy as np
import pytest

import plantain
import plantain.probe.saving
from plantain import cli
from plantain.paths import RUNS

ROWS = ("cat", "dog", "fox", "hen")


@pytest.fixture
def sets(tmp_path):
    """Two small files named as pose and a control, matched by subject."""
    words = {"dense_pose": ("standing", "leaping"), "setting": ("in a park", "by the sea")}
    paths = []
    for name, (a, b) in words.items():
        path = tmp_path / f"{name}.csv"
        lines = "".join(f"{who},a {who} {a},a {who} {b},{who}\n" for who in ROWS)
        path.write_text(f"id,a,b,subject\n{lines}", encoding="utf-8")
        paths.append(path)
    return paths


@pytest.mark.slow
def test_controls_then_compare_prints_the_answer_and_writes_the_files(run_cli, sets, tmp_path):
    out = tmp_path / "runs"
    common = ["controls", "--model", "posebox", "--sets", *sets, "--out", out, "--untrained", 1, "--batch-size", 4]
    status, _, said = run_cli(*common)
    assert status == 0
    assert "4/4 runs" in said
    assert f"Saved 4 runs to {out}." in said
    assert sorted(path.name for path in out.iterdir()) == ["posebox", "posebox-untrained-0"]
    twin = plantain.load_result(out / "posebox-untrained-0" / "setting")
    assert (twin.model, twin.provenance["weights_seed"]) == ("posebox-untrained", 0)

    status, printed, said = run_cli("compare", out, "--out", tmp_path / "report", "--n-flips", 16)
    assert status == 0
    assert printed.startswith("Is it pose? posebox: dense_pose beside 1 controls")
    assert "untrained 0" in printed
    assert "Wrote" in said
    data = json.loads((tmp_path / "report" / "controls.json").read_text(encoding="utf-8"))
    assert data["weights"] == ["trained", "untrained 0"]
    names = ["control_heads.csv", "controls.csv", "controls.json", "controls.md"]
    assert sorted(path.name for path in (tmp_path / "report").iterdir())[:4] == names
    parts = [out / "posebox" / name for name in ("dense_pose", "setting")]
    status, printed, _ = run_cli("compare", *parts, "--n-flips", 16)
    assert status == 0
    assert "No untrained twin was run" in printed


@pytest.mark.slow
def test_interrupted_controls_are_kept_and_go_on(run_cli, sets, tmp_path, monkeypatch):
    common = ["controls", "--model", "posebox", "--sets", *sets, "--untrained", 0, "--batch-size", 2]
    assert run_cli(*common, "--out", tmp_path / "whole")[0] == 0
    real = plantain.probe.saving.iter_probe

    def interrupted(pipe, prompts, *arguments):
        for progress in real(pipe, prompts, *arguments):
            if prompts.name == "setting" and progress.done == 3:
                raise KeyboardInterrupt
            yield progress

    with monkeypatch.context() as patch:
        patch.setattr(plantain.probe.saving, "iter_probe", interrupted)
        status, _, said = run_cli(*common, "--out", tmp_path / "part")
    assert status == cli.EXIT_INTERRUPTED
    assert "the same command goes on" in said
    assert plantain.load_result(tmp_path / "part" / "posebox" / "setting").n_pairs == 2
    assert run_cli(*common, "--out", tmp_path / "part")[0] == 0
    for name in ("dense_pose", "setting"):
        whole, part = (plantain.load_result(tmp_path / out / "posebox" / name) for out in ("whole", "part"))
        np.testing.assert_array_equal(part.mean_square, whole.mean_square)
    status, _, said = run_cli(*common, "--out", tmp_path / "part", "--seed", 3)
    assert status == cli.EXIT_BAD_INPUT
    assert "a run with seed=0 where this one has 3" in said


def named(tmp_path, file, name):
    pairs = [{"a": f"a {who} standing", "b": f"a {who} leaping", "subject": who} for who in ROWS]
    (tmp_path / file).write_text(json.dumps({"name": name, "pairs": pairs}))
    return tmp_path / file


def test_the_name_of_a_set_is_no_path(run_cli, tmp_path):
    out, sets = tmp_path / "out", [named(tmp_path, "1.json", "../../../x"), named(tmp_path, "2.json", "/abs/x")]
    common = ["controls", "--model", "posebox", "--untrained", 0, "--out", out, "--batch-size", 8, "--sets"]
    assert run_cli(*common, *sets)[0] == 0
    assert sorted(path.name for path in (out / "posebox").iterdir()) == ["abs-x", "x"]
    status, _, said = run_cli(*common, *sets, named(tmp_path, "3.json", "abs x"))
    assert status == cli.EXIT_BAD_INPUT
    assert "The sets '/abs/x' and 'abs x' would share the folder abs-x; rename one of them." in said
    assert "Loading" not in said
    assert plantain.load_result(out / "posebox" / "abs-x").prompts.name == "/abs/x"


def test_a_disk_that_fills_is_a_sentence_and_what_was_saved_stays(run_cli, sets, tmp_path, monkeypatch):
    replace = os.replace

    def until_full(source, target):
        if "setting" in str(target):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        replace(source, target)

    common = ["controls", "--model", "posebox", "--sets", *sets, "--untrained", 0, "--batch-size", 8]
    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", until_full)
        status, _, said = run_cli(*common, "--out", tmp_path / "out")
    assert status == cli.EXIT_BAD_INPUT
    assert "setting: No space left on device. 0 of its 4 pairs are safe there" in said
    assert plantain.load_result(tmp_path / "out" / "posebox" / "dense_pose").complete
    assert run_cli(*common, "--out", tmp_path / "out")[0] == 0


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["controls", "--untrained", "-1"], "--untrained takes a number of transformers, from 0; got -1."),
        (["controls", "--model", "posebox-random"], "posebox-random has random weights already"),
        (["controls", "--model", "posebox", "--sets", "moods"], "No prompt set called 'moods'"),
        (["controls", "--model", "posebox", "--n-seeds", "0"], "n_seeds must be"),
        (["controls", "--model", "posebox", "--out", "{file}"], "is a file where a folder was expected"),
        (["compare", "{folder}"], "No runs in"),
        (["compare", "{runs}/posebox", "--pose", "setting"], "have no 'setting'"),
        (["compare", "{runs}/posebox", "--threshold", "0"], "threshold"),
        (["compare", "{runs}/posebox", "--n-flips", "9", "--out", "{file}"], "Cannot write to"),
        (["compare"], "The following arguments are required"),
    ],
)
def test_bad_input_is_a_sentence_and_status_2(run_cli, tmp_path, monkeypatch, arguments, sentence):
    import plantain.model.load

    monkeypatch.setattr(plantain.model.load, "load_pipeline", None)  # refused before a model is loaded
    (tmp_path / "file").write_text("")
    (tmp_path / "folder").mkdir()
    places = {"file": tmp_path / "file", "folder": tmp_path / "folder", "runs": RUNS}
    status, _, said = run_cli(*(argument.format(**places) for argument in arguments))
    assert status == cli.EXIT_BAD_INPUT
    assert sentence in said
    assert "Traceback" not in said
