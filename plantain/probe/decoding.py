"""Decoders: can body parts be named, token by token, from one head's values? Fitted from sums, read in a second pass.

Two passes over the same forwards, so that no activation is kept: the first adds up what a ridge needs of every head, fold
by fold; the second predicts the pairs left out and scores them in the hook. Letters: P pairs, N image tokens, K parts, A
attention heads, C channels of one, F folds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from plantain.data.bodies import Bodies
from plantain.data.figures import Figures
from plantain.data.heads import HeadMap
from plantain.errors import InputError
from plantain.probe.tokens import Reader
from plantain.stats.decode import MIN_TOKENS, centred_r, outline_features, own_minus_others
from plantain.stats.ridge import Decoder, Sums, fit

BODY_SHARE = 0.2
"""Share of a token that must be body for its parts to be asked for: a limb is thinner than a token of Posebox."""


@dataclass(frozen=True)
class Tokens:
    """Truth on the tokens of some pictures: which count, their parts given the body, and the body's share.

    parts : (n, N, K), body : (n, N), counts : bool (n, N)
    """

    parts: np.ndarray
    body: np.ndarray
    counts: np.ndarray

    @classmethod
    def of(cls, parts: np.ndarray, body: np.ndarray) -> Tokens:
        """Of shares on a grid, (n, rows, columns, K) and (n, rows, columns)."""
        n, k = len(parts), parts.shape[-1]
        flat, share = parts.reshape(n, -1, k).astype(np.float64), body.reshape(n, -1).astype(np.float64)
        counts = share > BODY_SHARE
        given = np.divide(flat, share[..., None], out=np.zeros_like(flat), where=counts[..., None])
        return cls(given, share, counts)


def beyond_outline(
    fitted: Tokens,
    fitted_grid: np.ndarray,
    fitted_folds: np.ndarray,
    read: Tokens,
    read_grid: np.ndarray,
    read_folds: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """What position and outline leave of the parts: of the rows to fit on, (F, n, N, K), and of those to read, (m, N, K).

    The outline's own ridge (``outline_features``) never sees the fold that is read, nor, for a row to fit on, that row's:
    residuals of both kinds are of rows that it has not seen. ``*_grid``: body shares on the grid.
    """
    features, to_read = outline_features(fitted_grid), outline_features(read_grid)
    n_folds = int(max(fitted_folds.max(), read_folds.max())) + 1
    sums = Sums.empty(n_folds, 1, features.shape[-1], fitted.parts.shape[-1])
    for i, fold in enumerate(fitted_folds):
        sums.add(fold, features[i][fitted.counts[i]][None], fitted.parts[i][fitted.counts[i]])
    left = np.zeros((n_folds, *fitted.parts.shape))
    residual = np.zeros_like(read.parts)
    for fold in range(n_folds):
        out = np.arange(n_folds) != fold
        mine = read_folds == fold
        residual[mine] = read.parts[mine] - _predicted(fit(sums, out), to_read[mine])
        for inner in range(n_folds):
            rows = fitted_folds == inner
            seen = out & (np.arange(n_folds) != inner)
            left[fold, rows] = fitted.parts[rows] - _predicted(fit(sums, seen), features[rows])
    return left, residual


def _predicted(decoder: Decoder, features: np.ndarray) -> np.ndarray:
    return features @ decoder.weights[0] + decoder.offset[0]


@dataclass(frozen=True)
class Forwards:
    """Forwards over all pairs, made as often as there are passes.

    Attributes
    ----------
    run : a pair's number and a reader in; runs the model under the reader on the pictures of that pair
    fit : of the prompts of that forward, those that decoders are fitted on
    read : of them, the one that is read
    """

    run: Callable[[int, Reader], None]
    fit: slice
    read: int


def parts_decoders(
    head_map: HeadMap,
    forwards: Forwards,
    fitted: Tokens,
    read: Tokens,
    grids: tuple[np.ndarray, np.ndarray],
    folds: np.ndarray,
    usable: np.ndarray,
    home: Tokens | None = None,
    watch: Reader | None = None,
) -> Iterator[tuple[int, int, dict[str, np.ndarray]]]:
    """Fit on some pictures of every pair, read another: (done, total) forwards, and scores (A, P) at the end.

    ``fitted`` holds V pictures a pair, one after the other. Scores: "parts", "beyond" (outline and position), "home"
    (own − the pair's canonical layout, where ``home`` is given), and "figure" (body or not, all tokens). ``watch`` reads
    the first pass along.
    """
    n_pairs, n_folds, k = len(folds), int(folds.max()) + 1, fitted.parts.shape[-1]
    variants = len(fitted.parts) // n_pairs
    left, residual = beyond_outline(fitted, grids[0], np.repeat(folds, variants), read, grids[1], folds)
    a, c = head_map.n_heads("head"), head_map.head_width
    parts = Sums.empty(n_folds, a, c, k * (1 + n_folds))
    figure = Sums.empty(n_folds, a, c, 1)
    total = 2 * int(usable.sum())
    done = 0
    for p in np.flatnonzero(usable):

        def add(block: int, x: torch.Tensor, p: int = int(p)) -> None:
            values, heads = _heads(head_map, block, x[forwards.fit])  # (V, n, N, C)
            for v in range(variants):
                row, counts = p * variants + v, fitted.counts[p * variants + v]
                targets = np.concatenate([fitted.parts[row], *left[:, row]], axis=-1)
                _add(parts, heads, folds[p], values[v][:, counts], targets[counts])
                _add(figure, heads, folds[p], values[v], fitted.body[row][:, None])
            if watch is not None:
                watch(block, x)

        forwards.run(int(p), add)
        done += 1
        yield done, total, {}
    decoders = [
        {
            "parts": fit(parts, np.arange(n_folds) != fold, slice(0, k)),
            "beyond": fit(parts, np.arange(n_folds) != fold, slice(k * (1 + fold), k * (2 + fold))),
            "figure": fit(figure, np.arange(n_folds) != fold),
        }
        for fold in range(n_folds)
    ]
    truths = {"parts": read.parts, "beyond": residual, "figure": read.body[..., None]}
    every = np.ones_like(read.counts)
    scores = {name: np.full((a, n_pairs), np.nan, np.float32) for name in (*truths, *(["home"] if home else []))}
    for p in np.flatnonzero(usable):

        def score(block: int, x: torch.Tensor, p: int = int(p)) -> None:
            values, heads = _heads(head_map, block, x[forwards.read][None])
            for name, truth in truths.items():
                decoder = decoders[folds[p]][name]
                predicted = values[0] @ decoder.weights[heads] + decoder.offset[heads][:, None]
                tokens = every if name == "figure" else read.counts
                scores[name][heads, p] = own_minus_others(predicted, p, truth, tokens, usable)
                if name == "parts" and home is not None:
                    both = read.counts[p] & home.counts[p]
                    if both.sum() >= MIN_TOKENS:
                        own = centred_r(predicted[:, both], read.parts[p][both])
                        scores["home"][heads, p] = own - centred_r(predicted[:, both], home.parts[p][both])

        forwards.run(int(p), score)
        done += 1
        yield done, total, {}
    yield done, total, scores


def _heads(head_map: HeadMap, block: int, x: torch.Tensor) -> tuple[np.ndarray, slice]:
    """Attention heads of a block, (V, N, W) -> float64 (V, n, N, C), and their place among all."""
    n, c = head_map.n_attention_heads, head_map.head_width
    values = x[..., : n * c].unflatten(-1, (n, c)).transpose(1, 2).double().cpu().numpy()
    return values, slice(block * n, (block + 1) * n)


def _add(sums: Sums, heads: slice, group: int, x: np.ndarray, y: np.ndarray) -> None:
    """Add rows to some of the decoders; what all share is counted once, with the first."""
    sums.x[group, heads] += x.sum(axis=1)
    turned = x.swapaxes(1, 2)
    sums.xx[group, heads] += turned @ x
    sums.xy[group, heads] += turned @ y
    if heads.start == 0:
        sums.n[group] += len(y)
        sums.y[group] += y.sum(axis=0)
        sums.yy[group] += (y * y).sum(axis=0)


def noised(pipe: Any, pictures: np.ndarray, noise: torch.Tensor, level: float) -> torch.Tensor:
    """Latents of pictures at a noise level, as the model meets them while it draws: uint8 (n, H, W, 3) -> (n, 4C, h, w).

    (1 − level) · latent + level · noise, the latents scaled as the pipeline scales those of a picture it is given.
    """
    vae = pipe.vae
    image = torch.as_tensor(pictures).permute(0, 3, 1, 2).to(device=vae.device, dtype=vae.dtype) / 127.5 - 1
    with torch.no_grad():
        latents = torch.cat([pipe._encode_vae_image(one[None], torch.Generator("cpu")) for one in image])
    if not torch.isfinite(latents).all():
        raise InputError("The autoencoder makes values of the given pictures that are not finite; use float32.")
    return (1 - level) * latents.float().cpu() + level * noise


def tokens_of(bodies: Bodies, side: int) -> Tokens:
    """Truth of one side of every pair."""
    return Tokens.of(bodies.parts[:, side], bodies.body[:, side])


def figures_tokens(figures: Figures) -> tuple[Tokens, Tokens]:
    """Truth of the canonical figures, the variants of a pair one after the other, and of the expressive ones."""
    parts, body = figures.canonical_parts, figures.canonical_body
    flat = Tokens.of(parts.reshape(-1, *parts.shape[2:]), body.reshape(-1, *body.shape[2:]))
    return flat, Tokens.of(figures.expressive_parts, figures.expressive_body)
