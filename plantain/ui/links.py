"""Links that open the page in a state, and the button that makes one."""

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import gradio as gr

from plantain.data.prompts import check_text
from plantain.errors import InputError
from plantain.questions.counted import check_counting
from plantain.ui import catalog
from plantain.ui.engine import QUIET
from plantain.ui.html import alert
from plantain.ui.limits import PAIR_SEEDS, RUN_SEEDS, SEED, STEPS

_COPY = (Path(__file__).parent / "copy_link.js").read_text(encoding="utf-8")
# Tab ids, as links name them, and the labels that the page shows.
TABS = {"results": "Results", "run": "Run the probe", "pair": "Your pair", "controls": "Controls", "method": "Method"}
_LISTS = ("run", "other")  # dropdowns of runs


def bar() -> tuple[gr.Button, gr.HTML]:
    """Lay out the button, and the place where the link is shown."""
    with gr.Row(elem_classes=["plantain-linkbar"]):
        copy = gr.Button("Copy a link to this view", size="sm", scale=0, min_width=200, elem_classes=["plantain-full"])
        shown = gr.HTML("")
    return copy, shown


def connect(
    page: gr.Blocks, tabs: gr.Tabs, copy: gr.Button, shown: gr.HTML, fields: Mapping[str, dict[str, Any]]
) -> None:
    """Restore what the address names when the page opens, and make the button write an address.

    ``fields``: by tab and by a link's parameter what the link can set, in the order in which copy_link.js takes it.
    """
    linked = [field for of_tab in fields.values() for field in of_tab.values()]

    def opened(request: gr.Request) -> dict[Any, Any]:
        found, problems = read(request.query_params)
        tab = found.pop("tab", None)
        update: dict[Any, Any] = {shown: "".join(problems)} | ({tabs: gr.Tabs(selected=tab)} if tab else {})
        # Runs saved or fetched since the page was built are in the lists from the start.
        known, named = catalog.choices(), fields["results"] | fields["run" if tab == "run" else "pair"]
        update |= {named[name]: gr.Dropdown(choices=known) for name in _LISTS}
        for name in found.keys() & named.keys():
            update[named[name]] = gr.Dropdown(choices=known, value=found[name]) if name in _LISTS else found[name]
        return update

    page.load(opened, None, [shown, tabs, *linked], **QUIET)
    js = _COPY.replace("__SPACE__", json.dumps(os.environ.get("SPACE_ID", "")))
    copy.click(None, linked, shown, js=js, **QUIET)


def read(asked: Mapping[str, str]) -> tuple[dict[str, Any], list[str]]:
    """What an address sets, by parameter, and an alert for each one that is named wrongly: it loses nothing else.

    >>> links.read({"tab": "run", "seeds": "4", "steps": "two"})[0]
    {'tab': 'run', 'seeds': 4}
    """
    seeds = RUN_SEEDS if asked.get("tab") == "run" else PAIR_SEEDS
    checks: dict[str, Callable[[str], Any]] = {
        "tab": _tab,
        "run": lambda key: catalog.entry(key).key,
        "other": lambda key: catalog.entry(key).key,
        "counting": lambda key: _checked(key, check_counting, key),
        "a": lambda text: _checked(text, check_text, text.strip(), "Prompt A"),
        "b": lambda text: _checked(text, check_text, text.strip(), "Prompt B"),
        "seed": lambda text: SEED.read(text, "seed"),
        "seeds": lambda text: seeds.read(text, "Noise seeds"),
        "steps": lambda text: STEPS.read(text, "Denoising steps"),
    }
    if asked.get("embed") == "1":  # the embedded view is of a run: it has no tabs to come back from another
        del checks["tab"]
    found, problems = {}, []
    for name in [name for name in checks if name in asked]:
        try:
            found[name] = checks[name](asked[name])
        except (InputError, OSError) as error:
            problems.append(alert(f"The link's {name!r} is not used:", error))
    return found, problems


def _tab(key: str) -> str:
    if key not in TABS:
        raise InputError(f"There is no tab {key[:40]!r}; tabs: {', '.join(TABS)}.")
    return key


def _checked(text: str, check: Callable[..., None], *given: str) -> str:
    check(*given)
    return text
