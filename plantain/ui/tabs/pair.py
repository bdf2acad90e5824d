"""The *Your pair* tab: two prompts of your own, over noise seeds or over subjects."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import gradio as gr

from plantain.data.prompts import PromptSet
from plantain.data.settings import ProbeConfig
from plantain.errors import InputError
from plantain.model.names import EMBEDDED_MODELS
from plantain.posebox.words.reading import read
from plantain.questions.typed_pair import (
    MAX_SEEDS,
    PLACEHOLDER,
    PairReading,
    check_n_seeds,
    check_prompt,
    job,
    prompts_for_reading,
    read_pair,
)
from plantain.report.figures import response as figures
from plantain.report.picture import Picture
from plantain.stats import MIN_PAIRS
from plantain.ui import catalog
from plantain.ui.engine import Engine
from plantain.ui.fields import verdicts, whole_number
from plantain.ui.html import page_figure

_LOG = logging.getLogger(__name__)
DEFAULT_SEEDS = 8
_MOST_WORDS = 12  # named one by one
_THREE_FIFTHS = 6.0  # inches: the figure shares its row with what it means
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


@dataclass(frozen=True)
class PairTab:
    """What a link sets."""

    a: gr.Textbox
    b: gr.Textbox
    seed: gr.Number
    n_seeds: gr.Slider


def build(engine: Engine) -> PairTab:
    """Lay the tab out."""
    first = next(iter(EXAMPLES.values()))
    gr.Markdown(
        f"Two prompts that differ in one thing, through **{engine.model}**. Plain prompts run under several noise "
        "seeds: the t over *seeds* asks whether the shift is stable under noise, and nothing more. With "
        f"`{PLACEHOLDER}` in both, they run for the 25 subjects of *dense_pose*: the t over *subjects* asks whether it "
        "generalises."
    )
    with gr.Row():
        a = gr.Textbox(first[0], label="Prompt A", lines=3)
        b = gr.Textbox(first[1], label="Prompt B", lines=3)
    words = gr.Markdown(visible=engine.model in EMBEDDED_MODELS, elem_id="plantain-words")
    gr.Examples(list(EXAMPLES.values()), [a, b], label="Examples", example_labels=list(EXAMPLES))
    with gr.Row():
        n_seeds = gr.Slider(MIN_PAIRS, MAX_SEEDS, value=DEFAULT_SEEDS, step=1, label="Noise seeds (for plain prompts)")
        seed = gr.Number(0, label="First noise seed")
    start = gr.Button("Probe this pair", variant="primary")
    status = gr.Markdown(elem_id="plantain-pair-status")
    with gr.Row():
        with gr.Column(scale=3, min_width=320):
            plot = gr.HTML()
        with gr.Column(scale=2, min_width=280):
            reading = gr.HTML()
            with gr.Row():
                pictures = [
                    gr.Image(
                        label=f"Prompt {side}",
                        interactive=False,
                        visible=False,
                        format="png",
                        height=220,
                        min_width=120,
                        buttons=["download"],
                    )
                    for side in "AB"
                ]

    def run(a: str, b: str, n_seeds: float, seed: float) -> Iterator[list[Any]]:
        yield from _run(engine, a, b, n_seeds, seed)

    if engine.model in EMBEDDED_MODELS:
        gr.on(
            [a.change, b.change],
            _word_check,
            [a, b],
            words,
            queue=False,
            show_progress="hidden",
            trigger_mode="always_last",
            api_visibility="private",
        )
    start.click(
        run,
        [a, b, n_seeds, seed],
        [status, plot, reading, *pictures],
        validator=_validate,
        concurrency_limit=1,
        concurrency_id="model",
        api_visibility="private",
    )
    return PairTab(a, b, seed, n_seeds)


def _validate(a: str, b: str, n_seeds: float, seed: float) -> list[Any]:
    """A sentence beside each field that cannot be used; nothing is queued then."""
    return verdicts(
        [
            lambda: check_prompt(a, "Prompt A"),
            lambda: check_prompt(b, "Prompt B", other=a or ""),
            lambda: check_n_seeds(whole_number(n_seeds)),
            lambda: ProbeConfig(seed=whole_number(seed)),
        ]
    )


def _run(engine: Engine, a: str, b: str, n_seeds: float, seed: float) -> Iterator[list[Any]]:
    nothing = [gr.skip() for _ in range(4)]
    yield ["Loading the model, if this is its first run …", *nothing]
    lent = False
    try:
        for values in _probe_and_draw(engine, a, b, n_seeds, seed):
            lent = lent or values[1:] != nothing
            yield values
    except InputError as error:
        yield [f"**{'Stopped' if lent else 'Not run'}.** {error}", *nothing]
    except gr.Error as error:  # a GPU that is busy or used up, say
        yield [f"**{'Stopped' if lent else 'Not run'}.** {error.message}", *nothing]
    except Exception as error:
        _LOG.exception("pair failed", exc_info=error)
        yield [f"**Stopped by an error:** {type(error).__name__}; the log has the details. Try again.", *nothing]


def _probe_and_draw(engine: Engine, a: str, b: str, n_seeds: float, seed: float) -> Iterator[list[Any]]:
    nothing = [gr.skip() for _ in range(4)]
    hidden = [gr.update(value=None, visible=False) for _ in range(2)]
    prompts, config = job(a, b, whole_number(n_seeds), whole_number(seed))
    over_subjects = len(prompts) > 1
    tokens = engine.tokens(prompts.prompts).reshape(-1, 2)
    yield [f"Running {config.n_seeds} noise seeds …" if not over_subjects else "Running 25 subjects …", *nothing]
    result = None
    for progress in engine.probe(prompts, config, None):
        if result is None:  # the run is sure now: the last one's view may go
            yield [gr.skip(), "", "", *hidden]
        result = progress.result
        where = f"Pair {progress.done} of {progress.total}; " if over_subjects else f"{config.n_seeds} noise seeds; "
        yield [f"{where}about {progress.seconds_left:.0f} s left.", *nothing]
    assert result is not None
    reading = read_pair(result, tokens, catalog.reference_for(result), catalog.control_for(result))
    said = [*reading.sentences]
    if engine.model in ("posebox-untrained", "posebox-random"):
        said.append("The pictures are what random weights draw: noise, since this model has learned nothing.")
    done = f"Done in {result.provenance['seconds']:.1f} s."
    shown = [_figure(reading), _sentences(said, prompts if engine.model in EMBEDDED_MODELS else None)]
    if engine.draw is None:
        yield [done, *shown, *nothing[:2]]
        return
    yield [f"{done} Drawing both prompts …", *shown, *nothing[:2]]
    first = prompts.pairs[0]
    drawn = engine.draw([first.a, first.b], config.seed)
    updates = [
        gr.update(value=picture, visible=True, alt_text=f"{engine.model} draws: {text}")
        for picture, text in zip(drawn, (first.a, first.b), strict=True)
    ]
    yield [done, *nothing[:2], *updates]


def _figure(reading: PairReading) -> str:
    def draw(width: float) -> Picture:
        return figures.pair_over_reference(
            reading.by_block(reading.abs_t),
            None if reading.reference is None else reading.by_block(reading.reference),
            reading.names,
            f"your prompts, t over {reading.over}",
            "dense_pose, t over 25 pairs",
            width=min(width, _THREE_FIFTHS),
        )

    return page_figure(draw, reading.table)


def _sentences(said: Sequence[str], prompts: PromptSet | None) -> str:
    first, *rest = said
    which, caveat = first.split(". ", 1)
    words = "" if prompts is None else _words(prompts.prompts)
    return (
        f'<div class="plantain-page"><p class="plantain-note"><strong>{escape(which)}.</strong> {escape(caveat)}</p>'
        f"{''.join(f'<p>{escape(sentence)}</p>' for sentence in rest)}<p>{words}</p></div>"
    )


def _word_check(a: str, b: str) -> str:
    """Which words Posebox does not know, while they are being typed."""
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
