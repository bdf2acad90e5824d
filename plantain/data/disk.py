"""A run on disk: one file of tensors and one description of it, written so that a crash leaves one whole state."""

import hashlib
import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load as load_safetensors
from safetensors.numpy import save as save_safetensors

from plantain.errors import InputError, is_number

SCHEMA_VERSION = 1


@dataclass(frozen=True)
class Kind:
    """A kind of run on disk: its description, the start of its tensor files' names, the tensors it must have."""

    description: str
    stem: str
    tensors: Mapping[str, type]

    @property
    def tensor_name(self) -> re.Pattern[str]:
        return re.compile(rf"{self.stem}-[0-9a-f]{{12}}\.safetensors")

    def leaves(self, path: Path) -> bool:
        """Whether a file, where the description does not name it, is our own and of no use to anybody."""
        tensors = self.tensor_name
        temporary = rf"\.({re.escape(self.description)}|{tensors.pattern})\.\d+\.tmp"
        return bool(tensors.fullmatch(path.name) or re.fullmatch(temporary, path.name))


PROBE = Kind("run.json", "mean_square", {"mean_square": np.float32, "token_counts": np.int64})
DENSE = Kind(
    "dense.json",
    "dense",
    {
        "maps": np.float32,
        "usable": np.bool_,
        "own": np.float32,
        "others": np.float32,
        "matrix": np.float16,
        "shift": np.float16,
        "shift_scale": np.float32,
    },
)
PATCH = Kind(
    "patch.json",
    "patch",
    {
        "values": np.float32,
        "sizes": np.float32,
        "folds": np.int64,
        "velocities": np.float32,
        "scores": np.float32,
        "drawn": np.float32,
        "drawn_rows": np.int32,
        "table.runs": np.uint8,
    },
)
# run.json of 25 pairs is about 20 kB; a file far larger is not one.
MAX_JSON_BYTES = 20 * 1024**2
TENSOR_NAME = PROBE.tensor_name


def write_run(
    folder: str | Path, tensors: Mapping[str, np.ndarray], description: Mapping[str, Any], kind: Kind = PROBE
) -> Path:
    """Write a run into a folder, replacing an earlier state of it.

    The tensor file goes first, then ``run.json`` (or what its kind has), each under a temporary name and put in place
    by ``os.replace``; tensor files that it no longer names, and what a killed save left, go last.

    Raises InputError: the description holds what JSON cannot, or more than is read again.
    """
    folder = Path(folder)
    content = save_safetensors({name: np.ascontiguousarray(value) for name, value in tensors.items()})
    digest = hashlib.sha256(content).hexdigest()
    name = f"{kind.stem}-{digest[:12]}.safetensors"
    described = {"schema_version": SCHEMA_VERSION, "tensor_file": name, "tensor_sha256": digest, **description}
    try:
        text = (json.dumps(described, indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode()
    except (TypeError, ValueError) as error:
        raise InputError(f"Tags and provenance of a run must be plain JSON values to be saved: {error}.") from error
    if len(text) > MAX_JSON_BYTES:
        raise InputError(
            f"The description of this run takes {len(text) / 1024**2:.0f} MB, and {MAX_JSON_BYTES // 1024**2} are read "
            "again; give fewer pairs or tags."
        )
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(folder / name, content)
    write_atomically(folder / kind.description, text)
    for stale in folder.iterdir():
        if stale.name != name and kind.leaves(stale):
            stale.unlink(missing_ok=True)
    return folder


def is_free(folder: str | Path, besides: Sequence[str] = ()) -> bool:
    """Whether a folder holds nothing, or only what a save left that was killed before there was a run.

    >>> is_free("runs/mine")
    """
    return all(
        path.name in besides or any(kind.leaves(path) for kind in (PROBE, DENSE, PATCH))
        for path in Path(folder).iterdir()
    )


def read_description(folder: str | Path, kind: Kind = PROBE) -> dict[str, Any]:
    """``run.json`` of a folder, or what the kind has, of this schema; else InputError that names the file."""
    path = Path(folder) / kind.description
    description = read_json(path)
    if not isinstance(description, dict) or "schema_version" not in description:
        raise InputError(f"{path} is not the description of a plantain run; point to a folder written by a run.")
    if description["schema_version"] != SCHEMA_VERSION:
        raise InputError(
            f"{path} has schema {description['schema_version']!r}; this version of plantain reads {SCHEMA_VERSION}. "
            "Load it with the version that wrote it, or run the probe again."
        )
    return description


def read_tensors(folder: str | Path, name: Any, digest: Any, kind: Kind = PROBE) -> tuple[Path, dict[str, np.ndarray]]:
    """The tensor file that a description names, held against its digest, and where it lies."""
    # The name comes from a file that may be a stranger's: only our own pattern is ever opened.
    folder = Path(folder)
    if not isinstance(name, str) or not kind.tensor_name.fullmatch(name):
        raise InputError(
            f"{folder / kind.description} names no valid tensor file; restore the folder or run the probe again."
        )
    path = folder / name
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"Cannot read {path}, which {kind.description} names: {error.strerror or error}.") from error
    if hashlib.sha256(content).hexdigest() != digest:
        raise InputError(
            f"{path} is damaged: its SHA-256 is not that of {kind.description}. Restore it or run the probe again."
        )
    try:
        tensors = load_safetensors(content)
    except Exception as error:  # the library raises its own, undocumented types
        raise InputError(f"{path} is not a safetensors file ({error}); run the probe again.") from error
    for wanted, dtype in kind.tensors.items():
        if wanted not in tensors or tensors[wanted].dtype != dtype:
            raise InputError(f"{path} lacks the {dtype.__name__} tensor {wanted!r}; run the probe again.")
    return path, tensors


def read_json(path: Path) -> Any:
    """A small JSON file, or an InputError that says which one is wrong and what to do."""
    try:
        if path.stat().st_size > MAX_JSON_BYTES:
            raise InputError(f"{path} is too large to be the description of a run; point to a folder written by a run.")
        return plain_json(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise InputError(f"{path.parent} holds no run (no {path.name}); point to a folder written by a run.") from error
    except OSError as error:
        raise InputError(f"Cannot read {path}: {error.strerror or error}.") from error
    except InputError:
        raise
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is not valid JSON; restore the folder or run the probe again.") from error


def plain_json(text: str) -> Any:
    """Parsed JSON that can be counted with, shown and saved again; else ValueError or RecursionError.

    >>> plain_json('{"seconds": NaN}')
    ValueError: NaN is no finite number

    The parser would also take NaN, infinity, lone surrogates, and whole numbers beyond any float, which fail later.
    """

    def number(kind: type[int] | type[float], digits: str) -> int | float:
        value = kind(digits)
        if not is_number(value):
            raise ValueError(f"{digits[:20]} is no finite number")
        return value

    real = partial(number, float)
    data = json.loads(text, parse_int=partial(number, int), parse_float=real, parse_constant=real)
    if "\\u" in text:  # a lone surrogate can only come from an escape
        json.dumps(data, ensure_ascii=False).encode()
    return data


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file under a temporary name beside it, and put it in place at once."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
