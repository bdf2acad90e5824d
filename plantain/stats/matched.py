"""Matched sets: random sets of heads of the kind and the size of a chosen set, to hold it against."""

from dataclasses import dataclass
from itertools import combinations
from math import comb

import numpy as np
from numpy.typing import ArrayLike, NDArray

from plantain.errors import InputError
from plantain.stats.null import check_count
from plantain.stats.paired import Array
from plantain.stats.swaps import Ints, Places, swapped

# Sets are drawn with the weight exp(-½ (log ratio / width)²), the width this share of the tolerance: they then lie
# around the chosen size, and not at that edge of the tolerance where there are more sets.
_WIDTH = 0.1
# Rounds of chains: so many while distinct sets are missing, and so many for more within the tolerance.
_MOST_ROUNDS, _ROUNDS_FOR_SIZE = 8, 2


@dataclass(frozen=True)
class MatchedSets:
    """Sets of heads beside the chosen one: those within the tolerance first, then the nearest. Folds: see sets."""

    sets: Ints  # (m, k), rows sorted, no two alike; of several folds (m, n_folds, k)
    ratio: Array  # (m,) or (m, n_folds): size of the set over that of the chosen one
    shared: Ints  # (m,) or (m, n_folds): heads that the set shares with the chosen one
    exhaustive: bool  # every admissible set was looked at
    within: int  # how many of the m lie within the tolerance (in every fold)

    def __len__(self) -> int:
        return len(self.sets)

    @property
    def alike(self) -> float:
        """Mean share of heads that two of the sets have in common; NaN for fewer than two.

        >>> matched.alike, matched.shared.mean() / k

        The first well above the second says that the sets are variants of one another, and the chosen one is not:
        it then lies outside of them too often, on either side.
        """
        m, k = len(self.sets), self.sets.shape[-1]
        if m < 2:
            return float("nan")
        folds = self.sets.reshape(m, -1, k).swapaxes(0, 1)  # (n_folds, m, k)
        pairs = np.mean([(np.unique(fold, return_counts=True)[1] ** 2).sum() - m * k for fold in folds])
        return float(pairs / (m * (m - 1) * k))


def matched_sets(
    chosen: ArrayLike,
    strata: ArrayLike,
    size: ArrayLike,
    n_sets: int = 100,
    seed: int = 0,
    most_shared: float = 0.5,
    tolerance: float = 0.1,
    most_enumerated: int = 20_000,
) -> MatchedSets:
    """Random sets of as many heads of each stratum as the chosen one, of about its size, and distinct.

    >>> matched = plantain.stats.matched_sets(top, strata, size)           # (k,), (n_heads,), (n_heads,)
    >>> plantain.stats.place_among(y(top), [y(heads) for heads in matched.sets]).p
    >>> plantain.stats.matched_sets(top_of_fold, strata, size).sets        # (n_folds, k) -> (m, n_folds, k)

    A set's size is sqrt(Σ size²) over its heads. A set is admissible that shares at most floor(most_shared · k) heads
    with the chosen one, and never all. Where there are at most ``most_enumerated`` of these, all are looked at;
    otherwise ``swaps.swapped`` draws. Sets within the tolerance, |ratio - 1| <= tolerance, are drawn without
    replacement with the weight exp(-½ (log ratio / (tolerance / 10))²); if there are fewer than n_sets, those nearest
    in |log ratio| fill up. Fewer than n_sets come back where no more are found, and none where the overlap allows none
    (more than 2/3 of a stratum chosen, at one half).

    Several folds, each with its own chosen set, are drawn at once: a draw puts a head in place of each head that any
    fold chose, so that its sets overlap from fold to fold as the chosen ones do. This is needed where folds are
    averaged: chosen sets are much the same in all folds, and sets drawn fold by fold would average out.

    ``place_among`` then tests that the ranking says nothing beyond stratum and size, and holds where the chosen set is
    one like the others: ``ratio`` near 1 with ``within`` all m, and ``alike`` not far above the share in ``shared``.
    The k largest heads are no such set: only smaller ones are left, near-copies of one another. Simulated (1000 studies
    of 5 folds, 75 heads of log-normal size, sd 0.5, y the sum of size² and noise of sd 1, which is much for size), p <=
    0.05 came in 5 % where the ranking had nothing to do with size (k = 3 and 5); where it correlated 0.5 with log size,
    in 7 % (k = 5; 5 % for a saturating y) and 13 % (k = 3; 7 % of the studies with all sets within the tolerance);
    where it was size itself, in 97 %: there p says nothing. Sets drawn fold by fold, a ranking unrelated to size, gave
    16 % (400 studies, size of sd 0.6).

    Raises InputError: heads that are not distinct numbers from 0 to n_heads - 1, a stratum or size missing, a size that
    is not positive, most_shared not between 0 and 1, a tolerance that is not positive, fewer than one set, or
    most_enumerated below 0.
    """
    folds = _check_chosen(chosen)
    places = _check_heads(folds, strata, size, most_shared)
    n_sets = check_count("n_sets", n_sets)
    if most_enumerated < 0:
        raise InputError(f"most_enumerated is a number of sets, 0 for none; got {most_enumerated!r}.")
    if not (np.isfinite(tolerance) and tolerance > 0):
        raise InputError(f"The tolerance of size must be a positive share, such as 0.1; got {tolerance!r}.")
    rng = np.random.default_rng(seed)
    admissible = [_count(heads, places) for heads in folds]
    one = len(places.heads) == folds.shape[1]  # all folds chose the same
    exhaustive = min(admissible) == 0 or (one and admissible[0] <= most_enumerated)
    if min(admissible) == 0:
        held = np.empty((0, len(places.heads)), dtype=np.int64)
    elif exhaustive:
        held = _enumerated(places)
    else:
        wanted = min(n_sets, admissible[0]) if one else n_sets
        held = _drawn(places, n_sets, wanted, tolerance, rng)
    order, within = _picked(places, held, n_sets, tolerance, rng if exhaustive else None)
    held = held[order]
    sets = np.stack([np.sort(held[:, row == 1], axis=1) for row in places.used], axis=1)  # (m, n_folds, k)
    ratio = np.exp(_log_ratio(places, held))
    shared = np.stack([row[fold].sum(axis=1) for row, fold in zip(places.chosen, sets.swapaxes(0, 1), strict=True)], 1)
    if np.ndim(chosen) == 1:
        sets, ratio, shared = sets[:, 0], ratio[:, 0], shared[:, 0]
    return MatchedSets(sets, ratio, shared, exhaustive, within)


def _log_ratio(places: Places, held: Ints) -> Array:
    return places.log_ratio(places.squared[held] @ places.used.T)


def _picked(
    places: Places, held: Ints, n_sets: int, tolerance: float, rng: np.random.Generator | None
) -> tuple[NDArray[np.intp], int]:
    """Which n_sets of the rows, and how many of these lie within: in the order they have, or drawn by weight."""
    log_ratio = _log_ratio(places, held)
    inside = (np.abs(np.exp(log_ratio) - 1) <= tolerance).all(axis=1)
    order = np.flatnonzero(inside)
    if rng is not None:
        # The largest of log weight plus Gumbel noise: a draw without replacement, one after the other by weight.
        key = rng.gumbel(size=len(order)) - (log_ratio[order] ** 2).mean(axis=1) / (2 * (_WIDTH * tolerance) ** 2)
        order = order[np.argsort(-key, kind="stable")]
    order, outside = order[:n_sets], np.flatnonzero(~inside)
    distance = np.abs(log_ratio[outside]).max(axis=1, initial=0)
    nearest = outside[np.argsort(distance, kind="stable")[: n_sets - len(order)]]
    return np.concatenate([order, nearest]), len(order)


def _drawn(places: Places, n_sets: int, wanted: int, tolerance: float, rng: np.random.Generator) -> Ints:
    """Distinct draws, (n, U); rounds of chains until n_sets are within the tolerance, or no more are found."""
    _, kind = np.unique(places.used, axis=1, return_inverse=True)  # places that the same folds use are one
    key = rng.integers(2**63, size=(kind.max() + 1, len(places.strata)), dtype=np.uint64)
    held, inside = np.empty((0, len(places.heads)), dtype=np.int64), 0
    for turn in range(1, _MOST_ROUNDS + 1):
        held = np.concatenate([held, swapped(places, n_sets, _WIDTH * tolerance, rng)])
        _, first = np.unique(key[kind, held].sum(axis=1, dtype=np.uint64), return_index=True)
        held, before = held[np.sort(first)], inside
        inside = int((np.abs(np.exp(_log_ratio(places, held)) - 1) <= tolerance).all(axis=1).sum())
        if inside >= n_sets or (len(held) >= wanted and (inside == before or turn >= _ROUNDS_FOR_SIZE)):
            break
    return held


def _split(heads: Ints, places: Places) -> list[tuple[list[int], list[int]]]:
    """Of each stratum chosen from: its chosen heads, and its others."""
    found = []
    for stratum in np.unique(places.strata[heads]):
        among = np.flatnonzero(places.strata == stratum)
        isin = np.isin(among, heads)
        found.append((among[isin].tolist(), among[~isin].tolist()))
    return found


def _count(heads: Ints, places: Places) -> int:
    """How many sets are admissible beside the chosen heads."""
    ways = [1]  # by the number of heads shared
    for own, others in _split(heads, places):
        here = [comb(len(own), j) * comb(len(others), len(own) - j) for j in range(len(own) + 1)]
        ways = [
            sum(ways[i] * here[j - i] for i in range(len(ways)) if 0 <= j - i < len(here))
            for j in range(len(ways) + len(here) - 1)
        ]
    return sum(ways[: places.most_shared + 1])


def _enumerated(places: Places) -> Ints:
    """Every admissible set, (n, k), where all folds chose the same."""
    split = _split(places.heads, places)
    least = [max(0, len(own) - len(others)) for own, others in split]
    sets = {0: np.empty((1, 0), dtype=np.int64)}  # by the number of heads shared
    for at, (own, others) in enumerate(split):
        budget = places.most_shared - sum(least[at + 1 :])
        longer: dict[int, list[Ints]] = {}
        for shared, rows in sets.items():
            for more in range(least[at], min(len(own), budget - shared) + 1):
                here = _crossed(_subsets(own, more), _subsets(others, len(own) - more))
                longer.setdefault(shared + more, []).append(_crossed(rows, here))
        sets = {shared: np.concatenate(rows) for shared, rows in longer.items()}
    return np.concatenate(list(sets.values()))


def _subsets(heads: list[int], n: int) -> Ints:
    return np.array(list(combinations(heads, n)), dtype=np.int64)  # (ways, n)


def _crossed(first: Ints, second: Ints) -> Ints:
    """Every row of the first with every row of the second."""
    return np.concatenate([np.repeat(first, len(second), axis=0), np.tile(second, (len(first), 1))], axis=1)


def _check_chosen(chosen: ArrayLike) -> Ints:
    """(n_folds, k), distinct whole numbers in each row; else InputError."""
    heads = np.asarray(chosen)
    if heads.ndim not in (1, 2) or heads.size == 0 or heads.dtype.kind not in "iu":
        raise InputError(
            f"chosen must hold head numbers, (k,) or (n_folds, k); got the shape {heads.shape} of {heads.dtype}."
        )
    folds = np.sort(np.atleast_2d(heads).astype(np.int64), axis=1)
    if (np.diff(folds, axis=1) == 0).any():
        raise InputError("chosen names a head twice; a set has each head once.")
    return folds


def _check_heads(folds: Ints, strata: ArrayLike, size: ArrayLike, most_shared: float) -> Places:
    kinds, sizes = np.asarray(strata), np.asarray(size, dtype=np.float64)
    if kinds.ndim != 1 or kinds.dtype.kind not in "iu" or sizes.shape != kinds.shape:
        raise InputError(
            f"strata and size need one whole number and one size for each head; got the shapes {kinds.shape} "
            f"of {kinds.dtype} and {sizes.shape}."
        )
    if folds.min() < 0 or folds.max() >= len(kinds):
        raise InputError(
            f"chosen must hold head numbers from 0 to {len(kinds) - 1}; got {folds.min()} to {folds.max()}."
        )
    if not (np.isfinite(sizes) & (sizes > 0)).all():
        head = int(np.argmin(np.isfinite(sizes) & (sizes > 0)))
        raise InputError(f"Every head needs a positive size; head {head} has {sizes[head]}. Leave that head out.")
    if not 0 <= most_shared <= 1:
        raise InputError(f"most_shared is a share of the chosen heads, from 0 to 1; got {most_shared!r}.")
    k = folds.shape[1]
    heads = np.unique(folds)
    used = np.stack([np.isin(heads, fold) for fold in folds]).astype(np.int64)
    limit = min(int(most_shared * k + 1e-9), k - 1)  # 0.29 · 100 is 28.999…; a set is never the chosen one
    return Places(heads, used, kinds.astype(np.int64), sizes**2, limit)
