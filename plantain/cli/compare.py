"""``compare``: hold pose against its controls, trained and untrained."""

import argparse
import sys
from typing import Any

from plantain.cli.settings import writing
from plantain.data.study import load_controls
from plantain.questions import selectivity


def add_command(commands: Any) -> None:
    """Add it to the subparsers of the command line."""
    compare = commands.add_parser("compare", help="hold pose against its controls, trained and untrained")
    compare.set_defaults(command=_compare)
    compare.add_argument("runs", nargs="+", metavar="RUN_OR_FOLDER", help="runs, or folders that hold them")
    compare.add_argument("--out", help="folder for controls.md, .json, .csv and the figure (default: print only)")
    compare.add_argument("--pose", default="dense_pose", help="the set held against the others (default: dense_pose)")
    compare.add_argument("--threshold", type=float, default=3.0, help="of |t| (default: 3)")
    compare.add_argument("--n-flips", type=int, default=1000, help="sign flips of the null (default: 1000)")


def _compare(options: argparse.Namespace) -> int:
    """Print the comparison, and write its files where --out is given."""
    from plantain.report.study import report_controls  # matplotlib
    from plantain.report.study_tables import section

    found = selectivity.compare(load_controls(options.runs), options.pose, options.threshold, options.n_flips)
    print(section(found).text, end="")
    if options.out:
        with writing(options.out):
            report_controls(found, options.out)
        print(f"\nWrote {options.out} (controls.md, .json, .csv, control_heads.csv, is_it_pose).", file=sys.stderr)
    return 0
