"""What every question says of every head, side by side: t of the card beside its untrained twin, place, code, cause."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from plantain.data.family import Family
from plantain.data.view import View
from plantain.questions.counted import RunWithTwin
from plantain.questions.decoded import score_count
from plantain.questions.effect import single_count
from plantain.questions.place import place_count

SCORES_SHOWN = {"code": "code_beyond", "deformation": "deformation_beyond"}


@dataclass(frozen=True)
class EveryHead:
    """Columns of values over the heads of one view, under the heads' names as everywhere."""

    names: list[str]
    columns: dict[str, np.ndarray]

    @property
    def rows(self) -> list[list[str | float]]:
        """A row a head, rounded to two decimals; NaN where a question has no answer or a difference is constant."""
        values = np.column_stack([*self.columns.values()]) if self.columns else np.empty((len(self.names), 0))
        values = np.where(np.isfinite(values), values, np.nan)
        return [[name, *np.round(row, 2).tolist()] for name, row in zip(self.names, values, strict=True)]


def every_head(both: RunWithTwin, family: Family | None = None, weights: str = "trained") -> EveryHead:
    """All questions asked of the heads of a run's chosen counting; those of dense runs where there are some.

    >>> every_head(RunWithTwin.of(run, twin, "head"), load_family(["assets/runs/dense"])).rows[0]

    t, t of the untrained twin, and of ``weights`` in the family place (own − others) with the untrained twin's; of
    attention heads also code and deformation beyond outline and position, and cause (single heads). All are t over
    pairs.
    """
    run, chosen = both.run, both.run.chosen.view
    view = View(chosen.grouping, chosen.part)  # whatever the step: dense runs have one
    columns = {"t": run.chosen.t}
    if both.twin is not None:
        columns["t untrained"] = both.twin.chosen.t
    runs = {} if family is None else family.runs
    if found := runs.get(weights):
        columns["place"] = place_count(found, view, n_flips=1).t
        if twin := runs.get("untrained 0"):
            columns["place untrained"] = place_count(twin, view, n_flips=1).t
        if view.grouping == "head":
            for name, score in SCORES_SHOWN.items():
                if score in found.decoded:
                    columns[name] = score_count(found, score, n_flips=1).t
            study = None if family is None else family.studies.get(weights)
            if study is not None and study.has_truth:
                columns["cause"] = single_count(study, n_flips=1).t
    return EveryHead(run.result.head_map.names(view), columns)
