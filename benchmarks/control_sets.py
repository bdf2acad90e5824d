"""What the probe says of the control sets: ``python benchmarks/control_sets.py`` prints the README's table.

Every shipped set on posebox and posebox-untrained at default settings: card heads above |t| > 3 of 510, the 99th
percentile of that count under sign flips, the set-level p, split-half r, and Pearson r of its t map with that of
``dense_pose``. Of ``articulation`` each cell and both (a subject's mean difference); of the lexical sets the range.
"""

from __future__ import annotations

import numpy as np

import plantain
from plantain import stats
from plantain.data.prompts import PromptSet, match_rows
from plantain.data.study import POSE
from plantain.posebox.sets import control_sets

MODELS = ("posebox", "posebox-untrained")
COLUMNS = ("\\|t\\| > 3", "null p99", "set-level p", "split-half r", "t map")
HEADER = f"| set | {' | '.join(COLUMNS)} | untrained: {' | '.join(COLUMNS)} |\n|{'---|' * (1 + 2 * len(COLUMNS))}"


def cells(d: np.ndarray, main: np.ndarray) -> list[str]:
    """One model's cells of a row, of differences B − A: (n_pairs, n_heads); ``main``: the t of ``dense_pose``."""
    t, null = stats.paired_t(d), stats.sign_flip_null(d)
    counts = [int((np.abs(t) > threshold).sum()) for threshold in null.thresholds]
    values = null.set_p(counts)[0], np.median(stats.split_half(d)), np.corrcoef(t, main)[0, 1]
    p, r, shared = (f"{value:.{decimals}f}" for value, decimals in zip(values, (3, 2, 2), strict=True))
    return [str(counts[0]), f"{null.count_quantile(0.99)[0]:.0f}", p, r, shared]


def views(prompts: PromptSet, d: np.ndarray) -> dict[str, np.ndarray]:
    """What a set's differences are looked at as: by label, (n_rows, n_heads)."""
    if "cell" not in prompts.pairs[0].tags:
        return {f"`{prompts.name}`": d}
    cell = np.array([pair.tags["cell"] for pair in prompts.pairs])
    found = {f"`{prompts.name}`, {name}": d[cell == name] for name in ("few", "many")}
    rows = match_rows(plantain.load_prompts(POSE), prompts)
    effect = np.array([d[[j for i, j in rows if i == subject]].mean(axis=0) for subject, _ in rows[::2]])
    return found | {f"`{prompts.name}`, both": effect}


def table() -> dict[str, list[str]]:
    """The cells of every row, by its label."""
    rows: dict[str, list[str]] = {}
    sets = [plantain.load_prompts(name) for name in (POSE, *control_sets())]
    for model in MODELS:
        pipe = plantain.load_pipeline(model)
        main = np.empty(0)
        for prompts in sets:
            d = plantain.run_probe(pipe, prompts).differences()
            main = main if main.size else stats.paired_t(d)
            for label, view in views(prompts, d).items():
                rows.setdefault(label, []).extend(cells(view, main))
    return rows


def together(rows: dict[str, list[str]], name: str) -> list[str]:
    """The least and the largest value of every column over the sets ``name_1``, ``name_2``, …"""
    columns = zip(*(row for label, row in rows.items() if label.startswith(f"`{name}_")), strict=True)
    ends = [(min(column, key=float), max(column, key=float)) for column in columns]
    return [low if low == high else f"{low} to {high}" for low, high in ends]


def main() -> None:
    rows = table()
    rows["`lexical_1` … `lexical_8`"] = together(rows, "lexical")
    print(HEADER)
    for label, row in rows.items():
        print(f"| {label} | {' | '.join(row)} |")


if __name__ == "__main__":
    main()
