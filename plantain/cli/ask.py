"""Commands that ask a saved run one more question: ``stability``, ``audit`` and ``dose``."""

from __future__ import annotations

import argparse
import csv
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from plantain.cli.settings import run_and_twin
from plantain.errors import InputError

if TYPE_CHECKING:
    from plantain.data.result import ProbeResult
    from plantain.report.picture import Picture


def add_command(commands: Any) -> None:
    """Add the three to the subparsers of the command line."""
    stability = commands.add_parser("stability", help="compare a run's noise levels and noise seeds")
    stability.set_defaults(command=_stability)
    _run_arguments(stability, "run with several noise levels or seeds")

    audit = commands.add_parser("audit", help="count tokens on both sides; effect of a run at equal length")
    audit.set_defaults(command=_audit)
    audit.add_argument("run", nargs="?", help="folder of a run; its effect at equal length is told as well")
    audit.add_argument("--prompts", help="instead of a run: a shipped set, or a .json or .csv file")
    audit.add_argument(
        "--model", help="whose tokenizer counts (default: Klein on a GPU, else posebox); no weights load"
    )
    audit.add_argument("--grouping", choices=("card", "head"), default="card", help="heads of a run (default: card)")

    dose = commands.add_parser("dose", help="regress a run's shifts on how far each pose is from the T-pose")
    dose.set_defaults(command=_dose)
    _run_arguments(dose, "run whose pairs are tagged with poses")
    dose.add_argument(
        "--measure",
        choices=("rotation", "joints"),
        default="rotation",
        help="mean joint rotation in degrees, or number of bent joints (default: rotation)",
    )


def _run_arguments(parser: argparse.ArgumentParser, what: str) -> None:
    parser.add_argument("run", help=f"folder of a {what}")
    parser.add_argument("--twin", help="run of the untrained twin (default: found beside RUN, if there)")
    parser.add_argument("--grouping", choices=("card", "head"), default="card", help="default: card heads")
    parser.add_argument("--out", help="folder for a figure (SVG, PDF, PNG) and a CSV of all heads")


def _stability(options: argparse.Namespace) -> int:
    from plantain.questions import stability
    from plantain.report.figures import stability as stability_figures

    result, twin = run_and_twin(options)
    found = stability.stability(result, options.grouping)
    beside = stability.stability(twin, options.grouping) if twin is not None else None
    _say(result, found.text)
    if twin is not None and beside is not None:
        _say(twin, beside.text)
    if options.out:
        columns: dict[str, Any] = {f"t_{level:g}": t for level, t in zip(found.levels, found.t, strict=True)}
        for level, min_f in zip(found.levels, found.min_f, strict=False):
            columns |= {f"min_f_{level:g}": min_f.min_f, f"df_{level:g}": min_f.df, f"p_min_f_{level:g}": min_f.p}
        _write(options, result, "stability", stability_figures.levels(found, beside), columns)
    return 0


def _audit(options: argparse.Namespace) -> int:
    from plantain.questions import length as audit

    if (options.run is None) == (options.prompts is None):
        raise InputError("audit takes either the folder of a run or --prompts; give one of the two.")
    if options.run is not None:
        from plantain.data.result import load_result

        if options.model is not None:
            raise InputError("A run holds the token counts of its own model; leave --model out, or give --prompts.")
        print(audit.equal_length(load_result(options.run), options.grouping).text)
        return 0
    from plantain.data.prompts import load_prompts
    from plantain.model.load import load_tokenizer

    prompts = load_prompts(options.prompts)
    print(audit.audit_prompts(load_tokenizer(options.model), prompts).text)
    return 0


def _dose(options: argparse.Namespace) -> int:
    from plantain.questions import dose
    from plantain.report.figures import dose as dose_figures

    result, twin = run_and_twin(options)
    found = dose.dose(result, options.measure, options.grouping)
    beside = dose.dose(twin, options.measure, options.grouping) if twin is not None else None
    _say(result, found.text)
    if twin is not None and beside is not None:
        _say(twin, beside.text)
    if options.out:
        response = found.response
        columns: dict[str, Iterable[Any]] = {
            "slope": response.slope,
            "intercept": response.intercept,
            "t_slope": response.t,
            "p_fwer": response.max_p,
            "t_step": found.step_t,
            "best": [dose.EXPLANATIONS[k] for k in response.best],  # -1 is "none", the last
        }
        _write(options, result, "dose", dose_figures.explained(found, beside), columns)
    return 0


def _say(result: ProbeResult, text: str) -> None:
    print(f"{result.model}, {result.prompts.name}\n\n{text}\n")


def _write(
    options: argparse.Namespace, result: ProbeResult, name: str, picture: Picture, columns: dict[str, Iterable[Any]]
) -> None:
    """The figure in three formats, and one CSV row a head."""
    folder = Path(options.out)
    table = result.head_map.table(options.grouping)
    names = ("block", "kind", "part", "index", "first_channel", "n_channels")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for kind in ("svg", "pdf", "png"):
            (folder / f"{name}.{kind}").write_bytes(picture.to_bytes(kind))
        with (folder / f"{name}.csv").open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow([*names, *columns])
            for row in zip(*(table[key].tolist() for key in names), *columns.values(), strict=True):
                writer.writerow([f"{cell:.7g}" if isinstance(cell, float) else cell for cell in row])
    except OSError as error:
        raise InputError(f"Cannot write to {folder}: {error.strerror}. Give another --out.") from error
    print(f"Wrote {folder} ({name}.svg, .pdf, .png, .csv).", file=sys.stderr)
