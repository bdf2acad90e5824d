"""The *Run* tab: prompt pairs live, pair by pair, kept when stopped."""

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from html import escape
from typing import Any

import gradio as gr

from plantain.data.prompts import PromptSet
from plantain.data.result import ProbeResult
from plantain.data.settings import ProbeConfig
from plantain.errors import InputError
from plantain.paths import safe_name
from plantain.questions.counted import Counted, check_counting
from plantain.report.export import Files
from plantain.stats import MIN_PAIRS
from plantain.ui import catalog, limits, run_settings
from plantain.ui.compare import compare
from plantain.ui.downloads import Export
from plantain.ui.engine import LATEST, LOUD, ON_THE_MODEL, QUIET, Engine, what_went_wrong
from plantain.ui.html import alert, status
from plantain.ui.run_files import LABEL, run_files
from plantain.ui.run_settings import Settings
from plantain.ui.stopping import stop, stoppable
from plantain.ui.view import RunView, Values, blank, counting_choice, refresh_when, show, show_live, step_choices
from plantain.ui.visits import Visit, Visits
from plantain.wording import time_left

# Drawing the map takes about as long as a few pairs of a small model: a fifth of the run's time at most, and none where
# the whole run's map is nearly there.
_FIGURE_EVERY_SECONDS, _FIGURE_SHARE = 2.0, 0.2
# A public Space shows saved runs to everyone: there a run is downloaded, not saved.
_VISIT = "() => [plantain.visit()]"
_MAY_SAVE = not os.environ.get("SPACE_ID")
Update = dict[Any, Any]  # a value for each component that changes; the others stay as they are


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
        self.state = gr.State(None)  # ProbeResult | None: what is done so far
        self.view = RunView(self._lay_out)
        # Known to the visitor's browser tab alone; a session of gradio's ends with a reload.
        self.visit = gr.Textbox(visible="hidden", elem_id="plantain-visit")
        self._visits = Visits()

    @property
    def outputs(self) -> list[Any]:
        buttons = [self.start, self.stop, self.go_on, self.save]
        return [self.status, self.state, *buttons, self.counting, self.step, *self.view.outputs]

    def _lay_out(self, view: RunView) -> None:
        view.place("headline", "counts", "overview", "half", "table", "sure")
        view.place_tools(lambda: Export("run", _files, [self.state, self.counting, self.step], LABEL))

    def keep(self, word: str, result: ProbeResult | None, counting: str) -> None:
        """Until a reload asks for it, at most ten minutes."""
        if result is not None:
            self._visits.put(word, Visit(result, counting))

    def reopened(self, word: str) -> Update:
        """What a page that opens shows of the run that was here before."""
        found = self._visits.get(word)
        if found is None:
            return {self.visit: word}
        result, n = found.result, len(found.result.prompts)
        done = f"{result.n_pairs} pairs" if result.complete else f"{result.n_pairs} of {n} pairs"
        what_next = "" if result.complete else " Go on with the rest at any time."
        said = status(f"The page was opened anew; your run is still here: {done}.{what_next}")
        counting = {self.counting: gr.Radio(value=found.counting, interactive=True)}
        return {self.visit: word} | self.end(said, result, found.counting) | counting

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


@dataclass(frozen=True)
class RunTab:
    """What the page needs of the tab: the fields that a link sets, and how a reloaded page finds its run again."""

    fields: dict[str, Any]
    board: _Board

    def reopen_on(self, page: gr.Blocks) -> None:
        """When the page opens: the run of the visitor's browser tab, if it is younger than ten minutes."""
        board = self.board
        page.load(board.reopened, board.visit, [board.visit, *board.outputs], js=_VISIT, **QUIET)


def build(engine: Engine) -> RunTab:
    """Lay the tab out."""
    gr.Markdown(
        f"Runs prompt pairs through **{engine.model}** at guidance 1, with the same noise for all prompts; several "
        "noise seeds are averaged. The model card took one step, at pure noise."
    )
    fields, preview = run_settings.lay_out_fields(), gr.HTML("")
    first = Settings(**{name: field.value for name, field in fields.items()})
    estimate = gr.HTML(run_settings.estimate(engine, first), elem_classes=["plantain-muted", "plantain-line"])
    board = _Board()
    counting = board.counting
    with gr.Accordion("Compare with a cached run", open=False) as drawer:
        other = gr.Dropdown([], value=None, label="Cached run")
        comparison = gr.HTML()
    sources, told = [board.state, other, counting, board.step], [*fields.values(), board.state]

    def tell(*values: Any) -> str:
        return run_settings.told(engine, Settings(*values[:-1]), values[-1])

    for ended in _connect(engine, fields, board):
        ended.then(compare, sources, comparison, **QUIET)
        ended.then(tell, told, estimate, **QUIET)
    gr.on([other.change, counting.input, board.step.input], compare, sources, comparison, **QUIET)
    refresh_when(drawer.expand, other)
    gr.on([field.change for field in fields.values()], tell, told, estimate, **LATEST)
    fields["upload"].change(run_settings.previewed, fields["upload"], preview, **LATEST)
    return RunTab({"seed": fields["seed"], "seeds": fields["n_seeds"], "steps": fields["steps"]}, board)


def _connect(engine: Engine, fields: dict[str, Any], board: _Board) -> list[Any]:
    """Make the buttons work; the two events that run something."""

    def settings(values: Update) -> Settings:
        return Settings(**{name: values[field] for name, field in fields.items()})

    def validate(values: Update) -> Update:
        checks = {fields[name]: check for name, check in settings(values).checks().items()}
        return limits.verdicts(checks | {board.counting: lambda: check_counting(values[board.counting])})

    def run(values: Update, request: gr.Request) -> Iterator[Update]:
        with stoppable(request, "run") as stopping:
            word, last = values[board.visit], values[board.state]
            start = _Start(settings(values).job, values[board.counting], word, last)
            yield from _run(engine, board, stopping, start)

    def resume(result: ProbeResult | None, counting: str, word: str, request: gr.Request) -> Iterator[Update]:
        def job() -> tuple[PromptSet, ProbeConfig]:
            """Prompts and settings of the stopped run, whatever the fields say by now."""
            if result is None or result.complete:
                raise InputError("There is no stopped run to go on with; press Run the probe.")
            return result.prompts, result.config

        with stoppable(request, "run") as stopping:
            yield from _run(engine, board, stopping, _Start(job, counting, word, result, result))

    def recount(result: ProbeResult | None, counting: str, step: int) -> Update:
        return board.view.given(_counted(result, counting, step))

    def save(result: ProbeResult | None) -> Update:
        said, saved = _save(result)
        return {board.status: said} | ({board.save: gr.Button(interactive=False)} if saved else {})

    state, counting = board.state, board.counting
    # Not on the frame of the view nor on buttons: what changes in them needs no sign of its own.
    progress = [board.status, *board.view.parts.values()]
    heavy: dict[str, Any] = ON_THE_MODEL | {"api_visibility": "private", "show_progress_on": progress}
    asked = {*fields.values(), counting, state, board.visit}
    started = board.start.click(run, asked, board.outputs, validator=validate, **heavy)
    went_on = board.go_on.click(resume, [state, counting, board.visit], board.outputs, **heavy)
    board.stop.click(_stop, None, [board.stop, board.status], **QUIET)
    gr.on([counting.input, board.step.input], recount, [state, counting, board.step], board.view.outputs, **LOUD)
    if _MAY_SAVE:
        board.save.click(save, state, [board.status, board.save], **LOUD)
    return [started, went_on]


def _stop(request: gr.Request) -> tuple[Any, Any]:
    """Said at once: the forward that runs takes its time to end."""
    stopped = stop(request, "run")
    return gr.Button(interactive=False), status("Stopping after the forward that runs …") if stopped else gr.skip()


@dataclass(frozen=True)
class _Start:
    """What a run is started with."""

    job: Callable[[], tuple[PromptSet, ProbeConfig]]
    counting: str
    word: str  # of the visit
    last: ProbeResult | None  # what is shown so far
    resume: ProbeResult | None = None  # what is gone on with


def _run(engine: Engine, board: _Board, stopping: threading.Event, start: _Start) -> Iterator[Update]:
    counting, resume = start.counting, start.resume
    yield board.now(status("Loading the model, if this is its first run …"), None, running=True)
    result, lent, draw_at = resume, False, 0.0
    try:
        prompts, config = start.job()
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
            if news:
                board.keep(start.word, result, counting)
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
                    begun = time.monotonic()
                    draw = begun >= draw_at and progress.seconds_left > _FIGURE_EVERY_SECONDS
                    update |= board.view.given(show_live(result, counting, draw))
                    if draw:
                        ended = time.monotonic()
                        draw_at = ended + max(_FIGURE_EVERY_SECONDS, (ended - begun) / _FIGURE_SHARE)
            yield update
    except Exception as error:
        if not lent:  # refused, say, or no GPU was to be had: what stood before stands still
            yield board.now(alert("Not run.", what_went_wrong(error)), start.last)
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


def _files(result: ProbeResult | None, counting: str, step: int) -> Files:
    if result is None or result.n_pairs < MIN_PAIRS:
        raise InputError("There is no run yet; press Run the probe.")
    return run_files(catalog.beside(Counted(result, counting, step)))


def _save(result: ProbeResult | None) -> tuple[str, bool]:
    """What became of it, and whether it lies in a folder now."""
    if result is None:
        return status("There is nothing to save yet."), False
    # A name made here, never typed: the folder of an earlier run is not touched.
    name = safe_name(result.prompts.name, "run")
    folder = catalog.saved_folder() / f"{name}-{time.strftime('%Y%m%d-%H%M%S')}"
    try:
        limits.check_room(folder.parent)
        folder.mkdir(parents=True)  # it is whose makes it: two may press in one second
    except FileExistsError:
        return status(f"{folder.name} exists already; press again in a second."), False
    except (InputError, OSError) as error:
        return _not_saved(error), False
    try:
        result.save(folder)
    except (InputError, OSError) as error:
        with suppress(OSError):
            folder.rmdir()
        return _not_saved(error), False
    return status(f"Saved in {folder}. The list of the Results tab has it now."), True


def _not_saved(error: InputError | OSError) -> str:
    if isinstance(error, OSError):
        why = f"cannot write to {catalog.saved_folder()} ({error.strerror or error})"
        return alert("Not saved:", f"{why}. Download the run below, or start the page with --runs and another folder.")
    return alert("Not saved:", error)
