"""Prompts as a pipeline reads them: tokens, padding, text features, and the arguments of its calls."""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Sequence
from typing import Any

import numpy as np

from plantain.errors import InputError
from plantain.model.names import DRAW_GUIDANCE, DRAW_STEPS, EMBEDDED, EMBEDDED_MODELS
from plantain.wording import shorten

MAX_TEXT_TOKENS = 512  # Klein's
_ANY_TEXT = "a dancer on a stage"  # short: there are tokenizers of few tokens


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
        "text_encoder_out_layers": layers_read(depth),
        "max_sequence_length": max_text_tokens(pipe),
        "height": height,
        "width": width,
    }


def layers_read(depth: int) -> tuple[int, int, int]:
    """Layers of a text encoder whose outputs are the text features: 9, 18 and 27 of Qwen3-4B's 36.

    >>> layers_read(36)
    (9, 18, 27)
    """
    return depth // 4, depth // 2, 3 * depth // 4


def drawing_defaults(pipe: Any) -> tuple[int, float]:
    """Steps and guidance with which a model draws when nothing else is asked of it.

    >>> drawing_defaults(plantain.load_pipeline("posebox"))
    (12, 1.5)

    An embedded model's own, also of one in a folder that was trained as it was; else the pipeline's defaults, for Klein
    base 50 and 4.0. A distilled pipeline has four steps and no guidance, whatever its signature says.
    """
    source = getattr(pipe, "plantain_source", None) or {}
    if source.get("model") in EMBEDDED_MODELS or source.get("world") == EMBEDDED:
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
    return tokenize(pipe, prompts)[1]


def tokenize(pipe: Any, prompts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Token ids, int64, and which are real, bool, both (n_prompts, n_text_tokens); raises as ``text_mask``.

    >>> ids, real = tokenize(pipe, ["a dancer"])
    """
    limit, messages = max_text_tokens(pipe), [[{"role": "user", "content": prompt}] for prompt in prompts]
    texts = pipe.tokenizer.apply_chat_template(
        messages, tokenize=False, add_generation_prompt=True, enable_thinking=False
    )
    padded = pipe.tokenizer(texts, padding="max_length", max_length=limit)
    for prompt, ids in zip(prompts, padded["input_ids"], strict=True):
        if len(ids) > limit:
            raise InputError(
                f"The prompt {shorten(prompt)!r} has {len(ids)} tokens with the chat template; "
                f"this model reads at most {limit}. Shorten it."
            )
    return np.array(padded["input_ids"], dtype=np.int64), np.array(padded["attention_mask"], dtype=bool)


def tokenizer_digest(pipe: Any) -> str:
    """12 digits of the SHA-256 of the tokens that a text becomes, chat template and padding among them.

    >>> tokenizer_digest(pipe)

    A tokenizer has no weights, so that their fingerprint does not tell one from another.
    """
    ids, _ = tokenize(pipe, [_ANY_TEXT])
    return hashlib.sha256(ids.tobytes()).hexdigest()[:12]
