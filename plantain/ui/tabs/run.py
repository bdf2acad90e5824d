"""The *Run the probe* tab: prompt pairs live, pair by pair, kept when stopped."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import gradio as gr

from plantain.data.prompts import PromptSet, load_prompts, shipped_prompts
from plantain.data.result import ProbeResult
from plantain.data.settings import ProbeConfig
from plantain.errors import InputError
from plantain.questions.counted import check_counting
from plantain.stats import MIN_PAIRS
from plantain.ui import catalog
from plantain.ui.catalog import saved_folder
from plantain.ui.compare import compare
from plantain.ui.engine import Engine
from plantain.ui.estimate import check_work, sentence
from plantain.ui.fields import verdicts, whole_number
from plantain.ui.view import RunView, blank, counting_choice, show, show_live, step_choices

# Drawing the map takes about as long as a few pairs of a small model.
_FIGURE_EVERY_SECONDS = 2.0
MAX_SEEDS = 16
MAX_STEPS = 8
OWN_SIZE = "the model's own, at most 512"
SIZES = [OWN_SIZE, "64", "128", "256", "384", "512", "768", "1024"]
_N_OUTPUTS = 7  # of a RunView
# A public Space shows saved runs to everyone: there a run is downloaded, not saved.
_MAY_SAVE = not os.environ.get("SPACE_ID")
# One entry for each visitor whose probe is running, by gradio's session.
_stop_of: dict[str, threading.Event] = {}
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class RunTab:
    """What a link sets."""

    seed: gr.Number
    n_seeds: gr.Slider
    steps: gr.Slider


def build(engine: Engine) -> RunTab:
    """Lay the tab out."""
    gr.Markdown(
        f"Runs prompt pairs through **{engine.model}** at guidance 1, with the same noise for all prompts; several "
        "noise seeds are averaged. The model card took one step, at pure noise."
    )
    with gr.Row():
        prompts = gr.Dropdown(shipped_prompts(), value="dense_pose", label="Prompt set")
        upload = gr.File(
            label="or your own, used instead: JSON, or CSV with columns a and b",
            file_types=[".json", ".csv"],
            height=120,
        )
    with gr.Row():
        seed = gr.Number(0, label="First noise seed", min_width=120)
        n_seeds = gr.Slider(1, MAX_SEEDS, value=1, step=1, label="Noise seeds", min_width=120)
        steps = gr.Slider(1, MAX_STEPS, value=1, step=1, label="Denoising steps", min_width=120)
        size = gr.Dropdown(SIZES, value=OWN_SIZE, label="Pixels a side", min_width=120)
    counting = counting_choice()
    settings: list[Any] = [prompts, upload, seed, n_seeds, steps, size]
    estimate = gr.Markdown(_estimate(engine, "dense_pose", None, 0, 1, 1, OWN_SIZE), elem_classes=["plantain-muted"])
    with gr.Row():
        start = gr.Button("Run the probe", variant="primary")
        stop = gr.Button("Stop, and keep the pairs done", interactive=False)
        go_on = gr.Button("Go on with the rest", interactive=False)
        save = gr.Button("Save this run", interactive=False, visible=_MAY_SAVE)
    status = gr.Markdown(elem_id="plantain-run-status")
    step = gr.Radio([("1", 0)], value=0, label="Denoising step shown", visible=False)
    view = RunView()
    with gr.Accordion("Compare with a cached run", open=False):
        other = gr.Dropdown(catalog.choices(), value=None, label="Cached run")
        comparison = gr.HTML()
    state = gr.State(None)  # ProbeResult | None: what is done so far

    controls = [start, stop, go_on, save, counting, step]
    outputs = [status, state, *controls, *view.outputs]

    def run(
        prompts: str,
        upload: str | None,
        seed: float,
        n_seeds: float,
        steps: float,
        size: str,
        counting: str,
        last: ProbeResult | None,
        request: gr.Request,
    ) -> Iterator[list[Any]]:
        def job() -> tuple[PromptSet, ProbeConfig]:
            pairs, config = load_prompts(upload or prompts), _config(seed, n_seeds, steps, size)
            check_work(len(pairs), config)
            return pairs, config

        with _stoppable(request) as stopping:
            yield from _run(engine, stopping, job, counting, last, None)

    def resume(result: ProbeResult | None, counting: str, request: gr.Request) -> Iterator[list[Any]]:
        with _stoppable(request) as stopping:
            yield from _run(engine, stopping, lambda: _unfinished(result), counting, result, result)

    heavy: dict[str, Any] = {"concurrency_limit": 1, "concurrency_id": "model", "api_visibility": "private"}
    quiet: dict[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}
    start.click(run, [*settings, counting, state], outputs, validator=_validate, **heavy).then(
        compare, [state, other, counting, step], comparison, **quiet
    )
    go_on.click(resume, [state, counting], outputs, **heavy).then(
        compare, [state, other, counting, step], comparison, **quiet
    )
    stop.click(_stop, None, stop, **quiet)
    gr.on(
        [counting.input, step.input],
        _recount,
        [state, counting, step],
        view.outputs,
        queue=False,
        api_visibility="private",
    )
    if _MAY_SAVE:
        save.click(_save, state, [status, save], queue=False, api_visibility="private")
    for component in settings:
        component.change(
            lambda *values: _estimate(engine, *values), settings, estimate, trigger_mode="always_last", **quiet
        )
    gr.on([other.change, counting.input, step.input], compare, [state, other, counting, step], comparison, **quiet)
    other.focus(lambda: gr.Dropdown(choices=catalog.choices()), None, other, **quiet)
    return RunTab(seed, n_seeds, steps)


def _config(seed: float, n_seeds: float, steps: float, size: str) -> ProbeConfig:
    pixels = None if size == OWN_SIZE else int(size)
    return ProbeConfig(
        seed=whole_number(seed),
        n_seeds=whole_number(n_seeds),
        num_inference_steps=whole_number(steps),
        height=pixels,
        width=pixels,
    )


def _unfinished(result: ProbeResult | None) -> tuple[PromptSet, ProbeConfig]:
    """Prompts and settings of a stopped run, whatever the fields say by now."""
    if result is None or result.complete:
        raise InputError("There is no stopped run to go on with; press Run the probe.")
    return result.prompts, result.config


def _validate(
    prompts: str,
    upload: str | None,
    seed: float,
    n_seeds: float,
    steps: float,
    size: str,
    counting: str,
    last: ProbeResult | None,
) -> list[Any]:
    """A sentence beside each field that cannot be used; nothing is queued then."""
    return verdicts(
        [
            lambda: None if upload else _enough(load_prompts(prompts)),
            lambda: _enough(load_prompts(upload)) if upload else None,
            lambda: ProbeConfig(seed=whole_number(seed)),
            lambda: _between("noise seeds", whole_number(n_seeds), MAX_SEEDS),
            lambda: _affordable(upload or prompts, n_seeds, steps),
            lambda: _offered(size),
            lambda: check_counting(counting),
            lambda: None,
        ]
    )


def _estimate(
    engine: Engine, prompts: str, upload: str | None, seed: float, n_seeds: float, steps: float, size: str
) -> str:
    """What a run of these settings costs, before anybody presses; empty while a field is wrong."""
    try:
        return sentence(engine, load_prompts(upload or prompts), _config(0, n_seeds, steps, size))
    except (InputError, ValueError):
        return ""


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
    job: Callable[[], tuple[PromptSet, ProbeConfig]],
    counting: str,
    last: ProbeResult | None,
    resume: ProbeResult | None,
) -> Iterator[list[Any]]:
    # Until the new run is sure to start, the last one, perhaps unsaved, stays as it is.
    kept = [gr.skip() for _ in range(_N_OUTPUTS)]
    yield ["Loading the model, if this is its first run …", gr.skip(), *_controls(running=True), *kept]
    try:
        prompts, config = job()
        engine.tokens(prompts.prompts)  # refuses a prompt too long before a GPU is asked for
    except Exception as error:
        yield [_failure("Not run.", error), gr.skip(), *_controls(running=False, result=last, known=True), *kept]
        return
    result = resume
    drawn_at, lent = 0.0, False
    yield ["Waiting for the first pairs …", gr.skip(), *_controls(running=True), *kept]
    try:
        for progress in engine.probe(prompts, config, resume):
            if not lent and resume is None:
                yield [gr.skip(), None, *_controls(running=True), *blank()]
            lent = True
            news = progress.result is not result
            result = progress.result
            if stopping.is_set():
                yield _stopped(result, counting)
                return
            said = f"Pair {progress.done} of {progress.total}; about {progress.seconds_left:.0f} s left."
            shown = kept
            if news and result is not None and result.n_pairs >= MIN_PAIRS and not result.complete:
                draw = time.monotonic() - drawn_at > _FIGURE_EVERY_SECONDS
                shown = show_live(result, counting, draw)
                drawn_at = time.monotonic() if draw else drawn_at
            yield [said, result, *_controls(running=True, result=result), *shown]
    except Exception as error:
        if not lent:  # no GPU was to be had, say: what stood before stands still
            yield [_failure("Not run.", error), gr.skip(), *_controls(running=False, result=last, known=True), *kept]
            return
        n = 0 if result is None else result.n_pairs
        said = _failure(f"Stopped by an error after {n} of {len(prompts)} pairs.", error)
        yield [said, *_settled(result, counting)]
        return
    assert result is not None
    said = f"Done: {result.n_pairs} pairs in {result.provenance['seconds']:.1f} s."
    yield [said, *_settled(result, counting)]
    if kept_at := _keep(engine, result):
        yield [f"{said}{kept_at}", *(gr.skip() for _ in range(_N_OUTPUTS + 7))]


def _keep(engine: Engine, result: ProbeResult) -> str:
    """Hand a finished run to its owner's dataset, if it belongs there; say where it is."""
    try:
        where = engine.keep(result) if engine.keep is not None else None
    except InputError as error:
        return f" **Not kept in the results dataset:** {error}"
    return f" Kept in [the results dataset]({where})." if where else ""


def _stopped(result: ProbeResult | None, counting: str) -> list[Any]:
    """After a stop the pairs done are a partial run like any other."""
    n = 0 if result is None else result.n_pairs
    if result is None or n < MIN_PAIRS:
        said = f"Stopped after {n} pairs; a t needs at least {MIN_PAIRS}. Go on with the rest, or run again."
        return [said, *_settled(result, counting)]
    said = f"Stopped after {n} of {len(result.prompts)} pairs; they are kept below. Go on with the rest at any time."
    return [said, *_settled(result, counting)]


def _settled(result: ProbeResult | None, counting: str) -> list[Any]:
    """State, controls and view once nothing runs any more."""
    return [result, *_controls(running=False, result=result, known=True), *_recount(result, counting)]


def _recount(result: ProbeResult | None, counting: str, step: int = 0) -> list[Any]:
    if result is None or result.n_pairs < MIN_PAIRS:
        return blank()
    return show(result, counting, step if step < result.config.num_inference_steps else 0)


def _failure(what: str, error: Exception) -> str:
    """What went wrong, for the visitor: our own sentences and gradio's whole, anything else by its kind."""
    if isinstance(error, InputError):
        return f"**{what}** {error}"
    if isinstance(error, gr.Error):  # a GPU that is busy or used up, say
        return f"**{what}** {error.message}"
    _LOG.exception("probe failed", exc_info=error)
    return f"**{what}** {type(error).__name__}; the log has the details. Run again, or go on with the pairs done."


def _save(result: ProbeResult | None) -> tuple[str, Any]:
    if result is None:
        return "There is nothing to save yet.", gr.skip()
    # A name made here, never typed: the folder of an earlier run is not touched.
    name = f"{result.prompts.name}-{time.strftime('%Y%m%d-%H%M%S')}"
    folder = saved_folder() / "".join(c if c.isalnum() or c in "-_" else "-" for c in name)
    if folder.exists():
        return f"{folder.name} exists already; press again in a second.", gr.skip()
    try:
        result.save(folder)
    except OSError as error:
        return f"**Not saved:** {error.strerror or error}. Download the run below instead.", gr.skip()
    return f"Saved to `{folder}`; it is in the list of the Results tab now.", gr.Button(interactive=False)


def _controls(running: bool, result: ProbeResult | None = None, known: bool = False) -> list[Any]:
    """Start, stop, go on, save, counting and step; what depends on a run stays as it is until it is ``known``."""
    unfinished = savable = step = gr.skip()
    if running:
        unfinished = gr.Button(interactive=False)
        savable = gr.Button(interactive=False) if result is not None else gr.skip()
    elif known:
        unfinished = gr.Button(interactive=result is not None and not result.complete)
        savable = gr.Button(interactive=result is not None and result.n_pairs >= MIN_PAIRS)
        choices = [("1", 0)] if result is None else step_choices(result)
        step = gr.Radio(choices=choices, value=0, visible=len(choices) > 1)
    return [
        gr.Button(interactive=not running),
        gr.Button(interactive=running),
        unfinished,
        savable,
        # While a run goes on its counting is fixed: the table and the choice must agree.
        gr.Radio(interactive=not running),
        step,
    ]


def _enough(prompts: PromptSet) -> None:
    if len(prompts) < MIN_PAIRS:
        raise InputError(f"A t over pairs needs at least {MIN_PAIRS} pairs; this set has {len(prompts)}. Add pairs.")


def _between(what: str, value: int, most: int) -> None:
    if not 1 <= value <= most:
        raise InputError(f"Expected 1 to {most} {what}; got {value}.")


def _affordable(prompts: str, n_seeds: float, steps: float) -> None:
    _between("denoising steps", whole_number(steps), MAX_STEPS)
    try:
        pairs, config = load_prompts(prompts), _config(0, n_seeds, steps, OWN_SIZE)
    except InputError:
        return  # said beside the field that is wrong
    check_work(len(pairs), config)


def _offered(size: str) -> None:
    if size not in SIZES:
        raise InputError(f"Expected one of the listed sizes; got {str(size)[:20]!r}.")
