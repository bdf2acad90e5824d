"""Prompts as a pipeline reads them: tokens, padding, text features, and the arguments of its calls."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from plantain.errors import InputError
from plantain.model.names import DRAW_GUIDANCE, DRAW_STEPS, EMBEDDED_MODELS
from plantain.wording import shorten

if TYPE_CHECKING:
    import torch

MAX_TEXT_TOKENS = 512  # Klein's


def call_arguments(pipe: Any) -> dict[str, Any]:
    """Arguments that a pipeline's own defaults get wrong for a small one; for Klein they change nothing.

    >>> pipe(prompt=prompt, **plantain.call_arguments(pipe))

    Text features at a quarter, half and three quarters of the text encoder's depth (9, 18, 27 of Qwen3-4B's 36), as
    many text tokens as the tokenizer allows (at most 512), and the autoencoder's sample size in pixels.
    """
    depth = pipe.text_encoder.config.num_hidden_layers
    size = pipe.vae.config.sample_size
    height, width = size if isinstance(size, (tuple, list)) else (size, size)
    return {
        "text_encoder_out_layers": (depth // 4, depth // 2, 3 * depth // 4),
        "max_sequence_length": max_text_tokens(pipe),
        "height": height,
        "width": width,
    }


def drawing_defaults(pipe: Any) -> tuple[int, float]:
    """Steps and guidance with which a model draws when nothing else is asked of it.

    >>> drawing_defaults(plantain.load_pipeline("posebox"))
    (12, 1.5)

    An embedded model's own; else the pipeline's defaults, for Klein base 50 and 4.0. A distilled pipeline has four
    steps and no guidance, whatever its signature says.
    """
    if (getattr(pipe, "plantain_source", None) or {}).get("model") in EMBEDDED_MODELS:
        return DRAW_STEPS, DRAW_GUIDANCE
    if pipe.config.get("is_distilled"):
        return 4, 1.0
    parameters = inspect.signature(type(pipe).__call__).parameters
    return int(parameters["num_inference_steps"].default), float(parameters["guidance_scale"].default)


def max_text_tokens(pipe: Any) -> int:
    """Tokens every prompt is padded to, the chat template's among them."""
    return min(MAX_TEXT_TOKENS, int(pipe.tokenizer.model_max_length))


def text_mask(pipe: Any, prompts: Sequence[str]) -> np.ndarray:
    """Which text tokens are real and which are padding: bool, (n_prompts, n_text_tokens).

    >>> text_mask(pipe, ["a dancer"]).sum(axis=1)     # real tokens of each prompt

    Read off the tokenizer in the way the pipeline calls it. The transformer sees the padding.

    Raises
    ------
    InputError
        A prompt has more tokens than the pipeline reads; the pipeline itself would cut it silently.
    """
    limit = max_text_tokens(pipe)
    masks = []
    for prompt in prompts:
        message = [{"role": "user", "content": prompt}]
        text = pipe.tokenizer.apply_chat_template(
            message, tokenize=False, add_generation_prompt=True, enable_thinking=False
        )
        n_tokens = len(pipe.tokenizer(text)["input_ids"])
        if n_tokens > limit:
            raise InputError(
                f"The prompt {shorten(prompt)!r} has {n_tokens} tokens with the chat template; "
                f"this model reads at most {limit}. Shorten it."
            )
        masks.append(pipe.tokenizer(text, padding="max_length", max_length=limit)["attention_mask"])
    return np.array(masks, dtype=bool)


def encode(pipe: Any, prompts: Sequence[str]) -> torch.Tensor:
    """Text features, (n_prompts, n_text_tokens, width), one prompt at a time.

    A batch would hold the logits over the whole vocabulary, 155 MB a prompt for Klein; and a prompt's features would
    depend on the others.
    """
    import torch

    arguments = call_arguments(pipe)
    chosen = {key: arguments[key] for key in ("max_sequence_length", "text_encoder_out_layers")}
    with torch.no_grad():
        return torch.cat([pipe.encode_prompt(prompt=[prompt], **chosen)[0] for prompt in prompts])
