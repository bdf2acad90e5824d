"""Which model this is, told from itself: a fingerprint of its weights, its device, its dtype."""

import hashlib
import platform
from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

import torch
from accelerate.utils import align_module_device

from plantain import __version__
from plantain.errors import InputError

FINGERPRINT_VALUES = 65_536  # of a tensor, so that a 16 GB model takes a second


def describe(pipe: Any) -> dict[str, Any]:
    """Model name, revision, weights fingerprint, device and dtype, for a run's provenance."""
    source = getattr(pipe, "plantain_source", None) or {
        "model": str(pipe.config.get("_name_or_path") or "unnamed pipeline"),
        "revision": None,
    }
    return {
        **source,
        "weights_fingerprint": weights_fingerprint(pipe),
        "device": _device_name(execution_device(pipe)),
        "dtype": _plain(pipe.transformer.dtype),
        **({"coarser": said} if (said := coarser(pipe)) else {}),
    }


def coarser(pipe: Any) -> str:
    """What makes the numbers of a pipeline's transformer coarser than its dtype says, in words; empty as a rule.

    >>> with torch.autocast("cpu", torch.bfloat16): coarser(pipe)
    'autocast to bfloat16'

    Runs are compared, and gone on with, where this is the same.
    """
    model, device, said = pipe.transformer, execution_device(pipe).type, []
    if torch.is_autocast_enabled(device):
        said.append(f"autocast to {_plain(torch.get_autocast_dtype(device))}")
    # Eight bits or fewer: weights are stored so, and cast up or multiplied as they are.
    small = {_plain(values.dtype) for values in model.parameters() if values.dtype.itemsize == 1}
    said += [f"stored in {dtype}" for dtype in sorted(small)]
    linear = [module for module in model.modules() if type(module).__name__.endswith("Linear")]
    # Packed weights are no parameters any more, or tensors of a class of their own.
    packed = sum(type(getattr(getattr(module, "weight", None), "data", None)) is not torch.Tensor for module in linear)
    said += [f"{packed} of {len(linear)} layers quantised"] if packed else []
    return ", ".join(said)


def _plain(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def versions(*more: str) -> dict[str, str]:
    """Versions of Python, plantain and the libraries that compute; ``more`` names further packages."""
    packages = ("torch", "diffusers", "transformers", "numpy", *more)
    here = {"python": platform.python_version(), "plantain": __version__}
    return here | {package: version(package) for package in packages}


def weights_fingerprint(pipe: Any, components: Sequence[str] = ("transformer", "text_encoder")) -> str:
    """SHA-256 over names, shapes, dtypes and values of the parameters of a pipeline's components.

    Of a tensor with more than 65,536 values an even sample is read, at least half as many: enough to
    tell trained from untrained weights or one fine-tune from another, not a proof against tampering.
    Weights that accelerate has moved out of the model are brought in one module at a time.

    Raises
    ------
    InputError
        The model holds no values (it lies on the meta device).
    """
    digest = hashlib.sha256()
    for component in components:
        for path, module in sorted(getattr(pipe, component).named_modules()):
            with align_module_device(module):
                for name, parameter in sorted(module.named_parameters(recurse=False)):
                    if parameter.device.type == "meta":
                        raise InputError(f"{component}.{path}.{name} holds no values; load the weights first.")
                    digest.update(f"{component}.{path}.{name} {tuple(parameter.shape)} {parameter.dtype}\n".encode())
                    flat = parameter.detach().flatten()
                    flat = flat[:: -(-flat.numel() // FINGERPRINT_VALUES) or 1].contiguous().cpu()
                    digest.update(flat.view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def execution_device(pipe: Any) -> torch.device:
    """Where the pipeline computes; with offloading its weights lie elsewhere between calls."""
    return pipe._execution_device


def _device_name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
