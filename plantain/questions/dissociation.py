"""Double dissociation: do the heads of one contrast move its own pairs, and not those of the other?

>>> print(dissociation(load_crossed(["assets/runs/patch"])).text)
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from plantain import stats
from plantain.data.family import Crossed
from plantain.errors import InputError
from plantain.questions.answer import Answer
from plantain.questions.cause_tables import SAID
from plantain.questions.chosen import ks_of, over_pairs, rankings_of
from plantain.wording import Table, number, signed

_MEASURE = "y_truth"


@dataclass(frozen=True)
class Cell:
    """One ranking and k: what either contrast's heads move in either's pairs, and how far apart that is.

    ``moved`` by (tested on, chosen on): means over pairs; ``t`` by the contrast tested on: paired t over its pairs of
    own heads − the other's; ``shared`` heads in both sets (over all pairs).
    """

    ranking: str
    k: int
    moved: dict[tuple[str, str], float]
    t: dict[str, float]
    shared: int


@dataclass(frozen=True)
class Dissociation(Answer):
    """All rankings and k."""

    contrasts: list[str]
    cells: list[Cell]

    @property
    def sentences(self) -> list[str]:
        """For every ranking whether both contrasts prefer their own heads."""
        said = []
        for ranking in dict.fromkeys(cell.ranking for cell in self.cells):
            some = [cell for cell in self.cells if cell.ranking == ranking]
            both = [cell.k for cell in some if all(t > 3 for t in cell.t.values())]
            told = "; ".join(
                f"k = {c.k}: " + ", ".join(f"{one} t = {signed(c.t[one], 1)}" for one in self.contrasts) for c in some
            )
            verdict = f"a double dissociation at k = {', '.join(map(str, both))}" if both else "no double dissociation"
            said.append(f"Heads first in {SAID[ranking]}, own against the other contrast's: {told}: {verdict} (t > 3).")
        said.append(
            "Own heads were ranked on other pairs of their contrast, the other's over all of its pairs; the two sets "
            "may share heads, and then differ less."
        )
        return said

    @property
    def tables(self) -> list[Table]:
        """A row a ranking and k."""
        a, b = self.contrasts
        header = (
            "ranked by",
            "k",
            "shared",
            f"{a}: own heads",
            f"heads of {b}",
            "t",
            f"{b}: own heads",
            f"heads of {a}",
            "t",
        )
        rows = []
        for c in self.cells:
            halves = [
                (number(c.moved[one, one], 3), number(c.moved[one, other], 3), signed(c.t[one], 1))
                for one, other in ((a, b), (b, a))
            ]
            rows.append((SAID[c.ranking], str(c.k), str(c.shared), *halves[0], *halves[1]))
        note = (
            "y*: share of the pair's true difference, B's values into A at image tokens; t over pairs of own − other."
        )
        return [Table("Own heads and the other contrast's", note, (header, *rows))]


def dissociation(crossed: Crossed) -> Dissociation:
    """Hold own heads against the other contrast's, for every ranking and k that all four studies have.

    >>> dissociation(load_crossed(["assets/runs/patch"])).cells[0].t
    """
    names, cells = crossed.contrasts, []
    if not all(study.has_truth for study in crossed.runs.values()):
        raise InputError("A dissociation needs the true difference of every pair; make the studies with pictures.")
    every = list(crossed.runs.values())
    for ranking in (name for name in rankings_of(every[0]) if all(name in rankings_of(study) for study in every)):
        for k in (k for k in ks_of(every[0], ranking) if all(k in ks_of(study, ranking) for study in every)):
            values = {
                pair: over_pairs(
                    study, study.table.where(role="chosen", ranking=ranking, k=k, direction="sufficiency"), _MEASURE
                )
                for pair, study in crossed.runs.items()
            }
            t = {}
            for one in names:
                other = next(name for name in names if name != one)
                t[one] = float(stats.paired_t((values[one, one] - values[one, other])[:, None])[0])
            moved = {pair: float(np.nanmean(value)) for pair, value in values.items()}
            cells.append(Cell(ranking, k, moved, t, _shared(crossed, ranking, k)))
    return Dissociation(names, cells)


def _shared(crossed: Crossed, ranking: str, k: int) -> int:
    """Heads in both contrasts' sets, as chosen over all pairs."""
    a, b = crossed.contrasts
    heads = []
    for pair in ((b, a), (a, b)):
        study = crossed.runs[pair]
        runs = study.table.runs[study.table.where(role="chosen", ranking=ranking, k=k, direction="sufficiency")[0]]
        heads.append(study.head_map.runs_of_heads(study.view) @ runs.astype(int) > 0)
    return int((heads[0] & heads[1]).sum())
