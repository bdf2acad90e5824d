"""The text encoder no further than it is read: of Qwen3-4B's 36 layers the last eight are not loaded, 1.6 GB."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch

from plantain.errors import InputError
from plantain.model.text import layers_read

# Below, it is not worth it: a model that is loaded whole can be saved whole.
_WORTH_BYTES = 2**28
_LAYERS = "model.layers."
_SAMPLE = 65_536  # values of a tensor, so that the fingerprint of a 16 GB model takes a second
_ITEMSIZE = {"F32": 4, "F16": 2, "BF16": 2, "F8_E4M3": 1, "F8_E5M2": 1, "I8": 1, "U8": 1}


class LeftOut(NamedTuple):
    """A tensor that was not loaded, as much of it as the fingerprint of the weights reads."""

    module: str
    name: str
    shape: tuple[int, ...]
    sample: torch.Tensor  # in the dtype of its file


def read_encoder(kind: Any, folder: Path, dtype: torch.dtype | None) -> tuple[Any, dict[str, Any]]:
    """The text encoder of a folder and what was reported of its loading; a large one without the layers nobody reads.

    >>> encoder, report = read_encoder(Qwen3ForCausalLM, folder / "text_encoder", torch.bfloat16)

    One layer more than is read stays, since after its last one an encoder norms what it gives: the pipeline's own
    ``encode_prompt`` gives what it gives of the whole. Its configuration goes on naming all layers; a pipeline that is
    saved so is refused when it is loaded again, and not taken for another. Raises InputError where a file lacks a
    tensor of a layer that is left out.
    """
    config = kind.config_class.from_pretrained(str(folder), local_files_only=True)
    depth, there = config.num_hidden_layers, _tensors(folder)
    left = _unread(there, depth)
    kept = _kept(depth) if left else depth
    _check_whole(folder, left, there, range(kept, depth))
    config.num_hidden_layers = kept
    if kinds := getattr(config, "layer_types", None):
        config.layer_types = kinds[:kept]
    model, report = kind.from_pretrained(
        str(folder),
        config=config,
        dtype=dtype,
        local_files_only=True,
        use_safetensors=True,
        output_loading_info=True,
    )
    model.config.num_hidden_layers = depth
    if kinds:
        model.config.layer_types = kinds
    model.plantain_left_out = tuple(_sampled(there[key].file, key) for key in left)
    unexpected = [key for key in report.get("unexpected_keys") or () if key not in left]
    return model, {**report, "unexpected_keys": unexpected}


def n_unread(folder: Path) -> int:
    """Values of a saved text encoder that are not loaded.

    >>> n_unread(folder / "text_encoder")
    """
    try:
        depth = json.loads((folder / "config.json").read_text(encoding="utf-8"))["num_hidden_layers"]
    except (OSError, ValueError, KeyError, TypeError):
        return 0  # what is wrong is told when it is loaded
    if not isinstance(depth, int):
        return 0
    there = _tensors(folder)
    return sum(there[key].n_values for key in _unread(there, depth))


def sampled(values: torch.Tensor) -> torch.Tensor:
    """An even sample of a tensor's values, flat: what the fingerprint of the weights reads."""
    flat = values.detach().flatten()
    return flat[:: -(-flat.numel() // _SAMPLE) or 1].contiguous()


class _Stored(NamedTuple):
    file: Path
    n_values: int
    n_bytes: int


def _kept(depth: int) -> int:
    return max(layers_read(depth)) + 1


def _unread(there: Mapping[str, _Stored], depth: int) -> list[str]:
    """Tensors of layers that nobody reads, by name; none where they are few bytes."""
    number = re.compile(re.escape(_LAYERS) + r"([0-9]{1,6})\.")
    found = {key: number.match(key) for key in there}
    left = sorted(key for key, at in found.items() if at and _kept(depth) <= int(at[1]) < depth)
    return left if sum(there[key].n_bytes for key in left) >= _WORTH_BYTES else []


def _tensors(folder: Path) -> dict[str, _Stored]:
    """Every tensor of a folder, by name; what cannot be read is left to the library to tell."""
    from safetensors import SafetensorError, safe_open

    found = {}
    for file in sorted(folder.glob("*.safetensors")):
        try:
            with safe_open(file, framework="pt") as tensors:
                for key in tensors.keys():
                    part = tensors.get_slice(key)
                    n_values = torch.Size(part.get_shape()).numel()
                    found[key] = _Stored(file, n_values, n_values * _ITEMSIZE.get(part.get_dtype(), 4))
        except (SafetensorError, OSError):
            continue
    return found


def _check_whole(folder: Path, left: list[str], there: Mapping[str, Any], layers: range) -> None:
    """Of a layer that is left out the file must hold what it holds of the first."""
    first = f"{_LAYERS}0."
    names = {key.removeprefix(first) for key in there if key.startswith(first)}
    missing = sorted({f"{_LAYERS}{layer}.{name}" for layer in layers for name in names} - set(left))
    if left and missing:
        raise InputError(
            f"The weights in {folder} lack the tensor {missing[0]}, which its config.json has a place for; save or "
            "download the model again."
        )


def _sampled(file: Path, key: str) -> LeftOut:
    from safetensors import safe_open

    with safe_open(file, framework="pt") as tensors:
        values = tensors.get_tensor(key)
    module, name = key.rsplit(".", 1)
    return LeftOut(module, name, tuple(values.shape), sampled(values).clone())


def by_module(model: Any) -> list[tuple[str, Any]]:
    """A model's modules in the order of their names; for one that was not loaded, its tensors so."""
    absent: dict[str, list[LeftOut]] = {}
    for one in getattr(model, "plantain_left_out", ()):
        absent.setdefault(one.module, []).append(one)
    return sorted({**dict(model.named_modules()), **absent}.items())
