"""Memory that a model needs and a machine has, asked before weights are read."""

import gc
import os
from pathlib import Path

import numpy as np
import psutil
import torch

from plantain.errors import InputError
from plantain.model.encoder import n_unread
from plantain.model.names import EMBEDDED
from plantain.wording import shorten


def check_memory(folder: Path, device: str, dtype: torch.dtype) -> None:
    """Refuse, before anything is read, what cannot fit: 16 bytes short is minutes of swapping or a kill."""
    if os.environ.get("SPACES_ZERO_GPU"):
        return  # weights wait in main memory there, and the GPU cannot be asked before it is lent
    there = sum(n_values(file) for file in folder.glob("*/*.safetensors"))
    needed = (there - n_unread(folder / "text_encoder")) * dtype.itemsize
    on_gpu = device.startswith("cuda")
    free = torch.cuda.mem_get_info(device)[0] if on_gpu else psutil.virtual_memory().available
    if needed > free:
        figures = f"Needed: {needed / 1e9:.1f} GB; free: {free / 1e9:.1f} GB."
        raise InputError(f"{memory_sentence(str(folder), device)} {figures}")


def n_values(file: Path) -> int:
    """Number of values in a safetensors file, from its header alone."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(file, framework="np") as tensors:
            return sum(int(np.prod(tensors.get_slice(key).get_shape())) for key in tensors.keys())
    except (SafetensorError, OSError) as error:
        raise InputError(f"{file} is damaged ({shorten(str(error))}); download or save the pipeline again.") from error


def memory_sentence(name: str, device: str) -> str:
    where = "the GPU" if device.startswith("cuda") else "main memory"
    return f"{name} does not fit into {where}; free some, use a larger machine, or use --model {EMBEDDED}."


def free_memory() -> None:
    """Return what nobody refers to any more, on the GPU as well; for after a pipeline was let go."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
