"""The tab *Is it pose?*: controls and cause, a picture and a sentence each; everything else in drawers."""

import threading
from functools import partial
from html import escape
from typing import Any

import gradio as gr

from plantain.data.study import load_controls
from plantain.errors import InputError
from plantain.paths import RUNS
from plantain.questions.selectivity import ControlReport, compare
from plantain.report.export import section_files
from plantain.report.register import QUESTIONS, Question
from plantain.report.section import Section
from plantain.report.study_tables import section
from plantain.ui.cause import CauseView
from plantain.ui.downloads import Export
from plantain.ui.engine import QUIET, Engine
from plantain.ui.html import alert, html_table, page_figure, section_html
from plantain.ui.kept import kept
from plantain.ui.once import once

STUDY = RUNS / "controls"
INTRO = """**What else than pose could it be?** Pose beside every control, and beside two transformers that have learned
nothing. Posebox's numbers, not FLUX.2 Klein's.
"""
COMMANDS = """For any model: `python -m plantain controls --model MODEL --out FOLDER`, then
`python -m plantain compare FOLDER`.
"""
TABLES = "Every set, as tables"
# Told elsewhere on the page: the ladder under *Results*, cause in its own view.
_ELSEWHERE = ("ladder", "cause")
# A comparison is the same for everybody: whoever comes first waits for it, the others get what is there.
_once = threading.Lock()
_FILLING: dict[str, Any] = QUIET | {"show_progress": "full"}


def build(engine: Engine, tab: gr.Tab) -> CauseView:
    """Lay the tab out; a drawer is filled when it is first opened."""
    gr.Markdown(INTRO)
    shown = gr.HTML("")
    Export("controls", lambda: section_files("is_it_pose", _compared()[1]))
    cause = CauseView(engine)
    gr.HTML('<section class="plantain-page"><h2>What else was asked</h2></section>')
    _drawer(TABLES, tables)
    for name in _asked_here():
        _drawer(QUESTIONS[name].title, partial(asked, name), name)
    gr.Markdown(COMMANDS, elem_classes=["plantain-muted"])
    tab.select(picture, None, shown, **QUIET)
    tab.select(cause.fill, None, cause.curves, **QUIET)
    return cause


def _asked_here() -> list[str]:
    return [name for name in QUESTIONS if name not in _ELSEWHERE]


def _drawer(title: str, fill: Any, question: str = "") -> None:
    with gr.Accordion(title, open=False) as drawer:
        drawer.expand(fill, None, gr.HTML(""), **_FILLING)
        if question:
            Export(question, lambda: section_files(question, _section(question)))


@kept(lambda: [()])
def picture() -> str:
    """The chart of pose beside its controls under its claim, HTML; comparing the shipped runs anew takes ten seconds.

    >>> picture()
    """
    return _made("picture", lambda: _picture(*_compared()))


@once(maxsize=1)
def _compared() -> tuple[ControlReport, Section]:
    report = compare(load_controls(STUDY))
    return report, section(report)


@kept(lambda: [()])
def tables() -> str:
    """Every control beside pose, by family of heads and weights, HTML."""
    return _made("tables", lambda: _tables(_compared()[1]))


@kept(lambda: ((name,) for name in _asked_here()))
def asked(name: str) -> str:
    """A question of the register, asked of its shipped runs beside the untrained twin, HTML.

    >>> asked("dose")
    """
    return _made(name, lambda: _answer(QUESTIONS[name]))


_kept: dict[str, str] = {}


def _made(name: str, make: Any) -> str:
    """Made once and kept; what cannot be read is a sentence in its place, and is tried again next time."""
    with _once:
        if name not in _kept:
            try:
                _kept[name] = make()
            except (InputError, OSError, LookupError) as error:
                return alert("Not shown.", error)
        return _kept[name]


def _picture(report: ControlReport, shown: Section) -> str:
    assert shown.draw is not None
    read = "".join(f"<li>{escape(line)}</li>" for line in shown.sentences)
    return (
        f'<section class="plantain-page"><p class="plantain-claim">{_claim(report)}</p>'
        f"{page_figure(shown.draw, shown.tables[0])}<details><summary>What it says, set by set</summary>"
        f'<div class="plantain-prose"><ul>{read}</ul></div></details></section>'
    )


def _claim(report: ControlReport) -> str:
    """Whether what training adds is about pose, in two sentences over the model's own heads."""
    scope = "attention heads"
    trained, *untrained = (report.count(weights, report.pose, scope) for weights in report.weights)
    said = f"Of {trained.n_heads:,} attention heads <strong>{trained.counts[0]:,} respond to {escape(report.pose)}"
    if untrained:
        others = " and ".join(f"{count.counts[0]:,}" for count in untrained)
        said += f", and {others} where the transformer has learned nothing"
    said += ".</strong>"
    if found := report.larger_smaller("trained", ("setting",)):
        said += f" {found[0]:,.0f} respond more to it than to another place; {found[1]:,.0f} the reverse."
    return said


def _tables(shown: Section) -> str:
    first, *rest = shown.tables
    tables = f"<h3>{escape(first.title)}</h3><p>{escape(first.note)}</p>{html_table(first, '')}"
    for table in rest:
        folded = f"<p>{escape(table.note)}</p>{html_table(table, '')}"
        tables += f"<details><summary>{escape(table.title)}</summary>{folded}</details>"
    return f'<section class="plantain-page plantain-left">{tables}</section>'


def _answer(question: Question) -> str:
    return f'<section class="plantain-page plantain-left">{section_html(_section(question.name))}</section>'


@once(maxsize=len(QUESTIONS))
def _section(name: str) -> Section:
    question = QUESTIONS[name]
    if question.of == "study" and question.shown == STUDY:
        return question.section(load_controls(STUDY))[0]
    return question.section(*question.loaded(), brief=True)[0]
