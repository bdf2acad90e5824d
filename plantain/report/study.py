"""The comparison of pose with its controls as text, Markdown, JSON, CSV and one picture.

>>> report_controls(compare(study), "report")
"""

import json
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from plantain.questions.families import WHOLE, count_dict, scope_view, unit_of
from plantain.questions.selectivity import ControlReport
from plantain.report.figures.selectivity import draw
from plantain.report.files import to_csv
from plantain.report.study_tables import section


def report_controls(report: ControlReport, folder: str | Path) -> Path:
    """Write the comparison into a folder.

    >>> report_controls(compare(study), "report")

    Files
    -----
    controls.md : what survives, the picture, every table
    controls.json : the same as numbers (``to_dict``)
    controls.csv : one row a set, scope and weights (``count_rows``)
    control_heads.csv : one row a head, all card heads and then all attention heads (``head_rows``)
    is_it_pose : as .svg, .pdf and .png
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    texts = {
        "controls.md": section(report).markdown(1),
        "controls.json": json.dumps(to_dict(report), indent=1, ensure_ascii=False, allow_nan=False) + "\n",
        "controls.csv": to_csv(count_rows(report)),
        "control_heads.csv": to_csv(head_rows(report)),
    }
    for name, content in texts.items():
        (folder / name).write_text(content, encoding="utf-8", newline="")
    draw(report).save(folder / "is_it_pose")
    return folder


def count_rows(report: ControlReport) -> list[dict[str, Any]]:
    """One row a set, scope and weights: what ``stats.HeadCount`` says, and selectivity where the set is a control."""
    rows = []
    for (weights, name, scope), c in report.counts.items():
        s = report.selectivities.get((weights, name, scope))
        row: dict[str, Any] = {"weights": weights, "set": name, "scope": scope}
        row["unit"] = unit_of(report.head_map, scope)
        row |= {"n_pairs": c.n_pairs, "n_heads": c.n_heads}
        for i, threshold in enumerate(c.thresholds):
            row |= {
                f"n_above_{threshold:g}": c.counts[i],
                f"null_p99_{threshold:g}": c.null_p99[i],
                f"set_p_{threshold:g}": c.set_p[i],
            }
        r = None if c.split_half is None else c.split_half[0]
        row |= {"share": c.shares[0], "split_half_r": r, "mean_d2": c.mean_d2}
        row |= {key: getattr(s, key) if s is not None else None for key in ("larger", "smaller", "p_excess")}
        rows.append(row)
    return rows


def head_rows(report: ControlReport) -> list[dict[str, Any]]:
    """One row a head, card heads then attention heads: t of every set, and which of pose and control is larger.

    Columns ``t, WEIGHTS, SET``; ``size, WEIGHTS, CONTROL`` is 1 where pose is larger, -1 where the control is, else 0.
    """
    rows = []
    for scope in WHOLE:
        table = report.head_map.table(scope_view(scope))
        for i in range(len(table["block"])):
            row = {"counted": scope} | {
                name: table[name][i].item() for name in ("block", "part", "index", "first_channel")
            }
            for weights in report.weights:
                for name in report.sets:
                    row[f"t, {weights}, {name}"] = float(report.count(weights, name, scope).t[i])
                for name in report.controls:
                    found = report.selectivity(weights, name, scope).found
                    row[f"size, {weights}, {name}"] = int(found.larger[i]) - int(found.smaller[i])
            rows.append(row)
    return rows


def to_dict(report: ControlReport) -> dict[str, Any]:
    """Every figure of the report but those of single heads, as plain JSON values."""

    def place(weights: str, scope: str, what: str) -> dict[str, Any] | None:
        p = report.placement(weights, scope, what)
        if p is None:
            return None
        return {"pose": p.value, "lexical": [float(v) for v in p.others], "n_at_least": p.n_at_least, "p": p.p}

    def placed(weights: str, scope: str) -> dict[str, Any]:
        found = {what: place(weights, scope, what) for what in ("count", "mean_d2")}
        return {"weights": weights, "scope": scope, **found}

    return {
        "model": report.model,
        "pose": report.pose,
        "threshold": report.threshold,
        "config": report.config.to_dict(),
        "weights": list(report.weights),
        "sets": [{"name": name, "title": report.titles.get(name, name)} for name in report.sets],
        "left_out": list(report.left_out),
        "counts": [
            {"weights": w, "set": n, **count_dict(s, unit_of(report.head_map, s), c)}
            for (w, n, s), c in report.counts.items()
        ],
        "selectivity": [s.to_dict() for s in report.selectivities.values()],
        "more_than_all_controls": [
            {"weights": w, "scope": s, "larger": larger, "smaller": smaller}
            for (w, s), (larger, smaller) in report.survivors.items()
        ],
        "among_lexical": [placed(w, s) for w in report.weights for s in report.scopes],
        "articulation": [
            {"weights": w, "effect": name, **count_dict(s, unit_of(report.head_map, s), c)}
            for (w, s), found in report.bent.items()
            for name, c in found.items()
        ],
        "body_clothing": [
            {"weights": w, "scope": s, **factor.to_dict()}
            for (w, s), found in report.factors.items()
            for factor in found
        ],
        "correlation_of_sets": _of_sets(report),
        "correlation_of_weights": _of_weights(report),
    }


def _of_sets(report: ControlReport) -> list[dict[str, Any]]:
    """How alike the t maps of every two sets are, under the same weights."""
    return [
        {"weights": w, "scope": s, "a": a, "b": b, "r": _number(report.set_correlation(w, a, b, s))}
        for w in report.weights
        for s in WHOLE
        for a, b in combinations(report.sets, 2)
    ]


def _of_weights(report: ControlReport) -> list[dict[str, Any]]:
    """How alike the t maps of one set under every two weights are."""
    return [
        {"set": name, "scope": s, "a": a, "b": b, "r": _number(report.weights_correlation(name, a, b, s))}
        for name in report.sets
        for s in WHOLE
        for a, b in combinations(report.weights, 2)
    ]


def _number(value: float) -> float | None:
    return None if np.isnan(value) else value
