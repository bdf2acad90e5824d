"""The *Run the probe* tab: prompt pairs live, pair by pair, kept when stopped."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from typing import Any

import gradio as gr

from plantain.errors import InputError
from plantain.prompts import PromptSet, load_prompts, shipped_prompts
from plantain.result import ProbeConfig, ProbeResult
from plantain.stats import MIN_PAIRS
from plantain.summary import summarise
from plantain.ui.catalog import COUNTINGS, saved_folder
from plantain.ui.engine import Engine
from plantain.ui.view import RunView, counting_choice, show, show_live

# Drawing the map takes about as long as a few pairs of a small model.
_FIGURE_EVERY_SECONDS = 2.0
MAX_SEEDS, MAX_STEPS = 16, 8


def build(engine: Engine) -> None:
    """Lay the tab out."""
    gr.Markdown(f"Runs prompt pairs through **{engine.model}**: one noise for all prompts, one step, guidance 1.")
    with gr.Row():
        prompts = gr.Dropdown(shipped_prompts(), value="dense_pose", label="Prompt set")
        upload = gr.File(
            label="or your own: JSON, or CSV with columns a and b", file_types=[".json", ".csv"], height=120
        )
    with gr.Row():
        seed = gr.Number(0, precision=0, minimum=0, label="First noise seed")
        n_seeds = gr.Slider(1, MAX_SEEDS, value=1, step=1, label="Noise seeds")
        steps = gr.Slider(1, MAX_STEPS, value=1, step=1, label="Denoising steps")
    counting = counting_choice()
    with gr.Row():
        start = gr.Button("Run the probe", variant="primary")
        stop = gr.Button("Stop, and keep the pairs done", interactive=False)
        # A public Space shows saved runs to everyone: there a run is downloaded, not saved.
        save = gr.Button("Save this run", interactive=False, visible=not os.environ.get("SPACE_ID"))
    status = gr.Markdown()
    view = RunView()
    state = gr.State(None)  # ProbeResult | None: what is done so far

    inputs = [prompts, upload, seed, n_seeds, steps]
    buttons = [start, stop, save]
    outputs = [status, state, *buttons, *view.outputs]

    def run(*values: Any) -> Iterator[list[Any]]:
        yield from _run(engine, *values)

    running = start.click(
        run,
        [*inputs, counting],
        outputs,
        validator=_validate,
        concurrency_limit=1,
        concurrency_id="model",
        api_visibility="private",
    )
    stop.click(
        _stopped,
        [state, counting],
        outputs,
        cancels=[running],
        queue=False,
        api_visibility="private",
    )
    counting.change(_recount, [state, counting], view.outputs, queue=False, api_visibility="private")
    save.click(_save, state, [status, save], queue=False, api_visibility="private")


def _validate(prompts: str, upload: str | None, seed: float, n_seeds: float, steps: float, counting: str) -> list[Any]:
    """A sentence beside each field that cannot be used; nothing is queued then."""
    checks = {
        "prompts": lambda: None if upload else _enough(load_prompts(prompts)),
        "upload": lambda: _enough(load_prompts(upload)) if upload else None,
        "seed": lambda: ProbeConfig(seed=_whole("seed", seed)),
        "n_seeds": lambda: ProbeConfig(n_seeds=_whole("n_seeds", n_seeds)),
        "steps": lambda: ProbeConfig(num_inference_steps=_whole("num_inference_steps", steps)),
    }
    verdicts = []
    for check in checks.values():
        try:
            check()
            verdicts.append(gr.validate(True, ""))
        except InputError as error:
            verdicts.append(gr.validate(False, str(error)))
    return [*verdicts, gr.validate(counting in COUNTINGS, "Choose one of the listed countings.")]


def _run(
    engine: Engine, prompts: str, upload: str | None, seed: float, n_seeds: float, steps: float, counting: str
) -> Iterator[list[Any]]:
    skipped: list[Any] = [gr.skip() for _ in range(8)]
    busy, idle = _buttons(running=True), _buttons(running=False)
    yield ["Loading the model, if this is its first run …", None, *busy, *skipped]
    pairs = load_prompts(upload or prompts)
    config = ProbeConfig(seed=int(seed), n_seeds=int(n_seeds), num_inference_steps=int(steps))
    drawn_at = 0.0
    result: ProbeResult | None = None
    try:
        engine.tokens(pairs.prompts)  # refuses a prompt too long before anything is queued on a GPU
        for progress in engine.probe(pairs, config):
            result = progress.result
            said = f"Pair {progress.done} of {progress.total}; about {progress.seconds_left:.0f} s left."
            if result.n_pairs < MIN_PAIRS:
                yield [said, result, *busy, *skipped]
                continue
            draw = time.monotonic() - drawn_at > _FIGURE_EVERY_SECONDS
            live = show_live(result, summarise(result, **COUNTINGS[counting][1], n_flips=200), draw)
            drawn_at = time.monotonic() if draw else drawn_at
            yield [said, result, *busy, *live]
    except InputError as error:
        yield [f"**Not run.** {error}", result, *idle, *skipped]
        return
    assert result is not None
    final = show(result, summarise(result, **COUNTINGS[counting][1]))
    done = f"Done: {result.n_pairs} pairs in {result.provenance['seconds']:.1f} s."
    yield [done, result, *_buttons(running=False, done=True), *final]


def _stopped(result: ProbeResult | None, counting: str) -> list[Any]:
    """After a stop the pairs done are a partial run like any other."""
    if result is None or result.n_pairs < MIN_PAIRS:
        n = 0 if result is None else result.n_pairs
        said = f"Stopped after {n} pairs; a t needs at least {MIN_PAIRS}."
        return [said, result, *_buttons(running=False), *[gr.skip() for _ in range(8)]]
    said = f"Stopped after {result.n_pairs} of {len(result.prompts)} pairs; they are kept below."
    return [said, result, *_buttons(running=False, done=True), *_recount(result, counting)]


def _recount(result: ProbeResult | None, counting: str) -> list[Any]:
    if result is None or result.n_pairs < MIN_PAIRS:
        return [gr.skip() for _ in range(8)]
    return show(result, summarise(result, **COUNTINGS[counting][1]))


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


def _buttons(running: bool, done: bool = False) -> list[Any]:
    return [gr.Button(interactive=not running), gr.Button(interactive=running), gr.Button(interactive=done)]


def _enough(prompts: PromptSet) -> None:
    if len(prompts) < MIN_PAIRS:
        raise InputError(f"A t over pairs needs at least {MIN_PAIRS} pairs; this set has {len(prompts)}. Add pairs.")


def _whole(name: str, value: float | None) -> int:
    if value is None or value != int(value):
        raise InputError(f"{name} must be a whole number; got {value!r}.")
    return int(value)
