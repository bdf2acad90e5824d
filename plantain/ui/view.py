"""The view of one run that several tabs share: claim, figures, tables, how to make it again, files."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from html import escape
from itertools import product
from typing import Any

import gradio as gr

from plantain.data.result import ProbeResult
from plantain.questions.certainty import MEANING, certainty_table
from plantain.questions.counted import COUNTINGS, Counted, RunWithTwin, check_counting
from plantain.questions.response import Summary, load_published
from plantain.report import figures, notes
from plantain.report.command import is_shipped, shell_command
from plantain.report.picture import NARROW, Picture
from plantain.ui import catalog, embed, headline
from plantain.ui.engine import QUIET
from plantain.ui.first import COMPACT, HEADLINE
from plantain.ui.html import html_table, page_figure
from plantain.ui.kept import kept
from plantain.ui.once import once

# Inches of a figure that shares its row with one of a phone's width; drawn wider, its text would shrink.
_TWO_THIRDS = 6.4


def counting_choice(**settings: Any) -> gr.Radio:
    """Which heads are counted: the page says it wherever a count stands."""
    choices = [(label, key) for key, (label, _) in COUNTINGS.items()]
    return gr.Radio(choices, value="card", label="What counts as a head", **settings)


def refresh_when(event: Callable[..., object], runs: gr.Dropdown) -> None:
    """At an event before the list is opened, offer what was saved meanwhile; told on focus, an open list stays open."""
    event(lambda: gr.Dropdown(choices=catalog.choices()), None, runs, **QUIET)


def step_choices(result: ProbeResult) -> list[tuple[str, int]]:
    levels = [f", noise level {level:.3g}" for level in result.levels] or [""] * result.config.num_inference_steps
    return [(f"{i + 1}{level}", i) for i, level in enumerate(levels)]


_CLASSES = {"compact": [COMPACT], "headline": ["plantain-full", HEADLINE]}
Values = Mapping[str, Any]  # what a view shows, by the names in PARTS
PARTS = ("headline", "counts", "table", "overview", "half", "sure", "reproduce", "compact")


class RunView:
    """Components of one run, laid out where it is made; ``show`` and its like give the values that it takes.

    First values travel with the page, so that a cached run is there at first paint. With none the view takes no room.
    """

    def __init__(self, lay_out: Callable[[RunView], None], first: Values | None = None) -> None:
        """``lay_out`` places all of ``PARTS`` that are to be seen, and the tools."""
        self._first = first or blank()
        self.parts: dict[str, Any] = {}
        with gr.Column(visible=bool(self._first["headline"]), min_width=0) as self.frame:
            lay_out(self)

    def place(self, *names: str) -> None:
        """Lay parts out here."""
        for name in names:
            self.parts[name] = gr.HTML(self._first[name], elem_classes=_CLASSES.get(name, ["plantain-full"]))

    def place_tools(self, save: Callable[[], object]) -> None:
        """How to make the run again, and its files, each in a drawer; ``save`` lays out what hands them over."""
        with gr.Accordion("Reproduce this", open=False, elem_classes=["plantain-full"]):
            self.place("reproduce")
        with gr.Accordion("Download", open=False, elem_classes=["plantain-full"]):
            save()

    @property
    def outputs(self) -> list[Any]:
        return [*self.parts.values(), self.frame]

    def given(self, values: Values) -> dict[Any, Any]:
        """What an event with these ``outputs`` returns to show the values; parts not among them stay as they are."""
        shown = {self.parts[name]: value for name, value in values.items() if name in self.parts}
        return shown | {self.frame: gr.Column(visible=bool(values["headline"]))}


def show_cached(entry: catalog.Entry, counting: str, step: int = 0) -> Values:
    """Values for a ``RunView`` of a run in the list; made once for each state of its folder."""
    if step == 0:
        return _first_step(entry.key, counting)
    assert entry.folder is not None  # the published card has one step
    return _values(catalog.both_in(entry.folder, counting, step), entry.key)


@kept(lambda: product(catalog.shipped_keys(), COUNTINGS))
def _first_step(key: str, counting: str) -> Values:
    folder = catalog.entry(key).folder
    if folder is None:
        check_counting(counting)
        return _published(counting)
    return _values(catalog.both_in(folder, counting, 0), key)


def show(result: ProbeResult, counting: str, step: int = 0) -> Values:
    """The same for a run that is not saved."""
    # Counted anew, and so nobody's who asks again: kept, it would hold a visitor's run for nothing.
    return _values_of(catalog.beside(Counted(result, counting, step)), "")


def show_live(result: ProbeResult, counting: str, with_figure: bool) -> Values:
    """The same while a run goes on: claim and table each time, the map when asked, the rest at the end."""
    both = RunWithTwin(Counted(result, counting, n_flips=200))
    provisional = '<p class="plantain-muted">Provisional: the run goes on, and its null is of 200 flips.</p>'
    table = provisional + headline.card_table(both.run.chosen, result.prompts)
    figure = {"overview": _overview(both)} if with_figure else {}
    return {"headline": headline.headline(both), "counts": headline.counts(both), "table": table} | figure


def blank(said: str = "") -> Values:
    """Empty the view, with a sentence in its place: old numbers must not stand under a new name."""
    return dict.fromkeys(PARTS, "") | {"headline": said, "compact": said}


def all_but(values: Values, later: Collection[str]) -> Values:
    """The same with some parts left empty, to be shown when their drawer is opened."""
    return {name: "" if name in later else values[name] for name in values}


class _OnDemand(Mapping[str, str]):
    """Values that are made when they are asked for: a page opens with half of a run's parts, the dearer half folded."""

    def __init__(self, makers: Mapping[str, Callable[[], str]]) -> None:
        self._make = once(len(makers))(lambda name: makers[name]())
        self._names = (*makers,)

    def __getitem__(self, name: str) -> str:
        return self._make(name)

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


@once(maxsize=48)
def _values(both: RunWithTwin, key: str) -> Values:
    return _values_of(both, key)


def _values_of(both: RunWithTwin, key: str) -> Values:
    return _OnDemand(
        {
            "headline": lambda: headline.headline(both),
            "counts": lambda: headline.counts(both),
            "overview": lambda: _overview(both),
            "half": lambda: _nulls(both),
            "table": lambda: headline.card_table(both.run.chosen, both.result.prompts, _twin(both)),
            "sure": lambda: _inference(both),
            "reproduce": lambda: _reproduce(both.result),
            "compact": lambda: embed.compact(both, lambda: _null(both, NARROW).to_svg("compact"), key),
        }
    )


def _twin(both: RunWithTwin) -> Summary | None:
    return both.beside(lambda twin: twin.chosen)


def _null(both: RunWithTwin, width: float) -> Picture:
    return figures.response.null_counts(both.run.curve, both.beside(lambda twin: twin.curve), width)


def _nulls(both: RunWithTwin) -> str:
    null = page_figure(lambda width: _null(both, min(width, _TWO_THIRDS)))
    halves = page_figure(lambda width: figures.response.split_half(both.run.chosen, _twin(both), NARROW))
    return f'<div class="plantain-half">{null}{halves}</div>'


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
    return page_figure(lambda width: figures.response.overview(summary, heads, "", twin, width), table)


_NO_HEADS = '<p class="plantain-muted">Not known: the card\'s data of single heads and pairs were not released.</p>'


@once(maxsize=4)
def _published(counting: str) -> Values:
    table = load_published()
    title = "Published: the five blocks the card names"

    def overview(width: float) -> Picture:
        return figures.response.block_maxima(table, title, width)

    return {
        "headline": headline.published_headline(),
        "counts": headline.published_counts(counting),
        "overview": page_figure(overview, headline.block_table(table)),
        "half": _NO_HEADS,
        "sure": _NO_HEADS,
        "table": headline.card_table(table),
        "reproduce": "<p>The card's 25 prompts, its resolution, dtype and seed were not published. "
        "<code>docs/your-space.md</code> says how to run our prompts through Klein.</p>",
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
