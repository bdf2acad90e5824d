"""What a visitor reads first of a run: its model, one claim; in drawers bars beside twin and null, the card's table."""

from html import escape

from plantain.data.prompts import PromptSet, described, load_prompts
from plantain.data.result import ProbeResult
from plantain.data.study import POSE
from plantain.model.names import EMBEDDED_MODELS, KLEIN
from plantain.questions.counted import Counted, NullShare, RunWithTwin
from plantain.questions.response import CardTable, Summary, load_published
from plantain.report import notes
from plantain.ui import catalog
from plantain.ui.html import html_table
from plantain.wording import Table, number, share

EXPLAINED = (
    "<strong>|t|</strong>: paired t of a head over the pairs. <strong>k× empirical null p99</strong>: the observed "
    "count over the 99th percentile of that count when the pairs' labels are flipped. <strong>|d|</strong>: mean over "
    "standard deviation of the differences. <strong>Split-half r</strong>: how alike the t maps of two random halves "
    "of the pairs are, median and quartiles (IQR). <strong>joint</strong>, <strong>single</strong>: the model's "
    "double-stream and single-stream blocks. <strong>MLP</strong>: the channels of a single block that are not "
    "attention."
)
_UNKNOWN = "how much of this count was learned is unknown."
NO_TWIN = f"An untrained twin of this model has not been run: {_UNKNOWN}"
NO_SUCH_TWIN = f"Its untrained twin has not been run on these prompts with these settings: {_UNKNOWN}"
PUBLISHED_NOTE = (
    "Its per-head data were not released, so there is no head map, and the null's p99 counts (about 1,333 and 7) are "
    "derived from the printed ratios."
)


def headline(both: RunWithTwin) -> str:
    """The claim, and what it counts."""
    return _section(_claim(both), _counted(both.run))


def counts(both: RunWithTwin) -> str:
    """The claim as bars, beside the untrained twin and the null, and what the run is of."""
    return f'<section class="plantain-page">{bars(both)}{_beyond_flips(both)}{_about(both.run)}</section>'


def published_headline() -> str:
    """The same of the published card, of which only the printed figures are known."""
    table = load_published()
    claim = (
        f"<strong>{table.counts[0]:,} of {table.n_heads:,} card heads ({_share(table)}) respond</strong> at |t| > 3, "
        f"as published. {NO_TWIN}"
    )
    return _section(claim, "")


def published_counts(counting: str = "card") -> str:
    other = "" if counting == "card" else " It gives card heads only, so the choice of counting does not apply to it."
    shown = bar_table("Card heads", "FLUX.2 Klein, as published", load_published())
    return f'<section class="plantain-page">{shown}<p class="plantain-note">{PUBLISHED_NOTE}{other}</p></section>'


def badge(model: str) -> str:
    """A model as a stranger is told of it.

    >>> badge("posebox")
    """
    known = {
        "posebox": "Posebox, a toy model; FLUX.2 Klein is not run here",
        "posebox-untrained": "Posebox untrained: its transformer has learned nothing",
        "posebox-permuted": "Posebox permuted: its transformer's weights are shuffled",
        "posebox-random": "Posebox random: nothing of it has learned anything",
        KLEIN: "FLUX.2 Klein base 4B",
    }
    return f'<p class="plantain-badge">{escape(known.get(model, model))}</p>'


def card_table(table: CardTable, prompts: PromptSet | None = None, twin: CardTable | None = None) -> str:
    """The card's table, beside the untrained twin's, with what it does not say of these prompts."""
    lines = "".join(f"<li>{escape(line)}</li>" for line in (table.beyond if isinstance(table, Summary) else []))
    said = notes.caveat(prompts or load_prompts(POSE))  # the published card's prompts ask what ours of that name do
    return (
        f'<div class="plantain-left">{html_table(table.table(twin))}</div>'
        f'<div class="plantain-prose"><ul>{lines}</ul>'
        f'<p class="plantain-note">{escape(said)}</p>'
        f"<details><summary>What these words mean</summary><p>{EXPLAINED}</p></details></div>"
    )


def block_table(table: CardTable, twin: CardTable | None = None) -> Table:
    """Blocks by falling max |t|, beside the same block of the twin."""
    header = ["Block", "Max |t|", "Heads at |t| > 3", "Heads", "Median |d|"]
    header += ["Twin: max |t|", "Twin: heads at |t| > 3"] if twin is not None else []
    beside = {block.name: block for block in twin.blocks} if twin is not None else {}
    rows = []
    for block in table.blocks:
        row = [block.name, number(block.max_abs_t), str(block.n_above), str(block.n_heads)]
        row.append(number(block.median_abs_d))
        if other := beside.get(block.name):
            row += [number(other.max_abs_t), str(other.n_above)]
        rows.append(tuple(row))
    return Table("Blocks by max |t|", "", (tuple(header), *rows))


def _claim(both: RunWithTwin) -> str:
    result, card, twin = both.result, both.run.card, both.twin
    of_pose = described(result.prompts).role == "pose"
    what = "when the body leaves the T-pose" if of_pose else "to the difference of the prompts"
    if not result.complete:
        what += f", over the {result.n_pairs} of {len(result.prompts)} pairs done"
    what += escape(notes.at_step(result, card.view.step))
    count = f"{card.counts[0]:,} of {card.n_heads:,} card heads ({_share(card)})"
    null = both.run.card_null
    if card.counts[0] <= null.p99:
        return (
            f"<strong>{count} lie at |t| > 3</strong> {what}. That is no more than sign flips give: of "
            f"{null.n_flips:,}, one in a hundred gives {null.p99:,.0f} or more."
        )
    if result.untrained:
        return (
            f"This transformer has learned nothing, and <strong>{count} respond</strong> {what}, where {null.said} "
            f"give at most {null.p99:,.0f}."
        )
    said = f"<strong>{count} respond</strong> {what}. "
    if twin is None:
        return said + missing_twin(result)
    return (
        f"{said}Of the same transformer untrained, <strong>{twin.card.share}</strong> do. "
        f"To respond is not yet to know what {'a pose is' if of_pose else 'was meant'}."
    )


def _counted(run: Counted) -> str:
    """What a head is in the claim, which counts as the model card does, and below it."""
    channels, n_heads = run.result.config.channels_per_head, run.head.n_heads
    return (
        '<p class="plantain-muted plantain-prose">Counted as the model card of FLUX.2 Klein does: a <em>card head</em> '
        f"is a run of {channels} channels, MLP among them, and responds at |t| > 3 over the pairs. The model has "
        f"{n_heads:,} attention heads of its own; the other tests use those.</p>"
    )


def _beyond_flips(both: RunWithTwin) -> str:
    twin = both.twin
    if twin is None or not (null := twin.card_null).p99:
        return ""
    return (
        f'<p class="plantain-prose">The untrained twin\'s count is {twin.card.counts[0] / null.p99:.1f} times what '
        f"{null.said} allow: the null alone does not tell what was learned.</p>"
    )


def missing_twin(result: ProbeResult) -> str:
    """What is said of a run without its untrained twin.

    >>> missing_twin(result)
    """
    return NO_SUCH_TWIN if catalog.cached_of(f"{result.model}-untrained") is not None else NO_TWIN


def _about(counted: Counted) -> str:
    result = counted.result
    a, b = result.prompts.conditions
    known = notes.describe_run(result)
    rest = "; ".join(f"{key}: {value}" for key, value in known.items() if key in ("noise seeds", "steps", "picture"))
    lines = [escape(said) for said in (notes.shared_subjects(result), notes.about_model(result.model)) if said]
    lines.append(
        f"<strong>{escape(result.model)}</strong>, {escape(known['prompts'])}. A: {escape(a)}; B: {escape(b)}; "
        f"t of B − A over pairs. Below, counted: <strong>{escape(notes.counting(result, counted.chosen))}</strong>. "
        f"{escape(rest[:1].upper() + rest[1:])}."
    )
    return "".join(f'<p class="plantain-muted plantain-prose">{line}</p>' for line in lines)


def bars(both: RunWithTwin) -> str:
    """Counts at |t| > 3 of card and attention heads, beside the twin and the null.

    >>> bars(RunWithTwin.of(run, twin))
    """
    model = both.result.model
    label = "FLUX.2 Klein base 4B" if model == KLEIN else model.rsplit("/", 1)[-1]
    groups = [
        bar_table("Card heads", label, both.run.card, both.beside(lambda twin: twin.card), both.run.card_null),
        bar_table("Attention heads", label, both.run.head, both.beside(lambda twin: twin.head), both.run.head_null),
    ]
    if model in EMBEDDED_MODELS:
        published = load_published()
        groups.append(
            '<p class="plantain-muted plantain-full">For comparison, the model card of FLUX.2 Klein: '
            f"{published.counts[0]:,} of {published.n_heads:,} card heads ({_share(published)}); its untrained twin "
            "has not been run.</p>"
        )
    return "".join(groups)


def bar_table(
    counted: str, label: str, table: CardTable, twin: CardTable | None = None, null: NullShare | None = None
) -> str:
    """One table's count as a bar, beside its twin's and its null's; ``null`` None: the table's own.

    >>> bar_table("Card heads", "FLUX.2 Klein, as published", load_published())
    """
    counts = [(label, "run", table.counts[0])] + ([("untrained twin", "twin", twin.counts[0])] if twin else [])
    said, p99 = ("99 % of sign flips", table.null_p99[0]) if null is None else (null.said, null.p99)
    body = "".join(
        f'<tr><th scope="row">{escape(name)}</th>'
        f'<td><span class="plantain-track" aria-hidden="true"><span class="plantain-bar is-{kind}" '
        f'style="width:{100 * count / table.n_heads:.1f}%"></span></span></td>'
        f'<td class="plantain-number">{share(count, table.n_heads)}</td></tr>'
        for name, kind, count in (*counts, (said, "null", p99))
    )
    caption = f"{counted} at |t| &gt; 3, of {table.n_heads:,}"
    return f'<table class="plantain-bars"><caption>{caption}</caption><tbody>{body}</tbody></table>'


def _section(claim: str, note: str) -> str:
    return f'<section class="plantain-page"><p class="plantain-claim">{claim}</p>{note}</section>'


def _share(table: CardTable) -> str:
    return f"{100 * table.shares[0]:.1f} %"
