"""The number format of a training's forward passes, as fast as the machine has it."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel


@contextmanager
def mixed(device: str) -> Iterator[None]:
    """Autocast to bfloat16, and on a CPU attention written out as matrix products.

    For sequences this short the fused kernel's backward pass takes four tenths of a step (torch 2.13). A CPU without
    AVX-512 has no bfloat16 product and emulates it, twenty times slower than float32: there all stays float32.
    """
    if not halved(device):
        yield
        return
    kind = torch.device(device).type
    if kind != "cpu":
        with torch.autocast(kind, torch.bfloat16):
            yield
        return
    # Despite its name this switch also rules the CPU, which otherwise goes through float32.
    before = torch.backends.cuda.fp16_bf16_reduction_math_sdp_allowed()
    torch.backends.cuda.allow_fp16_bf16_reduction_math_sdp(True)
    try:
        with torch.autocast(kind, torch.bfloat16), sdpa_kernel(SDPBackend.MATH):
            yield
    finally:
        torch.backends.cuda.allow_fp16_bf16_reduction_math_sdp(before)


def halved(device: str) -> bool:
    """Whether ``mixed`` computes in bfloat16 there."""
    return torch.device(device).type != "cpu" or torch.backends.cpu.get_cpu_capability() not in ("DEFAULT", "AVX2")
