"""The seventeen keypoints of COCO, from a skeleton's joints."""

from collections.abc import Mapping

import numpy as np

from plantain.pose.skeleton import HEAD, NECK

COCO = (
    "nose",
    "left eye",
    "right eye",
    "left ear",
    "right ear",
    "left shoulder",
    "right shoulder",
    "left elbow",
    "right elbow",
    "left wrist",
    "right wrist",
    "left hip",
    "right hip",
    "left knee",
    "right knee",
    "left ankle",
    "right ankle",
)
"""Names of the keypoints, in COCO's order; left and right are the body's own."""

_JOINTS = {"wrist": "hand", "ankle": "foot"}
# On the head, in its radii: (towards the body's left, up, ahead).
_FACE = {"nose": (0.0, 0.0, 0.95), "eye": (0.36, 0.2, 0.75), "ear": (0.95, 0.0, 0.0)}


def coco_points(joints: Mapping[str, np.ndarray]) -> np.ndarray:
    """Keypoints of a skeleton, float32, (17, 3): x, y and a score of 1, in COCO's order.

    >>> coco_points(Figure.of(read("a robot in a T-pose").scene).at)[COCO.index("left wrist")]

    ``joints`` are pixels (x to the right, y down, z to the viewer), named as ``Pose.joints`` names them. Wrists lie at
    the hands, ankles at the feet, and nose, eyes and ears on the head, which looks where the shoulders face: the
    skeleton itself has no face.
    """
    up = np.subtract(joints["head"], joints["neck"])
    radius = float(np.linalg.norm(up)) * HEAD / (NECK + HEAD)
    left = np.subtract(joints["left shoulder"], joints["right shoulder"])
    left = left - (left @ up) / (up @ up) * up
    left, up = left / np.linalg.norm(left), up / np.linalg.norm(up)
    ahead = np.cross(up, left)  # with y down, this order gives the way that the body faces
    found = np.ones((len(COCO), 3), np.float32)
    for k, name in enumerate(COCO):
        side, _, part = name.rpartition(" ")
        if part in _FACE:
            aside, above, forward = _FACE[part]
            aside = -aside if side == "right" else aside
            point = joints["head"] + radius * (aside * left + above * up + forward * ahead)
        else:
            point = joints[f"{side} {_JOINTS.get(part, part)}"]
        found[k, :2] = point[:2]
    return found
