"""Noise levels as realised: what to hand to a scheduler that shifts, so that the transformer gets what was asked."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from plantain.errors import InputError

TOLERANCE = 1e-3  # how far a realised noise level may lie from the one asked for


def sigmas_for(pipe: Any, levels: Sequence[float], height: int, width: int) -> tuple[float, ...]:
    """Values to hand to the pipeline as ``sigmas`` for these noise levels, one a step, for a picture in pixels.

    >>> sigmas_for(pipe, (1, 0.75, 0.5, 0.25), 128, 128)      # Posebox
    (1.0, 0.2992..., 0.1246..., 0.0453...)

    A scheduler shifts what it is given, σ = kσ′ / (1 + (k − 1)σ′); inverted, σ′ = σ / (k − (k − 1)σ). With dynamic
    shifting k = exp(mu), and the Flux2 Klein pipeline takes mu from the number of image tokens and of steps
    (``compute_empirical_mu`` of diffusers); otherwise k is the scheduler's ``shift``.

    The levels are the scheduler's, ``realised_sigmas`` of a run's provenance. The transformer gets them in its own
    dtype: bfloat16 keeps eight bits, and 0.75 arrives there as 0.754.

    Raises
    ------
    InputError
        The scheduler changes levels in a way that is not this shift (Karras, a terminal value, …).
    """
    from diffusers.pipelines.flux2.pipeline_flux2_klein import compute_empirical_mu  # takes seconds

    n_image_tokens = math.prod(latent_grid(pipe, height, width))
    mu = float(compute_empirical_mu(image_seq_len=n_image_tokens, num_steps=len(levels)))
    k = _shift(pipe.scheduler.config, mu)
    sigmas = tuple(float(level / (k - (k - 1) * level)) for level in levels)
    # What its many options make of them is the scheduler's to say; a copy, since the pipeline's own holds a state.
    scheduler = type(pipe.scheduler).from_config(pipe.scheduler.config)
    scheduler.set_timesteps(sigmas=list(sigmas), mu=mu)
    check_realised(levels, [float(sigma) for sigma in scheduler.sigmas[: len(levels)]])
    return sigmas


def latent_grid(pipe: Any, height: int, width: int) -> tuple[int, int]:
    """Rows and columns of the image tokens that a picture of this size in pixels is made of."""
    multiple = pipe.vae_scale_factor * 2  # a token covers two by two latents
    return height // multiple, width // multiple


def check_realised(levels: Sequence[float], realised: Sequence[float]) -> None:
    """Refuse, with an InputError, realised noise levels further than ``TOLERANCE`` from those asked for."""
    if len(realised) != len(levels) or not np.allclose(realised, levels, rtol=0, atol=TOLERANCE):
        raise InputError(
            f"This model's scheduler makes the noise levels {_listed(realised)} where {_listed(levels)} were asked "
            "for; leave noise_levels out and give sigmas, which are handed over as they are."
        )


def _shift(config: Any, mu: float) -> float:
    """The k of the scheduler's shift."""
    if not config.get("use_dynamic_shifting", False):
        return float(config.get("shift", 1.0))
    return mu if config.get("time_shift_type", "exponential") == "linear" else math.exp(mu)


def _listed(levels: Sequence[float]) -> str:
    return ", ".join(f"{level:.4g}" for level in levels)
