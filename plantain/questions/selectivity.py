"""Is it pose? Pose beside every control, trained beside untrained, for each family of heads.

>>> report = comparison.compare(controls.load_controls("assets/runs/controls"))
>>> report.selectivity("trained", "setting", "attention heads").larger
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from plantain import stats
from plantain.data.heads import HeadMap
from plantain.data.prompts import match_rows
from plantain.data.result import ProbeResult
from plantain.data.settings import ProbeConfig
from plantain.data.study import LEXICAL, POSE, ControlStudy
from plantain.errors import InputError
from plantain.questions.factors import FactorCount, count_factors
from plantain.questions.families import (
    Count,
    count_heads,
    scope_differences,
    scope_rms,
    scope_table,
    scopes_of,
    unit_of,
)
from plantain.questions.response import THRESHOLDS

ARTICULATION, FACTORIAL, PARAPHRASE = "articulation", "body_clothing", "paraphrase"
# Other contrasts of pose: beside them pose cannot be told apart from itself.
_OF_POSE = (POSE, "dense_pose_fixed", ARTICULATION, FACTORIAL)
WHOLE = ("card heads", "attention heads")
"""Scopes that cover all blocks; for these the report keeps every head."""


@dataclass(frozen=True)
class SelectivityCount:
    """Heads that respond more to pose than to a control, and the other way round (``stats.selectivity``).

    Attributes
    ----------
    larger, smaller : heads with |pose| > |control|, and with |control| > |pose|
    p_excess : of larger - smaller, when the two are of equal size in every head (``stats.selectivity_null``)
    blocks : (block, larger, smaller, n_heads) of every block
    """

    weights: str
    control: str
    scope: str
    n_heads: int
    larger: int
    smaller: int
    p_excess: float
    blocks: tuple[tuple[str, int, int, int], ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "weights": self.weights,
            "control": self.control,
            "scope": self.scope,
            "n_heads": self.n_heads,
            "larger": self.larger,
            "smaller": self.smaller,
            "p_excess": self.p_excess,
            "blocks": [list(block) for block in self.blocks],
        }


@dataclass(frozen=True)
class ControlReport:
    """``compare``: every figure is looked up by weights ("trained", "untrained 0", …), set and scope.

    Attributes
    ----------
    model, pose : names of the trained model and of the set that is held against the others
    weights, sets, controls, scopes : what there is; controls are the sets that are not about pose's own contrast
    counts : {(weights, set, scope): Count}
        Of "articulation" the canonical effect is counted, ½[(E_few - C_few) + (E_many - C_many)] by subject.
    selectivities : {(weights, control, scope): SelectivityCount}
    survivors : {(weights, scope): (more, less)}
        Heads that respond more to pose than to every control but the paraphrase, and less than to each of them.
    bent : {(weights, scope): {"articulation": Count, "interaction": Count}}
        Of ½[(E_many - E_few) + (C_many - C_few)], many bent joints against few, and of (E_many - C_many) -
        (E_few - C_few), where the canonical effect depends on them (``stats.canonical_effect``).
    factors : {(weights, scope): FactorCount of each effect}
    t : {(weights, set, scope): array (n_heads,)}, of the scopes in ``WHOLE``
    larger, smaller : {(weights, control, scope): bool array (n_heads,)}, of the same
    """

    model: str
    pose: str
    weights: tuple[str, ...]
    sets: tuple[str, ...]
    controls: tuple[str, ...]
    scopes: tuple[str, ...]
    threshold: float
    config: ProbeConfig
    head_map: HeadMap
    counts: Mapping[tuple[str, str, str], Count]
    selectivities: Mapping[tuple[str, str, str], SelectivityCount]
    survivors: Mapping[tuple[str, str], tuple[int, int]]
    bent: Mapping[tuple[str, str], Mapping[str, Count]]
    factors: Mapping[tuple[str, str], tuple[FactorCount, ...]]
    t: Mapping[tuple[str, str, str], np.ndarray]
    larger: Mapping[tuple[str, str, str], np.ndarray]
    smaller: Mapping[tuple[str, str, str], np.ndarray]
    left_out: tuple[str, ...] = ()
    titles: Mapping[str, str] = field(default_factory=dict)

    @property
    def lexical(self) -> tuple[str, ...]:
        """The sets among which pose is placed: a fixed remark against varied remarks."""
        return tuple(name for name in self.sets if name in LEXICAL)

    def count(self, weights: str, prompts: str, scope: str) -> Count:
        return self.counts[weights, prompts, scope]

    def selectivity(self, weights: str, control: str, scope: str) -> SelectivityCount:
        return self.selectivities[weights, control, scope]

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
        return _pearson(self.t[weights, a, scope], self.t[weights, b, scope])

    def weights_correlation(self, prompts: str, a: str, b: str, scope: str = "attention heads") -> float:
        """Pearson r of the t maps of one set with two different weights."""
        return _pearson(self.t[a, prompts, scope], self.t[b, prompts, scope])


def compare(
    study: ControlStudy,
    pose: str = POSE,
    threshold: float = 3.0,
    n_flips: int = 1000,
    n_splits: int = 100,
    seed: int = 0,
) -> ControlReport:
    """Count, and hold pose against every control in size, on trained and untrained weights.

    >>> report = comparison.compare(controls.load_controls("assets/runs/controls"), n_flips=1000)

    Noise seeds are averaged and the first step is read. Rows of two sets are matched by subject. ``threshold`` is
    that of the counts and of selectivity.

    Raises
    ------
    InputError
        The study lacks ``pose``, a set lacks subjects that pose has, or a threshold that is not positive.
    """
    if pose not in study.trained:
        raise InputError(
            f"These runs have no {pose!r} to hold the controls against; they have {', '.join(study.sets)}."
        )
    thresholds = (threshold, *(c for c in THRESHOLDS if c > threshold and c != THRESHOLDS[0]))
    scopes = scopes_of(study.head_map)
    controls = [name for name in study.sets if name not in (*_OF_POSE, pose)]
    against = [name for name in controls if name != PARAPHRASE and name != "canonical"]
    made: dict[str, dict[Any, Any]] = {
        name: {} for name in ("counts", "selectivities", "survivors", "bent", "factors", "t", "larger", "smaller")
    }
    for weights, runs in study.runs.items():
        for scope in scopes:
            settings = (scope, unit_of(study.head_map, scope), n_flips, n_splits, seed, thresholds)
            d = {name: _contrast(run, scope) for name, run in runs.items()}
            for name, values in d.items():
                made["counts"][weights, name, scope] = count_heads(values, *settings)
                if scope in WHOLE:
                    made["t"][weights, name, scope] = stats.paired_t(values)
            masks = {}
            for name in controls:
                first, second = _matched(runs[pose], runs[name], d[pose], d[name])
                found = stats.selectivity(first, second, threshold)
                p = stats.selectivity_null(first, second, threshold, n_flips, seed).p_excess
                masks[name] = (found.larger, found.smaller)
                blocks = _by_block(study.head_map, scope, found.larger, found.smaller)
                made["selectivities"][weights, name, scope] = SelectivityCount(
                    weights, name, scope, first.shape[1], found.n_larger, found.n_smaller, p, blocks
                )
                if scope in WHOLE:
                    made["larger"][weights, name, scope], made["smaller"][weights, name, scope] = masks[name]
            if against:
                both = [np.all([masks[name][side] for name in against], axis=0).sum() for side in (0, 1)]
                made["survivors"][weights, scope] = (int(both[0]), int(both[1]))
            if ARTICULATION in runs:
                bent = _two_by_two(runs[ARTICULATION], scope)
                made["bent"][weights, scope] = {
                    name: count_heads(getattr(bent, name), *settings) for name in ("articulation", "interaction")
                }
            if FACTORIAL in runs:
                made["factors"][weights, scope] = _factorial(runs[FACTORIAL], scope, threshold, seed)
    return ControlReport(
        model=study.model,
        pose=pose,
        weights=tuple(study.weights),
        sets=tuple(study.sets),
        controls=tuple(controls),
        scopes=tuple(scopes),
        threshold=threshold,
        config=study.config,
        head_map=study.head_map,
        left_out=study.left_out,
        titles={name: run.prompts.title or name for name, run in study.trained.items()},
        **made,
    )


def _contrast(run: ProbeResult, scope: str) -> np.ndarray:
    """The differences that a set is about: of articulation the canonical effect, else those of its pairs."""
    if run.prompts.name == ARTICULATION:
        return _two_by_two(run, scope).canonical
    return scope_differences(run, scope)


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
    rms = scope_rms(run, scope)  # (P, 2, H)
    few, many = rms[list(rows["few"].values())], rms[[rows["many"][subject] for subject in rows["few"]]]
    return stats.canonical_effect(few[:, 1], few[:, 0], many[:, 1], many[:, 0])


def _matched(
    pose: ProbeResult, control: ProbeResult, d_pose: np.ndarray, d_control: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    pairs = match_rows(pose.prompts, control.prompts)
    if len(pairs) != len(d_pose) or len(pairs) != len(d_control):
        raise InputError(f"{pose.prompts.name!r} and {control.prompts.name!r} must have every subject once.")
    return d_pose[[i for i, _ in pairs]], d_control[[j for _, j in pairs]]


def _by_block(
    head_map: HeadMap, scope: str, larger: np.ndarray, smaller: np.ndarray
) -> tuple[tuple[str, int, int, int], ...]:
    block = scope_table(head_map, scope)["block_index"]
    names = head_map.block_names
    return tuple(
        (names[i], int(larger[block == i].sum()), int(smaller[block == i].sum()), int((block == i).sum()))
        for i in np.unique(block)
    )


def _factorial(run: ProbeResult, scope: str, threshold: float, seed: int) -> tuple[FactorCount, ...]:
    tags = [[str(pair.tags.get(name)) for pair in run.prompts.pairs] for name in ("body", "clothing")]
    return count_factors(scope_rms(run, scope), tags[0], tags[1], threshold, seed=seed)


def _pearson(a: np.ndarray, b: np.ndarray) -> float:
    finite = np.isfinite(a) & np.isfinite(b)
    if finite.sum() < 3 or np.ptp(a[finite]) == 0 or np.ptp(b[finite]) == 0:
        return float("nan")
    return float(np.corrcoef(a[finite], b[finite])[0, 1])
