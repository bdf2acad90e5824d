"""The probe: prompt pairs through a pipeline under capture, a batch of whole pairs at a time."""

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime
from typing import Any, NoReturn

import numpy as np
import torch

from plantain.data.heads import HeadMap
from plantain.data.prompts import PromptSet
from plantain.data.result import ProbeResult
from plantain.data.settings import ProbeConfig
from plantain.errors import InputError
from plantain.model.features import Features, encode
from plantain.model.identity import computing_on, describe, execution_device, versions
from plantain.model.memory import free_memory
from plantain.model.noise import check_realised, latent_grid, sigmas_for
from plantain.model.text import call_arguments, tokenizer_digest
from plantain.probe.capture import HeadCapture

# Prompts a forward at most: more gain nothing once the device is busy, and progress gets coarse.
_MAX_BATCH = {"gpu": 10, "cpu": 32}
# Of a forward on a CPU: with fewer it waits for what is done once a forward, with more for memory that no allocator
# keeps.
_CPU_TOKENS = 2048
# Larger pictures only where they are asked for.
_MAX_PIXELS = 512
# Share of the free GPU memory that a forward's activations may take, by the estimate below.
_GPU_SHARE = 0.5


@dataclass(frozen=True)
class Progress:
    """State of a running probe: ``result`` holds the ``done`` pairs of ``total``; None before the first."""

    done: int
    total: int
    result: ProbeResult | None
    seconds_left: float


def run_probe(
    pipe: Any, prompts: PromptSet, config: ProbeConfig | None = None, resume: ProbeResult | None = None
) -> ProbeResult:
    """Probe all pairs and return the whole result; ``iter_probe`` without the steps between.

    >>> result = plantain.run_probe(pipe, plantain.load_prompts("dense_pose"), plantain.ProbeConfig(seed=0))
    """
    result = None
    for progress in iter_probe(pipe, prompts, config, resume):
        result = progress.result
    assert result is not None  # a prompt set holds at least one pair
    return result


def iter_probe(
    pipe: Any, prompts: PromptSet, config: ProbeConfig | None = None, resume: ProbeResult | None = None
) -> Iterator[Progress]:
    """Probe pair after pair, yielding the result so far after every forward.

    >>> for progress in plantain.iter_probe(pipe, prompts, plantain.ProbeConfig()):
    ...     print(progress.done, "of", progress.total, f"{progress.seconds_left:.0f} s left")

    Each prompt is encoded once; every seed's noise is the same for all prompts; pixels are never decoded. A batch that
    the GPU's memory does not hold is halved, unless ``config`` sets its size. With ``resume``, a partial result of the
    same settings, prompts and weights, only the missing pairs run. A pipeline serves one caller at a time: hooks see
    the forwards of every thread.

    Raises InputError before anything runs: a prompt too long for the model, a size, head width or noise level it does
    not allow, or a ``resume`` that belongs to another run. While it runs: activations that are not finite.
    """
    config = config or ProbeConfig()
    plan = make_plan(pipe, prompts, config, resume)
    result, done = resume, resume.n_pairs if resume is not None else 0
    if done == len(prompts):
        yield Progress(done, done, result, 0.0)
        return
    noise = [noise_of(pipe, seed, plan.size) for seed in config.seeds]
    negative = encode(pipe, [""]) if config.guidance_scale > 1 else None
    first, rows_done, clock = done, 0, Clock()
    while done < len(prompts):
        batch = slice(done, min(done + max(1, plan.batch_size // 2), len(prompts)))
        features = plan.features(batch)
        by_seed: list[np.ndarray] = []
        for latents in noise:
            values = None
            try:
                values, sigmas = forward(plan, features, plan.masks[batch], latents, negative)
            except InputError as error:
                too_large = isinstance(error.__cause__, torch.cuda.OutOfMemoryError)
                if not too_large or config.batch_size is not None or plan.batch_size <= 2:
                    raise
            if values is None:  # here, where the error no longer holds what filled the memory
                rows_done, plan = rows_done - len(by_seed) * len(features), plan.halved()
                break
            check_finite(values, prompts, batch)
            by_seed.append(values)
            rows_done += len(features)
            if len(by_seed) == len(noise):
                result = extended(plan, result, np.stack(by_seed, axis=1), sigmas, clock.seconds)
                done = result.n_pairs
            rows_total = 2 * len(noise) * (len(prompts) - first)
            left = clock.seconds / rows_done * (rows_total - rows_done)
            with clock.paused():
                yield Progress(done, len(prompts), result, left)


@dataclass(frozen=True)
class Plan:
    """What is settled, and checked, before the first forward."""

    pipe: Any
    prompts: PromptSet
    config: ProbeConfig
    head_map: HeadMap
    size: tuple[int, int]  # height and width, in pixels
    sigmas: tuple[float, ...] | None  # as handed to the pipeline
    masks: np.ndarray  # (P, 2, T_text): which text tokens are real
    token_counts: np.ndarray  # (P, 2, 3)
    batch_size: int
    provenance: dict[str, Any]
    texts: Features

    def features(self, batch: slice) -> torch.Tensor:
        """Text features of whole pairs, A before B: (2N, T_text, width)."""
        return self.texts.of([text for pair in self.prompts.pairs[batch] for text in (pair.a, pair.b)])

    def halved(self) -> "Plan":
        """The same with half as many prompts a forward, after one that the memory did not hold."""
        free_memory()
        batch_size = max(2, self.batch_size // 4 * 2)
        return replace(self, batch_size=batch_size, provenance=self.provenance | {"batch_size": batch_size})


def make_plan(pipe: Any, prompts: PromptSet, config: ProbeConfig, resume: ProbeResult | None) -> Plan:
    head_map = HeadMap.from_transformer(pipe.transformer, config.channels_per_head)
    size = picture_size(pipe, config)
    sigmas = config.sigmas if config.noise_levels is None else sigmas_for(pipe, config.noise_levels, *size)
    texts = Features(pipe, prompts.prompts)
    masks = texts.mask(prompts.prompts).reshape(len(prompts), 2, -1)
    real, n_image, n_text = masks.sum(axis=2), math.prod(latent_grid(pipe, *size)), masks.shape[2]
    token_counts = np.stack([np.full_like(real, n_image), real, n_text - real], axis=2).astype(np.int64)
    chosen = resume.provenance.get("batch_size") if resume is not None else None
    batch_size = config.batch_size or chosen or choose_batch_size(pipe, head_map, n_image + n_text, texts.device)
    provenance = {
        **describe(pipe, texts.device),
        "height": size[0],
        "width": size[1],
        "batch_size": batch_size,
        "n_text_tokens": n_text,
        "tokenizer_digest": tokenizer_digest(pipe),
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "seconds": 0.0,
        "versions": versions(),
        "threads": torch.get_num_threads(),
    }
    if resume is not None:
        _check_resume(resume, prompts, config, provenance, token_counts)
        here = {key: provenance[key] for key in ("device", "threads", "versions", "started")}
        sessions = [*resume.provenance.get("resumed", []), {"from_pair": resume.n_pairs, **here}]
        provenance = {**resume.provenance, "resumed": sessions}
    return Plan(pipe, prompts, config, head_map, size, sigmas, masks, token_counts, batch_size, provenance, texts)


def extended(
    plan: Plan, result: ProbeResult | None, values: np.ndarray, sigmas: list[float], seconds: float
) -> ProbeResult:
    """The run with one more batch in it: (N·2, seeds, steps, S, R) mean squares after ``seconds`` of this session."""
    was = sigmas if result is None else result.provenance.get("realised_sigmas", sigmas)
    if not np.allclose(was, sigmas, rtol=0, atol=1e-5):  # of a scheduler, which has no weights either
        _refuse("the noise levels", was, sigmas)
    values = values.reshape(-1, 2, *values.shape[1:])
    mean_square = values if result is None else np.concatenate([result.mean_square, values])
    provenance = {**plan.provenance, "realised_sigmas": sigmas}
    provenance["seconds"] = round(float(plan.provenance["seconds"]) + seconds, 3)
    counts = plan.token_counts[: len(mean_square)]
    return ProbeResult(mean_square, counts, plan.prompts, plan.config, plan.head_map, provenance)


class Clock:
    """Seconds of work: what the caller does between two steps, drawing for instance, is not counted."""

    def __init__(self) -> None:
        self._started = time.perf_counter()

    @property
    def seconds(self) -> float:
        return time.perf_counter() - self._started

    @contextmanager
    def paused(self) -> Iterator[None]:
        before = time.perf_counter()
        yield
        self._started += time.perf_counter() - before


def forward(
    plan: Plan, features: torch.Tensor, masks: np.ndarray, latents: torch.Tensor, negative: torch.Tensor | None
) -> tuple[np.ndarray, list[float]]:
    """One batch under one noise: (B, steps, 3, R) mean squares, and the noise levels as realised."""
    config, batch = plan.config, len(features)
    steps = config.num_inference_steps
    with HeadCapture(plan.pipe.transformer, config.channels_per_head, masks.reshape(batch, -1)) as capture:
        realised = denoise(plan, features, latents, negative)
        values = capture.mean_square  # (F, B, 3, R)
    if len(values) % steps:
        raise RuntimeError(f"The transformer ran {len(values)} times in {steps} steps; expected a multiple.")
    # With guidance a step runs the prompt first and the empty prompt second; keep the first.
    return values[:: len(values) // steps].swapaxes(0, 1), realised


def denoise(
    plan: Plan, features: torch.Tensor, latents: torch.Tensor, negative: torch.Tensor | None = None
) -> list[float]:
    """The pipeline's steps on some prompts, pixels left out; the noise levels as realised."""
    pipe, config, (height, width) = plan.pipe, plan.config, plan.size
    batch = len(features)
    try:
        with computing_on(pipe, plan.texts.device):
            pipe(
                prompt_embeds=features,
                negative_prompt_embeds=None if negative is None else negative.expand(batch, -1, -1),
                latents=latents.expand(batch, -1, -1, -1),
                num_inference_steps=config.num_inference_steps,
                sigmas=None if plan.sigmas is None else list(plan.sigmas),
                guidance_scale=config.guidance_scale,
                output_type="latent",
                **(call_arguments(pipe) | {"height": height, "width": width}),
            )
    except torch.cuda.OutOfMemoryError as error:
        raise InputError(
            f"The GPU's memory is too small for {batch} prompts of {width} × {height} pixels at a time; "
            "set batch_size (--batch-size 2), or a smaller height and width."
        ) from error
    realised = [round(float(s), 6) for s in pipe.scheduler.sigmas[: config.num_inference_steps]]
    if config.noise_levels is not None:
        check_realised(config.noise_levels, realised)
    return realised


def check_finite(values: np.ndarray, prompts: PromptSet, batch: slice) -> None:
    """Mean squares (2 k, …) of a batch of pairs: not a number anywhere in a block would be one here."""
    bad = ~np.isfinite(values).reshape(batch.stop - batch.start, -1).all(axis=1)
    if bad.any():
        raise InputError(
            f"The activations of pair {prompts.pairs[batch.start + int(bad.argmax())].id!r} are not all finite; load "
            "the model in another dtype (float32, bfloat16), or with sound weights."
        )


def noise_of(pipe: Any, seed: int, size: tuple[int, int]) -> torch.Tensor:
    """The noise the pipeline itself would draw with ``torch.Generator("cpu").manual_seed(seed)``."""
    shape = (1, pipe.transformer.config.in_channels, *latent_grid(pipe, *size))
    return torch.randn(shape, generator=torch.Generator("cpu").manual_seed(seed))


def picture_size(pipe: Any, config: ProbeConfig) -> tuple[int, int]:
    """Height and width in pixels, as set or as the model has them."""
    arguments, multiple, size = call_arguments(pipe), pipe.vae_scale_factor * 2, []
    for name in ("height", "width"):
        value = getattr(config, name) or min(arguments[name], _MAX_PIXELS)
        if value % multiple:
            raise InputError(f"{name} must be a multiple of {multiple} pixels for this model; got {value}.")
        size.append(value)
    return size[0], size[1]


def choose_batch_size(pipe: Any, head_map: HeadMap, n_tokens: int, device: torch.device | None = None) -> int:
    """An even number of prompts that keeps the device busy and its memory free."""
    device = device or execution_device(pipe)
    if device.type == "cuda":
        inner = head_map.n_attention_heads * head_map.head_width
        # Widest moment of a single block: q, k, v, both MLP halves and the projection's input; twice
        # over for copies on the way, and doubled for what the allocator keeps.
        channels = 2 * (3 * inner + 2 * head_map.mlp_width + inner + head_map.mlp_width)
        free, _ = torch.cuda.mem_get_info(device)
        fitting = int(free * _GPU_SHARE / (2 * channels * n_tokens * pipe.transformer.dtype.itemsize))
        most = _MAX_BATCH["gpu"]
    else:
        fitting, most = _CPU_TOKENS // n_tokens, _MAX_BATCH["cpu"]
    return max(2, min(most, fitting) // 2 * 2)


def _check_resume(
    resume: ProbeResult, prompts: PromptSet, config: ProbeConfig, provenance: dict[str, Any], token_counts: np.ndarray
) -> None:
    if resume.prompts != prompts:
        _refuse("the prompts", repr(resume.prompts.name), f"{prompts.name!r} with other texts or tags")
    # A batch size left open is the saved run's: what counts is the size that was used.
    for field in fields(config):
        key, now = field.name, getattr(config, field.name)
        was = now if key == "batch_size" else getattr(resume.config, key)
        if was != now:
            _refuse(key, was, now)
    for key in ("weights_fingerprint", "height", "width", "batch_size", "n_text_tokens", "dtype", "coarser"):
        was, now = resume.provenance.get(key), provenance.get(key)
        if was != now:
            _refuse(key, was, now)
    # A tokenizer has no weights: the same fingerprint may come with another vocabulary, or another chat template.
    now = provenance["tokenizer_digest"]
    if (was := resume.provenance.get("tokenizer_digest", now)) != now:  # older runs have none
        _refuse("tokens by a tokenizer with the digest", was, now)
    counted = resume.token_counts, token_counts[: resume.n_pairs]
    if not np.array_equal(*counted):
        _refuse("so many tokens of text:", *(f"{counts[..., 1].sum():,}" for counts in counted))


def _refuse(what: str, was: object, now: object) -> NoReturn:
    raise InputError(f"Cannot resume: the saved run has {what} {was}, this one {now}. Start a new run elsewhere.")
