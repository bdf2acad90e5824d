"""``push``: put a saved run into a dataset on the Hub."""

import argparse
import sys
from pathlib import Path
from typing import Any

from plantain.data.result import ProbeResult
from plantain.errors import InputError
from plantain.wording import shell_line


def add_command(commands: Any) -> None:
    parser = commands.add_parser("push", help="push a saved run to a dataset on the Hub")
    parser.set_defaults(command=_push)
    parser.add_argument("run", help="folder of a complete run")
    parser.add_argument("--to", metavar="REPO", help="Hub dataset, OWNER/NAME (default: PLANTAIN_RESULTS_REPO)")
    parser.add_argument("--private", action="store_true", help="where the dataset has to be made, make it private")


def _push(options: argparse.Namespace) -> int:
    from plantain.data.dataset import push_run  # the Hub's client takes half a second

    print(push_run(options.run, _dataset(options.to, "--to"), options.private))
    return 0


def dataset_of(options: argparse.Namespace) -> str | None:
    """The dataset that ``run --push`` names, once it is sure that runs can be pushed there; None without --push."""
    if options.push is None:
        if options.private:
            raise InputError("--private is about the dataset that --push makes; give --push as well.")
        return None
    from plantain.data.dataset import check_push

    dataset = _dataset(options.push, "--push")
    check_push(dataset, options.private)
    return dataset


def push_saved(result: ProbeResult, dataset: str, private: bool, out: Path) -> None:
    """Push a run that is safe on disk, and say how to try again if the Hub refuses now."""
    from plantain.data.dataset import push_run

    try:
        print(f"\nPushed to {push_run(result, dataset, private)}", file=sys.stderr)
    except InputError as error:
        again = shell_line("push", out, "--to", dataset)
        raise InputError(f"{error} The run is saved in {out}; push it later: {again}") from error


def _dataset(given: str | None, option: str) -> str:
    from plantain.data.dataset import VARIABLE, default_repo

    dataset = given or default_repo()
    if dataset is None:
        raise InputError(f"No dataset to push to; give one as {option} OWNER/NAME, or set {VARIABLE}.")
    return dataset
