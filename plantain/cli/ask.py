"""The questions of the register, a command each: ask a saved run, or a study, one more thing."""

import argparse
import sys
from pathlib import Path
from typing import Any

from plantain.cli.settings import run_and_twin, writing
from plantain.data.result import ProbeResult
from plantain.data.study import load_controls
from plantain.questions.answer import Answer
from plantain.report.register import QUESTIONS, Question
from plantain.report.section import Section


def add_command(commands: Any) -> None:
    """Add all of them to the subparsers of the command line."""
    for question in QUESTIONS.values():
        parser = commands.add_parser(question.name, help=question.help)
        parser.set_defaults(command=_ask, question=question)
        if question.of_study:
            parser.add_argument("run", nargs="+", metavar="RUN_OR_FOLDER", help=question.what)
        else:
            parser.add_argument("run", help=f"folder of a {question.what}")
            parser.add_argument("--twin", help="run of the untrained twin (default: found beside RUN, if there)")
        for name, option in question.options.items():
            settings = {key: value for key, value in option.items() if key != "flags"}
            settings["help"] += f" (default: {option['default']})"
            parser.add_argument(*option.get("flags", [f"--{name}"]), dest=name, **settings)
        if question.written:
            parser.add_argument("--out", help=f"folder for {question.written}")


def _ask(options: argparse.Namespace) -> int:
    question: Question = options.question
    given = {name: getattr(options, name) for name in question.options}
    if question.of_study:
        study = load_controls(options.run)
        section, found = question.section(study, **given)
        print(f"{study.model}, {len(study.sets)} sets\n\n{section.text}")
        return _write(options, section, found, None)
    result, twin = run_and_twin(options)
    section, found = question.section(result, twin, **given)
    print(f"{result.model}, {result.prompts.name}\n\n{section.text}")
    return _write(options, section, found, result)


def _write(options: argparse.Namespace, section: Section, found: Answer, result: ProbeResult | None) -> int:
    """The figure in three formats, and one CSV row a head, where --out asks for them."""
    if not getattr(options, "out", None):
        return 0
    from plantain.report.files import answer_csv  # here, since it brings matplotlib with it
    from plantain.report.picture import WIDE

    folder, written = Path(options.out), []
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        if section.draw is not None:
            section.draw(WIDE).save(folder / section.name)
            written += ["svg", "pdf", "png"]
        if result is not None and found.columns:
            csv = answer_csv(result, getattr(options, "view", "card"), found.columns)
            (folder / f"{section.name}.csv").write_text(csv, encoding="utf-8", newline="")
            written.append("csv")
    print(f"Wrote {folder} ({', '.join(f'{section.name}.{kind}' for kind in written)}).", file=sys.stderr)
    return 0
