"""A run as files that anyone can read: tables as CSV and JSON, figures as SVG, PDF and PNG, a page as Markdown."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from plantain import stats
from plantain.data.result import ProbeResult
from plantain.data.twins import is_untrained_twin
from plantain.errors import InputError
from plantain.questions.certainty import MEANING, Inference, infer
from plantain.questions.response import Summary, summarise
from plantain.questions.thresholds import count_curve
from plantain.report.card import model_card
from plantain.report.figures import response as figures
from plantain.report.notes import CAVEAT, about_model, at_step, counting, describe_run, shared_subjects

Sure = tuple[Inference, Inference]  # of the card heads, of the attention heads


def write_report(
    result: ProbeResult, folder: str | Path, n_flips: int = 1000, twin: ProbeResult | None = None, seed: int = 0
) -> Path:
    """Write the report of a run into a folder; ``twin`` is the run of its untrained twin, shown beside it.

    >>> report.write_report(plantain.load_result("assets/runs/posebox"), "report")

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
    if twin is not None and not is_untrained_twin(twin, result):
        raise InputError(
            f"{twin.model} on {twin.prompts.name} is not the untrained twin of {result.model}: give a whole run of "
            f"{result.model}-untrained with the same prompts and settings."
        )
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)

    def both(run: ProbeResult) -> tuple[Summary, Summary]:
        return summarise(run, "card", n_flips=n_flips, seed=seed), summarise(run, "head", n_flips=n_flips, seed=seed)

    card, head = both(result)
    twin_card, twin_head = both(twin) if twin is not None else (None, None)
    twin_curve = count_curve(twin, twin_card) if twin is not None and twin_card is not None else None
    pictures = {
        "overview": overview(result, card, twin_card),
        "null": figures.null_counts(count_curve(result, card), twin_curve),
        "split_half": figures.split_half(card, twin_card),
    }
    for name, picture in pictures.items():
        for kind in ("svg", "pdf", "png"):
            (folder / f"{name}.{kind}").write_bytes(picture.to_bytes(kind))
    for name, text in texts(result, card, head, twin_card, twin_head).items():
        (folder / name).write_text(text, encoding="utf-8", newline="")
    return folder


def overview(
    result: ProbeResult, summary: Summary, twin: Summary | None = None, width: float = figures.WIDE
) -> figures.Picture:
    """``figures.overview`` under the run's name, its pairs, its counting and its two sides."""
    pairs = f"{result.n_pairs} pairs" if result.complete else f"{result.n_pairs} of {len(result.prompts)} pairs"
    title = f"{result.model}, {result.prompts.name}: {pairs}; {counting(result, summary)}"
    a, b = result.prompts.conditions
    return figures.overview(summary, result.head_map, f"{title}\nA: {a}; B: {b}", twin, width)


def texts(
    result: ProbeResult,
    card: Summary,
    head: Summary,
    twin_card: Summary | None = None,
    twin_head: Summary | None = None,
) -> dict[str, str]:
    """The report's text files by name; ``card`` and ``head`` are the run's summaries in the two countings."""
    sure = infer(result, card), infer(result, head)
    return {
        "report.md": markdown(result, card, head, twin_card, sure),
        "model_card.md": model_card(result, card, head, twin_card, twin_head),
        "heads.csv": heads_csv(result, card),
        "attention_heads.csv": heads_csv(result, head),
        "differences.csv": differences_csv(result, step=card.view["step"]),
        "blocks.csv": blocks_csv(card),
        "summary.json": summary_json(result, card, head, sure),
    }


def head_rows(result: ProbeResult, summary: Summary) -> list[dict[str, Any]]:
    """One row a head, in the order of ``result.head_map``.

    Columns: ``block``, ``kind`` ("joint", "single"), ``part`` ("attention", "mlp"), ``index`` (within
    block and part), ``first_channel`` and ``n_channels`` (of the projection's input), ``mean_a`` and
    ``mean_b`` (RMS averaged over pairs), ``mean_difference`` (B - A), ``t`` (paired, over pairs), ``dz``
    (t / sqrt(n_pairs)), ``g``, ``g_low``, ``g_high`` (Hedges' g_z with its 95 % interval), ``p`` (two-sided, of
    the t distribution), ``q_bh``, ``q_by`` (FDR-adjusted), ``p_fwer`` (max-|t| adjusted, from the sign flips).
    """
    view = {key: summary.view[key] for key in ("grouping", "part", "stream", "step")}
    rms = result.rms(**view)
    table = result.head_map.table(view["grouping"], view["part"])
    a, b = rms[:, 0].mean(axis=0), rms[:, 1].mean(axis=0)
    p_fwer = summary.null.max_p(np.abs(summary.t)) if summary.null is not None else np.full(summary.n_heads, np.nan)
    effect = stats.hedges_g(result.differences(**view))
    p = stats.t_pvalues(summary.t, summary.n_pairs)
    columns = {
        "t": summary.t,
        "dz": summary.dz,
        "g": effect.g,
        "g_low": effect.low,
        "g_high": effect.high,
        "p": p,
        "q_bh": stats.fdr(p, "bh"),
        "q_by": stats.fdr(p, "by"),
        "p_fwer": p_fwer,
    }
    names = ("block", "kind", "part", "index", "first_channel", "n_channels")
    return [
        {name: table[name][i].item() for name in names}
        | {
            "mean_a": float(a[i]),
            "mean_b": float(b[i]),
            "mean_difference": float(b[i] - a[i]),
        }
        | {name: float(values[i]) for name, values in columns.items()}
        for i in range(summary.n_heads)
    ]


def heads_csv(result: ProbeResult, summary: Summary) -> str:
    """``head_rows`` as CSV; numbers with seven significant digits."""
    return to_csv(head_rows(result, summary))


def differences_csv(result: ProbeResult, grouping: str = "card", step: int = 0) -> str:
    """Per-pair differences: ``block``, ``part``, ``index``, then a column for each pair's id."""
    d = result.differences(grouping, step=step)
    table = result.head_map.table(grouping)
    names = ("block", "part", "index")
    return to_csv(
        {name: table[name][i].item() for name in names}
        | {pair: float(value) for pair, value in zip(result.pair_ids, d[:, i], strict=True)}
        for i in range(d.shape[1])
    )


def blocks_csv(summary: Summary) -> str:
    """By falling max |t|: ``block``, ``max_abs_t``, ``n_above`` (|t| > 3), ``n_heads``, ``median_abs_d``."""
    return to_csv(
        {
            "block": block.name,
            "max_abs_t": block.max_abs_t,
            "n_above": block.n_above,
            "n_heads": block.n_heads,
            "median_abs_d": block.median_abs_d,
        }
        for block in summary.blocks
    )


def summary_json(result: ProbeResult, card: Summary, head: Summary, sure: Sure | None = None) -> str:
    """Tables, inference, settings and provenance as numbers; ``sure`` spares working the inference out again."""
    of_card, of_head = sure or (infer(result, card), infer(result, head))
    content = {
        "prompts": result.prompts.name,
        "pairs_done": result.n_pairs,
        "complete": result.complete,
        "card": card.to_dict() | {"inference": of_card.to_dict()},
        "head": head.to_dict() | {"inference": of_head.to_dict()},
        "config": result.config.to_dict(),
        "provenance": result.provenance,
    }
    return json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def markdown(
    result: ProbeResult,
    card: Summary,
    head: Summary,
    twin_card: Summary | None = None,
    sure: Sure | None = None,
) -> str:
    """The report as Markdown, with ``overview.svg`` beside it."""
    of_card, of_head = sure or (infer(result, card), infer(result, head))
    beside = dict(of_head.rows)
    a, b = result.prompts.conditions
    state = "" if result.complete else f" **Partial run: {result.n_pairs} of {len(result.prompts)} pairs.**"
    lines = [
        f"# {result.prompts.title or result.prompts.name}: {result.model}",
        "",
        f"{result.prompts.question} A: {a}; B: {b}; {result.n_pairs} pairs; "
        f"t of B − A{at_step(result, card)}.{state}".strip(),
        "",
        f"![{figures.alt_text(card, twin_card)}](overview.svg)",
        "",
        f"## Card heads: runs of {result.config.channels_per_head} channels, MLP among them",
        "",
        *_markdown_table(card.rows),
        "",
        *[f"- {line}" for line in card.beyond],
        *([_twin_line(twin_card)] if twin_card is not None else []),
        "",
        "![Heads above every threshold of |t|, beside sign flips](null.svg)",
        "",
        "Blocks by max |t|:",
        "",
        *[f"- {block.line}" for block in card.blocks],
        "",
        "## Attention heads: the model's own, no MLP",
        "",
        *_markdown_table(head.rows),
        "",
        *[f"- {line}" for line in head.beyond],
        "",
        "## How sure one can be",
        "",
        "| | card heads | attention heads |",
        "|---|---|---|",
        *[
            " ".join(["|", what.replace("|", "\\|"), "|", value, "|", beside.get(what, "—"), "|"])
            for what, value in of_card.rows
        ],
        "",
        "## How to read this",
        "",
        CAVEAT,
        "",
        MEANING,
        "",
        *([note, ""] if (note := about_model(result.model)) else []),
        *([note, ""] if (note := shared_subjects(result)) else []),
        "## Provenance",
        "",
        *[f"- {key}: {value}" for key, value in describe_run(result).items()],
        "",
    ]
    return "\n".join(lines)


def _twin_line(twin: Summary) -> str:
    counts = ", ".join(
        f"{count:,} ({100 * share:.1f} %) at |t| > {c:g}"
        for c, count, share in zip(twin.thresholds, twin.counts, twin.shares, strict=True)
    )
    return f"- The untrained twin, same prompts and settings: {counts}."


def _markdown_table(rows: list[tuple[str, str, str]]) -> list[str]:
    header, *body = [" | ".join(cell.replace("|", "\\|") for cell in row) for row in rows]
    return [f"| {header} |", "|---|---|---|", *[f"| {row} |" for row in body]]


def to_csv(rows: Iterable[dict[str, Any]]) -> str:
    """Rows of equal columns as CSV, a header first; numbers with seven significant digits."""
    rows = list(rows)
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, fieldnames=list(rows[0]), lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({key: f"{value:.7g}" if isinstance(value, float) else value for key, value in row.items()})
    return buffer.getvalue()
