"""The page's three endpoints for programs: gradio clients, and MCP where ``gradio[mcp]`` is installed."""

from __future__ import annotations

import math
from typing import Any

import gradio as gr

from plantain.data.prompts import PromptSet, load_prompts, parse_csv, shipped_prompts
from plantain.data.result import ProbeResult
from plantain.data.settings import ProbeConfig
from plantain.errors import InputError
from plantain.questions.counted import Counted, check_counting
from plantain.questions.response import load_published
from plantain.questions.typed_pair import job, read_pair
from plantain.report.command import shell_command
from plantain.stats import MIN_PAIRS
from plantain.ui import catalog
from plantain.ui.engine import Engine
from plantain.ui.estimate import check_work


def build(engine: Engine) -> None:
    """Register the endpoints; everything else on the page is private."""

    def run_probe(
        prompts: str = "dense_pose",
        csv: str = "",
        seed: int = 0,
        n_seeds: int = 1,
        num_inference_steps: int = 1,
        counting: str = "card",
    ) -> dict[str, Any]:
        """Probe prompt pairs that differ in one thing: which heads respond, beside the sign-flip null.

        Args:
            prompts: name of a shipped prompt set, such as dense_pose; not used where csv is given
            csv: the text of a CSV file with the columns a and b, at least 3 pairs; or empty
            seed: first noise seed
            n_seeds: noise seeds, 1 to 16, averaged
            num_inference_steps: denoising steps captured, 1 to 8; the first one, at pure noise, is summarised
            counting: card (runs of 16 channels), card-attention, or head (the model's attention heads)

        Returns:
            Counts, null, blocks and provenance as numbers, the command that makes the run again, and the
            untrained twin's counts where its run is cached.
        """
        try:
            check_counting(counting)
            text = _text("csv", csv)
            pairs = parse_csv(text, "csv") if text.strip() else _shipped(_text("prompts", prompts))
            if len(pairs) < MIN_PAIRS:
                raise InputError(f"A t over pairs needs at least {MIN_PAIRS} pairs; got {len(pairs)}.")
            config = ProbeConfig(
                seed=_within("seed", seed, 0, 2**53),
                n_seeds=_within("n_seeds", n_seeds, 1, 16),
                num_inference_steps=_within("num_inference_steps", num_inference_steps, 1, 8),
            )
            check_work(len(pairs), config)
            return _described(_last(engine, pairs, config), counting)
        except InputError as error:
            raise _refused(error) from error

    def probe_pair(a: str, b: str, n_seeds: int = 8, seed: int = 0) -> dict[str, Any]:
        """Probe two prompts that differ in one thing, over noise seeds, or over 25 subjects with {subject} in both.

        Args:
            a: first prompt
            b: second prompt; t is of B - A
            n_seeds: noise seeds for plain prompts, 3 to 32
            seed: first noise seed

        Returns:
            Which t it is, its caveats, and per-block |t| beside the cached run's.
        """
        try:
            prompts, config = job(
                _text("a", a), _text("b", b), _within("n_seeds", n_seeds, 3, 32), _within("seed", seed, 0, 2**53)
            )
            tokens = engine.tokens(prompts.prompts).reshape(-1, 2)
            result = _last(engine, prompts, config)
            reading = read_pair(result, tokens, catalog.reference_for(result), catalog.control_for(result))
        except InputError as error:
            raise _refused(error) from error
        return {
            "model": result.model,
            "t_over": reading.over,
            "n_heads": len(reading.t),
            "n_above_3": reading.n_above,
            "sentences": list(reading.sentences),
            "blocks": [
                {"block": row[0], "max_abs_t": float(row[1]), "n_above": int(row[2]), "n_heads": int(row[3])}
                for row in reading.rows
            ],
        }

    def results(run: str = "", counting: str = "card") -> dict[str, Any]:
        """List the cached runs, and give one's numbers.

        Args:
            run: a key of the list; empty for the list alone
            counting: card (runs of 16 channels), card-attention, or head (the model's attention heads)

        Returns:
            ``{"runs": [{"run", "label"}]}``, and with a key that run's counts, null, blocks and provenance.
        """
        listed = {"runs": [{"run": key, "label": label} for label, key in catalog.choices()]}
        if not run:
            return listed
        try:
            check_counting(counting)
            folder = catalog.entry(run).folder
            if folder is None:
                return listed | {"summary": load_published().to_dict()}
            return listed | _described(catalog.load(folder), counting)
        except (InputError, OSError) as error:
            raise _refused(error) from error

    gr.api(run_probe, api_name="run_probe", concurrency_limit=1, concurrency_id="model")
    gr.api(probe_pair, api_name="probe_pair", concurrency_limit=1, concurrency_id="model")
    gr.api(results, api_name="results", queue=False)


def _refused(error: Exception) -> gr.Error:
    """Our own sentence for the caller; a wrong argument is no news for the server's log."""
    return gr.Error(str(error), print_exception=False)


def _last(engine: Engine, prompts: PromptSet, config: ProbeConfig) -> ProbeResult:
    engine.tokens(prompts.prompts)  # refuses a prompt too long before a GPU is asked for
    result = None
    for progress in engine.probe(prompts, config, None):
        result = progress.result
    assert result is not None
    return result


def _described(result: ProbeResult, counting: str) -> dict[str, Any]:
    both = catalog.beside(Counted(result, counting))
    return {
        "model": result.model,
        "prompts": result.prompts.name,
        "counting": counting,
        "summary": both.run.chosen.to_dict(),
        "attention_heads": both.run.head.to_dict(),
        "untrained_twin": both.beside(lambda twin: twin.chosen.to_dict()),
        "command": shell_command(result),
        "provenance": result.provenance,
    }


def _shipped(name: str) -> PromptSet:
    # By name alone: what a stranger sends is never used as a path.
    if name not in shipped_prompts():
        raise InputError(f"There is no shipped prompt set {name[:40]!r}; shipped: {', '.join(shipped_prompts())}.")
    return load_prompts(name)


def _text(name: str, value: object) -> str:
    if not isinstance(value, str):
        raise InputError(f"{name} must be text; got {type(value).__name__}.")
    return value


def _within(name: str, value: float, low: int, high: int) -> int:
    number = isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
    if not number or value != int(value) or not low <= value <= high:
        raise InputError(f"{name} must be a whole number from {low} to {high:,}; got {value!r}.")
    return int(value)
