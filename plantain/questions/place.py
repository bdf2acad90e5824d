"""Place: does a head's shift lie where this pair's body moved? True of the model: random projections pass as often.

>>> print(place(load_family(["assets/runs/dense"])).text)
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from plantain import stats
from plantain.data.dense import TRUTHS, DenseResult
from plantain.data.family import Family
from plantain.data.view import View
from plantain.pose.parts import area_means
from plantain.questions.answer import Answer
from plantain.questions.projections import beside, load_projections
from plantain.stats.match import own_and_others, unit_maps
from plantain.wording import Table, number, p_value

SCOPES = {"card heads": View("card"), "attention heads": View("head")}
"""What is counted, on every rung of the ladder that has both."""
FAMILIES = {
    "joint attention": View("head", kind="joint"),
    "single attention": View("head", kind="single"),
    "single MLP": View("card", "mlp", kind="single"),
}
MOVES: dict[str, dict[str, Any]] = {
    "as they are": {},
    "1 token to the right": {"columns": 1},
    "2 tokens to the right": {"columns": 2},
    "4 tokens to the right": {"columns": 4},
    "1 token down": {"rows": 1},
    "2 tokens down": {"rows": 2},
    "4 tokens down": {"rows": 4},
    "mirrored": {"mirrored": True},
}
"""How ``displaced`` moves the maps, by what a table calls it."""
FWER = 0.05


def place_count(
    run: DenseResult,
    view: View | str,
    sided: bool = False,
    n_flips: int = 1000,
    seed: int = 0,
    only: np.ndarray | None = None,
    **which: Any,
) -> stats.UpperCount:
    """Heads of a view whose own − others lies above 0: ``stats.count_upper`` of ``DenseResult.place``.

    >>> place_count(run, "head", sided=True, truth="drawn", reading="size").counts

    ``only``: pairs to count over, (P,); each is still held against all others.
    """
    return stats.count_upper(run.place(view, sided=sided, only=only, **which), n_flips, seed)


@dataclass(frozen=True)
class Place(Answer):
    """Counts of one family of dense runs, by one truth map and one reading."""

    truth: str
    reading: str
    n_pairs: int
    own: dict[tuple[str, str], stats.UpperCount]
    """By (weights, scope): own − other pairs' maps."""
    sided: dict[tuple[str, str], stats.UpperCount]
    """The same: own − mirrored, less its mean over the others; p and FWER come from it."""
    families: dict[tuple[str, str], stats.UpperCount]
    """By (weights, family), own − others."""
    blocks: dict[str, dict[str, tuple[int, int]]]
    """By weights and block: attention heads at t > 3, own − others, and how many there are."""
    moved: dict[str, dict[str, int]]
    """By weights: the same with all maps moved by tokens, or mirrored."""
    projected: tuple[int, ...] = ()
    """Random projections of the blocks' inputs that pass, a draw each; they are counted by the first truth, vector."""

    @property
    def weights(self) -> list[str]:
        return list(dict.fromkeys(weights for weights, _ in self.own))

    @property
    def sentences(self) -> list[str]:
        """The trained count beside the twins', the sided one with its p, and what both can't say."""
        said = []
        for scope in SCOPES:
            count = self.own["trained", scope]
            twins = "; ".join(f"{w} {self.own[w, scope].counts[0]:,}" for w in self.weights if w != "trained")
            said.append(
                f"Of {count.n_heads:,} {scope}, {count.counts[0]:,} shift where this pair's body moved rather than "
                f"another's (own − others, t > {count.thresholds[0]:g}; {twins or 'no twin has been run'})."
            )
        sided = self.sided.get(("trained", "attention heads"))
        if sided is None:
            said.append("Its side cannot be asked: the maps of these pairs are their own mirror images.")
        else:
            n_fwer = int((sided.max_p <= FWER).sum())
            said.append(
                f"On its side (own − mirrored map, {sided.n_pairs} pairs whose map has sides): {sided.counts[0]:,} of "
                f"{sided.n_heads:,} attention heads at t > 3, {n_fwer:,} beyond family-wise 5 % of "
                f"{len(sided.null.max_abs_t):,} sign flips, set-level p = {p_value(float(sided.set_p[0]))}. Own − "
                "others has no p: pairs with similar words have similar shifts and similar bodies, and permuting them "
                "is too lenient."
            )
        count = self.own["trained", "attention heads"]
        said.append(beside(count.counts[0], count.n_heads, self.projected))
        said.append(
            "Place holds for whatever is drawn differently, not for pose alone, and says nothing of what the head is "
            "used for."
        )
        return said

    @property
    def finding(self) -> str:
        return self.sentences[1]

    @property
    def tables(self) -> list[Table]:
        """Own − others and sided by weights; by family; by depth."""
        return [self._by_weights(), self._by_family(), self._by_depth(), self._by_move()]

    def _by_weights(self) -> Table:
        header = ("weights", "counted", "of", "t > 3", "t > 5", "max t", "sided t > 3", "FWER 5 %", "sided p")
        rows = []
        for (weights, scope), own in self.own.items():
            sided, sides = self.sided.get((weights, scope)), ("—", "—", "—")
            if sided is not None:
                fwer = f"{int((sided.max_p <= FWER).sum()):,}"
                sides = (f"{sided.counts[0]:,}", fwer, p_value(float(sided.set_p[0])))
            counts = [f"{n:,}" for n in own.counts]
            rows.append((weights, scope, f"{own.n_heads:,}", *counts, number(own.t.max(), 1), *sides))
        note = f"Truth {self.truth}, shift read by {self.reading}, {self.n_pairs} pairs; t over pairs, one-sided."
        return Table("Where the body moved", note, (header, *rows))

    def _by_family(self) -> Table:
        names = list(dict.fromkeys(family for _, family in self.families))
        header = ("weights", *(f"{name}, of {self.families['trained', name].n_heads:,}" for name in names))
        rows = [(w, *(f"{self.families[w, name].counts[0]:,}" for name in names)) for w in self.weights]
        return Table("By family", "Own − others, t > 3; MLP in runs of channels.", (header, *rows))

    def _by_depth(self) -> Table:
        header = ("block", *self.weights)
        rows = [
            (block, *(f"{self.blocks[w][block][0]} of {self.blocks[w][block][1]}" for w in self.weights))
            for block in self.blocks["trained"]
        ]
        return Table("By depth", "Attention heads, own − others, t > 3.", (header, *rows))

    def _by_move(self) -> Table:
        rows = [(move, *(str(self.moved[w][move]) for w in self.weights)) for move in self.moved["trained"]]
        note = "Attention heads at t > 3 with every map moved; maps are smooth and bodies near symmetric."
        return Table("With the maps moved", note, (("maps", *self.weights), *rows))

    @cached_property
    def columns(self) -> Mapping[str, Iterable[Any]]:
        """Of the trained run's attention heads: t of both forms, and the family-wise p."""
        own, sided = (form.get(("trained", "attention heads")) for form in (self.own, self.sided))
        assert own is not None
        more = {} if sided is None else {"t_place_sided": sided.t, "p_fwer_sided": sided.max_p}
        return {"t_place": own.t, **more}


def place(
    family: Family, truth: str | None = None, reading: str = "vector", n_flips: int = 1000, seed: int = 0
) -> Place:
    """Count the heads of every run of a family whose shift lies where the body moved.

    >>> found = place(load_family(["assets/runs/dense"]), truth="drawn")
    >>> found.own["trained", "attention heads"].counts

    Truth None: "body" where the run has it, else "drawn". ``reading``: "vector" (length of B − A) or "size" (change of
    the RMS). Raises InputError where a run has no such map.
    """
    truth = truth or next(iter(family.trained.truths), TRUTHS[0])
    which: dict[str, Any] = {"truth": truth, "reading": reading, "n_flips": n_flips, "seed": seed}
    own, sided, families, blocks = {}, {}, {}, {}
    for weights, run in family.runs.items():
        for scope, view in SCOPES.items():
            own[weights, scope] = place_count(run, view, **which)
            if run.sided(truth).sum() >= stats.MIN_PAIRS:
                sided[weights, scope] = place_count(run, view, sided=True, **which)
        for name, view in FAMILIES.items():
            if not (view.kind == "single" and not run.head_map.n_single):
                families[weights, name] = place_count(run, view, **(which | {"n_flips": 1}))
        blocks[weights] = _by_block(run, own[weights, "attention heads"].t)
    moved = {
        weights: {move: displaced(run, **how).counts[0] for move, how in MOVES.items()}
        for weights, run in family.runs.items()
    }
    n_pairs = own["trained", "card heads"].n_pairs
    counted = (truth, reading) == (next(iter(family.trained.truths), None), "vector")
    projected = load_projections(family).get("place", ()) if counted else ()
    return Place(truth, reading, n_pairs, own, sided, families, blocks, moved, projected)


def displaced(run: DenseResult, rows: int = 0, columns: int = 0, mirrored: bool = False) -> stats.UpperCount:
    """Attention heads that match their pair's map when all maps are moved by tokens, or mirrored: own − others.

    >>> [displaced(run, columns=k).counts[0] for k in (0, 1, 2, 4)]

    From the shift maps that are kept, with the first truth; what moves in from beyond the frame is 0.
    """
    truth = TRUTHS.index(run.truths[0])
    grid = run.shift.shape[-2:]
    maps = area_means(np.moveaxis(run.maps[truth], 0, -1), grid)  # (rows, columns, P)
    moved = np.zeros_like(maps)
    height, width = grid
    to, at = slice(rows, height), slice(0, height - rows)
    moved[to, columns:] = maps[at, : width - columns]
    if mirrored:
        moved = moved[:, ::-1]
    r = unit_maps(run.shift.reshape(*run.shift.shape[:2], -1)) @ unit_maps(moved.reshape(-1, moved.shape[-1]).T).T
    own, others = own_and_others(r, run.usable[truth])
    return stats.count_upper((own - others)[:, run.usable[truth]].T, n_flips=1)


def _by_block(run: DenseResult, t: np.ndarray) -> dict[str, tuple[int, int]]:
    block = run.head_map.table("head")["block"]
    return {str(name): (int((t[block == name] > 3).sum()), int((block == name).sum())) for name in dict.fromkeys(block)}
