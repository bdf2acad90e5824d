"""The command line: ``python -m plantain run | report | push | controls | compare | stability | audit | dose``."""

from __future__ import annotations

import argparse
import contextlib
import re
import signal
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from plantain import cli_checks, cli_controls
from plantain.errors import InputError

if TYPE_CHECKING:
    from plantain.result import ProbeConfig, ProbeResult

# A kill that cannot be caught loses at most the pairs of this time.
_SAVE_EVERY_SECONDS = 2.0
EXIT_BAD_INPUT = 2
EXIT_INTERRUPTED = 130


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise InputError(f"{message[:1].upper()}{message[1:]}. See `{self.prog} --help`.")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status: 0, 2 for input that cannot be used, 130 when interrupted."""
    try:
        options = _parser().parse_args(arguments)
        return int(options.command(options))
    except InputError as error:
        print(f"plantain: {error}", file=sys.stderr)
        return EXIT_BAD_INPUT
    except KeyboardInterrupt:
        print("plantain: interrupted.", file=sys.stderr)
        return EXIT_INTERRUPTED
    except BrokenPipeError:  # `plantain report … | head`
        sys.stderr.close()
        return 0


def _run(options: argparse.Namespace) -> int:
    from plantain.prompts import load_prompts
    from plantain.result import load_result
    from plantain.stats import MIN_PAIRS

    # Everything that can be refused is refused before a model is loaded.
    config = config_of(options)
    prompts = load_prompts(options.prompts)
    if len(prompts) < MIN_PAIRS:
        raise InputError(
            f"A t over pairs needs at least {MIN_PAIRS} pairs; {prompts.name!r} has {len(prompts)}. Add pairs."
        )
    model = options.model or _default_model()
    _check_twin(model, options)
    if options.price_per_hour is not None:
        from plantain.estimate import check_price

        check_price(options.price_per_hour)
    out = Path(options.out or _default_out(prompts.name, model, options.untrained))
    resume = None
    if out.exists() and not out.is_dir():
        raise InputError(f"{out} is a file; give --out a folder.")
    if options.resume:
        resume = load_result(out)
    elif out.is_dir() and any(out.iterdir()):
        raise InputError(f"{out} is not empty; give another --out, or --resume to go on with the run in it.")

    dataset = None
    if options.push is not None:
        from plantain.results_repo import check_push

        dataset = _dataset(options.push or None, "--push")
        check_push(dataset, options.private)
    elif options.private:
        raise InputError("--private is about the dataset that --push makes; give --push as well.")
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"Cannot make the folder {out}: {error.strerror}. Give another --out.") from error

    from plantain.pipeline import load_pipeline

    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a polite kill saves, as Ctrl-C does
    try:
        print(f"Loading {model} …", file=sys.stderr)
        bill = _Bill(options.price_per_hour)
        pipe = load_pipeline(model, options.device, options.dtype, options.untrained, options.weights_seed or 0)
        bill.expect(pipe, len(prompts) - (resume.n_pairs if resume else 0), config)
        result = _probe(pipe, prompts, config, resume, out, bill)
    finally:
        with contextlib.suppress(OSError):
            out.rmdir()  # only an empty folder goes: the one made above, when no pair was saved
    if result is None:
        return EXIT_INTERRUPTED
    print(f"Saved {result.n_pairs} pairs to {out}.", file=sys.stderr)
    bill.settle()
    print(file=sys.stderr)
    _print_tables(result)
    if dataset is not None:
        _push_saved(result, dataset, options.private, out)
    print(f"\nTables and figures: python -m plantain report {out}", file=sys.stderr)
    return 0


class _Bill:
    """Time and cost on a rented machine, on stderr; says nothing where no price is given."""

    def __init__(self, price_per_hour: float | None) -> None:
        self._price = price_per_hour
        self._started = time.monotonic()
        self._loaded_in = 0.0
        self._expected: Any = None

    def expect(self, pipe: Any, n_pairs: int, config: ProbeConfig) -> None:
        """Once the model is loaded: what the probe is expected to take."""
        if self._price is None:
            return
        from plantain.estimate import before

        self._loaded_in = time.monotonic() - self._started
        self._expected = before(pipe, n_pairs, config)
        self._say("Expected", self._expected.seconds)

    def correct(self, done: int, write: Callable[[str], None]) -> None:
        """After the first batch of this session: what it says of the rest."""
        if self._expected is None or self._expected.measured:
            return
        seconds = time.monotonic() - self._started - self._loaded_in
        self._expected = self._expected.after(done, seconds)
        self._say(f"By the first {done} of {self._expected.n_pairs} pairs", self._expected.seconds, write)

    def settle(self) -> None:
        """At the end: what it took."""
        if self._price is not None:
            self._say("Measured", time.monotonic() - self._started - self._loaded_in)

    def _say(self, what: str, seconds: float, write: Callable[[str], None] | None = None) -> None:
        from plantain.estimate import cost, duration

        assert self._price is not None
        line = (
            f"{what}: {duration(seconds)} for the probe, {duration(self._loaded_in)} for loading; together "
            f"{cost(seconds + self._loaded_in, self._price)} at {self._price:g} an hour."
        )
        write(line) if write is not None else print(line, file=sys.stderr)


def _probe(
    pipe: Any, prompts: Any, config: ProbeConfig, resume: ProbeResult | None, out: Path, bill: _Bill
) -> ProbeResult | None:
    """Probe with a progress bar, saving on the way; None when interrupted, with the pairs done saved."""
    from tqdm import tqdm

    from plantain.probe import iter_probe

    result = resume
    n_before = resume.n_pairs if resume is not None else 0
    saved_at = time.monotonic()
    try:
        with tqdm(total=len(prompts), initial=n_before, unit="pair", desc=prompts.name) as bar:
            for progress in iter_probe(pipe, prompts, config, resume):
                result = progress.result
                bar.update(progress.done - bar.n)
                if progress.done > n_before:
                    bill.correct(progress.done - n_before, lambda line: bar.write(line, file=sys.stderr))
                if result is not None and time.monotonic() - saved_at > _SAVE_EVERY_SECONDS:
                    result.save(out)
                    saved_at = time.monotonic()
    except KeyboardInterrupt:
        done = result.n_pairs if result is not None else 0
        kept = f"{done} of {len(prompts)} pairs are saved in {out}; go on with the same command and --resume."
        print(f"\nplantain: interrupted; {kept if done else 'no pair was done yet.'}", file=sys.stderr)
        return None
    finally:  # also after a crash, whose traceback follows
        if result is not None and result is not resume:
            result.save(out)
    return result


def _report(options: argparse.Namespace) -> int:
    from plantain.report import write_report

    result, twin = cli_checks.run_and_twin(options)
    folder = Path(options.out) if options.out else Path(options.run) / "report"
    _print_tables(result, options.n_flips)
    try:
        write_report(result, folder, n_flips=options.n_flips, twin=twin)
    except OSError as error:
        raise InputError(f"Cannot write the report to {folder}: {error.strerror}. Give another --out.") from error
    print(f"\nWrote {folder} (report.md, model_card.md, CSV, JSON, SVG, PDF, PNG).", file=sys.stderr)
    return 0


def _push(options: argparse.Namespace) -> int:
    from plantain.results_repo import push_run

    print(push_run(options.run, _dataset(options.to, "--to"), options.private))
    return 0


def _push_saved(result: ProbeResult, dataset: str, private: bool, out: Path) -> None:
    """Push a run that is safe on disk, and say how to try again if the Hub refuses now."""
    from plantain.results_repo import push_run

    try:
        print(f"\nPushed to {push_run(result, dataset, private)}", file=sys.stderr)
    except InputError as error:
        again = f"python -m plantain push {out} --to {dataset}"
        raise InputError(f"{error} The run is saved in {out}; push it later: {again}") from error


def _dataset(given: str | None, option: str) -> str:
    from plantain.results_repo import VARIABLE, default_repo

    dataset = given or default_repo()
    if dataset is None:
        raise InputError(f"No dataset to push to; give one as {option} OWNER/NAME, or set {VARIABLE}.")
    return dataset


def _check_twin(model: str, options: argparse.Namespace) -> None:
    from plantain.pipeline import check_untrained

    if options.weights_seed is not None and not options.untrained:
        raise InputError("--weights-seed says how the untrained twin is drawn; give --untrained as well.")
    check_untrained(model, options.untrained, options.weights_seed or 0)


def _default_out(prompts: str, model: str, untrained: bool) -> Path:
    from plantain.pipeline import model_name

    name = re.sub(r"[^A-Za-z0-9._-]+", "-", model_name(model, untrained)).strip("-.")
    return Path("runs") / f"{prompts}-{name}"


def _print_tables(result: ProbeResult, n_flips: int = 1000) -> None:
    from plantain.summary import summarise

    if not result.complete:
        print(f"Partial run: {result.n_pairs} of {len(result.prompts)} pairs.\n")
    card, head = summarise(result, n_flips=n_flips), summarise(result, "head", n_flips=n_flips)
    print(card.text, "", *card.beyond, sep="\n")
    print(f"\nThe same over the {head.n_heads:,} attention heads, MLP left out:\n")
    print(head.text, "", *head.beyond, sep="\n")


def config_of(options: argparse.Namespace) -> ProbeConfig:
    """The settings of a probe that ``_add_settings`` reads."""
    from plantain.result import ProbeConfig

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


def _default_model() -> str:
    from plantain.pipeline import default_model

    return default_model()


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="plantain", description="Which heads of FLUX.2 Klein respond to one thing in a prompt.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND", parser_class=_Parser)

    run = commands.add_parser("run", help="probe prompt pairs and save the run")
    run.set_defaults(command=_run)
    run.add_argument(
        "--model",
        help="posebox, posebox-untrained, posebox-random, a Hub id, or a folder; default: Klein on a GPU, else posebox",
    )
    run.add_argument(
        "--prompts", default="dense_pose", help="a shipped set, or a .json or .csv file (default: dense_pose)"
    )
    run.add_argument("--out", help="folder for the run (default: runs/PROMPTS-MODEL)")
    run.add_argument("--resume", action="store_true", help="go on with the interrupted run in --out")
    _add_settings(run)
    run.add_argument(
        "--untrained", action="store_true", help="probe the model with its transformer's weights drawn anew"
    )
    run.add_argument("--weights-seed", type=int, help="seed of the weights of --untrained (default: 0)")
    run.add_argument(
        "--push",
        nargs="?",
        const="",
        metavar="REPO",
        help="push the finished run to this Hub dataset (default: PLANTAIN_RESULTS_REPO); asked before the model loads",
    )
    run.add_argument("--private", action="store_true", help="where --push has to make the dataset, make it private")
    run.add_argument("--price-per-hour", type=float, help="of the machine: print what the run is expected to cost")

    report = commands.add_parser("report", help="print the card's table of a run and write its files")
    report.set_defaults(command=_report)
    report.add_argument("run", help="folder of a run, whole or partial")
    report.add_argument("--out", help="folder for the files (default: RUN/report)")
    report.add_argument(
        "--twin", help="run of the untrained twin (default: found beside RUN or among the shipped runs, if there)"
    )
    report.add_argument("--n-flips", type=int, default=1000, help="sign flips of the null (default: 1000)")

    push = commands.add_parser("push", help="push a saved run to a dataset on the Hub")
    push.set_defaults(command=_push)
    push.add_argument("run", help="folder of a complete run")
    push.add_argument("--to", metavar="REPO", help="Hub dataset, OWNER/NAME (default: PLANTAIN_RESULTS_REPO)")
    push.add_argument("--private", action="store_true", help="where the dataset has to be made, make it private")
    cli_controls.add_commands(commands, _add_settings, config_of)
    cli_checks.add_commands(commands)
    return parser


def _add_settings(parser: argparse.ArgumentParser) -> None:
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
