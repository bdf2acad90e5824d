"""The probe: what it runs, what it records, how it resumes, and that it finds a planted head."""

import time
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from made_runs import KLEIN
from pipelines import build_odd, draw, n_hooks, projections
from tolerance import BATCH_ROUNDING

import plantain
from plantain.data.prompts import PromptSet
from plantain.data.settings import ProbeConfig
from plantain.errors import InputError
from plantain.model.text import text_mask
from plantain.probe import probe
from plantain.probe.probe import choose_batch_size, iter_probe, run_probe


@pytest.fixture(scope="module")
def odd_result(odd_pipeline, small_prompts):
    return run_probe(odd_pipeline, small_prompts, ProbeConfig(batch_size=2))


# -- the same and not the same ---------------------------------------------------------------------


def test_the_same_seed_gives_the_same_bytes(posebox, small_prompts, tmp_path):
    """Also with another process-wide random state."""
    files = []
    for folder in ("one", "two"):
        torch.manual_seed(len(folder) + len(files))
        run_probe(posebox, small_prompts, ProbeConfig(seed=5)).save(tmp_path / folder)
        files += (tmp_path / folder).glob("*.safetensors")
    assert files[0].name == files[1].name
    assert files[0].read_bytes() == files[1].read_bytes()


def test_a_run_leaves_the_random_state_alone(odd_pipeline, small_prompts):
    before = torch.get_rng_state()
    run_probe(odd_pipeline, small_prompts)
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize("batch_size", [4, 6, 100])
def test_another_batch_size_gives_the_same_values(odd_pipeline, small_prompts, odd_result, batch_size):
    result = run_probe(odd_pipeline, small_prompts, ProbeConfig(batch_size=batch_size))
    np.testing.assert_allclose(result.mean_square, odd_result.mean_square, rtol=BATCH_ROUNDING)
    assert result.provenance["batch_size"] == batch_size


def test_another_seed_gives_other_values(odd_pipeline, small_prompts, odd_result):
    result = run_probe(odd_pipeline, small_prompts, ProbeConfig(batch_size=2, seed=1))
    assert not np.allclose(result.mean_square[..., 0, :], odd_result.mean_square[..., 0, :], rtol=1e-3)


def test_seeds_are_those_of_single_runs(odd_pipeline, small_prompts, odd_result):
    both = run_probe(odd_pipeline, small_prompts, ProbeConfig(batch_size=2, n_seeds=2))
    second = run_probe(odd_pipeline, small_prompts, ProbeConfig(batch_size=2, seed=1))
    assert both.mean_square.shape == (5, 2, 2, 1, 3, 360)
    np.testing.assert_array_equal(both.mean_square[:, :, :1], odd_result.mean_square)
    np.testing.assert_array_equal(both.mean_square[:, :, 1:], second.mean_square)


def test_one_pair_with_several_seeds_runs(odd_pipeline):
    pair = PromptSet.from_pairs([("a dancer", "a dancer leaping")])
    result = run_probe(odd_pipeline, pair, ProbeConfig(n_seeds=3))
    assert result.mean_square.shape == (1, 2, 3, 1, 3, 360)
    assert result.complete


# -- against the pipeline's own call ---------------------------------------------------------------


@pytest.mark.parametrize("name", ["odd_pipeline", "posebox"])
def test_values_are_those_of_a_plain_call_with_text_and_generator(request, small_prompts, name):
    """Noise, encoding, sizes and order of the prompts, all at once."""
    pipe = request.getfixturevalue(name)
    result = run_probe(pipe, small_prompts, ProbeConfig(seed=11))
    for index, pair in enumerate(small_prompts.pairs[:3]):
        for side, text in enumerate((pair.a, pair.b)):
            with plantain.HeadCapture(pipe.transformer, text_mask=text_mask(pipe, [text])) as capture:
                draw(pipe, [text], seed=11)
            np.testing.assert_allclose(
                result.mean_square[index, side, 0, 0], capture.mean_square[0, 0], rtol=BATCH_ROUNDING
            )


@pytest.mark.parametrize("name", ["odd_pipeline", "posebox"])
def test_the_text_mask_is_what_the_text_encoder_gets(request, small_prompts, name):
    pipe, seen = request.getfixturevalue(name), []
    spy = pipe.text_encoder.register_forward_pre_hook(
        lambda module, args, kwargs: seen.append(kwargs["attention_mask"]), with_kwargs=True
    )
    draw(pipe, small_prompts.prompts)
    spy.remove()
    mask = text_mask(pipe, small_prompts.prompts)
    assert mask.dtype == bool
    np.testing.assert_array_equal(mask, torch.cat(seen).bool().numpy())


def test_token_counts_are_those_of_the_streams(odd_pipeline, small_prompts, odd_result):
    real = text_mask(odd_pipeline, small_prompts.prompts).sum(axis=1).reshape(5, 2)
    image = (96 // 8) * (64 // 8)
    assert odd_result.token_counts.dtype == np.int64
    np.testing.assert_array_equal(odd_result.token_counts[:, :, 0], image)
    np.testing.assert_array_equal(odd_result.token_counts[:, :, 1], real)
    np.testing.assert_array_equal(odd_result.token_counts.sum(axis=2), image + 96)


def test_each_prompt_is_encoded_once(odd_pipeline, small_prompts):
    lengths = []
    spy = odd_pipeline.text_encoder.register_forward_pre_hook(
        lambda module, args, kwargs: lengths.append(len(kwargs["input_ids"])), with_kwargs=True
    )
    run_probe(odd_pipeline, small_prompts, ProbeConfig(n_seeds=2, num_inference_steps=2))
    spy.remove()
    assert lengths == [10]


def test_pixels_are_never_decoded(odd_pipeline, small_prompts, monkeypatch):
    monkeypatch.setattr(odd_pipeline.vae, "decode", lambda *args, **kwargs: pytest.fail("decoded"))
    run_probe(odd_pipeline, small_prompts)


def test_guidance_keeps_only_the_prompts_pass(odd_pipeline, small_prompts):
    config = ProbeConfig(guidance_scale=3.0, num_inference_steps=3)
    result = run_probe(odd_pipeline, small_prompts, config)
    text = small_prompts.pairs[0].b
    with plantain.HeadCapture(odd_pipeline.transformer, text_mask=text_mask(odd_pipeline, [text])) as capture:
        draw(odd_pipeline, [text], guidance_scale=3.0, num_inference_steps=3)
    assert len(capture.mean_square) == 6
    assert result.mean_square.shape == (5, 2, 1, 3, 3, 360)
    np.testing.assert_allclose(result.mean_square[0, 1, 0], capture.mean_square[::2, 0], rtol=BATCH_ROUNDING)
    assert not np.allclose(result.mean_square[0, 1, 0], capture.mean_square[1::2, 0], rtol=0.01)


@pytest.mark.parametrize("sigmas", [None, (0.9, 0.5, 0.1)])
def test_noise_levels_are_recorded_as_the_transformer_got_them(odd_pipeline, small_prompts, sigmas):
    levels = []
    spy = odd_pipeline.transformer.register_forward_pre_hook(
        lambda module, args, kwargs: levels.append(kwargs["timestep"][0].item()), with_kwargs=True
    )
    config = ProbeConfig(num_inference_steps=3, sigmas=sigmas, batch_size=100)
    result = run_probe(odd_pipeline, small_prompts, config)
    spy.remove()
    assert len(levels) == 3
    np.testing.assert_allclose(result.provenance["realised_sigmas"], levels, atol=1e-6)  # stored with six decimals
    assert levels[0] > levels[1] > levels[2] > 0
    assert result.config.sigmas == sigmas
    assert not np.allclose(result.mean_square[:, :, :, 0], result.mean_square[:, :, :, 2], rtol=1e-3)


def test_the_picture_size_can_be_set(odd_pipeline, small_prompts, odd_result):
    result = run_probe(odd_pipeline, small_prompts, ProbeConfig(height=32, width=48))
    assert (odd_result.provenance["height"], odd_result.provenance["width"]) == (96, 64)
    assert (result.provenance["height"], result.provenance["width"]) == (32, 48)
    assert (result.token_counts[:, :, 0] == 4 * 6).all()


def test_provenance_says_what_ran(odd_result):
    versions = odd_result.provenance["versions"]
    assert versions["torch"] == torch.__version__
    assert set(versions) == {"python", "plantain", "torch", "diffusers", "transformers", "numpy"}
    assert odd_result.provenance["dtype"] == "float32"
    assert odd_result.provenance["device"] == "cpu"
    assert odd_result.provenance["n_text_tokens"] == 96
    assert len(odd_result.provenance["weights_fingerprint"]) == 64
    assert odd_result.provenance["seconds"] > 0


# -- progress and resuming -------------------------------------------------------------------------


def test_progress_counts_whole_pairs_and_the_result_is_valid_so_far(odd_pipeline, small_prompts, odd_result):
    states = list(iter_probe(odd_pipeline, small_prompts, ProbeConfig(batch_size=4)))
    assert [(state.done, state.total) for state in states] == [(2, 5), (4, 5), (5, 5)]
    for state in states:
        assert state.result.n_pairs == state.done
        assert state.result.mean_square.shape[:2] == (state.done, 2)
        assert state.result.complete == (state.done == 5)
        expected = odd_result.mean_square[: state.done]
        np.testing.assert_allclose(state.result.mean_square, expected, rtol=BATCH_ROUNDING)
        np.testing.assert_array_equal(state.result.token_counts, odd_result.token_counts[: state.done])
    assert states[0].seconds_left > 0
    assert states[-1].seconds_left == 0


@pytest.mark.parametrize("batch_size", [2, 4, 6])
def test_a_pair_is_never_split(odd_pipeline, small_prompts, batch_size):
    batches = []
    spy = odd_pipeline.transformer.register_forward_pre_hook(
        lambda module, args, kwargs: batches.append(len(kwargs["hidden_states"])), with_kwargs=True
    )
    run_probe(odd_pipeline, small_prompts, ProbeConfig(batch_size=batch_size))
    spy.remove()
    assert sum(batches) == 10
    assert all(size % 2 == 0 and size <= batch_size for size in batches)


def partial_run(pipe, prompts, config):
    steps = iter_probe(pipe, prompts, config)
    result = next(progress.result for progress in steps if progress.result is not None)
    steps.close()
    return result


def test_a_resumed_run_equals_the_uninterrupted_one(odd_pipeline, small_prompts, tmp_path):
    config = ProbeConfig(batch_size=4, n_seeds=2)
    whole = run_probe(odd_pipeline, small_prompts, config)
    partial_run(odd_pipeline, small_prompts, config).save(tmp_path)
    saved = plantain.load_result(tmp_path)
    assert (saved.n_pairs, saved.complete) == (2, False)
    resumed = run_probe(odd_pipeline, small_prompts, config, resume=saved)
    assert resumed.mean_square.tobytes() == whole.mean_square.tobytes()
    np.testing.assert_array_equal(resumed.token_counts, whole.token_counts)
    assert resumed.provenance["started"] == saved.provenance["started"]
    assert resumed.provenance["seconds"] > saved.provenance["seconds"]


def test_resuming_runs_only_the_missing_pairs(odd_pipeline, small_prompts):
    config = ProbeConfig(batch_size=4)
    saved = partial_run(odd_pipeline, small_prompts, config)
    states = list(iter_probe(odd_pipeline, small_prompts, config, resume=saved))
    assert [state.done for state in states] == [4, 5]


def test_resuming_a_whole_run_runs_nothing(odd_pipeline, small_prompts, odd_result, monkeypatch):
    monkeypatch.setattr(odd_pipeline.transformer, "forward", lambda *args, **kwargs: pytest.fail("ran"))
    resumed = run_probe(odd_pipeline, small_prompts, ProbeConfig(batch_size=2), resume=odd_result)
    np.testing.assert_array_equal(resumed.mean_square, odd_result.mean_square)


@pytest.mark.parametrize(
    ("settings", "match"),
    [
        ({"seed": 1}, "seed 0, this one 1"),
        ({"n_seeds": 2}, "n_seeds 1, this one 2"),
        ({"num_inference_steps": 2}, "num_inference_steps 1, this one 2"),
        ({"sigmas": (0.5,)}, "sigmas None, this one"),
        ({"guidance_scale": 2.0}, "guidance_scale 1.0, this one 2.0"),
        ({"height": 32}, "height None, this one 32"),
        ({"channels_per_head": 24}, "channels_per_head 16, this one 24"),
        ({"batch_size": 4}, "batch_size 2, this one 4"),
    ],
)
def test_resuming_with_other_settings_is_refused(odd_pipeline, small_prompts, odd_result, settings, match):
    config = ProbeConfig(**{"batch_size": 2, **settings})
    with pytest.raises(InputError, match=match):
        run_probe(odd_pipeline, small_prompts, config, resume=odd_result)


def test_resuming_with_another_scheduler_is_refused(small_prompts):
    """It has no weights, so that the fingerprint is the same; every value would be at another noise level."""
    pipe = build_odd()
    config = ProbeConfig(batch_size=4, num_inference_steps=3)
    saved = partial_run(pipe, small_prompts, config)
    assert run_probe(pipe, small_prompts, config, resume=saved).complete
    pipe.scheduler = type(pipe.scheduler).from_config(pipe.scheduler.config, shift=9.0, use_dynamic_shifting=False)
    with pytest.raises(InputError, match=r"Cannot resume: the saved run has the noise levels \[1\.0, "):
        run_probe(pipe, small_prompts, config, resume=saved)


def test_resuming_with_another_chat_template_is_refused(small_prompts):
    pipe = build_odd()
    config = ProbeConfig(batch_size=4)
    saved = partial_run(pipe, small_prompts, config)
    template = pipe.tokenizer.chat_template
    pipe.tokenizer.chat_template = "A picture: " + template
    with pytest.raises(InputError, match="Cannot resume: the saved run has tokens by a tokenizer with the digest"):
        run_probe(pipe, small_prompts, config, resume=saved)
    # Of a run that is older than the digest, the number of tokens tells it.
    del saved.provenance["tokenizer_digest"]
    with pytest.raises(InputError, match="Cannot resume: the saved run has so many tokens of text: "):
        run_probe(pipe, small_prompts, config, resume=saved)
    pipe.tokenizer.chat_template = template
    assert run_probe(pipe, small_prompts, config, resume=saved).complete


def test_resuming_with_other_prompts_is_refused(odd_pipeline, small_prompts, odd_result):
    other = PromptSet(name="small", pairs=small_prompts.pairs[:4])
    with pytest.raises(InputError, match=r"the prompts 'small'.*other texts or tags"):
        run_probe(odd_pipeline, other, ProbeConfig(batch_size=2), resume=odd_result)


def test_resuming_with_other_weights_is_refused(small_prompts, odd_result):
    with pytest.raises(InputError, match="weights_fingerprint"):
        run_probe(build_odd(seed=1), small_prompts, ProbeConfig(batch_size=2), resume=odd_result)


def test_closing_early_leaves_no_hook(odd_pipeline, small_prompts):
    steps = iter_probe(odd_pipeline, small_prompts, ProbeConfig(batch_size=2))
    next(steps)
    steps.close()
    assert n_hooks(odd_pipeline.transformer) == 0


def test_a_failing_forward_leaves_no_hook(odd_pipeline, small_prompts, monkeypatch):
    def fail(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr(odd_pipeline.transformer.single_transformer_blocks[2], "forward", fail)
    with pytest.raises(KeyboardInterrupt):
        run_probe(odd_pipeline, small_prompts)
    assert n_hooks(odd_pipeline.transformer) == 0


# -- refused before anything runs ------------------------------------------------------------------


@pytest.fixture
def nothing_runs(odd_pipeline, monkeypatch):
    for component in (odd_pipeline.transformer, odd_pipeline.text_encoder):
        monkeypatch.setattr(component, "forward", lambda *args, **kwargs: pytest.fail("a model ran"))
    return odd_pipeline


def test_a_prompt_that_is_too_long_is_named_with_both_counts(nothing_runs):
    words = "leaping " * 100
    prompts = PromptSet.from_pairs([("a dancer", "a dancer leaping"), ("a nurse", words)])
    template = nothing_runs.tokenizer.apply_chat_template(
        [{"role": "user", "content": words.strip()}], tokenize=False, add_generation_prompt=True, enable_thinking=False
    )
    n_tokens = len(nothing_runs.tokenizer(template)["input_ids"])
    with pytest.raises(InputError, match=f"'leaping leaping .*has {n_tokens} tokens.*at most 96"):
        run_probe(nothing_runs, prompts)


def test_a_prompt_that_just_fits_runs(odd_pipeline):
    """The limit itself is allowed, one token more is not."""
    empty = int(text_mask(odd_pipeline, [""]).sum())
    assert text_mask(odd_pipeline, ["@" * (96 - empty)]).all()
    with pytest.raises(InputError, match="has 97 tokens"):
        text_mask(odd_pipeline, ["@" * (97 - empty)])


def test_a_head_width_that_does_not_divide_is_refused(nothing_runs, small_prompts):
    with pytest.raises(InputError, match=r"channels_per_head=7 must divide .*\(48\).*\(480\)"):
        run_probe(nothing_runs, small_prompts, ProbeConfig(channels_per_head=7))


@pytest.mark.parametrize("name", ["height", "width"])
def test_a_size_that_is_no_multiple_is_refused(nothing_runs, small_prompts, name):
    with pytest.raises(InputError, match=f"{name} must be a multiple of 8 pixels for this model; got 44"):
        run_probe(nothing_runs, small_prompts, ProbeConfig(**{name: 44}))


# -- the size of a batch ---------------------------------------------------------------------------


@pytest.mark.parametrize("n_tokens", [1, 96, 160, 700, 1536, 5000])
@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_the_chosen_batch_is_even(device, n_tokens):
    transformer = SimpleNamespace(device=torch.device(device), dtype=torch.float32)
    pipe = SimpleNamespace(transformer=transformer, _execution_device=transformer.device)
    size = choose_batch_size(pipe, KLEIN, n_tokens)
    assert size % 2 == 0
    assert 2 <= size <= 32


def test_the_chosen_batch_follows_free_gpu_memory(monkeypatch):
    transformer = SimpleNamespace(device=torch.device("cuda"), dtype=torch.bfloat16)
    pipe = SimpleNamespace(transformer=transformer, _execution_device=transformer.device)
    sizes = []
    for free_gib in (0.01, 2, 4, 60):
        monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device, free=free_gib: (int(free * 2**30), 80 * 2**30))
        sizes.append(choose_batch_size(pipe, KLEIN, 1536))
    assert sizes == sorted(sizes)
    assert all(size % 2 == 0 for size in sizes)
    assert (sizes[0], sizes[-1]) == (2, 10)


# -- does it find what is there? -------------------------------------------------------------------


def test_a_planted_head_is_found_in_its_block_and_nothing_before_it_moves():
    """16 channels entering single[6]'s projection are half as large again for the second prompt of a pair."""
    prompts = plantain.load_prompts("dense_pose")
    pipe = plantain.load_pipeline("posebox-random", device="cpu")
    channels = slice(96 + 80, 96 + 96)  # the sixth MLP run, after 96 channels of attention
    plain = run_probe(pipe, prompts)

    def plant(module, args):
        x = args[0].clone()
        x[1::2, :, channels] *= 1.5
        return (x, *args[1:])

    dict(projections(pipe.transformer))["single[6].to_out"].register_forward_pre_hook(plant)
    planted = run_probe(pipe, prompts)

    head_map = planted.head_map
    block = head_map.runs_of(5 + 6)
    head = 6 + 5  # within the block
    table = {column: values[block.start + head] for column, values in head_map.table("card", "all").items()}
    assert (table["block"], table["part"], table["index"], table["first_channel"]) == ("single[6]", "mlp", 5, 176)

    before, after = plain.mean_square, planted.mean_square
    np.testing.assert_array_equal(after[..., : block.start], before[..., : block.start])
    np.testing.assert_array_equal(after[:, 0], before[:, 0])
    changed = (after[..., block] != before[..., block]).any(axis=(0, 1, 2, 3, 4))
    assert np.flatnonzero(changed).tolist() == [head]
    np.testing.assert_allclose(
        after[:, 1, ..., block][..., head], 2.25 * before[:, 1, ..., block][..., head], rtol=1e-5
    )
    assert not np.array_equal(after[..., block.stop :], before[..., block.stop :])

    t = np.abs(plantain.stats.paired_t(planted.differences()))[block]
    assert t[head] > 3 * np.delete(t, head).max()


def test_resuming_leaves_the_batch_size_as_it_was_and_says_where_it_went_on(odd_pipeline, small_prompts, monkeypatch):
    monkeypatch.setattr(probe, "choose_batch_size", lambda *arguments: 4)
    first = next(iter_probe(odd_pipeline, small_prompts)).result
    monkeypatch.setattr(probe, "choose_batch_size", lambda *arguments: 6)  # as when other memory is free
    whole = run_probe(odd_pipeline, small_prompts, resume=first)
    assert whole.provenance["batch_size"] == 4
    (session,) = whole.provenance["resumed"]
    assert session["from_pair"] == first.n_pairs == 2
    assert {"device", "versions", "threads", "started"} <= set(session)


def test_too_little_gpu_memory_is_a_sentence(odd_pipeline, small_prompts, monkeypatch):
    def full(*arguments, **keywords):
        raise torch.cuda.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(odd_pipeline.transformer, "forward", full)
    with pytest.raises(InputError, match=r"memory is too small for 2 prompts.*--batch-size 2"):
        run_probe(odd_pipeline, small_prompts, ProbeConfig(batch_size=2))
    assert n_hooks(odd_pipeline.transformer) == 0


def test_a_batch_that_the_memory_does_not_hold_is_halved(odd_pipeline, small_prompts, monkeypatch):
    config, kind, tried = ProbeConfig(n_seeds=2), type(odd_pipeline.transformer), []
    real = kind.forward

    def narrow(self, hidden_states, *given, **named):
        tried.append(len(hidden_states))
        if len(hidden_states) > 2 and len(tried) != 2:  # one seed fits, and the next one does not
            raise torch.cuda.OutOfMemoryError("CUDA out of memory")
        return real(self, hidden_states, *given, **named)

    expected = run_probe(odd_pipeline, small_prompts, ProbeConfig(n_seeds=2, batch_size=2))
    monkeypatch.setattr(probe, "choose_batch_size", lambda *arguments: 10)
    monkeypatch.setattr(kind, "forward", narrow)
    steps = list(iter_probe(odd_pipeline, small_prompts, config))
    assert tried == [10, 4, 4, *[2] * 10]
    result = steps[-1].result
    assert result.provenance["batch_size"] == 2
    assert (result.complete, steps[-1].seconds_left) == (True, 0)
    np.testing.assert_array_equal(result.mean_square, expected.mean_square)
    assert n_hooks(odd_pipeline.transformer) == 0


def test_every_seed_moves_the_progress_and_only_whole_batches_the_result(odd_pipeline, small_prompts):
    steps = list(iter_probe(odd_pipeline, small_prompts, ProbeConfig(batch_size=4, n_seeds=3)))
    batches = -(-len(small_prompts) // 2)
    assert len(steps) == 3 * batches
    assert [step.result is None for step in steps[:3]] == [True, True, False]
    assert [step.done for step in steps[:3]] == [0, 0, 2]
    assert all(step.result is None or step.result.n_pairs == step.done for step in steps)
    assert steps[-1].seconds_left == 0


def test_what_the_caller_does_between_steps_is_not_counted(odd_pipeline, small_prompts):
    before = time.perf_counter()
    for progress in iter_probe(odd_pipeline, small_prompts, ProbeConfig(batch_size=2)):
        time.sleep(0.1)  # drawing a figure, say
        result = progress.result
    slept = 0.1 * (len(small_prompts) - 1)  # the last sleep comes after the last step
    assert result.provenance["seconds"] <= time.perf_counter() - before - slept


def test_the_pipeline_looks_for_its_device_once_a_run(odd_pipeline, small_prompts, monkeypatch):
    """Each look walks through all of its modules."""
    own, asked = type(odd_pipeline), []
    find = own._execution_device.fget

    def looked(pipe):
        asked.append(1)
        return find(pipe)

    monkeypatch.setattr(own, "_execution_device", property(looked))
    plantain.run_probe(odd_pipeline, small_prompts, plantain.ProbeConfig(batch_size=2))
    assert len(asked) == 1
    assert type(odd_pipeline) is own


def test_a_pipeline_that_fails_is_left_as_it_was(odd_pipeline, small_prompts, monkeypatch):
    own = type(odd_pipeline)
    monkeypatch.setattr(odd_pipeline.transformer, "forward", lambda **_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        plantain.run_probe(odd_pipeline, small_prompts)
    assert type(odd_pipeline) is own
