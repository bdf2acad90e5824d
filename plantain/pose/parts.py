"""A body as ten parts: drawn as capsules between joints, and as shares of a grid of tokens."""

from collections.abc import Mapping, Sequence

import numpy as np

from plantain.errors import InputError

PARTS = (
    "head",
    "trunk",
    "left upper arm",
    "right upper arm",
    "left forearm",
    "right forearm",
    "left thigh",
    "right thigh",
    "left shin",
    "right shin",
)
"""In the order of the last axis of ``token_shares``; left and right are the body's own."""

# Capsules of each part: from joint to joint, and how wide in the part's width. Shoulders and hips are narrower bars
# across the trunk, and the neck is the lower end of the head, as Posebox draws them.
_CAPSULES: dict[str, tuple[tuple[str, str, float], ...]] = {
    "head": (("head", "head", 1.0), ("neck", "head", 0.34)),
    "trunk": (
        ("neck", "chest", 1.0),
        ("chest", "hips", 0.92),
        ("left shoulder", "right shoulder", 0.46),
        ("left hip", "right hip", 0.62),
    ),
}
for _side in ("left", "right"):
    _CAPSULES[f"{_side} upper arm"] = ((f"{_side} shoulder", f"{_side} elbow", 1.0),)
    _CAPSULES[f"{_side} forearm"] = ((f"{_side} elbow", f"{_side} hand", 1.0),)
    _CAPSULES[f"{_side} thigh"] = ((f"{_side} hip", f"{_side} knee", 1.0),)
    _CAPSULES[f"{_side} shin"] = ((f"{_side} knee", f"{_side} foot", 1.0),)
# What lies over what where no depth is known: limbs and head over the trunk, arms over the rest.
_FLAT = {"trunk": 0, "thigh": 1, "shin": 2, "head": 3, "upper arm": 4, "forearm": 5}


def draw_parts(
    points: Mapping[str, Sequence[float] | np.ndarray],
    widths: Mapping[str, float],
    size: int | tuple[int, int],
    depth: Mapping[str, float] | None = None,
) -> np.ndarray:
    """Which part of a body every pixel shows: int8, (height, width), an index into ``PARTS``, or -1 for the ground.

    >>> labels = draw_parts({"left hip": (40, 60), "left knee": (40, 90)}, {"left thigh": 8}, 128)
    >>> PARTS[labels[75, 40]]
    'left thigh'

    ``points`` are pixels (x to the right, y down, more is ignored) by joint: head, neck, chest, hips, and left and
    right shoulder, elbow, hand, hip, knee, foot. ``widths`` are pixels by part; the head's is its diameter. ``size``
    is the picture's side, or (height, width). A part without a width, or a capsule of it without its joints (not
    there, or NaN), is not drawn. ``depth``, by part, says how near each is, and the nearer covers the farther; None:
    limbs and head cover the trunk, and arms the rest.

    Raises
    ------
    InputError
        As ``part_distances``; a ``depth`` that lacks a part which is drawn.
    """
    distances = part_distances(points, widths, size)
    drawn = [part for k, part in enumerate(PARTS) if np.isfinite(distances[k, 0, 0])]
    if depth is None:
        depth = {part: _FLAT[part.removeprefix("left ").removeprefix("right ")] for part in PARTS}
    lacking = [part for part in drawn if part not in depth]
    if lacking:
        raise InputError(f"depth must say how near every part is; it lacks {lacking[0]!r}. Add it, or give no depth.")
    labels = np.full(distances.shape[1:], -1, np.int8)
    for part in sorted(drawn, key=lambda part: depth[part]):
        k = PARTS.index(part)
        labels[distances[k] <= 0] = k
    return labels


def part_distances(
    points: Mapping[str, Sequence[float] | np.ndarray], widths: Mapping[str, float], size: int | tuple[int, int]
) -> np.ndarray:
    """How far every pixel's middle lies outside each part, in pixels: float32, (10, height, width).

    >>> part_distances(points, widths, 128)[PARTS.index("trunk")] <= 0

    Below 0 inside the part; infinite for a part that is not drawn. Arguments as for ``draw_parts``.

    Raises
    ------
    InputError
        A width of no such part, or a size below 1.
    """
    unknown = [part for part in widths if part not in PARTS]
    if unknown:
        raise InputError(f"There is no part {unknown[0]!r}; the parts are {', '.join(PARTS)}.")
    height, width = (size, size) if isinstance(size, int) else size
    if min(height, width) < 1:
        raise InputError(f"A picture has at least one pixel each way; got {height} × {width}.")
    # A pixel's middle lies half a pixel in, as in every drawing library.
    y, x = np.arange(height, dtype=np.float32)[:, None] + 0.5, np.arange(width, dtype=np.float32)[None] + 0.5
    found = np.full((len(PARTS), height, width), np.inf, np.float32)
    for k, part in enumerate(PARTS):
        if part not in widths:
            continue
        for first, second, factor in _CAPSULES[part]:
            if first not in points or second not in points:
                continue
            a, b = (np.asarray(points[name], float)[:2] for name in (first, second))
            if np.isfinite(a).all() and np.isfinite(b).all():
                found[k] = np.minimum(found[k], _to_line(x, y, a, b) - factor * widths[part] / 2)
    return found


def token_shares(labels: np.ndarray, grid: tuple[int, int]) -> np.ndarray:
    """Share of every token's pixels that are each part: float32, (rows, columns, 10).

    >>> token_shares(draw_parts(points, widths, 128), (8, 8)).sum(axis=-1)    # the body's share

    ``labels``: (height, width), as ``draw_parts`` gives them; pixels that lie across tokens count with their area.

    Raises
    ------
    InputError
        As ``area_means``.
    """
    return area_means(np.asarray(labels)[..., None] == np.arange(len(PARTS)), grid)


def moved(mask_a: np.ndarray, mask_b: np.ndarray, grid: tuple[int, int]) -> np.ndarray:
    """Share of every token's pixels that are body in exactly one of two pictures: float32, (rows, columns).

    >>> moved(labels_a >= 0, labels_b >= 0, (8, 8))

    Masks are bool, or each pixel's own share in 0 … 1, of which the difference counts: (height, width) each.

    Raises
    ------
    InputError
        Masks of two sizes; and as ``area_means``.
    """
    a, b = np.asarray(mask_a, np.float32), np.asarray(mask_b, np.float32)
    if a.shape != b.shape:
        raise InputError(f"Two masks must be of one size; got {a.shape} and {b.shape}.")
    return area_means(np.abs(a - b), grid)


def area_means(values: np.ndarray, grid: tuple[int, int]) -> np.ndarray:
    """Mean over each token's area, exact where a token's edge cuts a pixel: float32, (rows, columns, …).

    >>> area_means(mask, (5, 7))                                  # of (128, 128): (5, 7)

    Raises
    ------
    InputError
        No picture (height, width, …), or a grid that is finer than it or below 1 × 1.
    """
    values = np.asarray(values, np.float32)
    rows, columns = grid
    if values.ndim < 2 or not 1 <= rows <= values.shape[0] or not 1 <= columns <= values.shape[1]:
        raise InputError(f"A grid of {rows} × {columns} tokens needs a picture at least as fine; got {values.shape}.")
    down, across = (_overlaps(n, size) for n, size in ((rows, values.shape[0]), (columns, values.shape[1])))
    by_row = np.tensordot(down, values, axes=(1, 0))  # (rows, width, …)
    found = np.moveaxis(np.tensordot(across, by_row, axes=(1, 1)), 0, 1)  # (rows, columns, …)
    return np.ascontiguousarray(found, np.float32)


def _overlaps(n: int, size: int) -> np.ndarray:
    """Which share of each of ``n`` tokens each of ``size`` pixels fills: (n, size), rows add up to 1."""
    edges = np.arange(n + 1) * size / n
    pixels = np.arange(size)
    inside = np.minimum(edges[1:, None], pixels + 1) - np.maximum(edges[:-1, None], pixels)
    return np.clip(inside, 0, None) * n / size


def _to_line(x: np.ndarray, y: np.ndarray, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Distance of pixels from the line between two points: (height, width)."""
    along = b - a
    length = float(along @ along)
    at = np.clip(((x - a[0]) * along[0] + (y - a[1]) * along[1]) / length, 0, 1) if length > 1e-12 else 0.0
    return np.hypot(x - a[0] - at * along[0], y - a[1] - at * along[1]).astype(np.float32)
