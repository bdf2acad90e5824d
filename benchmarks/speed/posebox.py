"""How long Posebox keeps one waiting, against the limits set for it: ``python benchmarks/speed/posebox.py``.

Loading after imports under 2 s, a 25-pair probe under 30 s, one drawn picture under 3 s, on a two-core CPU.
Medians of five, the probe of three.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

import plantain
from plantain.model.names import DRAW_GUIDANCE, DRAW_STEPS


def median_seconds(call: Callable[[], Any], times: int) -> float:
    taken = []
    for _ in range(times):
        start = time.perf_counter()
        call()
        taken.append(time.perf_counter() - start)
    return float(np.median(taken))


def main() -> None:
    import torch

    pipe = plantain.load_pipeline("posebox", device="cpu")  # also imports everything
    prompts = plantain.load_prompts("dense_pose")
    options = {"num_inference_steps": DRAW_STEPS, "guidance_scale": DRAW_GUIDANCE, **plantain.call_arguments(pipe)}
    print(f"{torch.get_num_threads()} threads")
    for what, limit, call, times in (
        ("load", 2.0, lambda: plantain.load_pipeline("posebox", device="cpu"), 5),
        ("probe 25 pairs", 30.0, lambda: plantain.run_probe(pipe, prompts), 3),
        ("draw one picture", 3.0, lambda: pipe(prompt=prompts.prompts[0], **options), 5),
    ):
        seconds = median_seconds(call, times)
        print(f"{what:17} {seconds:6.2f} s   limit {limit:4.0f} s   {seconds / limit:.2f} of it")


if __name__ == "__main__":
    main()
