"""The *Your pair* tab: two prompts of your own, over noise seeds or over subjects."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from typing import Any

import gradio as gr
import numpy as np

from plantain import figures, stats
from plantain.errors import InputError
from plantain.pipeline import EMBEDDED_MODELS
from plantain.posebox.reading import read
from plantain.prompts import PromptSet, check_text, load_prompts
from plantain.result import ProbeConfig, ProbeResult
from plantain.stats import MIN_PAIRS
from plantain.ui import catalog
from plantain.ui.engine import Engine
from plantain.ui.fields import verdicts, whole_number
from plantain.ui.view import image

_LOG = logging.getLogger(__name__)
PLACEHOLDER = "{subject}"
MAX_SEEDS = 32
DEFAULT_SEEDS = 8
HEADERS = ["Block", "Max |t|", "Heads at |t| > 3", "Heads", "Same block, cached run: max |t|"]
EXAMPLES = [
    [
        "A tall thin robot in a red vest and blue jeans, standing in a T-pose with arms straight out sideways at "
        "shoulder height, legs together and head level, on a stage with a black piano.",
        "A tall thin robot in a red vest and blue jeans, leaping in mid-air with straight legs split front and back, "
        "both arms flung up into a V, on a stage with a black piano.",
    ],
    [
        "{subject} standing in an A-pose with both arms straight and slanted down sideways, legs together and head "
        "level, in a gym with a rack of weights.",
        "{subject} sinking into a half-crouch with feet apart and knees flexed, both arms stretched forward at chest "
        "height, in a gym with a rack of weights.",
    ],
    [
        "A nurse in a red sweater and white trousers, standing in a T-pose, in a plain studio.",
        "A nurse in a blue sweater and white trousers, standing in a T-pose, in a plain studio.",
    ],
]


def build(engine: Engine) -> None:
    """Lay the tab out."""
    gr.Markdown(
        f"Two prompts that differ in one thing, through **{engine.model}**. Plain prompts run under several noise "
        "seeds: the t over *seeds* asks whether the shift is stable under noise, and nothing more. With "
        f"`{PLACEHOLDER}` in both, they run for the 25 subjects of *dense_pose*: the t over *subjects* asks whether it "
        "generalises."
    )
    with gr.Row():
        a = gr.Textbox(EXAMPLES[0][0], label="Prompt A", lines=2)
        b = gr.Textbox(EXAMPLES[0][1], label="Prompt B", lines=2)
    with gr.Row():
        n_seeds = gr.Slider(MIN_PAIRS, MAX_SEEDS, value=DEFAULT_SEEDS, step=1, label="Noise seeds (for plain prompts)")
        seed = gr.Number(0, label="First noise seed")
    start = gr.Button("Probe this pair", variant="primary")
    gr.Examples(EXAMPLES, [a, b], label="Examples: pose, pose over subjects, colour")
    status = gr.Markdown()
    plot = gr.Image(show_label=False, interactive=False, format="png", visible=False, buttons=["download"])
    table = gr.Dataframe(headers=HEADERS, interactive=False, visible=False, label="The same as numbers")
    with gr.Row():
        pictures = [
            gr.Image(label=f"Prompt {side}", interactive=False, visible=False, format="png", height=300)
            for side in "AB"
        ]

    def run(*values: Any) -> Iterator[list[Any]]:
        yield from _run(engine, *values)

    start.click(
        run,
        [a, b, n_seeds, seed],
        [status, plot, table, *pictures],
        validator=_validate,
        concurrency_limit=1,
        concurrency_id="model",
        api_visibility="private",
    )


def _validate(a: str, b: str, n_seeds: float, seed: float) -> list[Any]:
    """A sentence beside each field that cannot be used; nothing is queued then."""
    return verdicts(
        [
            lambda: _check_prompt(a, "Prompt A"),
            lambda: _check_prompt(b, "Prompt B", other=a),
            lambda: _check_seeds(n_seeds),
            lambda: ProbeConfig(seed=whole_number(seed)),
        ]
    )


def _check_prompt(text: str | None, name: str, other: str | None = None) -> None:
    text = (text or "").strip()
    check_text(text, name)
    strange = [found for found in re.findall(r"\{[^{}]*\}", text) if found != PLACEHOLDER]
    if strange:
        raise InputError(f"{name} holds {strange[0]}; the only placeholder is {PLACEHOLDER}.")
    if other is not None and text == other.strip():
        raise InputError("Both prompts are the same; they must differ in what you ask about.")
    if other is not None and (PLACEHOLDER in text) != (PLACEHOLDER in other):
        raise InputError(f"Write {PLACEHOLDER} in both prompts or in neither.")


def _check_seeds(n_seeds: float) -> None:
    if not MIN_PAIRS <= whole_number(n_seeds) <= MAX_SEEDS:
        raise InputError(f"Expected {MIN_PAIRS} to {MAX_SEEDS} noise seeds; got {n_seeds}.")


def _run(engine: Engine, a: str, b: str, n_seeds: float, seed: float) -> Iterator[list[Any]]:
    nothing = [gr.skip() for _ in range(4)]
    yield ["Loading the model, if this is its first run …", *nothing]
    try:
        yield from _probe_and_draw(engine, a, b, n_seeds, seed)
    except InputError as error:
        yield [f"**Not run.** {error}", *nothing]
    except gr.Error as error:  # a GPU that is busy or used up, say
        yield [f"**Not run.** {error.message}", *nothing]
    except Exception as error:
        _LOG.exception("pair failed", exc_info=error)
        yield [f"**Stopped by an error:** {type(error).__name__}; the log has the details. Try again.", *nothing]


def _probe_and_draw(engine: Engine, a: str, b: str, n_seeds: float, seed: float) -> Iterator[list[Any]]:
    nothing = [gr.skip() for _ in range(4)]
    hidden = [gr.update(value=None, visible=False) for _ in range(4)]
    over_subjects = PLACEHOLDER in a
    prompts = _fill_subjects(a, b) if over_subjects else PromptSet.from_pairs([(a, b)], name="your pair")
    config = ProbeConfig(seed=whole_number(seed), n_seeds=1 if over_subjects else whole_number(n_seeds))
    tokens = engine.tokens(prompts.prompts).reshape(-1, 2)
    yield [f"Running {config.n_seeds} noise seeds …" if not over_subjects else "Running 25 subjects …", *hidden]
    result = None
    for progress in engine.probe(prompts, config):
        result = progress.result
        where = f"Pair {progress.done} of {progress.total}; " if over_subjects else f"{config.n_seeds} noise seeds; "
        yield [f"{where}about {progress.seconds_left:.0f} s left.", *nothing]
    assert result is not None
    d = result.differences() if over_subjects else _over_seeds(result)
    reference = catalog.reference_for(result)
    plot, rows = _plot(result, d, reference, over_subjects)
    said = [_which_t(d, over_subjects), _lengths(tokens), _alignment(d, reference)]
    if engine.model in EMBEDDED_MODELS:
        said += _not_understood(prompts)
    yield ["\n\n".join(said), image(plot), gr.update(value=rows, visible=True), *nothing[:2]]
    if engine.draw is None:
        return
    yield ["\n\n".join([*said, "Drawing both prompts …"]), *nothing]
    first = prompts.pairs[0]
    drawn = engine.draw([first.a, first.b], config.seed)
    if engine.model in ("posebox-untrained", "posebox-random"):
        said.append("The pictures are what random weights draw: noise, since this model has learned nothing.")
    updates = [
        gr.update(value=picture, visible=True, alt_text=f"{engine.model} draws: {text}")
        for picture, text in zip(drawn, (first.a, first.b), strict=True)
    ]
    yield ["\n\n".join(said), *nothing[:2], *updates]


def _not_understood(prompts: PromptSet) -> list[str]:
    """Sentences on words that Posebox was not trained on, or that contradict earlier ones."""
    readings = [read(text) for text in prompts.prompts]
    said = []
    if unknown := dict.fromkeys(word for reading in readings for word in reading.unknown):
        said.append(
            f"**Posebox was not trained on** {', '.join(unknown)}: such words change numbers and pictures in ways that "
            "mean nothing."
        )
    if conflicts := dict.fromkeys(phrase for reading in readings for phrase in reading.conflicts):
        said.append(f"**Contradicts what is said before it:** {'; '.join(conflicts)}.")
    return said


def _fill_subjects(a: str, b: str) -> PromptSet:
    """One pair for each subject of ``dense_pose``, with its article, capitalised at the start of a prompt."""
    pairs = []
    for pair in load_prompts("dense_pose").pairs:
        subject = str(pair.tags["subject"])
        named = f"{'an' if subject[0] in 'aeiou' else 'a'} {subject}"
        filled = (text.replace(PLACEHOLDER, named) for text in (a.strip(), b.strip()))
        first, second = (text[:1].upper() + text[1:] for text in filled)
        pairs.append((first, second))
    return PromptSet.from_pairs(pairs, name="your pair over subjects")


def _over_seeds(result: ProbeResult) -> np.ndarray:
    """Differences of the one pair under each noise seed: (n_seeds, n_heads)."""
    return np.concatenate([result.differences(seed=seed) for seed in result.config.seeds])


def _plot(
    result: ProbeResult, d: np.ndarray, reference: ProbeResult | None, over_subjects: bool
) -> tuple[figures.Picture, list[list[Any]]]:
    names = result.head_map.block_names
    block = result.head_map.table()["block_index"]
    abs_t = [np.abs(stats.paired_t(d))[block == i] for i in range(len(names))]
    cached = None
    if reference is not None:
        t = np.abs(stats.paired_t(reference.differences()))
        cached = [t[block == i] for i in range(len(names))]
    over = f"{len(d)} subjects" if over_subjects else f"{len(d)} noise seeds of one pair"
    picture = figures.pair_over_reference(
        abs_t, cached, names, f"your prompts, t over {over}", "dense_pose, t over 25 pairs"
    )
    rows = [
        [
            name,
            f"{abs_t[i].max():.2f}",
            int((abs_t[i] > 3).sum()),
            len(abs_t[i]),
            "—" if cached is None else f"{cached[i].max():.2f}",
        ]
        for i, name in enumerate(names)
    ]
    return picture, rows


def _which_t(d: np.ndarray, over_subjects: bool) -> str:
    n_above = int((np.abs(stats.paired_t(d)) > 3).sum())
    count = f"{n_above:,} of {d.shape[1]:,} card heads lie at |t| > 3"
    if over_subjects:
        return (
            f"**t over {len(d)} subjects: {count}.** The same words changed in every pair, so this may be the words "
            "as well as what they mean; only control prompts could tell."
        )
    return (
        f"**t over {len(d)} noise seeds of one pair: {count}.** This is n = 1 in prompts: a large |t| says that the "
        "shift is stable under noise, not that it holds for another subject or wording. Where noise moves a head "
        "little, |t| is large for any two prompts."
    )


def _lengths(tokens: np.ndarray) -> str:
    a, b = tokens[:, 0], tokens[:, 1]
    if (a == b).all():
        return "Both sides have the same number of tokens."
    gap = float((b - a).mean())
    return (
        f"**Unequal length:** B is {abs(gap):g} tokens {'longer' if gap > 0 else 'shorter'} on average ({b.mean():g} "
        f"against {a.mean():g}). The transformer sees the padding, so length alone shifts heads in single blocks."
    )


def _alignment(d: np.ndarray, reference: ProbeResult | None) -> str:
    if reference is None:
        return "There is no cached *dense_pose* run of these weights and settings to lay it over."
    found = stats.axis_alignment(d.mean(axis=0), reference.differences())
    r, low, high = (figures.signed(value, 2) for value in (found.r, *np.nanquantile(found.null, [0.025, 0.975])))
    return (
        f"Along the T-pose-to-expressive axis of the cached run: r = {r} (95 % of sign-flipped axes give {low} to "
        f"{high}; p = {found.p:.3f}). It says how alike the two shifts are, whatever drives them."
    )
