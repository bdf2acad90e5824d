"""What several commands share: a probe's settings, a run with its twin, tables on the screen."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from plantain.errors import InputError

if TYPE_CHECKING:
    from plantain.data.result import ProbeResult
    from plantain.data.settings import ProbeConfig


def add_settings(parser: argparse.ArgumentParser) -> None:
    """Settings of a probe, of ``run`` and of ``controls``."""
    parser.add_argument("--seed", type=int, default=0, help="first noise seed (default: 0)")
    parser.add_argument("--n-seeds", type=int, default=1, help="noise seeds (default: 1)")
    parser.add_argument("--steps", type=int, help="denoising steps captured (default: 1, or one for each level given)")
    parser.add_argument("--sigmas", type=float, nargs="+", help="noise levels handed to the scheduler, one a step")
    parser.add_argument(
        "--noise-levels",
        type=float,
        nargs="+",
        metavar="LEVEL",
        help="noise levels as realised, one a step: the scheduler's shift is inverted",
    )
    parser.add_argument("--guidance-scale", type=float, default=1.0, help="default: 1, no second pass")
    parser.add_argument("--height", type=int, help="pixels (default: the model's own, at most 512)")
    parser.add_argument("--width", type=int, help="pixels (default: the model's own, at most 512)")
    parser.add_argument("--batch-size", type=int, help="prompts a forward, even (default: by the model's size)")
    parser.add_argument("--channels-per-head", type=int, default=16, help="channels of a card head (default: 16)")
    parser.add_argument("--device", help="cpu, cuda, … (default: a GPU where there is one)")
    parser.add_argument("--dtype", help="float32, bfloat16 or float16 (default: by the device)")


def config_of(options: argparse.Namespace) -> ProbeConfig:
    """The settings of a probe that ``add_settings`` reads."""
    from plantain.data.settings import ProbeConfig

    levels = {"sigmas": options.sigmas, "noise_levels": options.noise_levels}
    given = {name: tuple(values) for name, values in levels.items() if values is not None}
    if len(given) == 2:
        raise InputError("--noise-levels and --sigmas contradict each other; give one of the two.")
    steps = 1 if options.steps is None else options.steps
    for name, values in given.items():
        steps = len(values)
        if options.steps not in (None, steps):
            option = f"--{name.replace('_', '-')}"
            raise InputError(f"--steps {options.steps} and {steps} {option} contradict each other; give one a step.")
    return ProbeConfig(
        seed=options.seed,
        n_seeds=options.n_seeds,
        num_inference_steps=steps,
        **given,
        guidance_scale=options.guidance_scale,
        height=options.height,
        width=options.width,
        batch_size=options.batch_size,
        channels_per_head=options.channels_per_head,
    )


def run_and_twin(options: argparse.Namespace) -> tuple[ProbeResult, ProbeResult | None]:
    """The run, and its untrained twin where one is given or lies beside it or among the shipped runs."""
    from plantain.data.result import load_result
    from plantain.data.twins import find_untrained_twin, is_untrained_twin
    from plantain.paths import RUNS

    result = load_result(options.run)
    if options.twin is not None:
        twin = load_result(options.twin)
        if not is_untrained_twin(twin, result):
            raise InputError(
                f"{options.twin} is not the untrained twin of {options.run}: that is a whole run of "
                f"{result.model}-untrained with the same prompts and settings, beside a whole run."
            )
        return result, twin
    found = find_untrained_twin(result, [Path(options.run).resolve().parent, RUNS])
    if found is None:
        return result, None
    print(f"Beside it, its untrained twin: {found[0]}.", file=sys.stderr)
    return result, found[1]


def print_tables(result: ProbeResult, n_flips: int = 1000) -> None:
    from plantain.questions.response import summarise

    if not result.complete:
        print(f"Partial run: {result.n_pairs} of {len(result.prompts)} pairs.\n")
    card, head = summarise(result, n_flips=n_flips), summarise(result, "head", n_flips=n_flips)
    print(card.text, "", *card.beyond, sep="\n")
    print(f"\nThe same over the {head.n_heads:,} attention heads, MLP left out:\n")
    print(head.text, "", *head.beyond, sep="\n")
