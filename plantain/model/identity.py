"""Which model this is, told from itself: a fingerprint of its weights, its device, its dtype."""

import hashlib
import platform
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from importlib.metadata import version
from typing import Any

import torch
from accelerate.utils import align_module_device

from plantain import __version__
from plantain.errors import InputError
from plantain.model.encoder import by_module, sampled


def describe(pipe: Any, device: torch.device | None = None) -> dict[str, Any]:
    """Model name, revision, weights fingerprint, device and dtype, for a run's provenance.

    >>> describe(pipe)["weights_fingerprint"]

    ``device``: where the pipeline computes, found where it is left out.
    """
    device = device or execution_device(pipe)
    source = getattr(pipe, "plantain_source", None) or {
        "model": str(pipe.config.get("_name_or_path") or "unnamed pipeline"),
        "revision": None,
    }
    return {
        **source,
        "weights_fingerprint": weights_fingerprint(pipe),
        "device": _device_name(device),
        "dtype": _plain(pipe.transformer.dtype),
        **({"coarser": said} if (said := coarser(pipe, device)) else {}),
    }


def coarser(pipe: Any, device: torch.device | None = None) -> str:
    """What makes the numbers of a pipeline's transformer coarser than its dtype says, in words; empty as a rule.

    >>> with torch.autocast("cpu", torch.bfloat16): coarser(pipe)
    'autocast to bfloat16'

    Runs are compared, and gone on with, where this is the same.
    """
    model, kind, said = pipe.transformer, (device or execution_device(pipe)).type, []
    if torch.is_autocast_enabled(kind):
        said.append(f"autocast to {_plain(torch.get_autocast_dtype(kind))}")
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
    packages = ("diffusers", "transformers", "numpy", *more)
    # Of torch with the build, which its package's name may lack: on which arithmetic a run was made.
    here = {"python": platform.python_version(), "plantain": __version__, "torch": str(torch.__version__)}
    return here | {package: _version(package) for package in packages}


_version = cache(version)


def weights_fingerprint(pipe: Any, components: Sequence[str] = ("transformer", "text_encoder")) -> str:
    """SHA-256 over names, shapes, dtypes and values of the parameters of a pipeline's components.

    Of a tensor with more than 65,536 values an even sample is read, at least half as many: enough to
    tell trained from untrained weights or one fine-tune from another, not a proof against tampering.
    Weights that accelerate has moved out of the model are brought in one module at a time, and layers of a text encoder
    that are never read count as they lie in its file.

    Raises
    ------
    InputError
        The model holds no values (it lies on the meta device).
    """
    digest = hashlib.sha256()

    def add(place: str, shape: Sequence[int], values: torch.Tensor) -> None:
        digest.update(f"{place} {tuple(shape)} {values.dtype}\n".encode())
        digest.update(values.cpu().view(torch.uint8).numpy().tobytes())

    for component in components:
        model = getattr(pipe, component)
        for path, module in by_module(model):
            if isinstance(module, list):  # not loaded, since nobody reads it
                for one in module:
                    add(f"{component}.{path}.{one.name}", one.shape, one.sample.to(model.dtype))
                continue
            with align_module_device(module):
                for name, parameter in sorted(module.named_parameters(recurse=False)):
                    if parameter.device.type == "meta":
                        raise InputError(f"{component}.{path}.{name} holds no values; load the weights first.")
                    add(f"{component}.{path}.{name}", parameter.shape, sampled(parameter))
    return digest.hexdigest()


def execution_device(pipe: Any) -> torch.device:
    """Where the pipeline computes; with offloading its weights lie elsewhere between calls.

    diffusers walks through all modules to tell, a hundredth of a second: a run asks once.
    """
    return pipe._execution_device


@contextmanager
def computing_on(pipe: Any, device: torch.device) -> Iterator[None]:
    """For this time the pipeline takes a device that is known, and looks for none at every call.

    >>> with computing_on(pipe, execution_device(pipe)):
    ...     pipe(prompt_embeds=features, latents=latents, output_type="latent")
    """
    own = type(pipe)
    pipe.__class__ = type(own.__name__, (own,), {"_execution_device": device})
    try:
        yield
    finally:
        pipe.__class__ = own


def _device_name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
