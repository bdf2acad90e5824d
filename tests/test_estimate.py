"""What a run is expected to take: growing as it must, by the operations of its layers, and said in words."""

import pytest

from plantain.cli.bill import Bill
from plantain.data.settings import ProbeConfig
from plantain.errors import InputError
from plantain.probe import estimate
from plantain.probe.estimate import Estimate, before
from plantain.wording import cost, duration


@pytest.fixture
def steady(monkeypatch):
    """A device of constant speed, slow enough that operations outweigh calls."""
    monkeypatch.setattr(estimate, "products_a_second", lambda device, dtype: 1e6)


def seconds(pipe, n_pairs=8, **settings):
    return before(pipe, n_pairs, ProbeConfig(batch_size=4, **settings)).seconds


def test_it_grows_with_the_work(posebox, steady):
    one = seconds(posebox)
    assert seconds(posebox, n_pairs=16) == pytest.approx(2 * one)
    # Prompts are encoded once, whatever the number of passes through the transformer.
    two_seeds = seconds(posebox, n_seeds=2)
    assert 1.5 * one < two_seeds < 2 * one
    assert seconds(posebox, num_inference_steps=2) == pytest.approx(two_seeds)
    assert seconds(posebox, guidance_scale=2.0) == pytest.approx(two_seeds)
    assert seconds(posebox, n_seeds=3) - two_seeds == pytest.approx(two_seeds - one)
    assert seconds(posebox, height=256, width=256) > 2 * one


def test_operations_are_those_of_the_layers(odd_pipeline, monkeypatch):
    """Counted by hooks on a real forward: two operations a weight and token."""
    import torch
    from pipelines import draw

    counted = []

    def count(module, inputs, output):
        counted.append(2 * module.weight.numel() * (inputs[0].numel() // inputs[0].shape[-1]))

    blocks = [*odd_pipeline.transformer.transformer_blocks, *odd_pipeline.transformer.single_transformer_blocks]
    layers = [part for block in blocks for part in block.modules() if isinstance(part, torch.nn.Linear)]
    hooks = [layer.register_forward_hook(count) for layer in layers]
    try:
        draw(odd_pipeline, ["a dancer", "a nurse"])
    finally:
        for hook in hooks:
            hook.remove()
    monkeypatch.setattr(estimate, "products_a_second", lambda device, dtype: 1.0 / estimate.SHARE["cpu"])
    monkeypatch.setattr(estimate, "SECONDS_A_LAYER", 0.0)
    two = before(odd_pipeline, 1, ProbeConfig(n_seeds=2)).seconds - before(odd_pipeline, 1).seconds
    image, text, blocks, inner = (96 // 8) * (64 // 8), 96, 3 + 7, 5 * 48
    attention = 2 * blocks * 4 * (image + text) ** 2 * inner  # two prompts
    assert two - attention == pytest.approx(sum(counted), rel=1e-6)


def test_a_measured_batch_takes_the_place_of_arithmetic():
    expected = Estimate(100.0, 25)
    assert expected.after(0, 3.0) is expected
    assert expected.after(5, 8.0) == Estimate(40.0, 25, measured=True)
    assert expected.after(30, 25.0).seconds == 25.0


def test_what_the_model_does_not_allow_is_refused(posebox):
    with pytest.raises(InputError, match="multiple of 16"):
        before(posebox, 25, ProbeConfig(height=100))
    with pytest.raises(InputError, match="channels_per_head=7"):
        before(posebox, 25, ProbeConfig(channels_per_head=7))


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (0, "under a second"),
        (0.94, "under a second"),
        (1, "1 s"),
        (59.4, "59 s"),
        (59.6, "1 min"),
        (170, "3 min"),
        (3590, "1 h"),
        (3600, "1 h"),
        (4800, "1 h 20 min"),
        (7300, "2 h 2 min"),
    ],
)
def test_durations_in_words(value, words):
    assert duration(value) == words


def test_costs_in_words():
    assert cost(3600, 2.5) == "2.50"
    assert cost(600, 2.5) == "0.42"
    assert cost(1, 2.5) == "less than 0.01"


@pytest.mark.parametrize("price", [0, -1, float("nan"), float("inf")])
def test_a_price_that_is_none_is_refused(price):
    with pytest.raises(InputError, match="must be a number above 0"):
        Bill(price)
    Bill(2.5)
