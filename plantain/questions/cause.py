"""Cause: do the values of chosen heads, put into the other run, move the velocity, and the drawn body?

>>> print(cause(load_studies(["assets/runs/patch"])).text)
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from plantain import stats
from plantain.data.family import Studies
from plantain.data.interventions import KINDS, MAIN, WITHIN
from plantain.data.patching import PatchStudy
from plantain.questions.answer import Answer
from plantain.questions.cause_tables import (
    SAID,
    SHOWN_K,
    blocks_table,
    doses_table,
    drawn_pairs,
    drawn_share,
    mean_of,
    parts_table,
    pictures_table,
)
from plantain.questions.chosen import (
    Adds,
    Chosen,
    adds,
    chosen,
    ks_of,
    rankings_of,
    single_heads,
)
from plantain.questions.effect import Effect, effect_of, single_count
from plantain.wording import Table, number, p_value, signed

_CLAIMED = ("write", "t")  # of the two rankings whose pictures differ most


@dataclass(frozen=True)
class Cause(Answer):
    """Everything that a model's patching study and its twins' say."""

    studies: Studies
    measure: str
    """"y_truth" where there is a true difference, else "y"."""

    @property
    def trained(self) -> PatchStudy:
        return self.studies.trained

    @cached_property
    def counts(self) -> dict[str, stats.UpperCount]:
        """By weights: heads that by themselves move the velocity towards their own pair's true difference."""
        return {weights: single_count(study) for weights, study in self.studies.runs.items()}

    @cached_property
    def effect(self) -> Effect:
        """How many single heads move the image, how far, and what their baseline writes."""
        return effect_of(self.studies.runs, self.measure)

    @cached_property
    def sets(self) -> dict[tuple[str, int], Chosen]:
        """Sets of the trained model by ranking and k, in sufficiency."""
        found = {}
        for ranking in rankings_of(self.trained):
            for k in ks_of(self.trained, ranking):
                if (one := chosen(self.trained, ranking, k, self.measure)) is not None:
                    found[ranking, k] = one
        return found

    @cached_property
    def added(self) -> list[Adds]:
        every = (adds(self.trained, r, k, self.measure) for r in WITHIN for k in ks_of(self.trained, "write"))
        return [one for one in every if one is not None]

    @property
    def sentences(self) -> list[str]:
        said = [*self._turning(), *self._ceiling(), *self._best(), *self._beyond()]
        if len(self.trained.drawn_rows):
            said.append(self._turned())
        said.append(
            "Heads were ranked on other pairs than they are tested in, but for two things: code's and deformation's "
            "decoders were fitted on folds that hold test pairs, and place less elsewhere takes pairs of settings with "
            "the same subjects. The p are not adjusted for how many there are, and take out kind and size, not depth."
        )
        return said

    def _ceiling(self) -> list[str]:
        """What B's whole run is worth, and how many single heads move anything towards it."""
        top, count = everything(self.trained), self.counts["trained"]
        said = []
        if top and self.trained.has_truth:
            said.append(
                f"With B's values in all heads at image tokens the run is B's, and covers {number(top['y_truth'])} of "
                f"the true difference (cosine {number(top['cos_truth'])}): how well the model draws, and the ceiling."
            )
        beside = "; ".join(f"{w} {c.counts[0]} of {c.n_heads}" for w, c in self.counts.items() if w != "trained")
        said.append(
            f"By itself, {count.counts[0]} of {count.n_heads} heads move the velocity towards their own pair's "
            f"difference beyond other pairs' (t > 3; {int((count.t < -3).sum())} at t < −3; set-level p "
            f"{p_value(float(count.set_p[0]))}; {beside or 'no twin has been run'})."
        )
        return said + self.effect.sentences[1:]

    def _best(self) -> list[str]:
        said = []
        for k in SHOWN_K:
            here = {r: self.sets[r, k] for r in SAID if (r, k) in self.sets}
            if not here:
                continue
            order = sorted(here.values(), key=lambda one: -one.mean)
            told = ", ".join(f"{SAID[one.ranking]} {number(one.mean)}" for one in order)
            n = self.trained.head_map.n_heads(self.trained.view)
            said.append(f"The first {k} of {n} heads by: {told}; at random {number(order[0].random)}.")
        return said

    def _beyond(self) -> list[str]:
        said = []
        for ranking in WITHIN:
            some = [one for one in self.added if one.ranking == ranking and one.k in SHOWN_K]
            if not some:
                continue
            told = "; ".join(
                f"k = {a.k}: {number(a.high)} against {number(a.low)}, writing {number(a.ratio)} times as much, p "
                f"{p_value(a.p)} with size taken out"
                for a in some
            )
            r, p = some[0].partial, some[0].partial_p
            said.append(
                f"Of the 2 k heads that write most, the half first in {SAID[ranking]} against the other half: {told}. "
                f"Over single heads, {SAID[ranking]} goes with what a head moves by r = {signed(r, 2)} once what it "
                f"writes is taken out (p {'—' if np.isnan(p) else p_value(p)}; scores and effects over the same pairs)."
            )
        return said

    def _turning(self) -> list[str]:
        """Which heads turn what is drawn, in a sentence; none of a study without pictures."""
        k = max((k for k in SHOWN_K if all(drawn_share(self.trained, r, k) for r in _CLAIMED)), default=0)
        if not k:
            return []
        n_heads = self.trained.head_map.n_heads(self.trained.view)
        most, by_t = (100 * drawn_share(self.trained, r, k)["turned"] for r in _CLAIMED)
        return [
            f"Given B's values, the {k} heads of {n_heads} that write most turn {most:.0f} % of the pictures to B's "
            f"pose; the {k} that respond most, by |t|, turn {by_t:.0f} %."
        ]

    def _turned(self) -> str:
        told = []
        for k in (8, 15):
            rows = {r: drawn_share(self.trained, r, k) for r in MAIN}
            known = ", ".join(f"{SAID[r]} {100 * v['turned']:.0f} %" for r, v in rows.items() if v)
            if known:
                told.append(f"k = {k}: {known}")
        n = drawn_pairs(self.trained)
        return f"Pictures of {n} pairs that turn when the first k heads are patched at every step: {'; '.join(told)}."

    @property
    def tables(self) -> list[Table]:
        tables = [self._of_weights(), self._of_sets(), self._of_directions(), self._of_added()]
        tables += [of(self.trained, self.measure) for of in (doses_table, parts_table, blocks_table)]
        if len(self.trained.drawn_rows):
            tables.append(pictures_table(self.trained))
        return tables

    def _of_weights(self) -> Table:
        header = ("weights", "everything: y*", "cosine", "‖v_B − v_A‖ / true", "single heads at t > 3", "t < −3", "p")
        rows = []
        for weights, study in self.studies.runs.items():
            one, count = everything(study), self.counts[weights]
            cells = [number(one[m]) if one and study.has_truth else "—" for m in ("y_truth", "cos_truth")]
            apart, true = study.velocities[:, :2].astype(np.float64).T
            ratio = number(float((apart / true).mean())) if true.all() else "—"
            singles = (f"{count.counts[0]} of {count.n_heads}", f"{int((count.t < -3).sum())}")
            rows.append((weights, *cells, ratio, *singles, p_value(float(count.set_p[0]))))
        note = (
            "B's values into A at image tokens; with all of them the run is B's. y*: share of the true difference that "
            "the velocity moves. A single head counts where its y* exceeds the mean over other pairs' true ones, "
            "t over pairs; p by sign flips. An output that hardly depends on the prompt has a small ratio."
        )
        return Table("All heads at once, and each by itself", note, (header, *rows))

    def _of_sets(self) -> Table:
        header = ("ranked by", "k", "y*", "95 %", "matched", "writes", "p", "random", "bottom", "damage", "from others")
        rows = []
        for (ranking, k), one in self.sets.items():
            other = self.trained.table.where(role="others", ranking=ranking, k=k)
            p = "—" if np.isnan(one.p) else p_value(one.p)
            sizes = (number(one.matched, 3), number(one.ratio), p, number(one.random, 3), number(one.bottom, 3))
            interval = f"{number(one.low, 3)} to {number(one.high, 3)}"
            apart = mean_of(self.trained, other, self.measure)
            own = self.trained.table.where(role="chosen", ranking=ranking, k=k, direction="sufficiency")
            damage = mean_of(self.trained, own, "damage")
            rows.append((SAID[ranking], str(k), number(one.mean, 3), interval, *sizes, damage, apart))
        note = (
            "Cross-fitted, B into A. matched: sets of the same kinds of head that share at most half; writes: what "
            "they write over what the chosen set does; p: the chosen set's place among them, where they write within "
            "2 % as much. damage: share of the change off the way to B's velocity. from others: the mean of other "
            "pairs' runs in place of the partner's."
        )
        return Table("Sets of heads", note, (header, *rows))

    def _of_directions(self) -> Table:
        header = ("ranked by", "k", "B into A", "p", "A into B", "p")
        rows = []
        for ranking, k in self.sets:
            if ranking not in MAIN:
                continue
            both = [chosen(self.trained, ranking, k, self.measure, d) for d in ("sufficiency", "necessity")]
            cells = [
                cell
                for one in both
                for cell in (
                    ("—", "—") if one is None else (number(one.mean, 3), "—" if np.isnan(one.p) else p_value(one.p))
                )
            ]
            rows.append((SAID[ranking], str(k), *cells))
        few = self.trained.table.where(role="matched", direction="necessity")
        n = len(np.unique(self.trained.table.draw[few]))
        note = f"y* either way. A into B is held against {n} matched sets: no p below {p_value(1 / (n + 1))}."
        return Table("Sufficiency and necessity", note, (header, *rows))

    def _of_added(self) -> Table:
        header = ("ranking", "k", "first half", "second half", "writes", "t", "random half", "p", "partial r", "p of r")
        rows = []
        for a in self.added:
            halves = (number(a.high, 3), number(a.low, 3), number(a.ratio))
            values = (*halves, signed(a.t, 1), number(float(a.others.mean()), 3))
            r = (signed(a.partial, 2), "—" if np.isnan(a.partial_p) else p_value(a.partial_p))
            rows.append((SAID[a.ranking], str(a.k), *values, p_value(a.p), *r))
        note = (
            "Among the 2 k heads with the largest ‖W_out Δx‖: does the ranking find those that move more? writes: what "
            "the first half writes over what the second does; p: its place among random halves, size taken out."
        )
        return Table("Beyond the size of what is written", note, (header, *rows))

    @property
    def columns(self) -> Mapping[str, Iterable[Any]]:
        """Of the trained model's heads: t of its own y*, its mean y* and y, and what it writes."""
        study = self.trained
        return {
            "t_cause": self.counts["trained"].t,
            "y_truth": single_heads(study, "y_truth").mean(axis=1),
            "y": single_heads(study, "y").mean(axis=1),
            "write": study.size_of("write").mean(axis=0),
        }


def cause(studies: Studies) -> Cause:
    """Everything of a model's studies.

    >>> cause(load_studies(["assets/runs/patch"])).counts["trained"].counts

    Raises InputError where a study lacks single heads.
    """
    known = studies.trained.about.get("truth") != "none"
    return Cause(studies, "y_truth" if known else "y")


def everything(study: PatchStudy) -> dict[str, float]:
    """Means over pairs of what all heads at once move at image tokens; empty where it was not made."""
    numbers = study.table.where(
        role="kind", draw=KINDS.index("everything"), tokens="image", step=0, direction="sufficiency"
    )
    if not len(numbers):
        return {}
    return {
        m: float(np.nanmean(study.of(numbers, m))) for m in ("y", "y_truth", "cos_truth", "damage", "y_truth_others")
    }
