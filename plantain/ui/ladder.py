"""The ladder as the page shows it: a rung a line, trained beside its twins, and what that says; each line opens."""

import shlex
from html import escape

from plantain.data.prompts import described
from plantain.model.names import EMBEDDED_MODELS, KLEIN
from plantain.questions.ladder import RUNGS, Ladder, Rung
from plantain.questions.response import load_published
from plantain.report.register import QUESTIONS
from plantain.report.section import Section
from plantain.ui.dense import Dense
from plantain.ui.html import page_figure
from plantain.ui.once import once
from plantain.wording import Table, p_value, share

SCOPE = "attention heads"
# As the figure numbers them: the sided form belongs to the rung before it.
_NUMBERED = {name: str(n) for n, name in enumerate((name for name in RUNGS if name != "place_sided"), 1)}
_ASKED = {
    "respond": "The card's statistic: the root mean square of a head's output over all tokens, B − A, as a paired t "
    "over the pairs. It passes at |t| > 3.",
    "place": "Where on the picture a head's output shifts, correlated with where this pair's body moved, less the same "
    "with the other pairs' maps. It passes at t > 3 over the pairs.",
    "place_sided": "The same, less the match with this pair's map mirrored: is left told from right? t > 3.",
    "code": "Which part of the body lies where (head, arms, legs …), read off the head on canonical figures and then "
    "on expressive ones, beyond what outline and position tell. t > 3.",
    "deformation": "The same for poses that the decoder has never seen, beyond outline and position. t > 3.",
    "cause": "B's values put into A's run, one head at a time: does the prediction move towards this pair's other "
    "picture, more than towards other pairs'? t > 3.",
}

# Of a rung whose verdict is "learned": what its heads do.
_LEARNED = {
    "respond": "react to a change of pose",
    "place": "tell where the body moved",
    "code": "name a part of the body alike in any pose",
    "deformation": "tell poses they have never seen",
    "cause": "move the body when their values are swapped",
}
_REACTING = " Merely reacting takes no learning."


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
        f"<span>grafted</span><span>so</span></div>{rungs}</div>"
    )


def summary(found: Ladder) -> str:
    """Which questions are passed, by their numbers, and by whom.

    >>> summary(ladder(family))
    'Learned by heads, beyond every twin: questions 4, 5. Mostly the model\'s: 2. Not learned: 1, 3.'
    """
    kinds = {
        "learned": "Learned by heads, beyond every twin",
        "mostly": "Mostly the model's",
        "the model's": "The model's",
        "not learned": "Not learned",
        "not run": "Not run",
        "no twin": "Without a twin to compare",
    }
    asked = {name: found.verdict(name, SCOPE) for name in _NUMBERED}
    said: list[str] = []
    for beginning, words in kinds.items():
        numbers = [_NUMBERED[name] for name, verdict in asked.items() if verdict.startswith(beginning)]
        if numbers:
            said.append(
                f"{words}: {'question' + 's' * (len(numbers) > 1) + ' ' if not said else ''}{', '.join(numbers)}."
            )
    return " ".join(said)


def answer(found: Ladder) -> str:
    """The page's question answered by the verdicts of its five rungs, HTML; empty where a rung was not run.

    >>> answer(ladder(family))
    '<strong>In part, in this toy model.</strong> Some heads tell poses they have never seen and move the body when ...'
    """
    verdicts = {name: found.verdict(name, SCOPE) for name in _NUMBERED}
    if any(verdict.startswith(("not run", "no twin")) for verdict in verdicts.values()):
        return ""
    learned = [_LEARNED[name] for name, verdict in verdicts.items() if verdict.startswith("learned")]
    if not learned:
        return "<strong>Not by any of five tests:</strong> copies of it that have learned nothing pass them as well."
    said = " and ".join([", ".join(learned[:-1]), learned[-1]] if len(learned) > 1 else learned)
    lead = "Yes, by five tests" if len(learned) == len(verdicts) else "In part"
    lead += ", in this toy model." if found.model in EMBEDDED_MODELS else "."
    said = f"<strong>{lead}</strong> Some heads {said}, beyond every copy that learned nothing."
    return said + (_REACTING if verdicts["respond"].startswith("not learned") else "")


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
        "many in its twins, copies that have learned nothing: <em>untrained</em>, all of its transformer at random "
        "(the most of several copies); <em>grafted</em>, random heads inside the trained model, one block at a time. "
        "Marks on the bars are these copies. Press a question to see how it is asked.</p>"
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
    n_heads, bar = next(iter(by_weights.values())).n_heads, ""
    if trained is not None:
        marks = "".join(f'<i style="left:{100 * n / n_heads:.1f}%"></i>' for n in (twins, grafted) if n is not None)
        bar = f'<span class="plantain-bar is-run" style="width:{100 * trained / n_heads:.1f}%"></span>{marks}'
    cells = (("trained", trained), ("untrained", twins), ("grafted", grafted))
    numbers = "".join(
        f'<span class="plantain-count"><span class="plantain-said">{said} </span>{"not run" if n is None else n}</span>'
        for said, n in cells
    )
    each = "; ".join(f"{escape(weights)} {_count(rung)}" for weights, rung in by_weights.items())
    number = _NUMBERED.get(name, "")
    return (
        f'<details class="plantain-rung" data-rung="{name}"><summary><span class="plantain-question"><b>{number}</b> '
        f'{escape(RUNGS[name])}</span><span class="plantain-track" aria-hidden="true">{bar}</span>{numbers}'
        f'<span class="plantain-so">{escape(found.verdict(name, SCOPE))}</span></summary>'
        f'<p>{escape(_ASKED[name])}</p><p class="plantain-muted">{each}.</p></details>'
    )


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
    """Every rung's question with the attention heads of the trained model, of its graft, and the most of another twin.

    >>> html_table(rung_table(ladder(family)))
    """
    header, rows = ("rung", "trained", "grafted", "other twins, at most", "so"), []
    for rung, question in RUNGS.items():
        cells = ("not run" if count is None else f"{count:,}" for count in shown_counts(found.of(rung, SCOPE)))
        rows.append((f"{_NUMBERED.get(rung, '')} {question}".strip(), *cells, found.verdict(rung, SCOPE)))
    n_heads = found.of("respond", SCOPE)["trained"].n_heads
    return Table(f"Attention heads that pass, of {n_heads:,}", "", (header, *rows))
