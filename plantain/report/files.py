"""A run as files that anyone can read: tables as CSV and JSON, figures as SVG, PDF and PNG, a page as Markdown."""

import csv
import io
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from plantain import stats
from plantain.data.heads import HeadMap
from plantain.data.result import ProbeResult
from plantain.data.view import View
from plantain.questions.certainty import MEANING, certainty_table
from plantain.questions.counted import RunWithTwin
from plantain.questions.response import Summary
from plantain.report import figures
from plantain.report.card import model_card
from plantain.report.notes import about_model, at_step, caveat, counting, describe_run, shared_subjects
from plantain.report.picture import Picture
from plantain.report.section import Section
from plantain.wording import finite, inert, share

HEAD_COLUMNS = ("head", "block", "kind", "part", "index", "first_channel", "n_channels")
"""What names a head in every CSV, as the page names it first."""


def write_report(
    result: ProbeResult, folder: str | Path, n_flips: int = 1000, twin: ProbeResult | None = None, seed: int = 0
) -> Path:
    """Write the report of a run into a folder; ``twin`` is the run of its untrained twin, shown beside it.

    >>> write_report(plantain.load_result("assets/runs/posebox"), "report")

    ``docs/files.md`` says what each file and each column holds.

    Raises
    ------
    InputError
        ``twin`` is not the untrained twin of ``result``.
    """
    return write_both(RunWithTwin.of(result, twin, n_flips=n_flips, seed=seed), folder)


def write_both(both: RunWithTwin, folder: str | Path) -> Path:
    """The same of what is counted already.

    >>> write_both(RunWithTwin.of(result, twin, n_flips=10**6, report=bar), "report")
    """
    folder = write_texts(folder, texts(both))
    for name, picture in pictures(both).items():
        picture.save(folder / name)
    return folder


def write_texts(folder: str | Path, texts: Mapping[str, str]) -> Path:
    """Texts by the names of their files, into a folder made for them."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8", newline="")
    return folder


def pictures(both: RunWithTwin) -> dict[str, Picture]:
    result, card = both.result, both.run.card
    pairs = f"{result.n_pairs} pairs" if result.complete else f"{result.n_pairs} of {len(result.prompts)} pairs"
    a, b = result.prompts.conditions
    title = f"{result.model}, {result.prompts.name}: {pairs}; {counting(result, card)}\nA: {a}; B: {b}"
    return {
        "overview": figures.response.overview(card, result.head_map, title, both.beside(lambda twin: twin.card)),
        "null": figures.response.null_counts(both.run.curve, both.beside(lambda twin: twin.curve)),
        "split_half": figures.response.split_half(both.run.chosen, both.beside(lambda twin: twin.chosen)),
    }


def texts(both: RunWithTwin) -> dict[str, str]:
    """The text files by name, always in both countings."""
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
    """One row a head, in the order of ``result.head_map``."""
    rms = result.rms(summary.view)  # (P, 2, H)
    a, b = rms[:, 0].mean(axis=0), rms[:, 1].mean(axis=0)
    effect = stats.hedges_g(rms[:, 1] - rms[:, 0])
    p = stats.t_pvalues(summary.t, summary.n_pairs)
    has_t = np.isfinite(summary.t)  # else the difference is constant, and no t distribution applies
    columns = {"mean_a": a, "mean_b": b, "mean_difference": b - a, "t": summary.t, "dz": summary.dz}
    columns |= {"g": effect.g, "g_low": effect.low, "g_high": effect.high}
    of_t = {"p": p, "q_bh": stats.fdr(p, "bh"), "q_by": stats.fdr(p, "by")}
    columns |= {name: np.where(has_t, values, np.nan) for name, values in of_t.items()}
    columns["p_fwer"] = summary.count.max_p
    return _by_head(result.head_map, summary.view, {name: values.tolist() for name, values in columns.items()})


def differences_csv(result: ProbeResult, grouping: str = "card", step: int = 0) -> str:
    """One row a head, one column a pair's id: the RMS of B minus that of A."""
    of_pairs = dict(zip(result.pair_ids, result.differences(grouping, step=step), strict=True))
    return to_csv(_by_head(result.head_map, grouping, of_pairs, ("head", "block", "part", "index")))


def blocks_csv(summary: Summary) -> str:
    """By falling max |t|: ``block``, ``max_abs_t``, ``n_above`` (|t| > 3), ``n_heads``, ``median_abs_d``."""
    names = ("max_abs_t", "n_above", "n_heads", "median_abs_d")
    return to_csv({"block": b.name} | {name: getattr(b, name) for name in names} for b in summary.blocks)


def summary_json(both: RunWithTwin) -> str:
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
    return json.dumps(finite(content), indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def markdown(both: RunWithTwin) -> str:
    """The report as Markdown, with the pictures it names beside it."""
    result, run = both.result, both.run
    prompts, card = result.prompts, run.card
    a, b = prompts.conditions
    at = at_step(result, card.view.step)
    state = "" if result.complete else f" **Partial run: {result.n_pairs} of {len(prompts)} pairs.**"
    intro = inert(f"{prompts.question} A: {a}; B: {b}; {result.n_pairs} pairs; t of B − A{at}.") + state
    sentences, twin_curve = card.beyond, both.beside(lambda twin: twin.curve)
    if twin := both.beside(lambda twin: twin.card):
        above = (share(count, twin.n_heads) for count in twin.counts)
        said = ", ".join(f"{each} at |t| > {c:g}" for each, c in zip(above, twin.thresholds, strict=True))
        sentences.append(f"The untrained twin, same prompts and settings: {said}.")
    # Each table stands under the heading of its counting.
    tables = [replace(summary.table(), title="") for summary in (card, run.head)]
    sure = certainty_table({"card heads": run.card_certainty, "attention heads": run.head_certainty})
    notes = [caveat(prompts), MEANING, about_model(result.model), shared_subjects(result)]
    title = f"Card heads: runs of {result.config.channels_per_head} channels, MLP among them"

    def null(width: float) -> Picture:
        return figures.response.null_counts(run.curve, twin_curve, width)

    parts = [
        f"# {inert(f'{prompts.title or prompts.name}: {result.model}')}",
        intro.strip(),
        f"![{inert(figures.response.alt_text(card, twin))}](overview.svg)",
        Section(title, sentences, tables[:1], null, "null").markdown(),
        Section("Blocks by max |t|", [block.line for block in card.blocks]).markdown(),
        Section("Attention heads: the model's own, no MLP", run.head.beyond, tables[1:]).markdown(),
        sure.markdown(),
        Section("How to read this", [note for note in notes if note]).markdown(),
        Section("Provenance", [f"{key}: {value}" for key, value in describe_run(result).items()]).markdown(),
    ]
    return "\n\n".join(part.rstrip() for part in parts) + "\n"


def answer_csv(head_map: HeadMap, view: View | str, columns: Mapping[str, Iterable[Any]]) -> str:
    """A question's values as CSV: what names a head, then its ``columns``."""
    return to_csv(_by_head(head_map, view, columns))


def _by_head(
    head_map: HeadMap, view: View | str, columns: Mapping[str, Iterable[Any]], named: Sequence[str] = HEAD_COLUMNS
) -> list[dict[str, Any]]:
    table = head_map.table(view) | {"head": np.array(head_map.names(view))}
    columns = {name: table[name].tolist() for name in named} | dict(columns)
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def to_csv(rows: Iterable[dict[str, Any]]) -> str:
    """Rows of equal columns as CSV, a header first; numbers with seven significant digits, empty where not finite."""
    rows = list(rows)
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, fieldnames=list(rows[0]), lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({key: _cell(value) for key, value in row.items()})
    return buffer.getvalue()


def _cell(value: Any) -> Any:
    if not isinstance(value, float):
        return value
    return f"{value:.7g}" if math.isfinite(value) else ""
