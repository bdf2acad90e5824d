"""The Results tab: cached runs, without a model and a GPU: bodies, a claim, the ladder, *Where*; then drawers."""

from functools import partial
from typing import Any

import gradio as gr

from plantain.errors import InputError
from plantain.model.names import KLEIN
from plantain.ui import catalog, where
from plantain.ui.bodies import bodies_html
from plantain.ui.compare import compare
from plantain.ui.dense import dense_beside
from plantain.ui.downloads import Export
from plantain.ui.engine import LOUD, QUIET
from plantain.ui.first import BODIES
from plantain.ui.headline import badge
from plantain.ui.heads import EveryHead
from plantain.ui.html import alert
from plantain.ui.kept import kept
from plantain.ui.ladder import answer_html
from plantain.ui.run_files import LABEL, files_of_cached
from plantain.ui.view import RunView, Values, all_but, blank, counting_choice, refresh_when, show_cached, step_choices

_WHEN_OPENED = ("counts", "table", "overview", "half", "sure")


def build(tab: gr.Tab) -> tuple[dict[str, Any], dict[str, gr.Accordion]]:
    """Lay the tab out, with the first run there at first paint; the fields that a link sets, and their drawers."""
    first = catalog.default_key()
    with gr.Row(elem_classes=["plantain-full", "plantain-chosen-run"]):
        run = gr.Dropdown(catalog.first_choices(), value=first, label="Run", min_width=300)
    steps = _steps(first)
    made: dict[str, Any] = {}

    def lay_out(view: RunView) -> None:
        made["bodies"] = gr.HTML(_bodies(first), elem_classes=["plantain-full", BODIES])
        view.place("headline")
        made["where"] = where.build(run)
        with _drawer("Numbers: the card's table, and what counts as a head") as made["counting drawer"]:
            made["counting"] = counting_choice()
            made["step"] = gr.Radio(steps, value=0, label="Denoising step", visible=len(steps) > 1)
            view.place("counts", "table")
        with _drawer("Every block: the spread of |t|, and t of every head") as made["overview"]:
            view.place("overview")
        with _drawer("Every head: a table to sort and to search") as drawer:
            made["every"] = EveryHead(drawer, run, made["counting"])
        with _drawer("Nulls and thresholds") as made["half"]:
            view.place("half")
        with _drawer("How sure one can be, and by family of heads") as made["sure"]:
            view.place("sure")
        with _drawer("Compare with another run") as made["other drawer"]:
            made["other"] = gr.Dropdown([], value=None, label="Other run")
            made["comparison"] = gr.HTML()
        chosen = [run, made["counting"], made["step"]]
        view.place_tools(lambda: Export("everything", files_of_cached, chosen, LABEL))
        view.place("compact")

    # What lies in closed drawers is half of what the page would weigh, and most of what it takes to draw.
    view = RunView(lay_out, all_but(_shown(first, "card"), _WHEN_OPENED))
    counting, step, other, comparison = (made[name] for name in ("counting", "step", "other", "comparison"))

    def show(key: str, counting: str, step: int) -> dict[Any, Any]:
        return view.given(_shown(key, counting, step))

    made["counts"] = made["table"] = made["counting drawer"]
    for name in _WHEN_OPENED:
        made[name].expand(partial(_part, name), [run, counting, step], view.parts[name], **LOUD)
    run.change(_step_choice, run, step, **QUIET)
    run.change(_bodies, run, made["bodies"], **QUIET)
    gr.on([run.change, counting.change, step.input], show, [run, counting, step], view.outputs, **LOUD)
    changes = [run.change, counting.change, other.change, step.input]
    gr.on(changes, compare, [run, other, counting, step], comparison, **LOUD)
    refresh_when(tab.select, run)
    refresh_when(made["other drawer"].expand, other)
    drawers = {name: made[f"{name} drawer"] for name in ("counting", "other")}
    return {"run": run, "counting": counting, "other": other, **made["where"]}, drawers


def _part(name: str, key: str, counting: str, step: int) -> str:
    return str(_shown(key, counting, step)[name])


def _drawer(title: str) -> gr.Accordion:
    return gr.Accordion(title, open=False, elem_classes=["plantain-full"])


def _bodies(key: str) -> str:
    """Whose run it is, what its model drew, and the page's question answered; nothing where it cannot be read."""
    try:
        return _drawn(catalog.entry(key).key)
    except (InputError, OSError):
        return ""


@kept(lambda: ((key,) for key in catalog.shipped_keys()))
def _drawn(key: str) -> str:
    folder, dense = catalog.entry(key).folder, dense_beside(key)
    model = KLEIN if folder is None else catalog.load(folder).model
    drawn = "" if dense is None or catalog.is_untrained(key) else bodies_html(dense) + answer_html(dense)
    return badge(model) + drawn


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
