"""``dense``: read every head token by token, beside the probe's own values, and save both."""

import argparse
import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tqdm import tqdm

from plantain.cli.run import checked_model, default_out
from plantain.cli.settings import add_settings, add_weights, config_of, load, made, writing
from plantain.data.dense import DenseResult, load_dense
from plantain.data.disk import DENSE, is_free
from plantain.data.pictures import Pictures, load_pictures
from plantain.data.prompts import PromptSet, load_prompts
from plantain.data.settings import ProbeConfig
from plantain.errors import InputError


def add_command(commands: Any) -> None:
    """Add it to the subparsers of the command line."""
    dense = commands.add_parser("dense", help="read every head token by token: place, code and deformation")
    dense.set_defaults(command=_dense)
    dense.add_argument("--model", help="as for run")
    dense.add_argument("--prompts", default="dense_pose", help="as for run (default: dense_pose)")
    dense.add_argument("--out", help="folder for the run (default: runs/dense/PROMPTS-MODEL)")
    dense.add_argument("--resume", action="store_true", help="go on with the interrupted run in --out")
    add_settings(dense)
    add_weights(dense)
    dense.add_argument(
        "--grafted", action="store_true", help="draw each block anew in turn inside the trained model, and read its heads"
    )
    dense.add_argument(
        "--maps",
        metavar="RUN",
        help="pictures of another run: a twin is read against its trained model's (default: drawn into --out)",
    )
    dense.add_argument("--no-decoders", action="store_true", help="place alone; code and deformation are left out")


def _dense(options: argparse.Namespace) -> int:
    """Everything that can be refused is refused before a model is loaded."""
    config, prompts = config_of(options), load_prompts(options.prompts)
    model, untrained = checked_model(options)
    if options.grafted and untrained:
        raise InputError("--grafted draws blocks anew inside the trained model; leave --untrained and --permuted out.")
    if untrained and options.maps is None:
        raise InputError(
            "A twin is read against the maps of its trained model: its own pictures are drawn alike for every pair, and "
            "that breaks the test. Give that run's folder as --maps."
        )
    name = default_out(prompts.name, model, untrained).name + ("-grafted" if options.grafted else "")
    out = Path(options.out or Path("runs", "dense", name))
    resume = _resumed(out, options.resume)
    with made(out):
        pipe = load(options, model, untrained, options.weights_seed or 0)
        pictures = _pictures(pipe, prompts, config, Path(options.maps or out))
        result = _run(pipe, prompts, config, pictures, resume, out, options)
    print(f"Saved {result.run.n_pairs} pairs to {out}.", file=sys.stderr)
    print(f"\nThe ladder: python -m plantain ladder {out}", file=sys.stderr)
    return 0
