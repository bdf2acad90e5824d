"""The command line, ``python -m plantain COMMAND``; one command a file, what they share in ``settings``.

A command module imports torch and matplotlib only in what it runs, so that ``--help`` and refusals come at once.
"""

import argparse
import sys
from collections.abc import Sequence
from typing import NoReturn

from plantain.cli import ask, audit, compare, controls, draw, push, report, run
from plantain.errors import InputError

EXIT_BAD_INPUT = 2
EXIT_INTERRUPTED = 130


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise InputError(f"{message[:1].upper()}{message[1:]}. See `{self.prog} --help`.")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status: 0, 2 for input that cannot be used, 130 when interrupted."""
    try:
        options = parser().parse_args(arguments)
        return int(options.command(options))
    except InputError as error:
        print(f"plantain: {error}", file=sys.stderr)
        return EXIT_BAD_INPUT
    except KeyboardInterrupt as interrupt:  # a long command says in it what is saved
        print("; ".join(["plantain: interrupted", *map(str, interrupt.args)]) + ".", file=sys.stderr)
        return EXIT_INTERRUPTED
    except BrokenPipeError:  # `plantain report … | head`
        sys.stderr.close()
        return 0


def parser() -> argparse.ArgumentParser:
    """The parser of all commands.

    >>> parser().parse_args(["report", "runs/posebox"]).run
    'runs/posebox'
    """
    whole = _Parser(prog="plantain", description="Which heads of FLUX.2 Klein respond to one thing in a prompt.")
    commands = whole.add_subparsers(required=True, metavar="COMMAND", parser_class=_Parser)
    for module in (run, draw, report, push, controls, compare, audit, ask):
        module.add_command(commands)
    return whole
