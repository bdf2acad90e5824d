"""Scores of a decoder that names body parts token by token: against its own picture, beyond the other pictures."""

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


def own_minus_others(
    predicted: Array, own: int, truth: Array, tokens: NDArray[np.bool_], others: NDArray[np.bool_]
) -> Array:
    """How much better predictions fit their own picture than others, on tokens that count in both: (H,).

    >>> own_minus_others(predicted, 3, parts, body, usable)      # (H, N, K), p, (P, N, K), (P, N), (P,) -> (H,)

    Mean over the other pictures q of r(predicted, truth[own]) − r(predicted, truth[q]), both over the tokens that
    ``tokens`` has in both pictures, where there are at least three. NaN where no other picture has as many.
    """
    scores = []
    for q in np.flatnonzero(others):
        both = tokens[own] & tokens[q]
        if q != own and both.sum() >= MIN_TOKENS:
            some = predicted[:, both]
            scores.append(centred_r(some, truth[own][both]) - centred_r(some, truth[q][both]))
    return np.mean(scores, axis=0) if scores else np.full(len(predicted), np.nan)


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
