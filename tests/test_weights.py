"""Weights that are not all there, or no numbers, or computed with coarser than they say: refused, or told."""

import json
import re

import accelerate
import numpy as np
import pytest
import torch
from pipelines import build_odd
from safetensors.torch import load_file, save_file

import plantain
from plantain.errors import InputError
from plantain.model.identity import coarser, describe
from plantain.model.load import load_pipeline
from plantain.model.weights import check_weights
from plantain.probe.probe import run_probe

COMPONENTS = ("transformer", "text_encoder", "vae")


def change(folder, component, edit):
    """Rewrite a component's weights."""
    (file,) = (folder / component).glob("*.safetensors")
    tensors = load_file(file)
    edit(tensors)
    save_file(tensors, file, metadata={"format": "pt"})


def configure(folder, component, **changes):
    file = folder / component / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))


@pytest.mark.parametrize(
    ("component", "name"),
    [
        ("transformer", "transformer_blocks.0.attn.to_q.weight"),
        ("transformer", "single_transformer_blocks.1.attn.to_out.weight"),
        ("text_encoder", "model.layers.0.self_attn.q_proj.weight"),  # drawn at random by the library
        ("text_encoder", "model.norm.weight"),
        ("vae", "decoder.conv_in.weight"),
    ],
)
def test_a_missing_tensor_is_named(copied, component, name):
    change(copied, component, lambda tensors: tensors.pop(name))
    with pytest.raises(InputError, match=rf"weights in .*{component} lack .*{name}.*; save or download"):
        load_pipeline(str(copied), device="cpu")


def test_a_missing_block_is_counted(copied):
    def edit(tensors):
        for name in [name for name in tensors if name.startswith("single_transformer_blocks.1.")]:
            del tensors[name]

    change(copied, "transformer", edit)
    with pytest.raises(InputError, match=r"lack the tensor single_transformer_blocks\.1\..* and \d+ more"):
        load_pipeline(str(copied), device="cpu")


@pytest.mark.parametrize(
    ("component", "setting", "name"),
    [
        ("transformer", "num_single_layers", "the tensor single_transformer_blocks.6."),
        ("text_encoder", "num_hidden_layers", "the tensor model.layers."),
    ],
)
def test_a_configuration_with_fewer_blocks_than_its_file_is_refused(copied, component, setting, name):
    there = json.loads((copied / component / "config.json").read_text())[setting]
    more = {"layer_types": ["full_attention"] * (there - 1)} if component == "text_encoder" else {}
    configure(copied, component, **{setting: there - 1}, **more)
    with pytest.raises(InputError, match=rf"hold {name}.*no place for: the two do not belong together"):
        load_pipeline(str(copied), device="cpu")


def test_another_model_in_a_components_place_is_refused(copied):
    file = copied / "model_index.json"
    index = json.loads(file.read_text()) | {"transformer": ["diffusers", "FluxTransformer2DModel"]}
    file.write_text(json.dumps(index))
    with pytest.raises(InputError, match="has FluxTransformer2DModel as its transformer; expected Flux2Transformer2D"):
        load_pipeline(str(copied), device="cpu")


@pytest.mark.parametrize("component", COMPONENTS)
def test_weights_saved_as_a_pickle_are_not_read(copied, component):
    (file,) = (copied / component).glob("*.safetensors")
    name = "pytorch_model.bin" if component == "text_encoder" else "diffusion_pytorch_model.bin"
    torch.save(load_file(file), file.with_name(name))
    file.rename(copied / "elsewhere")
    with pytest.raises(InputError, match=r"cannot be loaded \(.*safetensors"):
        load_pipeline(str(copied), device="cpu")


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("component", COMPONENTS)
def test_weights_that_are_no_numbers_are_named(copied, component, value):
    named = []

    def edit(tensors):
        named.append(sorted(name for name in tensors if name.endswith("weight"))[0])
        tensors[named[0]].view(-1)[-1] = value

    change(copied, component, edit)
    with pytest.raises(InputError, match=r"holds values that are not finite in torch\.float32") as caught:
        load_pipeline(str(copied), device="cpu")
    assert f"{component}.{named[0]}" in str(caught.value)


def test_a_buffer_that_is_no_number_is_named(copied):
    change(copied, "vae", lambda tensors: tensors["bn.running_var"].fill_(float("nan")))
    with pytest.raises(InputError, match=r"vae\.bn\.running_var holds values that are not finite"):
        load_pipeline(str(copied), device="cpu")


def test_a_vocabulary_projection_that_nobody_reads_may_be_missing(copied, small_prompts):
    configure(copied, "text_encoder", tie_word_embeddings=False)
    first, second = (load_pipeline(str(copied), device="cpu") for _ in range(2))
    assert describe(first) == describe(second)
    run_probe(first, small_prompts, plantain.ProbeConfig(batch_size=2))


def test_weights_too_large_for_half_precision_are_named(copied):
    change(copied, "transformer", lambda tensors: tensors["x_embedder.weight"].view(-1)[:1].fill_(1e5))
    with pytest.raises(InputError, match=r"transformer\.x_embedder\.weight holds .* not finite in torch\.float16"):
        load_pipeline(str(copied), device="cpu", dtype="float16")


def test_weights_without_values_are_named():
    with torch.device("meta"):
        model = torch.nn.Linear(2, 2)
    with pytest.raises(InputError, match=r"transformer\.weight holds no values"):
        check_weights({"transformer": model})


def test_activations_that_are_no_numbers_end_a_run_and_name_the_pair(small_prompts):
    pipe = build_odd(joint_blocks=1, single_blocks=1)
    with torch.no_grad():
        pipe.transformer.single_transformer_blocks[0].attn.to_qkv_mlp_proj.weight[0, 0] = float("inf")
    with pytest.raises(InputError, match=r"activations of pair 'pair-01' are not all finite"):
        run_probe(pipe, small_prompts, plantain.ProbeConfig(batch_size=2))


# -- coarser than the dtype says -------------------------------------------------------------------


def test_autocast_is_told_and_not_gone_on_with(odd_pipeline, small_prompts):
    assert coarser(odd_pipeline) == ""
    assert "coarser" not in describe(odd_pipeline)
    config = plantain.ProbeConfig(batch_size=2)
    first = next(plantain.iter_probe(odd_pipeline, small_prompts, config)).result
    with torch.autocast("cpu", torch.bfloat16):
        assert describe(odd_pipeline)["coarser"] == "autocast to bfloat16"
        assert describe(odd_pipeline)["dtype"] == "float32"
        with pytest.raises(InputError, match="saved run has coarser None, this one autocast to bfloat16"):
            run_probe(odd_pipeline, small_prompts, config, resume=first)


def test_weights_of_eight_bits_are_told():
    pipe = build_odd(joint_blocks=1, single_blocks=1)
    pipe.transformer.enable_layerwise_casting(storage_dtype=torch.float8_e4m3fn, compute_dtype=torch.float32)
    assert coarser(pipe) == "stored in float8_e4m3fn"
    check_weights({"transformer": pipe.transformer})


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")
def test_quantised_layers_are_told():
    pipe = build_odd(joint_blocks=1, single_blocks=1)
    kinds = {torch.nn.Linear}
    pipe.transformer = torch.ao.quantization.quantize_dynamic(pipe.transformer, kinds, dtype=torch.qint8)
    assert re.fullmatch(r"(\d+) of \1 layers quantised", coarser(pipe))


# -- seen through ----------------------------------------------------------------------------------


def offloaded_to_main_memory(pipe, folder):
    accelerate.cpu_offload(pipe.transformer, execution_device=torch.device("cpu"))


def offloaded_to_disk(pipe, folder):
    accelerate.disk_offload(pipe.transformer, folder, execution_device=torch.device("cpu"))


def fused(pipe, folder):
    pipe.transformer.fuse_qkv_projections()


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("change", [offloaded_to_main_memory, offloaded_to_disk, fused])
def test_weights_that_lie_elsewhere_or_together_give_the_same_values(small_prompts, tmp_path, change):
    pipe, config = build_odd(joint_blocks=1, single_blocks=1), plantain.ProbeConfig(batch_size=2)
    expected = run_probe(pipe, small_prompts, config)
    change(pipe, tmp_path)
    found = run_probe(pipe, small_prompts, config)
    np.testing.assert_allclose(found.mean_square, expected.mean_square, rtol=2e-5)
    if change is not fused:
        assert found.provenance["weights_fingerprint"] == expected.provenance["weights_fingerprint"]
