"""The decoders of a dense run: parts of left-out poses, the canonical code, and what a head's mean tells of the pose."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from plantain.data.bodies import Bodies
from plantain.data.figures import Figures
from plantain.data.folds import folds_of
from plantain.model.noise import sigmas_for
from plantain.model.text import encode
from plantain.probe.decoding import Forwards, figures_tokens, noised, parts_decoders, tokens_of
from plantain.probe.probe import Plan, denoise
from plantain.probe.tokens import ImageTokens, Reader

CODE_LEVEL = 0.5
"""Noise level at which given figures are read: low enough to see them, high enough that the model still draws."""


def iter_decoded(
    plan: Plan, noise: torch.Tensor, bodies: Bodies, figures: Figures | None, level: float = CODE_LEVEL
) -> Iterator[tuple[int, int, dict[str, np.ndarray]]]:
    """Run the decoders that the prompts allow: (done, total) forwards, and ``DenseResult.decoded`` at the end.

    *Deformation* and *figure*: fitted on the B sides of some poses and subjects, read on the others'. *Code*: fitted on
    canonical figures of varied place, turn and size, given at a noise level, read on expressive ones of other subjects.
    Nothing where fewer than three groups of pairs share neither subject nor pose.
    """
    folds = folds_of(plan.prompts)
    tokens = tokens_of(bodies, 1)
    usable = bodies.found.all(axis=1) & (tokens.counts.sum(axis=1) >= 3)
    if folds is None or usable.sum() < 3 or len(np.unique(folds[usable])) < 3:
        yield 0, 0, {}
        return
    stages = 1 if figures is None else 2
    total = stages * 2 * int(usable.sum())
    decoded: dict[str, np.ndarray] = {}
    pool, text = _Pool(plan), _text(plan)

    def run_b(p: int, read: Reader) -> None:
        pool.pair = p
        _forward(plan, [plan.prompts.pairs[p].b], noise, read)

    grid = bodies.body[:, 1]
    steps = parts_decoders(
        plan.head_map, Forwards(run_b, slice(0, 1), 0), tokens, tokens, (grid, grid), folds, usable, watch=pool
    )
    for done, _, scores in steps:
        if scores:
            names = {"parts": "deformation", "beyond": "deformation_beyond", "figure": "figure"}
            decoded |= {names[name]: values for name, values in scores.items()}
        yield done, total, {}
    decoded |= {"pooled": pool.values, "text": text}
    if figures is not None:
        for done, _, scores in _code(plan, noise, bodies, figures, level, folds, usable):
            if scores:
                names = {"parts": "code", "beyond": "code_beyond", "home": "code_home"}
                decoded |= {names[name]: values for name, values in scores.items() if name in names}
            yield total // 2 + done, total, {}
    yield total, total, decoded


def _code(
    plan: Plan,
    noise: torch.Tensor,
    bodies: Bodies,
    figures: Figures,
    level: float,
    folds: np.ndarray,
    usable: np.ndarray,
) -> Iterator[tuple[int, int, dict[str, np.ndarray]]]:
    n_variants = figures.canonical.shape[1]
    config = replace(plan.config, noise_levels=(level,), sigmas=None, guidance_scale=1.0)
    given = replace(plan, config=config, sigmas=sigmas_for(plan.pipe, (level,), *plan.size))
    fitted, read = figures_tokens(figures)

    def run(p: int, reader: Reader) -> None:
        pair = plan.prompts.pairs[p]
        pictures = np.concatenate([figures.canonical[p], figures.expressive[p : p + 1]])
        _forward(given, [pair.a] * n_variants + [pair.b], noised(plan.pipe, pictures, noise, level), reader)

    forwards = Forwards(run, slice(0, n_variants), n_variants)
    grids = figures.canonical_body.reshape(-1, *figures.canonical_body.shape[2:]), figures.expressive_body
    home = tokens_of(bodies, 0)
    yield from parts_decoders(plan.head_map, forwards, fitted, read, grids, folds, usable, home)


def _forward(plan: Plan, prompts: list[str], latents: torch.Tensor, read: Reader) -> None:
    """One forward under a reader; a prompt given several times is encoded once."""
    known = dict.fromkeys(prompts)
    features = dict(zip(known, encode(plan.pipe, list(known)), strict=True))
    negative = encode(plan.pipe, [""]) if plan.config.guidance_scale > 1 else None
    with ImageTokens(plan.pipe.transformer, read):
        denoise(plan, torch.stack([features[prompt] for prompt in prompts]), latents, negative)


class _Pool:
    """A reader of every attention head's mean over image tokens: ``values`` (P, A, C)."""

    def __init__(self, plan: Plan) -> None:
        heads = plan.head_map
        self._n, self._c = heads.n_attention_heads, heads.head_width
        self.values = np.zeros((len(plan.prompts), heads.n_heads("head"), heads.head_width), np.float32)
        self.pair = 0

    def __call__(self, block: int, x: torch.Tensor) -> None:
        mean = x[0, :, : self._n * self._c].float().mean(dim=0)
        self.values[self.pair, block * self._n : (block + 1) * self._n] = mean.view(self._n, self._c).cpu().numpy()


def _text(plan: Plan) -> np.ndarray:
    """Text features of every B, their mean over real tokens: float32 (P, W)."""
    rows = []
    for pair, mask in zip(plan.prompts.pairs, plan.masks[:, 1], strict=True):
        features: Any = encode(plan.pipe, [pair.b])[0].float().cpu().numpy()
        rows.append(features[mask].mean(axis=0))
    return np.stack(rows).astype(np.float32)
