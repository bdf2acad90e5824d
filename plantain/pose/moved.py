"""One picture's figure elsewhere: the same pixels and keypoints under one map of the plane, mirrored or not."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from plantain.errors import InputError
from plantain.pose.keypoints import COCO, labels_of_points

SCALES, TURNS = (0.75, 1.05), (-8.0, 8.0)
"""How much figures of pictures vary: size, and turn in the picture's plane in degrees, beyond which nobody stands."""
# The least distance of a figure from the picture's edge, in larger sides: keypoints know neither hats nor hands.
_MARGIN = 0.04
# A T-pose turned and enlarged may not fit; one that was whole in its picture does so at the least size.
_DRAWS = 100
_OTHER = {"left": "right", "right": "left"}
# Where the keypoint of the other side stands, which is what a mirror shows.
_SWAPPED = [COCO.index(f"{_OTHER[s]} {part}" if s else part) for s, _, part in (name.rpartition(" ") for name in COCO)]


@dataclass(frozen=True)
class Move:
    """A point p of a picture goes to ``matrix @ p + offset``; where ``mirrored``, left and right are swapped as well.

    >>> move = Move.about((64, 64), scale=0.8, turn=5, shift=(10, 0), mirrored=True)
    >>> move.points(points), move.picture(picture)

    matrix : float64, (2, 2), offset : float64, (2,); of x to the right and y down, in pixels, whose middles lie half a
    pixel in.
    """

    matrix: np.ndarray
    offset: np.ndarray
    mirrored: bool = False

    @classmethod
    def about(
        cls,
        middle: tuple[float, float],
        scale: float = 1.0,
        turn: float = 0.0,
        shift: tuple[float, float] = (0.0, 0.0),
        mirrored: bool = False,
    ) -> Move:
        """Mirrored left to right, scaled and turned (degrees, clockwise) about a point, then shifted."""
        angle = np.deg2rad(turn)
        turned = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        matrix = scale * turned @ np.diag([-1.0 if mirrored else 1.0, 1.0])
        return cls(matrix, np.asarray(middle, float) + shift - matrix @ np.asarray(middle, float), mirrored)

    def points(self, points: np.ndarray) -> np.ndarray:
        """COCO's keypoints, (17, 3), where the moved picture shows them; what is not seen (NaN) stays so.

        Raises InputError: points of another shape.
        """
        points = np.asarray(points, float)
        if points.shape != (len(COCO), 3):
            raise InputError(f"A body has {len(COCO)} keypoints of x, y and score; got an array of {points.shape}.")
        found = np.concatenate([points[:, :2] @ self.matrix.T + self.offset, points[:, 2:]], axis=1)
        return (found[_SWAPPED] if self.mirrored else found).astype(np.float32)

    def picture(self, picture: np.ndarray, order: int = 1) -> np.ndarray:
        """Pixels, (height, width, …), moved within their frame; beyond an edge its last pixels are continued.

        ``order``: of the spline between pixels, 1 for pictures, 0 for labels. All of the picture moves, the background
        with the figure. The type stays; integers are rounded.
        """
        from scipy.ndimage import affine_transform  # here, since reading a run needs no picture

        back = np.linalg.inv(self.matrix)
        # From (x, y), pixel middles half in, to (row, column), pixel middles at whole numbers.
        start = (back @ (0.5 - self.offset) - 0.5)[::-1]
        flat = picture.reshape(*picture.shape[:2], -1)
        moved = [
            affine_transform(flat[..., k].astype(np.float32), back[::-1, ::-1], start, order=order, mode="nearest")
            for k in range(flat.shape[-1])
        ]
        values = np.stack(moved, axis=-1).reshape(picture.shape)
        return (np.rint(values) if np.issubdtype(picture.dtype, np.integer) else values).astype(picture.dtype)


def outline_of(points: np.ndarray, size: tuple[int, int]) -> np.ndarray | None:
    """Corners of the pixels that a body covers, limbs at their width, beyond the frame too: (n, 2); None without one.

    >>> outline_of(bodies.points[0, 0], bodies.size).max(axis=0)

    ``points`` are COCO's, (17, 3), in pixels of a picture of ``size``, (height, width); without both shoulders and
    both hips there is no body. Raises InputError: points of another shape.
    """
    pad = max(size) // 4  # more than any limb is wide
    wide = (size[0] + 2 * pad, size[1] + 2 * pad)
    drawn = labels_of_points(np.asarray(points, float) + np.array([pad, pad, 0]), wide)
    if drawn is None:
        return None
    rows, columns = np.nonzero(drawn[0] >= 0)
    corners = np.concatenate([np.stack([columns + i, rows + j], axis=1) for i in (0, 1) for j in (0, 1)])
    return np.asarray(corners * (np.array(wide[::-1]) / drawn[0].shape[::-1]) - pad)


def move_within(outline: np.ndarray, size: tuple[int, int], rng: np.random.Generator) -> Move | None:
    """A random place for a body in its frame: scale in 0.75 … 1.05, turn within 8 degrees, mirrored or not, anywhere.

    >>> move_within(outline_of(points, (128, 128)), (128, 128), np.random.default_rng(0)).points(points)

    ``outline``: (n, 2), x and y in pixels of a picture of ``size``, (height, width). Nothing of it comes nearer to the
    edge than 4 % of the frame's larger side; a scale and turn that leave no such place are drawn again. None where a
    hundred draws find none.
    """
    middle, frame = (outline.min(axis=0) + outline.max(axis=0)) / 2, np.array(size[::-1], float)
    margin = _MARGIN * max(size)
    for _ in range(_DRAWS):
        scale, turn, mirrored = rng.uniform(*SCALES), rng.uniform(*TURNS), bool(rng.random() < 0.5)
        here = Move.about((middle[0], middle[1]), scale, turn, mirrored=mirrored)
        at = outline @ here.matrix.T + here.offset
        least, most = margin - at.min(axis=0), frame - margin - at.max(axis=0)
        if (least <= most).all():
            dx, dy = rng.uniform(least, most)
            return Move.about((middle[0], middle[1]), scale, turn, (dx, dy), mirrored)
    return None
