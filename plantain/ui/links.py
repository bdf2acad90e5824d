"""Links that open the page in a state, and the button that makes one."""

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import gradio as gr

from plantain.data.texts import check_text
from plantain.errors import InputError
from plantain.questions.counted import check_counting
from plantain.ui import catalog, where
from plantain.ui.engine import QUIET
from plantain.ui.html import alert
from plantain.ui.limits import PAIR_SEEDS, RUN_SEEDS, SEED, STEPS

# Tab ids, as links name them, and the labels that the page shows.
TABS = {"results": "Results", "run": "Run", "pair": "Your pair", "controls": "Is it pose?", "method": "Method"}
Check = Callable[[str], Any]  # a parameter's text in, the component's value out; InputError where there is none
_LISTS = ("run", "other")  # dropdowns of runs
_FIRST = "card"  # the counting that the page opens with
# Read and checked here, set by its view's own script: what the server tells of a component whose tab was never open
# makes gradio forget what else it knew of it.
_SET_IN_THE_BROWSER = ("cause",)


def script() -> str:
    """What the page's head needs, so that the address follows what is on screen."""
    source = (Path(__file__).parent / "address.js").read_text(encoding="utf-8")
    return source.replace("__SPACE__", json.dumps(os.environ.get("SPACE_ID", "")))


def button() -> gr.Button:
    return gr.Button("Copy a link", size="sm", scale=0, min_width=110, elem_classes=["plantain-full"])


def connect(
    page: gr.Blocks,
    tabs: gr.Tabs,
    copy: gr.Button,
    shown: gr.HTML,
    fields: Mapping[str, dict[str, Any]],
    drawers: Mapping[str, gr.Accordion],
    checks: Mapping[str, Check],
) -> Any:
    """Restore what the address names when the page opens, keep it up to date, and make the button copy it.

    ``fields``: by tab and by a link's parameter what the link can set, in the order in which address.js takes it.
    ``drawers``: by parameter, that which is opened where a link sets it to other than what the page has. ``checks``:
    of what a link sets of *Cause*. Gives the event that restores: what needs the restored fields comes after it.
    """
    linked = [field for of_tab in fields.values() for field in of_tab.values()]
    settable = [
        field for of_tab in fields.values() for name, field in of_tab.items() if name not in _SET_IN_THE_BROWSER
    ]

    offered = catalog.first_choices()  # the page was built with these

    def opened(request: gr.Request) -> dict[Any, Any]:
        found, problems = read(request.query_params, checks)
        tab = found.pop("tab", None)
        update: dict[Any, Any] = {shown: "".join(problems)} | ({tabs: gr.Tabs(selected=tab)} if tab else {})
        # Runs saved or fetched since the page was built are in the lists from the start.
        known, named = catalog.choices(), fields["results"] | fields[tab if tab in ("run", "controls") else "pair"]
        if known != offered:
            update |= {fields["results"]["run"]: gr.Dropdown(choices=known)}
        for name in (found.keys() & named.keys()) - set(_SET_IN_THE_BROWSER):
            update[named[name]] = gr.Dropdown(choices=known, value=found[name]) if name in _LISTS else found[name]
        update |= {
            drawer: gr.Accordion(open=True) for name, drawer in drawers.items() if found.get(name, _FIRST) != _FIRST
        }
        return update

    restored = page.load(opened, None, [shown, tabs, *drawers.values(), *settable], **QUIET)
    copy.click(None, linked, shown, js="(...fields) => plantain.copy(...fields)", **QUIET)
    followed = [tabs.change, *(fields["results"][name].change for name in fields["results"])]
    gr.on(followed, None, linked, None, js="(...fields) => { plantain.follow(...fields); }", **QUIET)
    return restored


def read(asked: Mapping[str, str], more: Mapping[str, Check] | None = None) -> tuple[dict[str, Any], list[str]]:
    """What an address sets, by parameter, and an alert for each one that is named wrongly: it loses nothing else.

    >>> links.read({"tab": "run", "seeds": "4", "steps": "two"})[0]
    {'tab': 'run', 'seeds': 4}

    ``more``: checks of parameters that only a view can tell right from wrong.
    """
    seeds = RUN_SEEDS if asked.get("tab") == "run" else PAIR_SEEDS
    checks: dict[str, Check] = {
        "tab": _tab,
        "run": lambda key: catalog.entry(key).key,
        "other": lambda key: catalog.entry(key).key,
        "counting": lambda key: _checked(key, check_counting, key),
        "a": lambda text: _checked(text, check_text, text.strip(), "Prompt A"),
        "b": lambda text: _checked(text, check_text, text.strip(), "Prompt B"),
        "pair": lambda text: where.place_of(_run(asked), "pair", text),
        "head": lambda text: where.place_of(_run(asked), "head", text),
        "weights": lambda text: where.place_of(_run(asked), "weights", text),
        "seed": lambda text: SEED.read(text, "seed"),
        "seeds": lambda text: seeds.read(text, "Noise seeds"),
        "steps": lambda text: STEPS.read(text, "Denoising steps"),
        **(more or {}),
    }
    found, problems = {}, []
    for name in [name for name in checks if name in asked]:
        try:
            found[name] = checks[name](asked[name])
        except (InputError, OSError) as error:
            problems.append(alert(f"The link's {name!r} is not used:", error))
    return found, problems


def _run(asked: Mapping[str, str]) -> str:
    """The run that a link's other words are of; one that is not there is told by its own check."""
    key = asked.get("run", "")
    return key if key in catalog.entries() else catalog.default_key()


def _tab(key: str) -> str:
    if key not in TABS:
        raise InputError(f"There is no tab {key[:40]!r}; tabs: {', '.join(TABS)}.")
    return key


def _checked(text: str, check: Callable[..., None], *given: str) -> str:
    check(*given)
    return text
