"""Make the tables of docs/results.md from the shipped runs: ``python benchmarks/findings/results.py``.

With ``--check`` nothing is written, and the exit status is 1 where a number of the page is no longer what the runs
give. Numbers come from the package, and this file says in which table; sentences stand in the page itself.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Sequence
from functools import cache
from itertools import zip_longest
from typing import Any

import control_sets
import numpy as np
import random_weights
import twins
import unweighted

import plantain
from plantain.data.dense import READINGS
from plantain.data.family import load_crossed, load_family, load_sets, load_studies
from plantain.data.study import ControlStudy, load_controls
from plantain.paths import POSEBOX, ROOT, RUNS
from plantain.questions import projections
from plantain.questions.carry_over import transfers
from plantain.questions.cause import cause
from plantain.questions.certainty import certainty_table, infer
from plantain.questions.code import code
from plantain.questions.counted import SENTENCE_FLIPS
from plantain.questions.deformation import deformation
from plantain.questions.dissociation import dissociation
from plantain.questions.dose import dose
from plantain.questions.drawn import manipulation
from plantain.questions.families import family_table
from plantain.questions.ladder import ladder
from plantain.questions.length import equal_length
from plantain.questions.place import SCOPES, place
from plantain.questions.response import load_published
from plantain.questions.selectivity import compare
from plantain.questions.specificity import specificity
from plantain.questions.stability import stability
from plantain.report.register import QUESTIONS
from plantain.report.study_tables import tables
from plantain.stats import HeadCount
from plantain.wording import p_value, signed

PAGE, README = ROOT / "docs" / "results.md", ROOT / "README.md"
TRAINED, UNTRAINED, RANDOM = MODELS = ("posebox", "posebox-untrained", "posebox-random")
# Of the tables of a comparison, those that the page shows.
COMPARED = ("By family of heads", "Counts: attention heads", "Correlation of t maps", "Bent joints, bodies, clothes")

SHORT_RUNGS = {
    "respond": "respond to the pose?",
    "place": "shift where this body moved?",
    "place_sided": "… on the side where it moved?",
    "code": "name body parts alike in any pose?",
    "deformation": "show the parts of a pose never seen?",
    "cause": "move the first step's prediction towards the other picture?",
}
"""The rungs in a few words, for the README."""
Cells = Sequence[Sequence[str]]


@cache
def run(name: str) -> Any:
    """A shipped run, by its folder in assets/runs."""
    return plantain.load_result(RUNS / name)


@cache
def summary(name: str, **view: Any) -> Any:
    """What ``plantain.summarise`` makes of it."""
    return plantain.summarise(run(name), **view)


@cache
def study() -> ControlStudy:
    return load_controls(RUNS / "controls")


@cache
def comparison() -> Any:
    """Pose held against every control, on trained and untrained weights."""
    return compare(study())


@cache
def carried() -> Any:
    """Whether each set's axis carries over to new subjects."""
    return transfers(study())


def headline() -> str:
    header = ["weights", "heads", "|t| > 3", "|t| > 5", "null p99 at 3", "set-level p", "max |t|", "split-half r"]
    rows = [[*header, "attention heads at |t| > 3"]]
    for name in MODELS:
        s, own = (summary(name, grouping=grouping, n_flips=SENTENCE_FLIPS) for grouping in ("card", "head"))
        cells = [f"`{name}`", f"{s.n_heads}", share(s), f"{s.counts[1]}", f"{s.null_p99[0]:.0f}", p_value(s.set_p[0])]
        rows.append([*cells, f"{s.max_abs_t:.1f}", half(s), f"{own.counts[0]} of {own.n_heads}"])
    s = load_published()
    cells = ["FLUX.2 Klein base 4B, as published", f"{s.n_heads:,}", share(s), f"{s.counts[1]:,}"]
    cells += [f"about {s.null_p99[0]:,.0f}", "not given", f"{s.max_abs_t:.2f}", half(s), "not given"]
    return grid([*rows, cells])


def by_family() -> str:
    rows = [["heads", "of", "|t| > 3", "null p99", "p", "r", "untrained: |t| > 3", "null p99", "p", "r"]]
    trained, twin = (family_table(run(name), n_flips=SENTENCE_FLIPS) for name in MODELS[:2])
    for scope, own in trained.counts.items():
        of = f"{own.n_heads} {trained.units[scope]}"
        rows.append([scope, of, *counted(own), *counted(twin.counts[scope])])
    return grid(rows)


def directions() -> str:
    rows = [["runs of 16 channels", "of", "|t| > 3", "of them larger in B", "untrained: |t| > 3", "larger in B"]]
    for part in ("attention", "mlp"):
        cells = []
        for name in MODELS[:2]:
            t = summary(name, part=part).t
            cells += [f"{(np.abs(t) > 3).sum()}", f"{(t > 3).sum()}"]
        rows.append([part, f"{len(t)}", *cells])
    return grid(rows)


def certainty() -> str:
    names = ("card heads", "untrained", "attention heads", "untrained ")
    of = [(name, grouping) for grouping in ("card", "head") for name in MODELS[:2]]
    counted = [summary(name, grouping=grouping, n_flips=SENTENCE_FLIPS) for name, grouping in of]
    found = [infer(run(name), each) for (name, _), each in zip(of, counted, strict=True)]
    return certainty_table(dict(zip(names, found, strict=True))).rows_markdown


def noise() -> str:
    rows: list[list[str]] = []
    said = []
    for name in MODELS[:2]:
        found = stability(run(f"levels/{name}"))
        header, *body = found.tables[0].cells
        rows += [] if rows else [["weights", *header]]
        rows += [[f"`{name}`", *row] for row in body]
        first, kept = found.same_way
        said.append(f"{kept} of {first} (`{name}`)")
    return f"{grid(rows)}\n\nHeads at |t| > 3 that are so with the same sign at every level: {', '.join(said)}."


def doses() -> str:
    header = ["weights", "heads", "distance", "a step at |t| > 3", "a slope at |t| > 3", "null p99", "p", "step best"]
    rows = [[*header, "slope or both best", "median of permutations", "gain in R²", "p"]]
    for grouping, measure in (("card", "rotation"), ("card", "joints"), ("head", "rotation")):
        for name in MODELS[:2]:
            d = dose(run(name), measure, grouping)
            low, high = d.distance.min(), d.distance.max()
            apart = f"{low:.1f}° to {high:.1f}°" if measure == "rotation" else f"{low:.0f} to {high:.0f} joints"
            cells = [f"`{name}`", f"{d.n_heads} {'card' if grouping == 'card' else 'attention'}", apart]
            cells += [f"{n}" for n in (d.step.counts[0], d.slope.counts[0])]
            cells += [f"{d.slope.null_p99[0]:.0f}", f"{d.slope.set_p[0]:.3f}"]
            cells += [f"{d.n_best['step']}", f"{d.n_by_distance}", f"{np.median(d.distance_null):.0f}"]
            rows.append([*cells, signed(d.gain, 3), f"{d.gain_p:.3f}"])
    return grid(rows)


def length() -> str:
    header = ["weights", "tokens, B − A", "t of the tokens", "heads at |t| > 3, of 510", "null p99"]
    rows = [[*header, "at equal length", "null p99", "standard error there, of a mean's"]]
    for weights, runs in study().runs.items():
        found = equal_length(runs["length"])
        plain, adjusted, fit = found.plain, found.adjusted, found.fit
        assert adjusted is not None
        assert fit is not None
        cells = [weights, signed(float(found.audit.delta.mean()), 2), signed(found.audit.t, 2), f"{plain.counts[0]}"]
        cells += [f"{plain.null_p99[0]:.0f}", f"{adjusted.counts[0]}", f"{adjusted.null_p99[0]:.0f}"]
        rows.append([*cells, f"{fit.inflation:.2f}"])
    return grid(rows)


def questions() -> str:
    """A row a question of the register: what its shipped run says, and what the untrained twin."""
    rows = [["command", "question", "trained", "untrained"]]
    for question in QUESTIONS.values():
        asked, twin = question.loaded()
        beside = "in the sentence" if twin is None else question.ask(twin).finding
        cells = [question.ask(asked).finding, beside]
        rows.append([f"`{question.name}`", question.title, *cells])
    return grid(rows)


def compared() -> str:
    made = {table.title: table for table in tables(comparison())}
    parts = [f"### {title}\n\n{made[title].note}\n\n{grid(made[title].cells)}" for title in COMPARED]
    return "\n\n".join(parts)


def random_rows() -> str:
    rows = [["weights", "T-pose in", "|t| > 3, of 510", "|t| > 5", "null p99", "set-level p", "r"]]
    kept = json.loads(random_weights.KEPT.read_text(encoding="utf-8"))
    for weights, wording in dict.fromkeys((row["weights"], row["wording"]) for row in kept):
        some = [row for row in kept if (row["weights"], row["wording"]) == (weights, wording)]
        cells = [", ".join(f"{row[key]:.0f}" for row in some) for key in ("n_above_3", "n_above_5", "null_p99")]
        ps, rs = ([row[key] for row in some] for key in ("set_p", "split_half_r"))
        rows.append(
            [weights, wording, *cells, " to ".join(dict.fromkeys(p_value(p) for p in (min(ps), max(ps)))), span(rs, 2)]
        )
    return grid(rows)


@cache
def family(prompts: str = "dense_pose") -> Any:
    """The shipped dense runs of a prompt set, by weights."""
    return load_family([RUNS / "dense"], prompts)


def rungs() -> str:
    found = ladder(family())
    parts = [f"**{table.title}**\n\n{grid(table.cells)}" for table in found.tables]
    same = ladder(family(), verified=True).to_dict()["rungs"] == found.to_dict()["rungs"]
    n = manipulation(family()).n_verified
    said = (
        f"Over the {n} verified pairs alone: {'the same counts' if same else 'other counts, see `ladder --verified`'}."
    )
    return "\n\n".join([*parts, said])


def short_ladder() -> str:
    """The README's: attention heads, of the twins of one kind only the largest count."""
    found = ladder(family())
    rows = [["does a head …", "trained", "random projections", "grafted", "untrained, permuted", "conclusion"]]
    for name, asked in SHORT_RUNGS.items():
        rung = found.of(name, "attention heads")
        trained = rung["trained"]
        if trained.count is None:
            rows.append([asked, *["not run"] * 4, ""])
            continue
        twins = [r.count for w, r in rung.items() if w not in ("trained", "grafted") and r.count is not None]
        graft = rung["grafted"].count if "grafted" in rung else None
        projected = projections.span(found.projected(name)) or "—"
        cells = [f"{trained.count} of {trained.n_heads}", projected, "not run" if graft is None else f"{graft}"]
        concluded = found.verdict(name).partition(": random")[0]
        if found.effect is not None:  # shares and the other side stand in the sentences below
            concluded = concluded.replace(found.effect.full, found.effect.short)
        rows.append([asked, *cells, projections.span(twins), concluded])
    return grid(rows)


def projected() -> str:
    """Random projections that pass each test, a row a draw, under the model's own heads."""
    found = json.loads(projections.KEPT.read_text(encoding="utf-8"))
    rows = [["of " + f"{found['n_heads']}", *(name.replace("_", ", ") for name in projections.PROJECTED)]]
    counted = [("attention heads", found["heads"])]
    counted += [(f"random projections, draw {row['seed']}", row) for row in found["projections"]]
    return grid([*rows, *([said, *(f"{row[name]}" for name in projections.PROJECTED)] for said, row in counted)])


def effect() -> str:
    """How far single heads move the image, in sentences."""
    return " ".join(cause(load_studies([RUNS / "patch"])).effect.sentences)


def placed() -> str:
    """Place by every truth and reading, then by family and by depth."""
    rows = [
        [
            "truth",
            "shift by",
            "weights",
            *(f"{scope}: own − others" for scope in SCOPES),
            *(f"{s}: sided" for s in SCOPES),
        ]
    ]
    for truth in family().trained.truths:
        for reading in READINGS:
            found = place(family(), truth, reading)
            for weights in found.weights:
                own = [f"{found.own[weights, scope].counts[0]}" for scope in SCOPES]
                rows.append([truth, reading, weights, *own, *(f"{found.sided[weights, s].counts[0]}" for s in SCOPES)])
    _, *more = place(family()).tables
    return "\n\n".join([grid(rows), *(grid(table.cells) for table in more)])


def decoded() -> str:
    tables = [*code(family()).tables, *deformation(family()).tables]
    return "\n\n".join(f"**{table.title}**\n\n{grid(table.cells)}" for table in tables)


def specific() -> str:
    first, *more = specificity(load_sets([RUNS / "dense"])).tables
    parts = [f"**{table.title}**\n\n{table.note}\n\n{grid(table.cells)}" for table in more]
    return "\n\n".join([grid(first.cells), *parts])


def caused() -> str:
    found = cause(load_studies([RUNS / "patch"])).tables
    cards = cause(load_studies([RUNS / "patch" / "posebox-card"])).tables[:2]  # of weights, of sets
    titled = [(table.title, table) for table in found] + [(f"Card heads: {table.title}", table) for table in cards]
    return "\n\n".join(f"**{title}**\n\n{table.note}\n\n{grid(table.cells)}" for title, table in titled)


def dissociated() -> str:
    (table,) = dissociation(load_crossed([RUNS / "patch"])).tables
    return grid(table.cells)


def drawn() -> str:
    found = json.loads((POSEBOX / "proof.json").read_text(encoding="utf-8"))
    wanted = ("pose", "canonical", "setting", "clothing")
    rows = [["prompts", *wanted]]
    for name, label in (("dense_pose", "of `dense_pose`"), ("held_out", "held out, at random")):
        shares = found["shares"][name]
        rows.append([f"{shares['n']} {label}", *(f"{100 * shares[what]:.1f} %" for what in wanted)])
    least = min(found["pose_share_by_pose"].values())
    return f"{grid(rows)}\n\nThe least sure of {len(found['pose_share_by_pose'])} poses: {100 * least:.0f} %."


def share(table: Any) -> str:
    return f"{table.counts[0]:,} ({100 * table.shares[0]:.1f} %)"


def half(table: Any) -> str:
    return f"{table.split_half[0]:.2f}" if table.split_half else "—"


def counted(count: HeadCount) -> list[str]:
    r = "—" if count.split_half is None else f"{count.split_half[0]:.2f}"
    return [
        share(count),
        f"{count.null_p99[0]:.0f}",
        p_value(count.set_p[0]),
        r,
    ]


def span(values: Sequence[float], decimals: int) -> str:
    low, high = (f"{value:.{decimals}f}" for value in (min(values), max(values)))
    return low if low == high else f"{low} to {high}"


def grid(rows: Cells) -> str:
    """A Markdown table, its header first."""
    lines = ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows]
    return "\n".join([lines[0], "|" + "---|" * len(rows[0]), *lines[1:]])


MAKERS = {
    "headline": headline,
    "families": by_family,
    "directions": directions,
    "certainty": certainty,
    "noise": noise,
    "dose": doses,
    "length": length,
    "sets": lambda: grid(control_sets.table(study())),
    "compared": compared,
    "questions": questions,
    "carry over": lambda: carried().tables[0].rows_markdown,
    "random": random_rows,
    "drawn": drawn,
    "rungs": rungs,
    "ladder": short_ladder,
    "projected": projected,
    "effect": effect,
    "placed": placed,
    "decoded": decoded,
    "specific": specific,
    "caused": caused,
    "dissociated": dissociated,
    "twins": lambda: grid(twins.table()),
    "unweighted": lambda: grid(unweighted.table()),
}
"""What fills each part of the page between ``<!-- made: NAME -->`` and ``<!-- end -->``."""

_PART = re.compile(r"(<!-- made: ([\w ]+) -->\n).*?(<!-- end -->)", re.DOTALL)
_NUMBER = re.compile(r"[+\-−]?\d[\d,]*(?:\.\d+)?")


def make(page: str) -> str:
    """The page with every made part made again; its sentences stay as they stand."""
    return _PART.sub(lambda part: f"{part[1]}\n{MAKERS[part[2]]()}\n\n{part[3]}", page)


def numbers(text: str) -> list[tuple[float, float]]:
    """Every number of a text, each with the unit of the last digit that it shows: (12.5, 0.1)."""
    found = [match.replace(",", "").replace("−", "-") for match in _NUMBER.findall(text)]
    return [(float(n), 10.0 ** -len(n.partition(".")[2])) for n in found]


def differences(old: str, new: str) -> list[str]:
    """Lines of two pages whose numbers are not the same, within what another machine's rounding may change."""
    found = []
    for a, b in zip_longest(old.splitlines(), new.splitlines(), fillvalue=""):
        pairs = list(zip_longest(numbers(a), numbers(b), fillvalue=(float("nan"), 0.0)))
        if not all(abs(x - y) <= max(2 * unit, 0.02 * abs(x)) for (x, unit), (y, _) in pairs):
            found.append(f"stands: {a}\nfound:  {b}")
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--check", action="store_true", help="write nothing; exit with 1 where a number differs")
    check = parser.parse_args().check
    found = []
    for page in (PAGE, README):
        old = page.read_text(encoding="utf-8")
        new = make(old)
        if not check:
            page.write_text(new, encoding="utf-8")
        found += differences(old, new)
    if not check:
        return 0
    print("\n\n".join(found) or "Every number stands.")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
