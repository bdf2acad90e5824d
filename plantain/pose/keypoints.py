"""The seventeen keypoints of COCO: from a skeleton, to parts of a body, and whether they stand in a T-pose."""

from collections.abc import Mapping

import numpy as np

from plantain.errors import InputError
from plantain.pose.parts import draw_parts
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

# A keypoint that its model is less sure of is taken for not seen.
MIN_SCORE = 0.3
# How far a limb of a T-pose may be from level, or straight, in degrees.
TOLERANCE = 20.0

# The finest picture that parts are drawn at: many pixels for every token of any grid in use.
_FINE = 256
# Widths in shoulder distances, between a clothed adult's and those of Posebox's figures, which are stouter; the head's
# is its diameter. Nothing hangs on them but how many of a token's pixels count.
_WIDTHS = {"trunk": 0.95, "upper arm": 0.38, "forearm": 0.34, "thigh": 0.5, "shin": 0.4}
_HEAD = 0.75
# A body that is turned to the side has its shoulders close together; they count as this share of its trunk at least.
_SHOULDERS_OF_TRUNK = 0.6
# A limb that looks shorter than this, in trunk lengths, points at the viewer or away: its angle says nothing. Half an
# arm is 0.53 trunk lengths, so a T-pose is known up to a turn of 68 degrees.
_SHORT = 0.2
_LIMBS = ("shoulder", "elbow", "wrist", "hip", "knee", "ankle")
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


def labels_of_points(
    points: np.ndarray, size: int | tuple[int, int], min_score: float = MIN_SCORE
) -> tuple[np.ndarray, tuple[str, ...]] | None:
    """A body's parts from its keypoints, as ``draw_parts`` labels them, and the limbs that were not seen.

    >>> labels, unseen = labels_of_points(coco_points(joints), 128)

    ``points`` are (17, 3): x, y in pixels of a picture of ``size``, and a score; a keypoint with a score below
    ``min_score``, or NaN, is not seen. Limbs are capsules, the trunk one from shoulders to hips, the head a disc about
    ears, eyes and nose, all as wide as the distance of the shoulders says. Labels are int8, at ``size`` or, of a
    picture of more than 256 pixels a side, at the same shape with 256. None where a shoulder or a hip is not seen.

    Raises
    ------
    InputError
        Points of another shape.
    """
    at = _seen(points, min_score)
    if any(np.isnan(at[f"{side} {joint}"]).any() for side in ("left", "right") for joint in ("shoulder", "hip")):
        return None
    shape, fine = drawn_size(size)
    at = {name: point * fine for name, point in at.items()}
    middle = {joint: (at[f"left {joint}"] + at[f"right {joint}"]) / 2 for joint in ("shoulder", "hip")}
    broad = max(
        float(np.linalg.norm(at["left shoulder"] - at["right shoulder"])),
        _SHOULDERS_OF_TRUNK * float(np.linalg.norm(middle["shoulder"] - middle["hip"])),
    )
    joints = {"neck": middle["shoulder"], "hips": middle["hip"], "chest": (middle["shoulder"] + middle["hip"]) / 2}
    joints |= {_as_joint(name): point for name, point in at.items() if name.rpartition(" ")[2] in _LIMBS}
    joints["head"] = _head(at)
    sides = ("left", "right")
    limbs = {f"{side} {part}": share * broad for part, share in _WIDTHS.items() if part != "trunk" for side in sides}
    widths = {"head": _HEAD * broad, "trunk": _WIDTHS["trunk"] * broad} | limbs
    labels = draw_parts(joints, widths, shape)
    # All of a limb's capsules hang on its two ends, as the head does on its middle.
    ends = {"upper arm": ("shoulder", "elbow"), "forearm": ("elbow", "hand"), "thigh": ("hip", "knee")}
    ends["shin"] = ("knee", "foot")
    unseen = ["head"] if np.isnan(joints["head"]).any() else []
    for part, tips in ends.items():
        unseen += [f"{side} {part}" for side in sides if np.isnan([joints[f"{side} {tip}"] for tip in tips]).any()]
    return labels, tuple(unseen)


def drawn_size(size: int | tuple[int, int]) -> tuple[tuple[int, int], float]:
    """(height, width) at which ``labels_of_points`` draws a picture of ``size``, and by what it is scaled.

    >>> drawn_size((1024, 768))
    ((256, 192), 0.25)
    """
    height, width = (size, size) if isinstance(size, int) else size
    fine = min(1.0, _FINE / max(height, width))
    return (max(1, round(height * fine)), max(1, round(width * fine))), fine


def is_canonical(points: np.ndarray, min_score: float = MIN_SCORE) -> bool | None:
    """Whether keypoints, (17, 3), show a T-pose; None where they do not say.

    >>> is_canonical(coco_points(Figure.of(read("a robot in a T-pose").scene).at))
    True

    A T-pose: upper arms and forearms within 20 degrees of level and pointing outwards, knees straight within 20, and
    thighs and trunk within 20 of upright, without which legs apart or a body bent to the side would pass. An A-pose is
    none. Only what is seen in the picture counts: True needs all twelve keypoints of arms and legs, and False one limb
    that is clearly elsewhere. A limb that points at the viewer looks short, and its angle says nothing; where nothing
    else speaks against a T-pose, the answer is None.

    Raises
    ------
    InputError
        Points of another shape.
    """
    found = _findings(_seen(points, min_score))
    if False in found:
        return False
    return None if None in found else True


def judge_points(points: np.ndarray, min_score: float = MIN_SCORE) -> np.ndarray:
    """``is_canonical`` of many pictures: an object array of True, False and None, of ``points``' leading shape.

    >>> judge_points(bodies.points).shape                          # of (25, 2, 17, 3)
    (25, 2)
    """
    points = np.asarray(points)
    found = np.empty(points.shape[:-2], object)
    for index in np.ndindex(found.shape):
        found[index] = is_canonical(points[index], min_score)
    return found


def _findings(at: dict[str, np.ndarray]) -> list[bool | None]:
    """What trunk and limbs say of a T-pose: True, False, or None where one is not seen, or too short to tell."""
    middle = {joint: (at[f"left {joint}"] + at[f"right {joint}"]) / 2 for joint in ("shoulder", "hip")}
    trunk = middle["hip"] - middle["shoulder"]
    least = _SHORT * float(np.linalg.norm(trunk))
    # Outwards is away from the other shoulder, whether the body faces the viewer or not.
    across = np.sign(at["left shoulder"][0] - at["right shoulder"][0])
    found = [_within(trunk, (0, 1), 0)]
    for side, outwards in (("left", across), ("right", -across)):
        shoulder, elbow, wrist, hip, knee, ankle = (at[f"{side} {joint}"] for joint in _LIMBS)
        found += [_within(part, (outwards, 0), least) for part in (elbow - shoulder, wrist - elbow)]
        found += [_within(knee - hip, (0, 1), least), _within(ankle - knee, knee - hip, least)]
    return found


def _within(vector: np.ndarray, way: np.ndarray | tuple[float, float], least: float) -> bool | None:
    """Whether a vector points a way, within the tolerance; None where either is unknown or shorter than ``least``."""
    long, wide = float(np.linalg.norm(vector)), float(np.linalg.norm(way))
    if not (long > 0 and wide > 0 and long >= least):  # NaN as well
        return None
    return bool(np.asarray(vector) @ np.asarray(way) >= np.cos(np.deg2rad(TOLERANCE)) * long * wide)


def _seen(points: np.ndarray, min_score: float) -> dict[str, np.ndarray]:
    """Keypoints by name, (2,) each; NaN where one is not seen."""
    points = np.asarray(points, float)
    if points.shape != (len(COCO), 3):
        raise InputError(f"A body has {len(COCO)} keypoints of x, y and score; got an array of shape {points.shape}.")
    clear = np.isfinite(points).all(axis=1) & (points[:, 2] >= min_score)
    return {name: point[:2] if ok else np.full(2, np.nan) for name, point, ok in zip(COCO, points, clear, strict=True)}


def _as_joint(name: str) -> str:
    side, _, part = name.rpartition(" ")
    return f"{side} {_JOINTS.get(part, part)}"


def _head(at: Mapping[str, np.ndarray]) -> np.ndarray:
    """The head's middle: between the ears; where one is hidden, the middle of what is seen of the face; else NaN."""
    ears = [at["left ear"], at["right ear"]]
    if np.isfinite(ears).all():
        return np.mean(ears, axis=0)
    face = np.stack([*ears, at["nose"], at["left eye"], at["right eye"]])
    seen = face[np.isfinite(face).all(axis=1)]
    return seen.mean(axis=0) if len(seen) else np.full(2, np.nan)
