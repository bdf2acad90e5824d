"""What a patched row costs: rows that join at their first patched block, against rows that run whole, and bare ones.

    python benchmarks/speed/patching.py

Turn by turn in one process, so that a machine that slows down slows all of them: a bare forward of as many rows, the
same rows patched as rows of the batch (``Patching``), and rows that join (``Joining``). Sets of k random attention
heads of Posebox, B's values into A at image tokens.
"""

import sys
import time
from collections.abc import Iterator

import numpy as np
import torch
from measured import Row, beside, main

import plantain
from plantain.probe.patching import Joining, Patch, Patching
from plantain.probe.probe import denoise, make_plan, noise_of

TURNS, N_ROWS = 9, 48


def seconds(turns: int, n_rows: int, k: int) -> dict[str, list[float]]:
    """Seconds of each way, turn by turn; the first turn only warms up."""
    pipe = plantain.load_pipeline("posebox", device="cpu")
    plan = make_plan(pipe, plantain.load_prompts("dense_pose"), plantain.ProbeConfig(), None)
    both, noise = plan.features(slice(0, 1)), noise_of(pipe, 0, plan.size)
    heads, rng = plan.head_map.runs_of_heads("head"), np.random.default_rng(0)
    chosen = (heads[rng.choice(len(heads), k, replace=False)] for _ in range(n_rows))
    sets = [np.asarray(some.any(axis=0)) for some in chosen]
    whole = torch.cat([both, both[:1].expand(n_rows, -1, -1)])  # A, B, and A as often as there are sets
    in_place = [Patch(2 + i, one, (1,)) for i, one in enumerate(sets)]
    joining = [Patch(0, one, (1,)) for one in sets]
    found: dict[str, list[float]] = {"bare": [], "patched": [], "joined": []}
    with torch.no_grad():
        for turn in range(turns + 1):
            for way, times in found.items():
                started = time.perf_counter()
                if way == "bare":
                    denoise(plan, whole, noise)
                elif way == "patched":
                    with Patching(pipe.transformer, in_place):
                        denoise(plan, whole, noise)
                else:
                    with Joining(pipe.transformer, joining):
                        denoise(plan, both, noise)
                if turn:
                    times.append(time.perf_counter() - started)
    return found


def rows() -> Iterator[Row]:
    for k in (1, 4, 15, 30):
        found = seconds(TURNS, N_ROWS, k)
        for way, said, wanted in (("patched", "as rows of the batch", 1.2), ("joined", "joining where patched", 1.0)):
            note = f"{N_ROWS / np.median(found[way]):.0f} rows a second"
            what = f"{N_ROWS} rows, {k} heads patched, {said}"
            yield beside(what, "as many bare rows", found[way], found["bare"], wanted, note)


if __name__ == "__main__":
    sys.exit(main(rows, __doc__))
