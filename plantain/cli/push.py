"""``push``: put a saved run into a dataset on the Hub."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from plantain.errors import InputError

if TYPE_CHECKING:
    from plantain.data.result import ProbeResult


def add_command(commands: Any) -> None:
    """Add it to the subparsers of the command line."""
    push = commands.add_parser("push", help="push a saved run to a dataset on the Hub")
    push.set_defaults(command=_push)
    push.add_argument("run", help="folder of a complete run")
    push.add_argument("--to", metavar="REPO", help="Hub dataset, OWNER/NAME (default: PLANTAIN_RESULTS_REPO)")
    push.add_argument("--private", action="store_true", help="where the dataset has to be made, make it private")


def _push(options: argparse.Namespace) -> int:
    from plantain.data.dataset import push_run

    print(push_run(options.run, dataset_of(options.to, "--to"), options.private))
    return 0


def push_saved(result: ProbeResult, dataset: str, private: bool, out: Path) -> None:
    """Push a run that is safe on disk, and say how to try again if the Hub refuses now."""
    from plantain.data.dataset import push_run

    try:
        print(f"\nPushed to {push_run(result, dataset, private)}", file=sys.stderr)
    except InputError as error:
        again = f"python -m plantain push {out} --to {dataset}"
        raise InputError(f"{error} The run is saved in {out}; push it later: {again}") from error


def dataset_of(given: str | None, option: str) -> str:
    from plantain.data.dataset import VARIABLE, default_repo

    dataset = given or default_repo()
    if dataset is None:
        raise InputError(f"No dataset to push to; give one as {option} OWNER/NAME, or set {VARIABLE}.")
    return dataset
