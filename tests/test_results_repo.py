"""Runs in a Hub dataset, against a stand-in on loopback: pushed, replaced, fetched, and every way to fail."""

import json
import logging
from dataclasses import replace

import hub
import numpy as np
import pytest

import plantain
from plantain.data.dataset import (
    VARIABLE,
    check_push,
    default_repo,
    fetch_runs,
    keep,
    push_run,
    run_name,
    worth_keeping,
)
from plantain.data.prompts import PromptSet, load_prompts
from plantain.data.result import load_result
from plantain.data.settings import ProbeConfig
from plantain.errors import InputError
from plantain.paths import RUNS

REPO = "acme/results"


@pytest.fixture(scope="session")
def shipped():
    return load_result(RUNS / "posebox-random")


@pytest.fixture
def datasets(tmp_path):
    """The stand-in with a token that may write; whatever looks up another host fails the test."""
    with hub.serve_datasets() as served, hub.reached(served.address, tmp_path / "home", hub.WRITER):
        yield served


def set_address(patch, address):
    import huggingface_hub.constants as constants

    template = constants.HUGGINGFACE_CO_URL_TEMPLATE
    patch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", address + template.removeprefix(constants.ENDPOINT))
    patch.setattr(constants, "ENDPOINT", address)


def with_model(result, name, **changes):
    return replace(result, provenance={**result.provenance, "model": name, **changes})


# -- names -----------------------------------------------------------------------------------------


def test_the_default_dataset_comes_from_the_environment(monkeypatch):
    monkeypatch.delenv(VARIABLE, raising=False)
    assert default_repo() is None
    monkeypatch.setenv(VARIABLE, "  ")
    assert default_repo() is None
    monkeypatch.setenv(VARIABLE, " acme/results ")
    assert default_repo() == "acme/results"


def test_a_name_says_prompts_and_model_and_is_the_same_for_a_repetition(shipped):
    name = run_name(shipped)
    assert name.startswith("dense_pose-posebox-random-")
    assert len(name.rsplit("-", 1)[1]) == 12
    again = with_model(shipped, shipped.model, seconds=99.0, device="another", started="later")
    again = replace(again, config=replace(shipped.config, batch_size=4, guidance_scale=1))
    assert run_name(again) == name
    assert run_name(replace(shipped, prompts=replace(shipped.prompts, role="control", caveat="None."))) == name


def test_different_runs_have_different_names(shipped):
    pairs = shipped.prompts.pairs
    other_words = replace(shipped.prompts, pairs=(replace(pairs[0], b=pairs[0].b + " again"), *pairs[1:]), rules=())
    runs = [
        shipped,
        replace(shipped, config=ProbeConfig(seed=1)),
        replace(shipped, config=ProbeConfig(guidance_scale=2.0)),
        replace(shipped, prompts=other_words),
        with_model(shipped, shipped.model, weights_fingerprint="another"),
        with_model(shipped, shipped.model, dtype="bfloat16"),
        with_model(shipped, shipped.model, height=256),
    ]
    assert len({run_name(run) for run in runs}) == len(runs)


@pytest.mark.parametrize("model", ["../../etc/passwd", "/srv/models/mine/", "", "..", "x" * 500, "ü\n\0/ a:b*c", "-rf"])
def test_a_name_is_plain_whatever_the_model_is_called(shipped, model):
    prompts = replace(shipped.prompts, name=f"{model} set")
    name = run_name(replace(with_model(shipped, model), prompts=prompts))
    assert name[0].isalnum()
    assert set(name) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")
    assert len(name) <= 128


# -- there and back --------------------------------------------------------------------------------


def test_a_run_goes_there_in_one_commit_and_comes_back_the_same(datasets, shipped, tmp_path):
    url = push_run(RUNS / "posebox-random", REPO)
    name = run_name(shipped)
    assert url == f"{datasets.address}/datasets/{REPO}/tree/main/{name}"
    repo = datasets.repos[REPO]
    assert repo.commits == ["initial commit", f"Run {name}"]
    assert not repo.private
    tensor = next(path.name for path in (RUNS / "posebox-random").glob("*.safetensors"))
    assert sorted(repo.files) == [f"{name}/{tensor}", f"{name}/run.json"]
    # Beside the run nothing of a folder is published.
    assert fetch_runs(REPO, tmp_path / "runs") == [tmp_path / "runs" / name]
    back = load_result(tmp_path / "runs" / name)
    np.testing.assert_array_equal(back.mean_square, shipped.mean_square)
    assert (back.prompts, back.config, back.provenance) == (shipped.prompts, shipped.config, shipped.provenance)
    assert sorted(path.name for path in (tmp_path / "runs").iterdir()) == [name]  # no staging left


def test_only_the_run_itself_is_published(datasets, shipped, tmp_path):
    folder = shipped.save(tmp_path / "run")
    (folder / "secret.txt").write_text("mine")
    (folder / "report").mkdir()
    push_run(folder, REPO)
    assert len(datasets.repos[REPO].files) == 2


def test_a_repetition_replaces_the_run_and_its_old_tensors_in_one_commit(datasets, shipped):
    name = run_name(shipped)
    repo = datasets.make(REPO, {"README.md": b"kept", f"{name}/notes.txt": b"kept", "mean_square-old.txt": b"kept"})
    push_run(shipped, REPO)
    old = next(path for path in repo.files if path.endswith(".safetensors"))
    push_run(replace(shipped, mean_square=shipped.mean_square * 2), REPO)
    assert repo.commits == ["initial commit", f"Run {name}", f"Run {name}"]
    assert old not in repo.files
    assert sum(path.endswith(".safetensors") for path in repo.files) == 1
    assert {"README.md", f"{name}/notes.txt", "mean_square-old.txt"} < set(repo.files)


def test_pushing_the_same_again_commits_nothing(datasets, shipped):
    assert push_run(shipped, REPO) == push_run(shipped, REPO)
    assert len(datasets.repos[REPO].commits) == 2


def test_other_runs_stay(datasets, shipped, tmp_path):
    push_run(shipped, REPO)
    push_run(RUNS / "posebox", REPO)
    assert len(fetch_runs(REPO, tmp_path)) == 2


def test_a_new_dataset_is_private_if_asked_and_an_old_one_stays_as_it_is(datasets, shipped):
    push_run(shipped, REPO, private=True)
    assert datasets.repos[REPO].private
    push_run(RUNS / "posebox", REPO)
    assert datasets.repos[REPO].private
    datasets.make("acme/open")
    push_run(shipped, "acme/open", private=True)
    assert not datasets.repos["acme/open"].private


def test_fetching_again_replaces_what_changed(datasets, shipped, tmp_path):
    push_run(shipped, REPO)
    fetch_runs(REPO, tmp_path)
    push_run(replace(shipped, mean_square=shipped.mean_square * 2), REPO)
    (folder,) = fetch_runs(REPO, tmp_path)
    np.testing.assert_array_equal(load_result(folder).mean_square, shipped.mean_square * 2)
    assert len(list(folder.glob("*.safetensors"))) == 1


def test_a_public_dataset_is_read_without_a_token(datasets, shipped, tmp_path, monkeypatch):
    push_run(shipped, REPO)
    monkeypatch.delenv("HF_TOKEN")
    assert len(fetch_runs(REPO, tmp_path)) == 1


# -- what a dataset may hold -----------------------------------------------------------------------


@pytest.fixture
def pushed(datasets, shipped):
    """A dataset with one good run, to lay other files beside: its files."""
    push_run(shipped, REPO)
    return datasets.repos[REPO].files


def test_other_files_are_neither_asked_for_nor_written(datasets, pushed, tmp_path):
    strange = ["../run.json", "../../etc/run.json", "a/b/run.json", ".git/run.json", "run.json", "x/run.json.exe"]
    strange += [
        "x/mean_square-0123456789ab.safetensors.py",
        "x/mean_square-XYZ.safetensors",
        "x\n/run.json",
        "-x/run.json",
    ]
    for path in strange:
        pushed[path] = b"{}"
    into = tmp_path / "into"
    assert len(fetch_runs(REPO, into)) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["into"]
    assert len(list(into.iterdir())) == 1
    fetched = [path for method, path in datasets.requests if "/resolve/" in path]
    assert not any(path.endswith(other) for path in fetched for other in strange if other != "run.json")


def damaged(files, change):
    """Copies of the good run under the name "bad", with one thing wrong."""
    run = next(path for path in files if path.endswith("run.json"))
    name, description = run.split("/")[0], json.loads(files[run])
    tensor = f"{name}/{description['tensor_file']}"
    change(description)
    return {"bad/run.json": json.dumps(description).encode(), f"bad/{tensor.split('/')[1]}": files[tensor]}


def setting(key, value):
    return lambda description: description.__setitem__(key, value)


CHANGES = {
    "another schema": setting("schema_version", 99),
    "a path for a tensor file": setting("tensor_file", "../../secret"),
    "a list for a tensor file": setting("tensor_file", ["x"]),
    "a tensor file that is not there": setting("tensor_file", "mean_square-000000000000.safetensors"),
    "another digest": setting("tensor_sha256", "0" * 64),
    "fewer pairs than said": setting("pairs_done", 3),
    "no config": setting("config", None),
    "text that cannot be written": setting("provenance", {"model": "\ud800"}),
    "infinity": setting("provenance", {"seconds_left": float("inf")}),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_damaged_run_is_left_out_with_a_warning(pushed, tmp_path, caplog, change):
    pushed.update(damaged(pushed, change))
    with caplog.at_level(logging.WARNING):
        assert [path.name != "bad" for path in fetch_runs(REPO, tmp_path)] == [True]
    assert f"Run bad of {REPO} is left out" in caplog.text
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("content", [b"", b"not json", b"[]", b"[" * 100_000, b"\xff\xfe", b'{"tensor_file": 3}'])
def test_a_broken_description_is_left_out(pushed, tmp_path, caplog, content):
    pushed["bad/run.json"] = content
    assert len(fetch_runs(REPO, tmp_path)) == 1
    assert "Run bad of acme/results is left out: its run.json is damaged" in caplog.text


def test_a_run_without_description_is_left_out(pushed, tmp_path, caplog):
    pushed["bad/mean_square-0123456789ab.safetensors"] = b"x"
    assert len(fetch_runs(REPO, tmp_path)) == 1
    assert "has no run.json" in caplog.text


def test_too_much_is_not_fetched(datasets, pushed, tmp_path, caplog, monkeypatch):
    import plantain.data.dataset as module

    size = max(len(data) for data in pushed.values())
    pushed.update(damaged(pushed, lambda description: None))
    for limit, value in (("MAX_TENSOR_BYTES", size - 1), ("MAX_JSON_BYTES", 100), ("MAX_TOTAL_BYTES", size - 1)):
        with monkeypatch.context() as patch:
            patch.setattr(module, limit, value)
            before = len(datasets.requests)
            assert fetch_runs(REPO, tmp_path / limit) == []
            assert not any(path.endswith(".safetensors") for _, path in datasets.requests[before:])
    assert "more than is fetched" in caplog.text
    monkeypatch.setattr(module, "MAX_RUNS", 1)
    assert [path.name for path in fetch_runs(REPO, tmp_path / "one")] == ["bad"]
    assert "Only the first 1 runs" in caplog.text


def test_an_empty_dataset_gives_no_runs(datasets, tmp_path):
    datasets.make(REPO)
    assert fetch_runs(REPO, tmp_path / "new") == []


# -- failures --------------------------------------------------------------------------------------


def sentence_of(call, *arguments):
    with pytest.raises(InputError) as caught:
        call(*arguments)
    message = str(caught.value)
    assert message.endswith(".")
    assert "\n" not in message
    assert "Error(" not in message
    assert "hf_" not in message  # no token
    return message


@pytest.mark.parametrize(
    "name", ["results", "a/b/c", "", "a b/c", "../x", "acme/", "https://huggingface.co/datasets/a/b"]
)
def test_an_impossible_id_is_refused_without_asking(datasets, shipped, tmp_path, name):
    for call in (lambda: check_push(name), lambda: push_run(shipped, name), lambda: fetch_runs(name, tmp_path)):
        assert "no valid id of a Hub dataset; expected OWNER/NAME" in sentence_of(call)
    assert datasets.requests == []


def test_without_a_token_nothing_is_asked(datasets, shipped, monkeypatch):
    monkeypatch.delenv("HF_TOKEN")
    assert "needs a token, and none is set" in sentence_of(check_push, REPO)
    assert "needs a token, and none is set" in sentence_of(push_run, shipped, REPO)
    assert datasets.requests == []


@pytest.mark.parametrize("exists", [True, False])
@pytest.mark.parametrize(
    ("token", "expected"),
    [
        (hub.EXPIRED, "The Hub does not accept the token: wrong or expired"),
        (hub.READER, f"This token may not write to the dataset {REPO}"),
    ],
)
def test_a_token_that_will_not_do_is_found_before_a_run(datasets, monkeypatch, exists, token, expected):
    if exists:
        datasets.make(REPO)
    monkeypatch.setenv("HF_TOKEN", token)
    assert expected in sentence_of(check_push, REPO)
    assert (REPO in datasets.repos) == exists


def test_anothers_dataset_is_refused(datasets):
    datasets.make("other/results")
    for name in ("other/results", "other/new"):
        assert f"This token may not write to the dataset {name}" in sentence_of(check_push, name)


def test_a_check_makes_the_dataset_and_pushes_nothing(datasets):
    check_push(REPO)
    check_push(REPO)
    assert datasets.repos[REPO].commits == ["initial commit"]


def test_a_missing_or_private_dataset_cannot_be_read(datasets, tmp_path, monkeypatch):
    missing = sentence_of(fetch_runs, REPO, tmp_path)
    assert f"The Hub has no dataset {REPO} that you may read; check the spelling, pushing a run makes it" in missing
    datasets.make(REPO, private=True)
    monkeypatch.delenv("HF_TOKEN")
    assert "a private one needs HF_TOKEN" in sentence_of(fetch_runs, REPO, tmp_path)


FAULTS = {
    "check": ("GET", "/auth-check", 500, "The Hub has a fault of its own (status 500)"),
    "create": ("POST", "/repos/create", 503, "The Hub has a fault of its own (status 503)"),
    "too many": ("POST", "/commit/", 429, "too many requests"),
    "preupload": ("POST", "/preupload/", 500, "The Hub has a fault of its own (status 500)"),
    "batch": ("POST", "/info/lfs", 502, "The Hub has a fault of its own (status 502)"),
    "storage": ("PUT", "/storage/", 500, "The Hub has a fault of its own (status 500)"),
    "storage refuses": ("PUT", "/storage/", 403, f"This token may not write to the dataset {REPO}"),
    "commit": ("POST", "/commit/", 500, "The Hub has a fault of its own (status 500)"),
    "commit forbidden": ("POST", "/commit/", 403, f"This token may not write to the dataset {REPO}"),
    "commit unread": ("POST", "/commit/", 418, f"The Hub refused to write to the dataset {REPO}"),
}


@pytest.mark.parametrize(("method", "path", "status", "expected"), FAULTS.values(), ids=FAULTS)
def test_a_push_that_fails_is_one_sentence_and_changes_nothing(datasets, shipped, method, path, status, expected):
    datasets.faults = [(method, path, status, 100)]
    assert expected in sentence_of(push_run, shipped, REPO)
    assert all(repo.files == {} for repo in datasets.repos.values())


@pytest.mark.parametrize("part", [f"/api/datasets/{REPO}", "/tree/", "/resolve/"])
def test_a_fetch_that_fails_is_one_sentence(datasets, pushed, tmp_path, part):
    datasets.faults = [(method, part, 500, 100) for method in ("GET", "HEAD")]
    expected = "fault of its own (status 500)"
    assert expected in sentence_of(fetch_runs, REPO, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_commit_in_between_is_retried_once_upon_the_new_one(datasets, shipped):
    repo = datasets.make(REPO)
    others = ["another's"]

    def come_first(repo):
        if others:
            repo.files["theirs.txt"] = b"kept"
            datasets.advance(REPO, others.pop())

    datasets.before_commit = come_first
    push_run(shipped, REPO)
    assert repo.commits == ["initial commit", "another's", f"Run {run_name(shipped)}"]
    assert repo.files["theirs.txt"] == b"kept"


def test_a_second_conflict_is_told(datasets, shipped):
    datasets.make(REPO)
    datasets.before_commit = lambda repo: datasets.advance(REPO, "another's")
    assert "came in between, twice; push again" in sentence_of(push_run, shipped, REPO)
    assert sum("/commit/" in path for _, path in datasets.requests) == 2


def test_the_network_down_and_switched_off(datasets, shipped, tmp_path, monkeypatch):
    import huggingface_hub.constants as constants

    calls = [(check_push, REPO), (push_run, shipped, REPO), (fetch_runs, REPO, tmp_path)]
    with monkeypatch.context() as patch:
        set_address(patch, "http://127.0.0.1:9")  # the discard port: nobody listens
        for call, *arguments in calls:
            assert "Cannot reach the Hub" in sentence_of(call, *arguments)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    for call, *arguments in calls:
        assert "while HF_HUB_OFFLINE is set" in sentence_of(call, *arguments)


def test_a_network_that_breaks_off_in_the_middle(datasets, pushed, tmp_path, monkeypatch):
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HTTPError

    def fail(*arguments, **options):
        raise HTTPError("peer closed connection")

    monkeypatch.setattr(HfApi, "hf_hub_download", fail)
    assert "Cannot reach the Hub" in sentence_of(fetch_runs, REPO, tmp_path)
    monkeypatch.setattr(HfApi, "hf_hub_download", lambda *a, **k: (_ for _ in ()).throw(OSError(28, "No space left")))
    assert "No space left" in sentence_of(fetch_runs, REPO, tmp_path)


def test_a_partial_or_missing_run_is_not_pushed(datasets, shipped, tmp_path):
    partial = replace(shipped, mean_square=shipped.mean_square[:3], token_counts=shipped.token_counts[:3])
    assert "this one has 3 of 25 pairs. Finish it with --resume" in sentence_of(push_run, partial, REPO)
    assert "holds no run" in sentence_of(push_run, tmp_path, REPO)
    assert datasets.requests == []


# -- what a page keeps -----------------------------------------------------------------------------


def test_a_page_keeps_a_default_run_once(datasets, shipped, monkeypatch):
    monkeypatch.setenv(VARIABLE, REPO)
    assert run_name(shipped) in keep(shipped)
    assert keep(with_model(shipped, shipped.model, started="later")) is None
    assert len(datasets.repos[REPO].commits) == 2


def test_what_a_visitor_made_up_is_not_kept(datasets, shipped):
    typed = PromptSet.from_pairs([(pair.a, pair.b) for pair in shipped.prompts.pairs], name="dense_pose")
    partial = replace(shipped, mean_square=shipped.mean_square[:3], token_counts=shipped.token_counts[:3])
    others = [partial, replace(shipped, prompts=typed), replace(shipped, config=ProbeConfig(seed=1))]
    others.append(replace(shipped, prompts=replace(shipped.prompts, name="mine")))
    assert worth_keeping(shipped)
    assert shipped.prompts == load_prompts("dense_pose")
    for result in others:
        assert not worth_keeping(result)
        assert keep(result, REPO) is None
    assert datasets.requests == []


def test_without_a_dataset_or_a_token_everything_stays_here(datasets, shipped, monkeypatch):
    assert keep(shipped) is None
    monkeypatch.delenv("HF_TOKEN")
    assert keep(shipped, REPO) is None
    assert datasets.requests == []


def test_keeping_says_what_is_wrong(datasets, shipped, monkeypatch):
    datasets.make(REPO)
    monkeypatch.setenv("HF_TOKEN", hub.READER)
    assert "may not write" in sentence_of(keep, shipped, REPO)


def test_the_module_is_there_without_an_import_of_its_own():
    assert plantain.data.dataset.default_repo is default_repo
