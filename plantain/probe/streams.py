"""Which stream each token is in (image, text, padding), and the mean square of every run of channels over each.

Letters: B batch, T token, C channel, S stream, R run of channels.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch

from plantain.errors import InputError

# Float32 values squared at a time, on a CPU as many as are added to: 1 MB stays near the cores, of two half in the
# second-level cache of each; a GPU wants long rows.
_SCRATCH_VALUES = {"cpu": 2**18, "gpu": 2**24}


def new_scratch(device: torch.device) -> torch.Tensor:
    """Room for squares, float32."""
    with torch.inference_mode(False):  # else it could not be written to outside that mode
        n_values = _SCRATCH_VALUES["cpu" if device.type == "cpu" else "gpu"]
        return torch.empty(n_values, dtype=torch.float32, device=device)


@dataclass(frozen=True)
class Streams:
    """Which stream each token is in.

    ``member``: float32 (B, S, T), 1 where a token is in a stream. ``ranges``: (start, stop, stream) of tokens that are
    in the same stream in every row of the batch; None for those of which it goes by the row.
    """

    member: torch.Tensor
    ranges: tuple[tuple[int, int, int | None], ...]

    @cached_property
    def counts(self) -> torch.Tensor:
        """(B, S, 1), at least 1: a stream without tokens is 0 and not nothing."""
        return self.member.sum(dim=2, keepdim=True).clamp(min=1)


def streams_of(image: torch.Tensor, text: torch.Tensor, mask: torch.Tensor | None) -> dict[str, Streams]:
    """Streams of image tokens, of text tokens, and of both in the order [text, image]."""
    batch, n_image, n_text = image.shape[0], image.shape[1], text.shape[1]
    if mask is None:
        mask, n_text_streams = torch.ones(batch, n_text, dtype=torch.bool), 1
    else:
        if tuple(mask.shape) != (batch, n_text):
            raise InputError(f"text_mask has the shape {tuple(mask.shape)}; this forward has {(batch, n_text)}.")
        n_text_streams = 2
    of_text = torch.stack([mask, ~mask], dim=1)[:, :n_text_streams]
    of_image = torch.ones(batch, 1, n_image, dtype=torch.bool)
    both = torch.zeros(batch, 1 + n_text_streams, n_text + n_image, dtype=torch.bool)
    both[:, 1:, :n_text], both[:, :1, n_text:] = of_text, of_image
    named = {"image": of_image, "text": of_text, "both": both}
    return {name: Streams(found.to(image.device, torch.float32), _ranges(found)) for name, found in named.items()}


def _ranges(member: torch.Tensor) -> tuple[tuple[int, int, int | None], ...]:
    """Of (B, S, T) on the CPU; a token is in one stream of its row, or in none."""
    in_all, in_some = member.all(dim=0), member.any(dim=0)  # (S, T)
    streams = torch.where(in_all.any(dim=0), in_all.int().argmax(dim=0), -1)
    streams[~in_some.any(dim=0)] = -2  # in none at all
    values = streams.tolist()
    found, start = [], 0
    for stop in range(1, len(values) + 1):
        if stop == len(values) or values[stop] != values[start]:
            if values[start] != -2:
                found.append((start, stop, None if values[start] == -1 else values[start]))
            start = stop
    return tuple(found)


def mean_square_of(x: torch.Tensor, streams: Streams, channels: int, scratch: torch.Tensor) -> torch.Tensor:
    """(B, T, C) -> (B, S, R): square in float32, average over tokens, then over runs of channels.

    A few tokens at a time, so that what is added to stays in the cache and no temporary of the activation's size is
    made: faster, closer to float64, and no peak of its own.
    """
    batch, _, width = x.shape
    total = torch.zeros(batch, streams.member.shape[1], width, device=x.device)
    for start, stop, stream in streams.ranges:
        some = x[:, start:stop]
        if stream is None:
            add_mixed(total, streams.member[:, :, start:stop], some, scratch)
        elif x.device.type == "cpu":
            total[:, stream] += sum_by_rows(some, scratch)
        else:
            total[:, stream] += sum_at_once(some, scratch)
    return total.unflatten(-1, (-1, channels)).sum(dim=-1).div_(streams.counts * channels)


def sum_by_rows(x: torch.Tensor, scratch: torch.Tensor) -> torch.Tensor:
    """Sum of squares over tokens, (B, T, C) -> (B, C) in float32, for a CPU.

    Rows times themselves are added to rows that stay in the cache: one pass over ``x``, and no square is ever written.
    """
    batch, n_tokens, width = x.shape
    room, upcast = (scratch, None) if x.dtype == torch.float32 else scratch.tensor_split(2)
    n_rows = min(n_tokens, max(1, room.numel() // (batch * width)))
    added = _like(x[:, :n_rows], room)
    for start in range(0, n_tokens, n_rows):
        some = x[:, start : start + n_rows]
        if upcast is not None:
            some = _like(some, upcast).copy_(some)
        if start == 0:
            torch.mul(some, some, out=added)
        else:
            added[:, : some.shape[1]].addcmul_(some, some)
    return added.sum(dim=1)


def sum_at_once(x: torch.Tensor, scratch: torch.Tensor) -> torch.Tensor:
    """The same for a GPU, which wants long rows."""
    return sum(
        (_squares(some, scratch).sum(dim=1) for some in _pieces(x, scratch)), start=torch.zeros((), device=x.device)
    )


def add_mixed(total: torch.Tensor, member: torch.Tensor, x: torch.Tensor, scratch: torch.Tensor) -> None:
    """total (B, S, C) += member (B, S, T) · squares of x (B, T, C), for tokens that are in different streams by row."""
    start = 0
    for some in _pieces(x, scratch):
        squares, rows = _squares(some, scratch), member[:, :, start : start + some.shape[1]]
        add = add_by_product if x.device.type == "cpu" else add_by_sums
        add(total, rows, squares)
        start += some.shape[1]


def _pieces(x: torch.Tensor, scratch: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """As many tokens at a time as ``scratch`` holds."""
    return x.split(max(1, scratch.numel() // (x.shape[0] * x.shape[2])), dim=1)


def _squares(x: torch.Tensor, scratch: torch.Tensor) -> torch.Tensor:
    squares = _like(x, scratch)
    if x.dtype == torch.float32:
        return torch.mul(x, x, out=squares)
    return squares.copy_(x).mul_(squares)  # upcast first: a square has twice the digits


def _like(x: torch.Tensor, scratch: torch.Tensor) -> torch.Tensor:
    """Room for as many float32 values; of one token of a very large batch the scratch may not have it."""
    size = x.numel()
    return (scratch[:size] if size <= scratch.numel() else scratch.new_empty(size)).view(x.shape)


def add_by_product(total: torch.Tensor, weights: torch.Tensor, squares: torch.Tensor) -> None:
    """total (B, S, C) += weights (B, S, T) · squares (B, T, C): on a CPU the fastest sum over a middle axis."""
    with torch.autocast("cpu", enabled=False):  # it would round to bfloat16
        total.baddbmm_(weights, squares)


def add_by_sums(total: torch.Tensor, weights: torch.Tensor, squares: torch.Tensor) -> None:
    """The same by sums: on a GPU a product may run in TF32, with 10 bits, as the process is set; sums never do."""
    for stream, row in enumerate(weights.unbind(1)):
        total[:, stream] += (squares * row.unsqueeze(-1)).sum(dim=1)
