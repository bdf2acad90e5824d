"""Head accounting: which heads a count counts, by projection, part of a block and kind of token.

The card counts runs of 16 channels of every captured projection in one sum, image tokens in joint blocks
and all tokens in single blocks, most of them MLP channels. Here each family of heads stands alone, and
attention is counted in the model's own heads.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from plantain import stats
from plantain.data.heads import HeadMap
from plantain.data.result import ProbeResult
from plantain.errors import InputError
from plantain.questions.response import THRESHOLDS

FAMILIES = ("joint image", "joint text", "single attention", "single MLP")
"""Attention first; joint image is ``to_out``, joint text ``to_add_out``, single both parts of one ``to_out``."""
SCOPES = ("card heads", "attention heads", *FAMILIES)
"""What may be counted together: the card's own count, what remains with attention only, each family."""
FAMILY_STREAMS = ("card", "image", "text")


def family_differences(
    result: ProbeResult, stream: str = "card", grouping: str = "head", step: int = 0
) -> dict[str, np.ndarray]:
    """B - A of the RMS for every family with tokens in a stream: {family: (n_pairs, n_heads)}.

    >>> families.family_differences(result)["single attention"].shape      # (25, 600 - 120) for Klein

    Parameters
    ----------
    stream : "card" (joint blocks at image tokens and, apart, at text tokens; single blocks at all tokens),
        "image" or "text" (real tokens); joint image exists only at image tokens, joint text at text tokens
    grouping : "head" (the model's own attention heads) or "card" (runs of 16 channels); MLP channels
        belong to no attention head and are runs in either
    step : index of the denoising step

    Raises
    ------
    InputError
        An unknown stream or grouping, or a stream without tokens.
    """
    if stream not in FAMILY_STREAMS:
        raise InputError(f"stream must be one of {', '.join(FAMILY_STREAMS)}; got {stream!r}.")
    left_out = {"card": "", "image": "joint text", "text": "joint image"}[stream]
    present = [name for name in FAMILIES if name != left_out and _exists(result.head_map, name)]
    return {name: scope_differences(result, name, stream, grouping, step) for name in present}


def scope_differences(
    result: ProbeResult, scope: str, stream: str = "card", grouping: str = "head", step: int = 0
) -> np.ndarray:
    """B - A of ``scope_rms`` with the same arguments: (n_pairs, n_heads).

    >>> families.scope_differences(result, "card heads").shape             # (25, 16320) for Klein
    """
    rms = scope_rms(result, scope, stream, grouping, step)
    return rms[:, 1] - rms[:, 0]


def scope_rms(
    result: ProbeResult, scope: str, stream: str = "card", grouping: str = "head", step: int = 0
) -> np.ndarray:
    """RMS of both sides for one of ``SCOPES``: (n_pairs, 2, n_heads), heads in the order of ``scope_table``.

    "card heads" are always runs of 16 channels, "attention heads" always the model's own. Raises as
    ``family_differences``; also for an unknown scope, or joint image at text tokens and the reverse.
    """
    grouping, part, rows = _view(result.head_map, scope, grouping)
    if scope.startswith("joint"):
        own = scope.removeprefix("joint ")
        if stream not in ("card", own):
            raise InputError(f"The family {scope!r} is read at {own} tokens only; got stream={stream!r}.")
        stream = own
    return result.rms(grouping, part, stream, step=step)[:, :, rows]


def scope_table(head_map: HeadMap, scope: str, grouping: str = "head") -> dict[str, np.ndarray]:
    """Name every head of a scope, as ``HeadMap.table`` does: equal columns, one row a head."""
    grouping, part, rows = _view(head_map, scope, grouping)
    return {name: column[rows] for name, column in head_map.table(grouping, part).items()}


def scopes_of(head_map: HeadMap) -> list[str]:
    """Those of ``SCOPES`` that a model has: one without single blocks has no MLP to count."""
    return [scope for scope in SCOPES if scope not in FAMILIES or _exists(head_map, scope)]


@dataclass(frozen=True)
class Count:
    """How many heads of one scope respond, beside their own sign-flip null.

    Attributes
    ----------
    scope : one of ``SCOPES``
    unit : "attention heads" or "runs of 16 channels", what is counted
    counts, null_p99, set_p : a value for each of ``thresholds``, as in ``summary.Summary``
    split_half_r : median over random splits of the pairs, None where it is not defined
    mean_d2 : mean squared effect over the heads (``stats.mean_squared_effect``: 0 on average without any effect)
    """

    scope: str
    unit: str
    n_pairs: int
    n_heads: int
    counts: tuple[int, ...]
    null_p99: tuple[float, ...]
    set_p: tuple[float, ...]
    split_half_r: float | None
    mean_d2: float
    thresholds: tuple[float, ...] = THRESHOLDS

    @property
    def share(self) -> float:
        """Of the heads, how many lie above the first threshold, from 0 to 1."""
        return self.counts[0] / self.n_heads

    @property
    def null_share(self) -> float:
        """The null's p99 as a share of the heads."""
        return self.null_p99[0] / self.n_heads

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "scope": self.scope,
            "unit": self.unit,
            "n_pairs": self.n_pairs,
            "n_heads": self.n_heads,
            "thresholds": list(self.thresholds),
            "counts": list(self.counts),
            "share": self.share,
            "null_p99": list(self.null_p99),
            "set_p": list(self.set_p),
            "split_half_r": self.split_half_r,
            # Of three pairs it is not defined, and JSON has no NaN.
            "mean_d2": self.mean_d2 if np.isfinite(self.mean_d2) else None,
        }


def count_heads(
    d: np.ndarray,
    scope: str,
    unit: str,
    n_flips: int = 1000,
    n_splits: int = 100,
    seed: int = 0,
    thresholds: Sequence[float] = THRESHOLDS,
) -> Count:
    """Count the heads of one scope from their differences, (n_pairs, n_heads)."""
    abs_t = np.abs(stats.paired_t(d))
    null = stats.sign_flip_null(d, n_flips, thresholds, seed)
    counts = (abs_t[:, None] > np.array(null.thresholds)).sum(axis=0)
    r = stats.split_half(d, n_splits, seed) if d.shape[0] >= 4 and d.shape[1] >= 3 else np.empty(0)
    return Count(
        scope=scope,
        unit=unit,
        n_pairs=len(d),
        n_heads=d.shape[1],
        counts=tuple(int(count) for count in counts),
        null_p99=tuple(float(value) for value in null.count_quantile(0.99)),
        set_p=tuple(float(p) for p in null.set_p(counts)),
        split_half_r=float(np.median(r)) if len(r) and np.isfinite(r).all() else None,
        mean_d2=stats.mean_squared_effect(d) if len(d) >= 4 else float("nan"),
        thresholds=null.thresholds,
    )


def family_table(
    result: ProbeResult,
    stream: str = "card",
    grouping: str = "head",
    step: int = 0,
    n_flips: int = 1000,
    n_splits: int = 100,
    seed: int = 0,
) -> FamilyTable:
    """The published count, what remains of it with attention only, and each family alone.

    >>> print(families.family_table(result).text)

    ``stream``, ``grouping`` and ``step`` as in ``family_differences``; flips and splits as in ``summarise``.
    """
    wanted = ["card heads", "attention heads", *family_differences(result, stream, grouping, step)]
    rows = [
        count_heads(
            scope_differences(result, scope, stream, grouping, step),
            scope,
            unit_of(result.head_map, scope, grouping),
            n_flips,
            n_splits,
            seed,
        )
        for scope in wanted
    ]
    return FamilyTable(tuple(rows), stream)


@dataclass(frozen=True)
class FamilyTable:
    """``family_table``: rows of ``Count``, the published count and the attention-only one first."""

    rows: tuple[Count, ...]
    stream: str

    @property
    def published(self) -> Count:
        """All runs of 16 channels, as the card counts them."""
        return self.rows[0]

    @property
    def attention_only(self) -> Count:
        """What remains when only the model's own attention heads are counted."""
        return self.rows[1]

    @property
    def cells(self) -> list[tuple[str, ...]]:
        """The table as texts, its header first."""
        header = ("Counted", "of", *(f"|t| > {c:g}" for c in self.published.thresholds), "null p99", "p", "r")
        return [header, *(_cells(row) for row in self.rows)]

    @property
    def text(self) -> str:
        """``cells`` in columns, below a line with the two counts that matter."""
        widths = [max(len(row[i]) for row in self.cells) for i in range(len(self.cells[0]))]
        rows = ["  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip() for row in self.cells]
        return "\n".join([self.sentence, "", *rows])

    @property
    def sentence(self) -> str:
        """The published count beside what remains when only attention is counted."""
        card, own = self.published, self.attention_only
        return (
            f"{card.counts[0]:,} of {card.n_heads:,} runs of channels ({100 * card.share:.1f} %) at "
            f"|t| > {card.thresholds[0]:g}; of the model's own attention heads {own.counts[0]:,} of {own.n_heads:,} "
            f"({100 * own.share:.1f} %)."
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {"stream": self.stream, "rows": [row.to_dict() for row in self.rows]}


def unit_of(head_map: HeadMap, scope: str, grouping: str = "head") -> str:
    """What is counted in a scope: "attention heads", or "runs of 16 channels"."""
    counted, _, _ = _view(head_map, scope, grouping)
    return "attention heads" if counted == "head" else f"runs of {head_map.channels_per_head} channels"


def _cells(row: Count) -> tuple[str, ...]:
    share = f"{row.counts[0]:,} ({100 * row.share:.1f} %)"
    r = "—" if row.split_half_r is None else f"{row.split_half_r:.2f}"
    others = (f"{count:,}" for count in row.counts[1:])
    counted = f"{row.n_heads:,} {row.unit}"
    return (row.scope, counted, share, *others, f"{row.null_p99[0]:,.0f}", f"{row.set_p[0]:.3f}", r)


def _view(head_map: HeadMap, scope: str, grouping: str) -> tuple[str, str, np.ndarray | slice]:
    """Grouping and part under which a scope is read, and which of those heads are its own."""
    head_map.check_view(grouping, "all")
    if scope == "card heads":
        return "card", "all", slice(None)
    if scope == "attention heads":
        return "head", "all", slice(None)
    if scope not in FAMILIES:
        raise InputError(f"Heads are counted as {', '.join(SCOPES)}; got {scope!r}.")
    if not _exists(head_map, scope):
        raise InputError(f"This model has no heads of the family {scope!r}.")
    grouping, part = ("card", "mlp") if scope == "single MLP" else (grouping, "attention")
    kind = head_map.table(grouping, part)["kind"]
    return grouping, part, np.flatnonzero(kind == scope.split()[0])


def _exists(head_map: HeadMap, family: str) -> bool:
    if family == "single MLP":
        return head_map.n_single * head_map.mlp_runs > 0
    return (head_map.n_joint if family.startswith("joint") else head_map.n_single) > 0
