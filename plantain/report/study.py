"""The comparison of pose with its controls as files: Markdown, JSON, CSV and one picture."""

import json
from itertools import combinations, product
from pathlib import Path
from typing import Any

import numpy as np

from plantain.questions.families import WHOLE, count_dict, scope_view, unit_of
from plantain.questions.selectivity import ControlReport
from plantain.report import figures
from plantain.report.files import to_csv, write_texts
from plantain.report.study_tables import section
from plantain.stats import HeadCount
from plantain.wording import finite


def report_controls(report: ControlReport, folder: str | Path) -> Path:
    """Write the comparison into a folder.

    >>> report_controls(compare(study), "report")
    """
    texts = {
        "controls.md": section(report).markdown(1),
        "controls.json": json.dumps(finite(to_dict(report)), indent=1, ensure_ascii=False, allow_nan=False) + "\n",
        "controls.csv": to_csv(count_rows(report)),
        "control_heads.csv": to_csv(head_rows(report)),
    }
    folder = write_texts(folder, texts)
    figures.selectivity.draw(report).save(folder / "is_it_pose")
    return folder


def count_rows(report: ControlReport) -> list[dict[str, Any]]:
    """One row a set, scope and weights: what ``stats.HeadCount`` says, and selectivity where the set is a control."""
    rows = []
    for (weights, name, scope), c in report.counts.items():
        s = report.selectivities.get((weights, name, scope))
        row: dict[str, Any] = {"weights": weights, "set": name, "scope": scope}
        row |= {"unit": unit_of(report.head_map, scope), "n_pairs": c.n_pairs, "n_heads": c.n_heads}
        for i, threshold in enumerate(c.thresholds):
            for what, values in (("n_above", c.counts), ("null_p99", c.null_p99), ("set_p", c.set_p)):
                row[f"{what}_{threshold:g}"] = values[i]
        r = None if c.split_half is None else c.split_half[0]
        row |= {"share": c.shares[0], "split_half_r": r, "mean_d2": c.mean_d2}
        row |= {key: getattr(s, key) if s is not None else None for key in ("larger", "smaller", "p_excess")}
        rows.append(row)
    return rows


def head_rows(report: ControlReport) -> list[dict[str, Any]]:
    """One row a head, card heads first: t of every set; size is 1 where pose is larger, -1 where the control is."""
    rows = []
    for scope in WHOLE:
        table = report.head_map.table(scope_view(scope))
        for i in range(len(table["block"])):
            named = ("block", "part", "index", "first_channel")
            row = {"counted": scope} | {name: table[name][i].item() for name in named}
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

    def placed(weights: str, scope: str, what: str) -> dict[str, Any] | None:
        p = report.placement(weights, scope, what)
        if p is None:
            return None
        return {"pose": p.value, "lexical": [float(v) for v in p.others], "n_at_least": p.n_at_least, "p": p.p}

    def counted(scope: str, count: HeadCount) -> dict[str, Any]:
        return count_dict(scope, unit_of(report.head_map, scope), count)

    return {
        "model": report.model,
        "pose": report.pose,
        "threshold": report.threshold,
        "config": report.config.to_dict(),
        "weights": list(report.weights),
        "sets": [{"name": name, "title": report.titles.get(name, name)} for name in report.sets],
        "left_out": list(report.left_out),
        "counts": [{"weights": w, "set": name, **counted(s, c)} for (w, name, s), c in report.counts.items()],
        "selectivity": [s.to_dict() for s in report.selectivities.values()],
        "more_than_all_controls": [
            {"weights": w, "scope": s, "larger": larger, "smaller": smaller}
            for (w, s), (larger, smaller) in report.survivors.items()
        ],
        "among_lexical": [
            {"weights": w, "scope": s, "count": placed(w, s, "count"), "mean_d2": placed(w, s, "mean_d2")}
            for w, s in product(report.weights, report.scopes)
        ],
        "articulation": [
            {"weights": w, "effect": name, **counted(s, c)}
            for (w, s), found in report.bent.items()
            for name, c in found.items()
        ],
        "body_clothing": [
            {"weights": w, "scope": s, **factor.to_dict()}
            for (w, s), found in report.factors.items()
            for factor in found
        ],
        "correlation_of_sets": [
            {"weights": w, "scope": s, **_correlated(a, b, report.set_correlation(w, a, b, s))}
            for w, s, (a, b) in product(report.weights, WHOLE, combinations(report.sets, 2))
        ],
        "correlation_of_weights": [
            {"set": name, "scope": s, **_correlated(a, b, report.weights_correlation(name, a, b, s))}
            for name, s, (a, b) in product(report.sets, WHOLE, combinations(report.weights, 2))
        ],
    }


def _correlated(a: str, b: str, r: float) -> dict[str, Any]:
    return {"a": a, "b": b, "r": None if np.isnan(r) else r}
