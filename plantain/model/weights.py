"""The weights of a saved pipeline, all of them or none: a model with a piece missing is refused and never measured.

The libraries draw at random what a file lacks, leave out what a configuration has no place for, and tell of both in a
log: here what they report is read.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

import torch

from plantain.errors import InputError
from plantain.model.encoder import read_encoder

COMPONENTS = {
    "transformer": "Flux2Transformer2DModel",
    "text_encoder": "Qwen3ForCausalLM",
    "vae": "AutoencoderKLFlux2",
}
_UNREAD = "lm_head."  # the text encoder's vocabulary projection, which no pipeline reads


def read_components(folder: Path, dtype: torch.dtype | None, but: Collection[str] = ()) -> dict[str, Any]:
    """The models of a saved pipeline by name, those that are in ``but`` left out.

    >>> read_components(Path("assets/posebox"), torch.float32)["transformer"]

    Raises
    ------
    InputError
        A model of another class, a tensor that its configuration needs and its files lack, or tensors of blocks that
        its configuration has no place for; the tensor is named.
    Exception
        Whatever the libraries raise about files that they cannot read. Only safetensors are read, never a pickle.
    """
    index = json.loads((folder / "model_index.json").read_text(encoding="utf-8"))
    found = {}
    for name, kind in COMPONENTS.items():
        if name in but:
            continue
        if (said := (index.get(name) or [None, None])[1]) != kind:
            raise InputError(f"The pipeline in {folder} has {said} as its {name}; expected {kind}.")
        found[name], report = _read(name, folder / name, dtype)
        _check_report(folder / name, report)
        if any(key.startswith(_UNREAD) for key in report.get("missing_keys") or ()):
            found[name].lm_head.weight.data.zero_()  # drawn at random, it would give every loading its own fingerprint
    return found


def check_weights(components: Mapping[str, torch.nn.Module]) -> None:
    """Refuse, with an InputError, models with a tensor that holds no values or values that are no finite numbers.

    >>> check_weights({"transformer": pipe.transformer})
    """
    for component, model in components.items():
        for name, values in (*model.named_parameters(), *model.named_buffers()):
            if values.device.type == "meta":
                raise InputError(f"{component}.{name} holds no values; save or download the model again.")
            # Least and largest are not numbers where any value is none. Float8 has neither: it is looked at in float32.
            plain = values.detach().float() if values.dtype.itemsize == 1 else values.detach()
            if plain.is_floating_point() and plain.numel() and not torch.stack(plain.aminmax()).isfinite().all():
                raise InputError(
                    f"{component}.{name} holds values that are not finite in {values.dtype}; load the model in another "
                    "dtype (float32, bfloat16), or save or download it again."
                )


def _read(name: str, folder: Path, dtype: torch.dtype | None) -> tuple[Any, Mapping[str, Any]]:
    if name == "text_encoder":
        return read_encoder(_class(name), folder, dtype)
    model, report = _class(name).from_pretrained(
        str(folder), dtype=dtype, local_files_only=True, use_safetensors=True, output_loading_info=True
    )
    return model, report


def _class(name: str) -> Any:
    if name == "text_encoder":
        from transformers import Qwen3ForCausalLM

        return Qwen3ForCausalLM
    import diffusers

    return getattr(diffusers, COMPONENTS[name])


def _check_report(folder: Path, report: Mapping[str, Any]) -> None:
    missing = sorted(key for key in report.get("missing_keys") or () if not key.startswith(_UNREAD))
    if missing:
        raise InputError(
            f"The weights in {folder} lack {_named(missing)}, which its config.json has a place for; save or download "
            "the model again."
        )
    # A file may hold more than is used, a vocabulary projection say; but not blocks that the model then has not.
    without = sorted(key for key in report.get("unexpected_keys") or () if "blocks." in key or "layers." in key)
    if without:
        raise InputError(
            f"The weights in {folder} hold {_named(without)}, which its config.json has no place for: the two do not "
            "belong together. Save or download the model again."
        )


def _named(keys: Iterable[str]) -> str:
    first, *more = keys
    return f"the tensor {first}" + (f" and {len(more)} more" if more else "")
