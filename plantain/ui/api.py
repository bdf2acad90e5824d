"""The page's three endpoints for programs: gradio clients, and MCP where ``gradio[mcp]`` is installed."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import gradio as gr

from plantain.data.prompts import PromptSet, check_enough, load_prompts, parse_csv, shipped_prompts
from plantain.data.result import ProbeResult
from plantain.data.settings import ProbeConfig
from plantain.errors import InputError
from plantain.questions.counted import Counted, check_counting
from plantain.questions.response import THRESHOLDS, load_published
from plantain.questions.typed_pair import job, read_pair
from plantain.report.command import shell_command
from plantain.ui import catalog
from plantain.ui.engine import ON_THE_MODEL, Engine
from plantain.ui.limits import PAIR_SEEDS, RUN_SEEDS, SEED, STEPS, check_work
from plantain.wording import finite


class Endpoints:
    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def run_probe(
        self,
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
            csv: the text of a CSV file with the columns a and b, at least 3 different pairs; or empty
            seed: first noise seed
            n_seeds: noise seeds, 1 to 16, averaged
            num_inference_steps: denoising steps captured, 1 to 8; the first one, at pure noise, is summarised
            counting: card (runs of 16 channels), card-attention, or head (the model's attention heads)

        Returns:
            Counts, null, blocks and provenance as numbers, the command that makes the run again, the untrained
            twin's counts where its run is cached, and of csv how it was read and which rows are left out.
        """
        with _refusing():
            check_counting(counting)
            text = _text("csv", csv)
            pairs = parse_csv(text, "csv") if text.strip() else _shipped(_text("prompts", prompts))
            check_enough(pairs)
            seeds = SEED.check(seed, "seed"), RUN_SEEDS.check(n_seeds, "n_seeds")
            config = ProbeConfig(*seeds, STEPS.check(num_inference_steps, "num_inference_steps"))
            check_work(len(pairs), config)
            read = {"csv": pairs.note} if pairs.note else {}
            return _described(self._last(pairs, config), counting) | read

    def probe_pair(self, a: str, b: str, n_seeds: int = 8, seed: int = 0) -> dict[str, Any]:
        """Probe two prompts that differ in one thing, over noise seeds, or over 25 subjects with {subject} in both.

        Args:
            a: first prompt
            b: second prompt; t is of B - A
            n_seeds: noise seeds for plain prompts, 3 to 32
            seed: first noise seed

        Returns:
            Which t it is, its caveats, and per-block |t| beside the cached run's.
        """
        with _refusing():
            seeds = PAIR_SEEDS.check(n_seeds, "n_seeds"), SEED.check(seed, "seed")
            prompts, config = job(_text("a", a), _text("b", b), *seeds)
            tokens = self._engine.tokens(prompts.prompts).reshape(-1, 2)
            result = self._last(prompts, config)
            reading = read_pair(result, tokens, catalog.reference_for(result), catalog.control_for(result))
        blocks = []
        for name, t in zip(reading.names, reading.by_block(reading.abs_t), strict=True):
            largest, n_above = round(float(t.max()), 2), int((t > THRESHOLDS[0]).sum())
            blocks.append({"block": name, "max_abs_t": largest, "n_above": n_above, "n_heads": len(t)})
        found = {"model": result.model, "t_over": reading.over, "n_heads": len(reading.t), "n_above_3": reading.n_above}
        return found | {"sentences": list(reading.sentences), "blocks": finite(blocks)}

    def results(self, run: str = "", counting: str = "card") -> dict[str, Any]:
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
        with _refusing():
            check_counting(counting)
            folder = catalog.entry(run).folder
            if folder is None:
                return listed | {"summary": load_published().to_dict()}
            return listed | _described(catalog.load(folder), counting)

    def _last(self, prompts: PromptSet, config: ProbeConfig) -> ProbeResult:
        self._engine.tokens(prompts.prompts)  # refuses a prompt too long before a GPU is asked for
        *_, last = self._engine.probe(prompts, config, None)
        assert last.result is not None
        return last.result


def build(engine: Engine) -> None:
    """Register the endpoints; everything else on the page is private."""
    endpoints = Endpoints(engine)
    gr.api(endpoints.run_probe, api_name="run_probe", **ON_THE_MODEL)
    gr.api(endpoints.probe_pair, api_name="probe_pair", **ON_THE_MODEL)
    gr.api(endpoints.results, api_name="results", queue=False)


@contextmanager
def _refusing() -> Iterator[None]:
    """Our own sentence for the caller; a wrong argument is no news for the server's log."""
    try:
        yield
    except (InputError, OSError) as error:
        raise gr.Error(str(error), print_exception=False) from error


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
