"""Drawing: every prompt of a set once, from the very noise that the probe uses, a batch of whole pairs at a time."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
import torch

from plantain.data.heads import HeadMap
from plantain.data.pictures import DrawConfig, Pictures, prompts_digest
from plantain.data.prompts import PromptPair, PromptSet
from plantain.data.settings import ProbeConfig
from plantain.errors import InputError
from plantain.model.features import encode
from plantain.model.identity import describe, versions, weights_fingerprint
from plantain.model.noise import latent_grid
from plantain.model.text import call_arguments, drawing_defaults, text_mask
from plantain.probe.probe import Clock, choose_batch_size, noise_of, picture_size


@dataclass(frozen=True)
class PictureProgress:
    """State of a drawing: ``result`` holds the ``done`` pairs of ``total``."""

    done: int
    total: int
    result: Pictures
    seconds_left: float


def draw_pictures(
    pipe: Any,
    prompts: PromptSet,
    config: ProbeConfig | None = None,
    resume: Pictures | None = None,
    steps: int | None = None,
    guidance: float | None = None,
) -> Pictures:
    """Draw all pairs and return them; ``iter_pictures`` without the steps between.

    >>> pictures = draw_pictures(pipe, plantain.load_prompts("dense_pose"), plantain.ProbeConfig(seed=0))
    >>> pictures.pixels.shape                                     # (25, 2, 128, 128, 3)

    Raises InputError as ``iter_pictures``.
    """
    *_, last = iter_pictures(pipe, prompts, config, resume, steps, guidance)
    return last.result


def iter_pictures(
    pipe: Any,
    prompts: PromptSet,
    config: ProbeConfig | None = None,
    resume: Pictures | None = None,
    steps: int | None = None,
    guidance: float | None = None,
) -> Iterator[PictureProgress]:
    """Draw pair after pair, yielding the pictures so far after every batch.

    >>> for progress in iter_pictures(pipe, prompts, plantain.ProbeConfig()):
    ...     print(progress.done, "of", progress.total, f"{progress.seconds_left:.0f} s left")

    Of ``config`` count the first noise seed, whose noise all prompts share as in the probe, the size and the batch
    size. ``steps`` and ``guidance`` left open are those of ``resume``, else the model's own (``drawing_defaults``).
    With ``resume``, partial pictures of the same settings, prompts and weights, only missing pairs are drawn. Each
    prompt is encoded once, and the autoencoder decodes one picture at a time.

    Raises InputError before anything is drawn: a prompt too long for the model, a size, a number of steps or a guidance
    it does not allow, more pixels than are held at once, or a ``resume`` that belongs to other pictures. While it
    draws: pictures of values that are no numbers, or a GPU whose memory is too small.
    """
    pictures, batch_size = _start(pipe, prompts, config or ProbeConfig(), resume, steps, guidance)
    done, spent = pictures.n_pairs, float(pictures.provenance.get("seconds", 0))
    if done == len(prompts):
        yield PictureProgress(done, done, pictures, 0.0)
        return
    drawn_as = pictures.config
    noise = noise_of(pipe, drawn_as.seed, (drawn_as.height, drawn_as.width))
    negative = encode(pipe, [""]) if drawn_as.guidance_scale > 1 else None
    clock, first = Clock(), done
    while done < len(prompts):
        pairs = prompts.pairs[done : done + batch_size // 2]
        pixels = _draw(pipe, pairs, drawn_as, noise, negative)
        provenance = pictures.provenance | {"seconds": round(spent + clock.seconds, 3)}
        pictures = pictures.extended(pixels, provenance)
        done = pictures.n_pairs
        left = clock.seconds / (done - first) * (len(prompts) - done)
        with clock.paused():
            yield PictureProgress(done, len(prompts), pictures, left)


def _start(
    pipe: Any,
    prompts: PromptSet,
    config: ProbeConfig,
    resume: Pictures | None,
    steps: int | None,
    guidance: float | None,
) -> tuple[Pictures, int]:
    """The pictures to go on with, none where it is a start, and the batch size; all that can be refused is."""
    size = picture_size(pipe, config)
    saved = (resume.config.num_inference_steps, resume.config.guidance_scale) if resume is not None else None
    default_steps, default_guidance = saved or drawing_defaults(pipe)
    steps = default_steps if steps is None else steps
    guidance = default_guidance if guidance is None else guidance
    drawn_as = DrawConfig(config.seed, steps, guidance, *size)
    if guidance > 1 and pipe.config.get("is_distilled"):
        raise InputError(f"A distilled model draws without guidance; leave it out, or give 1 in place of {guidance}.")
    n_text = text_mask(pipe, prompts.prompts).shape[1]
    head_map = HeadMap.from_transformer(pipe.transformer, config.channels_per_head)
    chosen = resume.provenance.get("batch_size") if resume is not None else None
    n_tokens = math.prod(latent_grid(pipe, *size)) + n_text
    batch_size = config.batch_size or chosen or choose_batch_size(pipe, head_map, n_tokens)
    provenance = {
        **describe(pipe),
        "vae_fingerprint": weights_fingerprint(pipe, ("vae",)),
        "batch_size": batch_size,
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "seconds": 0.0,
        "versions": versions("pillow"),
        "threads": torch.get_num_threads(),
    }
    if resume is None:
        return Pictures((), prompts, drawn_as, provenance), batch_size
    _check_resume(resume, prompts, drawn_as, provenance)
    if resume.complete:
        return resume, batch_size
    here = {key: provenance[key] for key in ("device", "threads", "versions", "started", "batch_size")}
    sessions = [*resume.provenance.get("resumed", []), {"from_pair": resume.n_pairs, **here}]
    return Pictures(resume.files, prompts, drawn_as, {**resume.provenance, "resumed": sessions}), batch_size


def _draw(
    pipe: Any, pairs: tuple[PromptPair, ...], config: DrawConfig, noise: torch.Tensor, negative: torch.Tensor | None
) -> np.ndarray:
    """Both pictures of some pairs, under one noise: uint8, (n, 2, height, width, 3)."""
    features = encode(pipe, [text for pair in pairs for text in (pair.a, pair.b)])
    pixels = draw_features(pipe, features, config, noise, negative, [pair.id for pair in pairs for _ in "ab"])
    return pixels.reshape(-1, 2, *pixels.shape[1:])


def draw_features(
    pipe: Any,
    features: torch.Tensor,
    config: DrawConfig,
    noise: torch.Tensor,
    negative: torch.Tensor | None,
    pair_ids: Sequence[str],
) -> np.ndarray:
    """Pictures of text features, (B, tokens, width), under one noise: uint8, (B, height, width, 3).

    >>> draw_features(pipe, encode(pipe, [a, b]), config, noise, encode(pipe, [""]), ["leap", "leap"])

    ``pair_ids`` name what each row is of. Raises InputError: a GPU whose memory is too small, or pictures of values
    that are no numbers.
    """
    batch, slicing = len(features), pipe.vae.use_slicing
    # A picture at a time: the decoder's widest moment is beyond what the batch was chosen by.
    pipe.vae.use_slicing = True
    try:
        images = pipe(
            prompt_embeds=features,
            negative_prompt_embeds=None if negative is None else negative.expand(batch, -1, -1),
            latents=noise.expand(batch, -1, -1, -1),
            num_inference_steps=config.num_inference_steps,
            guidance_scale=config.guidance_scale,
            output_type="np",
            **(call_arguments(pipe) | {"height": config.height, "width": config.width}),
        ).images  # (B, height, width, 3), float32 from 0 to 1
    except torch.cuda.OutOfMemoryError as error:
        raise InputError(
            f"The GPU's memory is too small for {batch} pictures of {config.width} × {config.height} pixels at a time; "
            "set batch_size (--batch-size 2), or a smaller height and width."
        ) from error
    finally:
        pipe.vae.use_slicing = slicing
    for picture, name in zip(images, pair_ids, strict=True):
        if not np.isfinite(picture).all():
            raise InputError(
                f"The pictures of pair {name!r} hold values that are no numbers, where 0 to 1 was expected; "
                "load the model in another dtype (float32, bfloat16), or with sound weights."
            )
    return np.asarray((images * 255).round().astype(np.uint8))  # as the pipeline itself rounds


def _check_resume(resume: Pictures, prompts: PromptSet, config: DrawConfig, provenance: dict[str, Any]) -> None:
    def refuse(what: str, was: object, now: object) -> None:
        raise InputError(f"Cannot go on: the saved pictures have {what} {was}, these {now}. Remove them and draw anew.")

    if prompts_digest(resume.prompts) != prompts_digest(prompts):
        refuse("the prompts", repr(resume.prompts.name), f"{prompts.name!r} with other texts")
    now = asdict(config)
    for key, was in asdict(resume.config).items():
        if was != now[key]:
            refuse(key, was, now[key])
    for key in ("weights_fingerprint", "vae_fingerprint", "dtype"):
        if resume.provenance.get(key) != provenance[key]:
            refuse(key, resume.provenance.get(key), provenance[key])
