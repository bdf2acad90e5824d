"""The Results tab: cached runs, without a model and without a GPU."""

from typing import Any

import gradio as gr

from plantain.errors import InputError
from plantain.ui import catalog, where
from plantain.ui.compare import compare
from plantain.ui.engine import LOUD, QUIET
from plantain.ui.html import alert
from plantain.ui.view import RunView, Values, blank, counting_choice, refresh_on_focus, show_cached, step_choices


def build() -> dict[str, Any]:
    """Lay the tab out, with the first run there at first paint; the fields that a link sets."""
    known, first = catalog.choices(), catalog.default_key()
    with gr.Row(elem_classes=["plantain-full"]):
        run = gr.Dropdown(known, value=first, label="Run", scale=2, min_width=300)
        counting = counting_choice(scale=3, min_width=300)
    steps = _steps(first)
    step = gr.Radio(steps, value=0, label="Denoising step", visible=len(steps) > 1, elem_classes=["plantain-full"])
    view = RunView(_shown(first, "card"), compact=True, under=lambda: where.build(run))
    with gr.Accordion("Compare with another run", open=False, elem_classes=["plantain-full"]):
        other = gr.Dropdown(known, value=None, label="Other run")
        comparison = gr.HTML()

    def show(key: str, counting: str, step: int) -> dict[Any, Any]:
        return view.given(_shown(key, counting, step))

    run.change(_step_choice, run, step, **QUIET)
    gr.on([run.change, counting.change, step.input], show, [run, counting, step], view.outputs, **LOUD)
    changes = [run.change, counting.change, other.change, step.input]
    gr.on(changes, compare, [run, other, counting, step], comparison, **LOUD)
    refresh_on_focus(run)
    refresh_on_focus(other)
    return {"run": run, "counting": counting, "other": other}


def _shown(key: str, counting: str, step: int = 0) -> Values:
    # A sentence in the page's own place: these events are not queued, and gradio shows no message of theirs.
    try:
        entry = catalog.entry(key)
        # The event of a changed run may carry the step of the last one.
        return show_cached(entry, counting, step if step in [index for _, index in _steps(key)] else 0)
    except (InputError, OSError) as error:
        return blank(alert("Not shown.", error))


def _steps(key: str) -> list[tuple[str, int]]:
    """The denoising steps of a run, by their noise level."""
    folder = catalog.entry(key).folder
    return [("1", 0)] if folder is None else step_choices(catalog.load(folder))


def _step_choice(key: str) -> Any:
    try:
        steps = _steps(key)
    except (InputError, OSError):
        steps = [("1", 0)]
    return gr.Radio(choices=steps, value=0, visible=len(steps) > 1)
