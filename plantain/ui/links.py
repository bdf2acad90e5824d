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

from plantain.data.prompts import check_text
from plantain.data.settings import ProbeConfig
from plantain.errors import InputError
from plantain.questions.counted import check_counting
from plantain.questions.typed_pair import MAX_SEEDS as PAIR_SEEDS
from plantain.stats import MIN_PAIRS
from plantain.ui import catalog
from plantain.ui.tabs.pair import PairTab
from plantain.ui.tabs.results import ResultsTab
from plantain.ui.tabs.run import MAX_SEEDS as RUN_SEEDS
from plantain.ui.tabs.run import MAX_STEPS, RunTab

_COPY = (Path(__file__).parent / "copy_link.js").read_text(encoding="utf-8")
# Tab ids, as links name them, and the labels that the page shows.
TABS = {"results": "Results", "run": "Run the probe", "pair": "Your pair", "controls": "Controls", "method": "Method"}


@dataclass(frozen=True)
class LinkBar:
    """The button, and the place where the link is shown."""

    copy: gr.Button
    shown: gr.HTML


def bar() -> LinkBar:
    """Lay out the button and the place for the link."""
    with gr.Row(elem_classes=["plantain-linkbar"]):
        copy = gr.Button("Copy a link to this view", size="sm", scale=0, min_width=200, elem_classes=["plantain-full"])
        shown = gr.HTML("")
    return LinkBar(copy, shown)


def connect(page: gr.Blocks, tabs: gr.Tabs, bar: LinkBar, results: ResultsTab, run: RunTab, pair: PairTab) -> None:
    """Restore what the address names when the page opens, and make the button write an address."""
    quiet: dict[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}
    linked = [
        *(results.run, results.counting, results.other),
        *(run.seed, run.n_seeds, run.steps),
        *(pair.a, pair.b, pair.seed, pair.n_seeds),
    ]

    def opened(request: gr.Request) -> list[Any]:
        return restore(request.query_params)

    page.load(opened, None, [bar.shown, tabs, *linked], **quiet)
    js = _COPY.replace("__SPACE__", json.dumps(os.environ.get("SPACE_ID", "")))
    bar.copy.click(None, linked, bar.shown, js=js, **quiet)


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

    # The embedded view is of a run: it has no tabs to come back from another.
    tab = take("tab", _tab) if asked.get("embed") != "1" else None
    shown, other = (take(name, lambda key: catalog.entry(key).key) for name in ("run", "other"))
    counting = take("counting", _counting)
    a = take("a", lambda text: _prompt(text, "Prompt A"))
    b = take("b", lambda text: _prompt(text, "Prompt B"))
    seed = take("seed", _seed)
    n_seeds = take("seeds", lambda text: _count(text, *((1, RUN_SEEDS) if tab == "run" else (MIN_PAIRS, PAIR_SEEDS))))
    steps = take("steps", lambda text: _count(text, 1, MAX_STEPS))
    problem = "".join(f'<p class="plantain-error" role="alert">{escape(sentence)}</p>' for sentence in said)
    of_run, of_pair = [seed, n_seeds, steps], [a, b, seed, n_seeds]
    return [
        problem,
        gr.skip() if tab is None else gr.Tabs(selected=tab),
        # Runs saved or fetched since the page was built are in the list from the start.
        gr.Dropdown(choices=known) if shown is None else gr.Dropdown(choices=known, value=shown),
        _or_skip(counting),
        gr.Dropdown(choices=known) if other is None else gr.Dropdown(choices=known, value=other),
        *(_or_skip(value if tab == "run" else None) for value in of_run),
        *(_or_skip(None if tab == "run" else value) for value in of_pair),
    ]


def _or_skip(value: Any) -> Any:
    return gr.skip() if value is None else value


def _tab(key: str) -> str:
    if key not in TABS:
        raise InputError(f"there is no tab {key[:40]!r}; tabs: {', '.join(TABS)}.")
    return key


def _counting(key: str) -> str:
    check_counting(key)
    return key


def _prompt(text: str, name: str) -> str:
    check_text(text.strip(), name)
    return text


def _count(text: str, low: int, high: int) -> int:
    if not text.isascii() or not text.isdigit() or not low <= int(text[:9]) <= high:
        raise InputError(f"expected a whole number from {low} to {high}; got {text[:40]!r}.")
    return int(text)


def _seed(text: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 15:  # a number field holds 15 digits exactly
        raise InputError(f"expected a whole number of at most 15 digits; got {text[:40]!r}.")
    return ProbeConfig(seed=int(text)).seed
