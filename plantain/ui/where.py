"""*Where*: a head's shift laid over the pictures of a pair, under the ladder of its run; from what dense runs saved."""

from __future__ import annotations

from collections.abc import Callable
from html import escape
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np

from plantain.data.dense import TRUTHS, DenseResult
from plantain.data.result import ProbeResult
from plantain.errors import InputError
from plantain.model.names import EMBEDDED_MODELS
from plantain.report import figures
from plantain.report.export import Files, figure_files, squares_csv
from plantain.report.files import answer_csv
from plantain.ui import catalog, overlay
from plantain.ui.dense import Dense, dense_beside, not_run
from plantain.ui.downloads import Export
from plantain.ui.engine import LATEST, LOUD, QUIET
from plantain.ui.first import LADDER
from plantain.ui.html import alert, html_table
from plantain.ui.ladder import figure_html, ladder_html
from plantain.ui.once import once
from plantain.wording import signed

FIGURE = "The ladder as a figure, and every count"
TITLE = "Where: does a head's shift lie where the body moved?"
TRUTH_SAID = {"body": "Where the body moved", "drawn": "Where the two pictures differ"}
TRUTH_ASKED = "Show where the body moved"
TWINS_SAID = (
    "Untrained: the transformer drawn anew. Permuted: its values shuffled. Grafted: each block drawn anew in turn, "
    "inside the trained model."
)
NO_HEAD = -1
"""A component's value while nobody has chosen a head."""
_SCRIPT = Path(__file__).with_name("where.js").read_text(encoding="utf-8")


def shown(dense: Dense, pair: int, head: int, weights: str, with_truth: bool) -> tuple[str, str]:
    """HTML of a head's shift over both pictures of a pair, with its sentence; and of the same maps as numbers.

    >>> pictures, numbers = shown(dense, pair=0, head=dense.best, weights="trained", with_truth=True)
    """
    run, name, truth = dense.run(weights), dense.names[head], dense.truth_maps[pair]
    values = shift_map(run, pair, head)
    figures = [_side(dense, run, pair, side, values, f"{name}, {weights}") for side in (0, 1)]
    tables = [overlay.numbers_table(values, f"Shift of {name}, {weights}, {_said(run, pair)}")]
    if with_truth:
        alt = f"{TRUTH_SAID[dense.truth]} in pair {pair + 1}: {overlay.map_words(truth)}."
        figures.append(overlay.figure(overlay.map_svg(truth, alt, _size(dense)), TRUTH_SAID[dense.truth]))
        tables.append(overlay.numbers_table(truth, f"{TRUTH_SAID[dense.truth]}, {_said(run, pair)}"))
    drawn = (
        f'<div class="plantain-where"><div class="plantain-maps">{"".join(figures)}</div>'
        f'<div class="plantain-prose"><p role="status">{sentence(dense, pair, head, weights)}</p>'
        f'<p class="plantain-muted">{overlay.how_to_read(values)}</p></div></div>'
    )
    numbers = "".join(html_table(table) for table in tables)
    return drawn, f'<div class="plantain-left">{numbers}</div>'


def shift_map(run: DenseResult, pair: int, head: int) -> np.ndarray:
    """A head's shift at every square in its own units, (rows, columns), float64.

    >>> shift_map(dense.family.trained, 0, 20).max()
    """
    return run.shift[head, pair].astype(np.float64) * float(run.shift_scale[head, pair])


def sentence(dense: Dense, pair: int, head: int, weights: str) -> str:
    """What is found of one head in one pair, and over all of them beside the same head of the twins; HTML.

    >>> sentence(dense, 0, dense.best, "trained")
    """
    run = dense.run(weights)
    row, truth = run.rows("head")[head], TRUTHS.index(dense.truth)
    own, others = (float(values[truth, 0, 0, row, pair]) for values in (run.own, run.others))
    what = "body" if dense.truth == "body" else "picture"
    match = f"in this pair its shift matches where this {what} moved with r = {signed(own, 2)}"
    if dense.truth != "body":
        match = f"in this pair its shift matches where the pictures differ with r = {signed(own, 2)}"
    beside = [f"{w} {signed(float(t[head]), 1)}" for w, t in dense.t.items() if w != weights]
    rest = f"; the same head elsewhere: {', '.join(beside)}" if beside else "; no twin has been run"
    return (
        f"<strong>{escape(dense.names[head])}, {escape(weights)}</strong>: {match} (with other pairs' maps "
        f"{signed(others, 2)}). Its place over {int(run.usable[truth].sum())} pairs: t = "
        f"{signed(float(dense.t[weights][head]), 1)}{escape(rest)}."
    )


def caveat(dense: Dense) -> str:
    """What the squares can't say, in plain text."""
    grafted = dense.t.get("grafted")
    said = model_caveats(dense.family.trained.run)
    if grafted is not None and (passing := int((grafted > overlay.THRESHOLD).sum())):
        said.append(
            f"A graft, a head drawn anew inside the trained model, shows place too, in {passing} of {len(grafted)}: "
            "place is first of all the model's, and only what exceeds it is the head's own."
        )
    return " ".join([*said, "Place holds for whatever is drawn differently, not for pose alone."])


def model_caveats(run: ProbeResult) -> list[str]:
    """The part of it that goes by noise level and model alone, a sentence each."""
    said = []
    if run.levels and run.levels[0] >= 1:
        said.append(
            "The step is taken at pure noise: nothing is drawn yet, so the squares lie where the body will be drawn."
        )
    if run.model in EMBEDDED_MODELS:
        said.append(
            "Posebox was trained with the figure weighed up by its rendered mask (1 + 8 × its share), so it was told "
            "where figures are; one trained without marks the place in about as many heads."
        )
    return said


def _side(dense: Dense, run: DenseResult, pair: int, side: int, values: np.ndarray, name: str) -> str:
    text = run.prompts.pairs[pair].b if side else run.prompts.pairs[pair].a
    condition = f"{'AB'[side]}: {run.prompts.conditions[side]}"
    file = dense.pictures.files[2 * pair + side] if dense.pictures and dense.pictures.n_pairs > pair else None
    under = "the picture that is drawn" if file else "no picture is kept"
    alt = f"{condition}; {under}, “{text}” The shift of {name}, over it: {overlay.map_words(values)}."
    return overlay.figure(overlay.map_svg(values, alt, _size(dense), file), condition)


def _size(dense: Dense) -> tuple[int, int]:
    if dense.pictures is not None:
        return dense.pictures.config.width, dense.pictures.config.height
    rows, columns = dense.truth_maps.shape[1:]
    return 16 * columns, 16 * rows


def _said(run: DenseResult, pair: int) -> str:
    return overlay.pair_name(run.prompts.pairs[pair], pair).lower()


def files_of(key: str, pair: Any, head: Any, weights: str) -> Files:
    """What is shown as files: the maps over the pictures, their numbers, and place t of every head and twin.

    >>> files_of("shipped/posebox", 0, 35, "trained").keys()
    """
    dense = dense_beside(key)
    if dense is None:
        raise InputError("this run has not been read token by token.")
    pair, head = index_of(pair, dense.family.trained.n_pairs), index_of(head, len(dense.names))
    weights = _known(dense, weights)
    run, truth, said = dense.run(weights), dense.truth_maps[pair], TRUTH_SAID[dense.truth]
    values, pictures = shift_map(run, pair, head), dense.pictures
    kept = pictures is not None and pictures.n_pairs > pair
    layers = [
        figures.maps.Layer(f"{'AB'[i]}: {condition}", values, pictures.pixels[pair, i] if kept and pictures else None)
        for i, condition in enumerate(run.prompts.conditions)
    ]
    alt = f"The shift of {dense.names[head]}, {weights}, in {_said(run, pair)}: {overlay.map_words(values)}."
    t = {f"place t, {name}": of.tolist() for name, of in dense.t.items()}
    return {
        **figure_files("where", figures.maps.draw([*layers, figures.maps.Layer(said, truth)], alt)),
        "where.csv": squares_csv({"shift": values, "moved": truth}),
        "attention_heads.csv": answer_csv(run.head_map, "head", t),
        "said.txt": f"{alt}\n{caveat(dense)}\n",
    }


# -- the components --------------------------------------------------------------------------------


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
        dense = dense_beside(key)
    except (InputError, OSError) as error:
        return alert("Not shown.", error)
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
        dense = dense_beside(key)
        if dense is None:
            return blank | {"ladder": not_run(key)}
    except (InputError, OSError):
        return blank  # the run itself cannot be read: its own view says so, once
    try:
        return blank | _first(dense, key, pair, head)
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


def _first(dense: Dense, key: str, pair: Any, head: Any) -> dict[str, Any]:
    every, untrained = list(dense.family.runs), catalog.is_untrained(key)
    # Under the claim of a run of the untrained transformer its own maps come first.
    chosen = next((weights for weights in every if untrained and weights.startswith("untrained")), "trained")
    pair = index_of(pair, dense.family.trained.n_pairs)
    head = dense.best if head == NO_HEAD else index_of(head, len(dense.names))
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
        return shown(dense, pair_at, head_at, _known(dense, weights), bool(with_truth))

    return _of(key, drawn, (gr.skip(), gr.skip()))


def _recolour(key: str, weights: str) -> Any:
    return _of(key, lambda dense: gr.HTML(choices=_heads(dense, _known(dense, weights))), gr.skip())


def _of(key: str, make: Callable[[Dense], Any], otherwise: Any) -> Any:
    """What is made of the dense runs of a run; ``otherwise`` where it has none, or went meanwhile."""
    try:
        dense = dense_beside(key)
    except (InputError, OSError):
        return otherwise
    return otherwise if dense is None else make(dense)


def _known(dense: Dense, weights: Any) -> str:
    """Weights that were read, whatever a browser sends."""
    return weights if isinstance(weights, str) and weights in dense.t else "trained"


def index_of(asked: Any, n: int) -> int:
    """A place in a list of n, whatever a browser sends."""
    return min(max(asked, 0), n - 1) if isinstance(asked, int) and not isinstance(asked, bool) else 0


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
