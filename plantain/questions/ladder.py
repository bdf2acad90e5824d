"""The ladder: six tests of single heads, each beside its baselines, of which the strictest decides what is concluded.

>>> print(ladder(load_family(["assets/runs/dense"])).text)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np

from plantain import stats
from plantain.data.dense import DenseResult
from plantain.data.family import Family
from plantain.questions.answer import Answer
from plantain.questions.decoded import score_count
from plantain.questions.drawn import manipulation
from plantain.questions.effect import Effect, effect_of, single_count
from plantain.questions.place import SCOPES, place_count
from plantain.questions.projections import NAMED, PROJECTED, load_projections, span
from plantain.stats.rates import fisher_larger
from plantain.wording import Table, p_value, share

RUNGS = {
    "respond": "Does the size of a head's output shift with the pose?",
    "place": "Does the shift lie where this pair's body moved?",
    "place_sided": "… and on the side where it moved?",
    "code": "Does it name body parts alike in the T-pose and out of it?",
    "deformation": "Can the parts of a pose never seen be read off it?",
    "cause": "Do its values, swapped, move the first step's prediction towards the other picture?",
}
"""Separate questions, in the order of the page."""
NUMBERED = {name: str(n) for n, name in enumerate((name for name in RUNGS if name != "place_sided"), 1)}
"""Numbers of the questions; the sided form belongs to the question before it, and has none."""
NO_EVIDENCE = ("takes no learning", "not shown")
"""How the verdicts begin that untrained baselines give."""
_OF_HEADS = ("code", "deformation", "cause")
_SCORES = {"code": "code_beyond", "deformation": "deformation_beyond"}


@dataclass(frozen=True)
class Rung:
    """One count: heads of a scope that pass a rung under some weights; None where it has not been run."""

    rung: str
    scope: str
    weights: str
    count: int | None
    n_heads: int
    p: float | None

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return dict(vars(self))


@dataclass(frozen=True)
class Ladder(Answer):
    """Every rung of a family of dense runs."""

    model: str
    prompts: str
    rungs: tuple[Rung, ...]
    projections: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    """By rung: of as many random projections of the blocks' inputs as there are attention heads, how many pass; a seed
    each."""
    effect: Effect | None = None
    """How far single heads move the prediction; None where they have not been patched."""

    @property
    def weights(self) -> list[str]:
        return list(dict.fromkeys(rung.weights for rung in self.rungs))

    def of(self, rung: str, scope: str) -> dict[str, Rung]:
        """One rung's counts, by weights."""
        return {r.weights: r for r in self.rungs if (r.rung, r.scope) == (rung, scope)}

    def verdict(self, rung: str, scope: str = "attention heads") -> str:
        """What a rung's counts say, in a few words, of which the strictest baseline decides.

        >>> ladder(family).verdict("deformation")
        'true of the model, not of its heads: random projections pass as often'

        A count is beyond a baseline's where Fisher's exact test, one-sided, gives p < 0.05. It takes heads for
        independent, which they are not: a rule for the choice of words, and no test of a model.
        """
        found = {w: r for w, r in self.of(rung, scope).items() if r.count is not None}
        trained, grafted = found.pop("trained", None), found.pop("grafted", None)
        if trained is None:
            return "not run"
        if not found and grafted is None:
            return "no twin has been run"
        if any(not _beyond(trained, twin) for twin in found.values()):
            return _unlearned(trained.count or 0, max(twin.count or 0 for twin in found.values()))
        if (projected := self.projected(rung, scope)) and not _beyond(trained, replace(trained, count=projected[-1])):
            return "true of the model, not of its heads: random projections pass as often"
        if grafted is not None and not _beyond(trained, grafted):
            return "the model's: as many random heads in it pass"
        if rung in PROJECTED and not projected:
            return f"more than untrained; {NAMED} have not been run"
        if grafted is None:
            return "more than untrained; no graft has been run"
        if 2 * (grafted.count or 0) >= (trained.count or 0):
            return "mostly the model's: over half as many random heads in it pass"
        if rung == "cause" and self.effect is not None:
            return f"more heads than in any baseline, {self.effect.full}"
        return "more heads than in any baseline"

    def projected(self, rung: str, scope: str = "attention heads") -> tuple[int, ...]:
        """How many random projections pass a rung, from the fewest of a seed to the most; empty where not run."""
        return tuple(sorted(self.projections.get(rung, ()))) if scope == "attention heads" else ()

    @property
    def sentences(self) -> list[str]:
        """Each rung over attention heads: trained beside its strictest baseline, and what is concluded."""
        said = []
        for name in RUNGS:
            asked = numbered(name, "{}. ")
            found = self.of(name, "attention heads")
            trained = found.get("trained")
            if trained is None or trained.count is None:
                said.append(f"{asked} Not run.")
                continue
            twins = [r for w, r in found.items() if w != "trained" and r.count is not None]
            most = max(twins, key=lambda r: r.count or 0, default=None)
            beside = "no twin has been run" if most is None else f"at most {most.count:,} in a twin ({most.weights})"
            if projected := self.projected(name):
                beside += f", {span(projected)} {NAMED}"
            passing = f"{trained.count:,} of {trained.n_heads:,} attention heads; {beside}."
            said.append(f"{asked} {passing} Conclusion: {self.verdict(name)}.")
        return said + ([] if self.effect is None else self.effect.sentences)

    @property
    def tables(self) -> list[Table]:
        """One a scope, a row a rung."""
        return [self._table(scope) for scope in SCOPES]

    def _table(self, scope: str) -> Table:
        of_heads = scope == "attention heads"
        header = ("rung", *self.weights, *(["random projections", "conclusion"] if of_heads else []))
        rows = []
        for name in RUNGS:
            found = self.of(name, scope)
            cells = [_cell(found.get(weights)) for weights in self.weights]
            if not of_heads and name in _OF_HEADS:
                cells = ["of attention heads"] * len(cells)
            if of_heads:
                cells += [span(self.projected(name)) or ("not run" if name in PROJECTED else "—"), self.verdict(name)]
            rows.append((name.replace("_", ", "), *cells))
        note = "Heads and their share; p by sign flips of the pairs, where the null holds."
        if of_heads and self.projections:
            note += f" Random projections: of the layer-normed stream that enters each block; {self.n_seeds} seeds."
        return Table(f"{self.model} on {self.prompts}: {scope}", note, (header, *rows))

    @property
    def n_seeds(self) -> int:
        """Draws of random projections."""
        return max(map(len, self.projections.values()), default=0)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values: model, prompts, every rung's fields, random projections by rung, effect of patching."""
        rungs, projections = [rung.to_dict() for rung in self.rungs], {k: list(v) for k, v in self.projections.items()}
        effect = None if self.effect is None else asdict(self.effect)
        known = {"model": self.model, "prompts": self.prompts, "rungs": rungs}
        return known | {"random_projections": projections, "cause_effect": effect}


def numbered(name: str, number: str = "{} ") -> str:
    """A rung's question behind its number, where it has one.

    >>> numbered("place")
    '2 Does the shift lie where this pair's body moved?'
    """
    return (number.format(NUMBERED[name]) if name in NUMBERED else "") + RUNGS[name]


def _unlearned(trained: int, most: int) -> str:
    """The verdict where the trained count is not significantly above that of an untrained baseline, ``most``."""
    if most > trained:
        return "takes no learning: untrained, more pass"
    return f"not shown: untrained, {'as many' if most == trained else 'not significantly fewer'} pass"


def _beyond(trained: Rung, twin: Rung) -> bool:
    return fisher_larger(trained.count or 0, trained.n_heads, twin.count or 0, twin.n_heads) < 0.05


def _cell(rung: Rung | None) -> str:
    if rung is None or rung.count is None:
        return "not run"
    p = "" if rung.p is None else f", p {p_value(rung.p)}"
    return f"{share(rung.count, rung.n_heads)}{p}"


def ladder(family: Family, verified: bool = False, n_flips: int = 1000, seed: int = 0) -> Ladder:
    """Count every rung for every run of a family; ``verified``: over pairs whose two pictures show what they should.

    >>> ladder(load_family(["assets/runs/dense"])).to_dict()["rungs"][0]

    A head passes at |t| > 3 on the first rung and at t > 3 on the others. *Code* and *deformation* count their strict
    form, beyond outline and position; *cause* single heads, where a patching study has them. *Place* has no p (its
    plain null is too lenient); *sided* has.
    """
    only = manipulation(family).verified if verified else None
    rungs = []
    for weights, run in family.runs.items():
        for scope, view in SCOPES.items():
            for name in RUNGS:
                count, has_p = _count(run, name, scope, only, n_flips, seed), name != "place"
                if name == "cause" and scope == "attention heads" and weights in family.studies:
                    study = family.studies[weights]
                    count = single_count(study, n_flips, seed, only) if study.has_truth else None
                n_heads = run.head_map.n_heads(view)
                if count is None:
                    rungs.append(Rung(name, scope, weights, None, n_heads, None))
                else:
                    p = float(count.set_p[0]) if has_p else None
                    rungs.append(Rung(name, scope, weights, int(count.counts[0]), n_heads, p))
    some = only is not None and not only.all()  # random projections were counted over all pairs
    patched, title = family.studies.get("trained"), family.trained.prompts.title or family.trained.prompts.name
    effect = effect_of(family.studies) if patched is not None and patched.has_truth else None
    return Ladder(family.model, title, tuple(rungs), {} if some else load_projections(family), effect)


def _count(
    run: DenseResult, rung: str, scope: str, only: np.ndarray | None, n_flips: int, seed: int
) -> stats.HeadCount | None:
    view = SCOPES[scope]
    if rung == "respond":
        differences = run.run.differences(view)
        return stats.count_heads(differences if only is None else differences[only], n_flips, 0, seed)
    if rung == "place_sided" and run.sided(run.truths[0]).sum() < stats.MIN_PAIRS:
        return None
    if rung.startswith("place"):
        return place_count(run, view, rung == "place_sided", n_flips, seed, only)
    if scope == "attention heads" and _SCORES.get(rung) in run.decoded:
        return score_count(run, _SCORES[rung], n_flips, seed, only)
    return None
