"""Single heads patched in the grafted twin: what a head that has learned nothing moves inside the trained model."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from plantain.data.dense import GRAFTED, DenseResult
from plantain.data.interventions import Interventions, single_heads
from plantain.data.patching import MEASURES, PatchStudy
from plantain.data.view import View
from plantain.model.untrained import grafted, reinitialise
from plantain.probe.cause import CauseProgress, iter_patching
from plantain.probe.probe import Clock


def iter_grafted_patching(
    pipe: Any,
    dense: DenseResult,
    pictures: np.ndarray | None = None,
    view: View | str = "head",
    truth: str = "pictures",
    weights_seed: int = 0,
) -> Iterator[CauseProgress]:
    """Every block drawn anew in turn while all others are as trained, and each of its heads patched by itself.

    >>> *_, last = iter_grafted_patching(pipe, dense, pictures)

    ``dense`` is the trained model's run. Yields after every block, the study with the last: what is done of a graft is
    not kept, as it takes minutes. Raises InputError as ``iter_patching``.
    """
    n_blocks, clock = len(dense.head_map.block_names), Clock()
    donor = reinitialise(pipe, seed=weights_seed).transformer
    table = single_heads(dense.head_map, view)
    first_run = table.runs.argmax(axis=1)
    whole: PatchStudy | None = None
    values = np.zeros((len(dense.prompts), len(table), len(MEASURES)), np.float32)
    for block in range(n_blocks):
        runs = dense.head_map.runs_of(block)
        here = np.flatnonzero((first_run >= runs.start) & (first_run < runs.stop))
        with grafted(pipe, donor, block):
            part = _study(pipe, dense, pictures, view, truth, table.rows(here))
        values[:, here] = part.values.reshape(len(values), len(here), -1)
        if whole is None:
            whole = part
        n, first = dense.head_map.n_attention_heads, dense.head_map.n_runs + block * dense.head_map.n_attention_heads
        rows = np.r_[runs, first : first + n]
        sizes = whole.sizes.copy()
        sizes[..., rows] = part.sizes[..., rows]
        whole = replace(whole, sizes=sizes)
        left = clock.seconds / (block + 1) * (n_blocks - block - 1)
        if block + 1 < n_blocks:
            yield CauseProgress(block + 1, n_blocks, None, left)
    assert whole is not None  # a model has blocks
    known = {**whole.provenance, "weights": GRAFTED, "graft_seed": weights_seed}
    known["weights_fingerprint"] = dense.run.provenance["weights_fingerprint"]
    about = whole.about | {"seconds": round(clock.seconds, 3)}
    # A head's score is the trained head's, and every graft has velocities of its own.
    whole = replace(whole, scores=np.full_like(whole.scores, np.nan), velocities=np.zeros_like(whole.velocities))
    flat = values.reshape(-1, len(MEASURES))
    yield CauseProgress(
        n_blocks, n_blocks, replace(whole, table=table, values=flat, provenance=known, about=about), 0.0
    )


def _study(
    pipe: Any, dense: DenseResult, pictures: np.ndarray | None, view: View | str, truth: str, table: Interventions
) -> PatchStudy:
    """One graft's heads in every pair; the dense run is the trained model's, which is meant here."""
    steps = iter_patching(pipe, dense, pictures, view=view, truth=truth, table=table, same_weights=False)
    found = None
    for step in steps:
        found = step.result
    assert found is not None
    return found
