"""What several commands share: a probe's settings, its model, the folder it writes to, a run with its twin, tables."""

import argparse
import contextlib
import signal
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tqdm import tqdm

from plantain.data.prompts import PromptSet, load_prompts
from plantain.data.result import ProbeResult, load_result
from plantain.data.settings import ProbeConfig
from plantain.data.twins import check_twin, find_untrained_twin
from plantain.errors import InputError
from plantain.paths import RUNS
from plantain.probe.ranks import Ranks
from plantain.questions.counted import Counted


def add_settings(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--seed", type=int, default=0, help="first noise seed (default: 0)")
    add("--n-seeds", type=int, default=1, help="noise seeds (default: 1)")
    add("--steps", type=int, help="denoising steps captured (default: 1, or one for each level given)")
    add("--sigmas", type=float, nargs="+", help="noise levels handed to the scheduler, one a step")
    said = "noise levels as realised, one a step: the scheduler's shift is inverted"
    add("--noise-levels", type=float, nargs="+", metavar="LEVEL", help=said)
    add("--guidance-scale", type=float, default=1.0, help="default: 1, no second pass")
    add("--height", type=int, help="pixels (default: the model's own, at most 512)")
    add("--width", type=int, help="pixels (default: the model's own, at most 512)")
    add("--batch-size", type=int, help="prompts a forward, even (default: by the model's size)")
    add("--channels-per-head", type=int, default=16, help="channels of a card head (default: 16)")
    add("--device", help="cpu, cuda, … (default: a GPU where there is one)")
    add("--dtype", help="float32, bfloat16 or float16 (default: by the device)")


def add_weights(parser: argparse.ArgumentParser) -> None:
    """Which weights, of ``run`` and of ``dense``."""
    add = parser.add_argument
    add("--untrained", action="store_true", help="take the model with its transformer's weights drawn anew")
    add(
        "--permuted",
        action="store_true",
        help="take the model with its transformer's weights shuffled, tensor by tensor",
    )
    add("--weights-seed", type=int, help="seed of the weights that are drawn or shuffled (default: 0)")


def prompts_of(source: str) -> PromptSet:
    """Load a prompt set, and print how its file was read: once, where several processes read it."""
    prompts = load_prompts(source)
    if prompts.note and Ranks.here().first:
        print(prompts.note, file=sys.stderr)
    return prompts


def config_of(options: argparse.Namespace) -> ProbeConfig:
    levels = {"sigmas": options.sigmas, "noise_levels": options.noise_levels}
    given: dict[str, Any] = {name: tuple(values) for name, values in levels.items() if values is not None}
    if len(given) == 2:
        raise InputError("--noise-levels and --sigmas contradict each other; give one of the two.")
    steps = 1 if options.steps is None else options.steps
    for name, values in given.items():
        steps = len(values)
        if options.steps not in (None, steps):
            option = f"--{name.replace('_', '-')}"
            raise InputError(f"--steps {options.steps} and {steps} {option} contradict each other; give one a step.")
    same = ("seed", "n_seeds", "guidance_scale", "height", "width", "batch_size", "channels_per_head")
    return ProbeConfig(num_inference_steps=steps, **given, **{name: getattr(options, name) for name in same})


def model_of(options: argparse.Namespace) -> str:
    """The model that is asked for, or the one for this machine."""
    if options.model:
        return str(options.model)
    from plantain.model.default import default_model  # torch, where there is a GPU

    return default_model()


def load(options: argparse.Namespace, model: str, untrained: bool | str = False, weights_seed: int = 0) -> Any:
    """Load the model of a long command; from here on a polite kill saves, as Ctrl-C does."""
    from plantain.model.load import load_pipeline  # torch

    signal.signal(signal.SIGTERM, signal.default_int_handler)
    print(f"Loading {model} …", file=sys.stderr)
    return load_pipeline(model, options.device, options.dtype, untrained, weights_seed)


@contextlib.contextmanager
def writing(folder: str | Path, advice: str = "Give another --out.") -> Iterator[None]:
    """Whatever keeps files from being written there, in one sentence."""
    try:
        yield
    except OSError as error:
        raise InputError(f"Cannot write to {folder}: {error.strerror or error}. {advice}") from error


@contextlib.contextmanager
def made(folder: Path, advice: str = "Give another --out.") -> Iterator[None]:
    """A folder that is there and can be written to, known before anything long; gone again where nothing came of it."""
    try:
        with writing(folder, advice):
            if folder.exists() and not folder.is_dir():
                raise InputError(f"{folder} is a file where a folder was expected. {advice}")
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=folder) as file:
                file.write(b"room")
        yield
    finally:
        with contextlib.suppress(OSError):
            folder.rmdir()  # only an empty folder goes


def run_and_twin(options: argparse.Namespace) -> tuple[ProbeResult, ProbeResult | None]:
    """The run, and its untrained twin where one is given or lies beside it or among the shipped runs."""
    result = load_result(options.run)
    if options.twin is not None:
        twin = load_result(options.twin)
        check_twin(twin, result, (options.twin, options.run))
        return result, twin
    found = find_untrained_twin(result, [Path(options.run).resolve().parent, RUNS])
    if found is None:
        return result, None
    print(f"Beside it, its untrained twin: {found[0]}.", file=sys.stderr)
    return result, found[1]


class FlipBar:
    """A bar for each null that takes longer than ``delay`` seconds, on stderr.

    >>> Counted(result, n_flips=10**7, report=FlipBar())
    """

    def __init__(self, delay: float = 2.0) -> None:
        self._delay = delay
        self._bar: tqdm[Any] | None = None

    def __call__(self, share: float) -> None:
        if self._bar is None:
            said = "{l_bar}{bar}| {remaining} left"
            self._bar = tqdm(total=1.0, desc="sign flips", delay=self._delay, leave=False, bar_format=said)
        self._bar.update(share - self._bar.n)
        if share >= 1:
            self._bar.close()
            self._bar = None


def print_tables(run: Counted) -> None:
    """The card's table over card heads, and over attention heads."""
    result = run.result
    if not result.complete:
        print(f"Partial run: {result.n_pairs} of {len(result.prompts)} pairs.\n")
    card, head = run.card, run.head
    print(card.text, "", *card.beyond, sep="\n")
    print(f"\nThe same over the {head.n_heads:,} attention heads, MLP left out:\n")
    print(head.text, "", *head.beyond, sep="\n")
