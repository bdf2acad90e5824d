"""How time grows with the work, each at four sizes: pairs, seeds, pixels, sets of Posebox; heads and pairs of the null.

    python benchmarks/speed/growth.py

A row's *ours* is the time at the largest size, *theirs* what it would be if it grew from the smallest one in
proportion: a ratio above 1 is worse than linear. All of it on one plot, docs/growth.svg.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
from measured import Row, main

import plantain
from plantain import stats
from plantain.data.prompts import PromptSet
from plantain.paths import ROOT

REPEATS = 3
FIGURE = ROOT / "docs" / "growth.svg"


def rows() -> Iterator[Row]:
    found: dict[str, tuple[list[float], list[float]]] = {}
    for what, sizes, call in growths():
        seconds = [timed(call, size) for size in sizes]
        found[what] = [size / sizes[0] for size in sizes], seconds
        expected = seconds[0] * sizes[-1] / sizes[0]
        said = " → ".join(f"{size:,}" for size in (sizes[0], sizes[-1]))
        ratio = seconds[-1] / expected
        yield Row(f"{what}: {said}", "in proportion", seconds[-1], expected, ratio, ratio, ratio, 1.1)
    plot(found)


def growths() -> Iterator[tuple[str, list[int], Callable[[int], object]]]:
    pipe, pose = plantain.load_pipeline("posebox", device="cpu"), plantain.load_prompts("dense_pose")
    config = plantain.ProbeConfig()

    def of_pairs(n: int) -> PromptSet:
        pairs = [replace(pose.pairs[i % 25], id=f"{pose.pairs[i % 25].id}-{i // 25}") for i in range(n)]
        texts = [replace(pair, b=f"{pair.b[:-1]} {i // 25}.") for i, pair in enumerate(pairs)]  # all distinct
        return replace(pose, pairs=tuple(texts), rules=(), design="")

    yield "probe, pairs", [25, 50, 100, 200], lambda n: plantain.run_probe(pipe, of_pairs(n), config)
    yield "probe, seeds", [1, 2, 4, 8], lambda n: plantain.run_probe(pipe, pose, replace(config, n_seeds=n))
    side = of_pairs(8)
    # Tokens: of a picture its pixels a side, over 16, squared; beside them 96 of text.
    sides = {96 + (n // 16) ** 2: n for n in (128, 192, 256, 384)}
    yield (
        "probe of 8 pairs, tokens",
        [*sides],
        lambda n: plantain.run_probe(pipe, side, replace(config, height=sides[n], width=sides[n])),
    )
    yield "probe, sets of 25 pairs", [1, 2, 3, 4], lambda n: [plantain.run_probe(pipe, pose, config) for _ in range(n)]
    d = np.random.default_rng(0).normal(size=(100, 65_280))
    yield "null of 25 pairs, heads", [4080, 8160, 16_320, 65_280], lambda n: stats.sign_flip_null(d[:25, :n])
    yield "null of 16,320 heads, pairs", [25, 50, 75, 100], lambda n: stats.sign_flip_null(d[:n, :16_320])


def timed(call: Callable[[int], object], size: int) -> float:
    seconds = []
    for _ in range(REPEATS):
        started = time.perf_counter()
        call(size)
        seconds.append(time.perf_counter() - started)
    return statistics.median(seconds)


def plot(found: dict[str, tuple[list[float], list[float]]]) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4.2), layout="constrained")
    axes = figure.add_subplot()
    for what, (sizes, seconds) in found.items():
        axes.plot(sizes, np.array(seconds) / seconds[0], marker="o", label=what)
    most = max(max(sizes) for sizes, _ in found.values())
    axes.plot([1, most], [1, most], color="0.6", linestyle="--", label="in proportion")
    axes.set(xscale="log", yscale="log", xlabel="size, of the smallest", ylabel="time, of that of the smallest")
    axes.legend(frameon=False, fontsize=8)
    figure.savefig(FIGURE, metadata={"Date": None})


if __name__ == "__main__":
    sys.exit(main(rows, __doc__))
