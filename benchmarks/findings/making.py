"""Making what is shipped by the command line's own commands, one after the other."""

import sys
from collections.abc import Callable
from pathlib import Path

from plantain import cli


def make(commands: list[list[str]], description: str, is_made: Callable[[list[str]], bool]) -> int:
    """Run each command that is not made yet; one whose folder holds ``description`` is gone on with. 0, or what failed.

    >>> make([["dense", "--model", "posebox", "--out", "runs/mine"]], DENSE.description, lambda command: False)
    """
    for command in commands:
        if is_made(command):
            continue
        print("python -m plantain " + " ".join(command), file=sys.stderr)
        begun = (out_of(command) / description).exists()
        status = cli.main([*command, "--resume"] if begun else command)
        if status:
            return status
    return 0


def out_of(command: list[str]) -> Path:
    """The folder that a command writes.

    >>> out_of(["dense", "--out", "runs/mine"])
    """
    return Path(command[command.index("--out") + 1])
