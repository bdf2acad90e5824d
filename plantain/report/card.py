"""A run as a section of a model card: static Markdown, since model cards run no frames and no scripts."""

from __future__ import annotations

from plantain.data.result import ProbeResult
from plantain.questions.response import CardTable, Summary, load_published
from plantain.report.figures import response as figures
from plantain.report.notes import CAVEAT, about_model, describe_run

SPACE = "https://huggingface.co/spaces/phanerozoic/dense-plantain"
_BADGE = "https://huggingface.co/datasets/huggingface/badges/resolve/main/open-in-hf-spaces-sm.svg"
# The prompts of the published figures are not released; ours of this name ask the same question.
_PUBLISHED_PROMPTS = "dense_pose"


def model_card(
    result: ProbeResult,
    card: Summary,
    head: Summary,
    twin_card: Summary | None = None,
    twin_head: Summary | None = None,
) -> str:
    """The section, to be pasted into a card beside ``overview.svg``.

    >>> print(model_card(result, plantain.summarise(result), plantain.summarise(result, "head")))

    ``card`` and ``head`` are the run's summaries in the two countings, ``twin_card`` and ``twin_head`` those
    of its untrained twin.
    """
    known = describe_run(result)
    a, b = result.prompts.conditions
    partial = "" if result.complete else f" **Partial run: {known['prompts']}.**"
    lines = [
        "## Which heads respond?",
        "",
        f"[![Open in Spaces]({_BADGE})]({SPACE})",
        "",
        f"`{result.model}` read {result.n_pairs} prompt pairs of *{result.prompts.name}* (A: {a}; B: {b}), "
        f"{_steps(result, card)}, guidance {known['guidance']}, noise seed "
        f"{known['noise seeds']}; every head has a paired t "
        f"of the RMS of its output, B − A, beside a null of {card.view['n_flips']:,} sign flips.{partial}",
        "",
        *_table(result, card, head, twin_card, twin_head),
        "",
        f"![{figures.alt_text(card, twin_card)}](overview.svg)",
        "",
        _beside_twin(result, card, twin_card),
        "",
        CAVEAT,
        "",
        *([note, ""] if (note := about_model(result.model)) else []),
    ]
    return "\n".join(lines)


def _steps(result: ProbeResult, card: Summary) -> str:
    n, step = result.config.num_inference_steps, card.view["step"]
    sigmas = result.provenance.get("realised_sigmas", [])
    at = f" at noise level {sigmas[step]:g}" if step < len(sigmas) else ""
    return f"one denoising step{at}" if n == 1 else f"step {step + 1} of {n} denoising steps{at}"


def _beside_twin(result: ProbeResult, card: Summary, twin: Summary | None) -> str:
    """What the untrained twin says of the count; without one, that nothing can be said."""
    if result.model.endswith(("-untrained", "-random")):
        return "This model is itself untrained: nothing here was learned by its transformer."
    if twin is None:
        return (
            "**An untrained twin of this model has not been run**, so the counts cannot be read as learned: a "
            "transformer of random weights may give as many."
        )
    return (
        "**The untrained twin**, the same model with its transformer's weights drawn anew, has "
        f"{_share(twin, 0)} heads at |t| > {twin.thresholds[0]:g} where this one has {_share(card, 0)}: a count as "
        "large as the twin's needs nothing that a transformer has learned."
    )


def _table(
    result: ProbeResult, card: Summary, head: Summary, twin_card: Summary | None, twin_head: Summary | None
) -> list[str]:
    columns: list[tuple[str, CardTable]] = [("card heads", card)]
    if twin_card is not None:
        columns.append(("card heads, untrained twin", twin_card))
    columns.append(("attention heads only", head))
    if twin_head is not None:
        columns.append(("attention heads only, untrained twin", twin_head))
    if result.prompts.name == _PUBLISHED_PROMPTS:
        columns.append(("card heads, as published", load_published()))
    rows = [["", *(name for name, _ in columns)], ["heads", *(f"{table.n_heads:,}" for _, table in columns)]]
    for index, threshold in enumerate(card.thresholds):
        at = f"\\|t\\| > {threshold:g}"
        rows.append([at, *(_share(table, index) for _, table in columns)])
        rows.append([f"null p99 at {at}", *(_p99(table, index) for _, table in columns)])
        rows.append([f"set-level p at {at}", *(_set_p(table, index) for _, table in columns)])
    rows.append(["split-half r", *(f"{t.split_half[0]:.3f}" if t.split_half else "not defined" for _, t in columns)])
    header, *body = [f"| {' | '.join(row)} |" for row in rows]
    return [header, "|---" * len(rows[0]) + "|", *body]


def _share(table: CardTable, index: int) -> str:
    return f"{table.counts[index]:,} ({100 * table.shares[index]:.1f} %)"


def _p99(table: CardTable, index: int) -> str:
    # The published null is known only through the printed ratios.
    return f"{'' if isinstance(table, Summary) else 'about '}{table.null_p99[index]:,.0f}"


def _set_p(table: CardTable, index: int) -> str:
    if not isinstance(table, Summary):
        return "not given"
    p = table.set_p[index]
    return f"{p:.4f}" if p >= 0.0001 else f"{p:.1e}"
