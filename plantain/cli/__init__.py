"""The command line, ``python -m plantain COMMAND``; what its commands share is in ``settings``.

A command module imports torch and matplotlib only in what it runs, so that ``--help`` and refusals come at once.
"""

import argparse
import sys
from collections.abc import Sequence
from typing import NoReturn

from plantain.cli import controls, dense, draw, patch, push, run, saved
from plantain.errors import InputError
from plantain.wording import print_anything

EXIT_BAD_INPUT = 2
EXIT_INTERRUPTED = 130


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise InputError(f"{message[:1].upper()}{message[1:]}. See `{self.prog} --help`.")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status: 0, 2 for input that cannot be used, 130 when interrupted."""
    print_anything()
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
    whole = _Parser(prog="plantain", description="Which heads of FLUX.2 Klein respond to one thing in a prompt.")
    commands = whole.add_subparsers(required=True, metavar="COMMAND", parser_class=_Parser)
    run.add_command(commands)
    draw.add_command(commands)
    dense.add_command(commands)
    patch.add_command(commands)
    saved.add_report(commands)
    push.add_command(commands)
    controls.add_command(commands)
    saved.add_compare(commands)
    saved.add_audit(commands)
    saved.add_questions(commands)
    return whole
