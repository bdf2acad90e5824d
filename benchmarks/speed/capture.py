"""What capture costs: time and memory of a forward with and without it, and with whole activations kept.

    python benchmarks/speed/capture.py

Times are taken in turns (bare, capture, storing, bare, …), so that a busy machine slows all alike,
and given as the median and quartiles of the ratios within a turn. They are taken with an allocator
that keeps freed memory: giving blocks back to the system and faulting them in again costs more than
capture does, and hits the variants unevenly (storing would come out faster than bare). Peak memory
is that of a process of its own for each, with the allocator as it is (Linux). Random weights: the
arithmetic is the same.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import torch
from diffusers import Flux2Transformer2DModel

from plantain.probe.capture import _SCRATCH_VALUES, HeadCapture

# What glibc reads when a process starts: no block is mapped by itself, none is given back.
KEEPING = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": "100000000000"}
# Klein's block counts at a width whose forward takes more than half a second on two cores.
N_TEXT, N_IMAGE, N_REAL = 512, 256, 60
VARIANTS = ("bare", "capture", "storing")


class StoringCapture:
    """The plain way: keep every projection's whole input until the forward is over."""

    def __init__(self, transformer: Any) -> None:
        joint, single = transformer.transformer_blocks, transformer.single_transformer_blocks
        self.modules = [module for block in joint for module in (block.attn.to_out[0], block.attn.to_add_out)]
        self.modules += [block.attn.to_out for block in single]
        self.kept: list[torch.Tensor] = []

    def __enter__(self) -> StoringCapture:
        self.handles = [module.register_forward_pre_hook(self._keep) for module in self.modules]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for handle in self.handles:
            handle.remove()

    def _keep(self, module: torch.nn.Module, args: tuple[torch.Tensor, ...]) -> None:
        self.kept.append(args[0].detach())


def build(heads: int, width: int) -> Flux2Transformer2DModel:
    torch.manual_seed(0)
    quarter = width // 4
    transformer = Flux2Transformer2DModel(
        in_channels=32,
        num_layers=5,
        num_single_layers=20,
        attention_head_dim=width,
        num_attention_heads=heads,
        joint_attention_dim=192,
        axes_dims_rope=(quarter,) * 4,
        guidance_embeds=False,
    )
    return transformer.eval()


def inputs_of(transformer: Flux2Transformer2DModel) -> dict[str, Any]:
    def ids(n: int) -> torch.Tensor:
        return torch.cartesian_prod(*[torch.arange(k) for k in (1, 1, 1, n)])

    return {
        "hidden_states": torch.randn(1, N_IMAGE, transformer.config.in_channels),
        "encoder_hidden_states": torch.randn(1, N_TEXT, transformer.config.joint_attention_dim),
        "timestep": torch.ones(1),
        "img_ids": ids(N_IMAGE),
        "txt_ids": ids(N_TEXT),
        "return_dict": False,
    }


def watch(variant: str, transformer: Flux2Transformer2DModel) -> AbstractContextManager[Any]:
    if variant == "capture":
        mask = np.arange(N_TEXT)[None] < N_REAL
        return HeadCapture(transformer, text_mask=mask)
    return StoringCapture(transformer) if variant == "storing" else nullcontext()


def forward(variant: str, transformer: Flux2Transformer2DModel, inputs: dict[str, Any]) -> tuple[float, Any]:
    """Seconds of one forward, adding and removing hooks among them, and what watched it."""
    start = time.perf_counter()
    with torch.no_grad(), watch(variant, transformer) as watcher:
        transformer(**inputs)
    return time.perf_counter() - start, watcher


def held_bytes(watcher: Any) -> int:
    """Bytes of all tensors that a watcher still holds, each storage counted once."""
    found: dict[int, int] = {}
    stack = list(vars(watcher).values()) if watcher is not None else []
    while stack:
        thing = stack.pop()
        if isinstance(thing, torch.Tensor):
            found[thing.untyped_storage().data_ptr()] = thing.untyped_storage().nbytes()
        elif isinstance(thing, dict):
            stack += thing.values()
        elif isinstance(thing, (list, tuple)):
            stack += thing
    return sum(found.values())


def peak_megabytes(reset: bool = False) -> float:
    """Peak resident memory of this process (Linux), since its start or since it was last reset."""
    if reset:
        Path("/proc/self/clear_refs").write_text("5")  # the building of the model may have taken more
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024


def peak_in_child(variant: str, heads: int, width: int) -> float:
    """MB by which one forward raises the peak memory of a fresh process."""
    command = [sys.executable, __file__, "--heads", str(heads), "--width", str(width), "--peak-of", variant]
    plain = {name: value for name, value in os.environ.items() if name not in KEEPING}
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=plain)
    return float(done.stdout.split()[-1])


def quartiles(ratios: list[float]) -> str:
    low, median, high = np.percentile(ratios, [25, 50, 75])
    return f"{median:.3f} (quartiles {low:.3f} to {high:.3f})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--heads", type=int, default=6)
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--turns", type=int, default=25)
    parser.add_argument("--peak-of", choices=VARIANTS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if not options.peak_of and not KEEPING.items() <= os.environ.items():
        os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, **KEEPING})
    transformer = build(options.heads, options.width)
    inputs = inputs_of(transformer)
    if options.peak_of:
        forward("bare", transformer, inputs)  # what the first forward sets up counts for no variant
        before = peak_megabytes(reset=True)
        _, watcher = forward(options.peak_of, transformer, inputs)
        print(peak_megabytes() - before)
        return

    seconds: dict[str, list[float]] = {variant: [] for variant in VARIANTS}
    held: dict[str, int] = {}
    for turn in range(options.turns + 1):
        # Each variant goes first as often as the others; the first turn only warms up.
        for shift in range(len(VARIANTS)):
            variant = VARIANTS[(turn + shift) % len(VARIANTS)]
            taken, watcher = forward(variant, transformer, inputs)
            held[variant] = held_bytes(watcher)
            del watcher
            if turn:
                seconds[variant].append(taken)

    sizes = f"5 + 20 blocks, {options.heads} heads of {options.width}, {N_TEXT} text + {N_IMAGE} image tokens, float32"
    print(f"{sizes}; {torch.get_num_threads()} threads, torch {torch.__version__}")
    print(f"bare forward: {np.median(seconds['bare']):.2f} s (median of {options.turns})")
    for variant in VARIANTS[1:]:
        ratios = [a / b for a, b in zip(seconds[variant], seconds["bare"], strict=True)]
        print(f"{variant}: time ratio to bare {quartiles(ratios)}")
    peaks = {variant: peak_in_child(variant, options.heads, options.width) for variant in VARIANTS}
    for variant in VARIANTS:
        extra = peaks[variant] - peaks["bare"]
        print(
            f"{variant}: holds {held[variant] / 1e6:.2f} MB after a forward; "
            f"peak +{peaks[variant]:.0f} MB in the forward, {extra:+.0f} MB against bare"
        )
    print(f"capture also squares in {4 * _SCRATCH_VALUES['cpu'] / 1e6:.0f} MB of scratch, freed with the block")
    print(f"activations a storing capture holds, against ours: {held['storing'] / held['capture']:.0f} times")


if __name__ == "__main__":
    main()
