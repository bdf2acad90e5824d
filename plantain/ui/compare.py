"""Two runs side by side: their tables, and whether the same heads respond in both."""

from dataclasses import dataclass
from html import escape

import numpy as np

from plantain import stats
from plantain.data.result import ProbeResult
from plantain.errors import InputError, is_number
from plantain.questions.counted import COUNTINGS, Counted, check_counting
from plantain.questions.response import CardTable, load_published
from plantain.report import figures
from plantain.stats import MIN_PAIRS
from plantain.ui import catalog
from plantain.ui.html import alert, html_table, page_figure
from plantain.wording import Table, signed

_SQUARE = 5.2  # inches: the figure is about as high as wide


@dataclass(frozen=True)
class Side:
    """One of the two, under its name; the published card has no run."""

    label: str
    run: Counted | None

    @property
    def table(self) -> CardTable:
        return load_published() if self.run is None else self.run.chosen


def compare(left: str | ProbeResult | None, right: str | None, counting: str, step: int = 0) -> str:
    """The comparison as HTML; ``left`` is a key of the list or a run of one's own, ``right`` a key or nothing.

    ``step``: the denoising step of both; of a run with fewer steps, its last.
    """
    if not right:
        return ""
    if left is None:
        return "<p>Run the probe first; its result is compared here.</p>"
    try:
        check_counting(counting)
        if not is_number(step):
            raise InputError("step must be a number.")
        entries = [catalog.entry(key) for key in (left, right) if not isinstance(key, ProbeResult)]
        if any(entry.folder is None for entry in entries):
            counting = "card"  # the only one that the published card has
        sides = [_side(entry, counting, step) for entry in entries]
        if isinstance(left, ProbeResult):
            if left.n_pairs < MIN_PAIRS:
                return f"<p>A t needs at least {MIN_PAIRS} pairs; this run has {left.n_pairs} so far.</p>"
            own = Counted(left, counting, _step(step, left))
            sides.insert(0, Side("This run", own))
        return _sides(sides[0], sides[1], counting)
    except (InputError, OSError) as error:
        return alert("Not compared.", error)


def _side(entry: catalog.Entry, counting: str, step: int) -> Side:
    if entry.folder is None:
        return Side(entry.label, None)
    return Side(entry.label, catalog.counted_in(entry.folder, counting, _step(step, catalog.load(entry.folder))))


def _step(asked: float, of: ProbeResult) -> int:
    return int(max(0, min(asked, of.config.num_inference_steps - 1)))


def _sides(a: Side, b: Side, counting: str) -> str:
    rows = [("Pairs", str(a.table.n_pairs), str(b.table.n_pairs))]
    rows += [(x[0], _cell(x), _cell(y)) for x, y in zip(a.table.rows, b.table.rows, strict=True)]
    shown = html_table(Table(f"Counted: {COUNTINGS[counting][0]}", "", (("Metric", a.label, b.label), *rows)))
    if a.run is None or b.run is None:
        shown += "<p>The card's per-head data were not released: only the table can be compared.</p>"
    else:
        shown += _unlike(_settings(a.run), _settings(b.run)) + _t_maps(a.run, b.run, (a.label, b.label))
    return f'<div class="plantain-page plantain-left">{shown}</div>'


def _unlike(one: dict[str, str], other: dict[str, str]) -> str:
    """In what the two runs differ besides the model: counts side by side invite to forget it."""
    found = [f"{what}: {one[what]} against {other[what]}" for what in one if one[what] != other[what]]
    if not found:
        return ""
    return f'<p class="plantain-note">The two runs differ in more than the model. {escape("; ".join(found))}.</p>'


def _settings(run: Counted) -> dict[str, str]:
    result, provenance = run.result, run.result.provenance
    return {
        "prompts": result.prompts.name,
        "pairs": f"{result.n_pairs} of {len(result.prompts)}",
        "noise seeds": ", ".join(map(str, result.config.seeds)),
        "noise level": f"{result.levels[run.step]:.3g}" if result.levels else "unknown",
        "guidance": f"{result.config.guidance_scale:g}",
        "pixels": f"{provenance.get('width', '?')} × {provenance.get('height', '?')}",
        "dtype": str(provenance.get("dtype", "unknown")),
    }


def _t_maps(a: Counted, b: Counted, labels: tuple[str, str]) -> str:
    """Whether the same heads respond in both runs, where the heads are the same ones."""
    if a.result.head_map != b.result.head_map:
        return "<p>The two models have different heads: only the tables can be compared.</p>"
    left, right = a.chosen.t, b.chosen.t
    r = stats.pearson(left, right)
    if np.isnan(r):
        return "<p>The t maps have no variance to correlate.</p>"
    ours, theirs = (run.result.provenance.get("weights_fingerprint") for run in (a, b))
    same = ours is not None and ours == theirs
    # Heads of two separate draws of weights share no more than their place.
    what = "" if same else " Heads of different weights share no more than their place in the network."
    said = f"Pearson r between the two t maps, over {len(left):,} heads: {signed(r, 3)}.{what}"
    figure = page_figure(lambda width: figures.response.t_against_t(left, right, *labels, min(width, _SQUARE)))
    return f'<p>{said}</p><div class="plantain-square">{figure}</div>'


def _cell(row: tuple[str, str, str]) -> str:
    return row[1] if row[2] == "—" else f"{row[1]} · {row[2]}"
