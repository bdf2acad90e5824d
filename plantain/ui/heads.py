"""Every head of a run as a table that sorts and searches, filled when its drawer is opened."""

from typing import Any

import gradio as gr

from plantain.errors import InputError
from plantain.questions import every_head as asked
from plantain.report.export import Files
from plantain.report.files import to_csv
from plantain.ui import catalog
from plantain.ui.dense import dense_beside
from plantain.ui.downloads import Export
from plantain.ui.engine import LOUD, QUIET
from plantain.ui.html import alert

_READ = (
    "t over pairs throughout; *untrained*: the same head of the twin. *place*: own − others. *code*, *deformation*: "
    "beyond outline and position. *cause*: the head's values put into the other run. The last three are asked of "
    "attention heads (choose them as what counts as a head, under *Numbers*). A click on a column sorts."
)


# gradio's search field has a title and no name.
_NAME_SEARCH = """() => { setTimeout(() => document.querySelectorAll(".search-input").forEach(
  (field) => field.setAttribute("aria-label", field.title)), 300); }"""


class EveryHead:
    """The table, in a drawer that is open to it.

    >>> with gr.Accordion("Every head", open=False) as drawer:
    ...     EveryHead(drawer, run, counting)
    """

    def __init__(self, drawer: gr.Accordion, run: gr.Dropdown, counting: gr.Radio) -> None:
        gr.Markdown(_READ, elem_classes=["plantain-prose", "plantain-muted"])
        self._said = gr.HTML("", elem_classes=["plantain-every-said"])
        # Always visible to gradio, which loses a component that is made visible while its drawer opens; page.css hides
        # it beside an error.
        self._table = gr.Dataframe(
            [[""]],
            headers=["head"],
            interactive=False,
            show_search="search",
            max_height=480,
            pinned_columns=1,
            show_label=False,
            elem_classes=["plantain-every"],
        )
        Export("heads", _files, [run, counting], "Save: CSV")
        self._table.change(None, None, None, js=_NAME_SEARCH, **QUIET)
        self._open = gr.State(False)
        chosen, shown = [run, counting], [self._said, self._table]
        drawer.expand(self._fill, chosen, shown, **LOUD)
        drawer.expand(lambda: True, None, self._open, **LOUD)
        drawer.collapse(lambda: False, None, self._open, **LOUD)
        gr.on([run.change, counting.change], self._follow, [self._open, *chosen], shown, **LOUD)

    def _follow(self, is_open: bool, key: str, counting: str) -> Any:
        return self._fill(key, counting) if is_open else (gr.skip(), gr.skip())

    def _fill(self, key: str, counting: str) -> tuple[str, Any]:
        try:
            found = _every(key, counting)
        except (InputError, OSError) as error:
            return alert("Not shown.", error), gr.Dataframe({"headers": ["head"], "data": [[""]]}, datatype="str")
        header = ["head", *found.columns]
        value = {"headers": header, "data": found.rows}
        kinds: Any = ["str", *["number"] * len(found.columns)]
        return "", gr.Dataframe(value, datatype=kinds)


def _every(key: str, counting: str) -> asked.EveryHead:
    folder = catalog.entry(key).folder
    if folder is None:
        raise InputError("The card's data of single heads were not released; choose another run.")
    dense = dense_beside(key)
    weights = "untrained 0" if catalog.is_untrained(key) else "trained"
    both = catalog.both_in(folder, counting, 0)
    return asked.every_head(both, None if dense is None else dense.family, weights)


def _files(key: str, counting: str) -> Files:
    found = _every(key, counting)
    return {"every_head.csv": to_csv(dict(zip(["head", *found.columns], row, strict=True)) for row in found.rows)}
