"""A run as a reader meets it: what counts as a head, and everything that is worked out of it, once, beside its twin."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

from plantain import stats
from plantain.data.result import ProbeResult
from plantain.data.twins import check_twin
from plantain.data.view import View
from plantain.errors import InputError
from plantain.questions.certainty import Inference, infer
from plantain.questions.families import FamilyTable, family_table
from plantain.questions.response import Draws, Summary, summarise
from plantain.questions.thresholds import CountCurve, count_curve
from plantain.stats.flips import Report

COUNTINGS: dict[str, tuple[str, View]] = {
    "card": ("Card heads: 16 channels, MLP among them", View("card")),
    "card-attention": ("Card heads: attention only", View("card", "attention")),
    "head": ("Attention heads: the model's own", View("head")),
}
"""A visitor's choice of how to count, as (label, view); each is a view of the same run."""
SENTENCE_FLIPS = 100_000
"""Sign flips behind a percentile that a sentence states: from 1,000 the 99th varies by a factor of two over seeds."""
_MOST_VALUES = 10**8  # flips × heads: Posebox's take under a second, Klein's would take half a minute
_T = TypeVar("_T")


@dataclass(frozen=True)
class NullShare:
    """The 99th percentile of the count at the first threshold under sign flips, and of how many."""

    p99: float
    n_flips: int

    @property
    def said(self) -> str:
        """Whose percentile it is: "99 % of 100,000 sign flips"."""
        return f"99 % of {self.n_flips:,} sign flips"


@dataclass(frozen=True, eq=False)  # told apart by identity, so that what is made of it can be cached
class Counted:
    """A run at one denoising step: its summaries in the chosen counting and in the two beside every headline.

    >>> counted = Counted(result, "card")
    >>> counted.card.counts, counted.head.counts, counted.certainty.n_fwer

    Everything is worked out when it is first asked for, and kept.

    Raises InputError: a counting that is not offered; when asked, fewer than 3 pairs or a step the run does not have.
    """

    result: ProbeResult
    counting: str = "card"
    step: int = 0
    n_flips: int = 1000
    seed: int = 0
    report: Report | None = None  # told how far each null is, from 0 to 1

    def __post_init__(self) -> None:
        check_counting(self.counting)

    def _in(self, counting: str) -> Summary:
        view = COUNTINGS[counting][1].at(step=self.step)
        return summarise(self.result, view, n_flips=self.n_flips, seed=self.seed, report=self.report)

    @cached_property
    def card(self) -> Summary:
        return self._in("card")

    @cached_property
    def head(self) -> Summary:
        return self._in("head")

    @cached_property
    def card_null(self) -> NullShare:
        return self._null(self.card)

    @cached_property
    def head_null(self) -> NullShare:
        return self._null(self.head)

    def _null(self, summary: Summary) -> NullShare:
        """From ``SENTENCE_FLIPS`` where nobody chose how many and there are few heads; else the summary's own."""
        if self.n_flips != Draws.n_flips or summary.n_heads * SENTENCE_FLIPS > _MOST_VALUES:
            null = summary.null
        else:
            d = self.result.differences(summary.view)
            null = stats.sign_flip_null(d, SENTENCE_FLIPS, summary.thresholds, self.seed)
        return NullShare(float(null.count_quantile(0.99)[0]), len(null.max_abs_t))

    @cached_property
    def chosen(self) -> Summary:
        made: Summary = getattr(self, self.counting) if self.counting in ("card", "head") else self._in(self.counting)
        return made

    @cached_property
    def curve(self) -> CountCurve:
        """Heads above every threshold, of the chosen counting."""
        return count_curve(self.result, self.chosen, self.report)

    @cached_property
    def card_certainty(self) -> Inference:
        return infer(self.result, self.card)

    @cached_property
    def head_certainty(self) -> Inference:
        return infer(self.result, self.head)

    @cached_property
    def certainty(self) -> Inference:
        """How sure one can be of the chosen counting."""
        known = {"card": "card_certainty", "head": "head_certainty"}
        made: Inference | None = getattr(self, known.get(self.counting, ""), None)
        return made or infer(self.result, self.chosen)

    @cached_property
    def families(self) -> FamilyTable:
        return family_table(self.result, step=self.step)


@dataclass(frozen=True, eq=False)
class RunWithTwin:
    """A run, and its untrained twin where there is one: what every view and file of a run is made of.

    >>> both = RunWithTwin.of(result, twin)
    >>> both.run.card.counts, both.beside(lambda twin: twin.card.counts)
    """

    run: Counted
    twin: Counted | None = None

    @classmethod
    def of(
        cls,
        result: ProbeResult,
        twin: ProbeResult | None = None,
        counting: str = "card",
        step: int = 0,
        n_flips: int = 1000,
        seed: int = 0,
        report: Report | None = None,
    ) -> RunWithTwin:
        """Both, counted alike; raises InputError where ``twin`` is not the untrained twin of ``result``."""
        if twin is not None:
            check_twin(twin, result)
        there = (each for each in (result, twin) if each is not None)
        run, *others = (Counted(each, counting, step, n_flips, seed, report) for each in there)
        return cls(run, others[0] if others else None)

    @property
    def result(self) -> ProbeResult:
        return self.run.result

    def beside(self, what: Callable[[Counted], _T]) -> _T | None:
        """Something of the twin, or None without one."""
        return None if self.twin is None else what(self.twin)


def check_counting(counting: str) -> None:
    """Raise InputError for a counting that is not offered."""
    if not isinstance(counting, str) or counting not in COUNTINGS:
        raise InputError(f"There is no counting {str(counting)[:40]!r}; choose one of {', '.join(COUNTINGS)}.")
