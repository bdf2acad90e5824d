"""Load a Flux2 Klein pipeline by name."""

from pathlib import Path
from typing import Any

import torch

from plantain.errors import InputError
from plantain.model.default import default_model
from plantain.model.hub import hub_id, locate
from plantain.model.memory import check_memory, memory_sentence
from plantain.model.names import (
    EMBEDDED,
    EMBEDDED_MODELS,
    PERMUTED,
    REINITIALISED,
    TRAINING,
    check_untrained,
    model_name,
)
from plantain.model.untrained import permute, reinitialise, untrained_transformer
from plantain.model.weights import check_weights, read_components
from plantain.paths import POSEBOX
from plantain.wording import shorten

_DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


def load_pipeline(
    name: str | None = None,
    device: str | None = None,
    dtype: str | torch.dtype | None = None,
    untrained: bool | str = False,
    weights_seed: int = 0,
) -> Any:
    """Load a ``Flux2KleinPipeline``, ready to be probed.

    >>> pipe = plantain.load_pipeline("posebox")
    >>> pipe = plantain.load_pipeline("posebox", untrained=True)                  # = "posebox-untrained"
    >>> pipe = plantain.load_pipeline("black-forest-labs/FLUX.2-klein-base-4B", device="cuda")
    >>> pipe = plantain.load_pipeline("path/to/a/saved/pipeline")

    Parameters
    ----------
    name : str, optional
        A Hugging Face Hub id, or ``OWNER/NAME@REVISION`` for a branch, a tag or a commit; a folder written by
        ``save_pretrained``; or an embedded model: "posebox" (Klein's shape, trained on a toy world),
        "posebox-untrained" (its transformer drawn anew), "posebox-random" (every weight random). None:
        ``default_model()``.
    device : str, optional
        "cuda", "cpu", …; None: a GPU where there is one.
    dtype : torch.dtype or its name, optional
        None: float32 on a CPU and for embedded models, bfloat16 otherwise.
    untrained : bool or "permuted"
        Load the untrained twin: its transformer drawn anew by ``reinitialise``, its name with ``-untrained``. The
        weights are drawn in main memory in float32: about 16 GB of it for Klein 4B, 36 GB for 9B. "permuted": the
        trained values of every tensor shuffled by ``permute``, its name with ``-permuted``.
    weights_seed : int
        Seed of that draw, from 0; the provenance of a run names it.

    Of a large text encoder the layers that nobody reads are not loaded (``model.encoder``): the pipeline draws and is
    probed as the whole one would be, but copy the folder, and don't save the pipeline, to have it elsewhere.

    Raises
    ------
    InputError
        Unknown or unreachable name, gated model, folder that is no such pipeline, unknown device or dtype, too
        little memory, or the untrained twin of a model without trained weights; the sentence says what to do.
    """
    name = name or default_model()
    check_untrained(name, untrained, weights_seed)
    device = device or ("cuda" if torch.cuda.is_available() else "cpu")
    check_device(device)
    embedded, world = name in EMBEDDED_MODELS, False
    on_cpu = torch.device(device).type == "cpu"
    wanted = _torch_dtype(dtype) or (torch.float32 if embedded or on_cpu else torch.bfloat16)
    if embedded:
        # In float32 first: weights are drawn in it, so that a seed means the same in every dtype.
        pipe, revision = _from_folder(POSEBOX, torch.float32), None
        permuted = PERMUTED in (untrained, name.removeprefix(f"{EMBEDDED}-"))
        if not permuted:
            pipe = reinitialise(pipe, ("transformer",) if untrained else REINITIALISED[name], weights_seed)
    else:
        folder, revision = locate(name)
        world = (folder / TRAINING).is_file()
        check_memory(folder, device, wanted)
        permuted = untrained == PERMUTED
        anew = untrained and not permuted
        parts = {"transformer": untrained_transformer(folder, wanted, weights_seed)} if anew else {}
        pipe = _from_folder(folder, wanted, **parts)
    if permuted:
        pipe = permute(pipe, weights_seed)
    if embedded and wanted != torch.float32:
        pipe = pipe.to(dtype=wanted)
    try:
        pipe = pipe.to(device)
    except torch.cuda.OutOfMemoryError as error:
        raise InputError(memory_sentence(name, device)) from error
    pipe.set_progress_bar_config(disable=True)
    pipe.plantain_source = {"model": model_name(name if revision is None else hub_id(name)[0], untrained)}
    pipe.plantain_source["revision"] = revision
    if untrained or REINITIALISED.get(name):
        pipe.plantain_source["weights_seed"] = weights_seed
    if permuted:
        pipe.plantain_source["weights"] = PERMUTED
    if world:
        pipe.plantain_source["world"] = EMBEDDED
    return pipe


def load_tokenizer(name: str | None = None) -> Any:
    """A pipeline with its tokenizer and no weights: enough to count tokens, for Klein a few megabytes.

    >>> text_mask(load_tokenizer("posebox"), ["a dancer"]).sum()

    ``name`` is as for ``load_pipeline``.

    Raises
    ------
    InputError
        Unknown or unreachable name, gated model, or a folder that is no such pipeline.
    """
    name = name or default_model()
    folder = POSEBOX if name in EMBEDDED_MODELS else locate(name, only=("model_index.json", "tokenizer/*"))[0]
    return _from_folder(folder, None, text_encoder=None, transformer=None, vae=None, scheduler=None)


def _from_folder(folder: Path, dtype: torch.dtype | None, **parts: Any) -> Any:
    """The pipeline saved in a folder; components given as ``parts`` are taken as they are, not read."""
    from diffusers import Flux2KleinPipeline

    try:
        read = read_components(folder, dtype, but=parts)
        pipe = Flux2KleinPipeline.from_pretrained(str(folder), local_files_only=True, **parts, **read)
        check_weights(read)
    except InputError:
        raise
    except MemoryError as error:
        raise InputError(memory_sentence(str(folder), "cpu")) from error
    except Exception as error:  # a folder may be broken in any way; the cause stays attached
        why = shorten(str(error)) or type(error).__name__
        raise InputError(f"The pipeline in {folder} cannot be loaded ({why}); save or download it again.") from error
    if not pipe.tokenizer.chat_template:  # without its files a tokenizer loads all the same, and knows no word
        raise InputError(f"The pipeline in {folder} cannot be loaded (no tokenizer); save or download it again.")
    return pipe


def check_device(device: str) -> None:
    """Refuse, with an InputError, a device that torch does not know or this machine has not."""
    try:
        kind = torch.device(device).type
    except (RuntimeError, TypeError) as error:
        raise InputError(f"Unknown device {device!r}; expected cpu, cuda or mps.") from error
    available = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    index = torch.device(device).index
    too_high = kind == "cuda" and index is not None and index >= torch.cuda.device_count()
    if not available.get(kind, False) or too_high:
        usable = ", ".join(name for name, ok in available.items() if ok)
        raise InputError(f"This machine has no device {device!r}; usable here: {usable}.")


def _torch_dtype(dtype: str | torch.dtype | None) -> torch.dtype | None:
    if dtype is None or isinstance(dtype, torch.dtype):
        return dtype
    if dtype not in _DTYPES:
        raise InputError(f"Unknown dtype {dtype!r}; expected one of {', '.join(_DTYPES)}.")
    return _DTYPES[dtype]
