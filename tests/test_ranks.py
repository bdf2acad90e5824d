"""A run shared among processes: the same numbers, and nothing lost when one of them dies."""

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import psutil
import pytest
from browser import free_port

import plantain
from plantain import cli
from plantain.data.dense import load_dense
from plantain.data.prompts import PromptSet
from plantain.data.result import ProbeResult, load_result
from plantain.errors import InputError
from plantain.paths import ROOT
from plantain.probe import probe
from plantain.probe.ranks import Ranks, check_free, part_folder, parts_folder
from plantain.probe.shared import choose_batch, iter_shared, joined

N_PAIRS = 18  # batches of four: the last one is not whole
PAIRS = [(f"a {who} standing {where}", f"a {who} leaping {where}") for where in ("", "in a gym") for who in "abcdefghi"]


@pytest.fixture(scope="module")
def prompts():
    return PromptSet.from_pairs(PAIRS, name="many")


@pytest.fixture(scope="module")
def alone(posebox, prompts):
    return plantain.run_probe(posebox, prompts)


@pytest.mark.parametrize("size", [1, 2, 3, 7])
@pytest.mark.parametrize(("n_pairs", "batch"), [(1, 4), (25, 4), (18, 5), (100, 1)])
def test_shares_are_whole_batches_in_order_and_even(size, n_pairs, batch):
    shares = [Ranks(rank, size).share(n_pairs, batch) for rank in range(size)]
    assert [i for share in shares for i in range(n_pairs)[share]] == list(range(n_pairs))
    assert all(share.start % batch == 0 for share in shares if share.start < n_pairs)
    batches = [-(-(share.stop - share.start) // batch) for share in shares]
    assert max(batches) - min(batches) <= 1


@pytest.fixture(autouse=True)
def one_after_the_other(monkeypatch):
    """In this process the ranks take turns, and none waits; those that are started are others."""
    for waiting in ("meet", "wait"):
        monkeypatch.setattr(Ranks, waiting, lambda _: None)


def probe_all(posebox, prompts, folder, size):
    for rank in range(size):
        choose_batch(posebox, prompts, plantain.ProbeConfig(), folder, Ranks(rank, size))
        for _ in iter_shared(posebox, prompts, plantain.ProbeConfig(), folder, Ranks(rank, size)):
            pass
    return joined(prompts, plantain.ProbeConfig(), folder, Ranks(0, size))


@pytest.mark.parametrize("size", [2, 9])
def test_the_parts_are_the_run_of_one_process_to_the_bit(posebox, prompts, alone, tmp_path, size):
    result = probe_all(posebox, prompts, tmp_path / "run", size)
    np.testing.assert_array_equal(result.mean_square, alone.mean_square)
    np.testing.assert_array_equal(result.token_counts, alone.token_counts)
    assert (result.prompts, result.config) == (alone.prompts, alone.config)
    assert result.provenance["processes"] == size
    assert load_result(tmp_path / "run").complete
    assert not parts_folder(tmp_path / "run").exists()


def test_parts_that_are_missing_or_of_others_are_a_sentence(posebox, prompts, tmp_path):
    config, folder = plantain.ProbeConfig(), tmp_path / "run"
    choose_batch(posebox, prompts, config, folder, Ranks(0, 2))
    for _ in iter_shared(posebox, prompts, config, folder, Ranks(0, 2)):
        pass
    with pytest.raises(InputError, match=r"12 of 18 pairs are saved in .*run\.parts; .* --resume"):
        joined(prompts, config, folder, Ranks(0, 2))
    with pytest.raises(InputError, match=r"parts of another number of processes \(0-of-2\); start as many"):
        list(iter_shared(posebox, prompts, config, folder, Ranks(0, 3)))


def test_every_process_takes_the_batches_that_the_first_one_chose(posebox, prompts, alone, tmp_path, monkeypatch):
    """Another GPU would hold more, and its share would overlap."""
    folder, config = tmp_path / "run", plantain.ProbeConfig()
    choose_batch(posebox, prompts, config, folder, Ranks(0, 2))
    monkeypatch.setattr(probe, "choose_batch_size", lambda *_: 10)
    choose_batch(posebox, prompts, config, folder, Ranks(1, 2))
    for ranks in Ranks(0, 2).all():
        *_, last = iter_shared(posebox, prompts, config, folder, ranks)
        assert last.total == (12, 6)[ranks.rank]
    result = joined(prompts, config, folder, Ranks(0, 2))
    np.testing.assert_array_equal(result.mean_square, alone.mean_square)
    assert result.provenance["batch_size"] == alone.provenance["batch_size"]
    assert result.config == alone.config


def test_another_batch_is_taken_while_there_is_no_part_and_else_refused(posebox, prompts, alone, tmp_path):
    """The first size may be too large for the memory, which only the first forward tells."""
    folder, ranks = tmp_path / "run", Ranks(0, 2)
    assert choose_batch(posebox, prompts, plantain.ProbeConfig(batch_size=10), folder, ranks) == 10
    assert choose_batch(posebox, prompts, plantain.ProbeConfig(), folder, ranks) == 10
    config = plantain.ProbeConfig(batch_size=alone.provenance["batch_size"])
    assert choose_batch(posebox, prompts, config, folder, ranks) == config.batch_size
    for _ in iter_shared(posebox, prompts, config, folder, ranks):
        pass
    with pytest.raises(InputError, match=rf"made with batch_size {config.batch_size}, this one 6\. Start a new run"):
        choose_batch(posebox, prompts, plantain.ProbeConfig(batch_size=6), folder, ranks)
    assert choose_batch(posebox, prompts, plantain.ProbeConfig(), folder, ranks) == config.batch_size
    for _ in iter_shared(posebox, prompts, config, folder, Ranks(1, 2)):
        pass
    np.testing.assert_array_equal(joined(prompts, config, folder, ranks).mean_square, alone.mean_square)


def test_a_joining_that_was_cut_short_is_gone_on_with(posebox, prompts, tmp_path, monkeypatch):
    folder, config, ranks = tmp_path / "run", plantain.ProbeConfig(), Ranks(0, 1)
    choose_batch(posebox, prompts, config, folder, ranks)
    for _ in iter_shared(posebox, prompts, config, folder, ranks):
        pass
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "rmtree", lambda *_, **__: None)  # killed before the parts went
        joined(prompts, config, folder, ranks)
    check_free(folder, ranks, resume=True)
    with pytest.raises(InputError, match="is not empty"):
        check_free(folder, ranks, resume=False)
    with monkeypatch.context() as patch:
        patch.setattr(ProbeResult, "save", full)
        with pytest.raises(InputError, match=r"put together in .*run: No space left.*safe in .*run\.parts; "):
            joined(prompts, config, folder, ranks)
    assert joined(prompts, config, folder, ranks).complete
    assert not parts_folder(folder).exists()


def full(*_):
    raise OSError(errno.ENOSPC, "No space left on device")


def test_parts_at_other_noise_levels_or_of_other_tokens_are_not_put_together(posebox, prompts, tmp_path):
    config, folder = plantain.ProbeConfig(), tmp_path / "run"
    for ranks in Ranks(0, 2).all():
        choose_batch(posebox, prompts, config, folder, ranks)
        *_, last = iter_shared(posebox, prompts, config, folder, ranks)
    part = last.result
    for key, other in (("realised_sigmas", [0.4]), ("tokenizer_digest", "another")):
        replace(part, provenance=part.provenance | {key: other}).save(part_folder(folder, Ranks(1, 2)))
        with pytest.raises(InputError, match=f"The processes of this run differ in {key}: "):
            joined(prompts, config, folder, Ranks(0, 2))
    del part.provenance["tokenizer_digest"]  # of an older version
    part.save(part_folder(folder, Ranks(1, 2)))
    assert joined(prompts, config, folder, Ranks(0, 2)).complete


@pytest.mark.slow
def test_a_shared_dense_run_takes_one_batch_whatever_memory_each_has_and_is_that_of_one(tmp_path, monkeypatch, capsys):
    whole, few, folder = plantain.load_prompts("dense_pose"), tmp_path / "few.json", tmp_path / "run"
    few.write_text(json.dumps(whole.to_dict() | {"name": "few", "pairs": [pair.to_dict() for pair in whole.pairs[:4]]}))
    command = ["dense", "--model", "posebox", "--prompts", str(few), "--out", str(folder), "--no-decoders"]
    command += ["--height", "64", "--width", "64"]
    monkeypatch.setenv("WORLD_SIZE", "2")
    for rank, batch, more in ((0, 4, []), (1, 8, ["--resume"]), (0, 8, ["--resume"])):  # one after the other here
        monkeypatch.setenv("RANK", str(rank))
        monkeypatch.setattr(probe, "choose_batch_size", lambda *_, batch=batch: batch)
        done = cli.main([*command, *more])
        assert (done, "blocks are read and saved" in capsys.readouterr().err) == ((0, False) if more else (2, True))
    monkeypatch.delenv("WORLD_SIZE")
    monkeypatch.setattr(probe, "choose_batch_size", lambda *_: 4)
    assert cli.main([*command, "--maps", str(folder), "--out", str(tmp_path / "one")]) == 0
    one, two = load_dense(tmp_path / "one"), load_dense(folder)
    for name in ("own", "others", "matrix", "shift", "shift_scale"):
        np.testing.assert_array_equal(getattr(two, name), getattr(one, name))
    assert (two.run.config, two.run.provenance["batch_size"]) == (one.run.config, 4)


def test_a_batch_that_lies_on_another_machine_is_a_sentence(posebox, prompts, tmp_path):
    with pytest.raises(InputError, match="is on another machine; processes that share a command share a folder"):
        choose_batch(posebox, prompts, plantain.ProbeConfig(), tmp_path / "run", Ranks(1, 2))


# -- several processes -----------------------------------------------------------------------------


def launch(folder, csv, size, *more):
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={size}"]
    command += ["-m", "plantain", "run", "--model", "posebox", "--prompts", str(csv), "--out", str(folder), *more]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


@pytest.fixture(scope="module")
def csv(tmp_path_factory):
    path = tmp_path_factory.mktemp("ranks") / "many.csv"
    path.write_text("a,b\n" + "".join(f"{a},{b}\n" for a, b in PAIRS))
    return path


@pytest.mark.parametrize(
    ("there", "more", "said"),
    [
        ("run.parts/0-of-2/run.json", [], "holds an interrupted run; give another --out, or --resume"),
        ("run/run.json", ["--resume"], "is not empty; give another --out"),
        (None, ["--draw"], "draw and push the finished run"),
    ],
    ids=["parts", "a run", "drawing"],
)
def test_what_a_shared_run_refuses_before_a_model_is_loaded(csv, tmp_path, monkeypatch, capsys, there, more, said):
    if there:
        (tmp_path / there).parent.mkdir(parents=True)
        (tmp_path / there).write_text("{}")
    monkeypatch.setenv("RANK", "0")
    monkeypatch.setenv("WORLD_SIZE", "2")
    command = ["run", "--model", "posebox", "--prompts", str(csv), "--out", str(tmp_path / "run"), *more]
    assert cli.main(command) == 2
    assert said in capsys.readouterr().err


def process_of(code, rank, port):
    """A process by itself, as a scheduler starts it: nobody ends it where another one ends."""
    code = (
        f"from plantain.errors import InputError\nfrom plantain.probe.ranks import Ranks\nranks = Ranks.here()\n{code}"
    )
    places = {"RANK": str(rank), "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    environment = {**os.environ, **places, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        [sys.executable, "-c", code], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


@pytest.mark.slow
def test_where_one_refuses_the_others_are_told(tmp_path):
    port = free_port()
    refusing = process_of("ranks.meet(); raise SystemExit(2)", 0, port)
    waiting = process_of("ranks.meet()\ntry: ranks.wait()\nexcept InputError as error: print(error)", 1, port)
    said, errors = waiting.communicate(timeout=120)
    assert refusing.wait(timeout=120) == 2
    assert said.startswith("Another process of this command ended before it was done"), errors


@pytest.mark.slow
def test_a_process_that_waits_alone_hears_a_polite_kill():
    code = "import signal\nsignal.signal(signal.SIGTERM, signal.default_int_handler)\nimport torch.distributed\n"
    process = process_of(f"{code}print('waits', flush=True); ranks.meet()", 1, free_port())
    assert process.stdout.readline() == "waits\n"
    time.sleep(2)
    assert process.poll() is None
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=60) == -signal.SIGTERM


@pytest.mark.slow
def test_a_killed_process_ends_the_others_and_the_same_command_gives_the_run_of_one(csv, alone, tmp_path):
    folder = tmp_path / "run"
    process = launch(folder, csv, 2, "--n-seeds", "4")
    deadline = time.monotonic() + 240
    while not list(parts_folder(folder).glob("*/run.json")):
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < deadline
        time.sleep(0.05)
    workers = [child for child in psutil.Process(process.pid).children() if "plantain" in child.cmdline()]
    assert len(workers) == 2
    workers[1].send_signal(signal.SIGKILL)
    said, _ = process.communicate(timeout=120)
    assert process.returncode != 0
    assert not folder.exists()
    assert list(parts_folder(folder).glob("*/run.json"))
    resumed = launch(folder, csv, 2, "--n-seeds", "4", "--resume")
    said, _ = resumed.communicate(timeout=300)
    assert resumed.returncode == 0, said
    assert "Saved 18 pairs of 2 processes" in said
    assert said.count("Expected by chance") == 2  # under the tables of card and of attention heads, told by one process
    result = load_result(folder)
    assert result.complete
    np.testing.assert_array_equal(result.mean_square[:, :, :1], alone.mean_square)
