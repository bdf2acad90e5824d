"""The *Run* tab: prompt pairs live, pair by pair, kept when stopped."""

import os
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from html import escape
from typing import Any

import gradio as gr

from plantain.data.prompts import PromptSet, load_prompts, shipped_prompts
from plantain.data.result import ProbeResult
from plantain.data.settings import ProbeConfig
from plantain.errors import InputError
from plantain.paths import safe_name
from plantain.questions.counted import check_counting
from plantain.stats import MIN_PAIRS
from plantain.ui import catalog, limits
from plantain.ui.compare import compare
from plantain.ui.engine import LATEST, LOUD, ON_THE_MODEL, QUIET, Engine, what_went_wrong
from plantain.ui.html import alert, html_table, status
from plantain.ui.stopping import stop, stoppable
from plantain.ui.view import RunView, Values, blank, counting_choice, refresh_on_focus, show, show_live, step_choices
from plantain.wording import Table, shorten, time_left

# Drawing the map takes about as long as a few pairs of a small model.
_FIGURE_EVERY_SECONDS = 2.0
# A public Space shows saved runs to everyone: there a run is downloaded, not saved.
_PREVIEWED = 3
_MAY_SAVE = not os.environ.get("SPACE_ID")
Update = dict[Any, Any]  # a value for each component that changes; the others stay as they are


@dataclass(frozen=True)
class Settings:
    """What the fields hold, not yet checked."""

    prompts: str
    upload: str | None
    seed: float | None
    n_seeds: float | None
    steps: float | None
    size: str

    def pairs(self) -> PromptSet:
        return load_prompts(self.upload or self.prompts or "")

    def config(self) -> ProbeConfig:
        seed, n_seeds, steps, size = (check() for check in self._numbers().values())
        return ProbeConfig(seed, n_seeds, steps, height=size, width=size)

    def job(self) -> tuple[PromptSet, ProbeConfig]:
        pairs, config = self.pairs(), self.config()
        limits.check_work(len(pairs), config)
        return pairs, config

    def checks(self) -> dict[str, Callable[[], object]]:
        """A check for each field, which raises InputError where it cannot be used."""
        prompts = "upload" if self.upload else "prompts"
        pairs = {prompts: lambda: limits.check_pairs(len(self.pairs()))}
        return pairs | self._numbers() | {"steps": self._check_steps}

    def _numbers(self) -> dict[str, Callable[[], Any]]:
        return {
            "seed": lambda: limits.SEED.check(self.seed, "seed"),
            "n_seeds": lambda: limits.RUN_SEEDS.check(self.n_seeds, "Noise seeds"),
            "steps": lambda: limits.STEPS.check(self.steps, "Denoising steps"),
            "size": lambda: limits.pixels(self.size),
        }

    def _check_steps(self) -> None:
        limits.STEPS.check(self.steps, "Denoising steps")
        try:
            pairs, config = self.pairs(), self.config()
        except InputError:
            return  # said beside the field that is wrong
        limits.check_work(len(pairs), config)


class _Board:
    def __init__(self) -> None:
        with gr.Row():
            self.start = gr.Button("Run the probe", variant="primary")
            self.stop = gr.Button("Stop, and keep the pairs done", interactive=False)
            self.go_on = gr.Button("Go on with the rest", interactive=False)
            self.save = gr.Button("Save this run", interactive=False, visible=_MAY_SAVE)
        self.status = gr.HTML(elem_id="plantain-run-status", elem_classes=["plantain-line"])
        self.counting = counting_choice()
        self.step = gr.Radio([("1", 0)], value=0, label="Denoising step shown", visible=False)
        self.view = RunView()
        self.state = gr.State(None)  # ProbeResult | None: what is done so far

    @property
    def outputs(self) -> list[Any]:
        buttons = [self.start, self.stop, self.go_on, self.save]
        return [self.status, self.state, *buttons, self.counting, self.step, *self.view.outputs]

    def now(self, said: str, result: ProbeResult | None, running: bool = False) -> Update:
        """What is said and what can be pressed while a run goes on, and when none does; what is shown stays."""
        return {
            self.status: said,
            self.start: gr.Button(interactive=not running),
            self.stop: gr.Button(interactive=running),
            self.go_on: gr.Button(interactive=result is not None and not result.complete and not running),
            # While a run goes on its counting is fixed: the table and the choice must agree.
            self.counting: gr.Radio(interactive=not running),
        }

    def end(self, said: str, result: ProbeResult | None, counting: str) -> Update:
        """Nothing runs any more, and the run as far as it came is shown."""
        steps = [("1", 0)] if result is None else step_choices(result)
        return self.now(said, result) | {
            self.state: result,
            self.save: gr.Button(interactive=result is not None and result.n_pairs >= MIN_PAIRS),
            self.step: gr.Radio(choices=steps, value=0, visible=len(steps) > 1),
            **self.view.given(_counted(result, counting)),
        }


def build(engine: Engine) -> dict[str, Any]:
    """Lay the tab out; the fields that a link sets."""
    gr.Markdown(
        f"Runs prompt pairs through **{engine.model}** at guidance 1, with the same noise for all prompts; several "
        "noise seeds are averaged. The model card took one step, at pure noise."
    )
    fields, preview = _fields(), gr.HTML("")
    first = Settings(**{name: field.value for name, field in fields.items()})
    estimate = gr.HTML(_estimate(engine, first), elem_classes=["plantain-muted", "plantain-line"])
    board = _Board()
    counting = board.counting
    with gr.Accordion("Compare with a cached run", open=False):
        other = gr.Dropdown(catalog.choices(), value=None, label="Cached run")
        comparison = gr.HTML()
    sources, told = [board.state, other, counting, board.step], [*fields.values(), board.state]

    def tell(*values: Any) -> str:
        return _told(engine, Settings(*values[:-1]), values[-1])

    for ended in _connect(engine, fields, board):
        ended.then(compare, sources, comparison, **QUIET)
        ended.then(tell, told, estimate, **QUIET)
    gr.on([other.change, counting.input, board.step.input], compare, sources, comparison, **QUIET)
    refresh_on_focus(other)
    gr.on([field.change for field in fields.values()], tell, told, estimate, **LATEST)
    fields["upload"].change(_previewed, fields["upload"], preview, **LATEST)
    return {"seed": fields["seed"], "seeds": fields["n_seeds"], "steps": fields["steps"]}


def _fields() -> dict[str, Any]:
    """A field for each of ``Settings``, by its name, in the same order."""
    with gr.Row():
        prompts = gr.Dropdown(shipped_prompts(), value="dense_pose", label="Prompt set", min_width=260)
        said = "or your own, used instead: JSON, or CSV with columns a and b"
        look: dict[str, Any] = {"height": 90, "min_width": 260, "elem_classes": ["plantain-upload"]}
        upload = gr.File(label=said, file_types=[".json", ".csv"], **look)
    with gr.Row():
        seed = gr.Number(0, label="First noise seed", min_width=120)
        n_seeds = limits.RUN_SEEDS.slider(1, "Noise seeds", min_width=120)
        steps = limits.STEPS.slider(1, "Denoising steps", min_width=120)
        size = gr.Dropdown(limits.SIZES, value=limits.OWN_SIZE, label="Pixels a side", min_width=240)
    return {"prompts": prompts, "upload": upload, "seed": seed, "n_seeds": n_seeds, "steps": steps, "size": size}


def _connect(engine: Engine, fields: dict[str, Any], board: _Board) -> list[Any]:
    """Make the buttons work; the two events that run something."""

    def settings(values: Update) -> Settings:
        return Settings(**{name: values[field] for name, field in fields.items()})

    def validate(values: Update) -> Update:
        checks = {fields[name]: check for name, check in settings(values).checks().items()}
        return limits.verdicts(checks | {board.counting: lambda: check_counting(values[board.counting])})

    def run(values: Update, request: gr.Request) -> Iterator[Update]:
        with stoppable(request, "run") as stopping:
            job, counting = settings(values).job, values[board.counting]
            yield from _run(engine, board, stopping, job, counting, values[board.state], None)

    def resume(result: ProbeResult | None, counting: str, request: gr.Request) -> Iterator[Update]:
        def job() -> tuple[PromptSet, ProbeConfig]:
            """Prompts and settings of the stopped run, whatever the fields say by now."""
            if result is None or result.complete:
                raise InputError("There is no stopped run to go on with; press Run the probe.")
            return result.prompts, result.config

        with stoppable(request, "run") as stopping:
            yield from _run(engine, board, stopping, job, counting, result, result)

    def recount(result: ProbeResult | None, counting: str, step: int) -> Update:
        return board.view.given(_counted(result, counting, step))

    def save(result: ProbeResult | None) -> Update:
        said, saved = _save(result)
        return {board.status: said} | ({board.save: gr.Button(interactive=False)} if saved else {})

    state, counting = board.state, board.counting
    # Not on the frame of the view nor on buttons: what changes in them needs no sign of its own.
    progress = [board.status, *board.view.parts.values()]
    heavy: dict[str, Any] = ON_THE_MODEL | {"api_visibility": "private", "show_progress_on": progress}
    asked = {*fields.values(), counting, state}
    started = board.start.click(run, asked, board.outputs, validator=validate, **heavy)
    went_on = board.go_on.click(resume, [state, counting], board.outputs, **heavy)
    board.stop.click(_stop, None, [board.stop, board.status], **QUIET)
    gr.on([counting.input, board.step.input], recount, [state, counting, board.step], board.view.outputs, **LOUD)
    if _MAY_SAVE:
        board.save.click(save, state, [board.status, board.save], **LOUD)
    return [started, went_on]


def _previewed(upload: str | None) -> str:
    """What an uploaded file holds, or why it cannot be used, as soon as it is there."""
    if not upload:
        return ""
    try:
        prompts = load_prompts(upload)
        limits.check_pairs(len(prompts))
        limits.check_work(len(prompts), ProbeConfig())
    except (InputError, OSError) as error:
        return alert("This file will not do:", error)
    first = prompts.pairs[:_PREVIEWED]
    cells = (("A", "B"), *((shorten(pair.a), shorten(pair.b)) for pair in first))
    said = f"{len(prompts)} pairs are read; the first {len(first)}"
    return f'<div class="plantain-left">{html_table(Table(said, "", cells))}</div>'


def _told(engine: Engine, asked: Settings, stopped: ProbeResult | None) -> str:
    """The cost of a run of these settings; after a stop, which settings each button takes."""
    said = _estimate(engine, asked)
    if stopped is None or stopped.complete:
        return said
    try:
        pairs, config = asked.job()
        same = pairs == stopped.prompts and config == stopped.config
    except InputError:
        same = False
    if same:
        return said
    return said + status("Go on with the rest keeps the settings of the stopped run; Run the probe takes these.")


def _estimate(engine: Engine, asked: Settings) -> str:
    """What a run of these settings costs, before anybody presses; empty while a field is wrong."""
    try:
        return status(limits.estimate(engine, asked.pairs(), replace(asked, seed=0).config()))
    except InputError:
        return ""


def _stop(request: gr.Request) -> tuple[Any, Any]:
    """Said at once: the forward that runs takes its time to end."""
    stopped = stop(request, "run")
    return gr.Button(interactive=False), status("Stopping after the forward that runs …") if stopped else gr.skip()


def _run(
    engine: Engine,
    board: _Board,
    stopping: threading.Event,
    job: Callable[[], tuple[PromptSet, ProbeConfig]],
    counting: str,
    last: ProbeResult | None,
    resume: ProbeResult | None,
) -> Iterator[Update]:
    yield board.now(status("Loading the model, if this is its first run …"), None, running=True)
    result, lent, drawn_at = resume, False, 0.0
    try:
        prompts, config = job()
        engine.tokens(prompts.prompts)  # refuses a prompt too long before a GPU is asked for
        yield {board.status: status("Waiting for the first pairs …")}
        steps = engine.probe(prompts, config, resume)
        for progress in steps:
            if not lent:  # until the new run is sure to start, the last one, perhaps unsaved, stays as it is
                fresh = {board.state: None, **board.view.given(blank())} if resume is None else {}
                yield {board.save: gr.Button(interactive=False), **fresh}
            lent = True
            news = progress.result is not result
            result = progress.result
            if stopping.is_set():
                steps.close()  # before what is done is drawn: a lent GPU goes back now
                said = _stopped(0 if result is None else result.n_pairs, len(prompts))
                yield board.end(status(said), result, counting)
                return
            left = f"Pair {progress.done} of {progress.total}; {time_left(progress.seconds_left)}."
            update: Update = {board.status: status(left)}
            if news and result is not None:
                update[board.state] = result
                if result.n_pairs >= MIN_PAIRS and not result.complete:
                    draw = time.monotonic() - drawn_at > _FIGURE_EVERY_SECONDS
                    update |= board.view.given(show_live(result, counting, draw))
                    drawn_at = time.monotonic() if draw else drawn_at
            yield update
    except Exception as error:
        if not lent:  # refused, say, or no GPU was to be had: what stood before stands still
            yield board.now(alert("Not run.", what_went_wrong(error)), last)
            return
        done = f"Stopped by an error after {0 if result is None else result.n_pairs} of {len(prompts)} pairs."
        yield board.end(alert(done, what_went_wrong(error)), result, counting)
        return
    assert result is not None
    said = f"Done: {result.n_pairs} pairs in {result.provenance['seconds']:.1f} s."
    yield board.end(status(said), result, counting)
    if kept := _keep(engine, result):
        yield {board.status: status(said) + kept}


def _keep(engine: Engine, result: ProbeResult) -> str:
    """Hand a finished run to its owner's dataset, if it belongs there; say where it is."""
    try:
        where = engine.keep(result) if engine.keep is not None else None
    except InputError as error:
        return alert("Not kept in the results dataset:", error)
    return f'<p>Kept in <a href="{escape(where)}">the results dataset</a></p>' if where else ""


def _stopped(n: int, total: int) -> str:
    """After a stop the pairs done are a partial run like any other."""
    if n < MIN_PAIRS:
        what_next = "Go on with the rest, or run again" if n else "Run the probe again"
        return f"Stopped after {n} pairs; a t needs at least {MIN_PAIRS}. {what_next}."
    return f"Stopped after {n} of {total} pairs; they are kept below. Go on with the rest at any time."


def _counted(result: ProbeResult | None, counting: str, step: int = 0) -> Values:
    if result is None or result.n_pairs < MIN_PAIRS:
        return blank()
    return show(result, counting, step if step < result.config.num_inference_steps else 0)


def _save(result: ProbeResult | None) -> tuple[str, bool]:
    """What became of it, and whether it lies in a folder now."""
    if result is None:
        return status("There is nothing to save yet."), False
    # A name made here, never typed: the folder of an earlier run is not touched.
    name = safe_name(result.prompts.name, "run")
    folder = catalog.saved_folder() / f"{name}-{time.strftime('%Y%m%d-%H%M%S')}"
    if folder.exists():
        return status(f"{folder.name} exists already; press again in a second."), False
    try:
        result.save(folder)
    except OSError as error:
        return alert("Not saved:", f"{error.strerror or error}. Download the run below instead."), False
    return status(f"Saved to {folder}; it is in the list of the Results tab now."), True
