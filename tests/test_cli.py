"""The command line: the whole way from prompts to tables, interruptions, and a sentence for every bad input."""

import errno
import io
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import hub
import numpy as np
import pytest

import plantain
import plantain.probe.saving
from plantain import cli
from plantain.cli.run import default_out
from plantain.cli.settings import FlipBar
from plantain.data.dataset import VARIABLE, run_name
from plantain.paths import ROOT, RUNS
from plantain.questions.counted import Counted

PAIRS = "a,b\n" + "".join(f"a {who} standing,a {who} sitting\n" for who in ("cat", "dog", "fox", "hen"))


@pytest.fixture
def csv_file(tmp_path):
    path = tmp_path / "pairs.csv"
    path.write_text(PAIRS, encoding="utf-8")
    return path


def test_run_then_report_prints_the_cards_layout_and_writes_the_files(run_cli, csv_file, tmp_path):
    out = tmp_path / "run"
    status, printed, _ = run_cli("run", "--model", "posebox", "--prompts", csv_file, "--out", out)
    assert status == 0
    assert "Heads with |t| > 3" in printed
    status, again, said = run_cli("report", out)
    assert status == 0
    assert again == printed
    table = plantain.summarise(plantain.load_result(out))
    assert table.text in printed
    assert f"  • {table.blocks[0].line}" in printed
    assert "null p99" in printed
    assert (out / "report" / "heads.csv").exists()
    assert "Wrote" in said


@pytest.mark.parametrize(("delay", "shown"), [(0.0, True), (60.0, False)])
def test_a_null_that_takes_long_tells_what_is_left(capsys, delay, shown):
    run = Counted(plantain.load_result(RUNS / "posebox"), n_flips=20_000, report=FlipBar(delay))
    assert run.card.null.counts.shape == run.head.null.counts.shape == (20_000, 2)
    assert run.curve.at(3.0)[0] == run.card.counts[0]
    said = capsys.readouterr().err
    assert ("sign flips" in said and "left" in said) == shown


def test_a_run_is_never_written_over(run_cli, csv_file, tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "precious.txt").write_text("kept")
    status, _, said = run_cli("run", "--prompts", csv_file, "--model", "posebox", "--out", tmp_path / "run")
    assert status == cli.EXIT_BAD_INPUT
    assert "is not empty" in said
    assert (tmp_path / "run" / "precious.txt").read_text() == "kept"


def test_resume_of_an_interrupted_run_equals_the_whole_run(run_cli, csv_file, tmp_path, monkeypatch):
    common = ["run", "--model", "posebox", "--prompts", csv_file, "--batch-size", 2]
    assert run_cli(*common, "--out", tmp_path / "whole")[0] == 0

    def interrupted(*arguments):
        for progress in real(*arguments):
            yield progress
            if progress.done == 3:
                raise KeyboardInterrupt

    real = plantain.probe.saving.iter_probe
    with monkeypatch.context() as patch:
        patch.setattr(plantain.probe.saving, "iter_probe", interrupted)
        status, _, said = run_cli(*common, "--out", tmp_path / "part")
    assert status == cli.EXIT_INTERRUPTED
    assert "3 of 4 pairs are saved" in said
    partial = plantain.load_result(tmp_path / "part")
    assert (partial.n_pairs, partial.complete) == (3, False)
    status, printed, _ = run_cli("report", tmp_path / "part")
    assert status == 0
    assert "Partial run: 3 of 4 pairs" in printed

    assert run_cli(*common, "--out", tmp_path / "part", "--resume")[0] == 0
    whole, resumed = (plantain.load_result(tmp_path / name) for name in ("whole", "part"))
    assert resumed.complete
    np.testing.assert_array_equal(resumed.mean_square, whole.mean_square)


def test_a_crash_keeps_the_pairs_done(csv_file, tmp_path, monkeypatch):
    real = plantain.probe.saving.iter_probe

    def crashing(*arguments):
        yield next(real(*arguments))
        raise RuntimeError("power cut")

    monkeypatch.setattr(plantain.probe.saving, "iter_probe", crashing)
    arguments = ["run", "--model", "posebox", "--prompts", str(csv_file), "--batch-size", "2"]
    with pytest.raises(RuntimeError, match="power cut"):
        cli.main([*arguments, "--out", str(tmp_path / "run")])
    assert plantain.load_result(tmp_path / "run").n_pairs == 1


@pytest.fixture
def killed(tmp_path):
    """The folder of a run that was killed while it saved for the first time."""
    folder = tmp_path / "killed"
    folder.mkdir()
    (folder / ".run.json.1000000.tmp").write_text("{")
    (folder / ".mean_square-0123456789ab.safetensors.1000000.tmp").write_bytes(b"half of it")
    return folder


@pytest.mark.parametrize("option", [[], ["--resume"]])
def test_a_run_killed_before_its_first_save_starts_afresh(run_cli, csv_file, killed, option):
    status, _, said = run_cli(
        "run", "--model", "posebox", "--prompts", csv_file, "--out", killed, "--batch-size", 8, *option
    )
    assert status == 0, said
    assert plantain.load_result(killed).complete
    assert not list(killed.glob(".*"))
    assert ("starting afresh" in said) == bool(option)


FULL = "The run cannot be saved in {out}: No space left on device. {safe} of its {done} pairs are safe there"


@pytest.mark.parametrize("n_saves", [0, 1, 2])
def test_a_disk_that_fills_is_a_sentence_and_what_was_saved_stays(run_cli, csv_file, tmp_path, monkeypatch, n_saves):
    replaced, replace = [], os.replace

    def until_full(source, target):
        if len(replaced) == 2 * n_saves:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        replaced.append(target)
        replace(source, target)

    monkeypatch.setattr(plantain.probe.saving, "SAVE_EVERY_SECONDS", -1)  # after every pair
    monkeypatch.setattr(os, "replace", until_full)
    out = tmp_path / "run"
    common = ["run", "--model", "posebox", "--prompts", csv_file, "--batch-size", 2, "--out", out]
    status, printed, said = run_cli(*common)
    assert (status, printed) == (cli.EXIT_BAD_INPUT, "")
    assert FULL.format(out=out, safe=n_saves, done=n_saves + 1) in said
    monkeypatch.undo()
    if n_saves:
        assert plantain.load_result(out).n_pairs == n_saves
        assert run_cli(*common, "--resume")[0] == 0
        assert plantain.load_result(out).complete
    else:
        assert not out.exists()


def test_a_limit_on_the_size_of_files_is_a_sentence(run_cli, csv_file, tmp_path, monkeypatch):
    resource = pytest.importorskip("resource")
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, before[1]))  # the tensors of a pair are larger
    try:
        status, _, said = run_cli("run", "--model", "posebox", "--prompts", csv_file, "--out", tmp_path / "run")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert status == cli.EXIT_BAD_INPUT, said
    assert "The run cannot be saved in" in said
    assert "File too large" in said
    assert "Traceback" not in said
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("command", ["run", "controls"])
def test_a_folder_that_cannot_be_written_to_is_refused_before_a_model_loads(run_cli, tmp_path, monkeypatch, command):
    import tempfile

    def read_only(*arguments, **keywords):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(tempfile, "TemporaryFile", read_only)
    status, _, said = run_cli(command, "--model", "posebox", "--out", tmp_path / "run")
    assert status == cli.EXIT_BAD_INPUT
    assert f"Cannot write to {tmp_path / 'run'}: Read-only file system. Give another --out." in said
    assert "Loading" not in said
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("name", ["../../x", "/tmp/x", "a\0b", "n" * 300, "..", "a/../../b", "-rf", ".hidden"])
def test_the_name_of_a_set_is_no_path(name):
    out = default_out(name, "../models/mine", untrained=False) if name != ".." else default_out("x", "..x", False)
    assert (out.parent, len(out.parts)) == (Path("runs"), 2)
    assert not {"/", "\0"} & set(out.name)
    assert len(out.name.encode()) <= 255
    assert out.name[0] not in "-."


def test_a_set_named_as_a_path_is_run_in_the_folder_of_runs(run_cli, tmp_path, monkeypatch):
    here = tmp_path / "deep" / "er"
    here.mkdir(parents=True)
    monkeypatch.chdir(here)
    pairs = [{"a": f"a {who} standing", "b": f"a {who} sitting"} for who in ("cat", "dog", "fox")]
    (here / "set.json").write_text(json.dumps({"name": "../../x", "pairs": pairs}))
    status, _, said = run_cli("run", "--model", "posebox", "--prompts", "set.json", "--batch-size", 6)
    assert status == 0, said
    assert [path.name for path in tmp_path.iterdir()] == ["deep"]
    assert plantain.load_result(here / "runs" / "x-posebox").prompts.name == "../../x"
    (here / "set.json").write_text(json.dumps({"name": "..", "pairs": pairs}))
    status, _, said = run_cli("run", "--model", "posebox", "--prompts", "set.json")
    assert status == cli.EXIT_BAD_INPUT
    assert "No folder can be named '..'; give it a name with letters or digits." in said


def test_report_finds_the_untrained_twin_or_takes_the_one_named(run_cli, tmp_path):
    status, _, said = run_cli("report", RUNS / "posebox", "--out", tmp_path / "found", "--n-flips", 50)
    assert status == 0
    assert f"its untrained twin: {RUNS / 'posebox-untrained'}." in said
    named = plantain.load_result(RUNS / "posebox-untrained").save(tmp_path / "twin")
    arguments = ["report", RUNS / "posebox", "--out", tmp_path / "named", "--n-flips", 50, "--twin", named]
    status, _, said = run_cli(*arguments)
    assert status == 0
    assert "its untrained twin" not in said
    cards = [(tmp_path / name / "model_card.md").read_text(encoding="utf-8") for name in ("found", "named")]
    assert cards[0] == cards[1]
    assert "167 (32.7 %)" in cards[0]


def test_report_refuses_another_run_as_the_twin(run_cli, tmp_path):
    for wrong, sentence in ((RUNS / "posebox-random", "is not the untrained twin"), (tmp_path, "holds no run")):
        arguments = ["report", RUNS / "posebox", "--out", tmp_path / "out", "--twin", wrong]
        status, printed, said = run_cli(*arguments)
        assert status == cli.EXIT_BAD_INPUT
        assert sentence in said
        assert printed == ""
        assert not (tmp_path / "out").exists()


def was_interrupted(status, said, out, n_pairs):
    assert status == cli.EXIT_INTERRUPTED, said
    assert "Traceback" not in said
    assert "--resume" in said
    assert 0 < plantain.load_result(out).n_pairs < n_pairs
    return True


@pytest.mark.slow
def test_a_real_signal_saves_and_exits_130_without_a_traceback(tmp_path):
    rows = "".join(
        f"{word} number {i} standing,{word} number {i} sitting\n" for i in range(60) for word in ("cat", "dog")
    )
    (tmp_path / "many.csv").write_text("a,b\n" + rows)
    out = tmp_path / "run"
    command = [sys.executable, "-m", "plantain", "run", "--model", "posebox", "--out", str(out)]
    command += ["--prompts", str(tmp_path / "many.csv"), "--batch-size", "2", "--n-seeds", "8"]
    ascii_alone = {**os.environ, "PYTHONIOENCODING": "ascii"}
    with subprocess.Popen(command, stderr=subprocess.PIPE, env=ascii_alone) as process:
        deadline = time.monotonic() + 120
        while not (out / "run.json").exists() and time.monotonic() < deadline and process.poll() is None:
            time.sleep(0.05)
        process.send_signal(signal.SIGTERM)
        said = process.communicate(timeout=60)[1].decode()
    assert was_interrupted(process.returncode, said, out, 120)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_either_signal_saves_and_gives_130(run_cli, csv_file, tmp_path, monkeypatch, number):
    def signalled(*arguments):
        for progress in real(*arguments):
            yield progress
            if progress.done == 2:
                os.kill(os.getpid(), number)

    real, before = plantain.probe.saving.iter_probe, {n: signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)}
    monkeypatch.setattr(plantain.probe.saving, "iter_probe", signalled)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a suite started in the background ignores it
    out = tmp_path / "run"
    try:
        status, _, said = run_cli("run", "--model", "posebox", "--prompts", csv_file, "--batch-size", 2, "--out", out)
    finally:
        for n, handler in before.items():
            signal.signal(n, handler)
    assert was_interrupted(status, said, out, 4)


ENCODINGS = ["cp1251", "cp932", "gbk", "cp437", "ascii"]


def test_tables_print_in_any_encoding_and_printed_json_stays_whole(monkeypatch):
    """As Windows and old locales redirect to a file. A number keeps its sign, whatever the encoding lacks."""

    def printed(encoding, *arguments):
        with io.BytesIO() as file, io.TextIOWrapper(file, encoding=encoding) as stdout, monkeypatch.context() as patch:
            patch.setattr(sys, "stdout", stdout)
            assert cli.main([str(argument) for argument in arguments]) == 0
            stdout.flush()
            return file.getvalue().decode(encoding)

    whole = printed("utf-8", "dissociation")
    assert "t = −" in whole
    for encoding in ENCODINGS:
        text = printed(encoding, "dissociation").replace("\uff0d", "-")  # cp932 has a wide minus of its own
        numbers = re.findall(r"t = (\S+[0-9])", text.replace("−", "-"))
        assert numbers == re.findall(r"t = (\S+[0-9])", whole.replace("−", "-")), encoding
    assert json.loads(printed("ascii", "ladder", "--json"))
    with pytest.raises(SystemExit, match="0"):
        printed("ascii", "run", "--help")


def test_a_report_is_written_whole_although_stdout_takes_ascii_alone(tmp_path):
    """In a process of its own, since Python opens stdout before anything of ours runs."""
    command = [sys.executable, "-m", "plantain", "report", str(RUNS / "posebox"), "--n-flips", "10"]
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    done = subprocess.run([*command, "--out", str(tmp_path)], capture_output=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    assert b"Traceback" not in done.stderr
    assert b"?" not in done.stdout  # every sign in it has a form in ASCII
    assert "×" in (tmp_path / "report.md").read_text(encoding="utf-8")


def test_files_are_written_before_anything_is_printed(monkeypatch, tmp_path):
    """``report … | head`` ends at the first line that nobody reads."""

    class Closed(io.StringIO):
        def write(self, text):
            raise BrokenPipeError

    with monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", Closed())
        patch.setattr(sys, "stderr", io.StringIO())
        assert cli.main(["report", str(RUNS / "posebox"), "--n-flips", "10", "--out", str(tmp_path)]) == 0
    assert (tmp_path / "report.md").exists()


def test_a_printed_command_can_be_pasted_whatever_the_folder_is_called(run_cli, csv_file, tmp_path):
    out = tmp_path / "my 'first' run; $HOME"
    status, _, said = run_cli("run", "--model", "posebox", "--prompts", csv_file, "--out", out)
    assert status == 0, said
    (line,) = [line for line in said.splitlines() if "python -m plantain report" in line]
    assert shlex.split(line.partition(": ")[2]) == ["python", "-m", "plantain", "report", str(out)]


def test_no_command_is_printed_with_a_bare_path():
    """A name that is filled in after ``python -m plantain …`` goes through ``shell_line``."""
    bare = re.compile(r"python -m plantain[\w.]* [^`\"(]*\{")
    found = [path for path in (ROOT / "plantain").rglob("*.py") if bare.search(path.read_text(encoding="utf-8"))]
    assert not found


BAD = {
    "unknown command": (["frobnicate"], "invalid choice"),
    "no command": ([], "required"),
    "unknown model": (["run", "--model", "posebux", "--out", "x"], "Unknown model 'posebux'"),
    "unknown prompts": (["run", "--prompts", "dance", "--out", "x"], "No prompt set called 'dance'"),
    "odd batch": (["run", "--batch-size", "3", "--out", "x"], "batch_size must be"),
    "no number": (["run", "--seed", "two", "--out", "x"], "invalid int value"),
    "negative seed": (["run", "--seed", "-1", "--out", "x"], "seed must be"),
    "rising sigmas": (["run", "--sigmas", "0.5", "1", "--out", "x"], "sigmas must be"),
    "steps against sigmas": (["run", "--steps", "3", "--sigmas", "0.5", "--out", "x"], "contradict each other"),
    "head width": (
        ["run", "--model", "posebox", "--channels-per-head", "7", "--out", "x"],
        "channels_per_head=7",
    ),
    "picture size": (["run", "--model", "posebox", "--height", "100", "--out", "x"], "multiple of 16"),
    "device": (["run", "--model", "posebox", "--device", "tpu", "--out", "x"], "Unknown device 'tpu'"),
    "dtype": (["run", "--model", "posebox", "--dtype", "int8", "--out", "x"], "Unknown dtype 'int8'"),
    "no run": (["report", "nowhere"], "holds no run"),
    "no run to push": (["push", "nowhere", "--to", "acme/results"], "holds no run"),
    "nowhere to push": (["push", str(RUNS / "posebox")], "No dataset to push to; give one as --to OWNER/NAME"),
    "nowhere to push a run": (["run", "--push", "--out", "x"], "No dataset to push to; give one as --push OWNER/NAME"),
    "no dataset id": (["run", "--model", "posebux", "--push", "results", "--out", "x"], "no valid id of a Hub dataset"),
    "no token": (["run", "--model", "posebux", "--push", "acme/results", "--out", "x"], "needs a token"),
    "private nothing": (["run", "--private", "--out", "x"], "give --push as well"),
    "no price": (["run", "--price-per-hour", "0", "--out", "x"], "must be a number above 0"),
    "untrained random": (["run", "--model", "posebox-random", "--untrained", "--out", "x"], "random weights already"),
    "seed of no twin": (["run", "--model", "posebox", "--weights-seed", "0", "--out", "x"], "give --untrained as well"),
    "negative seed of weights": (
        ["run", "--model", "posebox", "--untrained", "--weights-seed", "-1", "--out", "x"],
        "weights_seed must be",
    ),
    "nothing to resume": (["run", "--out", "nowhere", "--resume"], "holds no run"),
}


@pytest.mark.parametrize(("arguments", "sentence"), BAD.values(), ids=BAD)
def test_bad_input_is_one_sentence_and_status_2(run_cli, tmp_path, monkeypatch, arguments, sentence):
    monkeypatch.chdir(tmp_path)
    for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", VARIABLE):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("huggingface_hub.constants.HF_TOKEN_PATH", str(tmp_path / "no-token"))
    status, printed, said = run_cli(*arguments)
    assert status == cli.EXIT_BAD_INPUT
    assert sentence in said
    assert printed == ""
    assert "Traceback" not in said
    assert not (tmp_path / "x").exists()


FILES = {
    "no columns": ("x,y\n1,2\n", "needs the columns 'a' and 'b'"),
    "one pair": ("a,b\na cat,a dog\n", "at least 3 pairs"),
    "one pair again and again": ("a,b\n" + "a cat,a dog\n" * 8, "has 1. Add pairs. bad.csv: 1 pair read"),
    "empty prompt": ("a,b\na cat,\na,b\nc,d\n", "is empty"),
    "identical": ("a,b\nc,d\ne,e\nf,g\n", "are the same"),
    "duplicate ids": ("id,a,b\np,c,d\np,e,f\nq,g,h\n", "Two pairs have the id 'p'"),
    "10,000 words": ("a,b\n" + "word " * 10_000 + ",d\ne,f\ng,h\n", "10,000 words"),
    "too many tokens": ("a,b\n" + "zyx " * 120 + ",d\ne,f\ng,h\n", "reads at most 96"),
}


@pytest.mark.parametrize(("content", "sentence"), FILES.values(), ids=FILES)
def test_bad_prompt_files_are_one_sentence(run_cli, tmp_path, content, sentence):
    (tmp_path / "bad.csv").write_text(content)
    arguments = ["run", "--model", "posebox", "--prompts", tmp_path / "bad.csv", "--out", tmp_path / "x"]
    status, _, said = run_cli(*arguments)
    assert status == cli.EXIT_BAD_INPUT
    assert sentence in said
    assert not (tmp_path / "x").exists()


def test_how_a_file_was_read_is_said_before_anything_runs(run_cli, tmp_path):
    file = tmp_path / "mine.csv"
    file.write_bytes("\ufeffA;B;\r\na cat;a dog;\r\n;;\r\na hen;a cow;\r\na cat;a dog;\r\nan owl;a bee;\r\n".encode())
    said = (
        "mine.csv: 3 pairs read, separated by semicolons, UTF-8. Skipped 1 empty row. Left out column 3, which has no "
        "name (empty). Left out 1 repeated pair (row 5 repeats row 2).\n"
    )
    for command in (["audit"], ["run", "--out", tmp_path / "run", "--height", 32, "--width", 32]):
        status, _, errors = run_cli(*command, "--model", "posebox", "--prompts", file)
        assert status == 0
        assert errors.startswith(said)
    assert plantain.load_result(tmp_path / "run").n_pairs == 3


def test_resume_refuses_another_configuration_and_leaves_the_run_alone(run_cli, csv_file, tmp_path):
    common = ["run", "--model", "posebox", "--prompts", csv_file, "--out", tmp_path / "run"]
    assert run_cli(*common)[0] == 0
    before = (tmp_path / "run" / "run.json").read_bytes()
    status, _, said = run_cli(*common, "--resume", "--seed", 1)
    assert status == cli.EXIT_BAD_INPUT
    assert "Cannot resume" in said
    assert (tmp_path / "run" / "run.json").read_bytes() == before


def test_resume_of_a_whole_run_changes_nothing(run_cli, csv_file, tmp_path):
    common = ["run", "--model", "posebox", "--prompts", csv_file, "--out", tmp_path / "run"]
    run_cli(*common)
    before = plantain.load_result(tmp_path / "run").mean_square
    assert run_cli(*common, "--resume")[0] == 0
    np.testing.assert_array_equal(plantain.load_result(tmp_path / "run").mean_square, before)


def test_a_folder_that_cannot_be_made_is_refused_before_anything_runs(run_cli, csv_file, tmp_path):
    (tmp_path / "file").write_text("in the way")
    for command in (["run", "--prompts", csv_file, "--model", "posebox"], ["report", RUNS / "posebox"]):
        status, _, said = run_cli(*command, "--out", tmp_path / "file" / "run")
        assert status == cli.EXIT_BAD_INPUT
        assert "Give another --out" in said


def test_an_untrained_twin_has_a_name_and_a_folder_of_its_own(run_cli, csv_file, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    arguments = ["run", "--model", "posebox", "--prompts", csv_file]
    assert run_cli(*arguments, "--untrained", "--weights-seed", 2)[0] == 0
    result = plantain.load_result(tmp_path / "runs" / "pairs-posebox-untrained")
    assert (result.model, result.provenance["weights_seed"]) == ("posebox-untrained", 2)
    # The trained run goes elsewhere, and one cannot go on as the other.
    assert run_cli(*arguments)[0] == 0
    status, _, said = run_cli(*arguments, "--untrained", "--resume", "--out", "runs/pairs-posebox")
    assert status == cli.EXIT_BAD_INPUT
    assert "Cannot resume: the saved run has weights_fingerprint" in said


def test_time_and_cost_are_told_before_during_and_after(run_cli, csv_file, tmp_path):
    arguments = ["run", "--model", "posebox", "--prompts", csv_file, "--batch-size", 2, "--out", tmp_path / "run"]
    status, printed, said = run_cli(*arguments, "--price-per-hour", 36_000)
    assert status == 0
    for start in ("Expected: ", "By the first 1 of 4 pairs: ", "Measured: "):
        (line,) = [line for line in said.replace("\r", "\n").splitlines() if line.strip().startswith(start)]
        assert " for the probe, " in line
        assert line.rstrip().endswith(" at 36000 an hour.")
    assert said.index("Expected: ") < said.index("By the first") < said.index("Measured: ")
    assert "an hour" not in printed
    said = run_cli(*arguments[:-1], tmp_path / "other")[2]
    assert "an hour" not in said


# -- a dataset on the Hub, on loopback -------------------------------------------------------------


@pytest.fixture
def datasets(tmp_path):
    with hub.serve_datasets() as served, hub.reached(served.address, tmp_path / "home", hub.WRITER):
        yield served


def test_a_finished_run_is_pushed(run_cli, datasets, csv_file, tmp_path, monkeypatch):
    monkeypatch.setenv(VARIABLE, "acme/results")
    arguments = ["run", "--model", "posebox", "--prompts", csv_file, "--out", tmp_path / "run"]
    status, _, said = run_cli(*arguments, "--push")
    assert status == 0, said
    name = run_name(plantain.load_result(tmp_path / "run"))
    assert f"Pushed to {datasets.address}/datasets/acme/results/tree/main/{name}" in said
    assert f"{name}/run.json" in datasets.repos["acme/results"].files
    # Later, and to another place: the address alone on stdout.
    status, printed, _ = run_cli("push", tmp_path / "run", "--to", "acme/others", "--private")
    assert (status, printed) == (0, f"{datasets.address}/datasets/acme/others/tree/main/{name}\n")
    assert datasets.repos["acme/others"].private


def test_a_push_that_cannot_be_is_refused_before_the_model_loads(run_cli, datasets, tmp_path):
    status, _, said = run_cli("run", "--model", "posebox", "--push", "other/results", "--out", tmp_path / "run")
    assert status == cli.EXIT_BAD_INPUT
    assert "This token may not write to the dataset other/results" in said
    assert "Loading" not in said
    assert not (tmp_path / "run").exists()


def test_a_run_is_safe_when_the_hub_fails_at_its_end(run_cli, datasets, csv_file, tmp_path):
    datasets.faults = [("POST", "/commit/", 500, 100)]
    out = tmp_path / "run"
    arguments = ["run", "--model", "posebox", "--prompts", csv_file, "--out", out, "--push", "acme/results"]
    status, printed, said = run_cli(*arguments)
    assert status == cli.EXIT_BAD_INPUT
    assert "Heads with |t| > 3" in printed
    assert f"push it later: python -m plantain push {out} --to acme/results" in said
    assert plantain.load_result(out).complete
    datasets.faults = []
    assert run_cli("push", out, "--to", "acme/results")[0] == 0
