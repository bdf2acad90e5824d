"""``?embed=1``: the page in a small frame: two bodies, the first rungs and a way out; bars where there are no rungs."""

from collections.abc import Callable
from html import escape
from urllib.parse import quote

from plantain.data.prompts import described
from plantain.errors import InputError
from plantain.model.names import EMBEDDED_MODELS
from plantain.questions.counted import RunWithTwin
from plantain.questions.response import load_published
from plantain.ui import catalog, headline, overlay
from plantain.ui.catalog import PUBLISHED
from plantain.ui.dense import Dense, dense_beside
from plantain.ui.ladder import rungs_html

_QUESTION = "Does an image model know what a body pose is?"


def compact(both: RunWithTwin, figure: Callable[[], str], key: str) -> str:
    """Of a run in the list; what ``figure`` makes, its null, stands where nothing was read token by token.

    >>> compact(catalog.both_in(folder, "card", 0), str, "shipped/posebox")
    """
    result = both.result
    title = _QUESTION
    if described(result.prompts).role != "pose":
        title = f"{escape(result.prompts.title or result.prompts.name)}: {escape(result.model)}"
    dense = _dense(key)
    if dense is not None and not result.untrained:
        left = f"{headline.badge(result.model)}{_bodies(dense)}{headline.headline(both)}"
        return _frame(title, left, rungs_html(dense), key)
    about = "Numbers of Posebox, a small stand-in, not of FLUX.2 Klein. " if result.model in EMBEDDED_MODELS else ""
    missing = "" if both.twin is not None or result.untrained else f"{headline.missing_twin(result)} "
    note = f'<p class="plantain-muted">{about}{missing}To respond to the change is not yet to stand for pose.</p>'
    return _frame(title, headline.bars(both) + note, figure(), key)


def compact_published() -> str:
    """The same of the published card."""
    table = load_published()
    bars = headline.bar_table("Card heads", "as published", table)
    note = f'<p class="plantain-muted">{headline.NO_TWIN} {headline.PUBLISHED_NOTE}</p>'
    return _frame(_QUESTION, headline.published_headline() + bars, note, PUBLISHED)


def _dense(key: str) -> Dense | None:
    try:
        return dense_beside(key) if key in catalog.entries() else None
    except (InputError, OSError):
        return None


def _bodies(dense: Dense) -> str:
    """Both sides of the first pair."""
    pictures, prompts = dense.pictures, dense.family.trained.prompts
    if pictures is None or not pictures.complete:
        return ""
    sides = "".join(
        f'<img src="{overlay.thumbnail(pictures.pixels[0, side])}" alt="{escape(condition)}: what the model draws" '
        'width="128" height="128">'
        for side, condition in enumerate(prompts.conditions)
    )
    return f'<div class="plantain-two">{sides}</div>'


def _frame(title: str, left: str, right: str, key: str) -> str:
    link = f'<a class="plantain-button" href="?run={quote(key)}" target="_blank" rel="noopener">Open the full page</a>'
    return f'<h2>{title}</h2><div class="plantain-columns"><div>{left}</div><div>{right}<p>{link}</p></div></div>'
