"""What the shipped runs say of every control set: ``python benchmarks/findings/control_sets.py`` prints one table.

Of posebox and of its first untrained transformer: card heads above |t| > 3, the 99th percentile of that count under
sign flips, the set-level p, split-half r, and Pearson r of the t map with that of ``dense_pose``. Of ``articulation``
each cell and both (a subject's mean difference); of the lexical sets the range. ``results.py`` puts it into the docs.
"""

from __future__ import annotations

import numpy as np

from plantain import stats
from plantain.data.prompts import PromptSet, match_rows
from plantain.data.study import LEXICAL, POSE, ControlStudy, load_controls
from plantain.paths import RUNS
from plantain.questions.families import scope_view

WEIGHTS = ("trained", "untrained 0")
SCOPE = "card heads"
COLUMNS = ("|t| > 3", "null p99", "set-level p", "split-half r", "t map")
HEADER = ("set", *COLUMNS, f"untrained: {COLUMNS[0]}", *COLUMNS[1:])


def table(study: ControlStudy) -> list[tuple[str, ...]]:
    """A row a set, the header first."""
    found: dict[str, list[str]] = {}
    for weights in WEIGHTS:
        runs = study.runs[weights]
        main = stats.paired_t(runs[POSE].differences(scope_view(SCOPE)))
        for run in runs.values():
            for label, d in views(run.prompts, run.differences(scope_view(SCOPE)), runs[POSE].prompts).items():
                found.setdefault(label, []).extend(cells(d, main))
    lexical = [found.pop(f"`{name}`") for name in LEXICAL]
    found[f"`{LEXICAL[0]}` … `{LEXICAL[-1]}`"] = ranges(lexical)
    return [HEADER, *((label, *row) for label, row in found.items())]


def cells(d: np.ndarray, main: np.ndarray) -> list[str]:
    """One model's cells of a row, of differences B − A: (n_pairs, n_heads); ``main``: the t of ``dense_pose``."""
    count = stats.count_heads(d)
    shared = float(np.corrcoef(stats.paired_t(d), main)[0, 1])
    r = count.split_half[0] if count.split_half else float("nan")
    return [f"{count.counts[0]}", f"{count.null_p99[0]:.0f}", f"{count.set_p[0]:.3f}", f"{r:.2f}", f"{shared:.2f}"]


def views(prompts: PromptSet, d: np.ndarray, pose: PromptSet) -> dict[str, np.ndarray]:
    """What a set's differences are looked at as: by label, (n_rows, n_heads)."""
    if "cell" not in prompts.pairs[0].tags:
        return {f"`{prompts.name}`": d}
    cell = np.array([pair.tags["cell"] for pair in prompts.pairs])
    found = {f"`{prompts.name}`, {name}": d[cell == name] for name in ("few", "many")}
    rows = match_rows(pose, prompts)
    both = np.array([d[[j for i, j in rows if i == subject]].mean(axis=0) for subject, _ in rows[::2]])
    return found | {f"`{prompts.name}`, both": both}


def ranges(rows: list[list[str]]) -> list[str]:
    """The least and the largest value of every column."""
    ends = [(min(column, key=float), max(column, key=float)) for column in zip(*rows, strict=True)]
    return [low if low == high else f"{low} to {high}" for low, high in ends]


if __name__ == "__main__":
    for row in table(load_controls(RUNS / "controls")):
        print("  ".join(cell.ljust(28 if i == 0 else 13) for i, cell in enumerate(row)).rstrip())
