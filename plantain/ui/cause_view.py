"""What *Cause* says of a pair: three pictures, a sentence, the numbers; and what was asked for, checked."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np

from plantain.data.chosen import RANDOM
from plantain.data.webp import encode
from plantain.errors import InputError, is_number
from plantain.report import figures
from plantain.report.export import Files, figure_files, section_files, table_files
from plantain.ui import overlay
from plantain.ui.cause_runs import CauseRuns, curves
from plantain.ui.engine import STEPS, PatchJob
from plantain.ui.html import html_table
from plantain.ui.limits import Whole
from plantain.wording import Table, number

if TYPE_CHECKING:
    from plantain.posebox.patched import Seen

DEFORMATION = "deformation"
RANKED_BY = {
    "place": "place",
    "t": "|t|",
    "write": "what they write, ‖W_out Δx‖",
    DEFORMATION: "deformation",
    RANDOM: "random",
}
"""Rankings that are offered, where a model has them."""
SIDES = ("B into A", "A into B")
NOT_DRAWN = "not drawn yet"


@dataclass(frozen=True)
class Asked:
    """What a visitor asks to be drawn, checked."""

    pair: int
    ranking: str
    k: int
    alpha: float
    steps: str
    side: int  # 0: A takes B's values

    @classmethod
    def of(cls, runs: CauseRuns, pair: Any, ranking: Any, k: Any, alpha: Any, steps: Any, direction: Any) -> Asked:
        """Whatever a browser sends, or an InputError.

        >>> Asked.of(runs, 3, "place", 15, 1.0, "all", "B into A")
        """
        if ranking not in RANKED_BY or steps not in STEPS or direction not in SIDES:
            raise InputError("Expected a ranking, steps and a direction from the lists; choose them again.")
        if not is_number(alpha) or not 0 <= alpha <= 1:
            raise InputError(f"α lies between 0 and 1; got {str(alpha)[:40]}.")
        k = Whole(1, runs.chooser.n_heads).check(k, "The number of heads")
        pair = Whole(0, len(runs.prompts) - 1).check(pair, "The pair")
        return cls(pair, ranking, k, float(alpha), steps, SIDES.index(direction))

    @property
    def own(self) -> str:
        """The side that is patched."""
        return "AB"[self.side]

    @property
    def donor(self) -> str:
        return "BA"[self.side]

    @property
    def said(self) -> str:
        """The settings in words, plain text."""
        heads = "1 attention head" if self.k == 1 else f"{self.k} attention heads"
        by = "at random" if self.ranking == RANDOM else f"by {RANKED_BY[self.ranking]}"
        when = "every step" if self.steps == "all" else f"the {self.steps} of the steps"
        return f"{heads} {by}, α = {self.alpha:g}, at {when}"


@dataclass(frozen=True)
class Drawn:
    """The patched picture, and where the renderer can tell, what is seen in A, in it and in B."""

    asked: Asked
    pixels: np.ndarray  # uint8, (3, height, width, 3): A, B, patched
    seen: tuple[Seen, Seen, Seen] | None = None


def job(runs: CauseRuns, asked: Asked) -> PatchJob:
    """What the model is given.

    >>> engine.patched(job(runs, asked)).shape
    """
    heads = runs.chooser.runs(asked.ranking, asked.k, asked.pair)
    pair = runs.prompts.pairs[asked.pair]
    return PatchJob(pair, heads, asked.side, asked.alpha, asked.steps, runs.seed, runs.size)


def pictures(runs: CauseRuns, pair: int, drawn: Drawn | None = None, waiting: str = NOT_DRAWN) -> str:
    """HTML of A, the patched picture and B, side by side; what is not drawn is an empty frame that says so.

    >>> pictures(runs, 3)
    """
    kept, prompt = runs.files(pair), runs.prompts.pairs[pair]
    if kept is None and drawn is not None:
        kept = encode(drawn.pixels[0]), encode(drawn.pixels[1])
    seen = drawn.seen if drawn is not None and drawn.seen is not None else (None, None, None)
    figures = []
    for side, text, verdict in ((0, prompt.a, seen[0]), (1, prompt.b, seen[2])):
        name = f"{'AB'[side]}: {runs.prompts.conditions[side]}"
        alt = f"{name}; what the model draws of “{text}”{_nearest(verdict)}."
        figures.append(_figure(None if kept is None else kept[side], alt, name, "AB"[side], waiting))
    if drawn is None:
        middle = _figure(None, "", "patched", "", waiting)
    else:
        asked = drawn.asked
        text = prompt.b if asked.side else prompt.a
        alt = f"{asked.own} patched: “{text}” drawn with {asked.donor}'s values in {asked.said}{_nearest(seen[1])}."
        caption = f"{asked.own}, with {asked.donor}'s values in {asked.said}"
        middle = _figure(encode(drawn.pixels[2]), alt, caption, "", waiting)
    figures.insert(1, middle)
    return (
        '<div class="plantain-cause" tabindex="0" role="group" aria-label="A, patched and B, side by side">'
        f"{''.join(figures)}</div>"
    )


def _nearest(seen: Seen | None) -> str:
    return "" if seen is None else f"; of the renderer's poses it is nearest to {_pose(seen.nearest)}"


def _figure(file: bytes | None, alt: str, caption: str, side: str, waiting: str) -> str:
    marked = f' data-side="{side}"' if side else ""
    shown = f'<div class="plantain-empty">{escape(waiting)}</div>'
    if file is not None:
        shown = f'<img src="{overlay.data_uri(file)}" alt="{escape(alt)}">'
    return f"<figure{marked}>{shown}<figcaption>{escape(caption)}</figcaption></figure>"


def _pose(name: str) -> str:
    return name.replace("-", " ") if name not in ("t-pose", "a-pose") else name[0].upper() + name[1:]


def look(runs: CauseRuns, drawn: Drawn) -> Drawn:
    """The same with what the renderer's poses tell of it; as it was for prompts that the renderer does not know."""
    from plantain.posebox.patched import see  # with it comes torch: after a model has run, not at first paint
    from plantain.posebox.words.reading import read

    pair, side = runs.prompts.pairs[drawn.asked.pair], drawn.asked.side
    texts = pair.a, pair.b
    if any(reading.unknown or reading.conflicts for reading in map(read, texts)):
        return drawn
    a, b, patched = drawn.pixels
    own, donor = texts[side], texts[1 - side]
    seen = see(a, texts[0], donor), see(patched, own, donor), see(b, texts[1], donor)
    return Drawn(drawn.asked, drawn.pixels, seen)


def sentence(drawn: Drawn) -> str:
    """What came of it, HTML.

    >>> sentence(look(runs, drawn))
    """
    asked = drawn.asked
    said = f"<strong>{escape(asked.said[0].upper() + asked.said[1:])}</strong>"
    if drawn.seen is None:
        return f"{said}. Whose pose the patched picture shows is told where Posebox draws, and here by eye."
    own, donor = (drawn.seen[0], drawn.seen[2])[:: 1 if asked.side == 0 else -1]
    patched = drawn.seen[1]
    if patched.pose:
        whose = f"which is {asked.donor}'s pose"
    else:
        apart = f"{patched.distance:.0f}° a joint from {asked.donor}'s ({_pose(donor.nearest)})"
        whose = f"{'still' if patched.nearest == own.nearest else 'not'} {asked.own}'s own pose, {apart}"
    lost = [what for what, right in (("place", patched.setting), ("clothes", patched.clothes)) if not right]
    kept = "place and clothes are still as the prompts say"
    if lost:
        kept = f"{' and '.join(lost)} {'is' if lost == ['place'] else 'are'} no longer as the prompts say"
    nearest = escape(_pose(patched.nearest))
    return f"{said}: the patched figure is nearest to <em>{nearest}</em>, {escape(whose, quote=False)}; {kept}."


def numbers(runs: CauseRuns, drawn: Drawn) -> str:
    """Which heads they are, and what is seen in all three pictures, as HTML tables."""
    return f'<div class="plantain-left">{"".join(html_table(table) for table in _tables(runs, drawn))}</div>'


def files(runs: CauseRuns, drawn: Drawn | None) -> Files:
    """The drawn pictures beside their tables, and the curves of the studies, as files.

    >>> files(runs, look(runs, drawn)).keys()

    Raises InputError: nothing is drawn, and there are no curves.
    """
    section = curves(runs)
    found: Files = {} if section is None else section_files("curves", section)
    if drawn is not None:
        asked = drawn.asked
        a, b, patched = drawn.pixels
        sides = (("A", a), (f"{asked.own} patched", patched), ("B", b))
        layers = [figures.maps.Layer(said, pixels=pixels) for said, pixels in sides]
        found |= figure_files("cause", figures.maps.draw(layers, f"A, {asked.own} patched with {asked.said}, and B."))
        found |= table_files(_tables(runs, drawn))
    if not found:
        raise InputError("Nothing is drawn yet, and there is no study whose curves could be saved; press Draw it.")
    return found


def _tables(runs: CauseRuns, drawn: Drawn) -> list[Table]:
    asked = drawn.asked
    heads = runs.chooser.heads(asked.ranking, asked.k, asked.pair)
    rows: list[tuple[str, ...]] = [(block, some) for block, some in _by_block(runs, heads)]
    tables = [Table(f"The {asked.said}", "", (("block", "heads"), *rows))]
    if drawn.seen is not None:
        header = ("picture", "nearest pose", f"° a joint from {asked.donor}'s", "place as said", "clothes as said")
        names = "A", f"{asked.own} patched", "B"
        cells = [(name, *_cells(seen)) for name, seen in zip(names, drawn.seen, strict=True)]
        tables.insert(0, Table("What the pictures show, by the renderer", "", (header, *cells)))
    return tables


def _cells(seen: Seen) -> tuple[str, ...]:
    right = ("yes" if said else "no" for said in (seen.setting, seen.clothes))
    return _pose(seen.nearest), number(seen.distance, 0), *right


def _by_block(runs: CauseRuns, heads: np.ndarray) -> list[tuple[str, str]]:
    table = runs.run.head_map.table("head")
    found: dict[str, list[str]] = {}
    for head in np.sort(heads):
        found.setdefault(str(table["block"][head]), []).append(str(table["index"][head]))
    return [(block, ", ".join(some)) for block, some in found.items()]


def caveat(runs: CauseRuns) -> str:
    """What one picture cannot say, in plain text."""
    said = "Heads are ranked on the other pairs' folds, never on the pair shown."
    if runs.studies:
        return f"{said} One picture is an example: the curves count all pairs, beside sets of other heads."
    return (
        f"{said} One picture is an example: what all pairs say, beside sets of other heads, takes a patching study, "
        "which also ranks heads by what they write (python -m plantain patch)."
    )
