"""What a probe leaves behind: mean squares with their provenance, saved and loaded without pickle."""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load as load_safetensors
from safetensors.numpy import save as save_safetensors

from plantain.errors import InputError
from plantain.heads import HeadMap
from plantain.prompts import PromptSet

SCHEMA_VERSION = 1
RESULT_STREAMS = ("card", "image", "text", "padding")
TENSOR_NAME = re.compile(r"mean_square-[0-9a-f]{12}\.safetensors")
# run.json of 25 pairs is about 20 kB; a file far larger is not one.
MAX_JSON_BYTES = 20 * 1024**2
_MAX_SEED = 2**63 - 1


@dataclass(frozen=True)
class ProbeConfig:
    """Settings of a probe; every field has the protocol's default.

    >>> plantain.ProbeConfig(seed=0, n_seeds=3)

    Raises
    ------
    InputError
        Naming the field, the value, and what is allowed.
    """

    seed: int = 0
    """First noise seed; a CPU generator, the same noise for every prompt."""
    n_seeds: int = 1
    """Noise seeds ``seed … seed + n_seeds - 1``."""
    num_inference_steps: int = 1
    """Denoising steps captured; the card's protocol takes one, at pure noise."""
    sigmas: tuple[float, ...] | None = None
    """Noise levels handed to the scheduler, one a step; it may shift them. None: the pipeline's own."""
    guidance_scale: float = 1.0
    """Above 1 the transformer also runs on the empty prompt, and only the prompt's pass is kept."""
    height: int | None = None
    """Pixels; None: the autoencoder's sample size, at most 512."""
    width: int | None = None
    """Pixels; None: as ``height``."""
    batch_size: int | None = None
    """Prompts a forward, even, since a pair is never split; None: chosen by the size of the model."""
    channels_per_head: int = 16
    """Channels of a card head."""
    noise_levels: tuple[float, ...] | None = None
    """Noise levels as the scheduler realises them, one a step, in place of ``sigmas``: its shift is inverted."""

    def __post_init__(self) -> None:
        def check(name: str, allowed: str, ok: bool) -> None:
            if not ok:
                raise InputError(f"{name} must be {allowed}; got {getattr(self, name)!r}.")

        def is_int(value: object, low: int, high: int) -> bool:
            return isinstance(value, int) and not isinstance(value, bool) and low <= value <= high

        check("seed", "a whole number from 0 to 2**63 - 1", is_int(self.seed, 0, _MAX_SEED))
        check("n_seeds", "a whole number from 1 to 1,000", is_int(self.n_seeds, 1, 1000))
        check("num_inference_steps", "a whole number from 1 to 1,000", is_int(self.num_inference_steps, 1, 1000))
        check("channels_per_head", "a whole number of at least 1", is_int(self.channels_per_head, 1, 2**31))
        guidance_ok = _is_number(self.guidance_scale) and 1 <= self.guidance_scale <= 100
        check("guidance_scale", "a number from 1 to 100", guidance_ok)
        for name in ("height", "width"):
            value = getattr(self, name)
            check(name, "None or pixels from 8 to 4,096", value is None or is_int(value, 8, 4096))
        size_ok = self.batch_size is None or (is_int(self.batch_size, 2, 10**6) and self.batch_size % 2 == 0)
        check("batch_size", "None or an even number of prompts from 2", size_ok)
        for name in ("sigmas", "noise_levels"):
            given = getattr(self, name)
            if given is None:
                continue
            ok = isinstance(given, Sequence) and all(_is_number(s) and 0 < s <= 1 for s in given)
            check(name, "None or noise levels above 0 and at most 1", ok)
            object.__setattr__(self, name, tuple(float(s) for s in given))
            expected = f"one level for each of the {self.num_inference_steps} steps, falling"
            falling = all(a > b for a, b in pairwise(given))
            check(name, expected, len(given) == self.num_inference_steps and falling)
        check("noise_levels", "None where sigmas are given", self.noise_levels is None or self.sigmas is None)

    @property
    def seeds(self) -> list[int]:
        return list(range(self.seed, self.seed + self.n_seeds))

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values. Without ``noise_levels`` they are those of versions that did not have it."""
        data = asdict(self)
        if self.noise_levels is None:
            del data["noise_levels"]
        return data

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> ProbeConfig:
        unknown = sorted(set(data) - {f.name for f in fields(cls)})
        if unknown:
            raise InputError(f"Unknown settings {', '.join(unknown)}; known: {', '.join(f.name for f in fields(cls))}.")
        levels = {key: tuple(data[key]) for key in ("sigmas", "noise_levels") if data.get(key) is not None}
        return cls(**{**data, **levels})


@dataclass(frozen=True)
class ProbeResult:
    """Mean squares of every captured run for the pairs done so far, and all that led to them.

    >>> result = plantain.load_result("assets/runs/posebox-random")
    >>> result.differences(grouping="head").shape                 # (n_pairs, n_attention_heads)

    Attributes
    ----------
    mean_square : float32 array, shape (n_pairs, 2, n_seeds, n_steps, 3, n_runs)
        Sides [a, b]; streams [image, text, padding]; runs in the order of ``head_map``. Mean squares
        over tokens and channels: every view averages these and takes the root last.
    token_counts : int array, shape (n_pairs, 2, 3)
        Tokens of each stream: image, real text (the chat template's among them), padding.
    prompts : PromptSet
        The full set; the first ``n_pairs`` of it are done.
    config : ProbeConfig
    head_map : HeadMap
    provenance : dict
        Model, revision or weights fingerprint, device, dtype, resolved sizes, realised noise levels,
        library versions, start, duration.
    """

    mean_square: np.ndarray
    token_counts: np.ndarray
    prompts: PromptSet
    config: ProbeConfig
    head_map: HeadMap
    provenance: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        n = len(self.mean_square) if self.mean_square.ndim else 0
        expected = (n, 2, self.config.n_seeds, self.config.num_inference_steps, 3, self.head_map.n_runs)
        if self.mean_square.shape != expected or n > len(self.prompts):
            raise InputError(f"mean_square has the shape {self.mean_square.shape}; this run needs {expected}.")
        if self.mean_square.dtype != np.float32:
            raise InputError(f"mean_square must be float32; got {self.mean_square.dtype}.")
        if self.token_counts.shape != (n, 2, 3):
            raise InputError(f"token_counts has the shape {self.token_counts.shape}; this run needs {(n, 2, 3)}.")

    @property
    def n_pairs(self) -> int:
        """Pairs done."""
        return len(self.mean_square)

    @property
    def complete(self) -> bool:
        return self.n_pairs == len(self.prompts)

    @property
    def pair_ids(self) -> list[str]:
        return [pair.id for pair in self.prompts.pairs[: self.n_pairs]]

    @property
    def model(self) -> str:
        return str(self.provenance.get("model", "unknown model"))

    def first(self, n: int) -> ProbeResult:
        """The run as it was after its first ``n`` pairs."""
        return replace(self, mean_square=self.mean_square[:n], token_counts=self.token_counts[:n])

    def rms(
        self, grouping: str = "card", part: str = "all", stream: str = "card", seed: int | None = None, step: int = 0
    ) -> np.ndarray:
        """RMS of the projection's input, a value for each pair, side and head.

        >>> result.rms(grouping="head", stream="image").shape      # (n_pairs, 2, n_heads)

        Parameters
        ----------
        grouping : "card" (runs of 16 channels) or "head" (attention heads at the model's own width)
        part : "all", "attention" or "mlp"; an attention head has no MLP part
        stream : "card" (image tokens in joint blocks, all tokens in single blocks), "image", "text"
            (real tokens) or "padding"
        seed : one of ``config.seeds``, or None for the average of mean squares over seeds
        step : index of the denoising step

        Raises
        ------
        InputError
            An unknown view, a seed or step the run does not have, or a stream without tokens.
        """
        self.head_map.check_view(grouping, part)
        if stream not in RESULT_STREAMS:
            raise InputError(f"stream must be one of {', '.join(RESULT_STREAMS)}; got {stream!r}.")
        if seed is not None and seed not in self.config.seeds:
            raise InputError(f"This run has the seeds {self.config.seeds}; got {seed!r}.")
        if not 0 <= step < self.config.num_inference_steps:
            raise InputError(f"This run has the steps 0 to {self.config.num_inference_steps - 1}; got {step!r}.")
        values = self.mean_square[:, :, :, step].astype(np.float64)  # (P, 2, N, S, R)
        values = values.mean(axis=2) if seed is None else values[:, :, self.config.seeds.index(seed)]
        return np.sqrt(self.head_map.group(self._stream(values, stream), grouping, part))

    def differences(
        self, grouping: str = "card", part: str = "all", stream: str = "card", seed: int | None = None, step: int = 0
    ) -> np.ndarray:
        """B - A of ``rms`` with the same arguments: (n_pairs, n_heads)."""
        rms = self.rms(grouping, part, stream, seed, step)
        return rms[:, 1] - rms[:, 0]

    def _stream(self, values: np.ndarray, stream: str) -> np.ndarray:
        """(P, 2, S, R) mean squares -> (P, 2, R) of one stream."""
        if stream != "card":
            index = RESULT_STREAMS.index(stream) - 1
            if (self.token_counts[:, :, index] == 0).any():
                pair = self.pair_ids[int(np.argwhere(self.token_counts[:, :, index] == 0)[0, 0])]
                raise InputError(f"Pair {pair!r} has no {stream} tokens, so this stream has no values; use another.")
            return values[:, :, index]
        weights = self.token_counts / self.token_counts.sum(axis=2, keepdims=True)  # (P, 2, S)
        every = np.einsum("pas,pasr->par", weights, values)
        every[..., : self.head_map.n_joint_runs] = values[:, :, 0, : self.head_map.n_joint_runs]
        return every

    # -- on disk -------------------------------------------------------------------------------

    def save(self, folder: str | Path) -> Path:
        """Write the run into a folder, replacing an earlier state of it; a crash leaves one whole state.

        The tensor file goes first, then ``run.json``, each under a temporary name and put in place by
        ``os.replace``; tensor files that ``run.json`` no longer names go last.
        """
        folder = Path(folder)
        tensors = {"mean_square": self.mean_square, "token_counts": self.token_counts}
        content = save_safetensors({name: np.ascontiguousarray(value) for name, value in tensors.items()})
        digest = hashlib.sha256(content).hexdigest()
        name = f"mean_square-{digest[:12]}.safetensors"
        description = {
            "schema_version": SCHEMA_VERSION,
            "tensor_file": name,
            "tensor_sha256": digest,
            "complete": self.complete,
            "pairs_done": self.n_pairs,
            "config": self.config.to_dict(),
            "head_map": self.head_map.to_dict(),
            "provenance": self.provenance,
            "prompts": self.prompts.to_dict(),
        }
        try:
            text = (json.dumps(description, indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode()
        except (TypeError, ValueError) as error:
            raise InputError(f"Tags and provenance of a run must be plain JSON values to be saved: {error}.") from error
        folder.mkdir(parents=True, exist_ok=True)
        _write_atomically(folder / name, content)
        _write_atomically(folder / "run.json", text)
        for stale in folder.glob("mean_square-*.safetensors"):
            if TENSOR_NAME.fullmatch(stale.name) and stale.name != name:
                stale.unlink()
        return folder


def load_result(folder: str | Path) -> ProbeResult:
    """Read a saved run, whole or partial (``result.complete`` says which), and check it.

    >>> plantain.load_result("assets/runs/posebox-random")

    Raises
    ------
    InputError
        Not a run folder, another schema, a missing or altered tensor file, shapes that do not fit,
        or values that are not finite and non-negative; the file is named.
    """
    folder = Path(folder)
    path = folder / "run.json"
    description = _read_json(path)
    if not isinstance(description, dict) or "schema_version" not in description:
        raise InputError(f"{path} is not the description of a plantain run; point to a folder written by a run.")
    if description["schema_version"] != SCHEMA_VERSION:
        raise InputError(
            f"{path} has schema {description['schema_version']!r}; this version of plantain reads {SCHEMA_VERSION}. "
            "Load it with the version that wrote it, or run the probe again."
        )
    try:
        config = ProbeConfig.from_dict(description["config"])
        prompts = PromptSet.from_dict(description["prompts"])
        head_map = HeadMap(**description["head_map"])
        provenance, name, digest = description["provenance"], description["tensor_file"], description["tensor_sha256"]
        _check_provenance(provenance)
    except (AttributeError, KeyError, TypeError, InputError) as error:
        raise InputError(f"{path} is damaged ({error}); restore the folder or run the probe again.") from error
    # The name comes from a file that may be a stranger's: only our own pattern is ever opened.
    if not isinstance(name, str) or not TENSOR_NAME.fullmatch(name):
        raise InputError(f"{path} names no valid tensor file; restore the folder or run the probe again.")
    tensors = _read_tensors(folder / name, digest)
    mean_square, token_counts = tensors["mean_square"], tensors["token_counts"]
    try:
        result = ProbeResult(mean_square, token_counts, prompts, config, head_map, provenance)
    except InputError as error:
        raise InputError(f"{folder / name} does not fit {path}: {error}") from error
    if result.n_pairs != description.get("pairs_done"):
        said = description.get("pairs_done")
        raise InputError(f"{path} says {said!r} pairs, {name} holds {result.n_pairs}; run the probe again.")
    if not ((token_counts >= 0).all() and token_counts.any(axis=2).all()):
        raise InputError(f"{folder / name} holds token counts that cannot be; run the probe again.")
    if not (np.isfinite(mean_square).all() and (mean_square >= 0).all()):
        raise InputError(f"{folder / name} holds values that are not finite mean squares; run the probe again.")
    return result


def is_untrained_twin(twin: ProbeResult, of: ProbeResult) -> bool:
    """Whether ``twin`` is the whole same run on the same architecture with an untrained transformer.

    >>> is_untrained_twin(load_result("assets/runs/posebox-untrained"), load_result("assets/runs/posebox"))
    True

    Models are told by name: ``MODEL-untrained`` beside ``MODEL``.
    """
    same = (twin.prompts, twin.config, twin.head_map) == (of.prompts, of.config, of.head_map)
    # Sizes and dtype left to the model are resolved on the machine, and recorded there.
    resolved = all(twin.provenance.get(key) == of.provenance.get(key) for key in ("height", "width", "dtype"))
    return same and resolved and twin.complete and of.complete and twin.model == f"{of.model}-untrained"


def find_untrained_twin(result: ProbeResult, folders: Sequence[str | Path]) -> tuple[Path, ProbeResult] | None:
    """The first run among ``folders`` and just below them, by name, that is the untrained twin of a result.

    >>> find_untrained_twin(result, ["runs", "assets/runs"])
    """
    below = [path for folder in folders for path in (Path(folder), *sorted(Path(folder).glob("*/")))]
    for folder in below:
        try:
            # The small file first: tensor files of Klein are megabytes, and most runs are of other models.
            if not (folder / "run.json").is_file():
                continue
            description = _read_json(folder / "run.json")
            if description["provenance"]["model"] != f"{result.model}-untrained":
                continue
            twin = load_result(folder)
        except (InputError, LookupError, TypeError):
            continue  # a damaged neighbour is no reason to refuse this run
        if is_untrained_twin(twin, result):
            return folder, twin
    return None


def _check_provenance(provenance: Any) -> None:
    """What reports read from it must have the type they expect; everything else is passed on as it is."""
    wanted: dict[str, type | tuple[type, ...]] = {
        "versions": dict,
        "realised_sigmas": list,
        "seconds": (int, float),
        "resumed": list,
    }
    if not isinstance(provenance, dict):
        raise TypeError("provenance is no object")
    for key, kind in wanted.items():
        if key in provenance and not isinstance(provenance[key], kind):
            raise TypeError(f"{key} of the provenance is {provenance[key]!r}")
    if not all(_is_number(sigma) for sigma in provenance.get("realised_sigmas", [])):
        raise TypeError("realised_sigmas of the provenance are no numbers")


def _read_json(path: Path) -> Any:
    try:
        if path.stat().st_size > MAX_JSON_BYTES:
            raise InputError(f"{path} is too large to be the description of a run; point to a folder written by a run.")
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise InputError(f"{path.parent} holds no run (no run.json); point to a folder written by a run.") from error
    except OSError as error:
        raise InputError(f"Cannot read {path}: {error.strerror or error}.") from error
    except (ValueError, RecursionError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path} is not valid JSON; restore the folder or run the probe again.") from error


def _read_tensors(path: Path, digest: Any) -> dict[str, np.ndarray]:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"Cannot read {path}, which run.json names: {error.strerror or error}.") from error
    if hashlib.sha256(content).hexdigest() != digest:
        raise InputError(f"{path} is damaged: its SHA-256 is not that of run.json. Restore it or run the probe again.")
    try:
        tensors = load_safetensors(content)
    except Exception as error:  # the library raises its own, undocumented types
        raise InputError(f"{path} is not a safetensors file ({error}); run the probe again.") from error
    wanted = {"mean_square": np.float32, "token_counts": np.int64}
    for name, dtype in wanted.items():
        if name not in tensors or tensors[name].dtype != dtype:
            raise InputError(f"{path} lacks the {dtype.__name__} tensor {name!r}; run the probe again.")
    return tensors


def _write_atomically(path: Path, content: bytes) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
