"""``report``: print the card's table of a run and write its files."""

import argparse
import sys
from pathlib import Path
from typing import Any

from plantain.cli.settings import print_tables, run_and_twin, writing


def add_command(commands: Any) -> None:
    """Add it to the subparsers of the command line."""
    report = commands.add_parser("report", help="print the card's table of a run and write its files")
    report.set_defaults(command=_report)
    report.add_argument("run", help="folder of a run, whole or partial")
    report.add_argument("--out", help="folder for the files (default: RUN/report)")
    report.add_argument(
        "--twin", help="run of the untrained twin (default: found beside RUN or among the shipped runs, if there)"
    )
    report.add_argument("--n-flips", type=int, default=1000, help="sign flips of the null (default: 1000)")


def _report(options: argparse.Namespace) -> int:
    from plantain.report.files import write_report  # matplotlib

    result, twin = run_and_twin(options)
    folder = Path(options.out) if options.out else Path(options.run) / "report"
    print_tables(result, options.n_flips)
    with writing(folder):
        write_report(result, folder, n_flips=options.n_flips, twin=twin)
    print(f"\nWrote {folder} (report.md, model_card.md, CSV, JSON, SVG, PDF, PNG).", file=sys.stderr)
    return 0
