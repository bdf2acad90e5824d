"""Text features as the transformer reads them: batches of prompts through as much of the text encoder as it takes."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from functools import partial
from typing import Any

import numpy as np
import torch

from plantain.model.compiled import refuse_compiled
from plantain.model.identity import execution_device
from plantain.model.text import call_arguments, max_text_tokens, tokenize

# Tokens of a batch: enough to keep the device busy; on a CPU more only makes larger temporaries.
_BATCH_TOKENS = {"cpu": 4096, "gpu": 16_384}
# Features of prompts already encoded, kept for prompts that come again: of Klein's one takes 8 MB.
_KEPT_BYTES = 2**29


class Features:
    """Text features of a set's prompts, each distinct one encoded once, when it is first asked for.

    >>> features = Features(pipe, prompts.prompts)
    >>> features.of([prompts.pairs[0].a, prompts.pairs[0].b]).shape     # (2, text tokens, width)

    Which prompts share a batch goes by the set alone, not by where a run begins: a resumed run has the very bits of an
    uninterrupted one.
    """

    def __init__(self, pipe: Any, prompts: Sequence[str]) -> None:
        self._pipe, self._prompts = pipe, list(dict.fromkeys(prompts))
        self._place = {prompt: i for i, prompt in enumerate(self._prompts)}
        self._tokens = tokenize(pipe, self._prompts)
        self.device = execution_device(pipe)
        self._size = batch_size(pipe, self.device)
        self._kept: OrderedDict[int, torch.Tensor] = OrderedDict()  # by batch

    def of(self, prompts: Sequence[str]) -> torch.Tensor:
        """Features of some of the set's prompts, (n, text tokens, width), in their order."""
        places = [divmod(self._place[prompt], self._size) for prompt in prompts]
        return torch.stack([self._batch(batch)[row] for batch, row in places])

    def mask(self, prompts: Sequence[str]) -> np.ndarray:
        """Which of their tokens are real: bool, (n, text tokens)."""
        return self._tokens[1][[self._place[prompt] for prompt in prompts]]

    def _batch(self, batch: int) -> torch.Tensor:
        if batch not in self._kept:
            some = slice(batch * self._size, (batch + 1) * self._size)
            ids, real = self._tokens
            made = encode(self._pipe, self._prompts[some], (ids[some], real[some]), self.device)
            while self._kept and sum(kept.nbytes for kept in self._kept.values()) + made.nbytes > _KEPT_BYTES:
                self._kept.popitem(last=False)
            self._kept[batch] = made
        self._kept.move_to_end(batch)
        return self._kept[batch]


def batch_size(pipe: Any, device: torch.device) -> int:
    """Prompts that are encoded at once."""
    kind = "cpu" if device.type == "cpu" else "gpu"
    return max(1, _BATCH_TOKENS[kind] // max_text_tokens(pipe))


def encode(
    pipe: Any,
    prompts: Sequence[str],
    tokens: tuple[np.ndarray, np.ndarray] | None = None,
    device: torch.device | None = None,
) -> torch.Tensor:
    """Text features, (n_prompts, n_text_tokens, width), as ``pipe.encode_prompt`` gives them.

    >>> encode(pipe, ["a dancer", "a dancer leaping"]).shape

    The text encoder runs no further than the last layer that is read (of Qwen3-4B's 36 layers 27), and projects
    nothing on its vocabulary, which the pipeline does and never reads: 155 MB a prompt for Klein. ``tokens``, of the
    prompts as ``tokenize`` gives them, and ``device`` are found where they are left out.
    """
    arguments, device = call_arguments(pipe), device or execution_device(pipe)
    size = batch_size(pipe, device)
    layers: tuple[int, ...] = arguments["text_encoder_out_layers"]
    blocks = getattr(getattr(pipe.text_encoder, "model", None), "layers", None)
    with torch.no_grad():
        if blocks is None or max(layers) >= len(blocks):  # after its last layer an encoder norms what it gives
            chosen = {key: arguments[key] for key in ("max_sequence_length", "text_encoder_out_layers")}
            return torch.cat([pipe.encode_prompt(prompt=[prompt], **chosen)[0] for prompt in prompts])
        ids, real = map(torch.from_numpy, tokens or tokenize(pipe, prompts))
        batches = [slice(start, start + size) for start in range(0, len(ids), size)]
        return torch.cat([_read(pipe, layers, ids[some].to(device), real[some].to(device)) for some in batches])


class _EnoughError(Exception):
    """The last layer that is read has run."""


def _read(pipe: Any, layers: Sequence[int], ids: torch.Tensor, real: torch.Tensor) -> torch.Tensor:
    """Outputs of some layers, side by side: (n, tokens, len(layers) * width). Layer 0 is the embedding."""
    encoder, found = pipe.text_encoder, dict[int, torch.Tensor]()
    refuse_compiled(encoder, "text_encoder")

    def keep(layer: int, module: torch.nn.Module, args: Any, output: Any) -> None:
        found[layer] = output[0] if isinstance(output, tuple) else output
        if layer == max(layers):
            raise _EnoughError

    with ExitStack() as hooks:
        for layer in sorted(set(layers)):
            module = encoder.model.layers[layer - 1] if layer else encoder.get_input_embeddings()
            hooks.callback(module.register_forward_hook(partial(keep, layer)).remove)
        # The whole encoder is called: offloading hooks, which bring its weights in, hang on it.
        with suppress(_EnoughError):
            encoder(input_ids=ids, attention_mask=real.long(), use_cache=False)
    if len(found) < len(set(layers)):
        raise RuntimeError(f"Layers {sorted(set(layers) - set(found))} of the text encoder did not run.")
    return torch.cat([found[layer] for layer in layers], dim=-1).to(device=ids.device, dtype=encoder.dtype)
