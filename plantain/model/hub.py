"""Where a named pipeline lies: a folder, or one fetched from the Hugging Face Hub."""

import json
from collections.abc import Sequence
from pathlib import Path

import huggingface_hub
from huggingface_hub import errors

from plantain.errors import InputError
from plantain.model.names import EMBEDDED, EMBEDDED_MODELS, KLEIN
from plantain.wording import shorten


def locate(name: str, only: Sequence[str] | None = None) -> tuple[Path, str | None]:
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
    return _download(*hub_id(name), only)


def hub_id(name: str) -> tuple[str, str | None]:
    """``OWNER/NAME@REVISION`` in its two parts; no revision means the newest."""
    name, _, revision = name.partition("@")
    return name, revision or None


def _download(name: str, wanted: str | None = None, only: Sequence[str] | None = None) -> tuple[Path, str | None]:
    try:
        # The small index first: whatever is wrong shows here, before gigabytes are fetched.
        _check_model_index(Path(huggingface_hub.hf_hub_download(name, "model_index.json", revision=wanted)), name)
        if only is not None:
            folder = Path(huggingface_hub.snapshot_download(name, revision=wanted, allow_patterns=list(only)))
        else:
            from diffusers import Flux2KleinPipeline  # takes seconds

            folder = Path(Flux2KleinPipeline.download(name, revision=wanted))
    except InputError:
        raise
    except Exception as error:  # time-outs, proxies, a download cut short, a full disk: no common type
        raise InputError(_sentence(error, name, wanted)) from error
    return folder, folder.name


def _sentence(error: Exception, name: str, wanted: str | None) -> str:
    log_in = "log in with `hf auth login`"
    said = {  # a kind before those that it is a kind of
        errors.GatedRepoError: f"{name} is gated: accept its terms on https://huggingface.co/{name}, then {log_in} "
        "or set HF_TOKEN.",
        errors.RevisionNotFoundError: f"{name} has no revision {wanted!r}; give a branch, a tag or a commit of it.",
        errors.RepositoryNotFoundError: f"The Hub has no model {name!r} that you may read; check the spelling, or "
        f"{log_in} if it is private.",
        errors.HFValidationError: f"{name!r} is no valid Hub id; one looks like {KLEIN}.",
        errors.LocalEntryNotFoundError: f"Cannot reach the Hub for {name!r} and it is not in the local cache; check "
        f"the network, or use --model {EMBEDDED}, which needs none.",
        errors.EntryNotFoundError: f"{name} has no model_index.json, so it is no diffusers pipeline; use {KLEIN}.",
        Exception: f"Fetching {name!r} failed: {shorten(str(error))} Try again, or use --model {EMBEDDED}.",
    }
    return next(sentence for kind, sentence in said.items() if isinstance(error, kind))


def _check_model_index(path: Path, name: str) -> None:
    try:
        found = json.loads(path.read_text(encoding="utf-8")).get("_class_name")
    except (OSError, ValueError, AttributeError) as error:
        raise InputError(
            f"{name!r} is not a saved pipeline: expected a readable model_index.json with Flux2KleinPipeline in it."
        ) from error
    if found != "Flux2KleinPipeline":
        raise InputError(f"{name!r} holds a {found}; plantain probes a Flux2KleinPipeline, such as {KLEIN}.")
