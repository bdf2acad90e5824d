"""Load a Flux2 Klein pipeline by name, and ask it what its own defaults do not say."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from plantain.errors import InputError
from plantain.paths import POSEBOX

if TYPE_CHECKING:
    import torch

KLEIN = "black-forest-labs/FLUX.2-klein-base-4B"
EMBEDDED = "posebox"
# Which components of the embedded model are given random weights, under which name.
_REINITIALISED = {
    EMBEDDED: (),
    "posebox-untrained": ("transformer",),
    "posebox-random": ("text_encoder", "transformer", "vae"),
}
EMBEDDED_MODELS = tuple(_REINITIALISED)
# Klein pads prompts to 512 tokens; the probe draws at most 512 pixels a side unless told.
MAX_TEXT_TOKENS = 512
MAX_PROBE_PIXELS = 512
# Values of a tensor that enter the fingerprint: all of a small one, an even sample of a large one,
# so that a 16 GB model takes a second.
_FINGERPRINT_VALUES = 65_536


def default_model() -> str:
    """FLUX.2 Klein base 4B where there is a GPU, the embedded model where there is none."""
    import torch

    return KLEIN if torch.cuda.is_available() else EMBEDDED


def load_pipeline(
    name: str | None = None,
    device: str | None = None,
    dtype: str | torch.dtype | None = None,
    untrained: bool = False,
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
        An embedded model, a Hugging Face Hub id, or a folder written by ``save_pretrained``. None:
        ``default_model()``. ``OWNER/NAME@REVISION`` takes a branch, a tag or a commit of the Hub. Embedded are
        "posebox" (Klein's shape, trained on a toy world), "posebox-untrained" (the same with a re-initialised
        transformer) and "posebox-random" (with every weight random).
    device : str, optional
        "cuda", "cpu", …; None: a GPU where there is one.
    dtype : torch.dtype or its name, optional
        None: float32 on a CPU and for embedded models, bfloat16 otherwise.
    untrained : bool
        Load the untrained twin: the same pipeline with the weights of its transformer drawn anew, as
        ``reinitialise`` draws them, and ``-untrained`` at the end of its name. They are drawn in main memory in
        float32, and the trained ones are not read: Klein 4B needs about 16 GB of it there, 9B about 36 GB.
    weights_seed : int
        Seed of that draw, from 0; the provenance of a run names it.

    Raises
    ------
    InputError
        Unknown or unreachable name, gated model, folder that is no such pipeline, unknown device or
        dtype, too little memory, or the untrained twin of a model without trained weights; each in one
        sentence that says what to do.
    """
    import torch

    name = name or default_model()
    check_untrained(name, untrained, weights_seed)
    device = device or ("cuda" if torch.cuda.is_available() else "cpu")
    check_device(device)
    embedded = name in EMBEDDED_MODELS
    on_cpu = torch.device(device).type == "cpu"
    wanted = _torch_dtype(dtype) or (torch.float32 if embedded or on_cpu else torch.bfloat16)
    if embedded:
        # In float32 first: weights are drawn in it, so that a seed means the same in every dtype.
        pipe, revision = _from_folder(POSEBOX, torch.float32), None
        pipe = reinitialise(pipe, ("transformer",) if untrained else _REINITIALISED[name], weights_seed)
        if wanted != torch.float32:
            pipe = pipe.to(dtype=wanted)
    else:
        folder, revision = _locate(name)
        _check_memory(folder, device, wanted)
        parts = {"transformer": _untrained_transformer(folder, wanted, weights_seed)} if untrained else {}
        pipe = _from_folder(folder, wanted, **parts)
    try:
        pipe = pipe.to(device)
    except torch.cuda.OutOfMemoryError as error:
        raise InputError(_memory_sentence(name, device)) from error
    pipe.set_progress_bar_config(disable=True)
    pipe.plantain_source = {"model": model_name(name if revision is None else _hub_id(name)[0], untrained)}
    pipe.plantain_source["revision"] = revision
    if untrained or _REINITIALISED.get(name):
        pipe.plantain_source["weights_seed"] = weights_seed
    return pipe


def load_tokenizer(name: str | None = None) -> Any:
    """A pipeline with its tokenizer and no weights: enough to count tokens, for Klein a few megabytes.

    >>> plantain.pipeline.text_mask(plantain.pipeline.load_tokenizer("posebox"), ["a dancer"]).sum()

    Parameters
    ----------
    name : as for ``load_pipeline``; None: ``default_model()``

    Raises
    ------
    InputError
        Unknown or unreachable name, gated model, or a folder that is no such pipeline.
    """
    name = name or default_model()
    folder = POSEBOX if name in EMBEDDED_MODELS else _locate(name, only=("model_index.json", "tokenizer/*"))[0]
    return _from_folder(folder, None, text_encoder=None, transformer=None, vae=None, scheduler=None)


def model_name(name: str, untrained: bool = False) -> str:
    """The name under which a model, or its untrained twin, enters a run's provenance."""
    return f"{name}-untrained" if untrained else name


def reinitialise(pipe: Any, components: Sequence[str] = ("transformer",), seed: int = 0) -> Any:
    """The same pipeline with the weights of some components drawn anew, as before any training.

    >>> twin = plantain.pipeline.reinitialise(pipe, seed=1)     # an untrained twin: the text features stay

    The other components are shared with ``pipe``, which keeps its own. Weights are drawn on the CPU in
    float32 by the classes' own initialisation, so a seed means the same on every device and in every
    dtype; the process's random state is left as it was.
    """
    import torch

    drawn = {}
    with torch.random.fork_rng(devices=[]):
        for component in components:
            old = getattr(pipe, component)
            drawn[component] = _draw(type(old), old.config, seed).to(device=old.device, dtype=old.dtype).eval()
    twin = type(pipe)(**{**pipe.components, "is_distilled": pipe.config.is_distilled, **drawn})
    twin.set_progress_bar_config(disable=True)
    return twin


def free_memory() -> None:
    """Return what nobody refers to any more, on the GPU as well; for after a pipeline was let go."""
    import gc

    import torch

    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def _draw(kind: Any, config: Any, seed: int) -> Any:
    """A new component in float32, its weights drawn on the CPU; the caller keeps the random state."""
    import torch

    torch.default_generator.manual_seed(seed)  # the CPU's alone
    return kind.from_config(config) if hasattr(kind, "from_config") else kind(config)


def call_arguments(pipe: Any) -> dict[str, Any]:
    """Arguments that a pipeline's own defaults get wrong for a small one; for Klein they change nothing.

    >>> pipe(prompt=prompt, **plantain.call_arguments(pipe))

    Text features at a quarter, half and three quarters of the text encoder's depth (9, 18, 27 of
    Qwen3-4B's 36), as many text tokens as the tokenizer allows (at most 512), and the autoencoder's
    sample size in pixels.
    """
    depth = pipe.text_encoder.config.num_hidden_layers
    size = pipe.vae.config.sample_size
    height, width = size if isinstance(size, (tuple, list)) else (size, size)
    return {
        "text_encoder_out_layers": (depth // 4, depth // 2, 3 * depth // 4),
        "max_sequence_length": max_text_tokens(pipe),
        "height": height,
        "width": width,
    }


def max_text_tokens(pipe: Any) -> int:
    """Tokens every prompt is padded to, the chat template's among them."""
    return min(MAX_TEXT_TOKENS, int(pipe.tokenizer.model_max_length))


def text_mask(pipe: Any, prompts: Sequence[str]) -> np.ndarray:
    """Which text tokens are real and which are padding: bool, (n_prompts, n_text_tokens).

    >>> plantain.pipeline.text_mask(pipe, ["a dancer"]).sum(axis=1)     # real tokens of each prompt

    Read off the tokenizer in the way the pipeline calls it. The transformer sees the padding.

    Raises
    ------
    InputError
        A prompt has more tokens than the pipeline reads; the pipeline itself would cut it silently.
    """
    limit = max_text_tokens(pipe)
    masks = []
    for prompt in prompts:
        message = [{"role": "user", "content": prompt}]
        text = pipe.tokenizer.apply_chat_template(
            message, tokenize=False, add_generation_prompt=True, enable_thinking=False
        )
        n_tokens = len(pipe.tokenizer(text)["input_ids"])
        if n_tokens > limit:
            raise InputError(
                f"The prompt {_shorten(prompt)!r} has {n_tokens} tokens with the chat template; "
                f"this model reads at most {limit}. Shorten it."
            )
        masks.append(pipe.tokenizer(text, padding="max_length", max_length=limit)["attention_mask"])
    return np.array(masks, dtype=bool)


def encode(pipe: Any, prompts: Sequence[str]) -> torch.Tensor:
    """Text features, (n_prompts, n_text_tokens, width), one prompt at a time.

    One at a time, because the text encoder also makes logits over its whole vocabulary: 155 MB a
    prompt for Klein, and a batch would hold all of them. It also keeps a prompt's features the same
    whatever batch it is in.
    """
    import torch

    arguments = call_arguments(pipe)
    chosen = {key: arguments[key] for key in ("max_sequence_length", "text_encoder_out_layers")}
    with torch.no_grad():
        return torch.cat([pipe.encode_prompt(prompt=[prompt], **chosen)[0] for prompt in prompts])


def execution_device(pipe: Any) -> torch.device:
    """Where the pipeline computes; with offloading its weights lie elsewhere between calls."""
    return pipe._execution_device


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
        "dtype": str(pipe.transformer.dtype).removeprefix("torch."),
    }


def weights_fingerprint(pipe: Any) -> str:
    """SHA-256 over names, shapes, dtypes and values of the transformer's and the text encoder's parameters.

    Of a tensor with more than 65,536 values an even sample is read, at least half as many: enough to
    tell trained from untrained weights or one fine-tune from another, not a proof against tampering.
    Weights that accelerate has moved out of the model are brought in one module at a time.

    Raises
    ------
    InputError
        The model holds no values (it lies on the meta device).
    """
    import torch
    from accelerate.utils import align_module_device

    digest = hashlib.sha256()
    for component in ("transformer", "text_encoder"):
        for path, module in sorted(getattr(pipe, component).named_modules()):
            with align_module_device(module):
                for name, parameter in sorted(module.named_parameters(recurse=False)):
                    if parameter.device.type == "meta":
                        raise InputError(f"{component}.{path}.{name} holds no values; load the weights first.")
                    digest.update(f"{component}.{path}.{name} {tuple(parameter.shape)} {parameter.dtype}\n".encode())
                    flat = parameter.detach().flatten()
                    flat = flat[:: -(-flat.numel() // _FINGERPRINT_VALUES) or 1].contiguous().cpu()
                    digest.update(flat.view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


# -- finding and loading ---------------------------------------------------------------------------


def _locate(name: str, only: Sequence[str] | None = None) -> tuple[Path, str | None]:
    """The folder of a named pipeline, fetched from the Hub if need be (``only`` these files), and its revision."""
    try:
        path = Path(name).expanduser()
        is_folder = path.is_dir()
    except (OSError, RuntimeError):  # a name too long for any folder, or the home of no user
        is_folder = False
    if is_folder:
        _check_model_index(path / "model_index.json", name)
        return path, None
    if name.count("/") != 1 or name.startswith((".", "/", "~")):
        raise InputError(
            f"Unknown model {name!r}: expected {', '.join(EMBEDDED_MODELS)}, a Hub id such as {KLEIN}, "
            "or an existing folder with a saved pipeline."
        )
    return _download(*_hub_id(name), only)


def _hub_id(name: str) -> tuple[str, str | None]:
    """``OWNER/NAME@REVISION`` in its two parts; no revision means the newest."""
    name, _, revision = name.partition("@")
    return name, revision or None


def _download(name: str, wanted: str | None = None, only: Sequence[str] | None = None) -> tuple[Path, str | None]:
    from diffusers import Flux2KleinPipeline
    from huggingface_hub import hf_hub_download, snapshot_download
    from huggingface_hub.errors import (
        EntryNotFoundError,
        GatedRepoError,
        HFValidationError,
        LocalEntryNotFoundError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    try:
        # The small index first: whatever is wrong shows here, before gigabytes are fetched.
        _check_model_index(Path(hf_hub_download(name, "model_index.json", revision=wanted)), name)
        if only is not None:
            folder = Path(snapshot_download(name, revision=wanted, allow_patterns=list(only)))
        else:
            folder = Path(Flux2KleinPipeline.download(name, revision=wanted))
    except InputError:
        raise
    except GatedRepoError as error:
        raise InputError(
            f"{name} is gated: accept its terms on https://huggingface.co/{name}, then log in with `hf auth login` "
            "or set HF_TOKEN."
        ) from error
    except RevisionNotFoundError as error:
        raise InputError(f"{name} has no revision {wanted!r}; give a branch, a tag or a commit of it.") from error
    except RepositoryNotFoundError as error:
        raise InputError(
            f"The Hub has no model {name!r} that you may read; check the spelling, or log in with `hf auth login` "
            "if it is private."
        ) from error
    except HFValidationError as error:
        raise InputError(f"{name!r} is no valid Hub id; one looks like {KLEIN}.") from error
    except LocalEntryNotFoundError as error:
        raise InputError(
            f"Cannot reach the Hub for {name!r} and it is not in the local cache; check the network, or use "
            f"--model {EMBEDDED}, which needs none."
        ) from error
    except EntryNotFoundError as error:
        raise InputError(f"{name} has no model_index.json, so it is no diffusers pipeline; use {KLEIN}.") from error
    except Exception as error:  # time-outs, proxies, a download cut short, a full disk: no common type
        why = _shorten(str(error))
        raise InputError(f"Fetching {name!r} failed: {why} Try again, or use --model {EMBEDDED}.") from error
    return folder, folder.name


def _check_model_index(path: Path, name: str) -> None:
    try:
        found = json.loads(path.read_text(encoding="utf-8")).get("_class_name")
    except (OSError, ValueError, AttributeError) as error:
        raise InputError(
            f"{name!r} is not a saved pipeline: expected a readable model_index.json with Flux2KleinPipeline in it."
        ) from error
    if found != "Flux2KleinPipeline":
        raise InputError(f"{name!r} holds a {found}; plantain probes a Flux2KleinPipeline, such as {KLEIN}.")


def check_untrained(name: str, untrained: bool, weights_seed: int) -> None:
    """Refuse, with an InputError, the untrained twin of what has no trained weights, or a seed without one."""
    if isinstance(weights_seed, bool) or not isinstance(weights_seed, int) or not 0 <= weights_seed < 2**63:
        raise InputError(f"weights_seed must be a whole number from 0 to 2**63 - 1; got {weights_seed!r}.")
    if untrained and _REINITIALISED.get(name):
        raise InputError(
            f"{name} has random weights already; its own name is enough, or use the untrained twin of {EMBEDDED}."
        )
    if weights_seed and not untrained:
        raise InputError(f"A weights seed of {weights_seed} says how an untrained twin is drawn; ask for one as well.")


def _untrained_transformer(folder: Path, dtype: torch.dtype, seed: int) -> Any:
    """The transformer that ``reinitialise`` would draw for a saved pipeline, without reading the trained one."""
    import psutil
    import torch
    from diffusers import Flux2Transformer2DModel

    needed = 4 * sum(_n_values(file) for file in folder.glob("transformer/*.safetensors"))
    free = psutil.virtual_memory().available
    if needed > free:
        raise InputError(
            f"Drawing the untrained weights of {folder} takes {needed / 1e9:.1f} GB of main memory, and "
            f"{free / 1e9:.1f} GB are free; free some, or use a larger machine."
        )
    try:
        config = Flux2Transformer2DModel.load_config(str(folder / "transformer"))
        with torch.random.fork_rng(devices=[]):
            return _draw(Flux2Transformer2DModel, config, seed).to(dtype=dtype).eval()
    except Exception as error:  # a folder may be broken in any way; the cause stays attached
        why = _shorten(str(error))
        raise InputError(f"The pipeline in {folder} cannot be loaded ({why}); save or download it again.") from error


def _from_folder(folder: Path, dtype: torch.dtype | None, **parts: Any) -> Any:
    """The pipeline saved in a folder; components given as ``parts`` are taken as they are, not read."""
    from diffusers import Flux2KleinPipeline

    try:
        pipe = Flux2KleinPipeline.from_pretrained(str(folder), dtype=dtype, local_files_only=True, **parts)
    except MemoryError as error:
        raise InputError(_memory_sentence(str(folder), "cpu")) from error
    except Exception as error:  # a folder may be broken in any way; the cause stays attached
        why = _shorten(str(error))
        raise InputError(f"The pipeline in {folder} cannot be loaded ({why}); save or download it again.") from error
    if not pipe.tokenizer.chat_template:  # without its files a tokenizer loads all the same, and knows no word
        raise InputError(f"The pipeline in {folder} cannot be loaded (no tokenizer); save or download it again.")
    return pipe


def _check_memory(folder: Path, device: str, dtype: torch.dtype) -> None:
    """Refuse, before anything is read, what cannot fit: 16 bytes short is minutes of swapping or a kill."""
    import psutil
    import torch

    if os.environ.get("SPACES_ZERO_GPU"):
        return  # weights wait in main memory there, and the GPU cannot be asked before it is lent
    needed = sum(_n_values(file) for file in folder.glob("*/*.safetensors")) * dtype.itemsize
    on_gpu = device.startswith("cuda")
    free = torch.cuda.mem_get_info(device)[0] if on_gpu else psutil.virtual_memory().available
    if needed > free:
        figures = f"Needed: {needed / 1e9:.1f} GB; free: {free / 1e9:.1f} GB."
        raise InputError(f"{_memory_sentence(str(folder), device)} {figures}")


def _n_values(file: Path) -> int:
    """Number of values in a safetensors file, from its header alone."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(file, framework="np") as tensors:
            return sum(int(np.prod(tensors.get_slice(key).get_shape())) for key in tensors.keys())
    except (SafetensorError, OSError) as error:
        raise InputError(f"{file} is damaged ({_shorten(str(error))}); download or save the pipeline again.") from error


def _memory_sentence(name: str, device: str) -> str:
    where = "the GPU" if device.startswith("cuda") else "main memory"
    return f"{name} does not fit into {where}; free some, use a larger machine, or use --model {EMBEDDED}."


def check_device(device: str) -> None:
    """Refuse, with an InputError, a device that torch does not know or this machine has not."""
    import torch

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
    import torch

    if dtype is None or isinstance(dtype, torch.dtype):
        return dtype
    known = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
    if dtype not in known:
        raise InputError(f"Unknown dtype {dtype!r}; expected one of {', '.join(known)}.")
    return known[dtype]


def _device_name(device: torch.device) -> str:
    import torch

    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type


def _shorten(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= 160 else text[:157] + "…"
