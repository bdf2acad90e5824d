"""The view of one run that several tabs share: table, figures, blocks, files."""

from __future__ import annotations

import io
import shutil
import tempfile
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gradio as gr
from PIL import Image

from plantain import figures, report
from plantain.paths import ASSETS
from plantain.result import ProbeResult
from plantain.summary import CardTable, Summary, summarise
from plantain.ui.catalog import COUNTINGS

TABLE_HEADERS = ["Metric", "Value", "Significance"]
BLOCK_HEADERS = ["Block", "Max |t|", "Heads at |t| > 3", "Heads", "Median |d|"]
EXPLAINED = (
    "|t|: paired t of a head over the pairs. *k× empirical null p99*: the observed count over the 99th percentile of "
    "that count when the pairs' labels are flipped. |d|: mean over standard deviation of the differences. *Split-half "
    "r*: how alike the t maps of two random halves of the pairs are, median and quartiles (IQR). *joint*, *single*: "
    "the model's double-stream and single-stream blocks."
)
PUBLISHED_NOTE = (
    "**Published figures of the model card.** Its per-head data were not released, so there is no head map, and the "
    "null's p99 counts (about 1,333 and 7) are derived from the printed ratios."
)


_downloads = tempfile.TemporaryDirectory(prefix="plantain-")
_recent: deque[Path] = deque()
_KEPT_DOWNLOADS = 32


def counting_choice() -> gr.Radio:
    """Which heads are counted: the page says it wherever a count stands."""
    choices = [(label, key) for key, (label, _) in COUNTINGS.items()]
    return gr.Radio(choices, value="card", label="What counts as a head")


class RunView:
    """Components of one run, laid out where it is made; ``show`` gives values for ``outputs``.

    First values travel with the page, so that a cached run is there at first paint.
    """

    def __init__(self, first: Sequence[Any] | None = None) -> None:
        values = list(first) if first is not None else [None] * 8
        self.about = gr.Markdown(values[0])
        self.table = gr.Dataframe(
            values[1], headers=TABLE_HEADERS, interactive=False, wrap=True, label="The card's table"
        )
        gr.Markdown(EXPLAINED)
        self.beyond = gr.Markdown(values[2])
        self.overview = _picture(values[3])
        with gr.Row():
            self.null = _picture(values[4], scale=2, buttons=[])
            self.split_half = _picture(values[5], scale=1, buttons=[])
        self.blocks = gr.Dataframe(values[6], headers=BLOCK_HEADERS, interactive=False, label="Blocks by max |t|")
        self.files = gr.File(values[7], label="Download", file_count="multiple", interactive=False)

    @property
    def outputs(self) -> list[Any]:
        return [
            self.about,
            self.table,
            self.beyond,
            self.overview,
            self.null,
            self.split_half,
            self.blocks,
            self.files,
        ]


def show(result: ProbeResult, summary: Summary, folder: Path | None = None) -> list[Any]:
    """Values for ``RunView.outputs``; ``folder`` is the saved run whose tensor file is offered too."""
    return [
        _about(result, summary),
        [list(row) for row in summary.rows[1:]],
        "\n\n".join([*summary.beyond, report.CAVEAT]),
        image(report.overview(result, summary)),
        image(figures.null_counts(summary)),
        image(figures.split_half(summary)),
        block_rows(summary),
        _files(result, folder),
    ]


def show_live(result: ProbeResult, summary: Summary, with_figure: bool) -> list[Any]:
    """The same while a run goes on: the table each time, the map when asked, the rest at the end."""
    overview = image(report.overview(result, summary)) if with_figure else gr.skip()
    table = [list(row) for row in summary.rows[1:]]
    return [
        _about(result, summary),
        table,
        "*Provisional: the run goes on.*",
        overview,
        gr.skip(),
        gr.skip(),
        block_rows(summary),
        gr.skip(),
    ]


def blank(said: str = "") -> list[Any]:
    """Empty the view, with a sentence in its place: old numbers must not stand under a new name."""
    hidden = gr.update(value=None, visible=False)
    return [said, [], "", hidden, hidden, hidden, [], None]


def show_published(table: CardTable, counting: str) -> list[Any]:
    """The same for a card of which only the printed figures are known."""
    other = "" if counting == "card" else " It gives card heads only: the choice above does not apply to it."
    hidden = gr.update(visible=False)
    return [
        PUBLISHED_NOTE + other,
        [list(row) for row in table.rows[1:]],
        report.CAVEAT,
        image(figures.block_maxima(table, "Published: the five blocks the card names")),
        hidden,
        hidden,
        block_rows(table),
        [_copied(ASSETS / "published.json", _new_folder())],
    ]


def image(picture: figures.Picture) -> dict[str, Any]:
    """A picture as an update of an image component, with its real alternative text."""
    drawn = Image.open(io.BytesIO(picture.to_bytes("png", dpi=130)))
    return gr.update(value=drawn, alt_text=picture.alt, visible=True)


def block_rows(table: CardTable) -> list[list[Any]]:
    return [
        [block.name, f"{block.max_abs_t:.2f}", block.n_above, block.n_heads, f"{block.median_abs_d:.2f}"]
        for block in table.blocks
    ]


def _picture(first: dict[str, Any] | None, scale: int | None = None, buttons: Any = ("fullscreen",)) -> gr.Image:
    settings = {key: value for key, value in (first or {"visible": False}).items() if key != "__type__"}
    # A label would be laid over the figure, which carries its own title; buttons would hide a legend.
    return gr.Image(show_label=False, interactive=False, format="png", buttons=list(buttons), scale=scale, **settings)


def _about(result: ProbeResult, summary: Summary) -> str:
    a, b = result.prompts.conditions
    known = report.describe_run(result)
    lines = [
        f"**{result.model}**, {known['prompts']}. A: {a}; B: {b}; t of B − A over pairs. "
        f"Counted: **{report.counting(result, summary)}**."
    ]
    if note := report.about_model(result.model):
        lines.append(note)
    lines.append("; ".join(f"{key}: {value}" for key, value in known.items() if key not in ("model", "prompts")) + ".")
    return "\n\n".join(lines)


def _files(result: ProbeResult, folder: Path | None) -> list[str]:
    """Write what can be downloaded, always in both countings; gradio copies the files when it serves them."""
    target = _new_folder()
    card = summarise(result)
    texts = report.texts(result, card, summarise(result, "head"))
    for name, text in texts.items():
        (target / name).write_text(text, encoding="utf-8", newline="")
    (target / "overview.svg").write_bytes(report.overview(result, card).to_bytes("svg"))
    files = [str(target / name) for name in (*texts, "overview.svg")]
    if folder is None:
        result.save(target)
    else:
        for path in (folder / "run.json", *folder.glob("mean_square-*.safetensors")):
            _copied(path, target)
    # These two files together are the run: in a folder of their own, `load_result` reads them.
    return [*files, str(target / "run.json"), *map(str, target.glob("*.safetensors"))]


def _new_folder() -> Path:
    """A folder for downloads under this process's temporary one; the oldest go, long since copied."""
    folder = Path(tempfile.mkdtemp(dir=_downloads.name))
    _recent.append(folder)
    while len(_recent) > _KEPT_DOWNLOADS:
        shutil.rmtree(_recent.popleft(), ignore_errors=True)
    return folder


def _copied(path: Path, folder: Path) -> str:
    """Gradio serves files of the temporary and the working folder only."""
    return str(shutil.copyfile(path, folder / path.name))
