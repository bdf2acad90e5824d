"""Head accounting: which heads a count counts, by projection, part of a block and kind of token.

The card counts runs of 16 channels of every captured projection in one sum, image tokens in joint blocks
and all tokens in single blocks, most of them MLP channels. Here each family of heads stands alone, and
attention is counted in the model's own heads.
"""

from dataclasses import dataclass
from typing import Any

from plantain import stats
from plantain.data.heads import HeadMap
from plantain.data.result import ProbeResult
from plantain.data.view import View
from plantain.errors import InputError
from plantain.questions.answer import Answer
from plantain.wording import Table, finite, share

WHOLE = ("card heads", "attention heads")
"""Scopes that cover all blocks."""
FAMILIES = ("joint image", "joint text", "single attention", "single MLP")
"""Attention first; joint image is ``to_out``, joint text ``to_add_out``, single both parts of one ``to_out``."""
SCOPES = (*WHOLE, *FAMILIES)
"""What may be counted together: the card's own count, what remains with attention only, each family."""
FAMILY_STREAMS = ("card", "image", "text")


def scope_view(scope: str, stream: str = "card", grouping: str = "head", step: int = 0) -> View:
    """The view of a run that one of ``SCOPES`` is.

    >>> result.differences(scope_view("single attention")).shape         # (25, 600 - 120) for Klein

    ``stream``: "card" (joint blocks at image tokens and, apart, at text tokens; single blocks at all tokens), "image"
    or "text" (real tokens); joint image exists only at image tokens, joint text at text tokens. ``grouping``, of a
    family of attention: "head" (the model's own) or "card" (runs of 16 channels, as MLP channels are in either).

    Raises InputError: an unknown scope, stream or grouping, or joint image at text tokens and the reverse.
    """
    if scope not in SCOPES:
        raise InputError(f"Heads are counted as {', '.join(SCOPES)}; got {scope!r}.")
    if stream not in FAMILY_STREAMS:
        raise InputError(f"stream must be one of {', '.join(FAMILY_STREAMS)}; got {stream!r}.")
    view = View(grouping, "attention", stream, step=step)
    if scope in WHOLE:
        return view.at(grouping="card" if scope == "card heads" else "head", part="all")
    kind, _, what = scope.partition(" ")
    if kind == "single":
        return view.at(kind=kind, grouping="card", part="mlp") if what == "MLP" else view.at(kind=kind)
    if stream not in ("card", what):
        raise InputError(f"The family {scope!r} is read at {what} tokens only; got stream={stream!r}.")
    return view.at(kind=kind, stream=what)


def scopes_of(head_map: HeadMap, stream: str = "card") -> list[str]:
    """Those of ``SCOPES`` that a model has at a stream's tokens: without single blocks there is no MLP to count."""
    left_out = {"card": "", "image": "joint text", "text": "joint image"}[stream]
    sizes = dict.fromkeys(FAMILIES, head_map.n_joint) | {
        "single attention": head_map.n_single,
        "single MLP": head_map.n_single * head_map.mlp_runs,
    }
    return [*WHOLE, *(name for name in FAMILIES if sizes[name] and name != left_out)]


def unit_of(head_map: HeadMap, scope: str, grouping: str = "head") -> str:
    """What is counted in a scope: "attention heads", or "runs of 16 channels"."""
    if scope_view(scope, grouping=grouping).grouping == "head":
        return "attention heads"
    return f"runs of {head_map.channels_per_head} channels"


def count_dict(scope: str, unit: str, count: stats.HeadCount) -> dict[str, Any]:
    """A count of one scope as plain JSON values."""
    return {
        "scope": scope,
        "unit": unit,
        "n_pairs": count.n_pairs,
        "n_heads": count.n_heads,
        "thresholds": list(count.thresholds),
        "counts": list(count.counts),
        "share": count.shares[0],
        "null_p99": list(count.null_p99),
        "set_p": list(count.set_p),
        "split_half_r": None if count.split_half is None else count.split_half[0],
        # Of three pairs it is not defined, and JSON has no NaN.
        "mean_d2": finite(count.mean_d2),
    }


@dataclass(frozen=True)
class FamilyTable(Answer):
    """The published count, what remains of it with attention only, and each family alone."""

    counts: dict[str, stats.HeadCount]  # by scope, the published count and the attention-only one first
    units: dict[str, str]  # by scope: what is counted
    stream: str

    @property
    def tables(self) -> list[Table]:
        """One, with a row a scope."""
        first = self.counts["card heads"]
        header = ("Counted", "of", *(f"|t| > {c:g}" for c in first.thresholds), "null p99", "p", "r")
        rows = []
        for scope, c in self.counts.items():
            r = "—" if c.split_half is None else f"{c.split_half[0]:.2f}"
            counts = share(c.counts[0], c.n_heads), *(f"{n:,}" for n in c.counts[1:])
            of = f"{c.n_heads:,} {self.units[scope]}"
            rows.append((scope, of, *counts, f"{c.null_p99[0]:,.0f}", f"{c.set_p[0]:.3f}", r))
        return [Table("The published count, and what remains of it by family", "", (header, *rows))]

    @property
    def sentences(self) -> list[str]:
        """The published count beside what remains when only attention is counted."""
        card, own = (self.counts[scope] for scope in WHOLE)
        return [
            f"{card.counts[0]:,} of {card.n_heads:,} runs of channels ({100 * card.shares[0]:.1f} %) at "
            f"|t| > {card.thresholds[0]:g}; of the model's own attention heads {own.counts[0]:,} of {own.n_heads:,} "
            f"({100 * own.shares[0]:.1f} %)."
        ]

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        rows = [count_dict(scope, self.units[scope], count) for scope, count in self.counts.items()]
        return {"stream": self.stream, "rows": rows}


def family_table(
    result: ProbeResult,
    stream: str = "card",
    grouping: str = "head",
    step: int = 0,
    n_flips: int = 1000,
    n_splits: int = 100,
    seed: int = 0,
) -> FamilyTable:
    """Count every scope of a run: arguments as of ``scope_view`` and ``stats.count_heads``.

    >>> print(family_table(result).text)
    """
    scope_view("card heads", stream)  # an unknown stream is refused before it is looked up
    counts = {
        scope: stats.count_heads(result.differences(scope_view(scope, stream, grouping, step)), n_flips, n_splits, seed)
        for scope in scopes_of(result.head_map, stream)
    }
    units = {scope: unit_of(result.head_map, scope, grouping) for scope in counts}
    return FamilyTable(counts, units, stream)
