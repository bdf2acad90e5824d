"""Tables of a patching study: doses, families and streams, blocks, and what is drawn."""

from __future__ import annotations

import numpy as np

from plantain import stats
from plantain.data.interventions import KINDS, MAIN, TOKENS
from plantain.data.patching import DRAWN, PatchStudy
from plantain.questions.chosen import curve, ks_of, over_pairs
from plantain.wording import Table, number, signed

SAID = {
    "t": "|t| of the output's size",
    "place": "place",
    "code": "code",
    "deformation": "deformation",
    "selectivity": "place, less elsewhere",
    "norm": "‖Δx‖",
    "write": "‖W_out Δx‖",
}
"""Rankings as tables call them."""
SHOWN_K = (4, 8, 15, 30)


def doses_table(study: PatchStudy, measure: str) -> Table:
    """The area between a ranking's curve and the others', and y* over alpha at one k.

    >>> print(doses_table(study, "y_truth").text)
    """
    alphas = sorted({float(alpha) for alpha in study.table.alpha[study.table.where(role="dose")]})
    k = max((k for k in ks_of(study, MAIN[0]) if k <= 15), default=0)
    header = (
        "ranked by",
        "area over random",
        "area over matched",
        *(f"alpha {a:g}, k = {k}" for a in alphas),
        "alpha 1",
    )
    rows = []
    for ranking in MAIN:
        at, sets = curve(study, ranking, measure)
        if len(at) < 2:
            continue
        means = [one.mean for one in sets]
        lower = [[one.random for one in sets], [np.nan if np.isnan(one.p) else one.matched for one in sets]]
        over = [signed(float(stats.area_between(at, means, y)), 3) if np.isfinite(y).all() else "—" for y in lower]
        cells = []
        for alpha in alphas:
            numbers = study.table.where(role="dose", ranking=ranking, k=k)
            cells.append(mean_of(study, numbers[np.isclose(study.table.alpha[numbers], alpha)], measure))
        rows.append((SAID[ranking], *over, *cells, mean_of(study, _chosen(study, ranking, k), measure)))
    note = "Area: mean height of the curve over k above that of random, and of matched sets. alpha: how much is taken."
    return Table("Curves over k, and doses", note, (header, *rows))


def parts_table(study: PatchStudy, measure: str) -> Table:
    """Whole families at positions and denoising steps.

    >>> print(parts_table(study, "y_truth").text)
    """
    header, rows = ("heads", "step", *(f"{tokens} tokens" for tokens in TOKENS), "A into B, image"), []
    for kind, name in enumerate(KINDS):
        for step in sorted({int(s) for s in study.table.step}):
            some = {"role": "kind", "draw": kind, "step": step}
            every = [study.table.where(tokens=t, direction="sufficiency", **some) for t in TOKENS]
            cells = [mean_of(study, numbers, measure) for numbers in every]
            back = mean_of(study, study.table.where(tokens="image", direction="necessity", **some), measure)
            if any(cell != "—" for cell in cells):
                rows.append((name, str(step), *cells, back))
    note = "Partner positions line up at image tokens alone. Later steps are a drawing's, from each side's own latents."
    return Table("By family, stream and step", note, (header, *rows))


def blocks_table(study: PatchStudy, measure: str) -> Table:
    """Every block's attention, and its MLP, by itself at image tokens.

    >>> print(blocks_table(study, "y_truth").text)
    """
    header, rows = ("block", "attention", "MLP"), []
    for block, name in enumerate(study.head_map.block_names):
        cells = [mean_of(study, study.table.where(role="block", draw=2 * block + part), measure) for part in (0, 1)]
        if any(cell != "—" for cell in cells):
            rows.append((name, *cells))
    return Table("By block", "B's values into A, one block at a time.", (header, *rows))


def pictures_table(study: PatchStudy) -> Table:
    """What is drawn with the first heads of every ranking.

    >>> print(pictures_table(study).text)
    """
    header = ("ranked by", "k", "turned", "matched", "donor's pose", "degrees off", "place kept", "clothes kept")
    rows = []
    if unpatched := study.about.get("unpatched"):
        a_sides = np.array([sides[0] for sides in unpatched.values()], float)
        rows.append(("no patch", "0", *_drawn_cells(dict(zip(DRAWN, a_sides.mean(axis=0), strict=True)), {})))
    for ranking in SAID:
        for k in SHOWN_K:
            if one := drawn_share(study, ranking, k):
                rows.append((SAID[ranking], str(k), *_drawn_cells(one, drawn_share(study, ranking, k, "matched"))))
            for role, said in (("within high", "first half of the 2 k that write most"), ("within low", "second half")):
                if one := drawn_share(study, ranking, k, role):
                    rows.append((f"{SAID[ranking]}, {said}", str(k), *_drawn_cells(one, {})))
    note = (
        "Drawn with the heads patched at every step, the prompt's pass alone. turned: nearer to B's rendered truth "
        "than to A's; donor's pose: of all poses the nearest; degrees a joint from it. Of "
        f"{drawn_pairs(study)} of {len(study.prompts)} pairs."
    )
    return Table("What is drawn", note, (header, *rows))


def drawn_share(study: PatchStudy, ranking: str, k: int, role: str = "chosen") -> dict[str, float]:
    """Means over pictures of ``DRAWN`` for sets of a ranking; empty where none were drawn.

    >>> drawn_share(study, "write", 15)["turned"]
    """
    numbers = study.table.where(role=role, ranking=ranking, k=k, direction="sufficiency")
    values = {name: study.of(numbers, name) for name in DRAWN} if len(numbers) else {}
    known = {name: some[np.isfinite(some)] for name, some in values.items()}
    if not len(known.get("turned", ())):
        return {}
    return {name: float(some.mean()) if len(some) else float("nan") for name, some in known.items()}


def drawn_pairs(study: PatchStudy) -> int:
    """Pairs of which patched pictures were drawn."""
    return len(np.unique(np.searchsorted(study.starts, study.drawn_rows, side="right")))


def mean_of(study: PatchStudy, numbers: np.ndarray, measure: str) -> str:
    """A measure's mean over all pairs in which some interventions are made, or a dash."""
    values = over_pairs(study, numbers, measure) if len(numbers) else np.zeros(0)
    known = values[np.isfinite(values)]
    return number(float(known.mean()), 3) if len(known) else "—"


def _chosen(study: PatchStudy, ranking: str, k: int) -> np.ndarray:
    return study.table.where(role="chosen", ranking=ranking, k=k, direction="sufficiency")


def _drawn_cells(one: dict[str, float], matched: dict[str, float]) -> tuple[str, ...]:
    turned = (_percent(one["turned"]), _percent(matched["turned"]) if matched else "—")
    kept = (_percent(one["setting"]), _percent(one["clothes"]))
    return (*turned, _percent(one["pose"]), number(one["distance"], 1), *kept)


def _percent(value: float) -> str:
    return "—" if np.isnan(value) else f"{100 * value:.0f} %"
