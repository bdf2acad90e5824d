"""What *Where* says of a head in a pair: its shift over both pictures, a sentence, what it cannot say; and as files."""

from __future__ import annotations

from html import escape
from typing import Any

import numpy as np

from plantain.data.dense import TRUTHS, DenseResult
from plantain.data.result import ProbeResult
from plantain.errors import InputError
from plantain.model.names import EMBEDDED_MODELS
from plantain.questions.projections import beside, load_projections
from plantain.report import figures
from plantain.report.export import Files, figure_files, squares_csv
from plantain.report.files import answer_csv
from plantain.ui import overlay
from plantain.ui.dense import Dense, dense_beside
from plantain.ui.html import html_table
from plantain.wording import signed

TRUTH_SAID = {"body": "Where the body moved", "drawn": "Where the two pictures differ"}


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
    said = model_caveats(dense.family.trained.run)
    passing, projected = (
        int((dense.t["trained"] > overlay.THRESHOLD).sum()),
        load_projections(dense.family).get("place"),
    )
    said.append(
        f"{passing:,} of {len(dense.names):,} heads pass place. {beside(passing, len(dense.names), projected or ())}"
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
    weights = weights_of(dense, weights)
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


def weights_of(dense: Dense, weights: Any) -> str:
    """Weights that were read, whatever a browser sends."""
    return weights if isinstance(weights, str) and weights in dense.t else "trained"


def index_of(asked: Any, n: int) -> int:
    """A place in a list of n, whatever a browser sends."""
    return min(max(asked, 0), n - 1) if isinstance(asked, int) and not isinstance(asked, bool) else 0
