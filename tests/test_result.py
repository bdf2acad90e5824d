"""Results: every view against slow loops, the folder on disk and what is wrong with a damaged one, settings."""

import hashlib
import itertools
import json
import os
from dataclasses import replace

import numpy as np
import pytest
from made_runs import head_map, run_of
from safetensors.numpy import save as save_safetensors

from plantain.data.disk import MAX_JSON_BYTES, is_free
from plantain.data.prompts import PromptSet
from plantain.data.result import ProbeResult, load_result
from plantain.data.settings import ProbeConfig
from plantain.data.twins import find_untrained_twin, is_untrained_twin
from plantain.errors import InputError
from plantain.paths import RUNS

HEAD_MAP = head_map()
PROVENANCE = {"model": "made up", "sigmas": [1.0, 0.5], "note": "é"}


def prompt_set(n_pairs):
    return PromptSet.from_pairs([(f"a {i}", f"b {i}") for i in range(n_pairs)], name="counted")


def make_result(n_done=4, n_pairs=4, n_seeds=3, n_steps=2, seed=0, heads=HEAD_MAP):
    """Every value and every count is another."""
    rng = np.random.default_rng(seed)
    values = rng.uniform(0.1, 9, (n_done, 2, n_seeds, n_steps, 3, heads.n_runs))
    counts = rng.integers(1, 60, (n_done, 2, 3))
    return replace(run_of(values, heads, prompt_set(n_pairs), provenance=PROVENANCE, seed=5), token_counts=counts)


def tensor_files(folder):
    return sorted(path.name for path in folder.glob("*.safetensors"))


def edit_description(folder, **changes):
    path = folder / "run.json"
    path.write_text(json.dumps(json.loads(path.read_text(encoding="utf-8")) | changes), encoding="utf-8")


def replace_tensors(folder, content):
    """Put other content in place of the tensors, with a name and digest that fit it."""
    digest = hashlib.sha256(content).hexdigest()
    name = f"mean_square-{digest[:12]}.safetensors"
    (folder / name).write_bytes(content)
    edit_description(folder, tensor_file=name, tensor_sha256=digest)


def assert_same(one, other):
    np.testing.assert_array_equal(one.mean_square, other.mean_square)
    np.testing.assert_array_equal(one.token_counts, other.token_counts)
    assert one.mean_square.dtype == other.mean_square.dtype == np.float32
    assert (one.prompts, one.config, one.head_map) == (other.prompts, other.config, other.head_map)
    assert one.provenance == other.provenance


@pytest.fixture
def saved(tmp_path):
    return make_result().save(tmp_path / "run")


# -- views -------------------------------------------------------------------------------------


def slow_rms(result, grouping, part, stream, seed, step):
    """RMS of every head by loops over pairs, sides, runs, seeds and streams, in float64."""
    head_map, config = result.head_map, result.config
    attention = head_map.n_attention_heads * head_map.head_width // head_map.channels_per_head
    mlp = head_map.mlp_width // head_map.channels_per_head
    runs, run = [], 0  # runs of each head, and whether the head lies in a joint block
    for block in range(head_map.n_joint + head_map.n_single):
        joint = block < head_map.n_joint
        size = head_map.head_width // head_map.channels_per_head if grouping == "head" else 1
        if part in ("all", "attention"):
            runs += [(list(range(run + i, run + i + size)), joint) for i in range(0, attention, size)]
        if part in ("all", "mlp") and grouping == "card" and not joint:
            runs += [([run + attention + i], joint) for i in range(mlp)]
        run += attention + (0 if joint else mlp)
    seeds = range(config.n_seeds) if seed is None else [seed - config.seed]
    out = np.empty((result.n_pairs, 2, len(runs)))
    for pair, side, head in np.ndindex(*out.shape):
        members, joint = runs[head]
        total = 0.0
        for noise, member in itertools.product(seeds, members):
            values = [float(v) for v in result.mean_square[pair, side, noise, step, :, member]]
            counts = [int(c) for c in result.token_counts[pair, side]]
            if stream != "card":
                total += values[["image", "text", "padding"].index(stream)]
            elif joint:
                total += values[0]
            else:
                total += sum(c * v for c, v in zip(counts, values, strict=True)) / sum(counts)
        out[pair, side, head] = (total / (len(seeds) * len(members))) ** 0.5
    return out


VIEWS = [("card", "all"), ("card", "attention"), ("card", "mlp"), ("head", "all"), ("head", "attention")]


@pytest.mark.parametrize("step", [0, 1])
@pytest.mark.parametrize("seed", [None, 5, 7])
@pytest.mark.parametrize("stream", ["card", "image", "text", "padding"])
@pytest.mark.parametrize(("grouping", "part"), VIEWS)
def test_rms_and_differences_are_the_slow_loops(grouping, part, stream, seed, step):
    result = make_result(n_done=2)
    expected = slow_rms(result, grouping, part, stream, seed, step)
    rms = result.rms(grouping, part, stream, seed, step)
    assert rms.dtype == np.float64
    np.testing.assert_allclose(rms, expected, rtol=1e-12)
    differences = result.differences(grouping, part, stream, seed, step)
    np.testing.assert_allclose(differences, expected[:, 1] - expected[:, 0], rtol=1e-9, atol=1e-12)


def test_card_stream_is_the_default_and_needs_no_other_tokens_in_joint_blocks():
    result = make_result()
    np.testing.assert_array_equal(result.rms(), result.rms(stream="card"))
    n_joint = HEAD_MAP.n_joint_runs
    np.testing.assert_allclose(result.rms()[..., :n_joint], result.rms(stream="image")[..., :n_joint], rtol=1e-12)
    assert not np.allclose(result.rms()[..., n_joint:], result.rms(stream="image")[..., n_joint:])


def test_views_leave_the_stored_values_alone():
    result = make_result()
    before = result.mean_square.copy()
    for grouping, part in VIEWS:
        for stream in ("card", "image", "text", "padding"):
            result.rms(grouping, part, stream, seed=5)
    np.testing.assert_array_equal(result.mean_square, before)


def test_equal_prompts_give_no_difference():
    result = make_result()
    result.mean_square[:, 1], result.token_counts[:, 1] = result.mean_square[:, 0], result.token_counts[:, 0]
    assert not result.differences().any()


@pytest.mark.parametrize("stream", ["text", "padding"])
def test_stream_without_tokens_is_refused_and_weighs_nothing(stream):
    result = make_result()
    index = ("card", "image", "text", "padding").index(stream) - 1
    result.token_counts[2, 1, index] = 0
    with pytest.raises(InputError, match=f"Pair 'pair-03' has no {stream} tokens"):
        result.rms(stream=stream)
    before = result.rms()
    result.mean_square[2, 1, :, :, index] = 1e6
    np.testing.assert_array_equal(result.rms(), before)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"grouping": "heads"}, "grouping must be one of card, head"),
        ({"part": "text"}, "part must be one of all, attention, mlp"),
        ({"grouping": "head", "part": "mlp"}, "MLP channels belong to no attention head"),
        ({"stream": "latent"}, "stream must be one of card, image, text, padding; got 'latent'"),
        ({"seed": 4}, r"has the seeds \[5, 6, 7\]; got 4"),
        ({"step": 2}, "has the steps 0 to 1; got 2"),
        ({"step": -1}, "has the steps 0 to 1; got -1"),
    ],
)
def test_views_the_run_does_not_have_are_refused(arguments, message):
    for view in (make_result().rms, make_result().differences):
        with pytest.raises(InputError, match=message):
            view(**arguments)


# -- in memory ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "shape",
    [(4, 2, 3, 2, 3, 28), (4, 2, 3, 1, 3, 29), (4, 2, 1, 2, 3, 29), (4, 1, 3, 2, 3, 29), (4,), (), (5, 2, 3, 2, 3, 29)],
)
def test_mean_squares_of_another_shape_are_refused(shape):
    good = make_result()
    assert HEAD_MAP.n_runs == 29
    with pytest.raises(InputError, match="mean_square has the shape"):
        ProbeResult(np.zeros(shape, np.float32), good.token_counts, good.prompts, good.config, HEAD_MAP)


@pytest.mark.parametrize("shape", [(3, 2, 3), (4, 2, 2), (4, 6), ()])
def test_token_counts_of_another_shape_are_refused(shape):
    good = make_result()
    with pytest.raises(InputError, match="token_counts has the shape"):
        ProbeResult(good.mean_square, np.ones(shape, np.int64), good.prompts, good.config, HEAD_MAP)


def test_partial_result_knows_it():
    partial = make_result(n_done=2, n_pairs=4)
    assert (partial.n_pairs, partial.complete, partial.pair_ids) == (2, False, ["pair-01", "pair-02"])
    assert make_result().complete
    assert partial.model == "made up"


# -- on disk -----------------------------------------------------------------------------------


def test_round_trip(tmp_path):
    result = make_result()
    loaded = load_result(result.save(tmp_path / "deep" / "run"))
    assert_same(loaded, result)
    assert loaded.complete
    np.testing.assert_array_equal(loaded.differences(), result.differences())


def test_config_with_every_field_survives(tmp_path):
    plain = make_result()
    config = ProbeConfig(5, 3, 2, (1.0, 0.5), 4.0, 64, 128, 8, 16)
    result = ProbeResult(plain.mean_square, plain.token_counts, plain.prompts, config, HEAD_MAP)
    assert load_result(result.save(tmp_path)).config == config


def test_arrays_that_are_not_contiguous_survive(tmp_path):
    plain = make_result()
    turned = np.asfortranarray(plain.mean_square)
    result = ProbeResult(turned, plain.token_counts[:, ::-1], plain.prompts, plain.config, HEAD_MAP)
    assert_same(load_result(result.save(tmp_path)), result)


def test_same_result_gives_the_same_tensor_file(tmp_path):
    result = make_result()
    contents = [(result.save(tmp_path / name) / tensor_files(tmp_path / name)[0]).read_bytes() for name in "xy"]
    assert contents[0] == contents[1]
    assert tensor_files(tmp_path / "x") == tensor_files(tmp_path / "y")


def test_saving_again_leaves_one_tensor_file_and_nothing_temporary(tmp_path):
    (tmp_path / "mean_square-mine.safetensors").touch()
    for result in (make_result(n_done=2), make_result(), make_result()):
        result.save(tmp_path)
    described = json.loads((tmp_path / "run.json").read_text(encoding="utf-8"))
    expected = {described["tensor_file"], "run.json", "mean_square-mine.safetensors"}
    assert {path.name for path in tmp_path.iterdir()} == expected
    assert_same(load_result(tmp_path), make_result())


def test_description_says_what_was_done(tmp_path):
    make_result(n_done=3).save(tmp_path)
    described = json.loads((tmp_path / "run.json").read_text(encoding="utf-8"))
    content = (tmp_path / described["tensor_file"]).read_bytes()
    assert described["tensor_sha256"] == hashlib.sha256(content).hexdigest()
    assert (described["complete"], described["pairs_done"]) == (False, 3)
    assert len(described["prompts"]["pairs"]) == 4


@pytest.mark.parametrize("n_done", [0, 1, 3])
def test_partial_result_loads_and_says_so(tmp_path, n_done):
    loaded = load_result(make_result(n_done=n_done).save(tmp_path))
    assert loaded.complete is False
    assert loaded.n_pairs == n_done
    assert len(loaded.prompts) == 4


@pytest.mark.parametrize("failing_call", [1, 2])
def test_crash_while_saving_leaves_the_earlier_state(tmp_path, monkeypatch, failing_call):
    earlier = make_result(n_done=2)
    earlier.save(tmp_path)
    calls, replace = [], os.replace

    def replace_until(source, target):
        calls.append(target)
        if len(calls) == failing_call:
            raise OSError("disk gone")
        replace(source, target)

    monkeypatch.setattr(os, "replace", replace_until)
    with pytest.raises(OSError, match="disk gone"):
        make_result(n_done=3).save(tmp_path)
    monkeypatch.undo()
    assert len(calls) == failing_call
    assert_same(load_result(tmp_path), earlier)
    assert not list(tmp_path.glob(".*"))
    make_result(n_done=3).save(tmp_path)
    assert len(tensor_files(tmp_path)) == 1
    assert load_result(tmp_path).n_pairs == 3


def test_what_killed_saves_left_goes_with_the_next_one(tmp_path):
    left = [f".run.json.{10**6}.tmp", f".mean_square-0123456789ab.safetensors.{10**6}.tmp"]
    for name in [*left, "mean_square-0123456789ab.safetensors"]:
        (tmp_path / name).write_bytes(b"half of it")
    assert is_free(tmp_path)
    precious = tmp_path / ".notes.tmp"
    precious.write_text("not ours")
    assert not is_free(tmp_path)
    make_result().save(tmp_path)
    assert len(tensor_files(tmp_path)) == 1
    assert [path.name for path in tmp_path.glob(".*")] == [precious.name]


# -- damaged folders ---------------------------------------------------------------------------


def test_missing_folder_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"gone holds no run \(no run\.json\)"):
        load_result(tmp_path / "gone")


def test_folder_without_a_run_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"holds no run \(no run\.json\); point to a folder written by a run"):
        load_result(tmp_path)


def test_file_instead_of_a_folder_is_refused(saved):
    with pytest.raises(InputError, match="Cannot read"):
        load_result(saved / "run.json")


@pytest.mark.parametrize("text", ["[]", "{}", '"run"', "null", '{"pairs_done": 4}'])
def test_description_of_something_else_is_refused(saved, text):
    (saved / "run.json").write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=r"run\.json is not the description of a plantain run"):
        load_result(saved)


@pytest.mark.parametrize("schema", [0, 2, "1", None])
def test_other_schema_is_refused(saved, schema):
    edit_description(saved, schema_version=schema)
    with pytest.raises(InputError, match=f"has schema {schema!r}; this version of plantain reads 1"):
        load_result(saved)


@pytest.mark.parametrize("share", [0, 0.1, 0.5, 0.99])
def test_truncated_description_is_refused(saved, share):
    content = (saved / "run.json").read_bytes()
    (saved / "run.json").write_bytes(content[: int(share * len(content))])
    with pytest.raises(InputError, match=r"run\.json is not valid JSON; restore the folder"):
        load_result(saved)


@pytest.mark.parametrize("content", [b"\xff\xfe{}", b"[" * 100_000], ids=["not UTF-8", "deep"])
def test_unreadable_description_is_refused(saved, content):
    (saved / "run.json").write_bytes(content)
    with pytest.raises(InputError, match=r"run\.json is not valid JSON"):
        load_result(saved)


@pytest.mark.parametrize("value", ["NaN", "-Infinity", "1e999", f"1{'0' * 400}", '"\\ud800"'])
def test_values_that_fail_later_are_refused(saved, value):
    path = saved / "run.json"
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace('"provenance": {', f'"provenance": {{"extra": {value}, ', 1), encoding="utf-8")
    with pytest.raises(InputError, match=r"run\.json is not valid JSON; restore the folder"):
        load_result(saved)


@pytest.mark.parametrize("key", ["config", "prompts", "head_map", "provenance", "tensor_file", "tensor_sha256"])
def test_description_without_a_part_is_refused(saved, key):
    described = json.loads((saved / "run.json").read_text(encoding="utf-8"))
    del described[key]
    (saved / "run.json").write_text(json.dumps(described), encoding="utf-8")
    with pytest.raises(InputError, match=rf"run\.json is damaged \('{key}'\)"):
        load_result(saved)


@pytest.mark.parametrize("value", [[], {"speed": 3}, "fast", 5, None])
@pytest.mark.parametrize("key", ["config", "prompts", "head_map"])
def test_description_with_a_strange_part_is_refused(saved, key, value):
    edit_description(saved, **{key: value})
    with pytest.raises(InputError, match=r"run\.json is damaged"):
        load_result(saved)


def test_provenance_must_be_an_object(saved):
    edit_description(saved, provenance=["x"])
    with pytest.raises(InputError, match=r"damaged \(provenance is no object\)"):
        load_result(saved)


def test_missing_tensor_file_is_named(saved):
    name = tensor_files(saved)[0]
    (saved / name).unlink()
    with pytest.raises(InputError, match=f"Cannot read .*{name}, which run.json names: No such file"):
        load_result(saved)


@pytest.mark.parametrize("position", [0, 100, -1])
def test_flipped_bit_is_noticed(saved, position):
    path = saved / tensor_files(saved)[0]
    content = bytearray(path.read_bytes())
    content[position] ^= 1
    path.write_bytes(content)
    with pytest.raises(InputError, match=f"{path.name} is damaged: its SHA-256 is not that of run.json"):
        load_result(saved)


@pytest.mark.parametrize(
    "name",
    [
        "../../etc/passwd",
        "/etc/passwd",
        "run.json",
        "mean_square-0123456789ab.safetensors/../run.json",
        "",
        None,
        5,
        ["x"],
    ],
)
def test_only_our_own_tensor_names_are_opened(saved, name):
    edit_description(saved, tensor_file=name)
    with pytest.raises(InputError, match=r"run\.json names no valid tensor file"):
        load_result(saved)


def test_foreign_tensors_are_refused(saved):
    replace_tensors(saved, save_safetensors({"weight": np.zeros(3, np.float32)}))
    with pytest.raises(InputError, match="lacks the float32 tensor 'mean_square'"):
        load_result(saved)


def test_something_other_than_safetensors_is_refused(saved):
    replace_tensors(saved, b"\x80\x04 not tensors")
    with pytest.raises(InputError, match="is not a safetensors file"):
        load_result(saved)


def test_tensors_of_another_type_are_refused(saved):
    good = make_result()
    tensors = {"mean_square": good.mean_square.astype(np.float64), "token_counts": good.token_counts}
    replace_tensors(saved, save_safetensors(tensors))
    with pytest.raises(InputError, match="lacks the float32 tensor 'mean_square'"):
        load_result(saved)
    tensors = {"mean_square": good.mean_square, "token_counts": good.token_counts.astype(np.float32)}
    replace_tensors(saved, save_safetensors(tensors))
    with pytest.raises(InputError, match="lacks the int64 tensor 'token_counts'"):
        load_result(saved)


@pytest.mark.parametrize("value", [np.nan, np.inf, -1e-3])
def test_values_that_are_no_mean_squares_are_refused(tmp_path, value):
    result = make_result()
    result.mean_square[1, 0, 2, 1, 0, 7] = value
    result.save(tmp_path)
    with pytest.raises(InputError, match="holds values that are not finite mean squares"):
        load_result(tmp_path)


@pytest.mark.parametrize("counts", [(-1, 5, 5), (0, 0, 0)])
def test_token_counts_that_cannot_be_are_refused(tmp_path, counts):
    result = make_result()
    result.token_counts[3, 1] = counts
    result.save(tmp_path)
    with pytest.raises(InputError, match="holds token counts that cannot be"):
        load_result(tmp_path)


@pytest.mark.parametrize("shape", [(4, 2, 3, 2, 3, 30), (4, 2, 3, 2, 29), (9, 2, 3, 2, 3, 29), ()])
def test_shapes_that_do_not_fit_are_refused(saved, shape):
    tensors = {"mean_square": np.zeros(shape, np.float32), "token_counts": make_result().token_counts}
    replace_tensors(saved, save_safetensors(tensors))
    with pytest.raises(InputError, match=r"safetensors does not fit .*run\.json: mean_square has the shape"):
        load_result(saved)


@pytest.mark.parametrize("said", [0, 3, 5, "4", None])
def test_lying_number_of_pairs_is_noticed(saved, said):
    edit_description(saved, pairs_done=said)
    with pytest.raises(InputError, match=rf"run\.json says {said!r} pairs, .* holds 4"):
        load_result(saved)


# -- settings ----------------------------------------------------------------------------------


def test_config_defaults_are_the_protocol():
    config = ProbeConfig()
    assert (config.seeds, config.num_inference_steps, config.guidance_scale) == ([0], 1, 1.0)
    assert config.channels_per_head == 16
    assert ProbeConfig(seed=3, n_seeds=4).seeds == [3, 4, 5, 6]


@pytest.mark.parametrize(
    "settings",
    [
        {"seed": 2**63 - 1},
        {"n_seeds": 1000},
        {"num_inference_steps": 3, "sigmas": [1, 0.5, 0.25]},
        {"guidance_scale": 100},
        {"height": 8, "width": 4096},
        {"batch_size": 2},
    ],
)
def test_config_survives_json(settings):
    config = ProbeConfig(**settings)
    assert ProbeConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config
    assert isinstance(hash(config), int)


@pytest.mark.parametrize(
    ("field", "value", "allowed"),
    [
        *[("seed", value, r"a whole number from 0 to 2\*\*63 - 1") for value in (-1, 2**63, 1.0, "0", None, True)],
        *[("n_seeds", value, "a whole number from 1 to 1,000") for value in (0, 1001, 2.0, False)],
        *[("num_inference_steps", value, "a whole number from 1 to 1,000") for value in (0, -3, 1001, "4")],
        *[("guidance_scale", value, "a number from 1 to 100") for value in (0.5, 101, np.nan, np.inf, "1", True, None)],
        *[("height", value, "None or pixels from 8 to 4,096") for value in (0, 7, 4097, 64.0, "64")],
        *[("width", value, "None or pixels from 8 to 4,096") for value in (-64, 7, 5000, True)],
        *[("batch_size", value, "None or an even number of prompts from 2") for value in (0, 1, 3, -2, 2.0, "2")],
        *[("channels_per_head", value, "a whole number of at least 1") for value in (0, -16, 16.0, "16")],
        *[("sigmas", value, "None or noise levels above 0") for value in ((0.0,), (1.5,), ("1",), (np.nan,), 1.0, "1")],
        *[("sigmas", value, "one level for each of the 1 steps") for value in ((), (1.0, 0.5))],
    ],
)
def test_config_names_field_and_value(field, value, allowed):
    with pytest.raises(InputError, match=f"{field} must be {allowed}") as caught:
        ProbeConfig(**{field: value})
    assert str(caught.value).endswith(f"; got {value!r}.")


@pytest.mark.parametrize("sigmas", [(0.5, 1.0), (1.0, 1.0)])
def test_sigmas_must_fall(sigmas):
    with pytest.raises(InputError, match="sigmas must be one level for each of the 2 steps, falling"):
        ProbeConfig(num_inference_steps=2, sigmas=sigmas)


@pytest.mark.parametrize("data", [[], None, [0], "seed", {"sigmas": 3}, {"noise_levels": [10**400]}, {0: 1}], ids=str)
def test_what_is_no_settings_is_a_sentence(data):
    with pytest.raises(InputError):
        ProbeConfig.from_dict(data)


def test_unknown_settings_are_named():
    with pytest.raises(InputError, match="Unknown settings pace, speed; known: seed, n_seeds"):
        ProbeConfig.from_dict({"seed": 0, "speed": 3, "pace": 1})


@pytest.mark.parametrize(
    ("key", "value"), [("versions", []), ("realised_sigmas", ["x"]), ("seconds", "soon"), ("resumed", 3)]
)
def test_a_damaged_provenance_is_named(tmp_path, key, value):
    folder = load_result(RUNS / "posebox").save(tmp_path / "run")
    description = json.loads((folder / "run.json").read_text())
    description["provenance"][key] = value
    (folder / "run.json").write_text(json.dumps(description))
    with pytest.raises(InputError, match=rf"run\.json is damaged \({key}"):
        load_result(folder)


def test_what_json_cannot_hold_is_refused_before_anything_is_written(tmp_path):
    result = load_result(RUNS / "posebox")
    unsaveable = replace(result, provenance={"seconds": np.float32(1)})
    with pytest.raises(InputError, match="plain JSON values"):
        unsaveable.save(tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_description_that_would_not_be_read_again_is_refused_before_anything_is_written(tmp_path):
    result = load_result(RUNS / "posebox")
    folder = result.save(tmp_path / "run")
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    larger = replace(result.first(10), provenance=result.provenance | {"note": "x" * MAX_JSON_BYTES})
    with pytest.raises(InputError, match="takes 20 MB, and 20 are read again"):
        larger.save(folder)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


# -- untrained twins ---------------------------------------------------------------------------


def test_a_twin_is_the_whole_same_run_of_the_untrained_model():
    trained, twin, random = (load_result(RUNS / name) for name in ("posebox", "posebox-untrained", "posebox-random"))
    assert is_untrained_twin(twin, trained)
    assert not is_untrained_twin(trained, twin)
    assert not is_untrained_twin(trained, trained)
    assert not is_untrained_twin(random, trained)
    part = replace(twin, mean_square=twin.mean_square[:5], token_counts=twin.token_counts[:5])
    assert not is_untrained_twin(part, trained)
    assert not is_untrained_twin(twin, replace(trained, config=replace(trained.config, seed=1)))
    for key, other in (("realised_sigmas", [0.3]), ("n_text_tokens", 7)):
        assert not is_untrained_twin(replace(twin, provenance=twin.provenance | {key: other}), trained)
    # Runs made before it was noted are taken on trust.
    one, two = (replace(run, provenance=run.provenance | {"tokenizer_digest": "1"}) for run in (twin, trained))
    assert is_untrained_twin(one, trained)
    assert is_untrained_twin(one, two)
    assert not is_untrained_twin(replace(one, provenance=one.provenance | {"tokenizer_digest": "2"}), two)


def test_a_twin_is_found_beside_a_run_and_damaged_neighbours_are_passed_over(tmp_path):
    trained, twin = load_result(RUNS / "posebox"), load_result(RUNS / "posebox-untrained")
    assert find_untrained_twin(trained, [tmp_path]) is None
    for name, text in (("a", "{"), ("b", "[]"), ("c", '{"provenance": {"model": "posebox-untrained"}}')):
        (tmp_path / name).mkdir()
        (tmp_path / name / "run.json").write_text(text)
    assert find_untrained_twin(trained, [tmp_path, tmp_path / "gone"]) is None
    twin.save(tmp_path / "d")
    twin.save(tmp_path / "e")
    assert find_untrained_twin(trained, [tmp_path])[0] == tmp_path / "d"
    assert find_untrained_twin(trained, [RUNS, tmp_path])[0] == RUNS / "posebox-untrained"
    assert find_untrained_twin(twin, [RUNS, tmp_path]) is None
