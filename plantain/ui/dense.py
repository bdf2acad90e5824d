"""Dense runs beside a run of the page: which they are, and what is said where there are none."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from html import escape
from pathlib import Path

import numpy as np

from plantain.data.dense import TRUTHS, DenseResult
from plantain.data.disk import DENSE
from plantain.data.family import Family, load_family
from plantain.data.pictures import Pictures, load_pictures
from plantain.data.result import ProbeResult, peek
from plantain.errors import InputError
from plantain.model.names import KLEIN
from plantain.paths import RUNS
from plantain.questions.decoded import score_count
from plantain.questions.every_head import SCORES_SHOWN
from plantain.questions.place import place_count
from plantain.questions.response import summarise
from plantain.report.command import is_shipped
from plantain.ui import catalog
from plantain.ui.once import once
from plantain.wording import signed


@dataclass(frozen=True, eq=False)  # told apart by identity, so that what is made of it can be cached
class Dense:
    """A family of dense runs, and the pictures that its trained model draws, where they are kept."""

    family: Family
    pictures: Pictures | None

    @property
    def truth(self) -> str:
        """The truth that maps are shown of: the body where it is known."""
        return self.family.trained.truths[0]

    @property
    def truth_maps(self) -> np.ndarray:
        """(P, rows, columns)"""
        return self.family.trained.maps[TRUTHS.index(self.truth)]

    @cached_property
    def t(self) -> dict[str, np.ndarray]:
        """Place t of every attention head, by weights."""
        return {weights: place_count(run, "head", n_flips=1).t for weights, run in self.family.runs.items()}

    def beside(self, weights: str) -> list[str]:
        """What the rungs beside place say of every attention head, in words."""
        run = self.run(weights)
        columns = {"response": summarise(run.run, "head", n_flips=1).t}
        for name, score in SCORES_SHOWN.items():
            if score in run.decoded:
                columns[name] = score_count(run, score, n_flips=1).t
        rows = zip(*columns.values(), strict=True)
        return [", ".join(f"{n} {signed(float(t), 1)}" for n, t in zip(columns, row, strict=True)) for row in rows]

    @property
    def best(self) -> int:
        """The trained model's head of largest place t."""
        return int(self.t["trained"].argmax())

    @cached_property
    def names(self) -> list[str]:
        return self.family.trained.head_map.names("head")

    def run(self, weights: str) -> DenseResult:
        return self.family.runs.get(weights, self.family.trained)


def dense_beside(key: str) -> Dense | None:
    """The dense runs of the model and prompts of a run in the list, or None: not run, or not readable.

    >>> dense_beside("shipped/posebox").family.model
    """
    folder = catalog.entry(key).folder
    if folder is None:
        return None
    result = catalog.load(folder)
    for found in _under([folder, *_roots()], [result.prompts.name]):
        if found.family.model == _base(result.model) and found.family.trained.prompts == result.prompts:
            return found
    return None


def all_dense(prompts: str | None = None) -> Iterator[Dense]:
    """Every family of dense runs at hand, or those of one prompt set, by name; a thousand runs need not be read.

    >>> [dense.family.model for dense in all_dense("dense_pose")]
    """
    listed = list(catalog.listed())
    names = [prompts] if prompts else sorted({run.prompts for _, run in listed})
    yield from _under([*(folder for folder, _ in listed), *_roots()], names)


def described() -> Iterator[Path]:
    """Every dense run's description, shipped or saved here, or kept with a run of the list."""
    for root in (*(folder for folder, _ in catalog.listed()), *_roots()):
        yield from _described(root)


def place_beside(result: ProbeResult, prompts: str = "dense_pose") -> tuple[np.ndarray, int] | None:
    """Place t of every attention head of a run's own weights, and over how many pairs; None where no dense run has it.

    >>> t, n_pairs = place_beside(result)
    """
    for found in all_dense(prompts):
        for weights, run in found.family.runs.items():
            if catalog.alike(run.run, result):
                return found.t[weights], int(run.usable[TRUTHS.index(found.truth)].sum())
    return None


def _roots() -> tuple[Path, Path]:
    return RUNS / "dense", catalog.saved_folder() / "dense"


def _under(roots: Iterable[Path], prompts: Iterable[str]) -> Iterator[Dense]:
    """Families of these prompt sets under these folders."""
    for root in roots:
        state = tuple((path, path.stat().st_mtime_ns) for path in _described(root))
        for name in (name for name in prompts if state and name in _names(state)):
            if (found := _read(root, state, name)) is not None:
                yield found


def _described(root: Path) -> list[Path]:
    return sorted(root.rglob(DENSE.description))


@once(maxsize=32)
def _names(state: tuple[tuple[Path, int], ...]) -> frozenset[str]:
    """Prompt sets that the dense runs in some folders are of."""
    names = set()
    for path, _ in state:
        with suppress(InputError, OSError):
            names.add(peek(path.parent).prompts)
    return frozenset(names)


@once(maxsize=32)
def _read(root: Path, state: tuple[tuple[Path, int], ...], prompts: str) -> Dense | None:
    try:
        family = load_family([root], prompts)
        if not family.trained.truths:
            return None
    except (InputError, OSError):
        return None  # a damaged folder must not keep the page from opening; the shell names it
    for path, _ in state:
        try:
            pictures = load_pictures(path.parent, family.trained.prompts)
        except (InputError, OSError):
            continue
        if pictures.provenance.get("model") == family.model:  # a twin may keep pictures of its own
            return Dense(family, pictures)
    return Dense(family, None)


def _base(model: str) -> str:
    return model.removesuffix("-untrained").removesuffix("-permuted")


def not_run(key: str) -> str:
    """What stands in the place of ladder and *Where* for a run without a dense run: the command that makes one."""
    folder = catalog.entry(key).folder
    words = ["python", "-m", "plantain", "dense", "--model", KLEIN]
    if folder is not None:
        result = catalog.load(folder)
        words[-1:] = [_base(result.model), "--prompts", result.prompts.name if is_shipped(result) else "prompts.json"]
    command = escape(shlex.join(words))
    return (
        '<section class="plantain-page"><p class="plantain-muted">The ladder and <em>Where</em> read every head token '
        "by token: not run for this run. To make it:</p>"
        f'<div class="plantain-command"><pre><code>{command}</code></pre><button type="button" '
        f'class="plantain-button" data-copy="{command}">Copy the command</button></div></section>'
    )
