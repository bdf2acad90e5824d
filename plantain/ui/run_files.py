"""Everything of a run as files: tables, figures, a section for a model card, and the run itself."""

from pathlib import Path

from plantain.paths import ASSETS
from plantain.questions.counted import RunWithTwin
from plantain.report import files as report
from plantain.report.command import is_shipped, prompts_json
from plantain.report.export import Files, figure_files, section_files
from plantain.report.register import QUESTIONS
from plantain.ui import catalog
from plantain.ui.dense import dense_beside
from plantain.ui.downloads import new_folder

LABEL = "Download all: tables, figures (SVG, PDF), a section for a model card, the run itself"


def files_of_cached(key: str, counting: str, step: int) -> Files:
    """The same of a run in the list.

    >>> files_of_cached("shipped/posebox", "card", 0).keys()

    Raises InputError: there is no such run any more.
    """
    folder = catalog.entry(key).folder
    if folder is None:
        return {"published.json": (ASSETS / "published.json").read_bytes()}
    files, dense = run_files(catalog.both_in(folder, counting, step), folder), dense_beside(key)
    return files if dense is None else files | section_files("ladder", QUESTIONS["ladder"].section(dense.family)[0])


def run_files(both: RunWithTwin, folder: Path | None = None) -> Files:
    """A run's files, always in both countings; ``folder``: where it is saved already.

    >>> run_files(RunWithTwin.of(run, twin)).keys()
    """
    result, files = both.result, Files(report.texts(both))
    if not is_shipped(result):
        files["prompts.json"] = prompts_json(result)
    for name, picture in report.pictures(both).items():
        files |= figure_files(name, picture)
    # These together are the run: in a folder of their own, `load_result` reads them.
    saved = result.save(new_folder()) if folder is None else folder
    return files | {path.name: path.read_bytes() for path in (saved / "run.json", *saved.glob("mean_square-*"))}
