"""A large text encoder is loaded no further than it is read, and is the same model all the same."""

import pytest
import torch
from safetensors.torch import load_file, save_file
from test_features import TEXTS, own

from plantain import load_pipeline
from plantain.errors import InputError
from plantain.model import encoder
from plantain.model.features import encode
from plantain.model.identity import describe
from plantain.model.text import call_arguments


@pytest.fixture
def large(monkeypatch):
    """Any text encoder is one that is worth it."""
    monkeypatch.setattr(encoder, "_WORTH_BYTES", 1)


@pytest.fixture
def cut(large, saved_pipeline):
    return load_pipeline(str(saved_pipeline), device="cpu")


def test_layers_that_nobody_reads_are_not_loaded(cut, odd_pipeline, saved_pipeline):
    assert len(odd_pipeline.text_encoder.model.layers) == 8
    assert len(cut.text_encoder.model.layers) == 7
    in_one = sum(values.numel() for values in odd_pipeline.text_encoder.model.layers[7].parameters())
    assert encoder.n_unread(saved_pipeline / "text_encoder") == in_one


def test_features_are_those_of_the_whole_by_either_way(cut, odd_pipeline):
    assert call_arguments(cut) == call_arguments(odd_pipeline)
    assert torch.equal(encode(cut, TEXTS), encode(odd_pipeline, TEXTS))
    assert torch.equal(own(cut, TEXTS), own(odd_pipeline, TEXTS))


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_the_fingerprint_is_that_of_the_whole(cut, saved_pipeline, monkeypatch, dtype):
    shorter = load_pipeline(str(saved_pipeline), device="cpu", dtype=dtype)
    monkeypatch.setattr(encoder, "_WORTH_BYTES", 2**40)
    whole = load_pipeline(str(saved_pipeline), device="cpu", dtype=dtype)
    assert [len(pipe.text_encoder.model.layers) for pipe in (shorter, whole)] == [7, 8]
    assert describe(shorter) == describe(whole)


def test_the_fingerprint_sees_what_is_not_loaded(large, copied, cut):
    change(copied, lambda tensors: tensors["model.layers.7.mlp.up_proj.weight"].view(-1)[:1].add_(1))
    other = load_pipeline(str(copied), device="cpu")
    assert describe(other)["weights_fingerprint"] != describe(cut)["weights_fingerprint"]


@pytest.mark.parametrize("name", ["model.layers.7.mlp.up_proj.weight", "model.layers.6.mlp.up_proj.weight"])
def test_a_missing_tensor_is_named_whether_it_would_be_loaded_or_not(large, copied, name):
    change(copied, lambda tensors: tensors.pop(name))
    with pytest.raises(InputError, match=f"text_encoder lack the tensor {name}"):
        load_pipeline(str(copied), device="cpu")


def test_a_pipeline_that_is_saved_so_is_not_taken_for_a_whole_one(cut, tmp_path):
    cut.save_pretrained(tmp_path)
    with pytest.raises(InputError, match=r"lack the tensor model\.layers\.7\."):
        load_pipeline(str(tmp_path), device="cpu")


def test_a_small_one_is_loaded_whole(saved_pipeline):
    assert len(load_pipeline(str(saved_pipeline), device="cpu").text_encoder.model.layers) == 8
    assert encoder.n_unread(saved_pipeline / "text_encoder") == 0


def test_of_kleins_layers_twenty_eight_are_loaded():
    there = {
        f"model.layers.{i}.mlp.up_proj.weight": encoder._Stored(None, 9728 * 2560, 2 * 9728 * 2560) for i in range(36)
    }
    left = encoder._unread(there, 36)
    assert sorted(int(key.split(".")[2]) for key in left) == list(range(28, 36))


def change(folder, edit):
    (file,) = (folder / "text_encoder").glob("*.safetensors")
    tensors = {name: values.clone() for name, values in load_file(file).items()}
    edit(tensors)
    save_file(tensors, file, metadata={"format": "pt"})
