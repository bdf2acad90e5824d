"""Scores of a decoder that names body parts token by token: against its own picture, beyond the other pictures."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from plantain.stats.paired import Array

MIN_TOKENS = 3
"""Tokens that two pictures must have in common for a correlation over them."""


def centred_r(predicted: Array, truth: Array) -> Array:
    """Pearson r over tokens and parts together, each part centred over the tokens: (H, n, K), (n, K) -> (H,).

    >>> centred_r(predicted[:, tokens], parts[tokens])

    0 where prediction or truth does not vary.
    """
    p = predicted - predicted.mean(axis=1, keepdims=True)
    t = truth - truth.mean(axis=0)
    scale = np.sqrt((p * p).sum(axis=(1, 2)) * (t * t).sum())
    return np.divide(np.einsum("hnk,nk->h", p, t), scale, out=np.zeros(len(p)), where=scale > 1e-12)


@dataclass(frozen=True)
class Rivals:
    """One picture's truth beside other pictures', each on the tokens that count in both; parts centred over them.

    >>> own_minus_others(predicted, rivals_of(3, parts, body, usable))
    """

    tokens: Array  # (Q, N), 1 where a token counts in both
    own: Array  # (Q, N, K), centred, length 1
    other: Array  # (Q, N, K), centred, length 1


def rivals_of(own: int, truth: Array, tokens: NDArray[np.bool_], others: NDArray[np.bool_]) -> Rivals:
    """Truth (P, N, K) of picture ``own`` and of the ``others``, (P,), that share at least three ``tokens`` with it."""
    both = tokens[own] & tokens
    chosen = others & (both.sum(axis=1) >= MIN_TOKENS)
    chosen[own] = False
    weight = both[chosen].astype(np.float64)
    mine = np.broadcast_to(truth[own], truth[chosen].shape)
    return Rivals(weight, _unit(mine, weight), _unit(truth[chosen], weight))


def _unit(truth: Array, weight: Array) -> Array:
    """Parts centred over their tokens, and the whole of length 1; 0 where nothing varies: (Q, N, K)."""
    count = weight.sum(axis=1)[:, None, None]
    centred = (truth - (weight[..., None] * truth).sum(axis=1, keepdims=True) / count) * weight[..., None]
    length = np.sqrt((centred**2).sum(axis=(1, 2)))[:, None, None]
    return np.divide(centred, length, out=np.zeros_like(centred), where=length > 1e-9)


def own_minus_others(predicted: Array, rivals: Rivals) -> Array:
    """How much better predictions, (H, N, K), fit their own picture than the others: (H,).

    >>> own_minus_others(predicted, rivals_of(3, parts, body, usable))

    Mean over the other pictures q of r(predicted, own) − r(predicted, q), both as ``centred_r`` over the tokens that
    count in both. NaN where no other picture has enough of them.
    """
    weight = rivals.tokens
    if not len(weight):
        return np.full(len(predicted), np.nan)
    n_heads = len(predicted)
    flat = predicted.reshape(n_heads, -1)
    # Truths are centred, so the predictions' own mean drops out of the products; it stays in their length.
    difference = (rivals.own - rivals.other).reshape(len(weight), -1)
    mean = np.einsum("qn,hnk->hqk", weight, predicted) / weight.sum(axis=1)[:, None]
    square = (predicted**2).sum(axis=2) @ weight.T - weight.sum(axis=1) * (mean**2).sum(axis=2)
    length = np.sqrt(np.maximum(square, 0))
    r = np.divide(flat @ difference.T, length, out=np.zeros((n_heads, len(weight))), where=length > 1e-9)
    return r.mean(axis=1)


def outline_features(body: Array) -> Array:
    """What position and outline tell of a token: degree-2 polynomial of its place and 3 × 3 body shares.

    >>> outline_features(body).shape                             # (P, rows, columns) -> (P, rows · columns, 77)

    Body shares of the token and its eight neighbours (0 beyond the frame), and its row and column in −1 … 1; then
    all products of two of these eleven, squares among them.
    """
    n, rows, columns = body.shape
    padded = np.pad(body, ((0, 0), (1, 1), (1, 1)))
    around = [padded[:, y : y + rows, x : x + columns] for y in range(3) for x in range(3)]
    place = np.meshgrid(np.linspace(-1, 1, rows), np.linspace(-1, 1, columns), indexing="ij")
    plain = np.stack([*around, *(np.broadcast_to(axis, body.shape) for axis in place)], axis=-1)
    first, second = np.triu_indices(plain.shape[-1])
    return np.concatenate([plain, plain[..., first] * plain[..., second]], axis=-1).reshape(n, rows * columns, -1)
