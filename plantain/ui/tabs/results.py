"""The Results tab: cached runs, without a model and without a GPU."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gradio as gr

from plantain.errors import InputError
from plantain.ui import catalog
from plantain.ui.compare import compare
from plantain.ui.view import RunView, counting_choice, problem, show_cached, step_choices


@dataclass(frozen=True)
class ResultsTab:
    """What a link sets."""

    run: gr.Dropdown
    counting: gr.Radio
    other: gr.Dropdown


def build() -> ResultsTab:
    """Lay the tab out and fill it with the first run, so that it is there at first paint."""
    known, first = catalog.choices(), catalog.default_key()
    with gr.Row(elem_classes=["plantain-full"]):
        run = gr.Dropdown(known, value=first, label="Run", scale=2, min_width=300)
        counting = counting_choice(scale=3, min_width=300)
    steps = _steps(first)
    step = gr.Radio(steps, value=0, label="Denoising step", visible=len(steps) > 1, elem_classes=["plantain-full"])
    view = RunView(_show(first, "card"), compact=True)
    with gr.Accordion("Compare with another run", open=False, elem_classes=["plantain-full"]):
        other = gr.Dropdown(known, value=None, label="Other run")
        comparison = gr.HTML()

    quiet: dict[str, Any] = {"queue": False, "api_visibility": "private"}
    run.change(lambda key: _step_choice(key), run, step, show_progress="hidden", **quiet)
    gr.on([run.change, counting.change, step.input], _show, [run, counting, step], view.outputs, **quiet)
    gr.on(
        [run.change, counting.change, other.change, step.input],
        compare,
        [run, other, counting, step],
        comparison,
        **quiet,
    )
    # Runs saved since the page was built appear when the list is opened.
    for component in (run, other):
        component.focus(_refresh, None, component, show_progress="hidden", **quiet)
    return ResultsTab(run, counting, other)


def _show(key: str, counting: str, step: int = 0) -> list[Any]:
    # A sentence in the page's own place: these events are not queued, and gradio shows no message of theirs.
    try:
        entry = catalog.entry(key)
        # The event of a changed run may carry the step of the last one.
        return show_cached(entry, counting, step if step in [index for _, index in _steps(key)] else 0)
    except (InputError, OSError) as error:
        return problem(str(error))


def _steps(key: str) -> list[tuple[str, int]]:
    """The denoising steps of a run, by their noise level."""
    folder = catalog.entry(key).folder
    if folder is None:
        return [("1", 0)]
    return step_choices(catalog.load(folder))


def _step_choice(key: str) -> Any:
    try:
        steps = _steps(key)
    except (InputError, OSError):
        steps = [("1", 0)]
    return gr.Radio(choices=steps, value=0, visible=len(steps) > 1)


def _refresh() -> Any:
    return gr.Dropdown(choices=catalog.choices())
