"""Decoders: can body parts be named, token by token, from one head's values? Fitted from sums, read in a second pass.

Two passes over the same forwards, so that no activation is kept: the first adds up what a ridge needs of every head,
fold by fold; the second predicts the pairs left out and scores them in the hook. Letters: P pairs, N image tokens,
K parts, A attention heads, C channels of one, F folds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from plantain.data.bodies import Bodies
from plantain.data.figures import Figures
from plantain.data.heads import HeadMap
from plantain.errors import InputError
from plantain.probe.tokens import Reader
from plantain.stats.decode import MIN_TOKENS, centred_r, outline_features, own_minus_others, rivals_of
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
    """What position and outline leave of the parts: of rows to fit on, (F, n, N, K), and of those to read, (m, N, K).

    The outline's own ridge (``outline_features``) never sees the fold that is read, nor, for a row to fit on, that
    row's: residuals of both kinds are of rows that it has not seen. ``*_grid``: body shares on the grid.
    """
    features, to_read = outline_features(fitted_grid), outline_features(read_grid)
    n_folds = int(max(fitted_folds.max(), read_folds.max())) + 1
    sums = Sums.empty(n_folds, 1, features.shape[-1], fitted.parts.shape[-1])
    for i, fold in enumerate(fitted_folds):
        rows = fitted.counts[i]
        sums.count(fold, fitted.parts[i][rows])
        sums.add(fold, features[i][rows][None], fitted.parts[i][rows])
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


class PartsReading:
    """Decoders of parts, from two passes over the same forwards: ``adding`` in the first, ``scoring`` in the second.

    >>> reading = PartsReading(head_map, fitted, read, grids, folds, usable)
    >>> with ImageTokens(transformer, reading.adding(pair, slice(0, 1))): ...     # every usable pair
    >>> reading.settle()
    >>> with ImageTokens(transformer, reading.scoring(pair, 0)): ...              # every usable pair
    >>> reading.scores["beyond"]                                                  # (A, P), NaN where not read

    Parameters
    ----------
    fitted, read : Tokens
        Truth of the pictures to fit on, V of each pair one after the other, and of the one that is read.
    grids : body shares of both on the grid
    folds, usable : (P,)
    home : Tokens of the pairs' canonical layouts, optional; then "home" is scored too
    blocks : the blocks whose heads are read; None: all

    Scores, own − others: "parts" given the body, "beyond" outline and position, "figure" (body or not, all tokens), and
    "home" (own − the pair's canonical layout).
    """

    def __init__(
        self,
        head_map: HeadMap,
        fitted: Tokens,
        read: Tokens,
        grids: tuple[np.ndarray, np.ndarray],
        folds: np.ndarray,
        usable: np.ndarray,
        home: Tokens | None = None,
        blocks: Sequence[int] | None = None,
    ) -> None:
        self._heads, self._fitted, self._read, self._home = head_map, fitted, read, home
        self._folds, self._usable = folds, usable
        self.blocks = list(range(head_map.n_joint + head_map.n_single)) if blocks is None else list(blocks)
        n_pairs, self._n_folds, self._k = len(folds), int(folds.max()) + 1, fitted.parts.shape[-1]
        self._variants = len(fitted.parts) // n_pairs
        left = np.repeat(folds, self._variants)
        self._left, residual = beyond_outline(fitted, grids[0], left, read, grids[1], folds)
        n_decoders, width = len(self.blocks) * head_map.n_attention_heads, head_map.head_width
        self._parts = Sums.empty(self._n_folds, n_decoders, width, self._k * (1 + self._n_folds))
        self._figure = Sums.empty(self._n_folds, n_decoders, width, 1)
        self._truths = {"parts": read.parts, "beyond": residual, "figure": read.body[..., None]}
        names = (*self._truths, *(["home"] if home else []))
        self.scores = {name: np.full((head_map.n_heads("head"), n_pairs), np.nan, np.float32) for name in names}

    def adding(self, pair: int, prompts: slice) -> Reader:
        """A reader of the first pass: of a forward's prompts, those that show the pair's pictures to fit on."""
        fold, rows = self._folds[pair], range(pair * self._variants, (pair + 1) * self._variants)
        targets = [np.concatenate([self._fitted.parts[row], *self._left[:, row]], axis=-1) for row in rows]
        for row, target in zip(rows, targets, strict=True):
            self._parts.count(fold, target[self._fitted.counts[row]])
            self._figure.count(fold, self._fitted.body[row][:, None])

        def read(block: int, x: torch.Tensor) -> None:
            decoders, _ = self._of(block)
            for values, row, target in zip(self._values(x[prompts]), rows, targets, strict=True):
                counts = self._fitted.counts[row]
                self._parts.add(fold, values[:, counts], target[counts], decoders)
                self._figure.add(fold, values, self._fitted.body[row][:, None], decoders)

        return read

    def settle(self) -> None:
        """After the first pass: fit every fold's decoders on the others, and let the sums go."""
        k = self._k
        self._decoders = []
        for fold in range(self._n_folds):
            out = np.arange(self._n_folds) != fold
            beyond = slice(k * (1 + fold), k * (2 + fold))
            parts, strict = fit(self._parts, out, slice(0, k)), fit(self._parts, out, beyond)
            self._decoders.append({"parts": parts, "beyond": strict, "figure": fit(self._figure, out)})
        del self._parts, self._figure

    def scoring(self, pair: int, prompt: int) -> Reader:
        """A reader of the second pass: of a forward's prompts, the one that shows the pair's picture to read."""
        counts, every = self._read.counts, np.ones_like(self._read.counts)
        rivals = {
            name: rivals_of(pair, truth, every if name == "figure" else counts, self._usable)
            for name, truth in self._truths.items()
        }

        def read(block: int, x: torch.Tensor) -> None:
            decoders, heads = self._of(block)
            (values,) = self._values(x[prompt : prompt + 1])
            for name in self._truths:
                decoder = self._decoders[self._folds[pair]][name]
                predicted = values @ decoder.weights[decoders] + decoder.offset[decoders][:, None]  # (n, N, K)
                self.scores[name][heads, pair] = own_minus_others(predicted, rivals[name])
                if name == "parts" and self._home is not None:
                    both = counts[pair] & self._home.counts[pair]
                    if both.sum() >= MIN_TOKENS:
                        own = centred_r(predicted[:, both], self._read.parts[pair][both])
                        home = centred_r(predicted[:, both], self._home.parts[pair][both])
                        self.scores["home"][heads, pair] = own - home

        return read

    def _of(self, block: int) -> tuple[slice, slice]:
        """Where the heads of a block stand among the decoders, and among all attention heads."""
        n, at = self._heads.n_attention_heads, self.blocks.index(block)
        return slice(at * n, (at + 1) * n), slice(block * n, (block + 1) * n)

    def _values(self, x: torch.Tensor) -> np.ndarray:
        """Attention heads of a block, (V, N, W) -> float64 (V, n, N, C)."""
        n, c = self._heads.n_attention_heads, self._heads.head_width
        values = x[..., : n * c].unflatten(-1, (n, c)).transpose(1, 2).double().cpu().numpy()
        if not np.isfinite(values).all():
            raise InputError(
                "The activations that decoders read are not all finite; load the model in another dtype (float32, "
                "bfloat16), or leave the decoders out."
            )
        return values


def noised(pipe: Any, pictures: np.ndarray, noise: torch.Tensor, level: float) -> torch.Tensor:
    """Latents of pictures at a noise level, as the model meets them while it draws: (n, H, W, 3) -> (n, 4C, h, w).

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
