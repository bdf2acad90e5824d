"""Loading pipelines, what a pipeline is asked, and every way in which a name can be wrong."""

import json
import shutil
from collections import namedtuple
from pathlib import Path
from types import SimpleNamespace

import hub
import numpy as np
import psutil
import pytest
import torch
from pipelines import build_odd
from tolerance import same_features

from plantain.data.prompts import load_prompts, shipped_prompts
from plantain.data.settings import ProbeConfig
from plantain.errors import InputError
from plantain.model.features import encode
from plantain.model.identity import describe, weights_fingerprint
from plantain.model.load import load_pipeline
from plantain.model.text import call_arguments, text_mask
from plantain.model.untrained import reinitialise
from plantain.posebox.build import build
from plantain.posebox.tokenizer import FOLDER, load_tokenizer, train_tokenizer
from plantain.posebox.words.vocabulary import every_word
from plantain.probe.probe import run_probe

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def saved(saved_pipeline):
    return saved_pipeline


# -- the embedded model ----------------------------------------------------------------------------


RANDOM_PARTS = ("text_encoder", "transformer", "vae")


def test_posebox_has_kleins_blocks(posebox):
    assert type(posebox).__name__ == "Flux2KleinPipeline"
    assert len(posebox.transformer.transformer_blocks) == 5
    assert len(posebox.transformer.single_transformer_blocks) == 20
    assert not posebox.transformer.training


def same_values(one, other):
    theirs = other.state_dict()
    return all(torch.equal(value, theirs[name]) for name, value in one.state_dict().items())


@pytest.mark.parametrize(
    ("name", "random"),
    [("posebox", ()), ("posebox-untrained", ("transformer",)), ("posebox-random", RANDOM_PARTS)],
)
def test_embedded_models_differ_in_what_is_random(name, random, posebox):
    pipe = load_pipeline(name, device="cpu")
    for part in RANDOM_PARTS:
        ours, trained = getattr(pipe, part), getattr(posebox, part)
        assert same_values(ours, trained) == (part not in random)
        assert ours.config == trained.config or part == "text_encoder"
        assert not ours.training
    again = load_pipeline(name, device="cpu")
    assert weights_fingerprint(again) == weights_fingerprint(pipe)
    assert (describe(pipe)["model"], describe(pipe)["revision"], describe(pipe)["device"]) == (name, None, "cpu")


def test_a_reinitialised_transformer_has_the_spread_of_a_new_one(posebox):
    torch.manual_seed(3)
    new = type(posebox.transformer).from_config(posebox.transformer.config)
    twin = reinitialise(posebox, seed=3).transformer
    assert same_values(twin, new)


def test_reinitialising_leaves_the_pipeline_and_the_random_state_alone(odd_pipeline):
    before, state = weights_fingerprint(odd_pipeline), torch.get_rng_state()
    twin = reinitialise(odd_pipeline, ("transformer", "text_encoder"), seed=1)
    assert torch.equal(state, torch.get_rng_state())
    assert weights_fingerprint(odd_pipeline) == before != weights_fingerprint(twin)
    assert twin.vae is odd_pipeline.vae
    assert weights_fingerprint(reinitialise(odd_pipeline, seed=1)) != weights_fingerprint(reinitialise(odd_pipeline))


def test_the_untrained_twin_of_posebox_is_the_embedded_one(posebox):
    twin = load_pipeline("posebox", device="cpu", untrained=True)
    embedded = load_pipeline("posebox-untrained", device="cpu")
    assert describe(twin) == describe(embedded)
    assert (describe(twin)["model"], describe(twin)["weights_seed"]) == ("posebox-untrained", 0)
    assert weights_fingerprint(twin) != weights_fingerprint(posebox)
    assert "weights_seed" not in describe(posebox)
    other = describe(load_pipeline("posebox", device="cpu", untrained=True, weights_seed=1))
    assert (other["model"], other["weights_seed"]) == ("posebox-untrained", 1)
    assert other["weights_fingerprint"] != weights_fingerprint(twin)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_any_saved_pipeline_has_an_untrained_twin(saved, dtype, monkeypatch):
    """The same as ``reinitialise`` makes of it, though the trained transformer is never read."""
    trained = load_pipeline(str(saved), device="cpu", dtype=dtype)
    state = torch.get_rng_state()
    twin = load_pipeline(str(saved), device="cpu", dtype=dtype, untrained=True, weights_seed=3)
    assert torch.equal(state, torch.get_rng_state())
    expected = reinitialise(trained, seed=3)
    assert weights_fingerprint(twin) == weights_fingerprint(expected) != weights_fingerprint(trained)
    assert same_values(twin.transformer, expected.transformer)
    assert same_values(twin.text_encoder, trained.text_encoder)
    assert same_values(twin.vae, trained.vae)
    assert not twin.transformer.training
    assert twin.transformer.dtype == trained.transformer.dtype
    found = describe(twin)
    assert (found["model"], found["revision"], found["weights_seed"]) == (f"{saved}-untrained", None, 3)


def test_an_untrained_twin_keeps_the_revision(saved, monkeypatch):
    monkeypatch.setattr("plantain.model.load.locate", lambda name: (saved, hub.COMMIT))
    found = describe(load_pipeline(hub.GOOD, device="cpu", untrained=True))
    assert (found["model"], found["revision"]) == (f"{hub.GOOD}-untrained", hub.COMMIT)


def test_an_untrained_twin_is_probed_like_any_model(saved, small_prompts):
    twin = load_pipeline(str(saved), device="cpu", untrained=True)
    result = run_probe(twin, small_prompts)
    assert result.provenance["weights_seed"] == 0
    assert result.model == f"{saved}-untrained"
    assert not np.array_equal(result.mean_square, run_probe(load_pipeline(str(saved)), small_prompts).mean_square)


@pytest.mark.parametrize("name", ["posebox-random", "posebox-untrained"])
def test_what_is_random_already_has_no_untrained_twin(name):
    with pytest.raises(InputError, match=f"{name} has random weights already"):
        load_pipeline(name, device="cpu", untrained=True)


@pytest.mark.parametrize("seed", [-1, 2**63, 1.0, True, "0"])
def test_a_weights_seed_that_is_none_is_refused(seed):
    with pytest.raises(InputError, match="weights_seed must be a whole number"):
        load_pipeline("posebox", device="cpu", untrained=True, weights_seed=seed)


def test_a_weights_seed_without_a_twin_is_refused():
    with pytest.raises(InputError, match="ask for one as well"):
        load_pipeline("posebox", device="cpu", weights_seed=1)


def test_memory_for_drawing_is_asked_for_before_anything_is_drawn(saved, odd_pipeline, monkeypatch):
    """Four bytes a value, whatever the dtype, and whatever device the pipeline goes to."""
    values = sum(parameter.numel() for parameter in odd_pipeline.transformer.parameters())
    memory = namedtuple("memory", "available")(4 * values - 1)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: memory)
    monkeypatch.setattr("diffusers.Flux2Transformer2DModel.from_config", lambda *a, **k: pytest.fail("drawn"))
    with pytest.raises(InputError, match=r"Drawing the untrained weights of .* of main memory"):
        load_pipeline(str(saved), device="cpu", dtype="bfloat16", untrained=True)


def test_a_broken_transformer_config_is_refused_for_a_twin_too(copied):
    (copied / "transformer" / "config.json").write_text("{")
    with pytest.raises(InputError, match=r"cannot be loaded .*; save or download it again"):
        load_pipeline(str(copied), device="cpu", untrained=True)


def test_building_leaves_the_random_state_alone():
    before = torch.get_rng_state()
    assert weights_fingerprint(build(seed=1)) == weights_fingerprint(build(seed=1)) != weights_fingerprint(build())
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize("name", ["posebox", "posebox-untrained"])
def test_posebox_loads_in_another_dtype(name, small_prompts):
    pipe = load_pipeline(name, device="cpu", dtype="bfloat16")
    assert {parameter.dtype for parameter in pipe.transformer.parameters()} == {torch.bfloat16}
    assert describe(pipe)["dtype"] == "bfloat16"
    result = run_probe(pipe, small_prompts, ProbeConfig(height=32, width=32))
    assert np.isfinite(result.mean_square).all()


# -- saved folders ---------------------------------------------------------------------------------


def test_a_saved_pipeline_loads_and_probes_as_before(odd_pipeline, saved, small_prompts):
    pipe = load_pipeline(str(saved), device="cpu")
    assert weights_fingerprint(pipe) == weights_fingerprint(odd_pipeline)
    assert describe(pipe)["model"] == str(saved)
    before, after = run_probe(odd_pipeline, small_prompts), run_probe(pipe, small_prompts)
    np.testing.assert_array_equal(before.mean_square, after.mean_square)


def test_posebox_survives_saving(posebox, tmp_path):
    posebox.save_pretrained(tmp_path)
    pipe = load_pipeline(str(tmp_path), device="cpu")
    assert weights_fingerprint(pipe) == weights_fingerprint(posebox)
    np.testing.assert_array_equal(text_mask(pipe, ["a dancer"]), text_mask(posebox, ["a dancer"]))


def test_a_pipeline_made_by_hand_can_be_described():
    pipe = build_odd()
    assert describe(pipe)["model"] == "unnamed pipeline"


@pytest.mark.parametrize("component", ["transformer", "text_encoder"])
def test_the_fingerprint_sees_one_changed_value(component):
    pipe = build_odd()
    before = weights_fingerprint(pipe)
    with torch.no_grad():
        next(getattr(pipe, component).parameters()).view(-1)[0] += 1
    assert weights_fingerprint(pipe) != before


def test_the_fingerprint_samples_large_tensors_to_their_end():
    pipe = build_odd()
    before = weights_fingerprint(pipe)
    largest = max(pipe.transformer.parameters(), key=torch.numel)
    assert largest.numel() > 2**18  # some four times what is looked at of one tensor
    with torch.no_grad():
        largest.view(-1)[-largest.numel() // 8 :] += 1
    assert weights_fingerprint(pipe) != before


# -- what a pipeline is asked ----------------------------------------------------------------------


def stand_in(layers, sample_size, max_length):
    return SimpleNamespace(
        text_encoder=SimpleNamespace(config=SimpleNamespace(num_hidden_layers=layers)),
        vae=SimpleNamespace(config=SimpleNamespace(sample_size=sample_size)),
        tokenizer=SimpleNamespace(model_max_length=max_length),
    )


def test_call_arguments_of_klein_are_its_own_defaults():
    import inspect

    from diffusers import Flux2KleinPipeline

    arguments = call_arguments(stand_in(36, 1024, 131_072))
    defaults = inspect.signature(Flux2KleinPipeline.__call__).parameters
    assert arguments["text_encoder_out_layers"] == (9, 18, 27) == defaults["text_encoder_out_layers"].default
    assert arguments["max_sequence_length"] == 512 == defaults["max_sequence_length"].default
    assert arguments["height"] == arguments["width"] == 1024


def test_call_arguments_of_small_pipelines(posebox, odd_pipeline):
    expected = {"text_encoder_out_layers": (1, 2, 3), "max_sequence_length": 96, "height": 128, "width": 128}
    assert call_arguments(posebox) == expected
    assert call_arguments(odd_pipeline)["text_encoder_out_layers"] == (2, 4, 6)
    assert (call_arguments(odd_pipeline)["height"], call_arguments(odd_pipeline)["width"]) == (96, 64)


def test_a_text_has_the_same_features_in_any_company(posebox):
    alone, together = encode(posebox, ["a dancer"]), encode(posebox, ["a nurse", "a dancer"])
    assert alone.shape == (1, 96, 3 * posebox.text_encoder.config.hidden_size)
    assert same_features(alone[0], together[1])
    assert not same_features(alone[0], together[0])


# -- the tokenizer ---------------------------------------------------------------------------------


def test_training_again_gives_the_shipped_files(tmp_path):
    train_tokenizer(every_word(), tmp_path)
    made = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    shipped = {path.name: path.read_bytes() for path in FOLDER.iterdir()}
    assert made.keys() == shipped.keys()
    assert [name for name in made if made[name] != shipped[name]] == [], "run python -m plantain.posebox tokenizer"


TEXTS = [
    "a dancer",
    "Zwölf Boxkämpfer",
    "体操選手が跳ぶ",
    "🤸\U0001f3fd leaping",
    "عربى",
    "\0\u200b\ufffd",
    "  two  spaces ",
    "",
]


@pytest.mark.parametrize("text", TEXTS)
def test_any_text_survives_the_tokenizer(text):
    tokenizer = load_tokenizer()
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    assert tokenizer.decode(ids, clean_up_tokenization_spaces=False) == text


def test_every_shipped_prompt_fits(posebox):
    mask = text_mask(posebox, [text for name in shipped_prompts() for text in load_prompts(name).prompts])
    assert (mask.sum(axis=1) < 96).all()


# -- wrong names -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["nonsense", "a/b/c", "../nowhere", "./nowhere", "~nobody-here/x", "x" * 5000])
def test_an_unknown_model_is_refused_with_the_known_ones(name):
    with pytest.raises(InputError, match=r"Unknown model .*posebox.*FLUX\.2-klein"):
        load_pipeline(name, device="cpu")


@pytest.mark.parametrize("name", ["a b/c", "a\0b/c", "-acme/tiny-", "acme/" + "x" * 200])
def test_an_impossible_hub_id_is_refused(name):
    with pytest.raises(InputError, match="no valid Hub id"):
        load_pipeline(name, device="cpu")


def test_a_folder_without_an_index_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"is not a saved pipeline.*model_index\.json"):
        load_pipeline(str(tmp_path), device="cpu")


@pytest.mark.parametrize("content", [b"not json", b"[]", b"\xff\xfe", b'"text"', b""])
def test_a_broken_index_is_refused(copied, content):
    (copied / "model_index.json").write_bytes(content)
    with pytest.raises(InputError, match="is not a saved pipeline"):
        load_pipeline(str(copied), device="cpu")


def test_another_pipeline_class_is_refused(copied):
    (copied / "model_index.json").write_text(json.dumps({"_class_name": "StableDiffusionPipeline"}))
    with pytest.raises(InputError, match="holds a StableDiffusionPipeline; plantain probes a Flux2KleinPipeline"):
        load_pipeline(str(copied), device="cpu")


@pytest.mark.parametrize("keep", [0, 4, 1000, -1])
def test_truncated_weights_are_refused(copied, keep):
    file = next(copied.glob("transformer/*.safetensors"))
    file.write_bytes(file.read_bytes()[:keep])
    with pytest.raises(InputError, match=r"safetensors is damaged \(.*; download or save the pipeline again"):
        load_pipeline(str(copied), device="cpu")


@pytest.mark.parametrize("missing", ["transformer", "tokenizer", "scheduler/scheduler_config.json", "vae/config.json"])
def test_a_folder_with_a_part_missing_is_refused(copied, missing):
    path = copied / missing
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    with pytest.raises(InputError, match=r"cannot be loaded .*; save or download it again"):
        load_pipeline(str(copied), device="cpu")


# -- devices, dtypes, memory -----------------------------------------------------------------------


@pytest.mark.parametrize("device", ["gpu", "cuda:x", "cpu cpu"])
def test_an_unknown_device_is_refused(device):
    with pytest.raises(InputError, match=f"Unknown device '{device}'; expected cpu, cuda or mps"):
        load_pipeline("posebox", device=device)


@pytest.mark.parametrize("device", ["cuda", "cuda:0", "mps", "xpu", "meta"])
def test_an_absent_device_is_refused(device, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    with pytest.raises(InputError, match=f"no device '{device}'; usable here: cpu"):
        load_pipeline("posebox", device=device)


def test_an_unknown_dtype_is_refused():
    with pytest.raises(InputError, match="Unknown dtype 'int8'; expected one of float32, bfloat16, float16"):
        load_pipeline("posebox", device="cpu", dtype="int8")


def test_too_little_memory_is_refused_before_reading(saved, monkeypatch):
    memory = namedtuple("memory", "available")(1000)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: memory)
    monkeypatch.setattr("diffusers.Flux2KleinPipeline.from_pretrained", lambda *a, **k: pytest.fail("read"))
    with pytest.raises(InputError, match=r"does not fit into main memory.*Needed: 0\.0 GB; free: 0\.0 GB"):
        load_pipeline(str(saved), device="cpu")


def test_the_memory_needed_is_counted_in_the_wanted_dtype(saved, odd_pipeline, monkeypatch):
    """Two bytes a value: enough for bfloat16 is too little for float32."""
    parts = (odd_pipeline.transformer, odd_pipeline.text_encoder, odd_pipeline.vae)
    values = sum(parameter.numel() for part in parts for parameter in part.parameters())
    memory = namedtuple("memory", "available")(3 * values)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: memory)
    load_pipeline(str(saved), device="cpu", dtype="bfloat16")
    with pytest.raises(InputError, match="does not fit into main memory"):
        load_pipeline(str(saved), device="cpu", dtype="float32")


def test_memory_that_runs_out_on_the_gpu_is_one_sentence(saved, monkeypatch):
    from diffusers import DiffusionPipeline

    def fail(self, *args, **kwargs):
        raise torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB")

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (10**12, 10**12))
    monkeypatch.setattr(DiffusionPipeline, "to", fail)
    for name in (str(saved), "posebox"):
        with pytest.raises(InputError, match="does not fit into the GPU; free some"):
            load_pipeline(name, device="cuda")


def test_too_little_gpu_memory_is_refused_before_reading(saved, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (1000, 10**12))
    monkeypatch.setattr("diffusers.Flux2KleinPipeline.from_pretrained", lambda *a, **k: pytest.fail("read"))
    with pytest.raises(InputError, match="does not fit into the GPU"):
        load_pipeline(str(saved), device="cuda")


def test_memory_that_runs_out_while_reading_is_one_sentence(saved, monkeypatch):
    from diffusers import Flux2KleinPipeline

    def fail(*args, **kwargs):
        raise MemoryError

    monkeypatch.setattr(Flux2KleinPipeline, "from_pretrained", fail)
    with pytest.raises(InputError, match="does not fit into main memory; free some"):
        load_pipeline(str(saved), device="cpu")


# -- the Hub, on loopback --------------------------------------------------------------------------


def loaded(names):
    """What loading each of them gives: its description, or why not."""
    answers = {}
    for name in names:
        try:
            answers[name] = describe(load_pipeline(name, device="cpu"))
        except InputError as error:
            answers[name] = str(error)
    return answers


@pytest.fixture(scope="module")
def hub_answers(saved, tmp_path_factory):
    """What loading each repository says: with the Hub up, down, and switched off."""
    cache, empty = tmp_path_factory.mktemp("cache"), tmp_path_factory.mktemp("empty")
    answers = {}
    with hub.serve(saved) as address, hub.reached(address, cache):
        names = [hub.GOOD, f"{hub.GOOD}@v1", f"{hub.GOOD}@v2", *hub.FAILING, hub.EMPTY, hub.GATED_WEIGHTS]
        answers["up"] = loaded(names)
    with hub.reached(address, cache):
        answers["down"] = loaded([hub.GOOD, "acme/other"])
    with hub.reached(address, empty, offline=True):
        answers["off"] = loaded([hub.GOOD])
    return answers


def test_a_pipeline_comes_from_the_hub_with_its_commit(hub_answers, odd_pipeline):
    found = hub_answers["up"][hub.GOOD]
    assert (found["model"], found["revision"]) == (hub.GOOD, hub.COMMIT)
    assert found["weights_fingerprint"] == weights_fingerprint(odd_pipeline)


def test_a_revision_is_asked_for_behind_an_at_sign(hub_answers):
    assert hub_answers["up"][f"{hub.GOOD}@v1"] == hub_answers["up"][hub.GOOD]
    assert hub_answers["up"][f"{hub.GOOD}@v2"] == (
        f"{hub.GOOD} has no revision 'v2'; give a branch, a tag or a commit of it."
    )


def test_a_cached_pipeline_loads_while_the_hub_is_down(hub_answers):
    assert hub_answers["down"][hub.GOOD] == hub_answers["up"][hub.GOOD]


@pytest.mark.parametrize(
    ("state", "name", "expected"),
    [
        ("up", "acme/gated", "acme/gated is gated: accept its terms on https://huggingface.co/acme/gated"),
        ("up", "acme/gated-anonymous", "acme/gated-anonymous is gated: accept its terms"),
        ("up", hub.GATED_WEIGHTS, f"{hub.GATED_WEIGHTS} is gated: accept its terms"),
        ("up", "acme/missing", "The Hub has no model 'acme/missing' that you may read; check the spelling"),
        ("up", "acme/private", "The Hub has no model 'acme/private' that you may read; check the spelling"),
        ("up", "acme/unauthorised", "Fetching 'acme/unauthorised' failed: Client error '401 Unauthorized'"),
        ("up", "acme/broken", "Cannot reach the Hub for 'acme/broken' and it is not in the local cache"),
        ("up", hub.EMPTY, f"{hub.EMPTY} has no model_index.json, so it is no diffusers pipeline"),
        ("down", "acme/other", "Cannot reach the Hub for 'acme/other' and it is not in the local cache"),
        ("off", hub.GOOD, f"Cannot reach the Hub for '{hub.GOOD}' and it is not in the local cache"),
    ],
)
def test_each_failure_of_the_hub_is_one_plain_message(hub_answers, state, name, expected):
    message = hub_answers[state][name]
    assert message.startswith(expected)
    assert message.endswith(".")
    assert "\n" not in message
    assert "Error(" not in message
    assert "Traceback" not in message


def test_a_download_that_breaks_off_is_one_plain_message(monkeypatch):
    """The client's own errors are no OSErrors."""
    import huggingface_hub
    from huggingface_hub.errors import HTTPError

    def fail(*args, **kwargs):
        raise HTTPError("peer closed connection without sending complete message body")

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", fail)
    with pytest.raises(InputError, match=r"Fetching 'acme/tiny' failed: peer closed connection.*Try again"):
        load_pipeline("acme/tiny", device="cpu")


def test_a_full_disk_is_one_plain_message(monkeypatch):
    import huggingface_hub

    def fail(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", fail)
    with pytest.raises(InputError, match=r"Fetching 'acme/tiny' failed: .*No space left on device"):
        load_pipeline("acme/tiny", device="cpu")


def test_the_fingerprint_reads_weights_that_accelerate_has_moved_out():
    from accelerate import cpu_offload

    marks = []
    for seed in (0, 5):
        pipe = build(seed=seed)
        before = weights_fingerprint(pipe)
        for component in (pipe.transformer, pipe.text_encoder):
            cpu_offload(component, execution_device=torch.device("cpu"))
        assert next(pipe.transformer.parameters()).device.type == "meta"
        assert weights_fingerprint(pipe) == before
        marks.append(before)
    assert marks[0] != marks[1]


def test_a_model_without_values_has_no_fingerprint():
    pipe = build()
    pipe.transformer.to("meta")
    with pytest.raises(InputError, match="holds no values"):
        weights_fingerprint(pipe)
