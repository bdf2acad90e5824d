"""Ridge regression from sums: what a decoder needs of its rows, added up group by group, and never the rows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from plantain.errors import InputError
from plantain.stats.paired import Array

ALPHAS = tuple(10.0 ** np.arange(-4, 3))
"""Penalties tried, per row: the penalty of scikit-learn's ``Ridge`` is this times the number of rows."""


@dataclass
class Sums:
    """Sums over the rows of G groups, for H decoders of C features and K targets; changed in place.

    >>> sums = Sums.empty(n_groups=5, n_decoders=75, n_features=32, n_targets=10)
    >>> sums.count(0, y), sums.add(0, x, y)                      # (n, K), (H, n, C)

    Attributes
    ----------
    n : (G,) rows
    x, y : (G, H, C), (G, K) sums
    xx, xy, yy : (G, H, C, C), (G, H, C, K), (G, K) sums of products
    """

    n: Array
    x: Array
    y: Array
    xx: Array
    xy: Array
    yy: Array

    @classmethod
    def empty(cls, n_groups: int, n_decoders: int, n_features: int, n_targets: int) -> Sums:
        g, h, c, k = n_groups, n_decoders, n_features, n_targets
        shapes = [(g,), (g, h, c), (g, k), (g, h, c, c), (g, h, c, k), (g, k)]
        return cls(*(np.zeros(shape) for shape in shapes))

    def count(self, group: int, y: ArrayLike) -> None:
        """Rows that all decoders share, by their targets, (n, K): once, beside ``add`` of their features."""
        y = np.asarray(y, dtype=np.float64)
        self.n[group] += len(y)
        self.y[group] += y.sum(axis=0)
        self.yy[group] += (y * y).sum(axis=0)

    def add(self, group: int, x: ArrayLike, y: ArrayLike, decoders: slice = slice(None)) -> None:
        """Features of counted rows, (h, n, C), for some of the decoders, and their targets, (n, K)."""
        x, y = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
        turned = x.swapaxes(1, 2)
        self.x[group, decoders] += x.sum(axis=1)
        self.xx[group, decoders] += turned @ x
        self.xy[group, decoders] += turned @ y

    def of(
        self, groups: NDArray[np.bool_], targets: slice = slice(None)
    ) -> tuple[float, Array, Array, Array, Array, Array]:
        """n, x, y, xx, xy, yy of some groups together, and of some targets."""
        chosen = [int(group) for group in np.flatnonzero(groups)]

        def together(values: Array) -> Array:
            """Added one after the other: choosing groups first would copy nearly all of the largest array."""
            total = np.zeros(values.shape[1:])
            for group in chosen:
                total += values[group]
            return total

        x, xx, xy = together(self.x), together(self.xx), together(self.xy[..., targets])
        return float(self.n[groups].sum()), x, together(self.y[:, targets]), xx, xy, together(self.yy[:, targets])


@dataclass(frozen=True)
class Decoder:
    """Linear maps from features to targets: ``x @ weights[h] + offset[h]``; ``alpha`` (H,) is the penalty chosen."""

    weights: Array  # (H, C, K)
    offset: Array  # (H, K)
    alpha: Array  # (H,)


def fit(
    sums: Sums,
    train: NDArray[np.bool_],
    targets: slice = slice(None),
    alphas: ArrayLike = ALPHAS,
    together: bool = False,
) -> Decoder:
    """Ridge on the groups of ``train``, (G,), its penalty chosen inside them by leaving each out in turn.

    >>> decoder = fit(sums, np.arange(5) != 0)                   # all folds but the first

    Features are standardised by the training rows, targets centred: scikit-learn's ``StandardScaler`` and
    ``Ridge(alpha * n)``. The penalty is the one with the least squared error over the targets of the groups left
    out, for each decoder apart (Hoerl & Kennard 1970; nested as Varoquaux et al. 2017). With one group to train on,
    the middle of ``alphas`` is taken. ``together``: one scale for all features, the mean of their variances, so that
    turning them changes nothing and an axis that hardly varies hardly counts.

    Raises
    ------
    InputError
        No rows to train on.
    """
    alphas, groups = np.asarray(alphas, dtype=float), np.flatnonzero(train)
    groups = groups[sums.n[groups] > 0]
    if len(groups) == 0:
        raise InputError("A decoder needs rows to be fitted on; every group left for training is empty.")
    n_decoders = sums.x.shape[1]
    best = np.full(n_decoders, len(alphas) // 2)
    if len(groups) > 1:
        errors = np.zeros((n_decoders, len(alphas)))
        for group in groups:
            inner, held = np.zeros(len(sums.n), bool), np.zeros(len(sums.n), bool)
            inner[groups], inner[group], held[group] = True, False, True
            weights, offset = _solve(*sums.of(inner, targets)[:5], alphas, together)
            errors += _error(weights, offset, *sums.of(held, targets))
        best = errors.argmin(axis=1)
    chosen = np.zeros(len(sums.n), bool)
    chosen[groups] = True
    weights, offset = _solve(*sums.of(chosen, targets)[:5], alphas, together)
    rows = np.arange(n_decoders)
    return Decoder(weights[rows, best], offset[rows, best], alphas[best])


def _solve(
    n: float, x: Array, y: Array, xx: Array, xy: Array, alphas: Array, together: bool = False
) -> tuple[Array, Array]:
    """Weights (H, A, C, K) and offsets (H, A, K) in the features' own units, for every penalty."""
    mean_x, mean_y = x / n, y / n  # (H, C), (K,)
    cov = xx / n - mean_x[:, :, None] * mean_x[:, None, :]  # (H, C, C)
    cross = xy / n - mean_x[:, :, None] * mean_y  # (H, C, K)
    variance = np.diagonal(cov, axis1=1, axis2=2)
    # A feature that does not vary over the training rows has no weight.
    flat = variance <= 1e-12 * np.diagonal(xx / n, axis1=1, axis2=2)
    if together:
        n_features = np.maximum((~flat).sum(axis=1, keepdims=True), 1)
        variance = np.broadcast_to(np.where(flat, 0.0, variance).sum(axis=1, keepdims=True) / n_features, flat.shape)
    inverse = np.where(flat, 0.0, 1 / np.sqrt(np.where(flat, 1.0, variance)))  # (H, C)
    values, vectors = np.linalg.eigh(cov * inverse[:, :, None] * inverse[:, None, :])
    turned = vectors.swapaxes(1, 2) @ (cross * inverse[:, :, None])  # (H, C, K)
    shrunk = turned[:, None] / (np.maximum(values, 0)[:, None] + alphas[:, None])[..., None]  # (H, A, C, K)
    weights = inverse[:, None, :, None] * (vectors[:, None] @ shrunk)
    return weights, mean_y - np.einsum("hc,hack->hak", mean_x, weights)


def _error(weights: Array, offset: Array, n: float, x: Array, y: Array, xx: Array, xy: Array, yy: Array) -> Array:
    """Squared error of predictions for rows known by their sums, over all targets: (H, A)."""
    fitted = np.einsum("hack,hck->ha", weights, xy) + offset @ y  # sum of prediction · target
    square = np.einsum("hack,hcd,hadk->ha", weights, xx, weights, optimize=True)
    square += 2 * np.einsum("hc,hack,hak->ha", x, weights, offset, optimize=True) + n * (offset**2).sum(axis=-1)
    return square - 2 * fitted + yy.sum()


def left_out_r2(x: ArrayLike, y: ArrayLike, folds: NDArray[np.int_], together: bool = False) -> Array:
    """R² of ridge predictions for rows of folds left out, all targets together: (H, n, C), (n, K), (n,) -> (H,).

    >>> left_out_r2(pooled, angles, folds)

    1 − Σ(y − ŷ)² / Σ(y − ȳ)², with ŷ and ȳ of the other folds; below 0 where predictions are worse than the mean.
    ``together``: as in ``fit``.
    Raises InputError for fewer than three folds (one is left out, and one inside to choose the penalty).
    """
    x, y = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    n_folds = int(folds.max()) + 1
    if len(np.unique(folds)) < 3:
        raise InputError(f"A left-out R² needs rows of at least 3 folds; got {len(np.unique(folds))}.")
    sums = Sums.empty(n_folds, len(x), x.shape[2], y.shape[1])
    for fold in range(n_folds):
        sums.count(fold, y[folds == fold])
        sums.add(fold, x[:, folds == fold], y[folds == fold])
    left, total = np.zeros(len(x)), 0.0
    for fold in range(n_folds):
        out, rows = np.arange(n_folds) != fold, folds == fold
        decoder = fit(sums, out, together=together)
        predicted = x[:, rows] @ decoder.weights + decoder.offset[:, None]
        left += ((y[rows] - predicted) ** 2).sum(axis=(1, 2))
        total += float(((y[rows] - y[~rows].mean(axis=0)) ** 2).sum())
    return 1 - left / total
