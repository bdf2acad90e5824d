"""``run``: probe prompt pairs and save the run."""

import argparse
import contextlib
import sys
from pathlib import Path
from typing import Any

from tqdm import tqdm

from plantain.cli.bill import Bill
from plantain.cli.draw import draw_run, drawn_before
from plantain.cli.push import dataset_of, push_saved
from plantain.cli.settings import (
    add_settings,
    add_weights,
    config_of,
    load,
    made,
    model_of,
    print_tables,
    prompts_of,
    writing,
)
from plantain.data.disk import is_free
from plantain.data.prompts import PromptSet, check_enough
from plantain.data.result import ProbeResult, load_result
from plantain.data.settings import ProbeConfig
from plantain.errors import InputError
from plantain.model.names import PERMUTED, check_untrained, model_name
from plantain.paths import safe_name
from plantain.probe.ranks import Ranks, check_free
from plantain.questions.counted import Counted
from plantain.wording import shell_line


def add_command(commands: Any) -> None:
    parser = commands.add_parser("run", help="probe prompt pairs and save the run")
    parser.set_defaults(command=_run)
    add = parser.add_argument
    said = "posebox, posebox-untrained, posebox-random, a Hub id, or a folder; default: Klein on a GPU, else posebox"
    add("--model", help=said)
    add("--prompts", default="dense_pose", help="a shipped set, or a .json or .csv file (default: dense_pose)")
    add("--out", help="folder for the run (default: runs/PROMPTS-MODEL)")
    add("--resume", action="store_true", help="go on with the interrupted run in --out")
    add("--draw", action="store_true", help="then draw every prompt from the same noise, into the run")
    add_settings(parser)
    add_weights(parser)
    said = "push the finished run to this Hub dataset (default: PLANTAIN_RESULTS_REPO); asked before the model loads"
    add("--push", nargs="?", const="", metavar="REPO", help=said)
    add("--private", action="store_true", help="where --push has to make the dataset, make it private")
    add("--price-per-hour", type=float, help="of the machine: print what the run is expected to cost")


def _run(options: argparse.Namespace) -> int:
    """Everything that can be refused is refused before a model is loaded."""
    config, prompts = config_of(options), prompts_of(options.prompts)
    check_enough(prompts)
    (model, untrained), bill = checked_model(options), Bill(options.price_per_hour)
    out = Path(options.out or default_out(prompts.name, model, untrained))
    if Ranks.here().several:
        return _run_shared(options, prompts, config, out)
    resume = _resumed(out, options.resume)
    pictures = drawn_before(out, prompts, options.resume) if options.draw else None
    dataset = dataset_of(options)
    with made(out):
        pipe = load(options, model, untrained, options.weights_seed or 0)
        bill.expect(pipe, len(prompts) - (resume.n_pairs if resume else 0), config)
        result = _probe(pipe, prompts, config, resume, out, bill)
    print(f"Saved {result.n_pairs} pairs to {out}.", file=sys.stderr)
    bill.settle()
    print(file=sys.stderr)
    print_tables(Counted(result))
    if dataset is not None:
        push_saved(result, dataset, options.private, out)
    if options.draw:
        draw_run(pipe, prompts, config, out, pictures)
    print(f"\nTables and figures: {shell_line('report', out)}", file=sys.stderr)
    return 0


def _run_shared(options: argparse.Namespace, prompts: PromptSet, config: ProbeConfig, out: Path) -> int:
    """This process's part of a run that several were started for (``accelerate launch``); the first one tells of it."""
    from plantain.probe.shared import choose_batch, iter_shared, joined  # torch

    ranks = Ranks.here()
    ranks.meet()
    model, untrained = checked_model(options)
    if options.draw or options.push is not None:
        raise InputError(
            "Several processes probe alone; draw and push the finished run (plantain draw, plantain push)."
        )
    check_free(out, ranks, options.resume)
    ranks.take_device()
    pipe = load(options, model, untrained, options.weights_seed or 0)
    with writing(out):
        choose_batch(pipe, prompts, config, out, ranks)
    steps = contextlib.closing(iter_shared(pipe, prompts, config, out, ranks))
    said = f"{prompts.name}, process {ranks.rank + 1} of {ranks.size}"
    try:
        with tqdm(unit="pair", desc=said, disable=not ranks.first) as bar, steps as running:
            for progress in running:
                bar.total = progress.total
                bar.update(progress.done - bar.n)
    except KeyboardInterrupt:
        raise KeyboardInterrupt(f"what is done is saved; go on with the same command and --resume ({said})") from None
    ranks.wait()
    if not ranks.first:
        return 0
    with made(out):
        result = joined(prompts, config, out, ranks)
    print(f"Saved {result.n_pairs} pairs of {ranks.size} processes to {out}.\n", file=sys.stderr)
    print_tables(Counted(result))
    return 0


def default_out(prompts: str, model: str, untrained: bool | str) -> Path:
    """Where a run goes that is given no folder: ``runs/dense_pose-posebox-untrained``, say."""
    return Path("runs", safe_name(f"{safe_name(prompts)}-{safe_name(model_name(model, untrained))}"))


def checked_model(options: argparse.Namespace) -> tuple[str, bool | str]:
    """The model that is asked for, and which of its untrained twins, as ``load_pipeline`` takes them."""
    model = model_of(options)
    if options.untrained and options.permuted:
        raise InputError("--untrained draws the weights anew and --permuted shuffles them; give one of the two.")
    untrained = PERMUTED if options.permuted else options.untrained
    if options.weights_seed is not None and not untrained and not getattr(options, "grafted", False):
        raise InputError("--weights-seed says how the untrained twin is drawn; give --untrained as well.")
    check_untrained(model, untrained, (options.weights_seed or 0) if untrained else 0)
    return model, untrained


def _resumed(out: Path, wanted: bool) -> ProbeResult | None:
    """The run to go on with, or None for a new one; refused where that would write over something."""
    with writing(out):
        free = is_free(out) if out.is_dir() else not wanted
    if wanted and not free:
        return load_result(out)
    if not free:
        raise InputError(f"{out} is not empty; give another --out, or --resume to go on with the run in it.")
    if wanted:
        print(f"No pair was saved in {out}; starting afresh.", file=sys.stderr)
    return None


def _probe(
    pipe: Any, prompts: PromptSet, config: ProbeConfig, resume: ProbeResult | None, out: Path, bill: Bill
) -> ProbeResult:
    """Probe with a progress bar, saving on the way; an interruption says what is saved."""
    from plantain.probe.saving import iter_saved  # torch

    result, n_before = resume, resume.n_pairs if resume else 0
    steps = contextlib.closing(iter_saved(pipe, prompts, config, resume, out))
    try:
        with tqdm(total=len(prompts), initial=n_before, unit="pair", desc=prompts.name) as bar, steps as running:
            for progress in running:
                result = progress.result
                bar.update(progress.done - bar.n)
                if progress.done > n_before:
                    bill.correct(progress.done - n_before)
    except KeyboardInterrupt:
        kept = f"pairs are saved in {out}; go on with the same command and --resume"
        said = f"{result.n_pairs} of {len(prompts)} {kept}" if result and result.n_pairs else "no pair was done yet"
        raise KeyboardInterrupt(said) from None
    assert result is not None  # a prompt set holds at least one pair
    return result
