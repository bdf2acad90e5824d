"""Code: does a head name body parts alike in the T-pose and out of it, as a canonical coordinate would?

>>> print(code(load_family(["assets/runs/dense"])).text)
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from plantain.data.family import Family
from plantain.questions.answer import Answer
from plantain.questions.decoded import FWER, Forms
from plantain.questions.projections import NAMED, beside, load_projections, span
from plantain.wording import Table

LABELS = {
    "code": "parts given the body",
    "code_home": "own − the T-pose's layout",
    "code_beyond": "parts beyond outline and position",
}


@dataclass(frozen=True)
class Code(Answer):
    """Decoders fitted on canonical figures of varied place, turn and size, read on expressive ones."""

    forms: Forms
    level: float
    source: str
    projected: tuple[int, ...] = ()
    """Random projections of the blocks' inputs that pass the strict form, a draw each."""

    @property
    def sentences(self) -> list[str]:
        """The form given the body, the strict one, and whether a code is established."""
        strict = self.forms.counts["trained", "code_beyond"]
        twins = [c.counts[0] for (w, name), c in self.forms.counts.items() if name == "code_beyond" and w != "trained"]
        exceeds = bool(twins) and strict.counts[0] > max(twins) and strict.set_p[0] <= FWER
        verdict = (
            f"The strict form exceeds every twin. {beside(strict.counts[0], strict.n_heads, self.projected)}"
            if exceeds
            else "Not established: that takes more heads than in every twin, and than sign flips give in 95 of 100."
        )
        if not exceeds and self.projected:
            verdict += f" {span(self.projected)} {NAMED} pass."
        return [
            f"Parts given the body, named by a decoder that saw canonical figures only: {self.forms.said('code')}.",
            f"Beyond what outline and position tell: {self.forms.said('code_beyond')}. {verdict}",
            f"Against the T-pose's own layout, on tokens that are body in both: {self.forms.said('code_home')}; a head "
            "that knows places and not parts falls behind it.",
            f"Figures: {self.source}; given at noise level {self.level:g}, where the picture can be seen, so an "
            "untrained head sees it as well. Parts may look alike by their colours and surroundings.",
        ]

    @property
    def finding(self) -> str:
        return self.sentences[1]

    @property
    def tables(self) -> list[Table]:
        return [self.forms.table("Parts named by a decoder of canonical figures")]

    @property
    def columns(self) -> Mapping[str, Iterable[Any]]:
        return self.forms.columns(list(LABELS))


def code(family: Family, n_flips: int = 1000, seed: int = 0) -> Code:
    """Count the heads of every run whose canonical decoder names the parts of expressive bodies.

    >>> code(load_family(["assets/runs/dense"])).forms.counts["trained", "code_beyond"].counts

    Raises InputError where the trained run has no such decoder.
    """
    about = family.trained.about
    forms = Forms.of(family, LABELS, n_flips, seed)
    projected = load_projections(family).get("code", ())
    return Code(forms, float(about.get("code_level", 0.0)), str(about.get("figures", "unknown")), projected)
