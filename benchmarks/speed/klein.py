"""FLUX.2 Klein base 4B's exact shapes with random weights, in bfloat16: what a probe, a dense run and a patch cost.

    python benchmarks/speed/klein.py

Where torch has a GPU: the 25-pair probe, a dense run and one patch at 512 and 1,024 pixels a side, against the share of
a large product's rate that they reach and against their own bare forwards; the usual loop and drawing 50 pictures at
512. Without one: one pair of 64 pixels a side on the CPU, so that the path is known to run; 16 GB of main memory. Times
do not depend on what weights hold.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from measured import Row, beside, limited, main
from probe import bare_forwards, usual_loop

import plantain
from plantain.data.bodies import Bodies
from plantain.data.prompts import PromptSet
from plantain.model.noise import latent_grid
from plantain.model.text import drawing_defaults, layers_read
from plantain.pose.parts import PARTS
from plantain.posebox.tokenizer import load_tokenizer
from plantain.probe.patching import Patch, Patching
from plantain.probe.probe import Plan, denoise, make_plan, noise_of

WANTED_SHARE, WANTED_SECONDS = 0.6, 5.0
TURNS = 3
# Of Qwen3-4B, as FLUX.2 Klein base 4B has it.
DEPTH = 36
TEXT = {
    "vocab_size": 151_936,
    "hidden_size": 2560,
    "intermediate_size": 9728,
    "num_hidden_layers": DEPTH,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "head_dim": 128,
    "max_position_embeddings": 40_960,
    "tie_word_embeddings": True,
}
TRANSFORMER = {
    "in_channels": 128,
    "num_layers": 5,
    "num_single_layers": 20,
    "attention_head_dim": 128,
    "num_attention_heads": 24,
    "joint_attention_dim": 7680,
    "mlp_ratio": 3.0,
    "axes_dims_rope": (32, 32, 32, 32),
    "guidance_embeds": False,
}


def rows() -> Iterator[Row]:
    if not torch.cuda.is_available():
        yield from on_cpu()
        return
    pipe, prompts = build("cuda"), plantain.load_prompts("dense_pose")
    rate = product_rate("cuda")
    for side in (512, 1024):
        yield from at_size(pipe, prompts, side, rate)
    plan = make_plan(pipe, prompts, sized(512), None)
    ours, theirs = (
        seconds_of(lambda: plantain.run_probe(pipe, prompts, sized(512))),
        seconds_of(lambda: usual_loop(plan), turns=1),
    )
    yield beside(
        "25 pairs of Klein's shapes at 512²", "the usual loop, decoded", np.median(ours), np.median(theirs), 0.25
    )
    steps, guidance = drawing_defaults(pipe)
    options = plantain.call_arguments(pipe) | {"height": 512, "width": 512}
    drawn = seconds_of(
        lambda: pipe(prompt=prompts.prompts[0], num_inference_steps=steps, guidance_scale=guidance, **options), turns=1
    )
    yield limited("drawing 50 pictures of Klein's shapes at 512²", 50 * drawn, 600, f"{steps} steps, from one picture")


def at_size(pipe: Any, prompts: PromptSet, side: int, rate: float) -> Iterator[Row]:
    """The probe, a dense pass and a patch at a size."""
    config, what = sized(side), f"Klein's shapes at {side}²"
    plan = make_plan(pipe, prompts, config, None)
    torch.cuda.reset_peak_memory_stats()
    plantain.run_probe(pipe, prompts, config)
    peak = torch.cuda.max_memory_allocated() / 1e9
    probe, bare = seconds_of(lambda: plantain.run_probe(pipe, prompts, config)), seconds_of(bare_forwards(plan))
    flops = forward_flops(pipe, plan)
    reached = flops / float(np.median(bare)) / 1e12
    if side == 512:
        yield limited(f"25 pairs of {what}", probe, WANTED_SECONDS, f"peak {peak:.0f} GB")
    yield beside(f"25 pairs of {what}", "its own bare forwards", probe, bare, 1.25, f"peak {peak:.0f} GB")
    note = f"{flops / 1e12:.0f} TFLOP"
    yield Row(
        f"rate of the bare forwards, {what}", "a large product", reached, rate, reached / rate, reached / rate,
        reached / rate, None, note + f"; at least {WANTED_SHARE} is wanted", "TFLOP/s",
    )  # fmt: skip
    bodies = made_bodies(len(prompts), latent_grid(pipe, side, side))
    dense = seconds_of(lambda: plantain.run_dense(pipe, prompts, config, bodies=bodies, decoders=False))
    yield beside(f"a dense pass, {what}", "the plain probe", dense, probe, 1.5)
    patched, plain = patch_seconds(pipe, plan)
    yield beside(f"a forward with 15 heads patched, {what}", "the same forward without", patched, plain, 1.05)


def on_cpu() -> Iterator[Row]:
    """One pair through all of it, once."""
    pipe, whole = build("cpu"), plantain.load_prompts("dense_pose")
    prompts = replace(whole, pairs=whole.pairs[:1], rules=(), design="")
    config = sized(64)
    started = time.perf_counter()
    result = plantain.run_probe(pipe, prompts, config)
    seconds = time.perf_counter() - started
    assert result.rms("head").shape == (1, 2, 600)
    assert np.isfinite(result.mean_square).all()
    note = f"{result.head_map.n_heads('card'):,} card heads, encoding in it; peak {peak_gigabytes():.1f} GB"
    yield limited("one pair of Klein's shapes at 64², CPU, bfloat16", [seconds], 600, note)


def build(device: str) -> Any:
    """The pipeline, its weights drawn where they stay."""
    from diffusers import (
        AutoencoderKLFlux2,
        FlowMatchEulerDiscreteScheduler,
        Flux2KleinPipeline,
        Flux2Transformer2DModel,
    )
    from transformers import Qwen3Config, Qwen3ForCausalLM

    tokenizer = load_tokenizer()
    tokenizer.model_max_length = 512
    kept = max(layers_read(DEPTH)) + 1  # as it is loaded
    parts = {
        "transformer": lambda: Flux2Transformer2DModel(**TRANSFORMER),
        "text_encoder": lambda: Qwen3ForCausalLM(Qwen3Config(**TEXT | {"num_hidden_layers": kept})),
        "vae": AutoencoderKLFlux2,
    }
    made = {name: drawn(make, device) for name, make in parts.items()}
    made["text_encoder"].config.num_hidden_layers = DEPTH
    scheduler = FlowMatchEulerDiscreteScheduler(shift=3.0, use_dynamic_shifting=True, base_shift=0.5, max_shift=1.15)
    pipe = Flux2KleinPipeline(scheduler=scheduler, tokenizer=tokenizer, is_distilled=False, **made)
    pipe.set_progress_bar_config(disable=True)
    return pipe


def drawn(make: Callable[[], Any], device: str) -> Any:
    """A model of bfloat16 values of a trained one's size, made on its device: nothing is held twice."""
    with torch.device("meta"):
        model = make().to(torch.bfloat16)
    buffers = {name for name, _ in model.named_buffers()}
    model = model.to_empty(device=device).eval()
    torch.manual_seed(0)
    with torch.no_grad():
        for name, values in [*model.named_parameters(), *model.named_buffers()]:
            if values.ndim > 1:
                values.normal_(0, values.shape[-1] ** -0.5)
            else:
                values.fill_(1.0 if name.endswith(("weight", "var")) else 0.0)
    if "model.rotary_emb.inv_freq" in buffers:  # not a weight: angles, which to_empty has emptied as well
        rotary = model.model.rotary_emb
        angles = TEXT["head_dim"]
        inverse = 1.0 / 1e6 ** (torch.arange(0, angles, 2, device=device, dtype=torch.float32) / angles)
        rotary.inv_freq = inverse
        rotary.original_inv_freq = inverse.clone()
    return model


def sized(side: int) -> plantain.ProbeConfig:
    return plantain.ProbeConfig(height=side, width=side)


def made_bodies(n_pairs: int, grid: tuple[int, int]) -> Bodies:
    """Bodies of a quarter of the picture each."""
    rng = np.random.default_rng(0)
    body = np.zeros((n_pairs, 2, *grid), np.float32)
    rows, columns = grid
    middle = body[:, :, rows // 4 : 3 * rows // 4, columns // 4 : 3 * columns // 4]
    middle[:] = rng.uniform(0.3, 1, middle.shape)
    parts = body[..., None] * rng.dirichlet(np.ones(len(PARTS)), body.shape).astype(np.float32)
    points = np.full((n_pairs, 2, 17, 3), np.nan, np.float32)
    return Bodies(parts, body, np.abs(body[:, 0] - body[:, 1]), np.ones((n_pairs, 2), bool), points, "random")


def patch_seconds(pipe: Any, plan: Plan) -> tuple[np.ndarray, np.ndarray]:
    """A pair's forward with the values of 15 heads of B in A, and the same without."""
    every = plan.head_map.runs_of_heads("head")
    heads = np.asarray(every[:: len(every) // 15][:15].any(axis=0))
    features, noise = plan.features(slice(0, 1)), noise_of(pipe, 0, plan.size)

    def plain() -> None:
        with torch.no_grad():
            denoise(plan, features, noise)

    def patched() -> None:
        with Patching(pipe.transformer, [Patch(0, heads, donors=(1,))]):
            plain()

    return seconds_of(patched, 9), seconds_of(plain, 9)


def forward_flops(pipe: Any, plan: Plan) -> float:
    """Operations of the probe's forwards: two a weight and token, and attention. In a joint block half of the weights
    read image tokens and half text; modulation, which reads one row, counts for nothing.
    """
    joint, single = (
        sum(module.weight.numel() for module in blocks.modules() if isinstance(module, torch.nn.Linear))
        for blocks in (pipe.transformer.transformer_blocks, pipe.transformer.single_transformer_blocks)
    )
    tokens = int(plan.token_counts[0, 0].sum())
    heads = plan.head_map
    attention = 4 * tokens**2 * heads.n_attention_heads * heads.head_width * len(heads.block_names)
    return float(2 * len(plan.prompts) * (tokens * (joint + 2 * single) + attention))


def product_rate(device: str, n: int = 8192) -> float:
    """TFLOP/s of a large bfloat16 product."""
    a = torch.randn(n, n, device=device, dtype=torch.bfloat16)
    seconds = seconds_of(lambda: [a @ a for _ in range(10)])
    return float(10 * 2 * n**3 / np.median(seconds) / 1e12)


def seconds_of(call: Callable[[], object], turns: int = TURNS) -> np.ndarray:
    """Seconds of a call, turn by turn after one to warm up, with the device's work done."""
    found = []
    for turn in range(turns + 1):
        started = time.perf_counter()
        call()
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        if turn:
            found.append(time.perf_counter() - started)
    return np.array(found)


def peak_gigabytes() -> float:
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2


if __name__ == "__main__":
    sys.exit(main(rows, __doc__))
