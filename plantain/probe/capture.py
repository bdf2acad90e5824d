"""Capture: the mean square of every run of channels entering an attention output projection.

Pre-hooks reduce on the spot, in float32, and keep nothing else: from (B, T, C) activations to
(B, S, R) mean squares. Letters: B batch, T token, C channel, S stream, R run of channels.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch

from plantain.data.heads import HeadMap
from plantain.errors import InputError

# Float32 values squared at a time: 1 MB stays in a core's second-level cache; a GPU wants long rows.
_SCRATCH_VALUES = {"cpu": 2**18, "gpu": 2**24}


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

    Raises InputError: a transformer without these projections, or a mask of another shape than the text tokens. Raises
    RuntimeError on reading ``mean_square`` when a hook fired more or less than once in a forward.
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
        self._mask = None if text_mask is None else torch.as_tensor(np.asarray(text_mask), dtype=torch.bool)
        self._handles: list[torch.utils.hooks.RemovableHandle] = []
        # One dictionary a forward: projection name -> (B, S, R) mean squares, on the model's device.
        self._forwards: list[dict[str, torch.Tensor]] = []
        self._weights: dict[str, torch.Tensor] = {}
        self._scratch: torch.Tensor | None = None
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
        self._scratch = None

    def _begin_forward(self, module: torch.nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        image = kwargs["hidden_states"] if "hidden_states" in kwargs else args[0]
        text = kwargs["encoder_hidden_states"] if "encoder_hidden_states" in kwargs else args[1]
        self._forwards.append({})
        self._weights = _stream_weights(image, text, self._mask)

    def _reduce(self, name: str, tokens: str, module: torch.nn.Module, args: tuple[torch.Tensor, ...]) -> None:
        if not self._forwards:
            return  # a block called by itself, outside a forward of the transformer
        forward = self._forwards[-1]
        if name in forward:
            raise RuntimeError(f"{name} fired twice in one forward; capture does not know this model.")
        with torch.no_grad():
            if self._scratch is None or self._scratch.device != args[0].device:
                with torch.inference_mode(False):  # else it could not be written to outside that mode
                    n_values = _SCRATCH_VALUES["cpu" if args[0].device.type == "cpu" else "gpu"]
                    self._scratch = torch.empty(n_values, dtype=torch.float32, device=args[0].device)
            channels = self.head_map.channels_per_head
            forward[name] = _weighted_mean_square(args[0], self._weights[tokens], channels, self._scratch)

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


def _stream_weights(image: torch.Tensor, text: torch.Tensor, mask: torch.Tensor | None) -> dict[str, torch.Tensor]:
    """Averaging weights (B, S, T) for image tokens, text tokens, and both in the order [text, image]."""
    batch, n_image, n_text, device = image.shape[0], image.shape[1], text.shape[1], image.device
    if mask is None:
        mask = torch.ones(batch, n_text, dtype=torch.bool)
        in_stream = mask[:, None]
    else:
        if tuple(mask.shape) != (batch, n_text):
            raise InputError(f"text_mask has the shape {tuple(mask.shape)}; this forward has {(batch, n_text)}.")
        in_stream = torch.stack([mask, ~mask], dim=1)
    weights = in_stream.to(device=device, dtype=torch.float32)
    weights = weights / weights.sum(dim=2, keepdim=True).clamp(min=1)  # (B, 1 or 2, T_text)
    image_weights = torch.full((batch, 1, n_image), 1.0 / n_image, device=device)
    both = torch.zeros(batch, 1 + weights.shape[1], n_text + n_image, device=device)
    both[:, :1, n_text:] = image_weights
    both[:, 1:, :n_text] = weights
    return {"image": image_weights, "text": weights, "both": both}


def _weighted_mean_square(x: torch.Tensor, weights: torch.Tensor, channels: int, scratch: torch.Tensor) -> torch.Tensor:
    """(B, T, C) -> (B, S, R): square in float32, average over tokens, then over runs of channels.

    A few tokens at a time through ``scratch``, so that squares stay in the cache and no temporary
    of the activation's size is made: faster, closer to float64, and no peak of its own.
    """
    batch, n_tokens, width = x.shape
    step = max(1, scratch.numel() // (batch * width))
    total = torch.zeros(batch, weights.shape[1], width, device=x.device)
    for start in range(0, n_tokens, step):
        some = x[:, start : start + step]
        size = some.numel()
        # One token of a very large batch may not fit the scratch; then it is made for the moment.
        squares = (scratch[:size] if size <= scratch.numel() else scratch.new_empty(size)).view(some.shape)
        if some.dtype == torch.float32:
            torch.mul(some, some, out=squares)
        else:
            squares.copy_(some).mul_(squares)  # upcast first: a square has twice the digits
        add = add_by_product if x.device.type == "cpu" else add_by_sums
        add(total, weights[:, :, start : start + step], squares)
    return total.unflatten(-1, (-1, channels)).mean(dim=-1)


def add_by_product(total: torch.Tensor, weights: torch.Tensor, squares: torch.Tensor) -> None:
    """total (B, S, C) += weights (B, S, T) · squares (B, T, C): on a CPU the fastest sum over a middle axis."""
    with torch.autocast("cpu", enabled=False):  # it would round to bfloat16
        total.baddbmm_(weights, squares)


def add_by_sums(total: torch.Tensor, weights: torch.Tensor, squares: torch.Tensor) -> None:
    """The same by sums: on a GPU a product may run in TF32, with 10 bits, as the process is set; sums never do."""
    for stream, row in enumerate(weights.unbind(1)):
        total[:, stream] += (squares * row.unsqueeze(-1)).sum(dim=1)
