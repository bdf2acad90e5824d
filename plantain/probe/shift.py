"""The shift of one pair: every attention head's, token by token, from one forward under both prompts."""

from dataclasses import replace
from typing import Any

import numpy as np
import torch

from plantain.data.heads import HeadMap
from plantain.data.prompts import PromptPair, PromptSet
from plantain.data.settings import ProbeConfig
from plantain.errors import InputError
from plantain.model.features import encode
from plantain.model.noise import latent_grid
from plantain.probe.dense import dense_plan
from plantain.probe.probe import denoise, noise_of
from plantain.probe.tokens import ImageTokens


def pair_shift(pipe: Any, pair: PromptPair, config: ProbeConfig) -> np.ndarray:
    """How far apart every attention head's output lies under A and B, at every image token.

    >>> pair_shift(pipe, prompts.pairs[0], plantain.ProbeConfig(seed=0)).shape     # Posebox
    (75, 8, 8)

    ‖b − a‖ over the head's channels, where its block's output projection reads them: float32 (attention heads, rows,
    columns), in the order of ``head_map.table("head")``. Both prompts run in one forward under the noise of
    ``config.seed``, the first of its seeds; with guidance the prompt's pass alone is read.

    Raises
    ------
    InputError
        A prompt too long for the model, a size it does not allow, several steps, or activations that are not finite.
    """
    plan = dense_plan(pipe, PromptSet("pair", (pair,)), replace(config, n_seeds=1))
    reader = _Shifts(plan.head_map)
    negative = encode(pipe, [""]) if config.guidance_scale > 1 else None
    with ImageTokens(pipe.transformer, reader):
        denoise(plan, plan.features(slice(0, 1)), noise_of(pipe, config.seed, plan.size), negative)
    found = np.concatenate(reader.blocks)
    if not np.isfinite(found).all():
        raise InputError(
            "The activations of this pair are not all finite; load the model in another dtype (float32, bfloat16), or "
            "with sound weights."
        )
    return found.reshape(-1, *latent_grid(pipe, *plan.size))


class _Shifts:
    """A ``Reader`` of one pair that keeps a number a head and token."""

    def __init__(self, head_map: HeadMap) -> None:
        self._heads, self._width = head_map.n_attention_heads, head_map.head_width
        self.blocks: list[np.ndarray] = []  # (heads of a block, N)

    def __call__(self, block: int, x: torch.Tensor) -> None:
        a, b = x[..., : self._heads * self._width].float()  # in a single block the MLP's channels come after
        apart = (b - a).unflatten(-1, (self._heads, self._width)).norm(dim=-1)
        self.blocks.append(apart.T.cpu().numpy())
