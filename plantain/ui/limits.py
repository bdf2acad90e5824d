"""What one visitor may ask of the page, and how long it takes: what its fields, links and endpoints share."""

import re
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr

from plantain.data.prompts import PromptSet
from plantain.data.result import ProbeResult
from plantain.data.settings import ProbeConfig
from plantain.errors import InputError, is_number
from plantain.questions.typed_pair import MAX_SEEDS
from plantain.stats import MIN_PAIRS
from plantain.ui import catalog
from plantain.ui.engine import Engine
from plantain.wording import duration

# A page serves many: what would keep the model for longer than some minutes belongs on the command line.
MAX_PAIRS, MAX_PASSES = 1000, 6400
# Of a page that many may reach: runs that are saved beside it, and room that is left on its disk.
MAX_SAVED, MIN_FREE_BYTES = 1000, 500 * 1000**2
# Browser tabs that the server remembers, the last ones: gradio keeps some 2 MB and what was run for each, for ever.
MAX_SESSIONS = 200
# A request's body: a prompt file, which is of 10 MB at most, in its wrapping.
MAX_BODY_BYTES = 12 * 1024**2
OWN_SIZE = "its own, at most 512"
SIZES = [OWN_SIZE, "64", "128", "256", "384", "512", "768", "1024"]


@dataclass(frozen=True)
class Whole:
    """Whole numbers from ``low`` to ``high``, both among them.

    >>> limits.STEPS.check(2.0, "steps")
    2
    """

    low: int
    high: int

    def check(self, value: Any, name: str) -> int:
        """The value as an int (number fields give floats, and None when empty); InputError for any other."""
        if is_number(value) and self.low <= value <= self.high and value == int(value):
            return int(value)
        got = "nothing" if value is None else repr(value)
        got = got if len(got) <= 40 else f"{got[:40]}…"
        raise InputError(f"{name} must be a whole number from {self.low} to {self.high:,}; got {got}.")

    def slider(self, value: int, label: str, **settings: Any) -> gr.Slider:
        return gr.Slider(self.low, self.high, value=value, step=1, label=label, **settings)

    def read(self, text: str, name: str) -> int:
        """The same of a link's text: at most 16 digits alone."""
        plain = re.fullmatch("[0-9]{1,16}", text)
        return self.check(int(text) if plain else text, name)


SEED = Whole(0, 2**53)  # a browser's numbers are exact so far
RUN_SEEDS = Whole(1, 16)
PAIR_SEEDS = Whole(MIN_PAIRS, MAX_SEEDS)
STEPS = Whole(1, 8)


def check_work(n_pairs: int, config: ProbeConfig) -> None:
    """Refuse, with an InputError, a run that would keep other visitors waiting for too long."""
    n_passes = passes(n_pairs, config)
    if n_pairs > MAX_PAIRS:
        raise InputError(f"The page runs at most {MAX_PAIRS:,} pairs; got {n_pairs:,}. Use `python -m plantain run`.")
    if n_passes > MAX_PASSES:
        raise InputError(
            f"This run passes {n_passes:,} prompts through the model, and the page at most {MAX_PASSES:,}; choose "
            "fewer seeds, steps or pairs, or use `python -m plantain run`."
        )


def check_room(folder: Path) -> None:
    """Refuse, with an InputError, one more run where there are very many, or the disk is almost full."""
    there = next(path for path in (folder, *folder.parents) if path.is_dir())
    n_saved, free = len(list(folder.glob("*/run.json"))), shutil.disk_usage(there).free
    if n_saved >= MAX_SAVED:
        raise InputError(f"The page saves at most {MAX_SAVED:,} runs, and {n_saved:,} are there. Move some away.")
    if free < MIN_FREE_BYTES:
        raise InputError(
            f"Less than {MIN_FREE_BYTES // 1000**2} MB are free on the disk ({free // 1000**2}). Make room."
        )


def passes(n_pairs: int, config: ProbeConfig) -> int:
    """How many prompts a run sends through the model, each seed and step anew."""
    return 2 * n_pairs * config.n_seeds * config.num_inference_steps


def estimate(engine: Engine, prompts: PromptSet, config: ProbeConfig) -> str:
    """Prompts, forwards and seconds of a run, said before anybody presses, with what the guess rests on."""
    n_passes = passes(len(prompts), config)
    work = f"{len(prompts)} pairs × 2 prompts"
    for n, what in ((config.n_seeds, "seeds"), (config.num_inference_steps, "steps")):
        work += f" × {n} {what}" if n > 1 else ""
    said = f"{work} = {n_passes:,} passes through the model"
    try:
        check_work(len(prompts), config)
    except InputError as error:
        return f"{said}. {error}"
    if engine.gpu_seconds is not None:
        return f"{said}. It asks for {engine.gpu_seconds(prompts, config)} seconds of GPU; unused ones are given back."
    cached = catalog.cached_of(engine.model)
    if cached is None:
        return f"{said}. No run of this model is cached to guess its speed from; the time left shows once it runs."
    tokens_run = passes(cached.n_pairs, cached.config) * int(cached.token_counts[0, 0].sum())
    seconds_a_token = float(cached.provenance.get("seconds", 0.0)) / tokens_run
    seconds = seconds_a_token * n_passes * _tokens(cached, config)
    device = cached.provenance.get("device", "its device")
    about = duration(seconds) if seconds < 0.95 else f"about {duration(seconds)}"
    return f"{said}: {about}, at the speed of the cached run on {device}."


def _tokens(cached: ProbeResult, config: ProbeConfig) -> float:
    """Tokens of a forward at the wanted size, from those of the cached run at its own."""
    n_image, *text = (int(n) for n in cached.token_counts[0, 0])
    area = float(cached.provenance.get("height", 1)) * float(cached.provenance.get("width", 1))
    wanted = area if config.height is None or config.width is None else float(config.height * config.width)
    return n_image * wanted / area + sum(text)


def pixels(size: object) -> int | None:
    """Height and width of a size in the menu; None for the model's own."""
    if not isinstance(size, str) or size not in SIZES:
        raise InputError(f"Expected one of the listed sizes; got {str(size)[:20]!r}.")
    return None if size == OWN_SIZE else int(size)


def verdicts(checks: Mapping[Any, Callable[[], object]]) -> dict[Any, Any]:
    """For ``validator=``: each field's InputError beside it; a field that fails keeps its event out of the queue."""
    found = {}
    for field, check in checks.items():
        try:
            check()
            found[field] = gr.validate(True, "")
        except InputError as error:
            found[field] = gr.validate(False, str(error))
    return found
