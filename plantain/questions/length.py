"""Length audit: are the two sides of the pairs as long for the tokenizer, and what is the effect at equal length?

>>> found = audit_prompts(load_tokenizer("posebox"), plantain.load_prompts("dense_pose"))
>>> print(found.text)
>>> print(equal_length(plantain.load_result("assets/runs/posebox")).text)
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from plantain import stats
from plantain.data.prompts import PromptSet
from plantain.data.result import ProbeResult
from plantain.data.view import View
from plantain.model.text import text_mask
from plantain.questions.answer import Answer
from plantain.wording import signed

ALPHA = 0.05
_SHOWN = 12  # pairs listed in a text; a table holds all


@dataclass(frozen=True)
class LengthAudit:
    """Real tokens of every pair, the chat template's among them, in A and in B."""

    name: str
    conditions: tuple[str, str]
    pair_ids: tuple[str, ...]
    counts: np.ndarray  # (n_pairs, 2)

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
        """ "equal" in every pair; "balanced" on the whole; "unbalanced": p < 0.05 of a paired t, or no t to be had."""
        if not self.delta.any():
            return "equal"
        if np.isfinite(self.t) and stats.t_pvalues(self.t, len(self.delta)) >= ALPHA:
            return "balanced"
        return "unbalanced"

    @property
    def sentence(self) -> str:
        """The verdict in words."""
        n_unequal, n = int(np.count_nonzero(self.delta)), len(self.delta)
        if self.verdict == "equal":
            low, high = self.counts.min(), self.counts.max()
            return f"{self.name}: both sides have equally many tokens in each of {n} pairs ({low} to {high})."
        few = "too few pairs for a t" if np.isnan(self.t) else "t not finite"
        t = f"t = {signed(self.t, 2)}" if np.isfinite(self.t) else few
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

    >>> audit_prompts(load_tokenizer("posebox"), plantain.load_prompts("length")).verdict
    'unbalanced'

    ``pipe`` is a pipeline, or what ``model.load.load_tokenizer`` gives: no weights are needed.

    Raises InputError: a prompt longer than the model reads.
    """
    counts = text_mask(pipe, prompts.prompts).sum(axis=1).reshape(-1, 2)
    return LengthAudit(prompts.name, prompts.conditions, tuple(pair.id for pair in prompts.pairs), counts)


def audit_run(result: ProbeResult) -> LengthAudit:
    """The same from a saved run, which holds its token counts.

    >>> audit_run(plantain.load_result("assets/runs/posebox")).verdict
    'equal'
    """
    prompts, counts = result.prompts, result.token_counts[:, :, 1]
    return LengthAudit(prompts.name, prompts.conditions, tuple(result.pair_ids), counts)


@dataclass(frozen=True)
class EqualLength(Answer):
    """The effect at equal length beside the plain one."""

    audit: LengthAudit
    plain: stats.HeadCount  # lengths as they are
    fit: stats.LengthAdjusted | None  # None where every pair has the same, non-zero difference in length

    @property
    def adjusted(self) -> stats.HeadCount | None:
        """The count at equal length; None without a fit."""
        return None if self.fit is None else stats.HeadCount(self.fit.t, self.fit.null, self.plain.n_pairs)

    @property
    def sentences(self) -> list[str]:
        """What was found, and how far it goes beyond what was measured."""
        if self.fit is None or self.adjusted is None:
            return [
                f"Every pair differs by {signed(int(self.audit.delta[0]))} tokens, so length and contrast cannot be "
                "told apart in this run; vary the lengths, or make them equal."
            ]
        if self.audit.verdict == "equal":
            return ["Lengths are equal in every pair, so the paired t is the effect at equal length already."]
        plain, equal = self.plain, self.adjusted
        measured = "; ".join(
            f"{plain.counts[i]:,} heads at |t| > {c:g} as they are (null p99 {plain.null_p99[i]:,.0f}), "
            f"{equal.counts[i]:,} at equal length (null p99 {equal.null_p99[i]:,.0f})"
            for i, c in enumerate(plain.thresholds)
        )
        wider = f"its standard error is {self.fit.inflation:.2f} times that of a mean with the same residuals"
        if self.fit.extrapolated:
            nearest = self.audit.delta[np.abs(self.audit.delta).argmin()]
            how = (
                f"No pair has equal lengths and one side is always the longer one (by {abs(nearest)} tokens at least), "
                f"so the effect at equal length is extrapolated, in a straight line, beyond what was measured; {wider}."
            )
        else:
            how = f"The effect at equal length lies within the lengths that were measured; {wider}."
        return [f"Of {plain.n_heads:,} heads: {measured}.", how]

    @property
    def text(self) -> str:
        """The audit, and what was found beyond it."""
        return "\n".join([self.audit.text, "", *self.sentences])

    @property
    def columns(self) -> dict[str, np.ndarray]:
        """t as it is, and at equal length."""
        return {"t": self.plain.t} | ({} if self.fit is None else {"t_equal_length": self.fit.t, "b1": self.fit.b1})


def equal_length(result: ProbeResult, view: View | str = "card", n_flips: int = 1000, seed: int = 0) -> EqualLength:
    """The effect of a run at equal length: b0 of d = b0 + b1·Δlength, tested by ``stats.length_adjusted``.

    >>> equal_length(result).fit.t                                # (n_heads,), b0 over its standard error

    ``view`` is a ``View``, or "card" or "head"; Δlength is in real tokens, B − A.

    Raises InputError as ``summarise``; also fewer than 4 pairs that differ in length.
    """
    found = audit_run(result)
    d = result.differences(view)
    can_be_told_apart = not found.delta.any() or np.ptp(found.delta) > 0
    fit = stats.length_adjusted(d, found.delta, n_flips, seed) if can_be_told_apart else None
    return EqualLength(found, stats.count_heads(d, n_flips, 0, seed), fit)
