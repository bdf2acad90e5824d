"""Which heads take which values in which run: the rows of a patching study, planned before anything is run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from plantain import stats
from plantain.data.heads import HeadMap
from plantain.data.view import View
from plantain.errors import InputError

RANKINGS = ("t", "place", "code", "deformation", "selectivity", "norm", "write")
"""How heads are chosen: |t| of the size of their output; t of place, of code and of deformation in their strict forms;
place here less place in another contrast; the size of their shift, ‖Δx‖; and of what it writes, ‖W_out Δx‖."""
MAIN = ("t", "place", "deformation", "write")
"""Rankings whose sets are held against matched ones."""
WITHIN = ("place", "code", "deformation")
"""Rankings asked whether they add to the size of what is written, among the 2 k heads that write most."""
ROLES = (
    "chosen",  # the k heads first in a ranking
    "bottom",  # the k last
    "matched",  # as many of every kind, that write as much
    "random",  # as many of every kind as the model has
    "within high",  # of the 2 k that write most, the k first in a ranking
    "within low",  # and the k last
    "within random",  # and k at random
    "dose",  # as chosen, at another alpha
    "others",  # as chosen, from the mean of the other pairs' runs
    "single",  # one head
    "block",  # a block's attention, or its MLP
    "kind",  # all joint attention, all single attention, all MLP, everything
)
DIRECTIONS = ("sufficiency", "necessity")
"""B's values into A's run; A's into B's."""
TOKENS = ("image", "text", "padding", "all")
DONORS = ("partner", "others")
KINDS = ("joint attention", "single attention", "single MLP", "everything")
ALL_PAIRS = -1
"""The fold of an intervention that is made in every pair."""
_CODED = {"ranking": RANKINGS, "role": ROLES, "direction": DIRECTIONS, "tokens": TOKENS, "donor": DONORS}


@dataclass(frozen=True)
class Interventions:
    """S interventions, as columns of equal length.

    >>> table.where(role="chosen", ranking="place", k=8)        # their numbers

    Attributes
    ----------
    runs : bool, shape (S, n_runs), the heads, as runs of channels
    fold : int, shape (S,), the pairs it is made in: those of a fold, or ``ALL_PAIRS``
    ranking, role, direction, tokens, donor : int, shape (S,), places in the lists of this module; ranking −1: none
    k : int, shape (S,), number of heads
    draw : int, shape (S,), which of the matched or random sets; of single heads, blocks and kinds its number
    step : int, shape (S,), the denoising step
    alpha : float32, shape (S,)
    """

    runs: np.ndarray
    fold: np.ndarray
    ranking: np.ndarray
    role: np.ndarray
    direction: np.ndarray
    tokens: np.ndarray
    donor: np.ndarray
    k: np.ndarray
    draw: np.ndarray
    step: np.ndarray
    alpha: np.ndarray

    def __post_init__(self) -> None:
        for field in fields(self):
            if len(getattr(self, field.name)) != len(self.runs):
                raise InputError(f"{field.name} of the interventions has another length than runs; make them again.")
        for name, known in _CODED.items():
            values = getattr(self, name)
            whole = values.dtype.kind in "iu"
            if not whole or (len(values) and (values.min() < -(name == "ranking") or values.max() >= len(known))):
                raise InputError(f"{name} of an intervention is a place in a list of {len(known)}; make them again.")

    def __len__(self) -> int:
        return len(self.runs)

    def where(self, **wanted: Any) -> np.ndarray:
        """Numbers of the interventions with these values, by name where a column is coded.

        >>> table.where(role="matched", ranking="t", k=4, fold=0)
        """
        chosen = np.ones(len(self), bool)
        for name, value in wanted.items():
            code = _CODED[name].index(value) if name in _CODED else value
            chosen &= getattr(self, name) == code
        return np.flatnonzero(chosen)

    def of_pair(self, fold: int) -> np.ndarray:
        """Numbers of those made in a pair of a fold."""
        return np.flatnonzero((self.fold == fold) | (self.fold == ALL_PAIRS))

    def rows(self, numbers: np.ndarray) -> Interventions:
        """Some of them, as a table of their own."""
        return Interventions(**{field.name: getattr(self, field.name)[numbers] for field in fields(self)})

    def columns(self) -> dict[str, np.ndarray]:
        """All columns, the runs packed to bits, as they are saved."""
        columns = {field.name: getattr(self, field.name) for field in fields(self)}
        return columns | {"runs": np.packbits(self.runs, axis=1)}

    @classmethod
    def none(cls, n_runs: int) -> Interventions:
        """A table without rows."""
        return _Table().done(n_runs)

    @classmethod
    def from_columns(cls, columns: Mapping[str, np.ndarray], n_runs: int) -> Interventions:
        """The way back from ``columns``; raises InputError where the runs are not so many bits."""
        packed = columns["runs"]
        if packed.ndim != 2 or packed.shape[1] != -(-n_runs // 8):
            raise InputError(f"runs of the interventions are {n_runs} bits a row; got bytes of {packed.shape}.")
        runs = np.unpackbits(packed, axis=1, count=n_runs).astype(bool)
        return cls(**{**columns, "runs": runs})


class _Table:
    """Interventions while they are planned."""

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []

    def add(self, runs: np.ndarray, role: str, k: int, **more: Any) -> None:
        row: dict[str, Any] = {
            "fold": ALL_PAIRS,
            "ranking": -1,
            "direction": 0,
            "tokens": 0,
            "donor": 0,
            "draw": 0,
            "step": 0,
        }
        row |= {"alpha": 1.0, "role": ROLES.index(role), "k": k, "runs": runs}
        for name, value in more.items():
            row[name] = _CODED[name].index(value) if name in _CODED and isinstance(value, str) else value
        self.rows.append(row)

    def done(self, n_runs: int) -> Interventions:
        small = {"fold": np.int16, "k": np.int16, "draw": np.int16, "step": np.int16, "alpha": np.float32}
        columns = {
            field.name: np.array([row[field.name] for row in self.rows], small.get(field.name, np.int8))
            for field in fields(Interventions)
            if field.name != "runs"
        }
        runs = np.array([row["runs"] for row in self.rows], bool).reshape(len(self.rows), n_runs)
        return Interventions(runs=runs, **columns)


@dataclass(frozen=True)
class StudySize:
    """How much a study asks; the defaults are the whole one.

    >>> StudySize(k=(4, 8), n_matched=20)

    Raises InputError where a number cannot be.
    """

    k: tuple[int, ...] = (2, 4, 8, 15, 23, 30)
    n_matched: int = 100
    n_matched_back: int = 10  # of necessity
    n_random: int = 10
    n_within: int = 50
    alphas: tuple[float, ...] = (0.25, 0.5, 0.75)
    steps: tuple[int, ...] = (3, 6, 9)  # later denoising steps at which the kinds are patched
    seed: int = 0

    def __post_init__(self) -> None:
        if not self.k or min(self.k) < 1:
            raise InputError(f"k are numbers of heads, from 1; got {self.k}.")
        numbers = (self.n_matched, self.n_matched_back, self.n_random, self.n_within, self.seed, *self.steps)
        if min(numbers) < 0:
            raise InputError("Numbers of sets, steps and seeds are 0 or more; give none of them a minus.")
        if any(not 0 < alpha < 1 for alpha in self.alphas):
            raise InputError(f"alphas lie between 0 and 1, both left out; got {self.alphas}.")


def plan_interventions(
    head_map: HeadMap,
    scores: Sequence[Mapping[str, np.ndarray]],
    write: Sequence[np.ndarray],
    view: View | str = "head",
    size: StudySize | None = None,
) -> Interventions:
    """All interventions of a study: sets chosen in every fold, what they are held against, and parts of the model.

    >>> table = plan_interventions(head_map, scores, write)

    Parameters
    ----------
    scores : for every fold, the score of every head of the view by each ranking, (n_heads,), from the other folds
    write : for every fold, ‖W_out Δx‖ of every head, (n_heads,), which matched sets match
    view : the heads that are chosen among

    k beyond half of the heads are left out, but for the whole, since no two such sets differ by half.
    """
    size, table = size or StudySize(), _Table()
    heads = head_map.runs_of_heads(view)
    rankings = [name for name in RANKINGS if all(name in of for of in scores)]
    orders = {name: np.stack([np.argsort(-of[name], kind="stable") for of in scores]) for name in rankings}
    largest = np.stack([np.argsort(-written, kind="stable") for written in write])
    for k in (k for k in size.k if k <= len(heads) // 2):
        for name, order in orders.items():
            _ranked(table, heads, order, name, k, size)
            if name in MAIN:
                _matched(table, heads, order[:, :k], _strata(head_map, view), np.mean(write, axis=0), name, k, size)
        _within(table, heads, scores, largest[:, : 2 * k], rankings, k, size)
        for draw in range(size.n_random):
            some = np.random.default_rng([size.seed, k, draw]).choice(len(heads), k, replace=False)
            table.add(_runs(heads, some), "random", k, draw=draw)
    _parts(table, head_map, heads, size)
    return table.done(head_map.n_runs)


def carried_over(head_map: HeadMap, scores: np.ndarray, ks: Sequence[int], view: View | str = "head") -> Interventions:
    """The first k heads of every ranking in every pair: sets that another contrast has chosen, over all its pairs.

    >>> carried_over(head_map, study.scores, (4, 8, 15))

    ``scores`` (len(RANKINGS), n_heads); a ranking with NaN is left out.
    """
    table, heads = _Table(), head_map.runs_of_heads(view)
    for ranking, score in zip(RANKINGS, scores, strict=True):
        if not np.isfinite(score).all():
            continue
        order = np.argsort(-score, kind="stable")
        for k in (k for k in ks if k <= len(heads) // 2):
            for direction in DIRECTIONS:
                table.add(_runs(heads, order[:k]), "chosen", k, ranking=ranking, direction=direction)
    return table.done(head_map.n_runs)


def single_heads(head_map: HeadMap, view: View | str = "head") -> Interventions:
    """Every head of a view by itself, in both directions and in every pair.

    >>> single_heads(head_map).where(role="single", direction="sufficiency")
    """
    table = _Table()
    _single(table, head_map.runs_of_heads(view))
    return table.done(head_map.n_runs)


def _single(table: _Table, heads: np.ndarray) -> None:
    for direction in DIRECTIONS:
        for head, runs in enumerate(heads):
            table.add(runs, "single", 1, draw=head, direction=direction)


def _strata(head_map: HeadMap, view: View | str) -> np.ndarray:
    """Joint attention 0, single attention 1, MLP 2."""
    table = head_map.table(view)
    return np.where(table["part"] == "mlp", 2, np.where(table["kind"] == "single", 1, 0))


def _ranked(table: _Table, heads: np.ndarray, order: np.ndarray, ranking: str, k: int, size: StudySize) -> None:
    """Of every fold the first k, in both directions, and the last; of the main rankings doses and another donor."""
    for fold, one in enumerate(order):
        same: dict[str, Any] = {"fold": fold, "ranking": ranking}
        first = _runs(heads, one[:k])
        for direction in DIRECTIONS:
            table.add(first, "chosen", k, direction=direction, **same)
        table.add(_runs(heads, one[-k:]), "bottom", k, **same)
        if ranking in MAIN:
            for alpha in size.alphas:
                table.add(first, "dose", k, alpha=alpha, **same)
            table.add(first, "others", k, donor="others", **same)


def _matched(
    table: _Table,
    heads: np.ndarray,
    chosen: np.ndarray,
    strata: np.ndarray,
    write: np.ndarray,
    ranking: str,
    k: int,
    size: StudySize,
) -> None:
    """Sets beside those chosen, (F, k), drawn for all folds at once: fold by fold they would average out."""
    seed = np.random.SeedSequence([size.seed, k, RANKINGS.index(ranking)]).generate_state(1)[0]
    if not size.n_matched:
        return
    # A head that writes nothing at all has no size to match; it counts as far smaller than any that does.
    sizes = np.maximum(write, 1e-6 * write[write > 0].min()) if (write > 0).any() else np.ones_like(write)
    found = stats.matched_sets(chosen, strata, sizes, size.n_matched, seed=int(seed))
    for draw, sets in enumerate(found.sets):
        for fold, some in enumerate(sets):
            same: dict[str, Any] = {"fold": fold, "ranking": ranking, "draw": draw}
            table.add(_runs(heads, some), "matched", k, **same)
            if draw < size.n_matched_back:
                table.add(_runs(heads, some), "matched", k, direction="necessity", **same)


def _within(
    table: _Table,
    heads: np.ndarray,
    scores: Sequence[Mapping[str, np.ndarray]],
    largest: np.ndarray,
    rankings: Sequence[str],
    k: int,
    size: StudySize,
) -> None:
    """Does a ranking add to the size of what is written? Of the 2 k largest, its first k, its last k, k at random."""
    n = len(heads)
    drawn = [np.random.default_rng([size.seed, k, draw, n]).random(n) for draw in range(size.n_within)]
    for fold, (of, some) in enumerate(zip(scores, largest, strict=True)):
        for ranking in (name for name in WITHIN if name in rankings):
            order = some[np.argsort(-of[ranking][some], kind="stable")]
            for role, part in (("within high", order[:k]), ("within low", order[k:])):
                table.add(_runs(heads, part), role, k, fold=fold, ranking=ranking)
        for draw, number in enumerate(drawn):  # the same order of heads in every fold
            table.add(_runs(heads, some[np.argsort(-number[some])[:k]]), "within random", k, fold=fold, draw=draw)


def _parts(table: _Table, head_map: HeadMap, heads: np.ndarray, size: StudySize) -> None:
    """Single heads, blocks and kinds, in every pair."""
    _single(table, heads)
    every = head_map.table("card")
    mlp, block = every["part"] == "mlp", every["block_index"]
    single = every["kind"] == "single"
    for number in range(len(head_map.block_names)):
        for part in (~mlp, mlp):
            if (runs := part & (block == number)).any():
                table.add(runs, "block", int(runs.sum()), draw=2 * number + int(part is mlp))
    kinds = (~mlp & ~single, ~mlp & single, mlp, np.ones(head_map.n_runs, bool))
    for number, runs in enumerate(kinds):
        if not runs.any():
            continue
        for tokens in TOKENS:
            for direction in DIRECTIONS:
                table.add(runs, "kind", int(runs.sum()), draw=number, tokens=tokens, direction=direction)
        for step in size.steps:
            table.add(runs, "kind", int(runs.sum()), draw=number, step=step)


def _runs(heads: np.ndarray, some: np.ndarray) -> np.ndarray:
    return np.asarray(heads[some].any(axis=0))
