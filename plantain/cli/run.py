"""``run``: probe prompt pairs and save the run."""

from __future__ import annotations

import argparse
import contextlib
import re
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from plantain.cli.bill import Bill
from plantain.cli.push import dataset_of, push_saved
from plantain.cli.settings import add_settings, config_of, print_tables
from plantain.errors import InputError

if TYPE_CHECKING:
    from plantain.data.result import ProbeResult
    from plantain.data.settings import ProbeConfig

EXIT_INTERRUPTED = 130
# A kill that cannot be caught loses at most the pairs of this time.
_SAVE_EVERY_SECONDS = 2.0


def add_command(commands: Any) -> None:
    """Add it to the subparsers of the command line."""
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
    add_settings(run)
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


def _run(options: argparse.Namespace) -> int:
    from plantain.data.prompts import load_prompts
    from plantain.data.result import load_result
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
        from plantain.probe.estimate import check_price

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
        from plantain.data.dataset import check_push

        dataset = dataset_of(options.push or None, "--push")
        check_push(dataset, options.private)
    elif options.private:
        raise InputError("--private is about the dataset that --push makes; give --push as well.")
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"Cannot make the folder {out}: {error.strerror}. Give another --out.") from error

    from plantain.model.load import load_pipeline

    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a polite kill saves, as Ctrl-C does
    try:
        print(f"Loading {model} …", file=sys.stderr)
        bill = Bill(options.price_per_hour)
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
    print_tables(result)
    if dataset is not None:
        push_saved(result, dataset, options.private, out)
    print(f"\nTables and figures: python -m plantain report {out}", file=sys.stderr)
    return 0


def _probe(
    pipe: Any, prompts: Any, config: ProbeConfig, resume: ProbeResult | None, out: Path, bill: Bill
) -> ProbeResult | None:
    """Probe with a progress bar, saving on the way; None when interrupted, with the pairs done saved."""
    from tqdm import tqdm

    from plantain.probe.probe import iter_probe

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


def _check_twin(model: str, options: argparse.Namespace) -> None:
    from plantain.model.names import check_untrained

    if options.weights_seed is not None and not options.untrained:
        raise InputError("--weights-seed says how the untrained twin is drawn; give --untrained as well.")
    check_untrained(model, options.untrained, options.weights_seed or 0)


def _default_out(prompts: str, model: str, untrained: bool) -> Path:
    from plantain.model.names import model_name

    name = re.sub(r"[^A-Za-z0-9._-]+", "-", model_name(model, untrained)).strip("-.")
    return Path("runs") / f"{prompts}-{name}"


def _default_model() -> str:
    from plantain.model.load import default_model

    return default_model()
