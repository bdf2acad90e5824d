"""Capture: the mean square of every run of channels entering an attention output projection.

Pre-hooks reduce on the spot, in float32, and keep nothing else: from (B, T, C) activations to
(B, S, R) mean squares (letters: plantain/probe/streams.py).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch

from plantain.data.heads import HeadMap
from plantain.errors import InputError
from plantain.model.compiled import refuse_compiled
from plantain.probe.streams import Streams, mean_square_of, streams_of


class HeadCapture:
    """Hooks on all output projections of a Flux2 transformer, for the time of a ``with`` block.

    >>> with plantain.HeadCapture(pipe.transformer) as capture:
    ...     pipe(prompt=prompt, **plantain.call_arguments(pipe))
    >>> capture.mean_square.shape            # one forward a step: (n_forwards, batch, 2, n_runs)

    Hooked are ``attn.to_out[0]`` (image tokens) and ``attn.to_add_out`` (text tokens) of every joint block, and
    ``attn.to_out`` (text and image tokens, attention and MLP channels) of every single block. ``channels_per_head``
    must divide the head width and the MLP width. ``text_mask``, bool of shape (batch, n_text_tokens), is True at real
    tokens (``plantain.model.text.text_mask`` gives it): the streams are then [image, text, padding]; without it they
    are [image, text], padding within the text.

    Raises InputError: a transformer that is compiled or lacks these projections, or a mask of another shape than the
    text tokens. Raises RuntimeError on reading ``mean_square`` when a hook fired more or less than once in a forward.
    """

    def __init__(self, transformer: Any, channels_per_head: int = 16, text_mask: Any = None) -> None:
        self._transformer = transformer
        try:
            self.head_map = HeadMap.from_transformer(transformer, channels_per_head)
            self._projections()
        except (AttributeError, IndexError, TypeError) as error:  # FLUX.1 has such blocks too, with other parts
            name = type(transformer).__name__
            raise InputError(
                f"Expected a Flux2 transformer with its output projections; got {name} ({error})."
            ) from error
        refuse_compiled(transformer, "transformer")
        self._mask = None if text_mask is None else torch.as_tensor(np.asarray(text_mask), dtype=torch.bool)
        self._handles: list[torch.utils.hooks.RemovableHandle] = []
        # One dictionary a forward: projection name -> (B, S, R) mean squares, on the model's device.
        self._forwards: list[dict[str, torch.Tensor]] = []
        self._streams: dict[str, Streams] = {}
        self._cached: np.ndarray | None = None

    def __enter__(self) -> HeadCapture:
        self._forwards.clear()
        self._cached = None
        try:
            self._add_hooks()
        except BaseException:
            self._remove_hooks()
            raise
        return self

    def __exit__(self, *raised: object) -> None:
        self._remove_hooks()

    @property
    def mean_square(self) -> np.ndarray:
        """Float32, (n_forwards, batch, n_streams, n_runs), in the order of ``head_map``.

        A stream without tokens is 0. With guidance above 1 a step makes two forwards, the prompt's and the empty
        prompt's.
        """
        if self._cached is None or len(self._cached) != len(self._forwards):
            if not self._forwards:
                raise RuntimeError("Nothing was captured: call the pipeline inside the with block.")
            self._cached = np.stack([self._assemble_forward(forward) for forward in self._forwards])
        return self._cached

    def _add_hooks(self) -> None:
        def hook(module: torch.nn.Module, function: Callable[..., None], **options: bool) -> None:
            self._handles.append(module.register_forward_pre_hook(function, **options))

        hook(self._transformer, self._begin_forward, with_kwargs=True)
        for name, tokens, module in self._projections():
            hook(module, partial(self._reduce, name, tokens))

    def _projections(self) -> list[tuple[str, str, torch.nn.Module]]:
        """Name, tokens that enter, and module of every output projection."""
        found = []
        for i, block in enumerate(self._transformer.transformer_blocks):
            found.append((f"joint[{i}].to_out", "image", block.attn.to_out[0]))
            found.append((f"joint[{i}].to_add_out", "text", block.attn.to_add_out))
        for i, block in enumerate(self._transformer.single_transformer_blocks):
            found.append((f"single[{i}].to_out", "both", block.attn.to_out))
        return found

    def _remove_hooks(self) -> None:
        while self._handles:
            self._handles.pop().remove()

    def _begin_forward(self, module: torch.nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        image = kwargs["hidden_states"] if "hidden_states" in kwargs else args[0]
        text = kwargs["encoder_hidden_states"] if "encoder_hidden_states" in kwargs else args[1]
        self._forwards.append({})
        self._streams = streams_of(image, text, self._mask)

    def _reduce(self, name: str, tokens: str, module: torch.nn.Module, args: tuple[torch.Tensor, ...]) -> None:
        if not self._forwards:
            return  # a block called by itself, outside a forward of the transformer
        forward = self._forwards[-1]
        if name in forward:
            raise RuntimeError(f"{name} fired twice in one forward; capture does not know this model.")
        with torch.no_grad():
            forward[name] = mean_square_of(args[0], self._streams[tokens], self.head_map.channels_per_head)

    def _assemble_forward(self, forward: dict[str, torch.Tensor]) -> np.ndarray:
        joint = [(f"joint[{i}].to_out", f"joint[{i}].to_add_out") for i in range(self.head_map.n_joint)]
        single = [f"single[{i}].to_out" for i in range(self.head_map.n_single)]
        expected = [name for names in joint for name in names] + single
        missing = [name for name in expected if name not in forward]
        if missing:
            raise RuntimeError(
                f"{len(missing)} of {len(expected)} hooks did not fire ({', '.join(missing[:5])}); "
                "the forward was interrupted, or the model skips these projections."
            )
        blocks = [torch.cat([forward[image], forward[text]], dim=1) for image, text in joint]  # (B, S, R)
        blocks += [forward[name] for name in single]
        return torch.cat(blocks, dim=2).cpu().numpy()
