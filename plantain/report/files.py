"""A run as files that anyone can read: tables as CSV and JSON, figures as SVG, PDF and PNG, a page as Markdown."""

import csv
import io
import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from plantain import stats
from plantain.data.result import ProbeResult
from plantain.data.view import View
from plantain.questions.certainty import MEANING, certainty_table
from plantain.questions.counted import RunWithTwin
from plantain.questions.response import Summary
from plantain.report.card import model_card
from plantain.report.figures import response as figures
from plantain.report.notes import about_model, at_step, caveat, counting, describe_run, shared_subjects
from plantain.report.picture import WIDE, Picture
from plantain.report.section import Section
from plantain.wording import Table

HEAD_COLUMNS = ("block", "kind", "part", "index", "first_channel", "n_channels")
"""What names a head in every CSV."""


def write_report(
    result: ProbeResult, folder: str | Path, n_flips: int = 1000, twin: ProbeResult | None = None, seed: int = 0
) -> Path:
    """Write the report of a run into a folder; ``twin`` is the run of its untrained twin, shown beside it.

    >>> write_report(plantain.load_result("assets/runs/posebox"), "report")

    Files
    -----
    report.md : the card's table in both countings, the block list, provenance, how to read it
    model_card.md : a section for a model card (``model_card``)
    summary.json : the same figures as numbers, ``{"card": …, "head": …, "provenance": …}``
    heads.csv, attention_heads.csv : one row a card head, one row an attention head (``head_rows``)
    differences.csv : one row a card head, one column a pair: the RMS of B minus that of A
    blocks.csv : one row a block
    overview, null, split_half : each as .svg, .pdf and .png

    Raises
    ------
    InputError
        ``twin`` is not the untrained twin of ``result``.
    """
    both = RunWithTwin.of(result, twin, n_flips=n_flips, seed=seed)
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for name, picture in pictures(both).items():
        picture.save(folder / name)
    for name, text in texts(both).items():
        (folder / name).write_text(text, encoding="utf-8", newline="")
    return folder


def pictures(both: RunWithTwin) -> dict[str, Picture]:
    """The report's figures by the name of their files."""
    return {
        "overview": overview(both),
        "null": figures.null_counts(both.run.curve, both.beside(lambda twin: twin.curve)),
        "split_half": figures.split_half(both.run.chosen, both.beside(lambda twin: twin.chosen)),
    }


def overview(both: RunWithTwin, width: float = WIDE) -> Picture:
    """``figures.overview`` of the card heads, under the run's name, its pairs, its counting and its two sides."""
    result, summary = both.result, both.run.card
    pairs = f"{result.n_pairs} pairs" if result.complete else f"{result.n_pairs} of {len(result.prompts)} pairs"
    a, b = result.prompts.conditions
    title = f"{result.model}, {result.prompts.name}: {pairs}; {counting(result, summary)}\nA: {a}; B: {b}"
    return figures.overview(summary, result.head_map, title, both.beside(lambda twin: twin.card), width)


def texts(both: RunWithTwin) -> dict[str, str]:
    """The report's text files by name, always in both countings."""
    result, card = both.result, both.run.card
    return {
        "report.md": markdown(both),
        "model_card.md": model_card(both),
        "heads.csv": to_csv(head_rows(result, card)),
        "attention_heads.csv": to_csv(head_rows(result, both.run.head)),
        "differences.csv": differences_csv(result, step=card.view.step),
        "blocks.csv": blocks_csv(card),
        "summary.json": summary_json(both),
    }


def head_rows(result: ProbeResult, summary: Summary) -> list[dict[str, Any]]:
    """One row a head, in the order of ``result.head_map``.

    Columns: ``block``, ``kind`` ("joint", "single"), ``part`` ("attention", "mlp"), ``index`` (within
    block and part), ``first_channel`` and ``n_channels`` (of the projection's input), ``mean_a`` and
    ``mean_b`` (RMS averaged over pairs), ``mean_difference`` (B - A), ``t`` (paired, over pairs), ``dz``
    (t / sqrt(n_pairs)), ``g``, ``g_low``, ``g_high`` (Hedges' g_z with its 95 % interval), ``p`` (two-sided, of
    the t distribution), ``q_bh``, ``q_by`` (FDR-adjusted), ``p_fwer`` (max-|t| adjusted, from the sign flips).
    """
    rms = result.rms(summary.view)  # (P, 2, H)
    table = result.head_map.table(summary.view)
    a, b = rms[:, 0].mean(axis=0), rms[:, 1].mean(axis=0)
    effect = stats.hedges_g(rms[:, 1] - rms[:, 0])
    p = stats.t_pvalues(summary.t, summary.n_pairs)
    columns = {
        "mean_a": a,
        "mean_b": b,
        "mean_difference": b - a,
        "t": summary.t,
        "dz": summary.dz,
        "g": effect.g,
        "g_low": effect.low,
        "g_high": effect.high,
        "p": p,
        "q_bh": stats.fdr(p, "bh"),
        "q_by": stats.fdr(p, "by"),
        "p_fwer": summary.count.max_p,
    }
    return [
        {name: table[name][i].item() for name in HEAD_COLUMNS}
        | {name: float(values[i]) for name, values in columns.items()}
        for i in range(summary.n_heads)
    ]


def differences_csv(result: ProbeResult, grouping: str = "card", step: int = 0) -> str:
    """Per-pair differences: ``block``, ``part``, ``index``, then a column for each pair's id."""
    d = result.differences(grouping, step=step)
    table = result.head_map.table(grouping)
    return to_csv(
        {name: table[name][i].item() for name in ("block", "part", "index")}
        | {pair: float(value) for pair, value in zip(result.pair_ids, d[:, i], strict=True)}
        for i in range(d.shape[1])
    )


def blocks_csv(summary: Summary) -> str:
    """By falling max |t|: ``block``, ``max_abs_t``, ``n_above`` (|t| > 3), ``n_heads``, ``median_abs_d``."""
    names = ("max_abs_t", "n_above", "n_heads", "median_abs_d")
    return to_csv({"block": b.name} | {name: getattr(b, name) for name in names} for b in summary.blocks)


def summary_json(both: RunWithTwin) -> str:
    """Tables, inference, settings and provenance as numbers."""
    result, run = both.result, both.run
    content = {
        "prompts": result.prompts.name,
        "pairs_done": result.n_pairs,
        "complete": result.complete,
        "card": run.card.to_dict() | {"inference": run.card_certainty.to_dict()},
        "head": run.head.to_dict() | {"inference": run.head_certainty.to_dict()},
        "config": result.config.to_dict(),
        "provenance": result.provenance,
    }
    return json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def markdown(both: RunWithTwin) -> str:
    """The report as Markdown, with the pictures it names beside it."""
    result, run = both.result, both.run
    prompts, card = result.prompts, run.card
    a, b = prompts.conditions
    at = at_step(result, card.view.step)
    state = "" if result.complete else f" **Partial run: {result.n_pairs} of {len(prompts)} pairs.**"
    intro = f"{prompts.question} A: {a}; B: {b}; {result.n_pairs} pairs; t of B − A{at}.{state}"
    twin = both.beside(lambda twin: [_twin_line(twin.card)]) or []
    null = partial(figures.null_counts, run.curve, both.beside(lambda twin: twin.curve))
    sure = certainty_table({"card heads": run.card_certainty, "attention heads": run.head_certainty})
    notes = [caveat(prompts), MEANING, about_model(result.model), shared_subjects(result)]
    card_heads = f"Card heads: runs of {result.config.channels_per_head} channels, MLP among them"
    parts = [
        f"# {prompts.title or prompts.name}: {result.model}",
        intro.strip(),
        f"![{figures.alt_text(card, both.beside(lambda twin: twin.card))}](overview.svg)",
        Section(
            card_heads, [*card.beyond, *twin], [_untitled(card)], lambda width: null(width=width), "null"
        ).markdown(),
        Section("Blocks by max |t|", [block.line for block in card.blocks]).markdown(),
        Section("Attention heads: the model's own, no MLP", run.head.beyond, [_untitled(run.head)]).markdown(),
        sure.markdown(),
        Section("How to read this", [note for note in notes if note]).markdown(),
        Section("Provenance", [f"{key}: {value}" for key, value in describe_run(result).items()]).markdown(),
    ]
    return "\n\n".join(part.rstrip() for part in parts) + "\n"


def _untitled(summary: Summary) -> Table:
    """The card's table, to stand under the heading of its counting."""
    return replace(summary.table(), title="")


def _twin_line(twin: Summary) -> str:
    counts = ", ".join(
        f"{count:,} ({100 * share:.1f} %) at |t| > {c:g}"
        for c, count, share in zip(twin.thresholds, twin.counts, twin.shares, strict=True)
    )
    return f"The untrained twin, same prompts and settings: {counts}."


def answer_csv(result: ProbeResult, view: View | str, columns: Mapping[str, Iterable[Any]]) -> str:
    """A question's values as CSV: what names a head, then its ``columns``."""
    table = result.head_map.table(view)
    names = (table[name].tolist() for name in HEAD_COLUMNS)
    rows = zip(*names, *columns.values(), strict=True)
    return to_csv(dict(zip((*HEAD_COLUMNS, *columns), row, strict=True)) for row in rows)


def to_csv(rows: Iterable[dict[str, Any]]) -> str:
    """Rows of equal columns as CSV, a header first; numbers with seven significant digits."""
    rows = list(rows)
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, fieldnames=list(rows[0]), lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({key: f"{value:.7g}" if isinstance(value, float) else value for key, value in row.items()})
    return buffer.getvalue()
