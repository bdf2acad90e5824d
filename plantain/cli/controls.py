"""``controls``: run pose and its controls, trained and untrained, and save the runs."""

import argparse
import contextlib
import sys
from pathlib import Path
from typing import Any

from tqdm import tqdm

from plantain.cli.settings import add_settings, config_of, load, made, model_of, prompts_of
from plantain.data.study import DEFAULT
from plantain.errors import InputError
from plantain.model.names import check_untrained
from plantain.probe.ranks import Ranks
from plantain.wording import duration, shell_line


def add_command(commands: Any) -> None:
    said = "run pose and its controls, trained and untrained, and save the runs"
    parser = commands.add_parser("controls", help=said)
    parser.set_defaults(command=_controls)
    add = parser.add_argument
    add("--model", help="posebox, a Hub id or a folder; default: Klein on a GPU, else posebox")
    said = "shipped sets or files (default: dense_pose and all of its controls)"
    add("--sets", nargs="+", metavar="SET", help=said)
    add("--out", default="runs/controls", help="folder; a run is OUT/MODEL/SET (default: runs/controls)")
    said = "repeat all on K re-initialised transformers (default: 1)"
    add("--untrained", type=int, default=1, metavar="K", help=said)
    said = "and on K transformers whose weights are shuffled, tensor by tensor (default: 0)"
    add("--permuted", type=int, default=0, metavar="K", help=said)
    add_settings(parser)


def _controls(options: argparse.Namespace) -> int:
    """Everything is checked before a model is loaded; what is done stays, and the same command goes on."""
    config, out = config_of(options), Path(options.out)
    sets = [prompts_of(name) for name in options.sets or DEFAULT]
    model = model_of(options)
    for option in ("untrained", "permuted"):
        if getattr(options, option) < 0:
            raise InputError(f"--{option} takes a number of transformers, from 0; got {getattr(options, option)}.")
    n_twins = options.untrained + options.permuted
    check_untrained(model, n_twins > 0, 0)
    with made(out):
        from plantain.probe.study import run_controls, set_folders  # torch

        set_folders(sets)
        ranks = Ranks.here()
        ranks.meet()
        ranks.take_device()
        pipe = load(options, model)
        share, n_runs = (ranks.rank, ranks.size), (1 + n_twins) * len(sets)
        steps = run_controls(pipe, sets, config, options.untrained, out, n_permuted=options.permuted, share=share)
        try:
            _follow(steps, ranks.first)
        except KeyboardInterrupt:
            raise KeyboardInterrupt(f"what is done is saved in {out}, and the same command goes on") from None
        ranks.wait()
    if ranks.first:
        print(f"Saved {n_runs} runs to {out}.\n\nCompare them: {shell_line('compare', out)}", file=sys.stderr)
    return 0


def _follow(progress: Any, shown: bool) -> None:
    """A bar over the runs, the run at hand and the time left beside it."""
    layout = "{l_bar}{bar}| {n_fmt}/{total_fmt} runs{postfix}"
    with contextlib.closing(progress) as steps, tqdm(bar_format=layout, disable=not shown) as bar:
        for step in steps:
            bar.total = step.n_runs
            left = f", {duration(step.seconds_left)} left" if step.seconds_left not in (0, float("inf")) else ""
            bar.set_postfix_str(f"{step.model}, {step.prompts}: {step.done}/{step.total} pairs{left}", refresh=False)
            bar.update(step.number - (step.done < step.total) - bar.n)
            bar.refresh()
