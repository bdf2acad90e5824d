"""The *Run the probe* tab: prompt pairs live, pair by pair, kept when stopped."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import gradio as gr

from plantain.errors import InputError
from plantain.prompts import PromptSet, load_prompts, shipped_prompts
from plantain.result import ProbeConfig, ProbeResult
from plantain.stats import MIN_PAIRS
from plantain.summary import summarise
from plantain.ui.catalog import COUNTINGS, saved_folder
from plantain.ui.engine import Engine
from plantain.ui.fields import verdicts, whole_number
from plantain.ui.view import RunView, blank, counting_choice, show, show_live

# Drawing the map takes about as long as a few pairs of a small model.
_FIGURE_EVERY_SECONDS = 2.0
MAX_SEEDS = 16
# One entry for each visitor whose probe is running, by gradio's session.
_stop_of: dict[str, threading.Event] = {}
_LOG = logging.getLogger(__name__)


def build(engine: Engine) -> None:
    """Lay the tab out."""
    gr.Markdown(
        f"Runs prompt pairs through **{engine.model}**: one denoising step at pure noise, guidance 1, the same noise "
        "for all prompts; several noise seeds are averaged."
    )
    with gr.Row():
        prompts = gr.Dropdown(shipped_prompts(), value="dense_pose", label="Prompt set")
        upload = gr.File(
            label="or your own, used instead: JSON, or CSV with columns a and b",
            file_types=[".json", ".csv"],
            height=120,
        )
    with gr.Row():
        seed = gr.Number(0, label="First noise seed")
        n_seeds = gr.Slider(1, MAX_SEEDS, value=1, step=1, label="Noise seeds")
    counting = counting_choice()
    with gr.Row():
        start = gr.Button("Run the probe", variant="primary")
        stop = gr.Button("Stop, and keep the pairs done", interactive=False)
        # A public Space shows saved runs to everyone: there a run is downloaded, not saved.
        save = gr.Button("Save this run", interactive=False, visible=not os.environ.get("SPACE_ID"))
    status = gr.Markdown()
    view = RunView()
    state = gr.State(None)  # ProbeResult | None: what is done so far

    outputs = [status, state, start, stop, save, counting, *view.outputs]

    def run(
        prompts: str, upload: str | None, seed: float, n_seeds: float, counting: str, request: gr.Request
    ) -> Iterator[list[Any]]:
        with _stoppable(request) as stopping:
            yield from _run(engine, stopping, prompts, upload, seed, n_seeds, counting)

    start.click(
        run,
        [prompts, upload, seed, n_seeds, counting],
        outputs,
        validator=_validate,
        concurrency_limit=1,
        concurrency_id="model",
        api_visibility="private",
    )
    stop.click(_stop, None, stop, queue=False, show_progress="hidden", api_visibility="private")
    counting.input(_recount, [state, counting], view.outputs, queue=False, api_visibility="private")
    save.click(_save, state, [status, save], queue=False, api_visibility="private")


def _validate(prompts: str, upload: str | None, seed: float, n_seeds: float, counting: str) -> list[Any]:
    """A sentence beside each field that cannot be used; nothing is queued then."""
    return verdicts(
        [
            lambda: None if upload else _enough(load_prompts(prompts)),
            lambda: _enough(load_prompts(upload)) if upload else None,
            lambda: ProbeConfig(seed=whole_number(seed)),
            lambda: ProbeConfig(n_seeds=whole_number(n_seeds)),
            lambda: _known(counting),
        ]
    )


@contextmanager
def _stoppable(request: gr.Request) -> Iterator[threading.Event]:
    """The event that this visitor's stop button sets.

    The run looks at it after every forward and ends itself. Cancelling it from outside would let its
    last report arrive after the stop's, and leave old text and locked buttons.
    """
    key = str(request.session_hash)
    stopping = _stop_of[key] = threading.Event()
    try:
        yield stopping
    finally:
        if _stop_of.get(key) is stopping:
            del _stop_of[key]


def _stop(request: gr.Request) -> Any:
    stopping = _stop_of.get(str(request.session_hash))
    if stopping is not None:
        stopping.set()
    return gr.Button(interactive=False)


def _run(
    engine: Engine,
    stopping: threading.Event,
    prompts: str,
    upload: str | None,
    seed: float,
    n_seeds: float,
    counting: str,
) -> Iterator[list[Any]]:
    # Until the new run is sure to start, the last one, perhaps unsaved, stays as it is.
    kept = [gr.skip() for _ in range(8)]
    yield ["Loading the model, if this is its first run …", gr.skip(), *_controls(running=True), *kept]
    try:
        pairs = load_prompts(upload or prompts)
        config = ProbeConfig(seed=whole_number(seed), n_seeds=whole_number(n_seeds))
        engine.tokens(pairs.prompts)  # refuses a prompt too long before a GPU is asked for
    except Exception as error:
        yield [_failure("Not run.", error), gr.skip(), *_controls(running=False), *kept]
        return
    result: ProbeResult | None = None
    drawn_at = 0.0
    yield ["Waiting for the first pairs …", None, *_controls(running=True, savable=False), *blank()]
    try:
        for progress in engine.probe(pairs, config):
            if stopping.is_set():
                yield _stopped(progress.result, counting)
                return
            news = progress.result is not result
            result = progress.result
            said = f"Pair {progress.done} of {progress.total}; about {progress.seconds_left:.0f} s left."
            shown = kept
            if news and result is not None and result.n_pairs >= MIN_PAIRS:
                draw = time.monotonic() - drawn_at > _FIGURE_EVERY_SECONDS
                shown = show_live(result, summarise(result, **COUNTINGS[counting][1], n_flips=200), draw)
                drawn_at = time.monotonic() if draw else drawn_at
            yield [said, result, *_controls(running=True, savable=False), *shown]
    except Exception as error:
        n = 0 if result is None else result.n_pairs
        said = _failure(f"Stopped by an error after {n} of {len(pairs)} pairs.", error)
        yield [said, *_settled(result, counting)]
        return
    assert result is not None
    yield [f"Done: {result.n_pairs} pairs in {result.provenance['seconds']:.1f} s.", *_settled(result, counting)]


def _stopped(result: ProbeResult | None, counting: str) -> list[Any]:
    """After a stop the pairs done are a partial run like any other."""
    n = 0 if result is None else result.n_pairs
    if result is None or n < MIN_PAIRS:
        return [f"Stopped after {n} pairs; a t needs at least {MIN_PAIRS}. Run again.", *_settled(result, counting)]
    return [f"Stopped after {n} of {len(result.prompts)} pairs; they are kept below.", *_settled(result, counting)]


def _settled(result: ProbeResult | None, counting: str) -> list[Any]:
    """State, controls and view once nothing runs any more."""
    enough = result is not None and result.n_pairs >= MIN_PAIRS
    return [result, *_controls(running=False, savable=enough), *_recount(result, counting)]


def _recount(result: ProbeResult | None, counting: str) -> list[Any]:
    if result is None or result.n_pairs < MIN_PAIRS:
        return blank()
    return show(result, summarise(result, **COUNTINGS[counting][1]))


def _failure(what: str, error: Exception) -> str:
    """What went wrong, for the visitor: our own sentences and gradio's whole, anything else by its kind."""
    if isinstance(error, InputError):
        return f"**{what}** {error}"
    if isinstance(error, gr.Error):  # a GPU that is busy or used up, say
        return f"**{what}** {error.message} Press Run again later."
    _LOG.exception("probe failed", exc_info=error)
    return f"**{what}** {type(error).__name__}; the log has the details. Press Run again, or save the pairs done."


def _save(result: ProbeResult | None) -> tuple[str, Any]:
    if result is None:
        return "There is nothing to save yet.", gr.skip()
    # A name made here, never typed: the folder of an earlier run is not touched.
    name = f"{result.prompts.name}-{time.strftime('%Y%m%d-%H%M%S')}"
    folder = saved_folder() / "".join(c if c.isalnum() or c in "-_" else "-" for c in name)
    if folder.exists():
        return f"{folder.name} exists already; press again in a second.", gr.skip()
    result.save(folder)
    return f"Saved to `{folder}`; it is in the list of the Results tab now.", gr.Button(interactive=False)


def _controls(running: bool, savable: bool | None = None) -> list[Any]:
    """Start, stop, save and counting; ``savable`` None leaves the save button as it is."""
    return [
        gr.Button(interactive=not running),
        gr.Button(interactive=running),
        gr.skip() if savable is None else gr.Button(interactive=savable),
        # While a run goes on its counting is fixed: the table and the choice must agree.
        gr.Radio(interactive=not running),
    ]


def _enough(prompts: PromptSet) -> None:
    if len(prompts) < MIN_PAIRS:
        raise InputError(f"A t over pairs needs at least {MIN_PAIRS} pairs; this set has {len(prompts)}. Add pairs.")


def _known(counting: str) -> None:
    if counting not in COUNTINGS:
        raise InputError("Choose one of the listed countings.")
