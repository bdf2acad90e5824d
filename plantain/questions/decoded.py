"""What decoders read off single heads, as one table for every run of a family: own − others, and its null."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from plantain import stats
from plantain.data.dense import DenseResult
from plantain.data.family import Family
from plantain.errors import InputError
from plantain.wording import Table, number, p_value

FWER = 0.05


def score_count(
    run: DenseResult, name: str, n_flips: int = 1000, seed: int = 0, only: np.ndarray | None = None
) -> stats.UpperCount:
    """Attention heads whose decoder beats the other pictures: ``stats.count_upper`` of one of ``SCORES``.

    >>> score_count(run, "deformation_beyond").counts

    ``only``: pairs to count over, (P,); decoders are fitted on all.
    """
    return stats.count_upper(run.score(name, only), n_flips, seed)


@dataclass(frozen=True)
class Forms:
    """Counts of some scores, the strictest last, for every run of a family that has them."""

    counts: dict[tuple[str, str], stats.UpperCount]
    """By (weights, score)."""
    labels: Mapping[str, str]

    @classmethod
    def of(cls, family: Family, labels: Mapping[str, str], n_flips: int, seed: int) -> Forms:
        counts = {
            (weights, name): score_count(run, name, n_flips, seed)
            for weights, run in family.runs.items()
            for name in labels
            if name in run.decoded
        }
        missing = [labels[name] for name in labels if ("trained", name) not in counts]
        if missing:
            raise InputError(
                f"The dense run of {family.model} on {family.trained.prompts.name!r} has no decoder of "
                f"{', '.join(missing)}: it needs bodies, and at least three groups of pairs that share neither subject "
                "nor pose."
            )
        return cls(counts, labels)

    @property
    def weights(self) -> list[str]:
        return list(dict.fromkeys(weights for weights, _ in self.counts))

    def said(self, name: str) -> str:
        """The trained count of one score beside the twins'."""
        count = self.counts["trained", name]
        others = (w for w in self.weights if w != "trained" and (w, name) in self.counts)
        beside = "; ".join(f"{w} {self.counts[w, name].counts[0]:,}" for w in others)
        return f"{count.counts[0]:,} of {count.n_heads:,} attention heads at t > 3 ({beside or 'no twin has been run'})"

    def table(self, title: str) -> Table:
        header = ("weights", "read", "of", "t > 3", "t > 5", "max t", "null p99", "FWER 5 %", "p")
        rows = []
        for (weights, name), c in self.counts.items():
            fwer, p99, p = int((c.max_p <= FWER).sum()), f"{c.null_p99[0]:,.0f}", p_value(float(c.set_p[0]))
            counts = [f"{n:,}" for n in (c.n_heads, *c.counts)]
            rows.append((weights, self.labels[name], *counts, number(c.t.max(), 1), p99, f"{fwer:,}", p))
        n_pairs = next(iter(self.counts.values())).n_pairs
        return Table(title, f"Own − other pictures, t over {n_pairs} pairs, one-sided; sign flips.", (header, *rows))

    def columns(self, names: Sequence[str]) -> Mapping[str, Iterable[Any]]:
        """Of the trained run's attention heads: t of each score."""
        return {f"t_{name}": self.counts["trained", name].t for name in names}
