"""The questions that can be asked of saved runs: one entry each, from which shell, page and documents are made."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from importlib import import_module
from pathlib import Path
from typing import Any

from plantain.data.result import ProbeResult
from plantain.data.study import ControlStudy
from plantain.paths import RUNS
from plantain.questions.answer import Answer
from plantain.questions.carry_over import transfers
from plantain.questions.dose import MEASURES, dose
from plantain.questions.families import family_table
from plantain.questions.length import equal_length
from plantain.questions.stability import stability
from plantain.report.section import Section


@dataclass(frozen=True)
class Question:
    """One question, as shell and page ask it.

    >>> section, answer = QUESTIONS["dose"].section(result, twin)
    """

    name: str  # of its command and of its files
    title: str  # as the page puts it
    help: str  # a line for the shell
    ask: Callable[..., Answer]  # a run, or a study, in, and ``options`` by name
    what: str = "run"  # which runs it is for
    shown: Path = RUNS / "posebox"  # the shipped run, or study, that the page shows; ``-untrained`` beside it: its twin
    figure: str = ""  # module under ``report.figures``; its ``draw`` takes the answer, the twin's or None, and a width
    options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)  # of the shell: what argparse takes of each
    of_study: bool = False  # asked of several runs at once (``load_controls``), not of one
    written: str = ""  # what ``--out`` writes, in words; empty where there is nothing to write

    def section(
        self, asked: ProbeResult | ControlStudy, twin: ProbeResult | None = None, brief: bool = False, **options: Any
    ) -> tuple[Section, Answer]:
        """The answer, beside it the untrained twin's (where ``brief``, only its finding), and the answer itself."""
        found = self.ask(asked, **options)
        beside = None if twin is None else self.ask(twin, **options)
        sentences, tables = [*found.sentences], [*found.tables]
        if beside is not None:
            said = [beside.finding] if brief else beside.sentences
            sentences += [f"Untrained twin: {sentence}" for sentence in said]
            tables += [replace(table, title=f"{table.title}, untrained twin") for table in beside.tables]

        def draw(width: float) -> Any:
            """Imported only when asked for: an answer in the shell needs no matplotlib."""
            return import_module(f"plantain.report.figures.{self.figure}").draw(found, beside, width)

        return Section(self.title, sentences, tables, draw if self.figure else None, self.name), found


_MEASURE_SAID = "mean joint rotation in degrees, or number of bent joints"
_MEASURE = {"choices": tuple(MEASURES), "default": "rotation", "help": _MEASURE_SAID}
_GROUPING = {"view": {"flags": ["--grouping"], "choices": ("card", "head"), "default": "card", "help": "which heads"}}
_ALL = (
    Question(
        name="carry-over",
        title="Does the pose axis carry over to new subjects?",
        help="learn each set's axis on some subjects, and place the pairs of the others along it",
        what="runs of pose and controls, or folders that hold them",
        ask=transfers,
        shown=RUNS / "controls",
        of_study=True,
    ),
    Question(
        name="families",
        title="Is it attention?",
        help="count each family of heads alone: joint and single blocks, attention and MLP",
        ask=family_table,
    ),
    Question(
        name="stability",
        title="At other noise levels, under other noise?",
        help="compare a run's noise levels and noise seeds",
        what="run with several noise levels or seeds",
        ask=stability,
        shown=RUNS / "levels" / "posebox",
        figure="stability",
        options=_GROUPING,
        written="the figure (SVG, PDF, PNG) and a CSV of all heads",
    ),
    Question(
        name="dose",
        title="Canonical at all, or how much is bent?",
        help="regress a run's shifts on how far each pose is from the T-pose",
        what="run whose pairs are tagged with poses",
        ask=dose,
        figure="dose",
        written="the figure (SVG, PDF, PNG) and a CSV of all heads",
        options=_GROUPING | {"measure": _MEASURE},
    ),
    Question(
        name="length",
        title="Is it length?",
        help="effect of a run at equal length",
        ask=equal_length,
        options=_GROUPING,
        written="a CSV of all heads",
    ),
)
QUESTIONS = {question.name: question for question in _ALL}
"""By name, in the order of the page."""
