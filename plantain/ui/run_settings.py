"""What a run is made of, as the *Run* tab asks for it: fields, their checks, a preview of a file, the cost."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import gradio as gr

from plantain.data.csv_file import MAX_FILE_BYTES
from plantain.data.prompts import TABLES, PromptSet, check_enough, load_prompts, shipped_prompts
from plantain.data.result import ProbeResult
from plantain.data.settings import ProbeConfig
from plantain.errors import InputError
from plantain.ui import limits
from plantain.ui.engine import Engine
from plantain.ui.html import alert, html_table, status
from plantain.wording import Table, shorten

_PREVIEWED = 3


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
        pairs = {prompts: lambda: check_enough(self.pairs())}
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


def lay_out_fields() -> dict[str, Any]:
    """A field for each of ``Settings``, by its name, in the same order."""
    with gr.Row():
        prompts = gr.Dropdown(shipped_prompts(), value="dense_pose", label="Prompt set", min_width=260)
        most = f"{limits.MAX_PAIRS:,} pairs, {MAX_FILE_BYTES // 1024**2} MB"
        said = f"or your own, used instead: JSON, or CSV with columns a and b; at most {most}"
        look: dict[str, Any] = {"height": 90, "min_width": 260, "elem_classes": ["plantain-upload"]}
        upload = gr.File(label=said, file_types=[".json", *TABLES], **look)
    with gr.Row():
        seed = gr.Number(0, label="First noise seed", min_width=120)
        n_seeds = limits.RUN_SEEDS.slider(1, "Noise seeds", min_width=170)
        steps = limits.STEPS.slider(1, "Denoising steps", min_width=170)
        size = gr.Dropdown(limits.SIZES, value=limits.OWN_SIZE, label="Pixels a side", min_width=240)
    return {"prompts": prompts, "upload": upload, "seed": seed, "n_seeds": n_seeds, "steps": steps, "size": size}


def previewed(upload: str | None) -> str:
    """What an uploaded file holds, or why it cannot be used, as soon as it is there."""
    if not upload:
        return ""
    try:
        prompts = load_prompts(upload)
        check_enough(prompts)
        limits.check_work(len(prompts), ProbeConfig())
    except (InputError, OSError) as error:
        return alert("This file will not do:", error)
    first = prompts.pairs[:_PREVIEWED]
    cells = (("A", "B"), *((shorten(pair.a), shorten(pair.b)) for pair in first))
    said = f"{len(prompts)} pairs are read; the first {len(first)}"
    note = status(prompts.note) if prompts.note else ""
    return f'<div class="plantain-left">{note}{html_table(Table(said, "", cells))}</div>'


def told(engine: Engine, asked: Settings, stopped: ProbeResult | None) -> str:
    """The cost of a run of these settings; after a stop, which settings each button takes."""
    said = estimate(engine, asked)
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


def estimate(engine: Engine, asked: Settings) -> str:
    """What a run of these settings costs, before anybody presses; empty while a field is wrong."""
    try:
        return status(limits.estimate(engine, asked.pairs(), replace(asked, seed=0).config()))
    except InputError:
        return ""
