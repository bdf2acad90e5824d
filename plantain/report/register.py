"""The questions that can be asked of saved runs: one entry each, from which shell, page and documents are made."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib import import_module
from pathlib import Path
from typing import Any

from plantain.data.dense import READINGS, TRUTHS
from plantain.data.family import Crossed, Family, Studies, load_crossed, load_family, load_sets, load_studies
from plantain.data.result import ProbeResult, load_result
from plantain.data.study import ControlStudy, load_controls
from plantain.paths import RUNS
from plantain.questions.answer import Answer
from plantain.questions.carry_over import transfers
from plantain.questions.cause import cause
from plantain.questions.code import code
from plantain.questions.deformation import deformation
from plantain.questions.dissociation import dissociation
from plantain.questions.dose import MEASURES, dose
from plantain.questions.drawn import manipulation
from plantain.questions.families import family_table
from plantain.questions.ladder import ladder
from plantain.questions.length import equal_length
from plantain.questions.place import place
from plantain.questions.specificity import specificity
from plantain.questions.stability import stability
from plantain.report.section import Section

Asked = ProbeResult | ControlStudy | Family | dict[str, Family] | Studies | Crossed


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
    of: str = "run"  # "run", beside its twin; "study", "family", "sets", "patches" or "crossed": several at once
    written: str = ""  # what ``--out`` writes, in words; empty where there is nothing to write

    def loaded(self, folders: Sequence[str | Path] = ()) -> tuple[Asked, ProbeResult | None]:
        """What it is asked of, read from folders (none: the shipped ones), and the twin of a single run shown.

        >>> section, answer = QUESTIONS["place"].section(*QUESTIONS["place"].loaded())
        """
        chosen = list(folders) or [self.shown]
        if self.of == "study":
            return load_controls(chosen), None
        if self.of == "family":
            return load_family(chosen), None
        if self.of == "sets":
            return load_sets(chosen), None
        if self.of == "patches":
            return load_studies(chosen), None
        if self.of == "crossed":
            return load_crossed(chosen), None
        twin = self.shown.with_name(f"{self.shown.name}-untrained")
        return load_result(chosen[0]), None if folders else load_result(twin)

    def section(
        self, asked: Asked, twin: ProbeResult | None = None, brief: bool = False, **options: Any
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
_FAMILY = "dense runs of a model and its twins, or folders that hold them"
_ALL = (
    Question(
        name="carry-over",
        title="Does the pose axis carry over to new subjects?",
        help="learn each set's axis on some subjects, and place the pairs of the others along it",
        what="runs of pose and controls, or folders that hold them",
        ask=transfers,
        shown=RUNS / "controls",
        of="study",
    ),
    Question(
        name="ladder",
        title="Respond, place, code, deformation, cause: what do the baselines leave to the heads?",
        help="count every rung for a model and its baselines",
        ask=ladder,
        what=_FAMILY,
        shown=RUNS / "dense",
        of="family",
        figure="ladder",
        options={"verified": {"action": "store_true", "default": False, "help": "count verified pairs alone (drawn)"}},
        written="the figure (SVG, PDF, PNG)",
    ),
    Question(
        name="drawn",
        title="Did the model draw what the prompts say?",
        help="count the pictures that show a T-pose, or another pose, where they should",
        ask=manipulation,
        what=_FAMILY,
        shown=RUNS / "dense",
        of="family",
    ),
    Question(
        name="place",
        title="Where this body moved?",
        help="match every head's shift with where the pair's body moved",
        ask=place,
        what=_FAMILY,
        shown=RUNS / "dense",
        of="family",
        figure="place",
        options={
            "truth": {
                "choices": TRUTHS,
                "default": None,
                "help": "outlines, or pictures drawn (default: body if known)",
            },
            "reading": {"choices": READINGS, "default": "vector", "help": "length of B - A, or change of the RMS"},
        },
        written="the figure (SVG, PDF, PNG) and a CSV of all heads",
    ),
    Question(
        name="code",
        title="One code for body parts in any pose?",
        help="name parts of expressive bodies by decoders of canonical ones",
        ask=code,
        what=_FAMILY,
        shown=RUNS / "dense",
        of="family",
        written="a CSV of all heads",
    ),
    Question(
        name="deformation",
        title="Can a pose never seen be read off?",
        help="name parts of left-out poses, and read their joint angles",
        ask=deformation,
        what=_FAMILY,
        shown=RUNS / "dense",
        of="family",
        written="a CSV of all heads",
    ),
    Question(
        name="specificity",
        title="Pose, or whatever is drawn there?",
        help="hold the place of the pose against the place of other content, head by head",
        ask=specificity,
        what="dense runs of several prompt sets, or folders that hold them",
        shown=RUNS / "dense",
        of="sets",
        written="a CSV of all heads",
    ),
    Question(
        name="cause",
        title="Does moving a head's values move the body?",
        help="what heads move when another run's values are put into them, ranking by ranking",
        ask=cause,
        what="patching studies of a model and its twins, or folders that hold them",
        shown=RUNS / "patch",
        of="patches",
        figure="cause",
        written="the figure (SVG, PDF, PNG) and a CSV of all heads",
    ),
    Question(
        name="dissociation",
        title="Do the pose's heads move the pose alone?",
        help="patch the heads of the pose in pairs of settings, and the reverse",
        ask=dissociation,
        what="patching studies of two contrasts, each with the heads of either, or folders that hold them",
        shown=RUNS / "patch",
        of="crossed",
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
