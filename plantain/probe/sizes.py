"""How far a head's values shift between the prompts of a pair, and how far what it writes does."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from plantain.data.heads import HeadMap
from plantain.model.features import encode
from plantain.probe.probe import Plan, check_finite, forward, noise_of
from plantain.probe.tokens import ImageTokens


def shift_sizes(plan: Plan) -> np.ndarray:
    """‖Δx‖ and ‖W_out Δx‖ over image tokens, of card heads and then attention heads: float32, (2, n_pairs, R + A).

    >>> norm, write = shift_sizes(plan)

    Δx is B − A of a head's channels where its block's output projection reads them; W_out its columns there, without
    the block's gate, which all heads of a block share. One step; with guidance the prompt's pass alone.

    Raises InputError: activations that are not finite.
    """
    reader = _Sizes(plan)
    noise = noise_of(plan.pipe, plan.config.seed, plan.size)
    negative = encode(plan.pipe, [""]) if plan.config.guidance_scale > 1 else None
    step = max(1, plan.batch_size // 2)
    for start in range(0, len(plan.prompts), step):
        batch = slice(start, min(start + step, len(plan.prompts)))
        reader.batch = batch
        with ImageTokens(plan.pipe.transformer, reader):
            values, _ = forward(plan, plan.features(batch), plan.masks[batch], noise, negative)
        check_finite(values, plan.prompts, batch)
    return reader.sizes


class _Sizes:
    """A ``Reader`` that keeps two numbers a pair and head."""

    def __init__(self, plan: Plan) -> None:
        self._heads: HeadMap = plan.head_map
        transformer = plan.pipe.transformer
        joint = [block.attn.to_out[0] for block in transformer.transformer_blocks]
        self._projections: list[Any] = [*joint, *(b.attn.to_out for b in transformer.single_transformer_blocks)]
        n = self._heads.n_runs + self._heads.n_heads("head")
        self.sizes = np.zeros((2, len(plan.prompts), n), np.float32)
        self.batch = slice(0, 0)

    def __call__(self, block: int, x: torch.Tensor) -> None:
        heads, n = self._heads, self._heads.n_attention_heads
        weight = self._projections[block].weight.float()  # (D, C)
        attention = slice(0, n * heads.head_width)
        first = heads.n_runs + block * n
        for pair, (a, b) in enumerate(zip(x[0::2], x[1::2], strict=True)):  # a pair at a time: MLPs are wide
            shift = (b.float() - a.float()).unsqueeze(0)  # (1, N, C)
            for where, width, channels in (
                (heads.runs_of(block), heads.channels_per_head, slice(None)),
                (slice(first, first + n), heads.head_width, attention),
            ):
                some = shift[0, :, channels].unflatten(-1, (-1, width))  # (N, H, c)
                columns = weight[:, channels].unflatten(-1, (-1, width))  # (D, H, c)
                # ‖W d‖² = dᵀ(WᵀW)d, so that nothing as wide as the stream is made for every head.
                gram = torch.einsum("dhc,dhe->hce", columns, columns)
                covariance = torch.einsum("nhc,nhe->hce", some, some)
                write = (gram * covariance).sum(dim=(1, 2)).clamp(min=0).sqrt()
                self.sizes[0, self.batch.start + pair, where] = some.square().sum(dim=(0, 2)).sqrt().cpu().numpy()
                self.sizes[1, self.batch.start + pair, where] = write.cpu().numpy()
