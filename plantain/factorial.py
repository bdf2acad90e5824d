"""Body × clothes × pose with one pair a cell: which heads respond to each, and whether pose depends on them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from plantain import stats
from plantain.errors import InputError

EFFECTS = ("body", "clothing", "pose × body", "pose × clothing")


@dataclass(frozen=True)
class FactorialCount:
    """Heads whose F passes, beside what a shuffle of the cells gives.

    Attributes
    ----------
    effect : one of ``EFFECTS``; the effect of pose itself is the paired t
    count : heads with p below that of the threshold of |t|, two-sided, over as many pairs
    null_p99 : the 99th percentile of that count with the pairs shuffled over the cells
    p : how often a shuffle gives as many, the observed order counted in
    """

    effect: str
    n_heads: int
    count: int
    null_p99: float
    p: float

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "effect": self.effect,
            "n_heads": self.n_heads,
            "count": self.count,
            "null_p99": self.null_p99,
            "p": self.p,
        }


def two_way(values: np.ndarray, rows: Sequence[str], columns: Sequence[str]) -> np.ndarray:
    """F of rows and of columns, one value a cell: (n_cells, n_heads) -> (2, n_heads).

    >>> two_way(d, [pair.tags["body"] for pair in pairs], [pair.tags["clothing"] for pair in pairs])

    F = MS(factor) / MS(rest), the rest being what rows and columns do not explain, their interaction among it:
    with one value a cell the two cannot be told apart (Tukey 1949). A head that never varies has F = 0.

    Raises
    ------
    InputError
        The cells are not every row with every column once.
    """
    return _f_values(np.asarray(values, dtype=float), *_indicators(rows, columns, len(values)))


def factorial(
    side_a: np.ndarray,
    side_b: np.ndarray,
    bodies: Sequence[str],
    clothes: Sequence[str],
    threshold: float = 3.0,
    n_shuffles: int = 500,
    seed: int = 0,
) -> tuple[FactorialCount, ...]:
    """Count the heads that respond to body, to clothes, and whose response to pose depends on either.

    >>> factorial(rms[:, 0], rms[:, 1], bodies, clothes)         # rms: (n_pairs, 2, n_heads)

    Body and clothes are tested on the mean of a pair's two sides, their interactions with pose on B - A. The
    null shuffles the pairs over the cells, all heads at once. Subjects, settings and the expressive poses vary
    over the cells too and are part of the rest. Raises as ``two_way``.
    """
    from scipy.stats import f as fisher
    from scipy.stats import t as student

    indicators = _indicators(bodies, clothes, len(side_a))
    n_rows, n_columns = len(indicators[0]), len(indicators[1])
    alpha = 2 * student.sf(threshold, len(side_a) - 1)
    rest = (n_rows - 1) * (n_columns - 1)
    cuts = np.array([fisher.isf(alpha, n_rows - 1, rest), fisher.isf(alpha, n_columns - 1, rest)])
    rng = np.random.default_rng(seed)
    orders = [rng.permutation(len(side_a)) for _ in range(n_shuffles)]
    found = []
    for names, values in ((EFFECTS[:2], (side_a + side_b) / 2), (EFFECTS[2:], side_b - side_a)):
        values = stats.check_differences(values)
        counts = (_f_values(values, *indicators) > cuts[:, None]).sum(axis=1)  # (2,)
        null = np.array([(_f_values(values[order], *indicators) > cuts[:, None]).sum(axis=1) for order in orders])
        for i, name in enumerate(names):
            p = (1 + int((null[:, i] >= counts[i]).sum())) / (1 + n_shuffles)
            p99 = float(np.quantile(null[:, i], 0.99))
            found.append(FactorialCount(name, values.shape[1], int(counts[i]), p99, p))
    return tuple(found)


def _indicators(rows: Sequence[str], columns: Sequence[str], n_cells: int) -> tuple[np.ndarray, np.ndarray]:
    """Which pairs are of which level: (n_levels, n_cells) each."""
    levels = [sorted(set(rows)), sorted(set(columns))]
    cells = set(zip(rows, columns, strict=True))
    if not len(cells) == n_cells == len(levels[0]) * len(levels[1]) or min(map(len, levels)) < 2:
        raise InputError(
            f"A factorial needs every level of one factor with every level of the other once; got {n_cells} pairs in "
            f"{len(cells)} different cells of {len(levels[0])} × {len(levels[1])} levels."
        )
    first, second = (
        np.array([[value == level for value in given] for level in found], dtype=float)
        for given, found in zip((rows, columns), levels, strict=True)
    )
    return first, second


def _f_values(values: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    centred = values - values.mean(axis=0)
    total = (centred**2).sum(axis=0)  # (H,)
    # Sums over the pairs of a level; a level has as many pairs as the other factor has levels.
    by_row = ((rows @ centred) ** 2).sum(axis=0) / len(columns)
    by_column = ((columns @ centred) ** 2).sum(axis=0) / len(rows)
    rest = np.maximum(total - by_row - by_column, 0) / ((len(rows) - 1) * (len(columns) - 1))
    means = np.stack([by_row / (len(rows) - 1), by_column / (len(columns) - 1)])
    # A head without rest is infinite where a factor explains something, 0 where nothing varies.
    tiny = 1e-12 * total
    return np.where(rest > tiny, means / np.where(rest > tiny, rest, 1), np.where(means > tiny, np.inf, 0.0))
