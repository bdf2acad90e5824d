"""Is it pose? Pose beside every control, trained beside untrained, for each family of heads.

>>> report = compare(load_controls("assets/runs/controls"))
>>> report.selectivity("trained", "setting", "attention heads").larger
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from plantain import stats
from plantain.data.heads import HeadMap
from plantain.data.prompts import described, match_rows
from plantain.data.result import ProbeResult
from plantain.data.settings import ProbeConfig
from plantain.data.study import OF_POSE, POSE, ControlStudy
from plantain.errors import InputError
from plantain.questions.factors import FactorCount, count_factors
from plantain.questions.families import scope_view, scopes_of

# Roles of controls that a head need not respond less to.
_SPARED = ("near", "nothing")
_Key = tuple[str, str, str]  # weights, set, scope
_Settings = tuple[int, int, int, Sequence[float]]  # n_flips, n_splits, seed, thresholds


@dataclass(frozen=True)
class SelectivityCount:
    """Heads that respond more to pose than to a control, and the other way round."""

    weights: str
    control: str
    scope: str
    found: stats.Selectivity  # with a mask of the heads of either kind
    p_excess: float  # of larger - smaller, when the two are of equal size in every head (``stats.selectivity_null``)
    blocks: tuple[tuple[str, int, int, int], ...] = ()  # block, larger, smaller, n_heads of every block

    @property
    def n_heads(self) -> int:
        return len(self.found.larger)

    @property
    def larger(self) -> int:
        """Heads with |pose| > |control|."""
        return self.found.n_larger

    @property
    def smaller(self) -> int:
        """Heads with |control| > |pose|."""
        return self.found.n_smaller

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        names = ("weights", "control", "scope", "n_heads", "larger", "smaller", "p_excess")
        return {name: getattr(self, name) for name in names} | {"blocks": [list(block) for block in self.blocks]}


@dataclass(frozen=True)
class ControlReport:
    """``compare``: every figure is looked up by weights ("trained", "untrained 0", …), set and scope.

    Of a set of the design "few and many" ``counts`` has the canonical effect, and ``bent`` the "articulation" and the
    "interaction" (``stats.canonical_effect``). ``survivors`` are the heads that respond more to pose than to every
    control that is not spared, and those that respond less than to each of them.
    """

    model: str
    pose: str  # the set that is held against the others
    weights: tuple[str, ...]
    sets: tuple[str, ...]
    scopes: tuple[str, ...]
    threshold: float
    config: ProbeConfig
    head_map: HeadMap
    roles: Mapping[str, str]  # by set, from the sets' own files, as labels and designs; without one it is a control
    labels: Mapping[str, str]
    designs: Mapping[str, str]
    titles: Mapping[str, str]
    left_out: tuple[str, ...] = ()
    counts: dict[_Key, stats.HeadCount] = field(default_factory=dict)
    selectivities: dict[_Key, SelectivityCount] = field(default_factory=dict)
    survivors: dict[tuple[str, str], tuple[int, int]] = field(default_factory=dict)  # by weights and scope
    bent: dict[tuple[str, str], dict[str, stats.HeadCount]] = field(default_factory=dict)
    factors: dict[tuple[str, str], tuple[FactorCount, ...]] = field(default_factory=dict)

    @property
    def controls(self) -> tuple[str, ...]:
        """The sets that are not about pose's own contrast."""
        return tuple(name for name in self.sets if name != self.pose and self.roles[name] not in OF_POSE)

    @property
    def lexical(self) -> tuple[str, ...]:
        """The sets among which pose is placed: a fixed remark against varied remarks."""
        return self.of_role("lexical")

    def of_role(self, role: str) -> tuple[str, ...]:
        """The sets of one role."""
        return tuple(name for name in self.sets if self.roles[name] == role)

    def of_design(self, design: str) -> str | None:
        """The set of a design, "few and many" or "factorial"; None where there is none."""
        return next((name for name in self.sets if self.designs[name] == design), None)

    def count(self, weights: str, prompts: str, scope: str) -> stats.HeadCount:
        return self.counts[weights, prompts, scope]

    def selectivity(self, weights: str, control: str, scope: str) -> SelectivityCount:
        return self.selectivities[weights, control, scope]

    def larger_smaller(
        self, weights: str, names: Sequence[str], scope: str = "attention heads"
    ) -> tuple[float, float] | None:
        """Heads with |pose| > |control| and the reverse; of several controls the medians; None where one is missing."""
        if not names or not set(names) <= set(self.controls):
            return None
        found = [self.selectivity(weights, name, scope) for name in names]
        return float(np.median([each.larger for each in found])), float(np.median([each.smaller for each in found]))

    def placement(self, weights: str, scope: str, what: str = "count") -> stats.Placement | None:
        """Pose's "count" or "mean_d2" among those of the lexical sets; None without any, or undefined."""
        if not self.lexical:
            return None

        def figure(name: str) -> float:
            count = self.counts[weights, name, scope]
            return float(count.counts[0] if what == "count" else count.mean_d2)

        own, others = figure(self.pose), [figure(name) for name in self.lexical]
        return stats.placed_among(own, others) if np.isfinite([own, *others]).all() else None

    def set_correlation(self, weights: str, a: str, b: str, scope: str = "attention heads") -> float:
        """Pearson r of the t maps of two sets with the same weights; NaN where it is not defined."""
        return stats.pearson(self.counts[weights, a, scope].t, self.counts[weights, b, scope].t)

    def weights_correlation(self, prompts: str, a: str, b: str, scope: str = "attention heads") -> float:
        """Pearson r of the t maps of one set with two different weights."""
        return stats.pearson(self.counts[a, prompts, scope].t, self.counts[b, prompts, scope].t)


def compare(
    study: ControlStudy,
    pose: str = POSE,
    threshold: float = 3.0,
    n_flips: int = 1000,
    n_splits: int = 100,
    seed: int = 0,
) -> ControlReport:
    """Count, and hold pose against every control in size, on trained and untrained weights.

    >>> report = compare(load_controls("assets/runs/controls"), n_flips=1000)

    Noise seeds are averaged and the first step is read. Rows of two sets are matched by subject. ``threshold`` is
    that of the counts and of selectivity. Flips, splits and ``seed`` as in ``stats.count_heads``.

    Raises InputError: the study lacks ``pose``, a set lacks subjects that pose has, or a threshold that is not
    positive.
    """
    if pose not in study.trained:
        there = ", ".join(study.sets)
        raise InputError(f"These runs have no {pose!r} to hold the controls against; they have {there}.")
    known = {name: described(run.prompts, by_name=True) for name, run in study.trained.items()}
    report = ControlReport(
        model=study.model,
        pose=pose,
        weights=tuple(study.weights),
        sets=tuple(study.sets),
        scopes=tuple(scopes_of(study.head_map)),
        threshold=threshold,
        config=study.config,
        head_map=study.head_map,
        roles={name: prompts.role or "control" for name, prompts in known.items()},
        labels={name: prompts.label for name, prompts in known.items()},
        designs={name: prompts.design for name, prompts in known.items()},
        titles={name: run.prompts.title or name for name, run in study.trained.items()},
        left_out=study.left_out,
    )
    thresholds = (threshold, *(c for c in stats.THRESHOLDS if c > threshold and c != stats.THRESHOLDS[0]))
    settings = n_flips, n_splits, seed, thresholds
    for weights, runs in study.runs.items():
        for scope in report.scopes:
            _count_scope(report, runs, weights, scope, settings)
    return report


def _count_scope(
    report: ControlReport, runs: Mapping[str, ProbeResult], weights: str, scope: str, settings: _Settings
) -> None:
    """Every figure of one scope under one set of weights, into the report."""
    n_flips, _, seed, _ = settings
    few_many, factorial = report.of_design("few and many"), report.of_design("factorial")
    bent = None if few_many is None else _two_by_two(runs[few_many], scope)
    d = {name: run.differences(scope_view(scope)) for name, run in runs.items()}
    if few_many is not None and bent is not None:
        d[few_many] = bent.canonical
        report.bent[weights, scope] = {
            name: stats.count_heads(getattr(bent, name), *settings) for name in ("articulation", "interaction")
        }
    if factorial is not None:
        rms, pairs = runs[factorial].rms(scope_view(scope)), runs[factorial].prompts.pairs
        bodies, clothes = ([str(pair.tags.get(name)) for pair in pairs] for name in ("body", "clothing"))
        report.factors[weights, scope] = count_factors(rms, bodies, clothes, report.threshold, seed=seed)
    report.counts.update({(weights, name, scope): stats.count_heads(d[name], *settings) for name in runs})
    beaten = []
    for name in report.controls:
        first, second = _matched(runs[report.pose], runs[name], d[report.pose], d[name])
        found = stats.selectivity(first, second, report.threshold)
        p = stats.selectivity_null(first, second, report.threshold, n_flips, seed).p_excess
        blocks = _by_block(report.head_map, scope, found)
        report.selectivities[weights, name, scope] = SelectivityCount(weights, name, scope, found, p, blocks)
        if report.roles[name] not in _SPARED:
            beaten.append((found.larger, found.smaller))
    if beaten:
        more, less = np.all(beaten, axis=0).sum(axis=1)
        report.survivors[weights, scope] = (int(more), int(less))


def _two_by_two(run: ProbeResult, scope: str) -> stats.TwoByTwo:
    """{canonical, expressive} × {few, many bent joints}, rows matched by subject."""
    rows: dict[str, dict[str, int]] = {"few": {}, "many": {}}
    for i, pair in enumerate(run.prompts.pairs):
        cell = pair.tags.get("cell")
        if cell not in rows:
            raise InputError(f"Pair {pair.id!r} of {run.prompts.name!r} needs the tag cell, few or many; got {cell!r}.")
        rows[cell][str(pair.tags.get("subject"))] = i
    if set(rows["few"]) != set(rows["many"]) or 2 * len(rows["few"]) != run.n_pairs:
        raise InputError(f"Every subject of {run.prompts.name!r} must have one pair with few and one with many.")
    rms = run.rms(scope_view(scope))  # (P, 2, H)
    few, many = rms[list(rows["few"].values())], rms[[rows["many"][subject] for subject in rows["few"]]]
    return stats.canonical_effect(few[:, 1], few[:, 0], many[:, 1], many[:, 0])


def _matched(
    pose: ProbeResult, control: ProbeResult, d_pose: np.ndarray, d_control: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    pairs = match_rows(pose.prompts, control.prompts)
    if len(pairs) != len(d_pose) or len(pairs) != len(d_control):
        raise InputError(f"{pose.prompts.name!r} and {control.prompts.name!r} must have every subject once.")
    return d_pose[[i for i, _ in pairs]], d_control[[j for _, j in pairs]]


def _by_block(head_map: HeadMap, scope: str, found: stats.Selectivity) -> tuple[tuple[str, int, int, int], ...]:
    return tuple(
        (name, int(found.larger[heads].sum()), int(found.smaller[heads].sum()), int(heads.sum()))
        for name, heads in head_map.block_masks(scope_view(scope)).items()
    )
