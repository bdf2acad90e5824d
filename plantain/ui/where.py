"""*Where*: a head's shift laid over the pictures of a pair, under the ladder of its run; from what dense runs saved."""

from __future__ import annotations

from collections.abc import Callable
from html import escape
from pathlib import Path
from typing import Any

import gradio as gr

from plantain.errors import InputError
from plantain.ui import catalog, overlay
from plantain.ui.dense import Dense, dense_beside, not_run
from plantain.ui.downloads import Export
from plantain.ui.engine import LATEST, LOUD, QUIET
from plantain.ui.first import LADDER
from plantain.ui.html import alert
from plantain.ui.kept import kept
from plantain.ui.ladder import figure_html, ladder_html
from plantain.ui.once import once
from plantain.ui.where_view import caveat, files_of, index_of, shown, weights_of

FIGURE = "The ladder as a figure, and every count"
TITLE = "Where: does a head's shift lie where the body moved?"
TRUTH_ASKED = "Show where the body moved"
TWINS_SAID = (
    "Untrained: the transformer drawn anew. Permuted: its values shuffled. Grafted: each block drawn anew in turn, "
    "inside the trained model."
)
NO_HEAD = -1
"""A component's value while nobody has chosen a head."""
_SCRIPT = Path(__file__).with_name("where.js").read_text(encoding="utf-8")


def build(run: gr.Dropdown) -> dict[str, Any]:
    """Lay ladder and *Where* out for the run chosen in ``run``; they follow it. The fields that a link sets."""
    first = opened(str(run.value))
    ladder = gr.HTML(first["ladder"], elem_classes=["plantain-full", LADDER])
    visible = first["visible"]
    with gr.Accordion(FIGURE, open=False, visible=visible, elem_classes=["plantain-full"]) as drawer:
        figure = gr.HTML("")
    with gr.Column(visible=visible, min_width=0, elem_classes=["plantain-full"]) as frame:
        gr.HTML(f'<section class="plantain-page"><h2>{escape(TITLE)}</h2></section>')
        pairs = chooser(0, first["pairs"])
        with gr.Row(elem_classes=["plantain-weights"]):
            weights = gr.Radio(
                first["weights"], value=first["chosen"], label="Weights", info=TWINS_SAID, scale=3, min_width=280
            )
            truth = gr.Checkbox(False, label=TRUTH_ASKED, scale=1, min_width=240)
        view = gr.HTML(first["view"])
        heads = chooser(first["head"], first["heads"])
        said = gr.HTML(first["said"])
        with gr.Accordion("The numbers of this map", open=False):
            numbers = gr.HTML(first["numbers"])
        Export("where", files_of, [run, pairs, heads, weights])

    def follow(key: str, pair: Any, head: Any) -> dict[Any, Any]:
        found = opened(key, pair, head)
        return {
            ladder: found["ladder"],
            drawer: gr.Accordion(visible=found["visible"], open=False),
            figure: "",
            frame: gr.Column(visible=found["visible"]),
            pairs: gr.HTML(value=found["pair"], choices=found["pairs"]),
            weights: gr.Radio(choices=found["weights"], value=found["chosen"]),
            truth: False,
            view: found["view"],
            heads: gr.HTML(value=found["head"], choices=found["heads"]),
            said: found["said"],
            numbers: found["numbers"],
        }

    chosen: list[Any] = [run, pairs, heads, weights, truth]
    shown = [ladder, drawer, figure, frame, pairs, weights, truth, view, heads, said, numbers]
    run.change(follow, [run, pairs, heads], shown, **QUIET)
    drawer.expand(_figure, run, figure, **LOUD)
    gr.on([part.change for part in chosen[1:]], _show, chosen, [view, numbers], **LATEST)
    weights.change(_recolour, [run, weights], heads, **LATEST)
    return {"pair": pairs, "head": heads, "weights": weights}


def _figure(key: str) -> str:
    """The ladder's figure, when its drawer is opened: matplotlib is not needed before."""
    try:
        return _drawn(catalog.entry(key).key)
    except (InputError, OSError) as error:
        return alert("Not shown.", error)


@kept(lambda: ((key,) for key in catalog.shipped_keys()))
def _drawn(key: str) -> str:
    dense = dense_beside(key)
    return "" if dense is None else figure_html(dense)


def chooser(value: int, choices: str) -> gr.HTML:
    """A component whose value is the place of what is chosen: of the radio buttons in ``choices``, HTML."""
    return gr.HTML(value, html_template="${choices}", js_on_load=_SCRIPT, choices=choices)


def opened(key: str, pair: Any = 0, head: Any = NO_HEAD) -> dict[str, Any]:
    """First values of all components for a run: a pair and a head of it, the strongest where none is chosen yet.

    Hidden where nothing was run.
    """
    closed = {"visible": False, "weights": ["trained"], "chosen": "trained", "pair": 0, "head": NO_HEAD}
    blank = closed | dict.fromkeys(("ladder", "pairs", "heads", "view", "said", "numbers"), "")
    try:
        found = _opened(catalog.entry(key).key)
    except (InputError, OSError):
        return blank  # the run itself cannot be read: its own view says so, once
    try:
        return blank | _turned_to(found, key, pair, head)
    except (InputError, OSError) as error:
        return blank | {"ladder": alert("Ladder and Where are not shown.", error)}


def place_of(key: str, name: str, asked: str) -> Any:
    """What a link sets: "pair" (its number, from 1), "head" (its name) or "weights", as the component has it.

    >>> place_of("shipped/posebox", "head", "single[6] head 2")
    35

    Raises InputError: nothing of that name in the run's dense runs.
    """
    dense = dense_beside(key)
    if dense is None:
        raise InputError("this run has not been read token by token.")
    offered = {
        "pair": [str(i + 1) for i in range(len(dense.family.trained.prompts))],
        "head": dense.names,
        "weights": list(dense.family.runs),
    }[name]
    if asked not in offered:
        raise InputError(f"there is no {name} {asked[:40]!r} in this run; there is {offered[0]} to {offered[-1]}.")
    return asked if name == "weights" else offered.index(asked)


def _turned_to(found: dict[str, Any], key: str, pair: Any, head: Any) -> dict[str, Any]:
    """What a run opens with, at another pair or head than it opens at."""
    if not found["visible"] or (pair, head) in ((0, NO_HEAD), (found["pair"], found["head"])):
        return found
    dense = dense_beside(key)
    if dense is None:
        return found
    pair = index_of(pair, dense.family.trained.n_pairs)
    head = dense.best if head == NO_HEAD else index_of(head, len(dense.names))
    view, numbers = shown(dense, pair, head, found["chosen"], False)
    return found | {"pair": pair, "head": head, "view": view, "numbers": numbers}


@kept(lambda: ((key,) for key in catalog.shipped_keys()))
def _opened(key: str) -> dict[str, Any]:
    """First values of all components, at the first pair and the strongest head."""
    dense = dense_beside(key)
    if dense is None:
        return {"visible": False, "ladder": not_run(key)}
    every, untrained = list(dense.family.runs), catalog.is_untrained(key)
    # Under the claim of a run of the untrained transformer its own maps come first.
    chosen = next((weights for weights in every if untrained and weights.startswith("untrained")), "trained")
    pair, head = 0, dense.best
    view, numbers = shown(dense, pair, head, chosen, False)
    return {
        "visible": True,
        "ladder": ladder_html(dense),
        "pairs": _pairs(dense),
        "weights": every,
        "chosen": chosen,
        "pair": pair,
        "head": head,
        "heads": _heads(dense, chosen),
        "view": view,
        "said": f'<p class="plantain-prose plantain-muted">{escape(caveat(dense))}</p>',
        "numbers": numbers,
    }


def _show(key: str, pair: Any, head: Any, weights: str, with_truth: bool) -> tuple[Any, Any]:
    def drawn(dense: Dense) -> tuple[str, str]:
        pair_at, head_at = index_of(pair, dense.family.trained.n_pairs), index_of(head, len(dense.names))
        return shown(dense, pair_at, head_at, weights_of(dense, weights), bool(with_truth))

    return _of(key, drawn, (gr.skip(), gr.skip()))


def _recolour(key: str, weights: str) -> Any:
    return _of(key, lambda dense: gr.HTML(choices=_heads(dense, weights_of(dense, weights))), gr.skip())


def _of(key: str, make: Callable[[Dense], Any], otherwise: Any) -> Any:
    """What is made of the dense runs of a run; ``otherwise`` where it has none, or went meanwhile."""
    try:
        dense = dense_beside(key)
    except (InputError, OSError):
        return otherwise
    return otherwise if dense is None else make(dense)


@once(maxsize=8)
def _pairs(dense: Dense) -> str:
    pictures = dense.pictures if dense.pictures and dense.pictures.complete else None
    prompts = dense.family.trained.prompts
    return overlay.pair_choices(prompts.pairs, pictures.pixels if pictures else None, prompts.conditions)


@once(maxsize=32)
def _heads(dense: Dense, weights: str) -> str:
    run = dense.run(weights)
    return overlay.head_choices(
        run.head_map, dense.t.get(weights, dense.t["trained"]), dense.best, dense.beside(weights)
    )
