"""Text features: the pipeline's own, in batches, through no more of the text encoder than is read."""

import numpy as np
import pytest
import torch
from tolerance import same_features

import plantain
from plantain.model import features
from plantain.model.features import Features, encode
from plantain.model.text import call_arguments, tokenize

TEXTS = ["a dancer", "", "A tall robot kneeling on a green lawn, smiling", "a nurse leaping", "a dancer", "Ünïcode 🤸"]


def own(pipe, prompts):
    """The pipeline's own, a prompt at a time."""
    chosen = {key: call_arguments(pipe)[key] for key in ("max_sequence_length", "text_encoder_out_layers")}
    with torch.no_grad():
        return torch.cat([pipe.encode_prompt(prompt=[prompt], **chosen)[0] for prompt in prompts])


@pytest.mark.parametrize("model", ["posebox", "odd_pipeline"])
def test_features_are_the_pipelines_own(request, model):
    pipe = request.getfixturevalue(model)
    assert same_features(encode(pipe, TEXTS), own(pipe, TEXTS))
    assert not same_features(encode(pipe, TEXTS), own(pipe, TEXTS[::-1]))


@pytest.mark.parametrize("tokens", [1, 96, 200, 960])
def test_a_batch_of_any_size_gives_the_same(posebox, monkeypatch, tokens):
    monkeypatch.setitem(features._BATCH_TOKENS, "cpu", tokens)
    assert features.batch_size(posebox, torch.device("cpu")) == max(1, tokens // 96)
    assert same_features(encode(posebox, TEXTS), own(posebox, TEXTS))


def test_ids_and_mask_are_what_the_pipeline_tokenizes(posebox):
    seen = []
    hook = posebox.text_encoder.register_forward_pre_hook(
        lambda module, args, kwargs: seen.append((kwargs["input_ids"], kwargs["attention_mask"])), with_kwargs=True
    )
    try:
        own(posebox, TEXTS)
    finally:
        hook.remove()
    ids, real = tokenize(posebox, TEXTS)
    np.testing.assert_array_equal(ids, torch.cat([each for each, _ in seen]))
    np.testing.assert_array_equal(real, torch.cat([each for _, each in seen]))


def test_layers_that_are_not_read_and_the_vocabulary_are_not_computed(odd_pipeline):
    encoder, ran = odd_pipeline.text_encoder, []
    modules = [*encoder.model.layers, encoder.model.norm, encoder.lm_head]
    names = [*range(1, len(encoder.model.layers) + 1), "norm", "vocabulary"]
    hooks = [
        module.register_forward_hook(lambda *_, name=name: ran.append(name))
        for name, module in zip(names, modules, strict=True)
    ]
    before = {name: len(module._forward_hooks) for name, module in encoder.named_modules()}
    try:
        encode(odd_pipeline, ["a dancer", "a nurse"])
        assert ran == [1, 2, 3, 4, 5, 6]  # of eight; layers 2, 4 and 6 are read
        assert {name: len(module._forward_hooks) for name, module in encoder.named_modules()} == before
    finally:
        for hook in hooks:
            hook.remove()


def test_hooks_go_when_the_encoder_fails(posebox):
    encoder = posebox.text_encoder
    before = [len(module._forward_hooks) for module in encoder.modules()]  # transformers leaves its own
    broken = encoder.model.layers[0].register_forward_hook(lambda *_: 1 / 0)
    try:
        with pytest.raises(ZeroDivisionError):
            encode(posebox, ["a dancer"])
    finally:
        broken.remove()
    assert [len(module._forward_hooks) for module in encoder.modules()] == before


def test_an_encoder_whose_last_layer_is_read_is_left_to_the_pipeline(posebox, monkeypatch):
    """There the pipeline reads what the final norm gives, which no layer does."""
    depth = posebox.text_encoder.config.num_hidden_layers
    arguments = call_arguments(posebox) | {"text_encoder_out_layers": (0, 1, depth)}
    monkeypatch.setattr(features, "call_arguments", lambda pipe: arguments)
    chosen = {key: arguments[key] for key in ("max_sequence_length", "text_encoder_out_layers")}
    with torch.no_grad():
        expected = posebox.encode_prompt(prompt=["a dancer"], **chosen)[0]
    assert same_features(encode(posebox, ["a dancer"]), expected)


def test_the_embedding_can_be_read(posebox, monkeypatch):
    arguments = call_arguments(posebox) | {"text_encoder_out_layers": (0, 2, 1)}
    monkeypatch.setattr(features, "call_arguments", lambda pipe: arguments)
    chosen = {key: arguments[key] for key in ("max_sequence_length", "text_encoder_out_layers")}
    with torch.no_grad():
        expected = posebox.encode_prompt(prompt=["a dancer"], **chosen)[0]
    assert same_features(encode(posebox, ["a dancer"]), expected)


# -- of a set ---------------------------------------------------------------------------------------


@pytest.fixture
def encoded(posebox, monkeypatch):
    """Batches of four prompts, and what was encoded."""
    monkeypatch.setitem(features._BATCH_TOKENS, "cpu", 4 * 96)
    calls = []
    monkeypatch.setattr(
        features, "encode", lambda pipe, prompts, *more: (calls.append(list(prompts)), encode(pipe, prompts, *more))[1]
    )
    return calls


def test_a_distinct_prompt_is_encoded_once_and_only_when_its_batch_is_asked_for(posebox, encoded):
    texts = [f"a {who} {does}" for who in ("nurse", "dancer", "robot") for does in ("standing", "leaping", "standing")]
    found = Features(posebox, texts)
    assert encoded == []
    assert same_features(found.of([texts[5], texts[3], texts[5]]), own(posebox, [texts[5], texts[3], texts[5]]))
    assert encoded == [["a nurse standing", "a nurse leaping", "a dancer standing", "a dancer leaping"]]
    found.of(texts)
    assert encoded[1:] == [["a robot standing", "a robot leaping"]]


def test_what_is_kept_is_bounded(posebox, encoded, monkeypatch):
    texts = [f"a nurse leaping {n} times" for n in range(12)]
    monkeypatch.setattr(features, "_KEPT_BYTES", 2 * encode(posebox, texts[:4]).nbytes)
    found = Features(posebox, texts)
    for text in (*texts, texts[4], texts[0]):
        assert same_features(found.of([text]), own(posebox, [text]))
    assert [batch[0] for batch in encoded] == [texts[0], texts[4], texts[8], texts[0]]


def test_a_run_gone_on_with_has_the_same_batches(posebox, encoded):
    prompts = plantain.load_prompts("dense_pose")
    config = plantain.ProbeConfig()
    whole = plantain.run_probe(posebox, prompts, config)
    batches = [*encoded]
    encoded.clear()
    steps = plantain.iter_probe(posebox, prompts, config)
    half = next(progress.result for progress in steps if progress.done >= 8)
    steps.close()
    resumed = plantain.run_probe(posebox, prompts, config, half)
    assert all(batch in batches for batch in encoded)
    np.testing.assert_array_equal(resumed.mean_square, whole.mean_square)
