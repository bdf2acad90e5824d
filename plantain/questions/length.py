"""Length audit: are the two sides of the pairs as long for the tokenizer, and what is the effect at equal length?

>>> found = audit.audit_prompts(load_tokenizer("posebox"), plantain.load_prompts("dense_pose"))
>>> print(found.text)
>>> print(audit.equal_length(plantain.load_result("assets/runs/posebox")).text)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from plantain import stats
from plantain.data.prompts import PromptSet
from plantain.data.result import ProbeResult
from plantain.model.text import text_mask
from plantain.questions.response import THRESHOLDS
from plantain.wording import signed

ALPHA = 0.05
_SHOWN = 12  # pairs listed in a text; a table holds all


@dataclass(frozen=True)
class LengthAudit:
    """Real tokens of every pair, the chat template's among them, in A and in B.

    Attributes
    ----------
    counts : int array, shape (n_pairs, 2)
    verdict : "equal" (in every pair), "balanced" (pairs differ, neither side is longer on the whole) or
        "unbalanced" (a paired t at p < 0.05, or fewer than 3 pairs that differ)
    """

    name: str
    conditions: tuple[str, str]
    pair_ids: tuple[str, ...]
    counts: np.ndarray

    @property
    def delta(self) -> np.ndarray:
        """Tokens of B minus tokens of A: (n_pairs,)."""
        return self.counts[:, 1] - self.counts[:, 0]

    @property
    def t(self) -> float:
        """Paired t of the token counts over the pairs; NaN for fewer than 3 pairs."""
        if len(self.delta) < stats.MIN_PAIRS:
            return float("nan")
        return float(stats.paired_t(self.delta[:, None])[0])

    @property
    def verdict(self) -> str:
        if not self.delta.any():
            return "equal"
        if np.isfinite(self.t) and stats.t_pvalues(self.t, len(self.delta)) >= ALPHA:
            return "balanced"
        return "unbalanced"

    @property
    def rows(self) -> list[tuple[str, ...]]:
        """One row a pair, a header first: id, tokens in A, in B, their difference, and a flag where it is not 0."""
        rows: list[tuple[str, ...]] = [("pair", "A", "B", "B − A", "")]
        for pair, (a, b) in zip(self.pair_ids, self.counts.tolist(), strict=True):
            rows.append((pair, str(a), str(b), signed(b - a), "" if a == b else "differs"))
        return rows

    @property
    def sentence(self) -> str:
        n_unequal, n = int(np.count_nonzero(self.delta)), len(self.delta)
        if self.verdict == "equal":
            low, high = self.counts.min(), self.counts.max()
            return f"{self.name}: both sides have equally many tokens in each of {n} pairs ({low} to {high})."
        t = f"t = {signed(self.t, 2)}" if np.isfinite(self.t) else "t not finite"
        t = "too few pairs for a t" if np.isnan(self.t) else t
        found = (
            f"{n_unequal} of {n} pairs differ in tokens; B − A is {signed(float(self.delta.mean()), 2)} on average "
            f"({signed(int(self.delta.min()))} to {signed(int(self.delta.max()))}; {t})"
        )
        if self.verdict == "balanced":
            return f"{self.name}: {found}; neither side is longer on the whole."
        longer = self.conditions[int(self.delta.mean() > 0)]
        return f"{self.name}: UNBALANCED. {found}: {longer!r} is longer, and heads respond to length as well."

    @property
    def text(self) -> str:
        """The verdict, and the pairs that differ most."""
        order = [i for i in np.argsort(-np.abs(self.delta), kind="stable") if self.delta[i]]
        lines = [
            f"  • {self.pair_ids[i]}: {self.counts[i, 0]} in A, {self.counts[i, 1]} in B ({signed(int(self.delta[i]))})"
            for i in order[:_SHOWN]
        ]
        more = [f"  • and {len(order) - _SHOWN} more"] if len(order) > _SHOWN else []
        return "\n".join([self.sentence, *lines, *more])


def audit_prompts(pipe: Any, prompts: PromptSet) -> LengthAudit:
    """Count the tokens of a prompt set as a pipeline's tokenizer has them, chat template included.

    >>> audit.audit_prompts(load_tokenizer("posebox"), plantain.load_prompts("length")).verdict
    'unbalanced'

    ``pipe`` is a pipeline, or what ``pipeline.load_tokenizer`` gives: no weights are needed.

    Raises
    ------
    InputError
        A prompt longer than the model reads.
    """
    counts = text_mask(pipe, prompts.prompts).sum(axis=1).reshape(-1, 2)
    return LengthAudit(prompts.name, prompts.conditions, tuple(pair.id for pair in prompts.pairs), counts)


def audit_run(result: ProbeResult) -> LengthAudit:
    """The same from a saved run, which holds its token counts.

    >>> audit.audit_run(plantain.load_result("assets/runs/posebox")).verdict
    'equal'
    """
    return LengthAudit(
        result.prompts.name, result.prompts.conditions, tuple(result.pair_ids), result.token_counts[:, :, 1]
    )


@dataclass(frozen=True)
class EqualLength:
    """The effect at equal length beside the plain one.

    Attributes
    ----------
    audit : LengthAudit
    t : float64 array, shape (n_heads,)
        Paired t, lengths as they are.
    adjusted : stats.LengthAdjusted, or None where every pair has the same, non-zero difference in length
    counts, counts_adjusted, p99, p99_adjusted : a value for each of ``thresholds``
        Heads with |t| above it and the 99th percentile of that count under flips; None without ``adjusted``.
    """

    audit: LengthAudit
    thresholds: tuple[float, ...]
    t: np.ndarray
    adjusted: stats.LengthAdjusted | None
    counts: tuple[int, ...]
    p99: tuple[float, ...]
    counts_adjusted: tuple[int, ...] | None
    p99_adjusted: tuple[float, ...] | None

    @property
    def sentences(self) -> list[str]:
        """What was found, and how far it goes beyond what was measured."""
        if self.adjusted is None or self.counts_adjusted is None or self.p99_adjusted is None:
            return [
                f"Every pair differs by {signed(int(self.audit.delta[0]))} tokens, so length and contrast cannot be "
                "told apart in this run; vary the lengths, or make them equal."
            ]
        if self.audit.verdict == "equal":
            return ["Lengths are equal in every pair, so the paired t is the effect at equal length already."]
        measured = "; ".join(
            f"{count:,} heads at |t| > {c:g} as they are (null p99 {p99:,.0f}), {adjusted:,} at equal length "
            f"(null p99 {adjusted_p99:,.0f})"
            for c, count, p99, adjusted, adjusted_p99 in zip(
                self.thresholds, self.counts, self.p99, self.counts_adjusted, self.p99_adjusted, strict=True
            )
        )
        wider = f"its standard error is {self.adjusted.inflation:.2f} times that of a mean with the same residuals"
        if self.adjusted.extrapolated:
            nearest = self.audit.delta[np.abs(self.audit.delta).argmin()]
            how = (
                f"No pair has equal lengths and one side is always the longer one (by {abs(nearest)} tokens at least), "
                f"so the effect at equal length is extrapolated, in a straight line, beyond what was measured; {wider}."
            )
        else:
            how = f"The effect at equal length lies within the lengths that were measured; {wider}."
        return [f"Of {len(self.t):,} heads: {measured}.", how]

    @property
    def text(self) -> str:
        return "\n".join([self.audit.text, "", *self.sentences])


def equal_length(
    result: ProbeResult,
    grouping: str = "card",
    part: str = "all",
    stream: str = "card",
    step: int = 0,
    n_flips: int = 1000,
    seed: int = 0,
) -> EqualLength:
    """The effect of a run at equal length: b0 of d = b0 + b1·Δlength, tested by ``stats.length_adjusted``.

    >>> audit.equal_length(result).adjusted.t                     # (n_heads,), b0 over its standard error

    The view is that of ``ProbeResult.rms``; Δlength is in real tokens, B − A.

    Raises
    ------
    InputError
        As ``summarise``; also fewer than 4 pairs that differ in length.
    """
    found = audit_run(result)
    d = result.differences(grouping, part, stream, step=step)
    t = stats.paired_t(d)
    null = stats.sign_flip_null(d, n_flips, THRESHOLDS, seed)
    adjusted = None
    if not found.delta.any() or np.ptp(found.delta) > 0:
        adjusted = stats.length_adjusted(d, found.delta, n_flips, seed, THRESHOLDS)
    return EqualLength(
        audit=found,
        thresholds=THRESHOLDS,
        t=t,
        adjusted=adjusted,
        counts=_above(t),
        p99=tuple(float(q) for q in null.count_quantile(0.99)),
        counts_adjusted=None if adjusted is None else _above(adjusted.t),
        p99_adjusted=None if adjusted is None else tuple(float(q) for q in adjusted.null.count_quantile(0.99)),
    )


def _above(t: np.ndarray) -> tuple[int, ...]:
    return tuple(int((np.abs(t) > c).sum()) for c in THRESHOLDS)
