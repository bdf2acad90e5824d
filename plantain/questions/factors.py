"""Body × clothes × pose with one pair a cell: how many heads respond to each, and in how many pose depends on them."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from plantain import stats
from plantain.errors import InputError
from plantain.stats.null import resampled_p

EFFECTS = ("body", "clothing", "pose × body", "pose × clothing")


@dataclass(frozen=True)
class FactorCount:
    """Heads whose F passes, beside what shuffles of the cells give."""

    effect: str  # one of ``EFFECTS``; the effect of pose itself is the paired t
    n_heads: int
    count: int  # heads with p of F below the two-sided p of the threshold of |t|, so that chance gives the same share
    null_p99: float  # the 99th percentile of that count with the pairs shuffled over the cells
    p: float  # how often a shuffle gives as many, the observed order counted in

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self)


def count_factors(
    rms: np.ndarray,
    bodies: Sequence[str],
    clothes: Sequence[str],
    threshold: float = 3.0,
    n_shuffles: int = 200,
    seed: int = 0,
) -> tuple[FactorCount, ...]:
    """Count the heads that respond to body, to clothes, and whose response to pose depends on either.

    >>> count_factors(result.rms("head"), bodies, clothes)      # (n_pairs, 2, n_heads)

    ``stats.two_way`` of the mean of a pair's sides tests body and clothes, of B - A their interactions with pose.
    The null shuffles the pairs over the cells, all heads at once. Subjects, settings and the expressive poses
    vary over the cells as well, and are part of the rest that F divides by.

    Raises InputError: the pairs are not every body in every outfit once.
    """
    from scipy.special import stdtr

    order, shape = _cells(bodies, clothes)
    alpha = 2 * float(stdtr(len(rms) - 1, -threshold))
    rng = np.random.default_rng(seed)
    shuffles = [rng.permutation(len(rms)) for _ in range(n_shuffles)]
    found = []
    for effects, values in ((EFFECTS[:2], rms.mean(axis=1)), (EFFECTS[2:], rms[:, 1] - rms[:, 0])):

        def counts(rows: np.ndarray, values: np.ndarray = values) -> tuple[int, int]:
            f = stats.two_way(values[rows].reshape(*shape, -1))
            return int((f.p_rows < alpha).sum()), int((f.p_columns < alpha).sum())

        observed = counts(order)
        null = np.array([counts(shuffle) for shuffle in shuffles])  # (n_shuffles, 2)
        for i, effect in enumerate(effects):
            p, p99 = resampled_p((null[:, i] >= observed[i]).sum(), n_shuffles), np.quantile(null[:, i], 0.99)
            found.append(FactorCount(effect, rms.shape[2], observed[i], float(p99), float(p)))
    return tuple(found)


def _cells(bodies: Sequence[str], clothes: Sequence[str]) -> tuple[np.ndarray, tuple[int, int]]:
    """Pairs in the order body by body, outfit by outfit, and the numbers of both."""
    n_bodies, n_clothes = len(set(bodies)), len(set(clothes))
    cells = list(zip(bodies, clothes, strict=True))
    if not len(set(cells)) == len(cells) == n_bodies * n_clothes or min(n_bodies, n_clothes) < 2:
        raise InputError(
            f"A factorial needs every body in every outfit once; got {len(cells)} pairs in {len(set(cells))} different "
            f"cells of {n_bodies} × {n_clothes}."
        )
    return np.array(sorted(range(len(cells)), key=lambda i: cells[i])), (n_bodies, n_clothes)
