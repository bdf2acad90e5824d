"""Which stream each token is in (image, text, padding), and the mean square of every run of channels over each.

Letters: B batch, T token, C channel, S stream, R run of channels.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch

from plantain.errors import InputError

# Values made float32 at a time where the kernel reads no other: 1 MB, which stays near the core.
_PIECE = 2**18
# Tokens that one product adds up.
_MOST_TOKENS = 1024


@dataclass(frozen=True)
class Streams:
    """Which stream each token is in: ``member`` is float32 (B, S, T), 1 where a token is in a stream, else 0."""

    member: torch.Tensor

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
    both = torch.zeros(batch, 1 + n_text_streams, n_text + n_image)
    both[:, 0, n_text:] = 1
    both[:, 1:, :n_text] = torch.stack([mask, ~mask], dim=1)[:, :n_text_streams]
    both = both.to(image.device)
    parts = {"image": both[:, :1, n_text:], "text": both[:, 1:, :n_text], "both": both}
    return {name: Streams(member) for name, member in parts.items()}


def mean_square_of(x: torch.Tensor, streams: Streams, channels: int) -> torch.Tensor:
    """(B, T, C) -> (B, S, R): the mean of squares over a stream's tokens and a run's channels, in float32."""
    squares = squares_of(x, channels)
    return sums_of(streams.member, squares).div_(streams.counts * channels)


def squares_of(x: torch.Tensor, channels: int) -> torch.Tensor:
    """(B, T, C) -> (B, T, R): the sum of squares of every run of channels of every token, in float32.

    One kernel that reads ``x`` once and writes a value a run: no square is ever written, as an elementwise product
    would, and no activation is copied. On a CPU it takes float32 alone, so another dtype is made that in pieces; a GPU
    upcasts as it reads.
    """
    runs = x.unflatten(-1, (-1, channels))
    if x.dtype == torch.float32 or (x.device.type != "cpu" and x.dtype in (torch.float16, torch.bfloat16)):
        return torch.linalg.vector_norm(runs, dim=-1, dtype=torch.float32).square_()
    pieces = runs.split(max(1, _PIECE // (x.shape[0] * x.shape[2])), dim=1)
    return torch.cat([torch.linalg.vector_norm(piece.float(), dim=-1) for piece in pieces], dim=1).square_()


def sums_of(member: torch.Tensor, squares: torch.Tensor) -> torch.Tensor:
    """(B, S, T) · (B, T, R) -> (B, S, R), to the digits of float32 whatever a process allows its products.

    A product on a CPU, of so many tokens that its error does not grow with them, and handed its ``out``, or autocast
    would round its factors. Sums elsewhere: a GPU's product may run in TF32, of 10 bits.
    """
    if squares.device.type != "cpu" or member.shape[1] == 1:  # one row a product adds up one after the other
        return torch.stack([(squares * row.unsqueeze(-1)).sum(dim=1) for row in member.unbind(1)], dim=1)
    shape = len(member), member.shape[1], squares.shape[2]
    pieces = zip(member.split(_MOST_TOKENS, dim=2), squares.split(_MOST_TOKENS, dim=1), strict=True)
    first, *more = [torch.bmm(weights, some, out=squares.new_empty(shape)) for weights, some in pieces]
    return sum(more, start=first)
