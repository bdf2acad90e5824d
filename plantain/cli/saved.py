"""Commands on saved runs: ``report``, ``compare``, ``audit``, and one for each question of the register."""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from plantain.cli.settings import FlipBar, print_tables, prompts_of, run_and_twin, writing
from plantain.data.family import Family, Studies, load_crossed, load_family, load_sets, load_studies
from plantain.data.heads import HeadMap
from plantain.data.result import ProbeResult, load_result
from plantain.data.study import load_controls
from plantain.data.view import View
from plantain.errors import InputError
from plantain.questions import selectivity
from plantain.questions.answer import Answer
from plantain.questions.counted import RunWithTwin
from plantain.questions.length import audit_prompts, equal_length
from plantain.report.register import QUESTIONS, Asked, Question
from plantain.report.section import Section
from plantain.wording import finite


def add_report(commands: Any) -> None:
    parser = commands.add_parser("report", help="print the card's table of a run and write its files")
    parser.set_defaults(command=_report)
    add = parser.add_argument
    add("run", help="folder of a run, whole or partial")
    add("--out", help="folder for the files (default: RUN/report)")
    add("--twin", help="run of the untrained twin (default: found beside RUN or among the shipped runs, if there)")
    add("--n-flips", type=int, default=1000, help="sign flips of the null (default: 1000)")


def _report(options: argparse.Namespace) -> int:
    from plantain.report.files import write_both  # matplotlib

    result, twin = run_and_twin(options)
    folder = Path(options.out) if options.out else Path(options.run) / "report"
    both = RunWithTwin.of(result, twin, n_flips=options.n_flips, report=FlipBar())
    with writing(folder):
        write_both(both, folder)  # before anything is printed, which `| head` may cut short
    print_tables(both.run)
    print(f"\nWrote {folder} (report.md, model_card.md, CSV, JSON, SVG, PDF, PNG).", file=sys.stderr)
    return 0


def add_compare(commands: Any) -> None:
    parser = commands.add_parser("compare", help="hold pose against its controls, trained and untrained")
    parser.set_defaults(command=_compare)
    add = parser.add_argument
    add("runs", nargs="+", metavar="RUN_OR_FOLDER", help="runs, or folders that hold them")
    add("--out", help="folder for controls.md, .json, .csv and the figure (default: print only)")
    add("--pose", default="dense_pose", help="the set held against the others (default: dense_pose)")
    add("--threshold", type=float, default=3.0, help="of |t| (default: 3)")
    add("--n-flips", type=int, default=1000, help="sign flips of the null (default: 1000)")


def _compare(options: argparse.Namespace) -> int:
    from plantain.report.study import report_controls  # matplotlib
    from plantain.report.study_tables import section

    found = selectivity.compare(load_controls(options.runs), options.pose, options.threshold, options.n_flips)
    if options.out:
        with writing(options.out):
            report_controls(found, options.out)
    print(section(found).text, end="")
    if options.out:
        print(f"\nWrote {options.out} (controls.md, .json, .csv, control_heads.csv, is_it_pose).", file=sys.stderr)
    return 0


def add_audit(commands: Any) -> None:
    parser = commands.add_parser("audit", help="count tokens on both sides; effect of a run at equal length")
    parser.set_defaults(command=_audit)
    add = parser.add_argument
    add("run", nargs="?", help="folder of a run; its effect at equal length is told as well")
    add("--prompts", help="instead of a run: a shipped set, or a .json or .csv file")
    add("--model", help="whose tokenizer counts (default: Klein on a GPU, else posebox); no weights load")
    add("--grouping", choices=("card", "head"), default="card", help="heads of a run (default: card)")


def _audit(options: argparse.Namespace) -> int:
    if (options.run is None) == (options.prompts is None):
        raise InputError("audit takes either the folder of a run or --prompts; give one of the two.")
    if options.run is not None:
        if options.model is not None:
            raise InputError("A run holds the token counts of its own model; leave --model out, or give --prompts.")
        if Path(options.run).is_file():
            raise InputError(f"{options.run} is a file, and a run is a folder. Is it prompts? Give --prompts FILE.")
        print(equal_length(load_result(options.run), options.grouping).text)
        return 0
    prompts = prompts_of(options.prompts)
    from plantain.model.load import load_tokenizer  # here, since counting a run needs no torch

    print(audit_prompts(load_tokenizer(options.model), prompts).text)
    return 0


def add_questions(commands: Any) -> None:
    for question in QUESTIONS.values():
        parser = commands.add_parser(question.name, help=question.help)
        parser.set_defaults(command=_ask, question=question)
        if question.of == "study":
            parser.add_argument("run", nargs="+", metavar="RUN_OR_FOLDER", help=question.what)
        elif question.of in ("family", "sets", "patches", "crossed"):
            parser.add_argument("run", nargs="*", metavar="FOLDER", help=f"{question.what} (default: the shipped ones)")
        if question.of in ("family", "patches"):
            parser.add_argument("--prompts", default="dense_pose", help="of which prompt set (default: dense_pose)")
            parser.add_argument("--json", action="store_true", help="print JSON")
        if question.of == "run":
            parser.add_argument("run", help=f"folder of a {question.what}")
            parser.add_argument("--twin", help="run of the untrained twin (default: found beside RUN, if there)")
        for name, option in question.options.items():
            settings = {key: value for key, value in option.items() if key != "flags"}
            settings["help"] += f" (default: {option['default']})" if option["default"] else ""
            parser.add_argument(*option.get("flags", [f"--{name}"]), dest=name, **settings)
        if question.written:
            parser.add_argument("--out", help=f"folder for {question.written}")


def _ask(options: argparse.Namespace) -> int:
    question: Question = options.question
    asked: Asked
    if question.of == "study":
        asked, twin = load_controls(options.run), None
        name = f"{asked.model}, {len(asked.sets)} sets"
    elif question.of == "sets":
        asked, twin = load_sets(options.run or [question.shown]), None
        name = f"Dense runs of {', '.join(asked)}"
    elif question.of == "patches":
        asked, twin = load_studies(options.run or [question.shown], options.prompts), None
        name = f"{asked.trained.model}, {options.prompts}: {', '.join(asked.runs)}"
    elif question.of == "crossed":
        asked, twin = load_crossed(options.run or [question.shown]), None
        name = f"Patching studies of {' and '.join(asked.contrasts)}"
    elif question.of == "family":
        asked, twin = load_family(options.run or [question.shown], options.prompts), None
        name = f"{asked.model}, {options.prompts}: {', '.join(asked.runs)}"
    else:
        asked, twin = run_and_twin(options)
        name = f"{asked.model}, {asked.prompts.name}"
    section, found = question.section(asked, twin, **{name: getattr(options, name) for name in question.options})
    wrote = _write(options, section, found, asked) if getattr(options, "out", None) else ""
    if getattr(options, "json", False):
        # ASCII, whole in every encoding of stdout
        print(json.dumps(finite(found.to_dict()), indent=1, allow_nan=False))
    else:
        print(f"{name}\n\n{section.text}")
    if wrote:
        print(wrote, file=sys.stderr)
    return 0


def _write(options: argparse.Namespace, section: Section, found: Answer, asked: Asked) -> str:
    """Write the figure in three formats and one CSV row a head; return the sentence that names the files."""
    from plantain.report.files import answer_csv  # matplotlib
    from plantain.report.picture import WIDE

    folder, written = Path(options.out), []
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        if section.draw is not None:
            section.draw(WIDE).save(folder / section.name)
            written += ["svg", "pdf", "png"]
        if found.columns:
            csv = answer_csv(*_heads(asked, options), found.columns)
            (folder / f"{section.name}.csv").write_text(csv, encoding="utf-8", newline="")
            written.append("csv")
    return f"Wrote {folder} ({', '.join(f'{section.name}.{kind}' for kind in written)})."


def _heads(asked: Asked, options: argparse.Namespace) -> tuple[HeadMap, View]:
    """Which heads a value a head is of."""
    if isinstance(asked, Studies):
        return asked.trained.head_map, asked.trained.view
    if isinstance(asked, ProbeResult):
        return asked.head_map, View(getattr(options, "view", "card"))
    family = asked if isinstance(asked, Family) else None
    if isinstance(asked, dict):
        family = next(iter(asked.values()))
    assert family is not None  # a study of controls has no value a head
    return family.trained.head_map, View("head")
