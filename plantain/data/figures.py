"""Pictures given to the model in place of pure noise: canonical figures to fit on, expressive ones to read."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from plantain.data.bodies import Bodies
from plantain.errors import InputError
from plantain.pose.keypoints import labels_of_points
from plantain.pose.moved import TURNS, move_within, outline_of
from plantain.pose.parts import area_means, token_shares


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
    notes : a sentence for each pair without figures, whose maps are 0
    """

    canonical: np.ndarray
    canonical_parts: np.ndarray
    canonical_body: np.ndarray
    expressive: np.ndarray
    expressive_parts: np.ndarray
    expressive_body: np.ndarray
    source: str
    notes: tuple[str, ...] = ()

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


def figures_from_pictures(
    pixels: np.ndarray, bodies: Bodies, ids: Sequence[str], n_variants: int = 4, seed: int = 0
) -> Figures:
    """Figures out of the pictures that a model drew itself: every A moved about its frame, and every B where it stands.

    >>> figures = figures_from_pictures(pictures.pixels, bodies, [pair.id for pair in prompts.pairs])
    >>> figures.canonical.shape                                   # (n_pairs, 4, height, width, 3)

    ``pixels`` are uint8, (n_pairs, 2, height, width, 3), and ``bodies`` those that were found in them. Each variant
    is its A under one map of the plane (``move_within``: place, size, a few degrees of turn, mirrored with left and
    right swapped), pixels and keypoints alike; its parts are drawn from the moved keypoints as those of ``bodies``
    are. A pair with a side that has no body, or an A that fits nowhere, has none and is named in ``notes``.

    Not ``posebox.truth.canonical_figures``: the background moves with the figure, nothing is seen from another side,
    and whatever A shows is taken for a T-pose.

    Raises
    ------
    InputError
        Pixels of another size or number than the bodies', not one id a pair, fewer than one variant, a negative seed,
        or no pair with figures.
    """
    if n_variants < 1 or seed < 0:
        raise InputError(f"Give at least one variant and a seed of 0 or more; got {n_variants} and {seed}.")
    wanted = (len(ids), 2, *bodies.size, 3)
    if pixels.shape != wanted or pixels.dtype != np.uint8 or len(bodies.found) != len(ids):
        raise InputError(
            f"Figures need the uint8 pictures that bodies were found in, {wanted}, and {len(bodies.found)} ids; got "
            f"{pixels.dtype} of {pixels.shape} and {len(ids)} ids."
        )
    (n, v), grid = (len(ids), n_variants), bodies.grid
    canonical = np.zeros((n, v, *bodies.size, 3), np.uint8)
    parts, body = np.zeros((n, v, *bodies.parts.shape[2:]), np.float32), np.zeros((n, v, *grid), np.float32)
    notes = []
    for i, points in enumerate(bodies.points[:, 0]):
        # A generator a pair, so that one without a body changes no other's figures.
        rng = np.random.default_rng([seed, i])
        copies = list(_copies(pixels[i, 0], points, v, rng)) if bodies.usable[i] else []
        if len(copies) < v:
            why = "A fits nowhere in its frame" if bodies.usable[i] else "its pictures do not both show a body"
            notes.append(f"Pair {ids[i]!r}: {why}; it has no canonical figures.")
            continue
        for j, (picture, labels) in enumerate(copies):
            canonical[i, j], parts[i, j] = picture, token_shares(labels, grid)
            body[i, j] = area_means(labels >= 0, grid)
    if not body.any():
        raise InputError("No pair's pictures both show a body, so there are no figures to move.")
    source = (
        f"its own pictures, {v} copies of every A moved, scaled, turned by up to {TURNS[1]:g} degrees and mirrored, "
        f"background and all (seed {seed})"
    )
    expressive = pixels[:, 1].copy(), bodies.parts[:, 1].copy(), bodies.body[:, 1].copy()
    return Figures(canonical, parts, body, *expressive, source, tuple(notes))


def _copies(
    picture: np.ndarray, points: np.ndarray, n: int, rng: np.random.Generator
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """A picture moved ``n`` times with its keypoints, and the labels of their parts; fewer where there is no room."""
    size = picture.shape[0], picture.shape[1]
    outline = outline_of(points, size)
    if outline is None:
        return
    for _ in range(n):
        move = move_within(outline, size, rng)
        drawn = None if move is None else labels_of_points(move.points(points), size)
        if move is not None and drawn is not None:
            yield move.picture(picture), drawn[0]
