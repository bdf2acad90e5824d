"""Pictures of a run: every prompt as the model draws it from the probe's own noise, checked files beside the run."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from plantain.data.disk import read_json, write_atomically
from plantain.data.prompts import PromptSet
from plantain.data.settings import ProbeConfig
from plantain.data.webp import decode, encode
from plantain.errors import InputError, is_number
from plantain.wording import shell_line

SCHEMA_VERSION = 1
FOLDER, DESCRIPTION = "pictures", "pictures.json"
# All pictures of a set are held at once: 1,300 pairs of 512 pixels a side.
MAX_BYTES = 2 * 1024**3
# Lossless noise is somewhat larger than its pixels; a file beyond that is none of ours.
_MAX_OVERHEAD = 64 * 1024
_OWN = re.compile(r"\d{2,5}-[ab]\.webp")
_TEMPORARY = re.compile(rf"\.({re.escape(DESCRIPTION)}|{_OWN.pattern})\.\d+\.tmp")


@dataclass(frozen=True)
class DrawConfig:
    """Settings that pictures are drawn with, all of them resolved.

    >>> DrawConfig(seed=0, num_inference_steps=12, guidance_scale=1.5, height=128, width=128)

    Raises InputError, naming the field, the value, and what is allowed.
    """

    seed: int
    num_inference_steps: int
    guidance_scale: float
    height: int
    width: int

    def __post_init__(self) -> None:
        ProbeConfig(**asdict(self))  # the same limits
        if self.height is None or self.width is None:
            raise InputError(f"height and width of pictures must be known; got {self.height!r} and {self.width!r}.")


@dataclass(frozen=True)
class Pictures:
    """Both pictures of the pairs drawn so far, as the files that are kept, and all that led to them.

    >>> pictures = load_pictures("assets/runs/posebox")
    >>> pictures.pixels.shape                                     # (n_pairs, 2, height, width, 3)

    Pixels are read back from the files also where these were never on a disk: who draws and who loads see the same.

    Raises InputError: not two files a pair, more of them than prompts, or more pixels than 2 GiB.
    """

    files: tuple[bytes, ...]  # WebP; a, b, a, b, …
    prompts: PromptSet  # the full set, of which the first n_pairs are drawn
    config: DrawConfig
    provenance: dict[str, Any]  # model, revision, weights fingerprints, device, dtype, versions, start, duration

    def __post_init__(self) -> None:
        n, most = len(self.files), 2 * len(self.prompts)
        if n % 2 or n > most:
            raise InputError(f"Pictures come in pairs, at most {most} for these prompts; got {n}.")
        size = most * self.config.height * self.config.width * 3
        if size > MAX_BYTES:
            raise InputError(
                f"{most:,} pictures of {self.config.width} × {self.config.height} pixels take {size / 1e9:.1f} GB of "
                f"memory, and at most {MAX_BYTES / 1e9:.1f} are held; use fewer pairs or smaller pictures."
            )

    @classmethod
    def from_pixels(
        cls, pixels: np.ndarray, prompts: PromptSet, config: DrawConfig, provenance: dict[str, Any]
    ) -> Pictures:
        """Pictures of a uint8 array, (n_pairs, 2, height, width, 3), through the files that they are kept in.

        >>> Pictures.from_pixels(pixels, prompts, config, {"model": "mine"})

        Raises InputError: another type or size than that of ``config``.
        """
        return cls((), prompts, config, provenance).extended(pixels, provenance)

    def extended(self, pixels: np.ndarray, provenance: dict[str, Any]) -> Pictures:
        """These pictures and those of further pairs, uint8 (n, 2, height, width, 3)."""
        wanted = (len(pixels), 2, self.config.height, self.config.width, 3)
        if pixels.shape != wanted or pixels.dtype != np.uint8:
            raise InputError(f"Pictures must be uint8 of the shape {wanted}; got {pixels.dtype} of {pixels.shape}.")
        more = tuple(encode(picture) for pair in pixels for picture in pair)
        return Pictures(self.files + more, self.prompts, self.config, provenance)

    @property
    def n_pairs(self) -> int:
        """Pairs drawn."""
        return len(self.files) // 2

    @property
    def complete(self) -> bool:
        return self.n_pairs == len(self.prompts)

    @cached_property
    def pixels(self) -> np.ndarray:
        """uint8, (n_pairs, 2, height, width, 3), read-only; sides [a, b]."""
        size = self.config.height, self.config.width
        pixels = np.empty((len(self.files), *size, 3), np.uint8)
        for picture, file in zip(pixels, self.files, strict=True):
            picture[:] = decode(file, *size)
        pixels.setflags(write=False)
        return pixels.reshape(-1, 2, *size, 3)

    @property
    def digest(self) -> str:
        """SHA-256 of prompts, settings and files: which pictures these are, for a record of what was read with them."""
        parts = [prompts_digest(self.prompts), asdict(self.config), *map(_sha256, self.files)]
        return _sha256(json.dumps(parts, sort_keys=True).encode())

    def first(self, n: int) -> Pictures:
        """The pictures as they were after the first ``n`` pairs."""
        return Pictures(self.files[: 2 * n], self.prompts, self.config, self.provenance)

    def save(self, run: str | Path) -> Path:
        """Write the pictures into ``RUN/pictures``, replacing an earlier state of them, and return that folder.

        >>> pictures.save("runs/mine")

        Each file under a temporary name and put in place at once, ``pictures.json`` last: a kill leaves the earlier
        state, or, where other pictures are replaced, a folder without a description, never a mixture.

        Raises InputError: the provenance holds what JSON cannot.
        """
        folder = Path(run) / FOLDER
        path, names = folder / DESCRIPTION, file_names(self.n_pairs)
        listed = [{"name": n, "sha256": _sha256(f)} for n, f in zip(names, self.files, strict=True)]
        described = {
            "schema_version": SCHEMA_VERSION,
            "complete": self.complete,
            "pairs_done": self.n_pairs,
            "config": asdict(self.config),
            "provenance": self.provenance,
            "prompts_sha256": prompts_digest(self.prompts),
            "files": listed,
            "prompts": self.prompts.to_dict(),
        }
        try:
            text = (json.dumps(described, indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode()
        except (TypeError, ValueError) as error:
            raise InputError(f"Provenance of pictures must be plain JSON values to be saved: {error}.") from error
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in zip(names, self.files, strict=True):
            file = folder / name
            if file.is_file():
                if file.stat().st_size == len(content) and file.read_bytes() == content:
                    continue  # saved before
                path.unlink(missing_ok=True)  # it describes other pictures
            write_atomically(file, content)
        write_atomically(path, text)
        for stale in folder.iterdir():
            if stale.name not in names and (_OWN.fullmatch(stale.name) or _TEMPORARY.fullmatch(stale.name)):
                stale.unlink(missing_ok=True)
        return folder


def load_pictures(run: str | Path, prompts: PromptSet | None = None) -> Pictures:
    """Read the pictures in ``RUN/pictures``, all or some (``pictures.complete`` says which), and check them.

    >>> load_pictures("assets/runs/posebox", load_result("assets/runs/posebox").prompts)

    ``prompts``: those that the pictures must be of; they are then the pictures' own. What makes prompts the same is
    their texts in order, not their tags.

    Raises InputError, naming the file: no pictures, another schema, other prompts, or a file that is missing, altered,
    of another size or mode, or no WebP picture.
    """
    folder = Path(run) / FOLDER
    path = folder / DESCRIPTION
    if not path.is_file():
        raise InputError(f"{run} holds no pictures (no {path}); draw them with `{shell_line('draw', run)}`.")
    anew = f"remove {folder} and draw the pictures again"
    again = f"restore it, or {anew}"
    try:
        description = read_json(path)
    except InputError as error:
        raise InputError(f"{path} cannot be read as JSON; {again}.") from error
    if not isinstance(description, dict) or description.get("schema_version") != SCHEMA_VERSION:
        raise InputError(f"{path} is no description of pictures of schema {SCHEMA_VERSION}; {again}.")
    try:
        config, provenance = DrawConfig(**description["config"]), description["provenance"]
        stored, listed = PromptSet.from_dict(description["prompts"]), description["files"]
        digests = {str(entry["name"]): str(entry["sha256"]) for entry in listed}
        n = len(listed) // 2
        # Names come from a file that may be a stranger's: only our own, each in its place, are ever opened.
        if list(digests) != file_names(n) or len(listed) != 2 * n or n != description["pairs_done"]:
            raise InputError("its list of files is not two for each pair")
        if prompts_digest(stored) != description["prompts_sha256"]:
            raise InputError("its prompts were altered")
        _check_provenance(provenance)
        Pictures((), stored, config, provenance)  # its limits, before anything is read
        if description["complete"] != (n == len(stored)) or n > len(stored):
            raise InputError("the number of pairs is not what it says")
    except (AttributeError, KeyError, TypeError, InputError) as error:
        raise InputError(f"{path} is damaged ({error}); {again}.") from error
    if prompts is not None and prompts_digest(prompts) != prompts_digest(stored):
        raise InputError(
            f"The pictures in {folder} are of other prompts ({stored.name!r}, {len(stored)} pairs) than "
            f"{prompts.name!r} ({len(prompts)} pairs); give the run they belong to, or {anew}."
        )
    files = tuple(_read(folder / name, digest, config, again) for name, digest in digests.items())
    return Pictures(files, prompts or stored, config, provenance)


def file_names(n_pairs: int) -> list[str]:
    """Names of the files of the first pairs, by index alone: ``00-a.webp``, ``00-b.webp``, ``01-a.webp``, …"""
    return [f"{index:02d}-{side}.webp" for index in range(n_pairs) for side in "ab"]


def prompts_digest(prompts: PromptSet) -> str:
    """SHA-256 of the texts of a set in their order, tags and names left out.

    >>> prompts_digest(plantain.load_prompts("dense_pose"))
    """
    return _sha256(json.dumps(prompts.prompts).encode())


def _check_provenance(provenance: Any) -> None:
    """What is reckoned with on going on must have the type that is expected; everything else is passed on as it is."""
    if not isinstance(provenance, dict):
        raise TypeError("provenance is no object")
    size = provenance.get("batch_size", 2)
    if not is_number(size) or size not in range(2, 10**6, 2):
        raise TypeError(f"batch_size of the provenance is {size!r}")
    if not is_number(provenance.get("seconds", 0)) or not isinstance(provenance.get("resumed", []), list):
        raise TypeError("seconds or resumed of the provenance are of another type")


def _read(path: Path, digest: str, config: DrawConfig, again: str) -> bytes:
    """One picture file, held against its digest and its size."""
    try:
        if path.stat().st_size > config.height * config.width * 4 + _MAX_OVERHEAD:
            raise InputError(f"{path} is too large for a picture of {config.width} × {config.height} pixels; {again}.")
        content = path.read_bytes()
    except FileNotFoundError as error:
        raise InputError(f"{path} is missing, which {DESCRIPTION} names; {again}.") from error
    except OSError as error:
        raise InputError(f"Cannot read {path}: {error.strerror or error}; {again}.") from error
    if _sha256(content) != digest:
        raise InputError(f"{path} was altered: its SHA-256 is not that of {DESCRIPTION}; {again}.")
    try:
        decode(content, config.height, config.width)
    except ValueError as error:
        raise InputError(f"{path} {error}; {again}.") from error
    return content


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
