"""The commands ``controls`` (run pose and its controls) and ``compare`` (hold one against the others)."""

from __future__ import annotations

import argparse
import contextlib
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from plantain.errors import InputError

if TYPE_CHECKING:
    from plantain.result import ProbeConfig

EXIT_INTERRUPTED = 130


def add_commands(
    commands: Any,
    add_settings: Callable[[argparse.ArgumentParser], None],
    config_of: Callable[[argparse.Namespace], ProbeConfig],
) -> None:
    """Add both to the subparsers of ``plantain``; a probe's settings are added and read by the functions given."""
    controls = commands.add_parser(
        "controls", help="run pose and its controls, trained and untrained, and save the runs"
    )
    controls.set_defaults(command=run, config_of=config_of)
    controls.add_argument("--model", help="posebox, a Hub id or a folder; default: Klein on a GPU, else posebox")
    controls.add_argument(
        "--sets", nargs="+", metavar="SET", help="shipped sets or files (default: dense_pose and all of its controls)"
    )
    controls.add_argument(
        "--out", default="runs/controls", help="folder; a run is OUT/MODEL/SET (default: runs/controls)"
    )
    controls.add_argument(
        "--untrained", type=int, default=1, metavar="K", help="repeat all on K re-initialised transformers (default: 1)"
    )
    add_settings(controls)

    compare = commands.add_parser("compare", help="hold pose against its controls, trained and untrained")
    compare.set_defaults(command=report)
    compare.add_argument("runs", nargs="+", metavar="RUN_OR_FOLDER", help="runs, or folders that hold them")
    compare.add_argument("--out", help="folder for controls.md, .json, .csv and the figure (default: print only)")
    compare.add_argument("--pose", default="dense_pose", help="the set held against the others (default: dense_pose)")
    compare.add_argument("--threshold", type=float, default=3.0, help="of |t| (default: 3)")
    compare.add_argument("--n-flips", type=int, default=1000, help="sign flips of the null (default: 1000)")


def run(options: argparse.Namespace) -> int:
    """Everything is checked before a model is loaded; what is done stays, and the same command goes on."""
    from plantain.controls import DEFAULT, run_controls
    from plantain.pipeline import check_untrained, default_model, load_pipeline
    from plantain.prompts import load_prompts

    config = options.config_of(options)
    sets = [load_prompts(name) for name in options.sets or DEFAULT]
    model = options.model or default_model()
    if options.untrained < 0:
        raise InputError(f"--untrained takes a number of transformers, from 0; got {options.untrained}.")
    check_untrained(model, options.untrained > 0, 0)
    out = Path(options.out)
    if out.exists() and not out.is_dir():
        raise InputError(f"{out} is a file; give --out a folder.")
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a polite kill saves, as Ctrl-C does
    print(f"Loading {model} …", file=sys.stderr)
    pipe = load_pipeline(model, options.device, options.dtype)
    n_runs = (1 + options.untrained) * len(sets)
    try:
        _follow(run_controls(pipe, sets, config, options.untrained, out), n_runs)
    except KeyboardInterrupt:
        print(
            f"\nplantain: interrupted; what is done is saved in {out}, and the same command goes on.", file=sys.stderr
        )
        return EXIT_INTERRUPTED
    print(f"Saved {n_runs} runs to {out}.\n\nCompare them: python -m plantain compare {out}", file=sys.stderr)
    return 0


def _follow(progress: Any, n_runs: int) -> None:
    """A bar over the runs, the run at hand and the time left beside it."""
    from tqdm import tqdm

    from plantain.estimate import duration

    layout = "{l_bar}{bar}| {n_fmt}/{total_fmt} runs{postfix}"
    with contextlib.closing(progress) as steps, tqdm(total=n_runs, bar_format=layout) as bar:
        for step in steps:
            left = f", {duration(step.seconds_left)} left" if step.seconds_left not in (0, float("inf")) else ""
            bar.set_postfix_str(f"{step.model}, {step.prompts}: {step.done}/{step.total} pairs{left}", refresh=False)
            bar.update(step.number - (step.done < step.total) - bar.n)
            bar.refresh()


def report(options: argparse.Namespace) -> int:
    """Print the comparison, and write its files where --out is given."""
    from plantain.comparison import compare
    from plantain.control_report import report_controls, text
    from plantain.controls import load_controls

    found = compare(load_controls(options.runs), options.pose, options.threshold, options.n_flips)
    print(text(found), end="")
    if options.out:
        try:
            report_controls(found, options.out)
        except OSError as error:
            raise InputError(f"Cannot write to {options.out}: {error.strerror}. Give another --out.") from error
        print(f"\nWrote {options.out} (controls.md, .json, .csv, control_heads.csv, is_it_pose).", file=sys.stderr)
    return 0
