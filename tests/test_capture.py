"""Capture against whole activations reduced in float64, and what it must leave untouched."""

import copy
import gc
import operator
import weakref
from collections import Counter

import numpy as np
import pytest
import torch
from pipelines import build_odd, draw, n_hooks, projections
from tolerance import BATCH_ROUNDING, sum_rounding

import plantain
from plantain.data.prompts import PromptSet
from plantain.errors import InputError
from plantain.model.text import call_arguments, text_mask
from plantain.probe.patching import Patching
from plantain.probe.streams import _MOST_TOKENS, squares_of, streams_of, sums_of
from plantain.probe.tokens import ImageTokens

# Capture adds up 24 squares of a run at most, the root of each sum is taken and squared again, then 96 tokens.
FLOAT32_ROUNDING = sum_rounding(24 + 4 + 96)
PROMPTS = [
    "A tall dancer leaping in a park",
    "A nurse",
    "A boy in a red coat standing on a wooden pier by the sea",
    "",
    "An old chef bending over a stove",
    "7 goalkeepers?",
    "Zwölf Boxkämpfer jagen Viktor quer über den großen Sylter Deich",
]


class Stored:
    """Every projection's whole input, kept: the plain way, to hold capture against."""

    def __init__(self, transformer):
        self.transformer = transformer
        self.inputs = {name: [] for name, _ in projections(transformer)}

    def __enter__(self):
        def keep(name):
            return lambda module, args: self.inputs[name].append(args[0].detach().clone())

        self.handles = [module.register_forward_pre_hook(keep(name)) for name, module in projections(self.transformer)]
        return self

    def __exit__(self, *error):
        for handle in self.handles:
            handle.remove()

    def mean_square(self, mask, streams, channels=16):
        """(forwards, batch, streams, runs) in float64, one slice and one mean at a time."""
        n_text = mask.shape[1]
        n_joint, n_single = len(self.transformer.transformer_blocks), len(self.transformer.single_transformer_blocks)
        forwards = []
        for forward in range(len(self.inputs["joint[0].to_out"])):
            blocks = []
            for i in range(n_joint):
                image = self.inputs[f"joint[{i}].to_out"][forward].double().numpy()
                text = self.inputs[f"joint[{i}].to_add_out"][forward].double().numpy()
                blocks.append(reduce_streams(image, text, mask, streams, channels))
            for i in range(n_single):
                both = self.inputs[f"single[{i}].to_out"][forward].double().numpy()
                blocks.append(reduce_streams(both[:, n_text:], both[:, :n_text], mask, streams, channels))
            forwards.append(np.concatenate(blocks, axis=2))
        return np.array(forwards)


def reduce_streams(image, text, mask, streams, channels):
    """(B, T, C) image and text tokens -> (B, S, C / channels) mean squares."""
    rows = []
    for b in range(len(image)):
        tokens = {"image": image[b], "all text": text[b], "text": text[b][mask[b]], "padding": text[b][~mask[b]]}
        rows.append([run_means(tokens[stream], channels) for stream in streams])
    return np.array(rows)


def run_means(tokens, channels):
    runs = range(0, tokens.shape[1], channels)
    return [np.mean(tokens[:, c : c + channels] ** 2) if len(tokens) else 0.0 for c in runs]


def stored_and_captured(pipe, prompts, mask=None, **options):
    with plantain.HeadCapture(pipe.transformer, text_mask=mask) as capture, Stored(pipe.transformer) as stored:
        draw(pipe, prompts, **options)
    return stored, capture.mean_square


# -- values ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("batch", [1, 7])
def test_image_and_text_streams_match_stored_activations(odd_pipeline, batch):
    prompts = PROMPTS[:batch]
    stored, captured = stored_and_captured(odd_pipeline, prompts)
    expected = stored.mean_square(text_mask(odd_pipeline, prompts), ["image", "all text"])
    assert captured.shape == (1, batch, 2, 3 * 15 + 7 * 45)
    np.testing.assert_allclose(captured, expected, rtol=FLOAT32_ROUNDING)


@pytest.mark.parametrize("batch", [1, 7])
def test_masked_streams_match_stored_activations(odd_pipeline, batch):
    prompts = PROMPTS[:batch]
    mask = text_mask(odd_pipeline, prompts)
    stored, captured = stored_and_captured(odd_pipeline, prompts, mask)
    expected = stored.mean_square(mask, ["image", "text", "padding"])
    assert captured.dtype == np.float32
    np.testing.assert_allclose(captured, expected, rtol=FLOAT32_ROUNDING)


def test_masks_with_padding_first_and_with_holes_select_the_same_tokens(odd_pipeline):
    n_text = call_arguments(odd_pipeline)["max_sequence_length"]
    mask = np.zeros((3, n_text), dtype=bool)
    mask[0, 60:] = True
    mask[1, ::2] = True
    mask[2, :5] = True
    stored, captured = stored_and_captured(odd_pipeline, PROMPTS[:3], mask)
    expected = stored.mean_square(mask, ["image", "text", "padding"])
    np.testing.assert_allclose(captured, expected, rtol=FLOAT32_ROUNDING)


def test_a_stream_without_tokens_is_zero(odd_pipeline):
    mask = np.ones((1, call_arguments(odd_pipeline)["max_sequence_length"]), dtype=bool)
    _, captured = stored_and_captured(odd_pipeline, PROMPTS[:1], mask)
    assert (captured[:, :, 2] == 0).all()
    assert (captured[:, :, :2] > 0).all()


def test_text_comes_before_image_in_single_blocks(odd_pipeline):
    """What the reference above takes for granted, read off the blocks' own inputs and outputs."""
    transformer, seen = odd_pipeline.transformer, {}
    handles = [
        transformer.transformer_blocks[-1].register_forward_hook(lambda module, args, out: seen.update(joint=out)),
        transformer.single_transformer_blocks[0].register_forward_pre_hook(
            lambda module, args, kwargs: seen.update(single=kwargs["hidden_states"]), with_kwargs=True
        ),
    ]
    draw(odd_pipeline, PROMPTS[:1])
    for handle in handles:
        handle.remove()
    text, image = seen["joint"]
    assert (text.shape[1], image.shape[1]) == (96, 96)
    assert torch.equal(seen["single"], torch.cat([text, image], dim=1))


def test_several_steps_are_captured_in_order(odd_pipeline):
    mask = text_mask(odd_pipeline, PROMPTS[:2])
    stored, captured = stored_and_captured(odd_pipeline, PROMPTS[:2], mask, num_inference_steps=3)
    expected = stored.mean_square(mask, ["image", "text", "padding"])
    assert captured.shape[0] == 3
    np.testing.assert_allclose(captured, expected, rtol=FLOAT32_ROUNDING)
    assert not np.allclose(captured[0], captured[1], rtol=1e-3)


def test_runs_of_another_width_match_stored_activations(odd_pipeline):
    transformer = odd_pipeline.transformer
    with plantain.HeadCapture(transformer, channels_per_head=24) as capture, Stored(transformer) as stored:
        draw(odd_pipeline, PROMPTS[:2])
    expected = stored.mean_square(text_mask(odd_pipeline, PROMPTS[:2]), ["image", "all text"], channels=24)
    np.testing.assert_allclose(capture.mean_square, expected, rtol=FLOAT32_ROUNDING)


def test_bfloat16_activations_are_reduced_in_float32(odd_pipeline):
    pipe = in_bfloat16(odd_pipeline)
    mask = text_mask(pipe, PROMPTS[:3])
    stored, captured = stored_and_captured(pipe, PROMPTS[:3], mask)
    assert stored.inputs["single[0].to_out"][0].dtype == torch.bfloat16
    expected = stored.mean_square(mask, ["image", "text", "padding"])
    np.testing.assert_allclose(captured, expected, rtol=FLOAT32_ROUNDING)


@pytest.mark.filterwarnings("ignore:Mismatch dtype between input and weight")
def test_autocast_does_not_round_the_reduction(odd_pipeline):
    mask = text_mask(odd_pipeline, PROMPTS[:3])
    with torch.autocast("cpu", dtype=torch.bfloat16):
        stored, captured = stored_and_captured(odd_pipeline, PROMPTS[:3], mask)
    assert stored.inputs["joint[0].to_out"][0].dtype == torch.bfloat16, "autocast was not in effect"
    expected = stored.mean_square(mask, ["image", "text", "padding"])
    np.testing.assert_allclose(captured, expected, rtol=FLOAT32_ROUNDING)


def test_every_run_names_the_channels_it_was_taken_from(odd_pipeline):
    """Doubling the first channels of a table row's projection input changes that run and no other."""
    head_map = plantain.HeadCapture(odd_pipeline.transformer).head_map
    table = head_map.table("card", "all")
    plain = capture_forward(odd_pipeline.transformer)
    for row in (0, 20, 44, 45, 45 + 14, 45 + 15, 45 + 44, 359):
        block, first = table["block"][row], table["first_channel"][row]
        with scaled(odd_pipeline.transformer, f"{block}.to_out", slice(first, first + 16), 2.0):
            altered = capture_forward(odd_pipeline.transformer)
        same_block = head_map.runs_of(table["block_index"][row])
        changed = np.flatnonzero(altered[0, 0, 0, same_block] != plain[0, 0, 0, same_block]) + same_block.start
        assert changed.tolist() == [table["first_run"][row]] == [row]
        np.testing.assert_allclose(altered[0, 0, 0, row], 4 * plain[0, 0, 0, row], rtol=FLOAT32_ROUNDING)


# -- what it must not touch ------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_output_is_bit_identical_under_capture(odd_pipeline, dtype):
    pipe = odd_pipeline if dtype == "float32" else in_bfloat16(odd_pipeline)
    options = {"num_inference_steps": 2, "guidance_scale": 3.0}
    bare = draw(pipe, PROMPTS[:2], **options)
    with plantain.HeadCapture(pipe.transformer, text_mask=text_mask(pipe, PROMPTS[:2])):
        captured = draw(pipe, PROMPTS[:2], **options)
    assert bare.dtype == getattr(torch, dtype)
    assert torch.equal(bare, captured)
    assert not torch.equal(bare, draw(pipe, PROMPTS[2:4], **options)), "the output depends on nothing"


def test_gradients_are_the_same_under_capture(odd_pipeline):
    def gradient():
        inputs = random_inputs(odd_pipeline.transformer)
        inputs["hidden_states"].requires_grad_()
        odd_pipeline.transformer(**inputs)[0].square().sum().backward()
        return inputs["hidden_states"].grad

    bare = gradient()
    with plantain.HeadCapture(odd_pipeline.transformer) as capture:
        captured = gradient()
    odd_pipeline.transformer.zero_grad(set_to_none=True)
    assert torch.equal(bare, captured)
    assert capture.mean_square.shape == (1, 1, 2, 360)


def test_no_hook_remains_after_the_block(odd_pipeline):
    with plantain.HeadCapture(odd_pipeline.transformer):
        assert n_hooks(odd_pipeline.transformer) > 0
    assert n_hooks(odd_pipeline.transformer) == 0


def test_no_hook_remains_after_an_exception(odd_pipeline):
    with pytest.raises(KeyboardInterrupt), plantain.HeadCapture(odd_pipeline.transformer):
        raise KeyboardInterrupt
    assert n_hooks(odd_pipeline.transformer) == 0


def test_no_hook_remains_when_adding_them_fails_halfway(odd_pipeline, monkeypatch):
    def fail(*args, **kwargs):
        assert n_hooks(odd_pipeline.transformer) > 1
        raise MemoryError

    module = odd_pipeline.transformer.single_transformer_blocks[3].attn.to_out
    monkeypatch.setattr(module, "register_forward_pre_hook", fail)
    with pytest.raises(MemoryError), plantain.HeadCapture(odd_pipeline.transformer):
        pass
    assert n_hooks(odd_pipeline.transformer) == 0


def test_a_block_that_lost_its_projection_is_refused_and_leaves_no_hook(odd_pipeline):
    transformer = copy.deepcopy(odd_pipeline.transformer)
    capture = plantain.HeadCapture(transformer)
    del transformer.transformer_blocks[2].attn.to_add_out
    with pytest.raises(AttributeError, match="to_add_out"), capture:
        pass
    assert n_hooks(transformer) == 0
    with pytest.raises(InputError, match=r"Expected a Flux2 transformer.*to_add_out"):
        plantain.HeadCapture(transformer)


def test_other_hooks_stay(odd_pipeline):
    module = odd_pipeline.transformer.transformer_blocks[0].attn.to_add_out
    handle = module.register_forward_pre_hook(lambda module, args: None)
    with plantain.HeadCapture(odd_pipeline.transformer):
        pass
    assert n_hooks(odd_pipeline.transformer) == 1
    handle.remove()


def test_no_activation_is_held(odd_pipeline):
    held, smallest = storage_born_in(odd_pipeline, lambda: plantain.HeadCapture(odd_pipeline.transformer))
    assert max(held) < smallest / 4
    # Three blocks' two streams, seven blocks' two streams, and of a forward the averaging weights and their sums.
    assert sum(held) <= 2 * 360 * 4 + 4 * (96 + 96 + 2 * 192) + 4 * (1 + 1 + 2)


def test_inference_mode_and_no_grad_can_follow_each_other(odd_pipeline):
    inputs = random_inputs(odd_pipeline.transformer)
    with plantain.HeadCapture(odd_pipeline.transformer) as capture:
        for mode in (torch.inference_mode, torch.no_grad):
            with mode():
                odd_pipeline.transformer(**inputs)
    np.testing.assert_array_equal(capture.mean_square[0], capture.mean_square[1])


def test_the_check_above_sees_held_activations(odd_pipeline):
    held, smallest = storage_born_in(odd_pipeline, lambda: Stored(odd_pipeline.transformer))
    assert max(held) >= smallest


def storage_born_in(pipe, make_capture):
    """Bytes of each storage born in a captured forward and still alive; bytes of the smallest activation."""
    inputs = random_inputs(pipe.transformer)
    sizes, references = [], []

    def note(module, args):
        sizes.append(args[0].untyped_storage().nbytes())
        references.append(weakref.ref(args[0]))

    before = {id(tensor) for tensor in live_tensors()}
    with make_capture() as capture:
        handles = [module.register_forward_pre_hook(note) for _, module in projections(pipe.transformer)]
        with torch.no_grad():
            pipe.transformer(**inputs)
        for handle in handles:
            handle.remove()
        born = {t.untyped_storage().data_ptr(): t for t in live_tensors() if id(t) not in before}
        held = [tensor.untyped_storage().nbytes() for tensor in born.values()]
        assert capture is not None
    assert all(reference() is None for reference in references)
    return held, min(sizes)


def live_tensors():
    gc.collect()
    return [thing for thing in gc.get_objects() if type(thing) is torch.Tensor]


# -- counting forwards -----------------------------------------------------------------------------


def test_guidance_fires_twice_a_step(odd_pipeline):
    _, captured = stored_and_captured(odd_pipeline, PROMPTS[:2], num_inference_steps=2, guidance_scale=3.0)
    assert captured.shape[0] == 4
    # The second forward of a step is the empty prompt's, the same for both images, which are two rows of a batch.
    np.testing.assert_allclose(captured[1, 0], captured[1, 1], rtol=BATCH_ROUNDING)
    assert not np.allclose(captured[0, 0], captured[0, 1], rtol=10 * BATCH_ROUNDING)


def test_reading_before_any_forward_says_what_to_do(odd_pipeline):
    with plantain.HeadCapture(odd_pipeline.transformer) as capture, pytest.raises(RuntimeError, match="call the pipel"):
        _ = capture.mean_square


def test_an_interrupted_forward_names_the_missing_hooks(odd_pipeline):
    def stop(module, args):
        raise KeyboardInterrupt

    block = odd_pipeline.transformer.single_transformer_blocks[4]
    with plantain.HeadCapture(odd_pipeline.transformer) as capture:
        handle = block.attn.register_forward_pre_hook(stop)
        with pytest.raises(KeyboardInterrupt):
            draw(odd_pipeline, PROMPTS[:1])
        handle.remove()
    with pytest.raises(RuntimeError, match=r"3 of 13 hooks did not fire \(single\[4\].*single\[6\].to_out\)"):
        _ = capture.mean_square


COMPILE = {
    "torch.compile(transformer)": lambda pipe: setattr(pipe, "transformer", torch.compile(pipe.transformer)),
    "transformer.compile()": lambda pipe: pipe.transformer.compile(),
    "forward": lambda pipe: setattr(pipe.transformer, "forward", torch.compile(pipe.transformer.forward)),
    "repeated blocks": lambda pipe: pipe.transformer.compile_repeated_blocks(),
    "one block": lambda pipe: operator.setitem(
        pipe.transformer.transformer_blocks, 0, torch.compile(pipe.transformer.transformer_blocks[0])
    ),
    "text encoder": lambda pipe: pipe.text_encoder.compile(),
}


@pytest.mark.parametrize("make", COMPILE.values(), ids=COMPILE)
def test_a_compiled_model_is_refused_with_a_sentence_before_it_runs(make):
    """Only wrapped: torch compiles at the first call, which never comes."""
    pipe = build_odd()
    make(pipe)
    prompts = PromptSet.from_pairs([(f"a {who} standing", f"a {who} sitting") for who in ("cat", "dog", "fox")])
    with pytest.raises(InputError, match=r"is compiled \(torch.compile\), and compiled models run no hooks"):
        plantain.run_probe(pipe, prompts, plantain.ProbeConfig(height=64, width=64))
    if pipe.text_encoder._compiled_call_impl is None:
        for use in (plantain.HeadCapture, lambda it: Patching(it, []), lambda it: ImageTokens(it, print)):
            with pytest.raises(InputError, match=r"of the transformer is compiled|The transformer is compiled"):
                use(pipe.transformer)


def test_a_projection_that_fires_twice_is_an_error(odd_pipeline):
    projection = odd_pipeline.transformer.single_transformer_blocks[1].attn.to_out
    twice = projection.register_forward_hook(lambda module, args, out: module(*args))
    try:
        with plantain.HeadCapture(odd_pipeline.transformer), pytest.raises(RuntimeError, match="fired twice"):
            draw(odd_pipeline, PROMPTS[:1])
    finally:
        twice.remove()


def test_a_block_called_by_itself_is_not_counted(odd_pipeline):
    projection = odd_pipeline.transformer.single_transformer_blocks[1].attn.to_out
    with plantain.HeadCapture(odd_pipeline.transformer) as capture:
        projection(torch.zeros(1, 3, projection.in_features))
        with pytest.raises(RuntimeError, match="Nothing was captured"):
            _ = capture.mean_square


def test_a_capture_can_be_used_again(odd_pipeline):
    capture = plantain.HeadCapture(odd_pipeline.transformer)
    with capture:
        draw(odd_pipeline, PROMPTS[:2], num_inference_steps=2)
    first = capture.mean_square
    with capture:
        draw(odd_pipeline, PROMPTS[2:4], num_inference_steps=2)
    second = capture.mean_square
    assert first.shape == second.shape
    assert not np.array_equal(first, second)
    with plantain.HeadCapture(odd_pipeline.transformer) as fresh:
        draw(odd_pipeline, PROMPTS[2:4], num_inference_steps=2)
    np.testing.assert_array_equal(second, fresh.mean_square)


def test_values_can_be_read_between_forwards(odd_pipeline):
    with plantain.HeadCapture(odd_pipeline.transformer) as capture:
        draw(odd_pipeline, PROMPTS[:1])
        first = capture.mean_square
        draw(odd_pipeline, PROMPTS[1:2])
        both = capture.mean_square
    assert (len(first), len(both)) == (1, 2)
    np.testing.assert_array_equal(first[0], both[0])


def test_two_captures_at_once_agree(odd_pipeline):
    transformer = odd_pipeline.transformer
    with plantain.HeadCapture(transformer) as outer, plantain.HeadCapture(transformer) as inner:
        draw(odd_pipeline, PROMPTS[:1])
    np.testing.assert_array_equal(outer.mean_square, inner.mean_square)


# -- errors ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(1, 96), (2, 95), (2, 96, 1)])
def test_a_mask_of_another_shape_is_refused(odd_pipeline, shape):
    capture = plantain.HeadCapture(odd_pipeline.transformer, text_mask=np.ones(shape, dtype=bool))
    with pytest.raises(InputError, match=r"text_mask has the shape .*this forward has \(2, 96\)"), capture:
        draw(odd_pipeline, PROMPTS[:2])
    assert n_hooks(odd_pipeline.transformer) == 0


def test_a_module_that_is_no_flux_transformer_is_refused():
    with pytest.raises(InputError, match=r"Expected a Flux2 transformer .*got Linear"):
        plantain.HeadCapture(torch.nn.Linear(2, 2))


def test_a_flux1_transformer_is_refused():
    """It has both lists of blocks too, but other projections in them."""
    from diffusers import FluxTransformer2DModel

    sizes = {"num_layers": 1, "num_single_layers": 1, "attention_head_dim": 16, "num_attention_heads": 2}
    more = {"joint_attention_dim": 8, "pooled_projection_dim": 8, "in_channels": 4, "axes_dims_rope": (4, 4, 8)}
    with pytest.raises(InputError, match=r"Expected a Flux2 transformer.*FluxTransformer2DModel"):
        plantain.HeadCapture(FluxTransformer2DModel(**sizes, **more))


def test_a_width_that_does_not_divide_is_refused(odd_pipeline):
    with pytest.raises(InputError, match=r"channels_per_head=32 must divide .*\(48\).*\(480\)"):
        plantain.HeadCapture(odd_pipeline.transformer, channels_per_head=32)


# -- helpers ---------------------------------------------------------------------------------------


def in_bfloat16(pipe):
    return copy.deepcopy(pipe).to(dtype=torch.bfloat16)


def random_inputs(transformer, n_image=96, n_text=96):
    generator = torch.Generator().manual_seed(3)
    config = transformer.config
    return {
        "hidden_states": torch.randn(1, n_image, config.in_channels, generator=generator),
        "encoder_hidden_states": torch.randn(1, n_text, config.joint_attention_dim, generator=generator),
        "timestep": torch.ones(1),
        "img_ids": torch.zeros(1, n_image, 4),
        "txt_ids": torch.zeros(1, n_text, 4),
        "return_dict": False,
    }


def capture_forward(transformer):
    with torch.no_grad(), plantain.HeadCapture(transformer) as capture:
        transformer(**random_inputs(transformer))
    return capture.mean_square


class scaled:  # noqa: N801
    """Multiply some channels of one projection's input for the time of a block, ahead of any capture."""

    def __init__(self, transformer, name, channels, factor):
        self.module, self.channels, self.factor = dict(projections(transformer))[name], channels, factor

    def __enter__(self):
        def scale(module, args):
            x = args[0].clone()
            x[..., self.channels] *= self.factor
            return (x, *args[1:])

        self.handle = self.module.register_forward_pre_hook(scale)

    def __exit__(self, *error):
        self.handle.remove()


def test_the_hooks_fit_klein_at_its_full_size(klein):
    with torch.device("meta"):
        n_image, n_text = 1024, 512
        inputs = {
            "hidden_states": torch.empty(2, n_image, 128),
            "encoder_hidden_states": torch.empty(2, n_text, 7680),
            "timestep": torch.empty(2),
            "img_ids": torch.empty(n_image, 4),
            "txt_ids": torch.empty(n_text, 4),
        }
    mask = np.zeros((2, n_text), dtype=bool)
    mask[:, :60] = True
    before = {id(tensor) for tensor in live_tensors()}
    with plantain.HeadCapture(klein, text_mask=mask) as capture, torch.no_grad():
        klein(**inputs)
        shapes = Counter(tuple(tensor.shape) for tensor in live_tensors() if id(tensor) not in before)
    # joint.to_out sees the image alone, joint.to_add_out real and padding text, single.to_out all three.
    held = {(2, 1, 192): 5, (2, 2, 192): 5, (2, 3, 768): 20}
    assert {shape: shapes[shape] for shape in held} == held
    assert capture.head_map.n_runs == 16_320


def test_sums_over_tokens_agree_with_float64():
    generator = torch.Generator().manual_seed(0)
    member, squares = (
        (torch.rand(2, 3, 70, generator=generator) < 0.5).float(),
        torch.rand(2, 70, 96, generator=generator),
    )
    exact = (member.double() @ squares.double()).float()
    torch.testing.assert_close(sums_of(member, squares), exact, rtol=sum_rounding(70), atol=0)


@pytest.mark.parametrize("n_streams", [1, 3])
@pytest.mark.parametrize("n_tokens", [0, 1, 1024, 4608, 16_384])
@pytest.mark.parametrize("alike", [False, True])
def test_sums_over_many_tokens_are_as_exact(n_streams, n_tokens, alike):
    """Values alike are the hardest: what one addition loses, all of them lose on the same side."""
    generator = torch.Generator().manual_seed(0)
    member = torch.nn.functional.one_hot(torch.arange(n_tokens) * n_streams // max(n_tokens, 1), n_streams)
    member = member.T.expand(2, -1, -1).float()
    squares = torch.full((2, n_tokens, 40), 7.84) if alike else torch.rand(2, n_tokens, 40, generator=generator)
    exact = (member.double() @ squares.double()).float()
    in_a_row = min(n_tokens, _MOST_TOKENS) + 16
    torch.testing.assert_close(sums_of(member, squares), exact, rtol=sum_rounding(in_a_row), atol=0)


@pytest.mark.parametrize("shape", [(1, 1, 16), (2, 70, 96), (1, 301, 512), (3, 5, 40_000)], ids=str)
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16])
def test_squares_of_runs_agree_with_float64(shape, dtype):
    x = torch.randn(shape, generator=torch.Generator().manual_seed(0)).to(dtype)
    exact, before = x.double().square().unflatten(-1, (-1, 8)).sum(dim=-1).float(), x.clone()
    found = squares_of(x, 8)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, exact, rtol=sum_rounding(8 + 4), atol=0)
    assert torch.equal(x, before)


def test_squares_that_half_precision_would_not_hold_are_held():
    x = torch.full((1, 2, 16), 3e4, dtype=torch.float16)  # squared 9e8; float16 ends at 65,504
    np.testing.assert_allclose(squares_of(x, 16), 16 * float(x[0, 0, 0]) ** 2, rtol=sum_rounding(16 + 4))


def test_what_is_not_finite_stays_so():
    for wrong in (np.inf, np.nan):
        x = torch.ones(1, 4, 32)
        x[0, 2, 20] = wrong
        squares = squares_of(x, 16)
        assert torch.isfinite(squares).sum() == 7
        assert not torch.isfinite(sums_of(torch.ones(1, 1, 4), squares)[0, 0, 1])


def test_every_token_is_in_the_stream_of_its_row():
    mask = np.arange(8) < np.array([[3], [5]])
    image, text = torch.zeros(2, 4, 1), torch.zeros(2, 8, 1)
    streams = streams_of(image, text, torch.as_tensor(mask))
    real = mask.astype(np.float32)
    np.testing.assert_array_equal(streams["image"].member, np.ones((2, 1, 4)))
    np.testing.assert_array_equal(streams["text"].member, np.stack([real, 1 - real], axis=1))
    both = streams["both"].member
    np.testing.assert_array_equal(both[:, 0], np.repeat([[0, 1]], [8, 4], axis=1).repeat(2, axis=0))
    np.testing.assert_array_equal(both[:, 1:, :8], streams["text"].member)
    assert not both[:, 1:, 8:].any()
    assert streams["both"].counts[..., 0].tolist() == [[4, 3, 5], [4, 5, 3]]
    assert streams_of(image, text, None)["both"].counts[..., 0].tolist() == [[4, 8], [4, 8]]
