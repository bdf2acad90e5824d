"""The comparison of pose with its controls as tables of texts, and what survives in sentences."""

from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise

import numpy as np

from plantain.questions.families import WHOLE, unit_of
from plantain.questions.selectivity import ControlReport
from plantain.report import figures
from plantain.report.notes import about_model
from plantain.report.picture import Picture
from plantain.report.section import Section
from plantain.wording import Table, number, share

# Attention heads first: card heads are mostly MLP channels.
_ORDER = ("attention heads", "card heads")
_BENT = {"articulation": "few or many bent joints", "interaction": "canonical × bent joints"}


def section(report: ControlReport) -> Section:
    """All of it: what survives, the picture, every table.

    >>> print(section(compare(study)).text)
    """
    title = f"Is it pose? {report.model}: {report.pose} beside {len(report.controls)} controls"

    def draw(width: float) -> Picture:
        return figures.selectivity.draw(report, width)

    return Section(title, reading(report), tables(report), draw, "is_it_pose")


def reading(report: ControlReport) -> list[str]:
    """What survives and what does not, in sentences that hold for any numbers."""

    def each(say: Callable[[str], str]) -> str:
        return "; ".join(f"{weights} {say(weights)}" for weights in report.weights)

    lines = []
    for scope in _ORDER:
        found = each(partial(_share, report, prompts=report.pose, scope=scope))
        n_heads = report.count("trained", report.pose, scope).n_heads
        lines.append(f"{report.pose}, of {n_heads:,} {scope} at |t| > {report.threshold:g}: {found}.")
    wanted = {"the lexical sets (median)": report.lexical}
    for what, names in (wanted | {name: (name,) for name in ("setting", "remarks", "length")}).items():
        if names and set(names) <= set(report.controls):
            found = each(partial(_ratio, report, names=names))
            lines.append(f"Attention heads that respond more to pose than to {what}, and the reverse: {found}.")
    if report.survivors:
        found = each(partial(_survivors, report))
        lines.append(f"Attention heads that respond more to pose than to every one of these sets, or less: {found}.")
    for name in report.of_role("nothing"):
        ps = {w: [report.count(w, name, scope).set_p[0] for scope in _ORDER] for w in report.weights}
        found = "; ".join(f"{weights} {own:.3f} and {card:.3f}" for weights, (own, card) in ps.items())
        nothing = f"The {name}, where there is nothing to find"
        lines.append(f"{nothing}, set-level p over attention heads and card heads: {found}.")
    if len(report.weights) > 1:
        lines.append(
            "A head that responds on untrained weights responds to how the text features differ, not to anything that "
            "the transformer has learned: what the trained model shows counts only as far as it exceeds that."
        )
    else:
        lines.append("No untrained twin was run, so nothing here says what the transformer has learned.")
    if note := about_model(report.model):
        lines.append(note)
    if report.left_out:
        lines.append(f"Left out: {', '.join(report.left_out)}.")
    return lines


def tables(report: ControlReport) -> list[Table]:
    """Every table of the report, attention heads before card heads before families."""
    made = [_families(report)] if report.controls else []
    made += [_counts(report, scope) for scope in (*_ORDER, *(s for s in report.scopes if s not in WHOLE))]
    if report.controls:
        made += [_selectivity(report, scope) for scope in _ORDER] + [_blocks(report)]
    if report.lexical:
        made.append(_placement(report))
    made.append(_correlation(report))
    if report.bent or report.factors:
        made.append(_designs(report))
    return made


def _families(report: ControlReport) -> Table:
    header = ["heads"]
    for weights in report.weights:
        header += [f"{weights}: pose", "> lexical", "> setting", "> all"]
    rows = []
    for scope in report.scopes:
        row = [f"{scope}, {report.count('trained', report.pose, scope).n_heads:,}"]
        for weights in report.weights:
            row.append(_share(report, weights, report.pose, scope))
            row += [_ratio(report, weights, names, scope) for names in (report.lexical, ("setting",))]
            row.append(_survivors(report, weights, scope))
        rows.append(tuple(row))
    spared = " and ".join(name for role in ("nothing", "near") for name in report.of_role(role))
    note = (
        "Heads at the threshold; then |pose| > |control| : the reverse, for the lexical sets their medians; “all” are "
        f"those of every control{f' but {spared}' if spared else ''}."
    )
    return Table("By family of heads", note, (tuple(header), *rows))


def _counts(report: ControlReport, scope: str) -> Table:
    first = report.count("trained", report.pose, scope)
    header = ["set"]
    for weights in report.weights:
        header += [weights, "null p99", "p", "r", "mean d²"]
    rows = []
    for name in report.sets:
        row = [name]
        for weights in report.weights:
            c = report.count(weights, name, scope)
            r = "—" if c.split_half is None else _r(c.split_half[0])
            row += [_share(report, weights, name, scope), *_null(c.null_p99[0], c.set_p[0]), r, number(c.mean_d2)]
        rows.append(tuple(row))
    note = (
        f"At |t| > {report.threshold:g} of {first.n_heads:,} {unit_of(report.head_map, scope)}; the 99th percentile "
        "and p of that count under sign flips, split-half r, mean squared effect. No p is corrected over sets or "
        "families."
    )
    return Table(f"Counts: {scope}", note, (tuple(header), *rows))


def _selectivity(report: ControlReport, scope: str) -> Table:
    header = ("control", *(cell for weights in report.weights for cell in (f"{weights}: larger", "smaller", "p")))
    rows = []
    for name in report.controls:
        found = [report.selectivity(weights, name, scope) for weights in report.weights]
        rows.append((name, *(cell for c in found for cell in (f"{c.larger:,}", f"{c.smaller:,}", f"{c.p_excess:.3f}"))))
    note = (
        "Heads with |pose| > |control| and with |control| > |pose|: t(pose − control) and t(pose + control) over "
        "subjects both pass; p of the excess, were the two of equal size in every head: one-sided, for more than the "
        "reverse, and not corrected over sets."
    )
    return Table(f"Pose against each control: {scope}", note, (header, *rows))


def _blocks(report: ControlReport) -> Table:
    shown = [name for name in ("setting", "length", *report.lexical[:1]) if name in report.controls]
    shown = shown or list(report.controls[:3])
    columns = [(weights, name) for weights in report.weights for name in shown]
    header = ("block", *(f"{weights}: {name}" for weights, name in columns))
    found = [report.selectivity(weights, name, _ORDER[0]).blocks for weights, name in columns]
    rows = []
    for (block, *_), *parts in zip(found[0], *found, strict=True):
        rows.append((block, *(f"{larger} : {smaller}" for _, larger, smaller, _ in parts)))
    note = "Attention heads with |pose| > |control| : the reverse."
    return Table("Pose against controls, by block", note, (header, *rows))


def _placement(report: ControlReport) -> Table:
    header = ("heads", *(f"{weights}: {what}" for weights in report.weights for what in ("count", "mean d²")))
    rows = []
    for scope in report.scopes:
        row = [scope]
        for weights in report.weights:
            for what, digits in (("count", 0), ("mean_d2", 2)):
                p = report.placement(weights, scope, what)
                if p is None:
                    row.append("—")
                    continue
                own, low, high = (f"{value:,.{digits}f}" for value in (p.value, min(p.others), max(p.others)))
                row.append(f"{own}; {low}–{high}; p {p.p:.2f}")
        rows.append(tuple(row))
    k = len(report.lexical)
    note = f"Pose; least to most of the {k} sets of remarks; p = (b + 1)/({k} + 1) with b of them at least as large. "
    note += "A set of remarks changes 4 or 5 of 18 words, pose nearly all, so pose may lead by its words alone."
    return Table("Pose among the lexical sets", note, (header, *rows))


def _correlation(report: ControlReport) -> Table:
    twins = [weights for weights in report.weights if weights != "trained"]
    between = [*(("trained", twin) for twin in twins), *pairwise(twins)]
    with_pose = [f"with pose, {weights}" for weights in report.weights]
    rows = []
    for name in report.sets:
        r = [report.set_correlation(weights, report.pose, name) for weights in report.weights]
        r += [report.weights_correlation(name, a, b) for a, b in between]
        rows.append((name, *map(_r, r)))
    header = ("set", *with_pose, *(f"{a} with {b}" for a, b in between))
    return Table("Correlation of t maps", "Pearson r over attention heads.", (header, *rows))


def _designs(report: ControlReport) -> Table:
    scope = _ORDER[0]
    found: dict[str, list[tuple[int, float, float]]] = {}
    for weights in report.weights:
        if (weights, scope) in report.bent:
            canonical = {"canonical × expressive": report.count(weights, report.of_design("few and many") or "", scope)}
            bent = {_BENT[name]: count for name, count in report.bent[weights, scope].items()}
            for name, c in (canonical | bent).items():
                found.setdefault(name, []).append((c.counts[0], c.null_p99[0], c.set_p[0]))
        for factor in report.factors.get((weights, scope), ()):
            found.setdefault(factor.effect, []).append((factor.count, factor.null_p99, factor.p))
    header = ("effect", *(f"{weights}: {part}" for weights in report.weights for part in ("heads", "null p99", "p")))
    rows = [
        (name, *(cell for n, p99, p in cells for cell in (f"{n:,}", *_null(p99, p)))) for name, cells in found.items()
    ]
    note = (
        "Attention heads that pass. Canonical × expressive and bent joints: t over subjects of `articulation`. Bodies "
        "and clothes: F over the 5 × 5 cells of `body_clothing`, as strict as the threshold of |t|."
    )
    return Table("Bent joints, bodies, clothes", note, (header, *rows))


def _share(report: ControlReport, weights: str, prompts: str, scope: str) -> str:
    count = report.count(weights, prompts, scope)
    return share(count.counts[0], count.n_heads)


def _ratio(report: ControlReport, weights: str, names: Sequence[str], scope: str = _ORDER[0]) -> str:
    """ "26 : 0", heads with |pose| > |control| and the reverse; a dash where a set is missing."""
    found = report.larger_smaller(weights, names, scope)
    return "—" if found is None else f"{found[0]:,.0f} : {found[1]:,.0f}"


def _survivors(report: ControlReport, weights: str, scope: str = _ORDER[0]) -> str:
    """The same against every control at once."""
    found = report.survivors.get((weights, scope))
    return "—" if found is None else f"{found[0]:,} : {found[1]:,}"


def _null(p99: float, p: float) -> tuple[str, str]:
    return f"{p99:,.0f}", f"{p:.3f}"


def _r(value: float) -> str:
    return "—" if np.isnan(value) else f"{value:+.2f}".replace("-", "−")
