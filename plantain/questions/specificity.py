"""Specificity: does what heads show of the pose hold for other content as well, question by question?

>>> print(specificity(load_sets(["assets/runs/dense"])).text)
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from plantain import stats
from plantain.data.dense import SCORES, DenseResult
from plantain.data.family import Family
from plantain.data.view import View
from plantain.errors import InputError
from plantain.questions.answer import Answer
from plantain.questions.decoded import score_count
from plantain.questions.place import SCOPES, place_count
from plantain.wording import Table, number, p_value

POSE = "dense_pose"
TRUTH = "drawn"
"""The one map that every set has: where the two pictures differ."""
FORMS = {
    "place": "place",
    "place_sided": "sided",
    "figure": "body or ground",
    "deformation": "deformation, given the body",
    "deformation_beyond": "deformation, beyond",
    "code": "code, given the body",
    "code_beyond": "code, beyond",
}
"""Everything that can be asked of a set; decoders as strictly as they are: beyond outline and position last."""
STRICT = ("deformation_beyond", "code_beyond")
"""What is held against the pose head by head, beside place, wherever a second set has it."""
_SHOWN = ("trained", "untrained 0")
_ATTENTION = "attention heads"


@dataclass(frozen=True)
class TwoWay:
    """Heads that pass one of ``FORMS`` on the pose, on another set, on both, on neither."""

    weights: str
    scope: str
    other: str
    pose: np.ndarray  # (H,) t on the pose
    content: np.ndarray  # (H,) t on the other set
    form: str = "place"

    @property
    def counts(self) -> tuple[int, int, int, int]:
        """Pose alone, the other alone, both, neither, at t > 3."""
        a, b = self.pose > 3, self.content > 3
        return int((a & ~b).sum()), int((~a & b).sum()), int((a & b).sum()), int((~a & ~b).sum())

    @property
    def expected_both(self) -> float:
        """Heads on both, were the two unrelated over heads."""
        pose, content, both, neither = self.counts
        return (pose + both) * (content + both) / (pose + content + both + neither)

    @property
    def p(self) -> float:
        """Fisher's exact p of the table, two-sided; heads share their inputs, so it is too small where they do."""
        from scipy.stats import fisher_exact  # here, since reading a run needs no distribution

        pose, content, both, neither = self.counts
        return float(fisher_exact([[both, pose], [content, neither]])[1])


@dataclass(frozen=True)
class Specificity(Answer):
    """What heads pass on every set, and two-way tables of the pose against every other set that has been run."""

    passed: Mapping[tuple[str, str], Mapping[str, int | None]]
    """By (set, weights): attention heads at t > 3 by each of ``FORMS``; None where it cannot be asked of that set."""
    tables_of: tuple[TwoWay, ...]

    def of(self, form: str, scope: str = _ATTENTION, weights: str = "trained") -> dict[str, TwoWay]:
        """The two-way tables of one question, by the other set."""
        return {t.other: t for t in self.tables_of if (t.form, t.scope, t.weights) == (form, scope, weights)}

    @property
    def sentences(self) -> list[str]:
        """One a set by place, one a set by a decoder, over the trained model's attention heads; what they can't say."""
        said = []
        for found in self.of("place").values():
            pose, other, both, neither = found.counts
            said.append(
                f"Of {len(found.pose)} attention heads {both} mark where the pose moved the body and where "
                f"{found.other} changes the picture ({found.expected_both:.0f} were the two unrelated over heads); "
                f"{pose} the pose alone, {other} {found.other} alone, {neither} neither."
            )
        for form in STRICT:
            for found in self.of(form).values():
                pose, other, both, _ = found.counts
                said.append(
                    f"By {FORMS[form]} outline and position, {both} of {len(found.pose)} attention heads pass on the "
                    f"pose and on {found.other} ({found.expected_both:.1f} were the two unrelated over heads, p "
                    f"{p_value(found.p)}); {pose} on the pose alone, {other} on {found.other} alone."
                )
        if self.of(STRICT[0]):
            said.append(
                "A set that has decoders varies the pose as well: what passes on both answers alike where the rest of "
                "the words differs, and is not thereby about anything else."
            )
        lacking = [name for (name, weights), n in self.passed.items() if weights == "trained" and n[STRICT[0]] is None]
        if lacking:
            said.append(
                f"Decoders cannot be asked of {', '.join(lacking)}: they need bodies, and at least three groups of "
                "pairs that share neither subject nor pose."
            )
        said.append(
            "A head that marks both carries what is drawn where, whatever it is. Heads share their inputs, so tables "
            "are held against the untrained twin's, not against their p alone."
        )
        return said

    @property
    def tables(self) -> list[Table]:
        """Place head by head; what each set has, question by question; the strict decoders head by head."""
        rows = [(t.other, *_cells(t)) for t in self.tables_of if t.form == "place"]
        note = "Place by the pictures drawn, own − others, t > 3; p of Fisher's exact test, heads taken as unrelated."
        made = [Table("Pose against other content", note, (("set", *_HEADER), *rows)), self._by_set()]
        strict = [(FORMS[t.form], t.other, *_cells(t)) for t in self.tables_of if t.form != "place"]
        if strict:
            note = "Decoders of attention heads, t > 3; p of Fisher's exact test, heads taken as unrelated."
            made.append(Table("Parts on two sets", note, (("asked", "set", *_HEADER), *strict)))
        return made

    def _by_set(self) -> Table:
        rows = [
            (name, weights, *("not asked" if n is None else f"{n:,}" for n in found.values()))
            for (name, weights), found in self.passed.items()
        ]
        note = (
            "Attention heads at t > 3; place and side by the pictures drawn; decoders of left-out poses and of "
            "canonical figures, given the body or beyond outline and position."
        )
        return Table("Every question on every set", note, (("set", "weights", *FORMS.values()), *rows))

    @property
    def columns(self) -> Mapping[str, Iterable[Any]]:
        """Of the trained attention heads: t on the pose and on every set, and of the strict decoders as well."""
        made: dict[str, Iterable[Any]] = {}
        for form, prefix in {"place": "t", **{form: f"t_{form}" for form in STRICT}}.items():
            for other, found in self.of(form).items():
                made |= {f"{prefix}_pose": found.pose, f"{prefix}_{other}": found.content}
        return made


_HEADER = ("weights", "counted", "pose alone", "set alone", "both", "neither", "both, if unrelated", "p")


def _cells(t: TwoWay) -> tuple[str, ...]:
    return t.weights, t.scope, *(f"{n:,}" for n in t.counts), number(t.expected_both, 1), p_value(t.p)


def specificity(sets: Mapping[str, Family]) -> Specificity:
    """Count what heads pass on every set, and hold *place* and the strict decoders on the pose against the others'.

    >>> specificity(load_sets(["assets/runs/dense"])).tables_of[0].counts
    >>> specificity(load_sets(["assets/runs/dense"])).passed["setting", "trained"]["deformation"]    # not asked: None

    Raises InputError: no dense run of the pose, or none of another set on the same architecture.
    """
    if POSE not in sets or len(sets) < 2:
        raise InputError(f"Specificity needs dense runs of {POSE} and of another set; got {', '.join(sets) or 'none'}.")
    pose = sets[POSE]
    alike = {name: f for name, f in sets.items() if name != POSE and f.trained.head_map == pose.trained.head_map}
    if not alike:
        raise InputError("Specificity needs runs of one architecture; these are of different ones.")
    passed = {
        (name, weights): {
            form: None if (t := _t(f.runs[weights], form)) is None else int((t > 3).sum()) for form in FORMS
        }
        for name, f in {POSE: pose, **alike}.items()
        for weights in _SHOWN
        if weights in f.runs
    }
    found = []
    for form, scopes in {"place": SCOPES, **{form: {_ATTENTION: SCOPES[_ATTENTION]} for form in STRICT}}.items():
        for name, family in alike.items():
            for weights in (w for w in _SHOWN if w in family.runs and w in pose.runs):
                for scope, view in scopes.items():
                    ts = [_t(f.runs[weights], form, view) for f in (pose, family)]
                    if ts[0] is not None and ts[1] is not None:
                        found.append(TwoWay(weights, scope, name, ts[0], ts[1], form))
    return Specificity(passed, tuple(found))


def _t(run: DenseResult, form: str, view: View = SCOPES[_ATTENTION]) -> np.ndarray | None:
    """t of every head by one of ``FORMS``; None where a run has no such map or decoder."""
    if form in SCORES:
        return score_count(run, form, n_flips=1).t if form in run.decoded else None
    if form == "place_sided" and run.sided(TRUTH).sum() < stats.MIN_PAIRS:
        return None
    return place_count(run, view, sided=form == "place_sided", n_flips=1, truth=TRUTH).t
