"""Pictures given to the model in place of pure noise: canonical figures to fit on, expressive ones to read."""

from dataclasses import dataclass

import numpy as np

from plantain.errors import InputError


@dataclass(frozen=True)
class Figures:
    """For every pair, canonical figures of varied place, turn and size, and its expressive figure.

    >>> figures = canonical_figures(prompts, n_variants=4, seed=0, grid=(8, 8))

    Attributes
    ----------
    canonical : uint8, shape (n_pairs, n_variants, H, W, 3)
        Shown with prompt A; ``canonical_parts``, float32 (n_pairs, n_variants, rows, columns, n_parts), and
        ``canonical_body``, float32 (n_pairs, n_variants, rows, columns), are shares of every token.
    expressive : uint8, shape (n_pairs, H, W, 3)
        Shown with prompt B; ``expressive_parts`` and ``expressive_body`` as above, without variants.
    source : where they come from, in words
    """

    canonical: np.ndarray
    canonical_parts: np.ndarray
    canonical_body: np.ndarray
    expressive: np.ndarray
    expressive_parts: np.ndarray
    expressive_body: np.ndarray
    source: str

    def __post_init__(self) -> None:
        n, v = self.canonical.shape[:2]
        grid = self.expressive_body.shape[1:]
        wanted = {
            "canonical_parts": (n, v, *grid, self.expressive_parts.shape[-1]),
            "canonical_body": (n, v, *grid),
            "expressive": (n, *self.canonical.shape[2:]),
            "expressive_parts": (n, *grid, self.expressive_parts.shape[-1]),
        }
        for name, shape in wanted.items():
            if getattr(self, name).shape != shape:
                raise InputError(f"{name} of the figures has the shape {getattr(self, name).shape}; expected {shape}.")
