"""The decoders of a dense run: parts of left-out poses, the canonical code, and every head's mean."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from plantain.data.bodies import Bodies
from plantain.data.figures import Figures
from plantain.data.folds import folds_of
from plantain.model.features import encode
from plantain.model.noise import sigmas_for
from plantain.probe.decoding import PartsReading, figures_tokens, noised, tokens_of
from plantain.probe.probe import Plan, denoise
from plantain.probe.tokens import ImageTokens, Reader
from plantain.stats.decode import MIN_TOKENS

CODE_LEVEL = 0.5
"""Noise level at which given figures are read: low enough to see them, high enough that the model still draws."""


def iter_decoded(
    plan: Plan,
    noise: torch.Tensor,
    bodies: Bodies,
    figures: Figures | None,
    level: float = CODE_LEVEL,
    blocks: Sequence[int] | None = None,
    hooks: type[ImageTokens] = ImageTokens,
) -> Iterator[tuple[int, int, dict[str, np.ndarray]]]:
    """Run the decoders that the prompts allow: (done, total) forwards, and ``DenseResult.decoded`` at the end.

    *Deformation* and *figure*: fitted on the B sides of some poses and subjects, read on the others'. *Code*: fitted on
    canonical figures of varied place, turn and size, given at a noise level, read on expressive ones of other subjects.
    Nothing where fewer than three groups of pairs share neither subject nor pose.
    """
    folds, tokens = folds_of(plan.prompts), tokens_of(bodies, 1)
    usable = bodies.found.all(axis=1) & (tokens.counts.sum(axis=1) >= MIN_TOKENS)
    if folds is None or len(np.unique(folds[usable])) < 3:
        yield 0, 0, {}
        return
    pairs = [int(p) for p in np.flatnonzero(usable)]
    total = len(pairs) * (2 if figures is None else 4)
    grid = bodies.body[:, 1]
    reading = PartsReading(plan.head_map, tokens, tokens, (grid, grid), folds, usable, blocks=blocks)
    pool, transformer = _Pool(plan), plan.pipe.transformer
    for n, p in enumerate(pairs, 1):
        pool.start(p, reading.adding(p, slice(0, 1)))
        _forward(plan, [plan.prompts.pairs[p].b], noise, hooks(transformer, pool, reading.blocks))
        yield n, total, {}
    reading.settle()
    for n, p in enumerate(pairs, len(pairs) + 1):
        _forward(plan, [plan.prompts.pairs[p].b], noise, hooks(transformer, reading.scoring(p, 0), reading.blocks))
        yield n, total, {}
    names = {"deformation": "parts", "deformation_beyond": "beyond", "figure": "figure"}
    decoded: dict[str, np.ndarray] = {name: reading.scores[score] for name, score in names.items()}
    decoded |= {"pooled": pool.values, "text": _text(plan)}
    if figures is not None:
        reading = _code_reading(plan, bodies, figures, folds, usable, blocks)
        given = _given(plan, level)
        v = figures.canonical.shape[1]
        for second in (False, True):
            for n, p in enumerate(pairs, len(pairs) * (3 if second else 2) + 1):
                pictures = np.concatenate([figures.canonical[p], figures.expressive[p : p + 1]])
                pair, latents = plan.prompts.pairs[p], noised(plan.pipe, pictures, noise, level)
                reader = reading.scoring(p, v) if second else reading.adding(p, slice(0, v))
                _forward(given, [pair.a] * v + [pair.b], latents, hooks(transformer, reader, reading.blocks))
                yield n, total, {}
            if not second:
                reading.settle()
        names = {"code": "parts", "code_beyond": "beyond", "code_home": "home"}
        decoded |= {name: reading.scores[score] for name, score in names.items()}
    yield total, total, decoded


def _code_reading(
    plan: Plan, bodies: Bodies, figures: Figures, folds: np.ndarray, usable: np.ndarray, blocks: Sequence[int] | None
) -> PartsReading:
    fitted, read = figures_tokens(figures)
    grids = figures.canonical_body.reshape(-1, *figures.canonical_body.shape[2:]), figures.expressive_body
    return PartsReading(plan.head_map, fitted, read, grids, folds, usable, tokens_of(bodies, 0), blocks)


def _given(plan: Plan, level: float) -> Plan:
    """The plan at a noise level, for latents that show a picture."""
    config = replace(plan.config, noise_levels=(level,), sigmas=None, guidance_scale=1.0)
    return replace(plan, config=config, sigmas=sigmas_for(plan.pipe, (level,), *plan.size))


def _forward(plan: Plan, prompts: list[str], latents: torch.Tensor, hooks: ImageTokens) -> None:
    """One forward under hooks; a prompt given several times is encoded once."""
    known = dict.fromkeys(prompts)
    features = dict(zip(known, encode(plan.pipe, list(known)), strict=True))
    negative = encode(plan.pipe, [""]) if plan.config.guidance_scale > 1 else None
    with hooks:
        denoise(plan, torch.stack([features[prompt] for prompt in prompts]), latents, negative)


class _Pool:
    """A reader of every attention head's mean over image tokens, ``values`` (P, A, C), that hands on to another."""

    def __init__(self, plan: Plan) -> None:
        heads = plan.head_map
        self._n, self._c = heads.n_attention_heads, heads.head_width
        self.values = np.zeros((len(plan.prompts), heads.n_heads("head"), heads.head_width), np.float32)

    def start(self, pair: int, then: Reader) -> None:
        """The pair of the forward that comes, and who reads it too."""
        self._pair, self._then = pair, then

    def __call__(self, block: int, x: torch.Tensor) -> None:
        self._then(block, x)
        mean = x[0, :, : self._n * self._c].float().mean(dim=0)
        self.values[self._pair, block * self._n : (block + 1) * self._n] = mean.view(self._n, self._c).cpu().numpy()


def _text(plan: Plan) -> np.ndarray:
    """Text features of every B, their mean over real tokens: float32 (P, W)."""
    rows = []
    for pair, mask in zip(plan.prompts.pairs, plan.masks[:, 1], strict=True):
        features: Any = encode(plan.pipe, [pair.b])[0].float().cpu().numpy()
        rows.append(features[mask].mean(axis=0))
    return np.stack(rows).astype(np.float32)
