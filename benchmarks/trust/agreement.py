"""How far Posebox's numbers move with the dtype, the batch size, the threads and the machine.

    python benchmarks/trust/agreement.py

Each variant is set beside float32 as this machine gives it: the largest change of a t over heads, and how many heads
change sides of |t| = 3. Then place, deformation and code, and how far single heads move the velocity (cause). *Another
machine* is the shipped run.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np
import torch

import plantain
from plantain.data.dense import DenseResult, load_dense
from plantain.data.interventions import single_heads
from plantain.data.patching import PatchStudy
from plantain.data.pictures import load_pictures
from plantain.data.result import ProbeResult, load_result
from plantain.paths import RUNS
from plantain.posebox.truth import bodies_of, figures_of
from plantain.probe.cause import run_patching
from plantain.probe.dense import run_dense
from plantain.questions.decoded import score_count
from plantain.questions.place import place_count
from plantain.questions.response import summarise

THRESHOLD = 3.0
SHIPPED = RUNS / "dense" / "posebox" / "dense_pose"


def main() -> int:
    print("| number | variant | largest change | median change | heads that change sides |\n|---|---|---|---|---|")
    pipes = {dtype: plantain.load_pipeline("posebox", "cpu", dtype) for dtype in ("float32", "bfloat16", "float16")}
    for row in chain(responses(pipes), dense_rows(pipes), cause_rows(pipes)):
        print(f"| {' | '.join(row)} |", flush=True)
    return 0


def responses(pipes: dict[str, Any]) -> Iterator[tuple[str, ...]]:
    """t of the card's statistic."""
    prompts, usual = plantain.load_prompts("dense_pose"), plantain.ProbeConfig()

    def probed(dtype: str = "float32", batch_size: int | None = None) -> ProbeResult:
        return plantain.run_probe(pipes[dtype], prompts, plantain.ProbeConfig(batch_size=batch_size))

    threads, base = torch.get_num_threads(), probed()
    variants: dict[str, Callable[[], ProbeResult]] = {
        "bfloat16": lambda: probed("bfloat16"),
        "float16": lambda: probed("float16"),
        "batches of 2": lambda: probed(batch_size=2),
        "batches of 10": lambda: probed(batch_size=10),
        "another machine": lambda: load_result(RUNS / "posebox"),
    }
    assert usual == base.config
    for counting, what in (("card", "t of card heads"), ("head", "t of attention heads")):
        for name, make in variants.items():
            yield what, name, *compared(*(summarise(run, counting, n_flips=1).t for run in (base, make())))
    torch.set_num_threads(1 if threads > 1 else 2)
    other = probed()
    torch.set_num_threads(threads)
    said = compared(*(summarise(run, n_flips=1).t for run in (base, other)))
    yield "t of card heads", "one thread" if threads > 1 else "two threads", *said


def dense_rows(pipes: dict[str, Any]) -> Iterator[tuple[str, ...]]:
    """t of place and of what the decoders read."""
    prompts = plantain.load_prompts("dense_pose")
    bodies, figures, pictures = bodies_of(prompts, (8, 8)), figures_of(prompts, (8, 8)), load_pictures(SHIPPED, prompts)

    def read(dtype: str) -> DenseResult:
        return run_dense(pipes[dtype], prompts, plantain.ProbeConfig(), pictures, bodies, figures)

    def t_of(run: DenseResult, what: str) -> np.ndarray:
        found = place_count(run, "head", n_flips=1) if what == "place" else score_count(run, what, n_flips=1)
        return np.asarray(found.t)

    base = read("float32")
    for name, run in (("bfloat16", read("bfloat16")), ("another machine", load_dense(SHIPPED))):
        for what in ("place", "deformation_beyond", "code_beyond"):
            yield f"t of {what.replace('_', ' ')}", name, *compared(t_of(base, what), t_of(run, what))


def cause_rows(pipes: dict[str, Any]) -> Iterator[tuple[str, ...]]:
    """How far each head alone moves the velocity, the mean over pairs."""
    dense = load_dense(SHIPPED)

    def patched(dtype: str) -> PatchStudy:
        table = single_heads(dense.head_map)
        return run_patching(pipes[dtype], dense, table=table, truth="none", same_weights=False)

    base, other = (
        study.of(study.table.where(role="single"), "y").mean(axis=1) for study in map(patched, ("float32", "bfloat16"))
    )
    largest, middle = np.abs(other - base).max(), np.median(np.abs(other - base))
    said = f"{largest:.2g} of {np.abs(base).max():.2g}", f"{middle:.1g}"
    yield "share of the velocity that one head moves", "bfloat16", *said, "—"


def compared(base: np.ndarray, other: np.ndarray) -> tuple[str, str, str]:
    """Largest and median change of t, and heads on another side."""
    change = np.abs(other - base)
    sides = int(((np.abs(base) > THRESHOLD) != (np.abs(other) > THRESHOLD)).sum())
    return f"{change.max():.2g}", f"{np.median(change):.1g}", f"{sides} of {len(base)}"


if __name__ == "__main__":
    sys.exit(main())
