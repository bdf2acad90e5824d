"""Dense runs on disk and in families: what is saved comes back, and what is damaged or does not belong is refused."""

import hashlib
import json
import pickle
import shutil
from dataclasses import replace

import numpy as np
import pytest
from made_runs import PLANTED, dense_run, prompts_of
from safetensors.numpy import load_file, save_file

from plantain.data.dense import BLOCKS_DONE, DenseResult, load_dense
from plantain.data.disk import is_free
from plantain.data.family import Family, load_family
from plantain.errors import InputError

PROMPTS = prompts_of(6)


@pytest.fixture(scope="module")
def dense():
    return dense_run(PROMPTS, place={3: 0.2})


@pytest.fixture
def saved(dense, tmp_path):
    return dense.save(tmp_path / "run")


def edit(folder, **changes):
    """The description with some entries changed; None: left out."""
    path = folder / "dense.json"
    data = json.loads(path.read_text()) | changes
    path.write_text(json.dumps({key: value for key, value in data.items() if value is not None}))


def tensor_file(folder):
    (path,) = folder.glob("dense-*.safetensors")
    return path


def resave(folder, **changes):
    """The tensors with some changed (None: left out), under the digest that is theirs."""
    old = tensor_file(folder)
    tensors = {key: value for key, value in (load_file(old) | changes).items() if value is not None}
    save_file(tensors, folder / "new")
    digest = hashlib.sha256((folder / "new").read_bytes()).hexdigest()
    name = f"dense-{digest[:12]}.safetensors"
    old.unlink()
    (folder / "new").rename(folder / name)
    edit(folder, tensor_file=name, tensor_sha256=digest)


def test_what_is_saved_comes_back(dense, saved):
    found = load_dense(saved)
    for name in ("maps", "usable", "own", "others", "matrix", "shift", "shift_scale"):
        np.testing.assert_array_equal(getattr(found, name), getattr(dense, name))
        assert getattr(found, name).dtype == getattr(dense, name).dtype
    assert {name: values.tobytes() for name, values in found.decoded.items()} == {
        name: values.tobytes() for name, values in dense.decoded.items()
    }
    assert found.about == dense.about
    assert (found.prompts, found.complete, found.truths) == (dense.prompts, True, ["body", "drawn"])
    np.testing.assert_array_equal(found.run.mean_square, dense.run.mean_square)
    np.testing.assert_array_equal(found.place("card"), dense.place("card"))


def test_a_later_state_replaces_an_earlier_one(dense, saved):
    replace(dense, decoded={}).save(saved)
    assert load_dense(saved).decoded == {}
    names = sorted(path.name.split("-")[0] for path in saved.iterdir())
    assert names == ["dense", "dense.json", "mean_square", "run.json"]


def test_a_save_killed_between_its_two_files_leaves_the_state_before(dense, saved):
    """The run's own pairs are then ahead of the matches."""
    part = replace(dense, run=dense.run.first(4))
    part.save(saved)
    dense.run.save(saved)
    found = load_dense(saved)
    assert (found.n_pairs, found.complete) == (4, False)


def test_a_description_of_more_pairs_than_there_are_is_refused(dense, saved):
    dense.run.first(4).save(saved)
    with pytest.raises(InputError, match="tells of 6 pairs and the run beside it of 4; make it again"):
        load_dense(saved)


def test_what_a_killed_save_leaves_is_free_to_start_in(dense, tmp_path):
    for name in (".dense.json.17.tmp", ".dense-0123456789ab.safetensors.17.tmp", "dense-0123456789ab.safetensors"):
        (tmp_path / name).write_bytes(b"half of it")
    assert is_free(tmp_path)
    dense.save(tmp_path)
    assert not list(tmp_path.glob(".*"))
    assert len(list(tmp_path.glob("dense-*"))) == 1
    assert not is_free(tmp_path)


def test_a_missing_truncated_or_altered_tensor_file_is_named(saved, tmp_path):
    path = tensor_file(saved)
    content = path.read_bytes()
    for changed in (content[:-1], content[:-1] + bytes([content[-1] ^ 1]), b""):
        path.write_bytes(changed)
        with pytest.raises(InputError, match=rf"{path.name} is damaged: its SHA-256 is not that of dense\.json"):
            load_dense(saved)
    path.unlink()
    with pytest.raises(InputError, match=rf"Cannot read .*{path.name}, which dense\.json names"):
        load_dense(saved)
    with pytest.raises(InputError, match=r"holds no run \(no dense\.json\)"):
        load_dense(tmp_path)


def test_nothing_is_ever_unpickled(saved, tmp_path):
    path = tensor_file(saved)
    for name in ("dense.pkl", "../dense-0123456789ab.safetensors", "dense-0123456789ab.pt", 7):
        edit(saved, tensor_file=name)
        with pytest.raises(InputError, match=r"dense\.json names no valid tensor file"):
            load_dense(saved)
    path.write_bytes(pickle.dumps({"own": 1}))
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    edit(saved, tensor_file=path.name, tensor_sha256=digest)
    with pytest.raises(InputError, match="is not a safetensors file"):
        load_dense(saved)


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"schema_version": 2}, "has schema 2; this version"),
        ({"schema_version": None}, "is not the description of a plantain run"),
        ({"about": None}, r"is damaged \('about'\)"),
        ({"about": [1]}, "is damaged"),
        ({"pairs_done": "6"}, "is damaged"),
        ({"pairs_done": True}, "is damaged"),
        ({"pairs_done": -1}, "is damaged"),
    ],
)
def test_a_damaged_description_is_refused(saved, changes, match):
    edit(saved, **changes)
    with pytest.raises(InputError, match=match):
        load_dense(saved)


N, P = PLANTED.n_heads("head"), len(PROMPTS)


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"own": None}, "lacks the float32 tensor 'own'"),
        ({"own": np.zeros((2, 2, 2, PLANTED.n_runs + N, P))}, "lacks the float32 tensor 'own'"),
        ({"own": np.zeros((2, 2, 2, PLANTED.n_runs, P), np.float32)}, "own has the shape"),
        ({"others": np.full((2, 2, 2, PLANTED.n_runs + N, P), np.nan, np.float32)}, "values that are no matches"),
        ({"others": np.full((2, 2, 2, PLANTED.n_runs + N, P), 3, np.float32)}, "values that are no matches"),
        ({"maps": np.zeros((2, P), np.float32)}, "maps has the shape"),
        ({"maps": np.zeros(5, np.float32)}, "maps has the shape"),
        ({"usable": np.ones((2, P + 1), bool)}, "usable has the shape"),
        ({"shift": np.zeros((N, P), np.float16)}, "shift has the shape"),
        ({"decoded.code": np.zeros((N, P + 1), np.float32)}, "code has the shape"),
        ({"decoded.pooled": np.zeros((P, N), np.float32)}, "pooled has the shape"),
        ({"decoded.pooled": np.full((P, N, PLANTED.head_width), np.inf, np.float32)}, "values that are no matches"),
        ({"decoded.text": np.zeros((P + 1, 4), np.float32)}, "text has the shape"),
        ({"decoded.mood": np.zeros((N, P), np.float32)}, "mood has the shape"),
    ],
)
def test_tensors_that_do_not_fit_are_refused_and_the_file_is_named(saved, changes, match):
    resave(saved, **changes)
    with pytest.raises(InputError, match=rf"dense-[0-9a-f]{{12}}\.safetensors.*{match}"):
        load_dense(saved)


def test_arrays_of_other_shapes_make_no_result(dense):
    for name in ("maps", "usable", "own", "others", "matrix", "shift", "shift_scale"):
        with pytest.raises(InputError, match=f"{name} has the shape"):
            replace(dense, **{name: getattr(dense, name)[:1, ..., :2]})


# -- families --------------------------------------------------------------------------------------

WEIGHTS = ("trained", "grafted", "untrained 0", "untrained 2", "untrained 10", "permuted 0")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    out = tmp_path_factory.mktemp("family")
    for weights in reversed(WEIGHTS):
        dense_run(PROMPTS, weights=weights).save(out / weights.replace(" ", "-"))
    return out


def test_a_family_is_told_by_its_weights_in_order(folder):
    family = load_family([folder], "made")
    assert tuple(family.runs) == WEIGHTS
    assert tuple(family.twins) == WEIGHTS[1:]
    assert family.model == "planted"
    assert family.trained is family.runs["trained"]


def test_what_makes_no_family_is_refused(folder, tmp_path):
    with pytest.raises(InputError, match="No whole dense run of 'dense_pose' lies in"):
        load_family([folder])
    with pytest.raises(InputError, match="make one: python -m plantain dense"):
        load_family([tmp_path / "nowhere"], "made")
    with pytest.raises(InputError, match="Two of the dense runs are trained; give one folder of each"):
        load_family([folder, shutil.copytree(folder / "trained", tmp_path / "again")], "made")
    with pytest.raises(InputError, match="read beside its trained model's; got untrained 0"):
        load_family([folder / "untrained-0"], "made")


def test_twins_of_other_prompts_maps_or_settings_are_refused(dense):
    other = dense_run(replace(PROMPTS, title="other"), weights="untrained 0")
    with pytest.raises(InputError, match="'untrained 0' is of other prompts or settings"):
        Family.of([dense, other])
    twin = dense_run(PROMPTS, weights="untrained 0")
    with pytest.raises(InputError, match=r"'untrained 0' was matched with other maps .* as --maps"):
        Family.of([dense, replace(twin, maps=twin.maps[..., ::-1])])
    strange = replace(twin, run=replace(twin.run, provenance={"weights": "tuned"}))
    with pytest.raises(InputError, match="got 'tuned'"):
        Family.of([dense, strange])


def test_what_is_half_done_is_in_no_family(dense, folder, tmp_path):
    dense.save(tmp_path / "trained")
    part = dense_run(PROMPTS, weights="untrained 0")
    replace(part, run=part.run.first(3)).save(tmp_path / "part")
    graft = dense_run(PROMPTS, weights="grafted")
    half = replace(graft, about={BLOCKS_DONE: len(PLANTED.block_names) - 1})
    half.save(tmp_path / "graft")
    assert list(load_family([tmp_path], "made").runs) == ["trained"]
    with pytest.raises(InputError, match="and all blocks"):
        half.place()
    replace(graft, about={BLOCKS_DONE: len(PLANTED.block_names)}).save(tmp_path / "graft")
    assert list(load_family([tmp_path], "made").runs) == ["trained", "grafted"]


def test_a_result_holds_what_it_says(dense):
    assert isinstance(dense, DenseResult)
    assert dense.n_pairs == len(dense.prompts) == P
    scores = dense.score("code")
    assert scores.shape == (P, N)
    lacking = dense.decoded["code"].copy()
    lacking[:, 2] = np.nan
    assert replace(dense, decoded={"code": lacking}).score("code").shape == (P - 1, N)
    with pytest.raises(InputError, match="no decoder for 'code'"):
        replace(dense, decoded={}).score("code")
