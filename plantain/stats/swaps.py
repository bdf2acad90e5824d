"""Random draws of heads in place of the chosen ones, near their size, by swapping one head at a time."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from plantain.stats.paired import Array

Ints = NDArray[np.int64]

# Chains run side by side, each from a start of its own; a draw is where a chain ends, so at least as many as draws.
_CHAINS_PER_DRAW = 2
_FEWEST_CHAINS = 64
# Steps of a chain for each head replaced, and at least: enough for each head to be replaced several times.
_STEPS_PER_HEAD, _FEWEST_STEPS = 12, 100
# The width starts where a head more or less passes, and reaches its own after this share of the steps.
_FIRST_WIDTH, _NARROWING = 0.2, 0.5
# A start takes heads with the weight size ** power; that power is taken whose starts are nearest.
_POWERS = np.array([-2.0, -1.0, -0.5, 0.0, 0.5, 1.0, 2.0, 4.0])
# States kept of every chain, the last one among them.
_KEPT = 24


@dataclass(frozen=True)
class Places:
    """The places to be filled: the heads that any fold chose, and which fold uses which. U places, K folds, H heads."""

    heads: Ints  # (U,): chosen by at least one fold
    used: Ints  # (K, U): 1 where the fold uses the place
    strata: Ints  # (H,)
    squared: Array  # (H,): size² of every head
    most_shared: int  # heads that a fold's draw may share with what the fold chose

    @cached_property
    def chosen(self) -> Ints:
        """1 where a fold chose the head: (K, H)."""
        chosen = np.zeros((len(self.used), len(self.strata)), dtype=np.int64)
        chosen[:, self.heads] = self.used
        return chosen

    @cached_property
    def total(self) -> Array:
        """Σ size² of what each fold chose: (K,)."""
        return self.used @ self.squared[self.heads]

    def log_ratio(self, total: Array) -> Array:
        """Log of a drawn set's size over its chosen one's, from sums of size² (…, K): (…, K)."""
        return 0.5 * np.log(total / self.total)


def swapped(places: Places, n_draws: int, width: float, rng: np.random.Generator) -> Ints:
    """Heads in the places, (n, U): first where each chain ended, then what chains passed through; some are alike.

    >>> swapped(places, 100, 0.025, np.random.default_rng(0))

    Metropolis: a place and a head of its stratum are drawn; if another place holds the head, the two trade. The weight
    of a state is exp(-½ (log ratio / width)²), the mean of the square over folds, and 0 where a fold shares too many
    heads with its chosen set. The width narrows at first. Only states within the overlap come back.
    """
    n_chains = max(_FEWEST_CHAINS, _CHAINS_PER_DRAW * n_draws)
    n_steps = max(_FEWEST_STEPS, _STEPS_PER_HEAD * len(places.heads))
    widths = width * (_FIRST_WIDTH / width) ** np.clip(1 - np.arange(n_steps) / (_NARROWING * n_steps), 0, 1)
    kept = set(np.linspace(n_steps - 1, 0, min(_KEPT, n_steps)).astype(int).tolist())
    chains = _Chains(places, n_chains, rng)
    position = rng.integers(len(places.heads), size=(n_steps, n_chains))
    head = _of_stratum(places, position, rng)
    threshold = np.log1p(-rng.random((n_steps, n_chains)))  # of 1 - u, which is never 0
    states = []
    for step in range(n_steps):
        chains.step(position[step], head[step], threshold[step], widths[step])
        if step in kept:
            states.append(chains.held[chains.excess == 0])
    return np.concatenate(states[::-1])


def _of_stratum(places: Places, position: Ints, rng: np.random.Generator) -> Ints:
    """A random head of the same stratum for every drawn place, shape kept."""
    order = np.argsort(places.strata, kind="stable")
    stratum = places.strata[places.heads[position]]
    first = np.searchsorted(places.strata[order], stratum, side="left")
    last = np.searchsorted(places.strata[order], stratum, side="right")
    return order[rng.integers(first, last)]


def _sums(places: Places, held: Ints) -> Array:
    """Σ size² of each fold: (C, K)."""
    return places.squared[held] @ places.used.T


def _start(places: Places, powers: Array, rng: np.random.Generator) -> Ints:
    """Random heads of the right strata in every place, a row for each power: (C, U)."""
    held = np.empty((len(powers), len(places.heads)), dtype=np.int64)
    for stratum in np.unique(places.strata[places.heads]):
        where = np.flatnonzero(places.strata[places.heads] == stratum)
        among = np.flatnonzero(places.strata == stratum)
        # The largest of log weight plus Gumbel noise: a draw without replacement, by weight.
        key = rng.gumbel(size=(len(powers), len(among))) + np.outer(powers, 0.5 * np.log(places.squared[among]))
        top = among[np.argsort(-key, axis=1)[:, : len(where)]]
        held[:, where] = rng.permuted(top, axis=1)
    return held


class _Chains:
    """Chains of draws, C of them, and what a step needs to know of each."""

    def __init__(self, places: Places, n_chains: int, rng: np.random.Generator) -> None:
        self._places, self._chosen = places, places.chosen.T.copy()  # (H, K)
        self._ones = np.ones(len(places.used), dtype=np.int64)  # a product adds few columns up faster than a sum does
        # The last row stands for "in no place".
        self._used = np.concatenate([places.used.T, np.zeros((1, len(places.used)), dtype=np.int64)])  # (U + 1, K)
        tried = np.repeat(_POWERS, max(8, n_chains // len(_POWERS)))
        distance = (places.log_ratio(_sums(places, _start(places, tried, rng))) ** 2).mean(axis=1)
        best = _POWERS[np.argmin(distance.reshape(len(_POWERS), -1).mean(axis=1))]
        self.held = _start(places, np.full(n_chains, best), rng)  # (C, U): the head in each place
        self._rows = np.arange(n_chains)
        self._place = np.full((n_chains, len(places.strata)), -1)  # (C, H): the place a head is in, or -1
        self._place[self._rows[:, None], self.held] = np.arange(len(places.heads))
        self._total = _sums(places, self.held)  # (C, K)
        self._distance = self._squared(self._total)
        self._shared = np.einsum("cuk,uk->ck", self._chosen[self.held], places.used.T)  # (C, K)
        self.excess = self._excess(self._shared)

    def _excess(self, shared: Ints) -> Ints:
        return np.maximum(shared - self._places.most_shared, 0) @ self._ones

    def _squared(self, total: Array) -> Array:
        return self._places.log_ratio(total) ** 2 @ self._ones / len(self._ones)

    def step(self, position: Ints, head: Ints, threshold: Array, width: float) -> None:
        """Offer each chain its head for its place; arrays (C,)."""
        places, rows = self._places, self._rows
        old, other = self.held[rows, position], self._place[rows, head]
        gain = self._used[position] - self._used[other]  # (C, K): folds that get the head, and those that lose it
        total = self._total + gain * (places.squared[head] - places.squared[old])[:, None]
        shared = self._shared + gain * (self._chosen[head] - self._chosen[old])
        distance, excess = self._squared(total), self._excess(shared)
        # A start may share too much: what lessens that is taken whatever the size, and it never grows again.
        nearer = threshold < (self._distance - distance) / (2 * width**2)
        taken = np.flatnonzero((excess < self.excess) | ((excess == self.excess) & nearer))
        at, new, left, other = position[taken], head[taken], old[taken], other[taken]
        traded = other >= 0
        self.held[taken, at] = new
        self.held[taken[traded], other[traded]] = left[traded]
        self._place[taken, left] = other
        self._place[taken, new] = at
        self._total[taken], self._shared[taken] = total[taken], shared[taken]
        self._distance[taken], self.excess[taken] = distance[taken], excess[taken]
