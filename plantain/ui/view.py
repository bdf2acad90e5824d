"""The view of one run that several tabs share: claim, figures, tables, how to make it again, files."""

from __future__ import annotations

import shutil
import tempfile
import zipfile
from collections import deque
from collections.abc import Callable
from functools import cache, lru_cache
from html import escape
from pathlib import Path
from typing import Any

import gradio as gr

from plantain.data.result import ProbeResult
from plantain.paths import ASSETS
from plantain.questions.certainty import MEANING, certainty_table
from plantain.questions.counted import COUNTINGS, Counted, RunWithTwin, check_counting
from plantain.questions.response import load_published
from plantain.report import files as report
from plantain.report import notes
from plantain.report.command import is_shipped, prompts_json, shell_command
from plantain.report.figures import response as figures
from plantain.report.picture import NARROW
from plantain.ui import catalog, embed, headline
from plantain.ui.engine import QUIET
from plantain.ui.html import html_table, page_figure

_recent: deque[Path] = deque()
# More than the views that are cached, so that a view never offers a folder that is gone.
_KEPT_DOWNLOADS = 80
# Inches of a figure that shares its row with one of a phone's width; drawn wider, its text would shrink.
_TWO_THIRDS = 6.4


@cache
def _downloads() -> Path:
    return catalog.temporary_folder("plantain-")


def counting_choice(**settings: Any) -> gr.Radio:
    """Which heads are counted: the page says it wherever a count stands."""
    choices = [(label, key) for key, (label, _) in COUNTINGS.items()]
    return gr.Radio(choices, value="card", label="What counts as a head", **settings)


def refresh_on_focus(runs: gr.Dropdown) -> None:
    """Runs saved since the page was built appear in a list of runs."""
    runs.focus(lambda: gr.Dropdown(choices=catalog.choices()), None, runs, **QUIET)


def step_choices(result: ProbeResult) -> list[tuple[str, int]]:
    levels = [f", noise level {level:.3g}" for level in result.levels] or [""] * result.config.num_inference_steps
    return [(f"{i + 1}{level}", i) for i, level in enumerate(levels)]


DOWNLOADS = "Download: tables, figures, a section for a model card, the run itself"
_CLASSES = {"compact": "plantain-compact"}
Values = dict[str, Any]  # what a view shows, by the names in PARTS
PARTS = ("headline", "counts", "table", "overview", "half", "sure", "reproduce", "files", "compact")


class RunView:
    """Components of one run, laid out where it is made; ``show`` and its like give the values that it takes.

    First values travel with the page, so that a cached run is there at first paint. With none the view takes no room.
    """

    def __init__(self, first: Values | None = None, lay_out: Callable[[RunView], None] | None = None) -> None:
        """``lay_out`` places every one of ``PARTS`` (``place``); by default they stand one under the other."""
        self._first = first or blank()
        self.parts: dict[str, Any] = {}
        with gr.Column(visible=bool(self._first["headline"]), min_width=0) as self.frame:
            (lay_out or _one_under_the_other)(self)

    def place(self, *names: str) -> None:
        """Lay parts out here."""
        for name in names:
            first = self._first[name]
            if name == "files":
                made: Any = gr.File(first, show_label=False, file_count="multiple", interactive=False)
            else:
                made = gr.HTML(first, elem_classes=[_CLASSES.get(name, "plantain-full")])
            self.parts[name] = made

    def place_tools(self) -> None:
        """How to make the run again, and its files, each in a drawer."""
        for name, title in (("reproduce", "Reproduce this"), ("files", DOWNLOADS)):
            with gr.Accordion(title, open=False, elem_classes=["plantain-full"]):
                self.place(name)

    @property
    def outputs(self) -> list[Any]:
        return [*self.parts.values(), self.frame]

    def given(self, values: Values) -> dict[Any, Any]:
        """What an event with these ``outputs`` returns to show the values; parts not among them stay as they are."""
        shown = {self.parts[name]: value for name, value in values.items() if name in self.parts}
        return shown | {self.frame: gr.Column(visible=bool(values["headline"]))}


def _one_under_the_other(view: RunView) -> None:
    view.place("headline", "counts", "overview", "half", "table", "sure")
    view.place_tools()


def show_cached(entry: catalog.Entry, counting: str, step: int = 0) -> Values:
    """Values for a ``RunView`` of a run in the list; made once for each state of its folder."""
    if entry.folder is None:
        check_counting(counting)
        return _published(counting)
    both = catalog.both_in(entry.folder, counting, step)
    values = _cached(entry.key, both)
    if not all(Path(file).exists() for file in values["files"]):  # the oldest downloads have gone
        _cached.cache_clear()
        values = _cached(entry.key, both)
    return values


def show(result: ProbeResult, counting: str, step: int = 0) -> Values:
    """The same for a run that is not saved."""
    both = catalog.beside(Counted(result, counting, step))
    return _values(both, "", _files(both, None, _new_folder()))


def show_live(result: ProbeResult, counting: str, with_figure: bool) -> Values:
    """The same while a run goes on: claim and table each time, the map when asked, the rest at the end."""
    both = RunWithTwin(Counted(result, counting, n_flips=200))
    provisional = '<p class="plantain-muted">Provisional: the run goes on, and its null is of 200 flips.</p>'
    table = provisional + headline.card_table(both.run.chosen, result.prompts)
    figure = {"overview": _overview(both)} if with_figure else {}
    return {"headline": headline.headline(both), "counts": headline.counts(both), "table": table} | figure


def blank(said: str = "") -> Values:
    """Empty the view, with a sentence in its place: old numbers must not stand under a new name."""
    return dict.fromkeys(PARTS, "") | {"headline": said, "files": None, "compact": said}


@lru_cache(maxsize=48)
def _cached(key: str, both: RunWithTwin) -> Values:
    return _values(both, key, _files(both, catalog.entry(key).folder, _new_folder()))


def _values(both: RunWithTwin, key: str, files: list[str]) -> Values:
    run, twin_curve, twin = both.run, both.beside(lambda twin: twin.curve), both.beside(lambda twin: twin.chosen)
    null = page_figure(lambda width: figures.null_counts(run.curve, twin_curve, min(width, _TWO_THIRDS)))
    halves = page_figure(lambda width: figures.split_half(run.chosen, twin, NARROW))
    small = figures.null_counts(run.curve, twin_curve, NARROW).to_svg("compact")
    return {
        "headline": headline.headline(both),
        "counts": headline.counts(both),
        "overview": _overview(both),
        "half": f'<div class="plantain-half">{null}{halves}</div>',
        "table": headline.card_table(run.chosen, both.result.prompts, twin),
        "sure": _inference(both),
        "reproduce": _reproduce(both.result),
        "files": files,
        "compact": embed.compact(both, small, key),
    }


def _inference(both: RunWithTwin) -> str:
    columns = {"This run": both.run.certainty}
    columns |= {"Untrained twin": both.twin.certainty} if both.twin else {}
    families = "".join(html_table(table) for table in both.run.families.tables)
    return (
        f'<div class="plantain-left">{html_table(certainty_table(columns))}</div>'
        f'<p class="plantain-prose plantain-muted">{escape(MEANING)}</p>'
        f'<details class="plantain-left"><summary>By family of heads</summary>{families}</details>'
    )


def _overview(both: RunWithTwin) -> str:
    summary, heads, twin = both.run.chosen, both.result.head_map, both.beside(lambda twin: twin.chosen)
    table = headline.block_table(summary, twin)
    return page_figure(lambda width: figures.overview(summary, heads, "", twin, width), table)


_NO_HEADS = '<p class="plantain-muted">Not known: the card\'s data of single heads and pairs were not released.</p>'


@lru_cache(maxsize=4)
def _published(counting: str) -> Values:
    table = load_published()
    target = Path(tempfile.mkdtemp(dir=_downloads()))  # the only one that always stays
    title = "Published: the five blocks the card names"
    return {
        "headline": headline.published_headline(),
        "counts": headline.published_counts(counting),
        "overview": page_figure(lambda width: figures.block_maxima(table, title, width), headline.block_table(table)),
        "half": _NO_HEADS,
        "sure": _NO_HEADS,
        "table": headline.card_table(table),
        "reproduce": "<p>The card's 25 prompts, its resolution, dtype and seed were not published. "
        "<code>docs/your-space.md</code> says how to run our prompts through Klein.</p>",
        "files": [_copied(ASSETS / "published.json", target)],
        "compact": embed.compact_published(),
    }


def _reproduce(result: ProbeResult) -> str:
    command = shell_command(result)
    note = "" if is_shipped(result) else "<p><code>prompts.json</code> is among the files below.</p>"
    rows = "".join(
        f"<tr><th scope='row'>{escape(key)}</th><td>{escape(value)}</td></tr>"
        for key, value in notes.describe_run(result).items()
    )
    return (
        f'<div class="plantain-command"><pre><code>{escape(command)}</code></pre>'
        f'<button type="button" class="plantain-button" data-copy="{escape(command)}">Copy the command</button></div>'
        f'{note}<div class="plantain-scroll" tabindex="0"><table><tbody>{rows}</tbody></table></div>'
    )


def _files(both: RunWithTwin, folder: Path | None, target: Path) -> list[str]:
    """Write what can be downloaded, always in both countings; gradio copies the files when it serves them."""
    result = both.result
    texts = report.texts(both)
    if not is_shipped(result):
        texts["prompts.json"] = prompts_json(result)
    report.write_texts(target, texts)
    named = [*texts]
    for name, picture in report.pictures(both).items():
        for kind in ("svg", "pdf") if name == "overview" else ("svg",):
            (target / f"{name}.{kind}").write_bytes(picture.to_bytes(kind))
            named.append(f"{name}.{kind}")
    if folder is None:
        result.save(target)
    else:
        for path in (folder / "run.json", *folder.glob("mean_square-*.safetensors")):
            _copied(path, target)
    # These two files together are the run: in a folder of their own, `load_result` reads them.
    files = [*(target / name for name in (*named, "run.json")), *target.glob("*.safetensors")]
    # All in one: a browser stops to ask after ten downloads in a row.
    everything = target / "everything.zip"
    with zipfile.ZipFile(everything, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in files:
            archive.write(file, file.name)
    return [str(file) for file in (everything, *files)]


def _new_folder() -> Path:
    """A folder for downloads under this process's temporary one; the oldest go, long since copied."""
    folder = Path(tempfile.mkdtemp(dir=_downloads()))
    _recent.append(folder)
    while len(_recent) > _KEPT_DOWNLOADS:
        shutil.rmtree(_recent.popleft(), ignore_errors=True)
    return folder


def _copied(path: Path, folder: Path) -> str:
    """Gradio serves files of the temporary and the working folder only."""
    return str(shutil.copyfile(path, folder / path.name))
