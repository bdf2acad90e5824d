"""The questions that can be asked of saved runs: one entry each, from which shell, page and documents are made."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
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

    Attributes
    ----------
    name : of its command and of its files
    title : the question as the page puts it
    help, what : a line for the shell, and which runs it is for
    ask : a run, or a study, in (and ``options`` by name), its answer out
    shown : the shipped run, or study, that the page shows; beside it, ``-untrained``, lies its twin
    figure : module under ``report.figures`` whose ``draw(answer, twin's answer or None, width)`` draws it
    options : of the shell, by the argument of ``ask``: what argparse takes of each
    of_study : asked of several runs at once (``load_controls``), not of one
    written : what ``--out`` writes, in words; empty where there is nothing to write
    """

    name: str
    title: str
    help: str
    what: str
    ask: Callable[..., Answer]
    shown: Path
    figure: str = ""
    options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    of_study: bool = False
    written: str = ""

    def section(
        self, asked: ProbeResult | ControlStudy, twin: ProbeResult | None = None, brief: bool = False, **options: Any
    ) -> tuple[Section, Answer]:
        """The answer as a section of a report, and the answer itself.

        With it the untrained twin's sentences and tables; of the sentences only its finding where ``brief``.
        """
        found = self.ask(asked, **options)
        beside = None if twin is None else self.ask(twin, **options)
        sentences, tables = [*found.sentences], [*found.tables]
        if beside is not None:
            said = [beside.finding] if brief else beside.sentences
            sentences += [f"Untrained twin: {sentence}" for sentence in said]
            tables += [replace(table, title=f"{table.title}, untrained twin") for table in beside.tables]
        draw = None
        if self.figure:
            draw = partial(_draw, self.figure, found, beside)
        return Section(self.title, sentences, tables, draw, self.name), found


def _draw(figure: str, found: Answer, beside: Answer | None, width: float) -> Any:
    """Drawn only when asked: an answer in the shell needs no matplotlib."""
    return import_module(f"plantain.report.figures.{figure}").draw(found, beside, width)


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
        what="run",
        ask=family_table,
        shown=RUNS / "posebox",
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
        shown=RUNS / "posebox",
        figure="dose",
        written="the figure (SVG, PDF, PNG) and a CSV of all heads",
        options=_GROUPING
        | {
            "measure": {
                "choices": tuple(MEASURES),
                "default": "rotation",
                "help": "mean joint rotation in degrees, or number of bent joints",
            }
        },
    ),
    Question(
        name="length",
        title="Is it length?",
        help="effect of a run at equal length",
        what="run",
        ask=equal_length,
        shown=RUNS / "posebox",
        options=_GROUPING,
        written="a CSV of all heads",
    ),
)
QUESTIONS = {question.name: question for question in _ALL}
"""By name, in the order of the page."""
