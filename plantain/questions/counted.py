"""A run as a reader meets it: what counts as a head, and its summaries in the countings that stand side by side."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from plantain.data.result import ProbeResult
from plantain.errors import InputError
from plantain.questions.response import Summary, summarise

COUNTINGS: dict[str, tuple[str, dict[str, Any]]] = {
    "card": ("Card heads: 16 channels, MLP among them", {"grouping": "card", "part": "all"}),
    "card-attention": ("Card heads: attention only", {"grouping": "card", "part": "attention"}),
    "head": ("Attention heads: the model's own", {"grouping": "head", "part": "all"}),
}
"""A visitor's choice of how to count, as (label, view); each is a view of the same run."""


@dataclass(frozen=True, eq=False)  # told apart by identity, so that what is made of it can be cached
class Counted:
    """A run with its summaries: in the chosen counting, and in the two that stand beside every headline."""

    result: ProbeResult
    counting: str
    chosen: Summary
    card: Summary
    head: Summary
    step: int = 0


def count(result: ProbeResult, counting: str = "card", step: int = 0, n_flips: int = 1000) -> Counted:
    """Summarise a run in the chosen counting and in the two of the headline."""
    check_counting(counting)
    made = {
        key: summarise(result, **COUNTINGS[key][1], step=step, n_flips=n_flips) for key in {counting, "card", "head"}
    }
    return Counted(result, counting, made[counting], made["card"], made["head"], step)


def check_counting(counting: str) -> None:
    """Raise InputError for a counting that is not offered."""
    if not isinstance(counting, str) or counting not in COUNTINGS:
        raise InputError(f"There is no counting {str(counting)[:40]!r}; choose one of {', '.join(COUNTINGS)}.")
