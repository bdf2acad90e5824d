"""What capture costs: time and memory of a forward with and without it, and with whole activations kept.

    python benchmarks/speed/capture.py

Times are taken with an allocator that keeps freed memory: giving blocks back to the system and faulting them in again
costs more than capture does, and hits the variants unevenly (storing would come out faster than bare). Peak memory is
that of a process of its own for each, with an allocator that gives every block back at once: what it keeps by chance is
up to ten megabytes (Linux). Random weights: the arithmetic is the same.
nnsight, a peer, needs the extra ``bench``.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from importlib.metadata import version
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import torch
from diffusers import Flux2Transformer2DModel
from measured import Row, beside, in_turns, main

from plantain.probe.capture import HeadCapture

# What glibc reads when a process starts: no block is mapped by itself, none is given back.
KEEPING = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": "100000000000"}
# And here every block of some size is mapped by itself, and given back when it is freed.
GIVING_BACK = {"MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "65536", "MALLOC_ARENA_MAX": "1"}
# Klein's block counts at a width whose forward takes more than half a second on two cores.
HEADS, WIDTH = 6, 64
N_TEXT, N_IMAGE, N_REAL = 512, 256, 60
TURNS, PEER_TURNS, PEAK_TURNS = 25, 9, 3
VARIANTS = ("bare", "capture", "storing")  # and their peak memory


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


class ReadingCapture(StoringCapture):
    """The least that one can do: a plain sum of every input, which reads it once."""

    def _keep(self, module: torch.nn.Module, args: tuple[torch.Tensor, ...]) -> None:
        args[0].sum()


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
    kinds = {"storing": StoringCapture, "reading": ReadingCapture}
    return kinds[variant](transformer) if variant in kinds else nullcontext()


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


def peaks_in_turns() -> dict[str, list[float]]:
    found: dict[str, list[float]] = {variant: [] for variant in VARIANTS}
    for _ in range(PEAK_TURNS):
        for variant, peaks in found.items():
            peaks.append(peak_in_child(variant))
    return found


def peak_in_child(variant: str) -> float:
    """MB by which one forward raises the peak memory of a fresh process."""
    command = [sys.executable, __file__, "--peak-of", variant]
    plain = {name: value for name, value in os.environ.items() if name not in KEEPING}
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=plain | GIVING_BACK)
    return float(done.stdout.split()[-1])


def rows() -> Iterator[Row]:
    transformer = build(HEADS, WIDTH)
    inputs, held = inputs_of(transformer), dict[str, int]()

    def timed(variant: str) -> Callable[[], None]:
        def call() -> None:
            _, watcher = forward(variant, transformer, inputs)
            held[variant] = held_bytes(watcher)

        return call

    found = in_turns({variant: timed(variant) for variant in (*VARIANTS, "reading")}, TURNS)
    what = f"a forward under capture (5 + 20 blocks, {HEADS} heads of {WIDTH}, {N_TEXT} + {N_IMAGE} tokens)"
    note = f"holds {held['capture'] / 1000:.0f} kB after it"
    yield beside(what, "the bare forward", found["capture"], found["bare"], 1.02, note)
    against = f"hooks that keep what they see ({held['storing'] / 1e6:.0f} MB)"
    yield beside("the same", against, found["capture"], found["storing"])
    yield beside("the same", "hooks that only read what they see", found["capture"], found["reading"])
    ours, theirs = timed("capture"), with_nnsight(transformer, inputs)
    found = in_turns({"ours": ours, "theirs": theirs}, PEER_TURNS)
    yield beside("the same", f"nnsight {version('nnsight')}, the same inputs saved", found["ours"], found["theirs"])
    peaks = {variant: np.array(of) for variant, of in peaks_in_turns().items()}
    for variant, said in (("bare", "the bare forward"), ("storing", "hooks that keep what they see")):
        yield beside("its peak memory", said, peaks["capture"], peaks[variant], unit="MB")


def with_nnsight(transformer: Flux2Transformer2DModel, inputs: dict[str, Any]) -> Callable[[], object]:
    """A forward under a library that lets one ask for any module's input, asked for what capture sees."""
    import nnsight

    model = nnsight.NNsight(transformer)

    def call() -> object:
        with torch.no_grad(), model.trace(**inputs):
            kept = nnsight.save([])  # what it is not told to save is gone after the trace
            for block in model.transformer_blocks:  # in the order in which they run
                kept += [block.attn.to_add_out.input, block.attn.to_out[0].input]
            for block in model.single_transformer_blocks:
                kept.append(block.attn.to_out.input)
        return kept

    return call


def child(variant: str) -> None:
    transformer = build(HEADS, WIDTH)
    inputs = inputs_of(transformer)
    forward("bare", transformer, inputs)  # what the first forward sets up counts for no variant
    before = peak_megabytes(reset=True)
    _, watcher = forward(variant, transformer, inputs)
    print(peak_megabytes() - before)
    del watcher


if __name__ == "__main__":
    if sys.argv[1:2] == ["--peak-of"]:
        child(sys.argv[2])
    elif not KEEPING.items() <= os.environ.items():
        os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, **KEEPING})
    else:
        sys.exit(main(rows, __doc__))
