"""Random projections of what enters each block: a baseline for what is read off single heads, as it was counted."""

from __future__ import annotations

import json
from collections.abc import Sequence

from plantain.data.family import Family
from plantain.data.pictures import prompts_digest
from plantain.paths import ASSETS

PROJECTED = ("place", "place_sided", "code", "deformation")
"""Tests of what can be read off a head, which can be put to a random projection of its block's input as well."""
KEPT = ASSETS / "random_projections.json"
NAMED = "random projections of the block's own input"


def load_projections(family: Family) -> dict[str, tuple[int, ...]]:
    """By test, how many random projections pass in each draw, of as many as the model has attention heads.

    >>> load_projections(load_family(["assets/runs/dense"]))["place"]

    ``benchmarks/findings/random_projections.py`` counts them. Empty where it has not done so for these weights and
    prompts.
    """
    found = json.loads(KEPT.read_text(encoding="utf-8"))
    weights = family.trained.run.provenance.get("weights_fingerprint")
    if (weights, prompts_digest(family.trained.prompts)) != (found["weights_fingerprint"], found["prompts_digest"]):
        return {}
    return {name: tuple(row[name] for row in found["projections"]) for name in PROJECTED}


def span(counts: Sequence[int]) -> str:
    """The fewest and the most of some counts: "67 to 69"; empty of none.

    >>> span((69, 67, 68))
    """
    if not counts:
        return ""
    low, high = min(counts), max(counts)
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


def beside(count: int, n_heads: int, projected: Sequence[int]) -> str:
    """What a count of heads says once random projections stand beside it, in sentences.

    >>> beside(57, 75, (67, 69, 68))
    """
    if not projected:
        return f"It says nothing about single heads: {NAMED} have not been run here."
    said = f"Of {n_heads:,} {NAMED}, {span(projected)} pass ({len(projected)} draws)."
    if max(projected) >= count:
        return f"{said} So this is true of the model, not of its heads."
    return f"{said} The heads exceed them."
