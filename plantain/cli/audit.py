"""``audit``: count tokens on both sides of prompts; the effect of a run at equal length."""

import argparse
from typing import Any

from plantain.data.prompts import load_prompts
from plantain.data.result import load_result
from plantain.errors import InputError
from plantain.questions.length import audit_prompts, equal_length


def add_command(commands: Any) -> None:
    """Add it to the subparsers of the command line."""
    audit = commands.add_parser("audit", help="count tokens on both sides; effect of a run at equal length")
    audit.set_defaults(command=_audit)
    audit.add_argument("run", nargs="?", help="folder of a run; its effect at equal length is told as well")
    audit.add_argument("--prompts", help="instead of a run: a shipped set, or a .json or .csv file")
    audit.add_argument(
        "--model", help="whose tokenizer counts (default: Klein on a GPU, else posebox); no weights load"
    )
    audit.add_argument("--grouping", choices=("card", "head"), default="card", help="heads of a run (default: card)")


def _audit(options: argparse.Namespace) -> int:
    if (options.run is None) == (options.prompts is None):
        raise InputError("audit takes either the folder of a run or --prompts; give one of the two.")
    if options.run is not None:
        if options.model is not None:
            raise InputError("A run holds the token counts of its own model; leave --model out, or give --prompts.")
        print(equal_length(load_result(options.run), options.grouping).text)
        return 0
    from plantain.model.load import load_tokenizer  # here, since counting a run needs no torch

    print(audit_prompts(load_tokenizer(options.model), load_prompts(options.prompts)).text)
    return 0
