"""The Results tab: cached runs, without a model and without a GPU."""

from __future__ import annotations

from typing import Any

import gradio as gr
import numpy as np

from plantain import figures
from plantain.errors import InputError
from plantain.summary import CardTable, load_published
from plantain.ui import catalog
from plantain.ui.view import RunView, blank, counting_choice, show, show_published


def build() -> None:
    """Lay the tab out and fill it with the first run, so that it is there at first paint."""
    known = catalog.entries()
    first = catalog.default_key()
    with gr.Row():
        run = gr.Dropdown(_choices(known), value=first, label="Run")
        counting = counting_choice()
    view = RunView(_show(first, "card"))
    with gr.Accordion("Compare with another run", open=False):
        other = gr.Dropdown(_choices(known), value=None, label="Other run")
        correlation = gr.Markdown()
        comparison = gr.Dataframe(headers=["Metric", "This run", "Other run"], interactive=False, wrap=True)

    for component in (run, counting):
        component.change(_show, [run, counting], view.outputs, queue=False, api_visibility="private")
    for component in (run, counting, other):
        component.change(
            _compare, [run, other, counting], [correlation, comparison], queue=False, api_visibility="private"
        )
    # Runs saved since the page was built appear when the list is opened.
    for component in (run, other):
        component.focus(_refresh, None, component, queue=False, show_progress="hidden", api_visibility="private")


def _show(key: str, counting: str) -> list[Any]:
    # A sentence in the page's own place: these events are not queued, and gradio shows no message of theirs.
    try:
        entry = _entry(key)
        if entry.folder is None:
            return show_published(load_published(), counting)
        return show(catalog.load(entry.folder), _summary(entry, counting), entry.folder)
    except (InputError, OSError) as error:
        return blank(f"**Not shown.** {error}")


def _compare(key: str, other_key: str | None, counting: str) -> tuple[str, list[list[str]]]:
    if not other_key:
        return "", []
    try:
        entries = (_entry(key), _entry(other_key))
        if any(entry.folder is None for entry in entries):
            counting = "card"  # the only one the published card has
        tables = [_table(entry, counting) for entry in entries]
        said = _correlation(entries, counting)
    except (InputError, OSError) as error:
        return f"**Not compared.** {error}", []
    rows = [[a[0], _cell(a), _cell(b)] for a, b in zip(tables[0].rows[1:], tables[1].rows[1:], strict=True)]
    return f"Counted: {catalog.COUNTINGS[counting][0]}. {said}", rows


def _correlation(entries: tuple[catalog.Entry, catalog.Entry], counting: str) -> str:
    """Whether the same heads respond in both runs, where the heads are the same ones."""
    if any(entry.folder is None for entry in entries):
        return "The card's per-head data were not released: only the table can be compared."
    results = [catalog.load(entry.folder) for entry in entries if entry.folder is not None]
    if results[0].head_map != results[1].head_map:
        return "The two models have different heads: only the tables can be compared."
    t = [_summary(entry, counting).t for entry in entries]
    finite = np.isfinite(t[0]) & np.isfinite(t[1])
    if finite.sum() < 3 or t[0][finite].std() == 0 or t[1][finite].std() == 0:
        return "The t maps have no variance to correlate."
    r = np.corrcoef(t[0][finite], t[1][finite])[0, 1]
    return f"Pearson r between the two t maps, over {int(finite.sum()):,} heads: {figures.signed(r, 3)}."


def _table(entry: catalog.Entry, counting: str) -> CardTable:
    return load_published() if entry.folder is None else _summary(entry, counting)


def _summary(entry: catalog.Entry, counting: str) -> Any:
    assert entry.folder is not None
    if counting not in catalog.COUNTINGS:
        raise InputError("Choose one of the listed countings.")
    return catalog.summary_of(entry.folder, (entry.folder / "run.json").stat().st_mtime_ns, counting)


def _entry(key: str) -> catalog.Entry:
    known = catalog.entries()
    if key not in known:
        raise InputError(f"There is no run {key!r} here any more; choose one from the list.")
    return known[key]


def _cell(row: tuple[str, str, str]) -> str:
    return row[1] if row[2] == "—" else f"{row[1]} · {row[2]}"


def _choices(known: dict[str, catalog.Entry]) -> list[tuple[str, str]]:
    return [(entry.label, key) for key, entry in known.items()]


def _refresh() -> Any:
    return gr.Dropdown(choices=_choices(catalog.entries()))
