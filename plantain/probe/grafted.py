"""The grafted twin: each block in turn drawn anew inside the trained model, and its own heads read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from plantain.data.bodies import Bodies
from plantain.data.dense import BLOCKS_DONE, GRAFTED, SCORES, DenseResult
from plantain.data.figures import Figures
from plantain.data.pictures import Pictures
from plantain.data.prompts import PromptSet
from plantain.data.settings import ProbeConfig
from plantain.errors import InputError
from plantain.model.identity import describe
from plantain.model.untrained import grafted, reinitialise
from plantain.probe.dense import DenseProgress, dense_plan, iter_dense, planned_maps
from plantain.probe.probe import Clock


def iter_grafted(
    pipe: Any,
    prompts: PromptSet,
    config: ProbeConfig | None = None,
    pictures: Pictures | None = None,
    bodies: Bodies | None = None,
    figures: Figures | None = None,
    decoders: bool = True,
    resume: DenseResult | None = None,
    weights_seed: int = 0,
    about: Mapping[str, Any] | None = None,
    blocks: Sequence[int] | None = None,
) -> Iterator[DenseProgress]:
    """A dense run for every block, drawn anew by ``reinitialise`` while all others are as trained: one result of them.

    >>> for progress in iter_grafted(pipe, prompts, config, pictures, bodies): ...

    A random head in a trained model still reads a stream that carries the picture, so what it shows no head has
    learned. It is a weak baseline: fresh queries and keys attend diffusely and average tokens away, and its output is
    many times smaller. A trained head that exceeds it has not thereby learned anything. Yields after every block;
    ``resume`` goes on with the next one. Each block takes a dense run's time. ``blocks``: those that are done, in
    order; None: all.

    Raises InputError as ``iter_dense``, and for a ``resume`` of another seed or of other weights.
    """
    known = {**describe(pipe), "weights": GRAFTED, "graft_seed": weights_seed}
    if blocks is None:
        blocks = range(len(pipe.transformer.transformer_blocks) + len(pipe.transformer.single_transformer_blocks))
    n_blocks, first = len(blocks), 0
    if resume is not None:
        was = resume.run.provenance
        if any(was.get(key) != known[key] for key in ("weights", "graft_seed", "weights_fingerprint")):
            raise InputError(
                "Cannot resume: the saved run is no graft of these weights with this seed. Start elsewhere."
            )
        plan = dense_plan(pipe, prompts, config or ProbeConfig(), resume, grafts=True)
        planned_maps(plan, pictures, bodies, figures if decoders else None, resume)
        first = resume.about.get(BLOCKS_DONE, 0)
        if first not in range(1, n_blocks + 1):
            raise InputError(
                f"Cannot resume: the saved graft tells of {first!r} of {n_blocks} blocks. Start elsewhere."
            )
    whole, clock = resume, Clock()
    if first == n_blocks:
        yield DenseProgress("blocks", n_blocks, n_blocks, whole, 0.0)
        return
    donor = reinitialise(pipe, seed=weights_seed).transformer
    for done, block in list(enumerate(blocks, 1))[first:]:
        part = None
        with grafted(pipe, donor, block):
            steps = iter_dense(pipe, prompts, config, pictures, bodies, figures, decoders, blocks=[block], about=about)
            for progress in steps:
                part = progress.result
        assert part is not None  # a prompt set holds at least one pair
        whole = part if whole is None else with_block(whole, part, block)
        provenance = {**whole.run.provenance, **known, "seconds": round(clock.seconds, 3)}
        about = {**whole.about, BLOCKS_DONE: done}
        whole = replace(whole, run=replace(whole.run, provenance=provenance), about=about)
        left = clock.seconds / (done - first) * (n_blocks - done)
        with clock.paused():
            yield DenseProgress("blocks", done, n_blocks, whole, left)


def with_block(whole: DenseResult, part: DenseResult, block: int) -> DenseResult:
    """The heads of one block taken from another result.

    >>> with_block(whole, part, block=3)
    """
    if set(whole.decoded) != set(part.decoded):
        has = ", ".join(sorted(whole.decoded)) or "none"
        raise InputError(f"Cannot resume: the saved graft has the decoders {has}; give the same bodies and figures.")
    levels = [result.run.provenance.get("realised_sigmas") for result in (whole, part)]
    if levels[0] != levels[1]:
        raise InputError(
            f"Cannot resume: the saved graft is at the noise levels {levels[0]}, this one at {levels[1]}. Start "
            "elsewhere."
        )
    heads, n = whole.head_map, whole.head_map.n_attention_heads
    runs, attention = heads.runs_of(block), slice(block * n, (block + 1) * n)
    rows = np.r_[runs, heads.n_runs + block * n : heads.n_runs + (block + 1) * n]
    arrays = {name: getattr(whole, name).copy() for name in ("own", "others", "matrix", "shift", "shift_scale")}
    for name in ("own", "others"):
        arrays[name][:, :, :, rows] = getattr(part, name)[:, :, :, rows]
    for name in ("matrix", "shift", "shift_scale"):
        arrays[name][attention] = getattr(part, name)[attention]
    decoded = dict(whole.decoded)
    for name, values in part.decoded.items():
        if name in SCORES:
            decoded[name] = decoded[name].copy()
            decoded[name][attention] = values[attention]
        elif name == "pooled":
            decoded[name] = decoded[name].copy()
            decoded[name][:, attention] = values[:, attention]
    mean_square = whole.run.mean_square.copy()
    mean_square[..., runs] = part.run.mean_square[..., runs]
    return replace(whole, run=replace(whole.run, mean_square=mean_square), decoded=decoded, **arrays)
