"""A run as a section of a model card: static Markdown, since model cards run no frames and no scripts."""

import shlex

from plantain.data.family import load_family
from plantain.data.prompts import described
from plantain.data.result import ProbeResult
from plantain.errors import InputError
from plantain.paths import RUNS
from plantain.questions.counted import RunWithTwin
from plantain.questions.ladder import ladder
from plantain.questions.response import CardTable, Summary, load_published
from plantain.report import figures
from plantain.report.notes import about_model, caveat, describe_run
from plantain.wording import Table, code, inert, p_value, share

SPACE = "https://huggingface.co/spaces/phanerozoic/dense-plantain"
_BADGE = "https://huggingface.co/datasets/huggingface/badges/resolve/main/open-in-hf-spaces-sm.svg"


def model_card(both: RunWithTwin) -> str:
    """The section, to be pasted into a card beside ``overview.svg``.

    >>> print(model_card(RunWithTwin.of(result, twin)))
    """
    result, card = both.result, both.run.card
    known, (a, b) = describe_run(result), result.prompts.conditions
    n, step = result.config.num_inference_steps, card.view.step
    steps = "one denoising step" if n == 1 else f"step {step + 1} of {n} denoising steps"
    steps += f" at noise level {result.levels[step]:g}" if result.levels else ""
    partial = "" if result.complete else f" **Partial run: {inert(known['prompts'])}.**"
    parts = [
        "## Which heads respond?",
        f"[![Open in Spaces]({_BADGE})]({SPACE})",
        f"{code(result.model)} read {result.n_pairs} prompt pairs of *{inert(result.prompts.name)}* (A: {inert(a)}; "
        f"B: {inert(b)}), "
        f"{steps}, guidance {known['guidance']}, noise seed "
        f"{known['noise seeds']}; every head has a paired t "
        f"of the RMS of its output, B − A, beside a null of {card.draws.n_flips:,} sign flips.{partial}",
        _table(both).rows_markdown,
        f"![{inert(figures.response.alt_text(card, both.beside(lambda twin: twin.card)))}](overview.svg)",
        _beside_twin(both),
        _ladder(both.result),
        inert(caveat(result.prompts)),
        about_model(result.model),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _beside_twin(both: RunWithTwin) -> str:
    if both.result.untrained:
        return "This model is itself untrained: nothing here was learned by its transformer."
    if both.twin is None:
        said = "**An untrained twin of this model has not been run**, so the counts cannot be read as learned"
        return f"{said}: a transformer of random weights may give as many."
    twin = both.twin.card
    return (
        "**The untrained twin**, the same model with its transformer's weights drawn anew, has "
        f"{twin.share} heads at |t| > {twin.thresholds[0]:g} where this one has {both.run.card.share}: a "
        "count as large as the twin's needs nothing that a transformer has learned."
    )


def _ladder(result: ProbeResult) -> str:
    """The other tests, where a dense run of the same model and prompts is shipped; else how to run them."""
    try:
        family = load_family([RUNS / "dense"], result.prompts.name)
    except InputError:
        family = None
    if family is None or family.model != result.model or family.trained.prompts != result.prompts:
        words = ["python", "-m", "plantain", "dense", "--model", result.model, "--prompts", result.prompts.name]
        said = "**The other tests have not been run**: where outputs change, which body part they show, what they move."
        return f"{said} {code(shlex.join(words))}, then `ladder`."
    found = ladder(family)
    _, table = found.tables
    note = (
        "Attention heads, trained beside baselines; *grafted*: each block drawn anew in the model; *random "
        "projections*: as many random mixtures of the stream that enters each block. The strictest decides."
    )
    effect = [] if found.effect is None else found.effect.sentences
    return f"**The ladder.** {' '.join([note, *effect])}\n\n{table.rows_markdown}"


def _table(both: RunWithTwin) -> Table:
    columns: dict[str, CardTable] = {}
    for name, what in (("card heads", "card"), ("attention heads only", "head")):
        columns[name] = getattr(both.run, what)
        if both.twin is not None:
            columns[f"{name}, untrained twin"] = getattr(both.twin, what)
    if described(both.result.prompts).role == "pose":  # the published figures are of the same question
        columns["card heads, as published"] = load_published()
    shown = columns.values()
    rows = [("", *columns), ("heads", *(f"{table.n_heads:,}" for table in shown))]
    for i, threshold in enumerate(both.run.card.thresholds):
        at = f"|t| > {threshold:g}"
        rows.append((at, *(share(table.counts[i], table.n_heads) for table in shown)))
        # The published null is known only through the printed ratios.
        abouts = ["" if isinstance(table, Summary) else "about " for table in shown]
        p99 = (f"{about}{table.null_p99[i]:,.0f}" for about, table in zip(abouts, shown, strict=True))
        rows.append((f"null p99 at {at}", *p99))
        ps = (p_value(table.set_p[i]) if isinstance(table, Summary) else "not given" for table in shown)
        rows.append((f"set-level p at {at}", *ps))
    rows.append(("split-half r", *(f"{t.split_half[0]:.3f}" if t.split_half else "not defined" for t in shown)))
    return Table("", "", tuple(rows))
