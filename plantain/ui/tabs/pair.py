"""The *Your pair* tab: two prompts of your own, over noise seeds or over subjects."""

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from html import escape
from typing import Any

import gradio as gr

from plantain.errors import InputError
from plantain.model.names import EMBEDDED_MODELS
from plantain.posebox.words.reading import read
from plantain.questions.typed_pair import PLACEHOLDER, check_prompt, job, prompts_for_reading
from plantain.report import figures
from plantain.report.export import Files
from plantain.ui.downloads import Export
from plantain.ui.engine import LATEST, ON_THE_MODEL, QUIET, Engine, what_went_wrong
from plantain.ui.html import alert, page_figure, status
from plantain.ui.limits import PAIR_SEEDS, SEED, verdicts
from plantain.ui.pair_answer import Kept, PairAnswer, Typed
from plantain.ui.pair_where import NOT_OFFERED, PairWhere, maps_of
from plantain.ui.stopping import stop, stoppable
from plantain.ui.where_view import index_of
from plantain.wording import time_left

Update = dict[Any, Any]  # a value for each component that changes; the others stay as they are
N_SEEDS = 8
_MOST_WORDS = 12  # named one by one
_HALF = 5.4  # inches: two figures share a row
# Each with what it asks, so that a visitor chooses a question and not a text.
EXAMPLES = {
    "T-pose or a leap, one robot": [
        "A tall thin robot in a red vest and blue jeans, standing in a T-pose with arms straight out sideways at "
        "shoulder height, legs together and head level, on a stage with a black piano.",
        "A tall thin robot in a red vest and blue jeans, leaping in mid-air with straight legs split front and back, "
        "both arms flung up into a V, on a stage with a black piano.",
    ],
    "A-pose or a half-crouch, over 25 subjects": [
        "{subject} standing in an A-pose with both arms straight and slanted down sideways, legs together and head "
        "level, in a gym with a rack of weights.",
        "{subject} sinking into a half-crouch with feet apart and knees flexed, both arms stretched forward at chest "
        "height, in a gym with a rack of weights.",
    ],
    "The same pose, a red or a blue sweater": [
        "A nurse in a red sweater and white trousers, standing in a T-pose, in a plain studio.",
        "A nurse in a blue sweater and white trousers, standing in a T-pose, in a plain studio.",
    ],
    "The same T-pose in other words: how many heads still respond?": [
        "A nurse in a red sweater and white trousers, standing in a T-pose, in a plain studio.",
        "A nurse in a red sweater and white trousers, standing with arms straight out sideways, in a plain studio.",
    ],
}


# Only what a visitor does makes an answer stale (page.js): a link that sets the fields brings its answer along.
_STALE = "() => { markStale(); }"
_BEGUN = '<p role="status" data-begun="">Loading the model, if this is its first run …</p>'
_ASKED_BY_LINK = '<p role="status" data-probe="now">Probing the pair that the link names …</p>'
# Once the fields hold the link's prompts, which another event sets.
_PROBE_IF_ASKED = """() => {
  if (!plantain.asked.has("a") || !plantain.asked.has("b")) return;
  const press = (tries) => {
    const said = document.querySelector("#plantain-pair-status [data-probe]");  // or not yet, or never
    const [a, b] = [...document.querySelectorAll(".plantain-asked textarea")].map((field) => field.value.trim());
    const there = a === plantain.asked.get("a").trim() && b === plantain.asked.get("b").trim();
    if (said && there) document.querySelector("#plantain-probe")?.click();
    else if (tries) setTimeout(press, 100, tries - 1);
  };
  setTimeout(press, 100, 100);
}"""


@dataclass(frozen=True)
class PairTab:
    """What the page needs of the tab: the fields that a link sets, and how it brings their answer back."""

    fields: dict[str, Any]
    answer: "_Answer"
    engine: Engine

    def reopen_on(self, page: gr.Blocks) -> None:
        """When the page opens by a link to the tab: the answer from before, or a new one where that takes seconds.

        As the page opens and not after: by then the address may be one that followed the visitor here.
        """
        shown = page.load(self._reopened, None, self.answer.outputs, **QUIET)
        shown.then(None, None, None, js=_PROBE_IF_ASKED, **QUIET)

    def _reopened(self, request: gr.Request) -> Update:
        asked = dict(request.query_params)
        if asked.get("tab") != "pair" or not {"a", "b"} <= asked.keys():
            return {self.answer.status: gr.skip()}
        try:
            a, b = asked["a"].strip(), asked["b"].strip()
            check_prompt(a, "Prompt A")
            check_prompt(b, "Prompt B", other=a)
            seeds = PAIR_SEEDS.read(asked["seeds"], "Noise seeds") if "seeds" in asked else N_SEEDS
            seed = SEED.read(asked["seed"], "seed") if "seed" in asked else 0
        except InputError as error:  # as the button would say
            return {self.answer.status: alert("Not run.", error)}
        found = self.answer.kept.get(_typed(a, b, seeds, seed))
        if found is not None:
            return self.answer.given(found) | {self.answer.status: status(_AGAIN)}
        if self.engine.draw is not None:  # seconds, on a CPU
            return {self.answer.status: _ASKED_BY_LINK}
        return {self.answer.status: status("Probe this pair, and what the link's sender found is found again.")}


_AGAIN = "As found before: the same prompts, noise and weights give the same numbers."


def build(engine: Engine) -> PairTab:
    """Lay the tab out."""
    first = next(iter(EXAMPLES.values()))
    small = engine.model in EMBEDDED_MODELS
    gr.Markdown(
        f"Two prompts that differ in one thing, through **{engine.model}**. Plain prompts run under several noise "
        "seeds: the t over *seeds* asks whether the shift is stable under noise, and nothing more. With "
        f"`{PLACEHOLDER}` in both, they run for the 25 subjects of *dense_pose*: the t over *subjects* asks whether it "
        "generalises."
    )
    with gr.Row(elem_classes=["plantain-asked"]):
        a = gr.Textbox(first[0], label="Prompt A", lines=3)
        b = gr.Textbox(first[1], label="Prompt B", lines=3)
    words = gr.HTML(visible=small, elem_id="plantain-words", elem_classes=["plantain-line"])
    examples = gr.Examples(list(EXAMPLES.values()), [a, b], label="Examples", example_labels=list(EXAMPLES))
    with gr.Row(elem_classes=["plantain-asked"]):
        n_seeds = PAIR_SEEDS.slider(N_SEEDS, "Noise seeds (for plain prompts)")
        seed = gr.Number(0, label="First noise seed")
    with gr.Row():
        start = gr.Button("Probe this pair", variant="primary", elem_id="plantain-probe")
        halt = gr.Button("Stop", interactive=False)
    answer = _Answer(engine, halt)
    fields: dict[str, Any] = {"a": a, "b": b, "seed": seed, "seeds": n_seeds}

    def validate(values: Update) -> Update:
        checks: dict[Any, Callable[[], object]] = {
            a: lambda: check_prompt(values[a] or "", "Prompt A"),
            b: lambda: check_prompt(values[b], "Prompt B", other=values[a] or ""),
            n_seeds: lambda: PAIR_SEEDS.check(values[n_seeds], "Noise seeds"),
            seed: lambda: SEED.check(values[seed], "seed"),
        }
        return verdicts(checks)

    def run(values: Update, request: gr.Request) -> Iterator[Update]:
        with stoppable(request, "pair") as stopping:
            yield from _run(engine, answer, stopping, **{name: values[field] for name, field in fields.items()})

    if small:
        gr.on([a.change, b.change], _words_typed, [a, b], words, **LATEST)
    heavy: dict[str, Any] = ON_THE_MODEL | {"api_visibility": "private"}
    start.click(run, {*fields.values()}, answer.outputs, validator=validate, **heavy)
    halt.click(_stop, None, [halt, answer.status], **QUIET)
    # What is shown is of other prompts from the first letter on, and looks it.
    examples.dataset.click(None, None, None, js=_STALE, **QUIET)
    return PairTab(fields, answer, engine)


def _typed(a: str, b: str, seeds: Any, seed: Any) -> Typed:
    return Typed.of(a, b, PAIR_SEEDS.check(seeds, "Noise seeds"), SEED.check(seed, "seed"))


def _stop(request: gr.Request) -> tuple[Any, Any]:
    stopped = stop(request, "pair")
    return gr.Button(interactive=False), status("Stopping after the forward that runs …") if stopped else gr.skip()


class _Answer:
    """What a probed pair is answered with: a figure beside what it means and the two pictures."""

    def __init__(self, engine: Engine, halt: gr.Button) -> None:
        self.kept = Kept()
        self._engine, self.halt = engine, halt
        self.status = gr.HTML(elem_id="plantain-pair-status", elem_classes=["plantain-line"])
        hidden: dict[str, Any] = {"interactive": False, "visible": False, "buttons": ["download"]}
        hidden |= {"height": 220, "min_width": 120}
        self._found = gr.State(None)  # PairAnswer | None: what is shown, for its files
        with gr.Column(min_width=0, elem_classes=["plantain-answer"]):
            with gr.Row():
                self.pictures = [gr.Image(label=f"Prompt {side}", format="png", **hidden) for side in "AB"]
            self.claim = gr.HTML()
            with gr.Row():
                self.shift, self.plot = gr.HTML(min_width=320), gr.HTML(min_width=320)
            self.reading = gr.HTML()
            if engine.shift is None:
                gr.HTML(f'<p class="plantain-muted">{escape(NOT_OFFERED)}</p>')
            self.where = PairWhere()
            with gr.Column(visible=False, min_width=0) as self._saving:
                Export("pair", _files, [self._found, self.where.head])

    @property
    def outputs(self) -> list[Any]:
        told = [self.status, self.plot, self.reading, *self.pictures, self.claim, self.shift, self.halt]
        return [*told, self._found, self._saving, *self.where.outputs]

    def empty(self) -> Update:
        hidden = gr.update(value=None, visible=False)
        told = dict.fromkeys((self.claim, self.shift, self.plot, self.reading), "")
        away = {self._found: None, self._saving: gr.Column(visible=False)}
        return told | away | dict.fromkeys(self.pictures, hidden)

    def running(self, on: bool) -> Update:
        return {self.halt: gr.Button(interactive=on)}

    def given(self, found: PairAnswer) -> Update:
        """All that is shown of an answer, as far as it is there."""
        shift = found.shift
        claim = "" if shift is None else f'<p class="plantain-claim">{escape(shift.sentence)}</p>'
        figure = ""
        if shift is not None:
            figure = page_figure(lambda width: figures.typed.draw(shift, min(width, _HALF)), shift.table)
        t = page_figure(lambda width: found.draw_t(min(width, _HALF)), found.reading.table)
        told = {self.claim: claim, self.shift: figure, self.plot: t, self.reading: _sentences(found)}
        return told | {self._saving: gr.Column(visible=True)} | self.drawn(found)

    def drawn(self, found: PairAnswer) -> Update:
        """The part of it that is drawn after the rest."""
        shown: Update = {self._found: found}
        pair = found.result.prompts.pairs[0]
        for component, text, picture in zip(self.pictures, (pair.a, pair.b), found.images, strict=False):
            shown[component] = gr.update(value=picture, visible=True, alt_text=f"{self._engine.model} draws: {text}")
        if found.maps is not None:
            return shown | self.where.given(found.maps)
        return shown | (self.where.failed(found.failed) if found.failed else {})


def _files(found: PairAnswer | None, head: Any) -> Files:
    if found is None:  # the page was served anew
        raise InputError("Expected a probed pair; press Probe this pair first.")
    return found.files(0 if found.maps is None else index_of(head, len(found.maps.names)))


def _run(
    engine: Engine, answer: _Answer, stopping: threading.Event, a: str, b: str, seeds: float, seed: float
) -> Iterator[Update]:
    # The overlay would be taken for this run's; the rest of the last view stays until this run is sure.
    begun = answer.where.empty() | answer.running(True)
    yield {answer.status: _BEGUN} | begun
    result, lent, ended = None, False, answer.running(False)
    try:
        asked = _typed(a, b, seeds, seed)
        prompts, config = job(a, b, asked.n_seeds if PLACEHOLDER not in a else PAIR_SEEDS.low, asked.seed)
        if (kept := answer.kept.get(asked)) is not None:
            yield {answer.status: status(_AGAIN)} | answer.empty() | answer.given(kept) | ended
            return
        tokens = engine.tokens(prompts.prompts).reshape(-1, 2)
        over_subjects = len(prompts) > 1
        what = f"{len(prompts)} subjects" if over_subjects else f"{config.n_seeds} noise seeds"
        yield {answer.status: status(f"Running {what} …")}
        steps = engine.probe(prompts, config, None)
        for progress in steps:
            if stopping.is_set():
                steps.close()
                yield {answer.status: status("Stopped; nothing is kept. Probe it again at any time.")} | ended
                return
            if not lent:  # the run is sure now: the last one's view may go
                yield answer.empty()
            lent, result = True, progress.result
            where = f"Pair {progress.done} of {progress.total}" if over_subjects else what
            yield {answer.status: status(f"{where}; {time_left(progress.seconds_left)}.")}
        assert result is not None
        yield from _answered(engine, answer, PairAnswer(result, tokens), asked)
    except Exception as error:
        yield {answer.status: alert("Stopped." if lent else "Not run.", what_went_wrong(error))} | ended


def _answered(engine: Engine, answer: _Answer, found: PairAnswer, asked: Typed) -> Iterator[Update]:
    result = found.result
    done = f"Done in {result.provenance['seconds']:.1f} s."
    drawing = " Drawing both prompts …" if engine.draw is not None else ""
    yield {answer.status: status(done + drawing)} | answer.given(found) | answer.running(False)
    if engine.draw is not None:
        pair = result.prompts.pairs[0]
        found = replace(found, images=tuple(engine.draw([pair.a, pair.b], result.config.seed)))
        if engine.shift is not None:
            try:
                shift = engine.shift(pair, replace(result.config, n_seeds=1))
                found = replace(found, maps=maps_of(result, pair, shift, found.images))
            except Exception as error:  # the probe and its pictures stand
                found = replace(found, failed=what_went_wrong(error))
        yield {answer.status: status(done)} | answer.drawn(found)
    if not found.failed:
        answer.kept.put(asked, found)


def _sentences(found: PairAnswer) -> str:
    reading, result = found.reading, found.result
    said = [*reading.sentences[1:]]
    if result.untrained and result.model in EMBEDDED_MODELS:
        said.append("The pictures are what random weights draw: noise, since this model has learned nothing.")
    words = _words(result.prompts.prompts) if result.model in EMBEDDED_MODELS else ""
    return (
        f'<div class="plantain-page"><p class="plantain-note"><strong>{escape(reading.which)}</strong> '
        f"{escape(reading.caveat)}</p>{''.join(f'<p>{escape(sentence)}</p>' for sentence in said)}<p>{words}</p></div>"
    )


def _words_typed(a: str | None, b: str | None) -> str:
    """The same while they are being typed; of what is refused when the button is pressed, nothing."""
    try:
        for text in (a, b):
            if text:
                check_prompt(text, "A prompt")
    except InputError:
        return ""
    return _words(prompts_for_reading(a or "", b or ""))


def _words(prompts: Sequence[str]) -> str:
    """Sentences on words that Posebox was not trained on, or that contradict earlier ones."""
    readings = [read(text) for text in prompts]
    said = []
    if unknown := dict.fromkeys(word for reading in readings for word in reading.unknown):
        listed = ", ".join(escape(word) for word in list(unknown)[:_MOST_WORDS])
        more = f" and {len(unknown) - _MOST_WORDS} more" if len(unknown) > _MOST_WORDS else ""
        said.append(
            f"<strong>Posebox was not trained on</strong> {listed}{more}: such words change numbers and pictures in "
            "ways that mean nothing."
        )
    if conflicts := dict.fromkeys(phrase for reading in readings for phrase in reading.conflicts):
        listed = "; ".join(escape(phrase) for phrase in list(conflicts)[:_MOST_WORDS])
        said.append(f"<strong>Contradicts what is said before it:</strong> {listed}.")
    return " ".join(said)
