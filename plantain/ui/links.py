"""Links that open the page in a state, and the button that makes one."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

import gradio as gr

from plantain.errors import InputError
from plantain.prompts import check_text
from plantain.result import ProbeConfig
from plantain.ui import catalog
from plantain.ui.pair import PairTab
from plantain.ui.results import ResultsTab
from plantain.ui.run import RunTab

_COPY = (Path(__file__).parent / "copy_link.js").read_text(encoding="utf-8")
# Tab ids, as links name them, and the labels that the page shows.
TABS = {"results": "Results", "run": "Run the probe", "pair": "Your pair", "method": "Method"}


@dataclass(frozen=True)
class LinkBar:
    """The button, and the place where the link is shown."""

    copy: gr.Button
    shown: gr.HTML


def bar() -> LinkBar:
    """Lay out the button and the place for the link."""
    with gr.Row(elem_classes=["plantain-full"]):
        copy = gr.Button("Copy a link to this view", size="sm", scale=0, min_width=200)
        shown = gr.HTML("")
    return LinkBar(copy, shown)


def connect(page: gr.Blocks, tabs: gr.Tabs, bar: LinkBar, results: ResultsTab, run: RunTab, pair: PairTab) -> None:
    """Restore what the address names when the page opens, and make the button write an address."""
    quiet: dict[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}
    restored = [bar.shown, tabs, results.run, results.counting, results.other, run.seed, pair.a, pair.b, pair.seed]

    def opened(request: gr.Request) -> list[Any]:
        return restore(request.query_params)

    page.load(opened, None, restored, **quiet)
    js = _COPY.replace("__SPACE__", json.dumps(os.environ.get("SPACE_ID", "")))
    bar.copy.click(
        None, [results.run, results.counting, run.seed, pair.a, pair.b, pair.seed], bar.shown, js=js, **quiet
    )


def restore(asked: Mapping[str, str]) -> list[Any]:
    """Values for what ``connect`` lists; what the address does not name, or names wrongly, stays as it is."""
    said: list[str] = []
    known = catalog.choices()

    def take(name: str, check: Callable[[str], Any]) -> Any:
        """The checked value of a parameter, or None; a wrong one is named, and loses nothing else."""
        if name not in asked:
            return None
        try:
            return check(asked[name])
        except (InputError, OSError) as error:
            said.append(f"The link's {name!r} is not used: {error}")
            return None

    tab = take("tab", _tab)
    run = take("run", lambda key: catalog.entry(key).key)
    counting = take("counting", _counting)
    a = take("a", lambda text: _prompt(text, "Prompt A"))
    b = take("b", lambda text: _prompt(text, "Prompt B"))
    seed = take("seed", _seed)
    for_run = tab == "run"
    problem = "".join(f'<p class="plantain-error" role="alert">{escape(sentence)}</p>' for sentence in said)
    return [
        problem,
        gr.skip() if tab is None else gr.Tabs(selected=tab),
        # Runs saved or fetched since the page was built are in the list from the start.
        gr.Dropdown(choices=known) if run is None else gr.Dropdown(choices=known, value=run),
        _or_skip(counting),
        gr.Dropdown(choices=known),
        _or_skip(seed if for_run else None),
        _or_skip(a),
        _or_skip(b),
        _or_skip(None if for_run else seed),
    ]


def _or_skip(value: Any) -> Any:
    return gr.skip() if value is None else value


def _tab(key: str) -> str:
    if key not in TABS:
        raise InputError(f"there is no tab {key[:40]!r}; tabs: {', '.join(TABS)}.")
    return key


def _counting(key: str) -> str:
    catalog.check_counting(key)
    return key


def _prompt(text: str, name: str) -> str:
    check_text(text.strip(), name)
    return text


def _seed(text: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 15:  # a number field holds 15 digits exactly
        raise InputError(f"expected a whole number of at most 15 digits; got {text[:40]!r}.")
    return ProbeConfig(seed=int(text)).seed
