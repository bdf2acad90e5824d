"""Settings of a probe, checked when they are made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from itertools import pairwise
from typing import Any

from plantain.errors import InputError, is_number


@dataclass(frozen=True)
class ProbeConfig:
    """Settings of a probe; every field has the protocol's default.

    >>> plantain.ProbeConfig(seed=0, n_seeds=3)

    Raises InputError, naming the field, the value, and what is allowed.
    """

    seed: int = 0  # first noise seed; a CPU generator, the same noise for every prompt
    n_seeds: int = 1  # noise seeds ``seed … seed + n_seeds - 1``
    num_inference_steps: int = 1  # denoising steps captured; the card's protocol takes one, at pure noise
    # Noise levels handed to the scheduler, one a step; it may shift them. None: the pipeline's own.
    sigmas: tuple[float, ...] | None = None
    guidance_scale: float = 1.0  # above 1 the empty prompt runs as well, and only the prompt's pass is kept
    height: int | None = None  # pixels; None: the autoencoder's sample size, at most 512
    width: int | None = None  # pixels; None: as ``height``
    batch_size: int | None = None  # prompts a forward, even, as no pair is split; None: by the size of the model
    channels_per_head: int = 16  # of a card head
    # Noise levels as the scheduler realises them, one a step, in place of ``sigmas``: its shift is inverted.
    noise_levels: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        def check(name: str, allowed: str, ok: bool) -> None:
            if not ok:
                raise InputError(f"{name} must be {allowed}; got {getattr(self, name)!r}.")

        def is_int(value: object, low: int, high: int) -> bool:
            return isinstance(value, int) and not isinstance(value, bool) and low <= value <= high

        check("seed", "a whole number from 0 to 2**63 - 1", is_int(self.seed, 0, 2**63 - 1))
        check("n_seeds", "a whole number from 1 to 1,000", is_int(self.n_seeds, 1, 1000))
        check("num_inference_steps", "a whole number from 1 to 1,000", is_int(self.num_inference_steps, 1, 1000))
        check("channels_per_head", "a whole number of at least 1", is_int(self.channels_per_head, 1, 2**31))
        guidance_ok = is_number(self.guidance_scale) and 1 <= self.guidance_scale <= 100
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
            ok = isinstance(given, Sequence) and all(is_number(s) and 0 < s <= 1 for s in given)
            check(name, "None or noise levels above 0 and at most 1", ok)
            object.__setattr__(self, name, tuple(float(s) for s in given))
            one_a_step = len(given) == self.num_inference_steps and all(a > b for a, b in pairwise(given))
            check(name, f"one level for each of the {self.num_inference_steps} steps, falling", one_a_step)
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
    def from_dict(cls, data: Any) -> ProbeConfig:
        """Settings from plain JSON values; what is left out has its default."""
        if not isinstance(data, dict):
            raise InputError(f"Settings are an object of names and values; got {data!r}.")
        known = [field.name for field in fields(cls)]
        unknown = sorted(map(str, set(data) - set(known)))
        if unknown:
            raise InputError(f"Unknown settings {', '.join(unknown)}; known: {', '.join(known)}.")
        return cls(**data)
