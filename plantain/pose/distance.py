"""How far a pose is from the T-pose: the dose of a pair, from the skeletons."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from plantain.errors import InputError
from plantain.pose.poses import POSES


def distance_from_t_pose(pose: str) -> tuple[float, int]:
    """Mean joint rotation in degrees, over the nine of ``JOINTS``, and the number of bent joints.

    >>> distance_from_t_pose("t-pose"), distance_from_t_pose("windmill")
    ((0.0, 0), (11.56, 2))

    ``pose`` is a pose's name or a pair's ``pose`` tag, which may number the wording: "t-pose-3". A joint's rotation
    is the difference of ``Pose.rotations()`` from the T-pose's own, whose thighs stand three degrees off the vertical.

    Raises
    ------
    InputError
        No pose has this name.
    """
    name = re.sub(r"-\d+$", "", pose)
    if name not in POSES:
        raise InputError(f"Posebox has no pose {pose!r}; it has {', '.join(POSES)}.")
    rotations = np.abs(POSES[name].rotations() - POSES["t-pose"].rotations())  # (9,)
    return round(float(rotations.mean()), 2), len(POSES[name].bent_joints())


def pair_distances(tags: Mapping[str, Any]) -> tuple[float, float] | None:
    """Degrees from the T-pose of a pair's a and b: its ``distance`` tag, otherwise looked up by its ``pose`` tag.

    >>> [pair_distances(pair.tags) for pair in plantain.load_prompts("dense_pose").pairs][0]
    (0.0, 41.99)

    None where the tags name no two poses of Posebox, as in sets of one's own.
    """
    distance, poses = tags.get("distance"), tags.get("pose")
    if isinstance(distance, list) and len(distance) == 2 and all(isinstance(value, int | float) for value in distance):
        return float(distance[0]), float(distance[1])
    if not isinstance(poses, list) or len(poses) != 2 or not all(isinstance(pose, str) for pose in poses):
        return None
    try:
        return distance_from_t_pose(poses[0])[0], distance_from_t_pose(poses[1])[0]
    except InputError:
        return None


def pose_rotations(tags: Sequence[Mapping[str, Any]], side: int = 1) -> np.ndarray | None:
    """Joint rotations in degrees of every pair's A (side 0) or B (1), looked up by its ``pose`` tag: (n_pairs, 9).

    >>> pose_rotations([pair.tags for pair in plantain.load_prompts("dense_pose").pairs]).shape
    (25, 9)

    None where a pair's tags name no pose of Posebox.
    """
    rows = []
    for tag in tags:
        poses = tag.get("pose")
        name = re.sub(r"-\d+$", "", str(poses[side])) if isinstance(poses, list) and len(poses) == 2 else ""
        if name not in POSES:
            return None
        rows.append(POSES[name].rotations())
    return np.array(rows)
