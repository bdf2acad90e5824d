"""The bodies that a prompt set's pictures show, on one grid of tokens: parts, outline, what moved, and keypoints."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from plantain.errors import InputError
from plantain.pose.keypoints import MIN_SCORE, drawn_size, labels_of_points
from plantain.pose.parts import PARTS, area_means, token_shares
from plantain.pose.parts import moved as share_moved

KEYPOINTS = 17
# A body of a prompt about one whole person: less is a speck, more is a close-up or a box taken for a body.
MIN_COVER, MAX_COVER = 0.01, 0.60
# Keypoints may lie outside the frame by this share of its sides: estimators round, and hands end beyond wrists.
_OUTSIDE = 0.02
# Shares are float32 means over up to a million pixels.
_TOLERANCE = 1e-3
_SIDES = ("A", "B")


@dataclass(frozen=True)
class Bodies:
    """Where the body of every picture of a prompt set lies, and which part of it, token by token.

    >>> bodies = bodies_of(plantain.load_prompts("dense_pose"), (8, 8))
    >>> bodies.parts.shape, bodies.usable.sum()
    ((25, 2, 8, 8, 10), 25)

    Attributes
    ----------
    parts : float32 array, shape (n_pairs, 2, rows, columns, 10)
        Share of each token that shows each of ``PARTS``; sides in the order A, B.
    body : float32 array, shape (n_pairs, 2, rows, columns)
        Share of each token that shows the body: its parts added up.
    moved : float32 array, shape (n_pairs, rows, columns)
        Share of each token that is body in exactly one of the pair's two pictures; 0 where a side is not found.
    found : bool array, shape (n_pairs, 2)
        Whether a body was found; where not, its maps are 0 and its points NaN.
    points : float32 array, shape (n_pairs, 2, 17, 3)
        Keypoints in COCO's order: x and y in pixels of a picture of ``size``, and a score; NaN where not seen.
    source : what the bodies were read from
    notes : a sentence for each picture that is left out
    size : (height, width) of the pictures, in pixels

    Raises InputError: arrays of shapes that do not belong together.
    """

    parts: np.ndarray
    body: np.ndarray
    moved: np.ndarray
    found: np.ndarray
    points: np.ndarray
    source: str
    notes: tuple[str, ...] = ()
    size: tuple[int, int] = (128, 128)

    def __post_init__(self) -> None:
        n, rows, columns = self.moved.shape if self.moved.ndim == 3 else (0, 0, 0)
        wanted = {
            "parts": (n, 2, rows, columns, len(PARTS)),
            "body": (n, 2, rows, columns),
            "moved": (n, rows, columns),
            "found": (n, 2),
            "points": (n, 2, KEYPOINTS, 3),
        }
        for name, shape in wanted.items():
            if getattr(self, name).shape != shape or not n:
                raise InputError(
                    f"{name} of bodies must be {shape}, to go with what moved; got {getattr(self, name).shape}."
                )

    @property
    def usable(self) -> np.ndarray:
        """Pairs whose two sides are found: bool, (n_pairs,)."""
        return np.asarray(self.found.all(axis=1))

    @property
    def grid(self) -> tuple[int, int]:
        """Rows and columns of tokens."""
        return self.moved.shape[1], self.moved.shape[2]


def check_bodies(bodies: Bodies, ids: Sequence[str]) -> Bodies:
    """The same bodies without those that cannot be: such a picture is not found, its maps are 0, and a note names it.

    >>> check_bodies(bodies, [pair.id for pair in prompts.pairs]).notes

    A picture is left out where a share is no number in 0 … 1, its parts do not add up to its body, the body covers less
    than 1 % or more than 60 % of the frame, or a keypoint lies outside the frame. ``ids`` name the pairs. Nothing is
    mended or guessed.

    Raises
    ------
    InputError
        Not one id a pair.
    """
    if len(ids) != len(bodies.found):
        raise InputError(f"Every pair of bodies needs its id; got {len(ids)} ids for {len(bodies.found)} pairs.")
    reasons = {}
    for pair, side in np.argwhere(bodies.found):
        why = _implausible(bodies, int(pair), int(side))
        if why:
            reasons[int(pair), int(side)] = why
    return leave_out(bodies, ids, reasons)


def leave_out(bodies: Bodies, ids: Sequence[str], reasons: dict[tuple[int, int], str]) -> Bodies:
    """Take pictures out, by (pair, side), each with the reason that its note gives.

    >>> leave_out(bodies, ids, {(0, 1): "no person was found"}).notes
    ("Pair 'fisherman', B: no person was found; it is left out.",)
    """
    parts, body, moved, found = (getattr(bodies, name).copy() for name in ("parts", "body", "moved", "found"))
    points = bodies.points.copy()
    notes = list(bodies.notes)
    for (pair, side), why in sorted(reasons.items()):
        parts[pair, side] = body[pair, side] = moved[pair] = 0
        points[pair, side] = np.nan
        found[pair, side] = False
        notes.append(f"Pair {ids[pair]!r}, {_SIDES[side]}: {why}; it is left out.")
    return replace(bodies, parts=parts, body=body, moved=moved, found=found, points=points, notes=tuple(notes))


def stack_bodies(
    maps: Iterable[tuple[np.ndarray, np.ndarray, np.ndarray]],
    moved: Iterable[np.ndarray],
    source: str,
    size: tuple[int, int],
) -> Bodies:
    """Bodies of pairs from each picture's (parts, body, points), in the order a, b, a, b, …, and each pair's moved.

    >>> stack_bodies(zip(parts, body, points), moved, "rendered from the words", (128, 128))

    All are taken to be found; ``leave_out`` and ``check_bodies`` come after.
    """
    parts, body, points = (np.stack(arrays).astype(np.float32) for arrays in zip(*maps, strict=True))
    n = len(parts) // 2
    return Bodies(
        parts=parts.reshape(n, 2, *parts.shape[1:]),
        body=body.reshape(n, 2, *body.shape[1:]),
        moved=np.stack(list(moved)).astype(np.float32),
        found=np.ones((n, 2), bool),
        points=points.reshape(n, 2, KEYPOINTS, 3),
        source=source,
        size=size,
    )


def bodies_from_points(
    points: np.ndarray,
    size: int | tuple[int, int],
    grid: tuple[int, int],
    ids: Sequence[str],
    source: str = "keypoints",
) -> Bodies:
    """Bodies of a prompt set's pictures from their keypoints, with what is missing named.

    >>> points = detect_points(models, pictures)                  # of a, b, a, b, …: (2 · n_pairs, 17, 3)
    >>> bodies_from_points(points.reshape(-1, 2, 17, 3), 1024, (64, 64), [pair.id for pair in prompts.pairs])

    ``points`` are (n_pairs, 2, 17, 3), x and y in pixels of pictures of ``size``, NaN where nobody was found; a
    keypoint with a score below ``MIN_SCORE`` is not seen. Without both shoulders and both hips there is no body. A limb
    that is not seen has no map: the picture stays, with a note.

    Raises
    ------
    InputError
        Points of another shape, not one id a pair, or a grid finer than the pictures, or than 256 a side.
    """
    points = np.array(points, np.float32)
    if points.ndim != 4 or points.shape[1:] != (2, KEYPOINTS, 3) or len(points) != len(ids) or not len(ids):
        raise InputError(f"points must be (n_pairs, 2, {KEYPOINTS}, 3), for {len(ids)} pairs; got {points.shape}.")
    nobody = np.isnan(points).all(axis=(2, 3))
    points[~(points[..., 2] >= MIN_SCORE)] = np.nan
    shape = (size, size) if isinstance(size, int) else size
    maps, reasons, notes = [], {}, []
    outlines: list[np.ndarray] = []
    for pair, side in np.ndindex(len(points), 2):
        drawn = labels_of_points(points[pair, side], shape)
        if drawn is None:
            reasons[pair, side] = "no person was found" if nobody[pair, side] else "shoulders and hips are not all seen"
        labels, unseen = drawn or (np.full(drawn_size(shape)[0], -1, np.int8), ())
        if unseen:
            notes.append(f"Pair {ids[pair]!r}, {_SIDES[side]}: {', '.join(unseen)} not seen; the map has none there.")
        maps.append((token_shares(labels, grid), area_means(labels >= 0, grid), points[pair, side]))
        outlines.append(labels >= 0)
    moved = [share_moved(a, b, grid) for a, b in zip(outlines[::2], outlines[1::2], strict=True)]
    bodies = replace(stack_bodies(maps, moved, source, shape), notes=tuple(notes))
    return check_bodies(leave_out(bodies, ids, reasons), ids)


def _implausible(bodies: Bodies, pair: int, side: int) -> str:
    """Why a picture's body cannot be; empty where it can."""
    parts, body, points = bodies.parts[pair, side], bodies.body[pair, side], bodies.points[pair, side]
    for name, shares in (("parts", parts), ("body", body), ("moved", bodies.moved[pair])):
        if not np.isfinite(shares).all() or shares.min() < -_TOLERANCE or shares.max() > 1 + _TOLERANCE:
            return f"its shares of {name} are no numbers in 0 … 1"
    if np.abs(parts.sum(axis=-1) - body).max() > _TOLERANCE:
        return "its parts do not add up to its body"
    cover = float(body.mean())
    if not MIN_COVER <= cover <= MAX_COVER:
        return f"its body covers {100 * cover:.1f} % of the frame, not {100 * MIN_COVER:.0f} to {100 * MAX_COVER:.0f} %"
    limits = np.array(bodies.size[::-1])
    seen = points[np.isfinite(points).all(axis=1), :2]
    if (seen < -_OUTSIDE * limits).any() or (seen > (1 + _OUTSIDE) * limits).any():
        return "a keypoint lies outside the frame"
    return ""
