"""What a patching study leaves behind: of every intervention in every pair how far it moved the model, and where to."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from plantain.data import disk
from plantain.data.heads import HeadMap
from plantain.data.interventions import ALL_PAIRS, RANKINGS, Interventions
from plantain.data.prompts import PromptSet
from plantain.data.result import DRAWN_ANEW
from plantain.data.settings import ProbeConfig
from plantain.data.view import View
from plantain.errors import InputError

MEASURES = ("y", "damage", "y_truth", "cos_truth", "y_truth_others")
"""Of the change of the velocity, v_patched − v: its share of the model's own difference, ⟨·, v_B − v_A⟩/‖v_B − v_A‖²;
1 − cos² to it; the same share and cosine of the true difference; and the mean share of the other pairs' truths."""
DRAWN = ("turned", "pose", "setting", "clothes", "distance")
"""Of a drawn picture: nearer to the donor's truth than to its own; the nearest pose is the donor's; place and clothes
are still those that were said; degrees a joint from the donor's pose. NaN: not to be told."""
SIZES = ("norm", "write")
"""‖Δx‖ and ‖W_out Δx‖ over image tokens."""


@dataclass(frozen=True)
class PatchStudy:
    """Interventions and what came of them, for the pairs done so far.

    >>> study = load_study("assets/runs/patch/posebox")
    >>> study.of(study.table.where(role="single"), "y").shape          # (n_interventions, n_pairs)

    Attributes
    ----------
    table : Interventions
    values : float32, shape (n_rows, M)
        ``MEASURES`` of every intervention in every pair that it is made in: pair after pair, in the table's order.
    drawn : float32, shape (n_rows_drawn, 5), and drawn_rows : int32, shape (n_rows_drawn,)
        ``DRAWN`` of rows that were drawn, and which rows they are.
    sizes : float32, shape (2, n_pairs, n_runs + attention heads)
        ``SIZES`` of card heads, then of attention heads.
    folds : int, shape (n_pairs,)
    scores : float32, shape (len(RANKINGS), n_heads of the view)
        What every ranking gives every head over all pairs; NaN where it cannot be had.
    velocities : float32, shape (n_pairs, 4)
        ‖v_B − v_A‖, ‖true difference‖, their cosine, and the share of the true difference that v_B − v_A covers.
    prompts, config, head_map, provenance : as of a probe; provenance tells the weights
    view : the heads that were chosen among
    about : dict
        Where truth comes from, the dense run that ranked the heads, drawing steps and guidance, seconds.
    """

    table: Interventions
    values: np.ndarray
    sizes: np.ndarray
    folds: np.ndarray
    velocities: np.ndarray
    scores: np.ndarray
    prompts: PromptSet
    config: ProbeConfig
    head_map: HeadMap
    provenance: dict[str, Any]
    view: View
    drawn: np.ndarray = field(default_factory=lambda: np.zeros((0, len(DRAWN)), np.float32))
    drawn_rows: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int32))
    about: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        p = len(self.prompts)
        wanted = {
            "sizes": (len(SIZES), p, self.head_map.n_runs + self.head_map.n_heads("head")),
            "folds": (p,),
            "velocities": (p, 4),
            "scores": (len(RANKINGS), self.head_map.n_heads(self.view)),
            "drawn": (len(self.drawn_rows), len(DRAWN)),
        }
        for name, shape in wanted.items():
            if getattr(self, name).shape != shape:
                raise InputError(f"{name} has the shape {getattr(self, name).shape}; this study needs {shape}.")
        if self.values.ndim != 2 or self.values.shape[1] != len(MEASURES):
            raise InputError(f"values has the shape {self.values.shape}; this study needs (rows, {len(MEASURES)}).")
        if len(self.values) not in self.starts:
            raise InputError(f"values has {len(self.values)} rows, which end within a pair; make the study again.")
        if len(self.drawn_rows) and not 0 <= self.drawn_rows.min() <= self.drawn_rows.max() < self.starts[-1]:
            raise InputError("drawn_rows names rows that this study does not have; make the study again.")

    @cached_property
    def starts(self) -> np.ndarray:
        """The first row of every pair, and the number of all: (n_pairs + 1,)."""
        return np.cumsum([0, *(int((self._places[int(fold)] >= 0).sum()) for fold in self.folds)])

    @cached_property
    def _places(self) -> dict[int, np.ndarray]:
        """By fold: where each intervention lies among the rows of a pair, (S,); −1: it is not made there."""
        found = {}
        for fold in {int(fold) for fold in self.folds}:
            here, found[fold] = self.table.of_pair(fold), np.full(len(self.table), -1)
            found[fold][here] = np.arange(len(here))
        return found

    @property
    def n_pairs(self) -> int:
        """Pairs done."""
        # A pair of which nothing is asked is done with the one before it.
        return int(np.searchsorted(self.starts, len(self.values), side="right")) - 1

    @property
    def complete(self) -> bool:
        return self.n_pairs == len(self.prompts)

    @property
    def weights(self) -> str:
        """ "trained", "grafted", "untrained 0", "permuted 0", …"""
        drawn_anew = "weights_seed" in self.provenance or self.model in DRAWN_ANEW
        kind = str(self.provenance.get("weights", "untrained" if drawn_anew else "trained"))
        return kind if kind in ("trained", "grafted") else f"{kind} {self.provenance.get('weights_seed', 0)}"

    @property
    def has_truth(self) -> bool:
        """Whether the true difference of a pair's pictures was known."""
        return self.about.get("truth") != "none"

    @property
    def model(self) -> str:
        return str(self.provenance.get("model", "unknown"))

    def of(self, numbers: np.ndarray, measure: str) -> np.ndarray:
        """A measure of some interventions in every pair, NaN where it is not made or not done: (n, n_pairs), float64.

        >>> study.of(study.table.where(role="chosen", ranking="t", k=4), "y_truth")

        Raises InputError: another measure than those.
        """
        names, values, rows = MEASURES, self.values, None
        if measure in DRAWN:
            names, values, rows = DRAWN, self.drawn, self.drawn_rows
        if measure not in names:
            raise InputError(f"Measures are {', '.join((*MEASURES, *DRAWN))}; got {measure!r}.")
        column = values[:, names.index(measure)].astype(np.float64)
        whole = np.full(int(self.starts[-1]), np.nan)
        if rows is None:
            whole[: len(column)] = column
        else:
            whole[rows] = column
        return self._spread(whole, numbers)

    def _spread(self, whole: np.ndarray, numbers: np.ndarray) -> np.ndarray:
        """Values of rows -> (interventions, pairs)."""
        found, starts = np.full((len(numbers), len(self.folds)), np.nan), self.starts
        for p, fold in enumerate(self.folds):
            place = self._places[int(fold)][numbers]
            found[place >= 0, p] = whole[starts[p] + place[place >= 0]]
        return found

    def size_of(self, name: str, view: View | str | None = None) -> np.ndarray:
        """One of ``SIZES`` of every head of a view, (n_pairs, n_heads), float64."""
        view = self.view if view is None else View.of(view)
        values = self.sizes[SIZES.index(name)].astype(np.float64)
        table = self.head_map.table(view)
        if view.grouping == "card":
            return values[:, table["first_run"]]
        every = self.head_map.table("head")["first_run"]
        return values[:, self.head_map.n_runs + np.searchsorted(every, table["first_run"])]

    def save(self, folder: str | Path) -> Path:
        """Write the study into a folder (``patch.json`` and its tensors), replacing an earlier state.

        >>> study.save("runs/patch")
        """
        names = ("values", "sizes", "folds", "velocities", "scores", "drawn", "drawn_rows")
        tensors = {name: getattr(self, name) for name in names}
        tensors |= {f"table.{name}": column for name, column in self.table.columns().items()}
        description = {
            "complete": self.complete,
            "pairs_done": self.n_pairs,
            "prompts": self.prompts.to_dict(),
            "config": self.config.to_dict(),
            "head_map": self.head_map.to_dict(),
            "provenance": self.provenance,
            "view": self.view.to_dict(),
            "about": self.about,
        }
        return disk.write_run(folder, tensors, description, disk.PATCH)


def load_study(folder: str | Path) -> PatchStudy:
    """Read a saved patching study, whole or partial (``study.complete`` says which), and check it.

    >>> load_study("assets/runs/patch/posebox")

    Raises
    ------
    InputError
        No study in the folder, another schema, a missing or altered tensor file, or values that do not fit.
    """
    description = disk.read_description(folder, disk.PATCH)
    path = Path(folder) / disk.PATCH.description
    try:
        name, digest = description["tensor_file"], description["tensor_sha256"]
        prompts = PromptSet.from_dict(description["prompts"])
        config = ProbeConfig.from_dict(description["config"])
        head_map = HeadMap(**description["head_map"])
        view, about, provenance = View(**description["view"]), description["about"], description["provenance"]
        if not isinstance(about, dict) or not isinstance(provenance, dict):
            raise TypeError("about or provenance cannot be")
    except (KeyError, TypeError, AttributeError, InputError) as error:
        raise InputError(f"{path} is damaged ({error}); restore the folder or make the study again.") from error
    file, tensors = disk.read_tensors(folder, name, digest, disk.PATCH)
    try:
        columns = {key.removeprefix("table."): value for key, value in tensors.items() if key.startswith("table.")}
        arrays = {key: tensors[key] for key in disk.PATCH.tensors if not key.startswith("table.")}
        table = Interventions.from_columns(columns, head_map.n_runs)
        numbers = (arrays["values"], arrays["sizes"], arrays["velocities"], table.alpha)
        if table.fold.min(initial=0) < ALL_PAIRS or not all(np.isfinite(of).all() for of in numbers):
            raise ValueError("values that are no numbers")
        return PatchStudy(
            table=table, prompts=prompts, config=config, head_map=head_map, provenance=provenance, view=view,
            about=about, **arrays,
        )  # fmt: skip
    except (InputError, IndexError, TypeError, ValueError, KeyError) as error:
        raise InputError(f"{file} does not fit {path}: {error}") from error
