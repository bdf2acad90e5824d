"""What a dense run costs: its time beside a plain probe's, and its memory and disk at Klein's size.

    python benchmarks/speed/dense_pass.py

Posebox: a dense pass (no decoders) and a plain probe of the same pairs, in turns, so that a busy machine slows both;
the median and quartiles of the ratios within a turn. Klein: blocks of random activations of its shapes go through what
reads them, one after the other as in a forward, each part in a process of its own; its extra memory is the peak (Linux)
less that of the activations handed in. A real transformer of Klein's width, of one joint and one single block, runs in
float32 under the readers, one pair a forward: its peak less that of the same forward bare before it, in the same
process. The result is saved as a run would be, and its files counted.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from diffusers import Flux2Transformer2DModel
from measured import Row, beside, in_turns, limited, main

import plantain
from plantain.data.bodies import Bodies
from plantain.data.dense import SCORES
from plantain.data.folds import folds_of
from plantain.data.heads import HeadMap
from plantain.data.prompts import PromptSet
from plantain.data.result import ProbeResult
from plantain.data.settings import ProbeConfig
from plantain.pose.parts import PARTS
from plantain.posebox.truth import bodies_of
from plantain.probe.decoding import PartsReading, tokens_of
from plantain.probe.dense import Matches, run_dense, truth_maps
from plantain.probe.probe import run_probe
from plantain.probe.tokens import ImageTokens

KLEIN = HeadMap(5, 20, 24, 128, 9216)
GRID = (32, 32)  # 512 pixels a side
N_TEXT = 512
BATCH_PAIRS = 5
PARTS_OF_MEMORY = ("matches", "decoders")
TURNS, MATCHING_SECONDS = 12, 45.0
TEXT_WIDTH, IN_CHANNELS = 7680, 128


def peak_megabytes() -> float:
    """Peak resident memory of this process (Linux)."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024


def prompts_of_klein() -> PromptSet:
    return plantain.load_prompts("dense_pose")


def random_bodies(n_pairs: int) -> Bodies:
    """Bodies of as many tokens as real ones: a quarter of the picture."""
    rng = np.random.default_rng(0)
    body = np.zeros((n_pairs, 2, *GRID), np.float32)
    body[:, :, 8:24, 8:24] = rng.uniform(0.3, 1, (n_pairs, 2, 16, 16))
    parts = body[..., None] * rng.dirichlet(np.ones(len(PARTS)), body.shape).astype(np.float32)
    points = np.full((n_pairs, 2, 17, 3), np.nan, np.float32)
    moved = np.abs(body[:, 0] - body[:, 1])
    return Bodies(parts, body, moved, np.ones((n_pairs, 2), bool), points, "random")


def activations(prompts: int, single: bool) -> torch.Tensor:
    width = KLEIN.n_attention_heads * KLEIN.head_width + (KLEIN.mlp_width if single else 0)
    return torch.randn(prompts, GRID[0] * GRID[1], width).bfloat16()


def matches_of(seconds: float) -> Matches:
    """Joint and single blocks in turn, all pairs of each batch, for as long as is given; at least one batch."""
    prompts = prompts_of_klein()
    maps, usable = truth_maps(prompts, GRID, None, random_bodies(len(prompts)))
    reader, started = Matches(KLEIN, maps, usable), time.perf_counter()
    for start in range(0, len(prompts), BATCH_PAIRS):
        reader.start(slice(start, start + BATCH_PAIRS))
        for block in range(KLEIN.n_joint + KLEIN.n_single):
            reader(block, activations(2 * BATCH_PAIRS, block >= KLEIN.n_joint))
            if time.perf_counter() - started > seconds:
                print(f"matches: {block + 1} blocks of batch {start // BATCH_PAIRS + 1} read", file=sys.stderr)
                return reader
    return reader


def decode() -> None:
    """The part decoders of all of Klein's 600 heads: sums of every fold, all fits (minutes), and one block scored."""
    prompts = prompts_of_klein()
    folds, bodies = folds_of(prompts), random_bodies(len(prompts))
    assert folds is not None
    tokens, grid = tokens_of(bodies, 1), bodies.body[:, 1]
    reading = PartsReading(KLEIN, tokens, tokens, (grid, grid), folds, bodies.usable)
    for pair in np.unique(folds, return_index=True)[1]:
        read = reading.adding(int(pair), slice(0, 1))
        for block in reading.blocks:
            read(block, activations(1, False))
    reading.settle()
    reading.scoring(0, 0)(0, activations(1, False))


def whole_result_megabytes(reader: Matches) -> float:
    """Size on disk of a run of Klein with decoders; random values, which nothing can make smaller."""
    prompts, rng = prompts_of_klein(), np.random.default_rng(0)
    n, a = len(prompts), KLEIN.n_heads("head")
    counts = np.tile(np.array([GRID[0] * GRID[1], 60, N_TEXT - 60]), (n, 2, 1))
    values = rng.random((n, 2, 1, 1, 3, KLEIN.n_runs), dtype=np.float32)
    run = ProbeResult(values, counts, prompts, ProbeConfig(), KLEIN, {"model": "random"})
    decoded = {name: rng.random((a, n), dtype=np.float32) for name in SCORES}
    decoded["pooled"] = rng.random((n, a, KLEIN.head_width), dtype=np.float32)
    decoded["text"] = rng.random((n, 7680), dtype=np.float32)
    with tempfile.TemporaryDirectory() as folder:
        replace(reader.result(run, {}), decoded=decoded).save(folder)
        return sum(file.stat().st_size for file in Path(folder).iterdir()) / 1e6


def in_a_forward() -> None:
    """Peaks in MB of a pair's forward at Klein's width: bare, matching; of one prompt's: bare, adding for decoders."""
    model = Flux2Transformer2DModel(
        in_channels=IN_CHANNELS,
        num_layers=1,
        num_single_layers=1,
        num_attention_heads=KLEIN.n_attention_heads,
        attention_head_dim=KLEIN.head_width,
        joint_attention_dim=TEXT_WIDTH,
        guidance_embeds=False,
    ).eval()
    heads, prompts = HeadMap.from_transformer(model), prompts_of_klein()
    n, bodies, folds = len(prompts), random_bodies(len(prompts)), folds_of(prompts)
    assert folds is not None
    image, text = torch.randn(2, GRID[0] * GRID[1], IN_CHANNELS), torch.randn(2, N_TEXT, TEXT_WIDTH)
    ids = [torch.zeros(2, tokens.shape[1], 4) for tokens in (image, text)]

    def forward(prompts: slice = slice(None)) -> None:
        where = {"img_ids": ids[0][prompts], "txt_ids": ids[1][prompts]}
        with torch.no_grad():
            model(image[prompts], text[prompts], timestep=torch.ones(len(image[prompts])), **where)

    matches = Matches(heads, *truth_maps(prompts, GRID, None, bodies))
    matches.start(slice(0, 1))
    tokens, grid = tokens_of(bodies, 1), bodies.body[:, 1]
    reading = PartsReading(heads, tokens, tokens, (grid, grid), folds, np.ones(n, bool))
    forward()  # what is allocated once
    for prompts_read, reader in ((slice(None), matches), (slice(0, 1), reading.adding(0, slice(0, 1)))):
        Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew (Linux)
        forward(prompts_read)
        print(peak_megabytes())
        with ImageTokens(model, reader):
            forward(prompts_read)
        print(peak_megabytes())


def measure(part: str, seconds: float) -> None:
    """In a process of its own: MB beyond those of the activations handed in."""
    activations(2 * BATCH_PAIRS if part == "matches" else 1, part == "matches")
    before = peak_megabytes()
    if part == "matches":
        reader = matches_of(seconds)
        print(peak_megabytes() - before)
        print(whole_result_megabytes(reader))
    else:
        decode()
        print(peak_megabytes() - before)


def rows() -> Iterator[Row]:
    pipe, prompts = plantain.load_pipeline("posebox", device="cpu"), prompts_of_klein()
    bodies = bodies_of(prompts, (8, 8))
    found = in_turns(
        {
            "dense": lambda: run_dense(pipe, prompts, bodies=bodies, decoders=False),
            "plain": lambda: run_probe(pipe, prompts),
        },
        TURNS,
    )
    yield beside("dense pass of 25 pairs, Posebox", "a plain probe", found["dense"], found["plain"], 1.5)
    for part in PARTS_OF_MEMORY:
        extra, *disk = map(float, _child(part).split())
        yield limited(f"dense run at Klein's size: {part}", extra, 2000, "beyond the activations", "MB")
        for megabytes in disk:
            yield limited("dense run at Klein's size: on disk, with decoders", megabytes, 60, unit="MB")
    bare, matching, one, decoding = map(float, _child("forward").split())
    said = "beyond it", "MB"
    yield limited("a real forward of Klein's width, a pair: matching", matching - bare, 2000, *said)
    yield limited("a real forward of Klein's width: adding for decoders", decoding - one, 2000, *said)


def _child(part: str) -> str:
    done = subprocess.run([sys.executable, __file__, "--memory-of", part], check=True, capture_output=True, text=True)
    print(done.stderr, end="", file=sys.stderr)
    return done.stdout


if __name__ == "__main__":
    if sys.argv[1:2] != ["--memory-of"]:
        sys.exit(main(rows, __doc__))
    elif sys.argv[2] == "forward":
        in_a_forward()
    else:
        measure(sys.argv[2], MATCHING_SECONDS)
