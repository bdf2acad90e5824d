"""What a probe leaves behind: mean squares with their provenance."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from plantain.data import disk
from plantain.data.heads import HeadMap
from plantain.data.prompts import PromptSet
from plantain.data.settings import ProbeConfig
from plantain.data.view import View
from plantain.errors import InputError, is_number

UNKNOWN = "unknown model"
_STREAMS = ("image", "text", "padding")
# Embedded models, whose names are nobody else's: their early runs do not tell the seed of their weights.
DRAWN_ANEW = ("posebox-untrained", "posebox-permuted", "posebox-random")


@dataclass(frozen=True)
class ProbeResult:
    """Mean squares of every captured run for the pairs done so far, and all that led to them.

    >>> result = plantain.load_result("assets/runs/posebox-random")
    >>> result.differences(grouping="head").shape                 # (n_pairs, n_attention_heads)

    Mean squares are over tokens and channels: every view averages these and takes the root last. ``provenance`` has
    model, revision or weights fingerprint, device, dtype, resolved sizes, realised noise levels, library versions,
    start, and duration. Sides are [a, b], streams [image, real text with the chat template's, padding].
    """

    mean_square: np.ndarray  # float32, (n_pairs, 2 sides, n_seeds, n_steps, 3 streams, n_runs in ``head_map``'s order)
    token_counts: np.ndarray  # int, (n_pairs, 2 sides, 3 streams)
    prompts: PromptSet  # the full set; the first ``n_pairs`` of it are done
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
        return str(self.provenance.get("model", UNKNOWN))

    def first(self, n: int) -> ProbeResult:
        """The run as it was after its first ``n`` pairs."""
        return replace(self, mean_square=self.mean_square[:n], token_counts=self.token_counts[:n])

    @property
    def untrained(self) -> bool:
        """Whether the transformer's weights were drawn anew, as the run's provenance has it."""
        return "weights_seed" in self.provenance or self.model in DRAWN_ANEW

    @property
    def levels(self) -> tuple[float, ...]:
        """The noise level of every captured step, as realised; empty where the run does not tell them."""
        found = self.provenance.get("realised_sigmas", [])
        return tuple(float(s) for s in found) if len(found) == self.config.num_inference_steps else ()

    def rms(
        self,
        grouping: View | str = "card",
        part: str = "all",
        stream: str = "card",
        seed: int | None = None,
        step: int = 0,
    ) -> np.ndarray:
        """RMS of the projection's input, a value for each pair, side and head.

        >>> result.rms(grouping="head", stream="image").shape      # (n_pairs, 2, n_heads)
        >>> result.rms(View("head", stream="image")).shape         # the same: a view says all of it

        Raises InputError: an unknown view, a seed or step the run does not have, or a stream without tokens.
        """
        view = View.of(grouping, part, stream, seed, step)
        if view.seed is not None and view.seed not in self.config.seeds:
            raise InputError(f"This run has the seeds {self.config.seeds}; got {view.seed!r}.")
        if not 0 <= view.step < self.config.num_inference_steps:
            raise InputError(f"This run has the steps 0 to {self.config.num_inference_steps - 1}; got {view.step!r}.")
        values = self.mean_square[:, :, :, view.step].astype(np.float64)  # (P, 2, N, S, R)
        values = values.mean(axis=2) if view.seed is None else values[:, :, self.config.seeds.index(view.seed)]
        return np.sqrt(self.head_map.group(self._stream(values, view.stream), view))

    def differences(self, grouping: View | str = "card", *fields: Any, **named: Any) -> np.ndarray:
        """B - A of ``rms`` with the same arguments: (n_pairs, n_heads)."""
        rms = self.rms(grouping, *fields, **named)
        return rms[:, 1] - rms[:, 0]

    def _stream(self, values: np.ndarray, stream: str) -> np.ndarray:
        """(P, 2, S, R) mean squares -> (P, 2, R) of one stream."""
        if stream != "card":
            index = _STREAMS.index(stream)
            lacking = (self.token_counts[:, :, index] == 0).any(axis=1)
            if lacking.any():
                pair = self.pair_ids[int(lacking.argmax())]
                raise InputError(f"Pair {pair!r} has no {stream} tokens, so this stream has no values; use another.")
            return values[:, :, index]
        weights = self.token_counts / self.token_counts.sum(axis=2, keepdims=True)  # (P, 2, S)
        every = np.einsum("pas,pasr->par", weights, values)
        joint = slice(self.head_map.n_joint_runs)
        every[..., joint] = values[:, :, 0, joint]
        return every

    def save(self, folder: str | Path) -> Path:
        """Write the run into a folder, replacing an earlier state of it; a crash leaves one whole state.

        >>> result.save("runs/mine")
        """
        tensors = {"mean_square": self.mean_square, "token_counts": self.token_counts}
        description = {
            "complete": self.complete,
            "pairs_done": self.n_pairs,
            "config": self.config.to_dict(),
            "head_map": self.head_map.to_dict(),
            "provenance": self.provenance,
            "prompts": self.prompts.to_dict(),
        }
        return disk.write_run(folder, tensors, description)


def load_result(folder: str | Path) -> ProbeResult:
    """Read a saved run, whole or partial (``result.complete`` says which), and check it.

    >>> plantain.load_result("assets/runs/posebox-random")

    Raises InputError: not a run folder, another schema, a missing or altered tensor file, shapes that do not fit, or
    values that are not finite and non-negative; the file is named.
    """
    path = Path(folder) / "run.json"
    description = disk.read_description(folder)
    try:
        config = ProbeConfig.from_dict(description["config"])
        prompts = PromptSet.from_dict(description["prompts"])
        head_map = HeadMap(**description["head_map"])
        provenance, name, digest = description["provenance"], description["tensor_file"], description["tensor_sha256"]
        _check_provenance(provenance)
    except (AttributeError, KeyError, TypeError, InputError) as error:
        raise InputError(f"{path} is damaged ({error}); restore the folder or run the probe again.") from error
    file, tensors = disk.read_tensors(folder, name, digest)
    mean_square, token_counts = tensors["mean_square"], tensors["token_counts"]
    try:
        result = ProbeResult(mean_square, token_counts, prompts, config, head_map, provenance)
    except InputError as error:
        raise InputError(f"{file} does not fit {path}: {error}") from error
    said = description.get("pairs_done")
    if result.n_pairs != said:
        raise InputError(f"{path} says {said!r} pairs, {name} holds {result.n_pairs}; run the probe again.")
    if not ((token_counts >= 0).all() and token_counts.any(axis=2).all()):
        raise InputError(f"{file} holds token counts that cannot be; run the probe again.")
    if not (np.isfinite(mean_square).all() and (mean_square >= 0).all()):
        raise InputError(f"{file} holds values that are not finite mean squares; run the probe again.")
    return result


@dataclass(frozen=True)
class Listed:
    """What ``run.json`` says of a run, its values unread: enough to list it among a thousand."""

    model: str
    prompts: str  # the set's name
    n_pairs: int  # done
    n_wanted: int
    fingerprint: Any = None  # of the weights

    @property
    def complete(self) -> bool:
        return self.n_pairs == self.n_wanted


def peek(folder: str | Path) -> Listed:
    """Read what a saved run is, without its tensors; ``load_result`` checks it.

    >>> peek("assets/runs/posebox").model
    'posebox'

    Raises InputError: no ``run.json`` of this schema, or one that does not tell.
    """
    description = disk.read_description(folder)
    try:
        prompts, known = description["prompts"], description["provenance"]
        model, fingerprint = str(known.get("model", UNKNOWN)), known.get("weights_fingerprint")
        name, n_pairs, n_wanted = str(prompts["name"]), description["pairs_done"], len(prompts["pairs"])
    except (AttributeError, KeyError, TypeError) as error:
        path = Path(folder) / "run.json"
        raise InputError(f"{path} is damaged ({error}); restore the folder or run the probe again.") from error
    return Listed(model, name, n_pairs, n_wanted, fingerprint)


def _check_provenance(provenance: Any) -> None:
    """What reports read from it must have the type they expect; everything else is passed on as it is."""
    wanted = {"versions": dict, "realised_sigmas": list, "seconds": int | float, "resumed": list}
    if not isinstance(provenance, dict):
        raise TypeError("provenance is no object")
    for key, kind in wanted.items():
        if key in provenance and not isinstance(provenance[key], kind):
            raise TypeError(f"{key} of the provenance is {provenance[key]!r}")
    if not all(is_number(sigma) for sigma in provenance.get("realised_sigmas", [])):
        raise TypeError("realised_sigmas of the provenance are no numbers")
