"""The ladder as the page shows it: a rung a line, trained beside its baselines, and the conclusion; each line opens."""

import shlex
from html import escape

from plantain.data.prompts import described
from plantain.model.names import EMBEDDED_MODELS, KLEIN
from plantain.questions.effect import percent
from plantain.questions.ladder import NO_EVIDENCE, NUMBERED, RUNGS, Ladder, Rung, numbered
from plantain.questions.projections import NAMED, PROJECTED, span
from plantain.questions.response import load_published
from plantain.report.register import QUESTIONS
from plantain.report.section import Section
from plantain.ui.dense import Dense
from plantain.ui.html import page_figure
from plantain.ui.once import once
from plantain.wording import Table, p_value, share

SCOPE = "attention heads"
_ASKED = {
    "respond": "The card's statistic: the root mean square of a head's output over all tokens, B − A, as a paired t "
    "over the pairs. It passes at |t| > 3.",
    "place": "Where on the picture a head's output shifts, correlated with where this pair's body moved, less the same "
    "with the other pairs' maps. It passes at t > 3 over the pairs.",
    "place_sided": "The same, less the match with this pair's map mirrored: is left told from right? t > 3.",
    "code": "Which part of the body lies where (head, arms, legs …), read off the head on canonical figures and then "
    "on expressive ones, beyond what outline and position tell. t > 3.",
    "deformation": "The same for poses that the decoder has never seen, beyond outline and position. t > 3.",
    "cause": "B's values put into A's run, one head at a time: does the velocity predicted at the first step move "
    "towards this pair's other picture, more than towards other pairs'? t > 3. No picture is finished.",
}

# What a rung says of the model where random projections of its stream pass as often as its heads.
_CARRIED = {
    "place": "where the body moved",
    "code": "which body part lies where, alike in any pose",
    "deformation": "the body parts of poses never seen",
}
_REACTING = " A response alone takes no learning."


@once(maxsize=4)
def _asked_of(dense: Dense) -> tuple[Section, Ladder]:
    section, found = QUESTIONS["ladder"].section(dense.family)
    assert isinstance(found, Ladder)
    return section, found


def rungs_html(dense: Dense) -> str:
    """The rungs alone, under what their columns are.

    >>> rungs_html(dense_beside("shipped/posebox"))
    """
    _, found = _asked_of(dense)
    rungs, n_heads = "".join(_rung(found, name) for name in RUNGS), found.of("respond", SCOPE)["trained"].n_heads
    return (
        '<div class="plantain-rungs"><div class="plantain-rung-head" aria-hidden="true">'
        f"<span>of {n_heads:,} attention heads</span><span></span><span>trained</span><span>untrained</span>"
        f"<span>grafted</span><span>random projections</span><span>conclusion</span></div>{rungs}</div>"
    )


def summary(found: Ladder) -> str:
    """What each question's baselines leave, by the questions' numbers.

    >>> summary(ladder(family))
    'More heads than in any baseline: question 5. True of the model, not of its heads: 2, 4. No evidence …: 1, 3.'
    """
    kinds = {
        ("more heads",): "More heads than in any baseline",
        ("true of the model",): "True of the model, not of its heads",
        ("mostly",): "Mostly the model's",
        ("the model's",): "The model's",
        ("more than untrained",): "More than untrained, other baselines missing",
        NO_EVIDENCE: "No evidence of learning",
        ("not run",): "Not run",
        ("no twin",): "Without a twin to compare",
    }
    asked = {name: found.verdict(name, SCOPE) for name in NUMBERED}
    said: list[str] = []
    for beginning, words in kinds.items():
        numbers = [NUMBERED[name] for name, verdict in asked.items() if verdict.startswith(beginning)]
        if numbers:
            said.append(
                f"{words}: {'question' + 's' * (len(numbers) > 1) + ' ' if not said else ''}{', '.join(numbers)}."
            )
    return " ".join(said)


def answer(found: Ladder) -> str:
    """The page's question answered by the verdicts of its five rungs, HTML; empty where a rung was not run.

    >>> answer(ladder(family))
    '<strong>In part, in this toy model.</strong> The model carries where the body moved and the body parts of ...'
    """
    verdicts = {name: found.verdict(name, SCOPE) for name in NUMBERED}
    if any(verdict.startswith(("not run", "no twin")) for verdict in verdicts.values()):
        return ""
    if all(verdict.startswith(NO_EVIDENCE) for verdict in verdicts.values()):
        return "<strong>No evidence by any of five tests:</strong> untrained, not significantly fewer heads pass."
    carried = [words for name, words in _CARRIED.items() if verdicts[name].startswith("true of the model")]
    said = []
    if carried:
        said.append(
            f"The model carries {_listed(carried)}. This is true of the model, not of its heads: random projections "
            "show it as often."
        )
    if verdicts["cause"].startswith("more heads"):
        said.append(_moving(found))
    if not said:
        return f"<strong>Open.</strong> No test singles out heads, or {NAMED} have not been run beside them."
    lead = "In part, in this toy model." if found.model in EMBEDDED_MODELS else "In part."
    said = [f"<strong>{lead}</strong>", *said]
    return " ".join(said) + (_REACTING if verdicts["respond"].startswith("takes no learning") else "")


def _listed(words: list[str]) -> str:
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def _moving(found: Ladder) -> str:
    """What patching single heads does, with its size."""
    said = "Single heads, swapped, move the first step's prediction towards the pair's other picture"
    if (effect := found.effect) is None:
        return f"{said}."
    shares = f"{percent(effect.median)} of {effect.of} in the median, {percent(effect.largest)} at most"
    return f"{said}, but little: by {shares}."


@once(maxsize=4)
def answer_html(dense: Dense) -> str:
    """The same of a dense run, and what a head is; empty where its prompts ask of something else than pose.

    >>> answer_html(dense_beside("shipped/posebox"))
    """
    if described(dense.family.trained.prompts).role != "pose":
        return ""
    said = answer(_asked_of(dense)[1])
    return f'<p class="plantain-claim plantain-answered">{said}</p>' if said else ""


@once(maxsize=4)
def ladder_html(dense: Dense) -> str:
    """Every rung, its counts and its verdict."""
    section, found = _asked_of(dense)
    n_heads = found.of("respond", SCOPE)["trained"].n_heads
    return (
        f'<section class="plantain-page plantain-ladder"><h2>{escape(section.title)}</h2>'
        f'<p class="plantain-claim">{escape(summary(found))}</p>'
        f'<p class="plantain-muted">How many of the model\'s own {n_heads:,} attention heads pass each test, and how '
        "many in its baselines: <em>untrained</em>, the transformer with random weights or with its own shuffled (the "
        "most of several copies); <em>grafted</em>, random heads inside the trained model, one block at a time; "
        "<em>random projections</em>, random mixtures of the trained model's own stream, as it enters each block, as "
        "many as heads (the fewest and the most of several draws). The strictest of them decides the conclusion. "
        "Marks on the bars are these baselines. Press a question to see how it is asked.</p>"
        f"{rungs_html(dense)}{_klein(dense)}</section>"
    )


def figure_html(dense: Dense) -> str:
    """The ladder as a figure, and every count.

    >>> figure_html(dense_beside("shipped/posebox"))
    """
    section, found = _asked_of(dense)
    assert section.draw is not None
    return page_figure(section.draw, rung_table(found), *section.tables)


def _klein(dense: Dense) -> str:
    """Under the ladder of a toy, what is known of the model that the card is about."""
    if dense.family.model not in EMBEDDED_MODELS:
        return ""
    published = load_published()
    command = escape(shlex.join(["python", "-m", "plantain", "dense", "--model", KLEIN]))
    return (
        f"<details><summary>FLUX.2 Klein, the card's model: {share(published.counts[0], published.n_heads)} of its "
        "card heads respond, as published; nothing else has been run. The command that runs it, on a GPU</summary>"
        f'<div class="plantain-command"><pre><code>{command}</code></pre><button type="button" '
        f'class="plantain-button" data-copy="{command}">Copy the command</button></div></details>'
    )


def _rung(found: Ladder, name: str) -> str:
    by_weights = found.of(name, SCOPE)
    trained, grafted, twins = shown_counts(by_weights)
    n_heads, bar, projected = next(iter(by_weights.values())).n_heads, "", found.projected(name)
    if trained is not None:
        beside = (twins, grafted, *projected[-1:])
        marks = "".join(f'<i style="left:{100 * n / n_heads:.1f}%"></i>' for n in beside if n is not None)
        bar = f'<span class="plantain-bar is-run" style="width:{100 * trained / n_heads:.1f}%"></span>{marks}'
    cells = (("trained", trained), ("untrained", twins), ("grafted", grafted))
    numbers = "".join(
        f'<span class="plantain-count"><span class="plantain-said">{said} </span>{"not run" if n is None else n}</span>'
        for said, n in cells
    )
    asked_of = "not run" if name in PROJECTED else "—"
    numbers += (
        '<span class="plantain-count"><span class="plantain-said">random projections </span>'
        f"{span(projected) or asked_of}</span>"
    )
    each = "; ".join(f"{escape(weights)} {_count(rung)}" for weights, rung in by_weights.items())
    number = NUMBERED.get(name, "")
    return (
        f'<details class="plantain-rung" data-rung="{name}"><summary><span class="plantain-question"><b>{number}</b> '
        f'{escape(RUNGS[name])}</span><span class="plantain-track" aria-hidden="true">{bar}</span>{numbers}'
        f'<span class="plantain-so">{_concluded(found, name)}</span></summary>'
        f'<p>{escape(_ASKED[name])}</p><p class="plantain-muted">{each}.</p>{_more(found, name)}</details>'
    )


def _concluded(found: Ladder, name: str) -> str:
    """A rung's verdict, HTML; what a small frame has no room for is marked."""
    said = escape(found.verdict(name, SCOPE))
    for aside in () if found.effect is None else (f" ({found.effect.shares})", f"; {found.effect.opposite}"):
        said = said.replace(escape(aside), f'<span class="plantain-aside">{escape(aside)}</span>')
    return said


def _more(found: Ladder, name: str) -> str:
    """What stands beside the counts of an opened rung: the baseline that decides it, or the size of its effects."""
    if projected := found.projected(name):
        draws = ", ".join(f"{n:,}" for n in found.projections[name])
        return f"<p>Of as many {NAMED}, {draws} pass ({len(projected)} draws).</p>"
    effect = found.effect if name == "cause" else None
    return "" if effect is None else f"<p>{escape(' '.join(effect.sentences))}</p>"


def _count(rung: Rung) -> str:
    if rung.count is None:
        return "not run"
    p = "" if rung.p is None else f", p = {p_value(rung.p)} by sign flips"
    return f"{share(rung.count, rung.n_heads)}{p}"


def shown_counts(by_weights: dict[str, Rung]) -> tuple[int | None, int | None, int | None]:
    """Of one rung the trained model's count, its graft's, and the most of another twin; None where not run.

    >>> shown_counts(ladder(family).of("place", SCOPE))
    """
    counts = {weights: r.count for weights, r in by_weights.items() if r.count is not None}
    most = max((count for weights, count in counts.items() if weights not in ("trained", "grafted")), default=None)
    return counts.get("trained"), counts.get("grafted"), most


def rung_table(found: Ladder) -> Table:
    """Every rung's question with the counts of the trained model and its baselines, and what is concluded.

    >>> html_table(rung_table(ladder(family)))
    """
    header = ("rung", "trained", "grafted", "other twins, at most", "random projections", "conclusion")
    rows = []
    for rung in RUNGS:
        cells = ["not run" if count is None else f"{count:,}" for count in shown_counts(found.of(rung, SCOPE))]
        cells.append(span(found.projected(rung)) or ("not run" if rung in PROJECTED else "—"))
        rows.append((numbered(rung), *cells, found.verdict(rung, SCOPE)))
    n_heads = found.of("respond", SCOPE)["trained"].n_heads
    return Table(f"Attention heads that pass, of {n_heads:,}", "", (header, *rows))
