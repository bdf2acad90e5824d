"""The Controls tab: is it pose? One picture, then what else it could be, at other noise levels, doses and lengths."""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from functools import lru_cache
from html import escape
from pathlib import Path
from typing import Any

import gradio as gr

from plantain.data.result import load_result
from plantain.data.study import ControlStudy, load_controls
from plantain.errors import InputError
from plantain.paths import RUNS
from plantain.questions.carry_over import transfers
from plantain.questions.dose import dose
from plantain.questions.families import family_table
from plantain.questions.length import equal_length
from plantain.questions.selectivity import ControlReport, compare
from plantain.questions.stability import stability
from plantain.report import study_tables as control_tables
from plantain.report.figures import dose as dose_figures
from plantain.report.figures import selectivity as control_figures
from plantain.report.figures import stability as stability_figures
from plantain.ui.html import html_table, page_figure

STUDY, LEVELS, POSE = RUNS / "controls", RUNS / "levels", RUNS / "posebox"
INTRO = """**What else than pose could it be?** Pose, every control, and two transformers with weights drawn anew, on
the same text features, noise and settings. Posebox's numbers, not FLUX.2 Klein's. The same for any model:
`python -m plantain controls --model MODEL --out FOLDER`, then `python -m plantain compare FOLDER`.
"""
WAIT = '<p class="plantain-muted" role="status">Comparing the cached runs head by head; about ten seconds, once …</p>'
# The comparison is the same for everybody: whoever comes first waits for it, the others get what is there.
_once = threading.Lock()


def build() -> list[Any]:
    """Lay the tab out; its parts are filled when it is first opened (``fill``)."""
    gr.Markdown(INTRO)
    picture = gr.HTML(WAIT)
    tables = gr.HTML("")
    checks = gr.HTML("")
    return [picture, tables, checks]


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
        return _picture(report), _tables(report), _checks(study)
    except (InputError, OSError, LookupError) as error:
        return f'<p class="plantain-error" role="alert"><strong>Not shown.</strong> {escape(str(error))}</p>', "", ""


def _picture(report: ControlReport) -> str:
    first = control_tables.tables(report)[0]
    figure = page_figure(lambda width: control_figures.is_it_pose(report, width), _table(first.title, first.cells))
    read = "".join(f"<li>{escape(line)}</li>" for line in control_tables.reading(report))
    return (
        f'<section class="plantain-page"><p class="plantain-claim">{_claim(report)}</p>{figure}'
        f'<div class="plantain-prose"><ul>{read}</ul></div></section>'
    )


def _claim(report: ControlReport) -> str:
    """Whether what training adds is about pose, in two sentences over the model's own heads."""
    scope = "attention heads"
    counts = {weights: report.count(weights, report.pose, scope) for weights in report.weights}
    trained, *untrained = counts.values()
    said = f"Of {trained.n_heads:,} attention heads <strong>{trained.counts[0]:,} respond to {escape(report.pose)}"
    if untrained:
        others = " and ".join(f"{count.counts[0]:,}" for count in untrained)
        said += f", and {others} where the transformer has learned nothing"
    said += ".</strong>"
    if "setting" in report.controls:
        setting = report.selectivity("trained", "setting", scope)
        said += f" {setting.larger:,} respond more to it than to another place; {setting.smaller:,} the reverse."
    return said


def _tables(report: ControlReport) -> str:
    first, *rest = control_tables.tables(report)
    folded = "".join(
        f"<details><summary>{escape(table.title)}</summary><p>{escape(table.note)}</p>"
        f"{_table('', table.cells)}</details>"
        for table in rest
    )
    return (
        f'<section class="plantain-page plantain-left"><h3>{escape(first.title)}</h3><p>{escape(first.note)}</p>'
        f"{_table('', first.cells)}{folded}</section>"
    )


def _checks(study: ControlStudy) -> str:
    trained, untrained = (load_result(Path(f"{POSE}{end}")) for end in ("", "-untrained"))
    levels, levels_untrained = (stability(load_result(LEVELS / name)) for name in ("posebox", "posebox-untrained"))
    doses = dose(trained), dose(untrained)
    family = family_table(trained)
    transferred = transfers(study)
    parts = [
        _part(
            "Does the pose axis carry over to new subjects?",
            transferred.sentences,
            "",
            html_table(transferred.rows[0], transferred.rows[1:], f"Held-out pairs, over {transferred.scope}"),
        ),
        _part(
            "Is it attention?",
            [family.sentence, f"Untrained: {family_table(untrained).sentence}"],
            "",
            html_table(family.cells[0], family.cells[1:], "The published count, and what remains of it by family"),
        ),
        _part(
            "At other noise levels, under other noise?",
            [],
            page_figure(
                lambda width: stability_figures.levels(levels, levels_untrained, width),
                html_table(levels.rows[0], levels.rows[1:], "posebox by noise level"),
            ),
            "",
        ),
        _part(
            "Canonical at all, or how much is bent?",
            [*doses[0].sentences, *(f"Untrained. {sentence}" for sentence in doses[1].sentences[1:2])],
            page_figure(
                lambda width: dose_figures.explained(*doses, width),
                html_table(doses[0].rows[0], doses[0].rows[1:], "posebox by block"),
            ),
            "",
        ),
        _part("Is it length?", equal_length(trained).sentences, "", ""),
    ]
    return f'<section class="plantain-page plantain-left">{"".join(parts)}</section>'


def _part(title: str, sentences: Sequence[str], figure: str, table: str) -> str:
    said = "".join(f"<p>{escape(sentence)}</p>" for sentence in sentences)
    return f'<h3>{escape(title)}</h3><div class="plantain-prose">{said}</div>{figure}{table}'


def _table(caption: str, cells: Sequence[Sequence[str]]) -> str:
    return html_table(cells[0], cells[1:], caption)
