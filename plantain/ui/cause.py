"""*Cause*: heads of one side's run take the other's values as it draws; the picture that comes of it, between both."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import gradio as gr

from plantain.errors import InputError
from plantain.model.names import EMBEDDED, EMBEDDED_MODELS
from plantain.report.export import Files
from plantain.ui import overlay
from plantain.ui.cause_runs import CauseRuns, cause_runs, curves_html, not_run, only_shipped
from plantain.ui.cause_view import (
    DEFORMATION,
    RANKED_BY,
    SIDES,
    Asked,
    Drawn,
    caveat,
    files,
    job,
    look,
    numbers,
    pictures,
    sentence,
)
from plantain.ui.downloads import Export
from plantain.ui.engine import LATEST, ON_THE_MODEL, QUIET, STEPS, Engine, what_went_wrong
from plantain.ui.html import alert, status
from plantain.ui.kept import kept
from plantain.ui.limits import Whole
from plantain.ui.where import chooser
from plantain.ui.where_view import index_of

TITLE = "Cause: does moving a head's values move the body?"
DONE = "At every denoising step the chosen heads of A's run take B's values at image tokens; nothing else of B is used."
FIRST_K = 15
_NOTHING = '<p class="plantain-muted">Nothing is drawn yet.</p>'
_REDRAWN: dict[str, Any] = ON_THE_MODEL | {"trigger_mode": "always_last", "api_visibility": "private"}

# The tab's components come when it is first shown, some time after the address was read. Choosing a pair draws it where
# that takes seconds; choosing the one that is chosen already changes nothing, and so draws nothing by itself.
_REOPEN = """() => {
  const asked = plantain.asked, at = Number(asked.get("cause")) - 1;
  if (asked.get("tab") !== "controls" || !(at >= 0)) return;
  const choose = (tries) => {
    const pair = document.querySelector(`input[name="plantain-cause-pair"][value="${at}"]`);
    if (!pair && tries) { setTimeout(choose, 100, tries - 1); return; }
    if (pair && !pair.checked) pair.click();
    else if (pair && DRAWS) document.querySelector("#plantain-draw")?.click();
  };
  choose(100);
}"""


class CauseView:
    """The view's components; what is cached is there from the start, the patched picture on request.

    >>> view = CauseView(engine)
    >>> tab.select(view.fill, None, view.curves)
    """

    def __init__(self, engine: Engine) -> None:
        self._engine, self._first = engine, opening(engine.model)
        first = self._first
        gr.HTML(f'<section class="plantain-page"><h2>{escape(TITLE)}</h2><p>{escape(DONE)}</p></section>')
        if not first.n_pairs:
            gr.HTML(not_run(engine.model))
        with gr.Column(visible=first.n_pairs > 0, min_width=0):
            self._pairs = chooser(0, first.pairs)
            self._view = gr.HTML(first.pictures)
            self._status = gr.HTML("", elem_id="plantain-cause-status", elem_classes=["plantain-line"])
            self._settings(first)
            self._drawn = gr.State(None)  # Drawn | None: what is shown, for its files
            with gr.Accordion("The heads, and what is seen in the pictures, as numbers", open=False):
                self._numbers = gr.HTML(_NOTHING)
            gr.HTML(f'<p class="plantain-prose plantain-muted">{escape(first.caveat)}</p>')
        self.curves = gr.HTML("")
        with gr.Column(visible=first.n_pairs > 0, min_width=0):
            Export("cause", self._files, [self._drawn])
        if first.n_pairs:
            self._connect()

    def _settings(self, first: Opening) -> None:
        known, n_heads = first.rankings, first.n_heads or FIRST_K
        with gr.Row():
            self._k = gr.Slider(
                1, n_heads, value=min(FIRST_K, n_heads), step=1, label="Attention heads, k", min_width=240
            )
            self._alpha = gr.Slider(
                0, 1, value=1, step=0.05, label="α, from 0: their own values, to 1: the other's", min_width=240
            )
        with gr.Row():
            offered = [(label, name) for name, label in RANKED_BY.items() if name in known]
            # The rung of the ladder before this one, where it was asked.
            named = DEFORMATION if DEFORMATION in known else next((name for _, name in offered), None)
            self._ranking = gr.Radio(offered, value=named, label="Heads ranked by", scale=2, min_width=280)
            self._steps = gr.Radio(list(STEPS), value="all", label="Denoising steps", min_width=280)
            self._direction = gr.Radio(list(SIDES), value=SIDES[0], label="Values of", min_width=200)
        ready = self._engine.patched is not None
        self._button = gr.Button("Draw it", variant="primary", interactive=ready, elem_id="plantain-draw")
        if cost := _cost(self._engine):
            gr.HTML(f'<p class="plantain-muted">{escape(cost)}</p>', elem_classes=["plantain-line"])

    @property
    def _asked(self) -> list[Any]:
        return [self._pairs, self._ranking, self._k, self._alpha, self._steps, self._direction]

    @property
    def fields(self) -> dict[str, Any]:
        """What a link can set, by its parameters."""
        return dict(zip(("cause", "by", "k", "alpha", "at", "into"), self._asked, strict=True))

    @property
    def checks(self) -> dict[str, Callable[[str], Any]]:
        """What a link's texts set; InputError for what this model cannot be asked."""
        known, n_pairs, n_heads = self._first.rankings, self._first.n_pairs, self._first.n_heads
        return {
            "cause": lambda text: Whole(1, n_pairs).read(text, "The pair") - 1,
            "by": lambda text: _one_of(known, text, "a ranking"),
            "k": lambda text: Whole(1, n_heads).read(text, "The number of heads"),
            "alpha": _alpha,
            "at": lambda text: _one_of(list(STEPS), text, "steps"),
            "into": lambda text: SIDES["AB".index(_one_of(["A", "B"], text, "a side"))],
        }

    def reopen_after(self, opened: Any) -> None:
        """Once the address has set the controls: the pair that it names, drawn where that takes seconds."""
        draws = "false" if self._engine.draw is None else "true"
        opened.then(None, None, None, js=_REOPEN.replace("DRAWS", draws), **QUIET)

    def _connect(self) -> None:
        shown = [self._view, self._status, self._numbers, self._drawn]
        self._pairs.change(self._blank, self._pairs, shown, **LATEST)
        triggers = [self._button.click]
        if self._engine.draw is not None:  # seconds, on a CPU: it follows the controls
            choices = [part.input for part in (self._ranking, self._steps, self._direction)]
            triggers += [self._k.release, self._alpha.release, self._pairs.change, *choices]
        gr.on(triggers, self._draw, self._asked, shown, show_progress="hidden", **_REDRAWN)

    def fill(self) -> str:
        """The curves of the cached studies, when the tab is first opened."""
        return curves_html(self._engine.model)

    def _blank(self, pair: Any) -> tuple[Any, ...]:
        runs = cause_runs(self._engine.model)
        if runs is None:
            return gr.skip(), gr.skip(), gr.skip(), gr.skip()
        return pictures(runs, index_of(pair, len(runs.prompts))), "", _NOTHING, None

    def _draw(self, pair: Any, *settings: Any) -> Iterator[tuple[Any, ...]]:
        begun = time.monotonic()
        try:
            runs = cause_runs(self._engine.model)
            if runs is None or self._engine.patched is None:
                raise InputError("The dense run that ranks the heads is no longer there; open the page again.")
            asked = Asked.of(runs, pair, *settings)
            waiting = pictures(runs, asked.pair, waiting="drawing …")
            yield waiting, status(f"Drawing with {asked.said} …"), _NOTHING, None
            drawn = Drawn(asked, self._engine.patched(job(runs, asked)))
            said = f"Drawn in {time.monotonic() - begun:.1f} s"
            if self._engine.model in EMBEDDED_MODELS and not runs.run.run.untrained:
                yield pictures(runs, asked.pair, drawn), status(f"{said}; reading the poses …"), _NOTHING, drawn
                drawn = look(runs, drawn)
            told = f'<p role="status">{sentence(drawn)} {said}.</p>'
            yield pictures(runs, asked.pair, drawn), told, numbers(runs, drawn), drawn
        except Exception as error:
            yield self._undrawn(pair), alert("Not drawn.", what_went_wrong(error)), _NOTHING, None

    def _files(self, drawn: Drawn | None) -> Files:
        runs = cause_runs(self._engine.model)
        if runs is None:
            raise InputError("The dense run that ranks the heads is no longer there; open the page again.")
        return files(runs, drawn)

    def _undrawn(self, pair: Any) -> Any:
        runs = cause_runs(self._engine.model)
        return gr.skip() if runs is None else pictures(runs, index_of(pair, len(runs.prompts)))


def _one_of(known: Sequence[str], text: str, what: str) -> str:
    if text not in known:
        raise InputError(f"expected {what} of {', '.join(known) or 'a dense run'}; got {text[:40]!r}.")
    return text


def _alpha(text: str) -> float:
    if not re.fullmatch(r"0|1|0?\.[0-9]{1,4}|1\.0{1,4}", text):
        raise InputError(f"α lies between 0 and 1; got {text[:40]!r}.")
    return float(text)


@dataclass(frozen=True)
class Opening:
    """What the view opens with; of no pairs where nothing ranks a model's heads."""

    n_pairs: int = 0
    n_heads: int = 0
    rankings: Sequence[str] = ()
    pairs: str = ""  # HTML, as the pictures of the first pair are
    pictures: str = ""
    caveat: str = ""


def opening(model: str) -> Opening:
    """What the view of a model opens with; the shipped model's is kept, and needs none of its runs read.

    >>> opening("posebox").n_pairs
    25
    """
    return Opening(**(_shipped_opening(model) if only_shipped() else _opening_of(model)))


@kept(lambda: [(EMBEDDED,)])
def _shipped_opening(model: str) -> Mapping[str, Any]:
    return _opening_of(model)


def _opening_of(model: str) -> dict[str, Any]:
    runs = cause_runs(model)
    if runs is None:
        return {}
    return {
        "n_pairs": len(runs.prompts),
        "n_heads": runs.chooser.n_heads,
        "rankings": runs.chooser.rankings,
        "pairs": _choices(runs),
        "pictures": pictures(runs, 0),
        "caveat": caveat(runs),
    }


def _choices(runs: CauseRuns) -> str:
    whole = runs.pictures if runs.pictures is not None and runs.pictures.complete else None
    pixels = None if whole is None else whole.pixels
    return overlay.pair_choices(runs.prompts.pairs, pixels, runs.prompts.conditions, "plantain-cause-pair")


def _cost(engine: Engine) -> str:
    """What a press costs, where it is not seconds on a CPU."""
    if engine.patched is None or engine.draw is not None or (runs := cause_runs(engine.model)) is None:
        return ""
    if engine.patched_seconds is None:
        return (
            "It draws A, B and the patched picture at the model's own steps on this machine: on a GPU within minutes, "
            "without one in hours."
        )
    asked = Asked.of(runs, 0, runs.chooser.rankings[-1], 1, 1, "all", SIDES[0])
    seconds = engine.patched_seconds(job(runs, asked))
    return f"It draws three pictures, and asks for {seconds} seconds of GPU; unused ones are given back."
