"""The Controls tab: is it pose? One picture, then what else it could be, at other noise levels, doses and lengths."""

import os
import threading
from functools import lru_cache
from html import escape
from typing import Any

import gradio as gr

from plantain.data.study import ControlStudy, load_controls
from plantain.errors import InputError
from plantain.paths import RUNS
from plantain.questions.selectivity import ControlReport, compare
from plantain.report.register import QUESTIONS
from plantain.report.section import Section
from plantain.report.study_tables import section
from plantain.ui.cause import CauseView
from plantain.ui.engine import Engine
from plantain.ui.html import alert, html_table, page_figure, section_html

STUDY = RUNS / "controls"
INTRO = """**What else than pose could it be?** Pose, every control, and two transformers with weights drawn anew, on
the same text features, noise and settings. Posebox's numbers, not FLUX.2 Klein's. The same for any model:
`python -m plantain controls --model MODEL --out FOLDER`, then `python -m plantain compare FOLDER`.
"""
WAIT = '<p class="plantain-muted" role="status">Comparing the cached runs head by head; about ten seconds, once …</p>'
# The comparison is the same for everybody: whoever comes first waits for it, the others get what is there.
_once = threading.Lock()


def build(engine: Engine, tab: gr.Tab) -> None:
    """Lay the tab out; what takes its time to compare is filled in when it is opened."""
    gr.Markdown(INTRO)
    picture = gr.HTML(WAIT)
    cause = CauseView(engine)
    once_opened: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
    tab.select(fill, None, [picture, gr.HTML(""), gr.HTML("")], **once_opened)
    tab.select(cause.fill, None, cause.curves, **once_opened)


def fill() -> list[str]:
    """HTML of the picture, of the tables, and of noise, dose and length; made once, and kept."""
    with _once:
        return list(_rendered())


def warm_up() -> None:
    """On a Space the comparison is made at start, in the background, so that no visitor waits for it."""
    if os.environ.get("SPACE_ID"):
        threading.Thread(target=fill, name="compare-controls", daemon=True).start()


@lru_cache(maxsize=1)
def _rendered() -> tuple[str, str, str]:
    try:
        study = load_controls(STUDY)
        report = compare(study)
        shown = section(report)
        return _picture(report, shown), _tables(shown), _checks(study)
    except (InputError, OSError, LookupError) as error:
        return alert("Not shown.", error), "", ""


def _picture(report: ControlReport, shown: Section) -> str:
    assert shown.draw is not None
    read = "".join(f"<li>{escape(line)}</li>" for line in shown.sentences)
    return (
        f'<section class="plantain-page"><p class="plantain-claim">{_claim(report)}</p>'
        f'{page_figure(shown.draw, shown.tables[0])}<div class="plantain-prose"><ul>{read}</ul></div></section>'
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


def _checks(study: ControlStudy) -> str:
    """Every question of the register, asked of its shipped run beside the untrained twin; *Cause* has its own view."""
    parts = []
    for question in (question for question in QUESTIONS.values() if question.name != "cause"):
        if question.of == "study" and question.shown == STUDY:
            found, _ = question.section(study)
        else:
            found, _ = question.section(*question.loaded(), brief=True)
        parts.append(section_html(found))
    return f'<section class="plantain-page plantain-left">{"".join(parts)}</section>'
