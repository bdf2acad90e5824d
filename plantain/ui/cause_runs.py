"""What *Cause* shows of a model before anything is drawn: its dense run, its patching studies, their curves."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from html import escape
from pathlib import Path

from plantain.data.chosen import Chooser, same_model
from plantain.data.dense import DenseResult
from plantain.data.disk import PATCH
from plantain.data.family import Studies
from plantain.data.patching import PatchStudy, load_study
from plantain.data.pictures import Pictures
from plantain.data.prompts import PromptSet
from plantain.errors import InputError
from plantain.model.names import EMBEDDED
from plantain.paths import RUNS
from plantain.questions.answer import Answer
from plantain.questions.cause import Cause
from plantain.report.register import QUESTIONS
from plantain.report.section import Section
from plantain.ui import catalog
from plantain.ui.dense import Dense, all_dense, described
from plantain.ui.html import alert, page_figure
from plantain.ui.kept import kept
from plantain.ui.once import once


@dataclass(frozen=True, eq=False)  # told apart by identity, so that what is made of it can be cached
class CauseRuns:
    """A model's heads in order, what it draws, and the studies of it and its twins."""

    chooser: Chooser
    pictures: Pictures | None  # its own, drawn from the noise of the dense run
    studies: tuple[PatchStudy, ...]

    @property
    def run(self) -> DenseResult:
        return self.chooser.dense

    @property
    def prompts(self) -> PromptSet:
        return self.run.prompts

    @property
    def seed(self) -> int:
        """Of the noise that pictures are drawn from."""
        return self.run.run.config.seed

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of a picture."""
        known = self.run.run.provenance
        return int(known["height"]), int(known["width"])

    def files(self, pair: int) -> tuple[bytes, bytes] | None:
        """The kept pictures of A and B, WebP."""
        if self.pictures is None or self.pictures.n_pairs <= pair:
            return None
        return self.pictures.files[2 * pair], self.pictures.files[2 * pair + 1]


def cause_runs(model: str) -> CauseRuns | None:
    """What is saved of a model, of dense_pose first; None where it has no dense run that ranks its heads.

    >>> cause_runs("posebox").chooser.rankings
    """
    state = tuple((path, path.stat().st_mtime_ns) for path in _described())
    every = [(dense, weights, run.run) for dense in all_dense() for weights, run in dense.family.runs.items()]
    found = [(dense, weights) for dense, weights, run in every if run.model == model]
    for dense, weights in sorted(found, key=lambda one: one[0].family.trained.prompts.name != "dense_pose"):
        try:
            return _together(dense, weights, state)
        except InputError:
            continue  # no folds to rank heads on
    return None


def _described() -> list[Path]:
    """Patching studies, shipped or saved here."""
    roots = RUNS / "patch", catalog.saved_folder() / "patch"
    return [path for root in roots for path in sorted(root.glob(f"*/{PATCH.description}"))]


@once(maxsize=8)
def _together(dense: Dense, weights: str, state: tuple[tuple[Path, int], ...]) -> CauseRuns:
    run, pictures = dense.run(weights), dense.pictures
    read = [_study(path.parent, changed) for path, changed in state]
    whole = [study for study in read if study is not None and study.complete and study.prompts == run.prompts]
    studies = [study for study in whole if study.view.grouping == "head"]
    own = next((study for study in studies if same_model(study, run)), None)
    if pictures is not None and (
        pictures.provenance.get("weights_fingerprint") != run.run.provenance.get("weights_fingerprint")
        or (pictures.config.seed, pictures.config.height, pictures.config.width)
        != (run.run.config.seed, run.run.provenance["height"], run.run.provenance["width"])
    ):
        pictures = None  # another noise or another model would set pictures side by side that do not belong together
    return CauseRuns(Chooser(run, own), pictures, tuple(studies) if own is not None else ())


@once(maxsize=16)
def _study(folder: Path, changed: int) -> PatchStudy | None:
    try:
        return load_study(folder)
    except (InputError, OSError):
        return None  # a damaged folder must not keep the page from opening; the shell names it


def not_run(model: str) -> str:
    """What stands in the place of *Cause* for a model whose heads nothing ranks; HTML."""
    dense = shlex.join(["python", "-m", "plantain", "dense", "--model", model, "--out", "runs/dense/mine"])
    patch = shlex.join(["python", "-m", "plantain", "patch", "--model", model, "--dense", "runs/dense/mine"])
    command = escape(f"{dense} && {patch}")
    return (
        f'<section class="plantain-page"><p class="plantain-muted">Nothing ranks the heads of {escape(model)} yet: '
        "make its dense run, then its patching study.</p>"
        f'<div class="plantain-command"><pre><code>{command}</code></pre><button type="button" '
        f'class="plantain-button" data-copy="{command}">Copy the command</button></div></section>'
    )


def curves_html(model: str) -> str:
    """The studies' curves with their random band; empty where there is no study."""
    return _shipped_curves(model) if only_shipped() else _curves_of(model)


def only_shipped() -> bool:
    """Whether all dense runs and patching studies are the shipped ones, which what is kept is made of."""
    return all(RUNS in path.parents for path in (*_described(), *described()))


@kept(lambda: [(EMBEDDED,)])
def _shipped_curves(model: str) -> str:
    return _curves_of(model)


def _curves_of(model: str) -> str:
    runs = cause_runs(model)
    return "" if runs is None or not runs.studies else _curves(runs)


@once(maxsize=2)
def _curves(runs: CauseRuns) -> str:
    try:
        found = _answer(runs)
        if found is None:
            return ""
        drawn, said = found
        lines = "".join(f"<li>{escape(sentence)}</li>" for sentence in said.sentences)
        assert drawn.draw is not None
        figure = page_figure(drawn.draw, said.tables[0])
        effect = " ".join(said.effect.sentences) if isinstance(said, Cause) else ""
    except InputError as error:
        return alert("The curves are not shown.", error)
    return (
        f'<section class="plantain-page"><p class="plantain-claim">{escape(said.finding)}</p>'
        f'<p class="plantain-prose">{escape(effect)}</p>{figure}'
        "<details><summary>Every figure in words</summary>"
        f'<div class="plantain-prose"><ul>{lines}</ul></div></details></section>'
    )


def curves(runs: CauseRuns) -> Section | None:
    """The studies' curves as a section; None where there is no study of the model's own weights.

    >>> curves(cause_runs("posebox")).tables
    """
    found = _answer(runs)
    return None if found is None else found[0]


@once(maxsize=2)
def _answer(runs: CauseRuns) -> tuple[Section, Answer] | None:
    studies = {study.weights: study for study in runs.studies if not study.about.get("sets_from")}
    return QUESTIONS["cause"].section(Studies(studies)) if "trained" in studies else None
