"""The list of runs: from their descriptions alone, whatever lies beside them; a run's key opens no other folder."""

import shutil
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from made_runs import made_run

from plantain.data import result as results
from plantain.data.result import load_result, peek
from plantain.errors import InputError
from plantain.paths import RUNS
from plantain.ui import catalog
from plantain.ui.dense import all_dense, place_beside
from plantain.ui.tabs import run as run_tab


@pytest.fixture
def saved(tmp_path, monkeypatch):
    """The folder of runs saved beside the page, which is empty."""
    folder = tmp_path / "runs"
    folder.mkdir()
    monkeypatch.setattr(catalog, "saved_folder", lambda: folder)
    return folder


def a_run():
    return made_run(np.random.default_rng(0).normal(size=(4, 56)))


def test_a_peek_says_what_the_run_is_without_its_tensors(tmp_path):
    whole = a_run()
    whole.first(2).save(tmp_path)
    next(tmp_path.glob("*.safetensors")).unlink()
    listed = peek(tmp_path)
    assert (listed.model, listed.prompts, listed.n_pairs, listed.n_wanted) == ("made up", "made", 2, 4)
    assert not listed.complete
    assert peek(RUNS / "posebox").fingerprint == results.load_result(RUNS / "posebox").provenance["weights_fingerprint"]


@pytest.mark.parametrize("text", ["{}", '{"schema_version": 1}', '{"schema_version": 1, "prompts": 3}', "[", ""])
def test_what_is_no_run_is_not_listed_and_keeps_no_page_from_opening(saved, text):
    (saved / "broken").mkdir()
    (saved / "broken" / "run.json").write_text(text)
    (saved / "a file").write_text("")
    with pytest.raises(InputError):
        peek(saved / "broken")
    assert not [key for key in catalog.entries() if key.startswith("saved-here")]
    with pytest.raises(InputError, match="no run 'saved-here/broken' here any more"):
        catalog.entry("saved-here/broken")


def test_a_thousand_runs_are_listed_and_none_is_read(saved, monkeypatch):
    first = saved / "run-0000"
    a_run().save(first)
    for i in range(1, 1000):
        shutil.copytree(first, saved / f"run-{i:04d}")

    def read(folder):
        raise AssertionError(f"{folder} is read")

    posebox = catalog.load(RUNS / "posebox")
    monkeypatch.setattr(catalog, "load", read)
    assert len(catalog.choices()) == 1000 + 5
    assert len(catalog.first_choices()) == catalog.MOST_AT_ONCE
    assert catalog.entry("saved-here/run-0500").folder == saved / "run-0500"
    assert catalog.reference_for(a_run()) is None
    assert [dense.family.model for dense in all_dense("dense_pose")] == ["posebox"]
    assert place_beside(posebox) is not None


def test_a_run_whose_tensors_went_is_listed_and_not_opened_first(saved, monkeypatch):
    monkeypatch.setattr(catalog, "RUNS", saved / "none shipped")
    for name in ("first", "second"):
        a_run().save(saved / name)
    next((saved / "first").glob("*.safetensors")).unlink()
    assert list(catalog.entries()) == ["saved-here/first", "saved-here/second", "published"]
    assert catalog.default_key() == "saved-here/second"
    shutil.rmtree(saved / "second")
    assert catalog.default_key() == catalog.PUBLISHED


@pytest.mark.parametrize("key", ["saved-here/../elsewhere", "saved-here/", "/etc", "elsewhere", "shipped/../runs/x"])
def test_a_key_is_looked_up_and_never_a_path(saved, key):
    a_run().save(saved.parent / "elsewhere")
    with pytest.raises(InputError, match="here any more"):
        catalog.entry(key)


def test_of_two_who_save_in_one_second_one_has_the_folder(saved, monkeypatch):
    """The other is told so; nobody's save takes the other's files away."""
    monkeypatch.setattr(time, "strftime", lambda form: "20260101-000000")
    both = [made_run(np.random.default_rng(seed).normal(size=(4, 56))) for seed in range(2)]
    with ThreadPoolExecutor(2) as pool:
        told = list(pool.map(run_tab._save, both))
    assert sorted(is_saved for _, is_saved in told) == [False, True]
    assert any("exists already; press again in a second" in said for said, is_saved in told if not is_saved)
    (folder,) = saved.iterdir()
    (kept,) = (run for run, (_, is_saved) in zip(both, told, strict=True) if is_saved)
    np.testing.assert_array_equal(load_result(folder).mean_square, kept.mean_square)


def test_a_save_that_fails_leaves_no_folder(saved, monkeypatch):
    def full(*given):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("plantain.data.disk.write_atomically", full)
    said, is_saved = run_tab._save(a_run())
    assert not is_saved
    assert f"cannot write to {saved} (No space left on device). Download the run below" in said
    assert not list(saved.iterdir())
