"""A figure's skeleton: what a pose is in numbers, and where its joints lie."""

from dataclasses import dataclass

import numpy as np

Angles = tuple[float, float]
Limb = tuple[Angles, Angles]

_LIMB_JOINTS = ("shoulder", "elbow", "hip", "knee")
JOINTS = (*(f"{side} {joint}" for joint in _LIMB_JOINTS for side in ("left", "right")), "spine")
# A joint that turns by less is where the T-pose has it: "straight" and "level" are said of bodies, not of rulers.
TOLERANCE = 15.0

# Lengths in units of the standing height.
LOWER_TRUNK, UPPER_TRUNK, NECK, HEAD = 0.15, 0.16, 0.03, 0.085
UPPER_ARM, FOREARM, THIGH, SHIN = 0.165, 0.165, 0.235, 0.235
SHOULDER, HIP = 0.095, 0.055

UP = np.array([0.0, 1.0, 0.0])


@dataclass(frozen=True)
class Pose:
    """Directions of all limbs, in degrees.

    >>> Pose("t-pose", canonical=True).bent_joints()
    ()

    A limb is ``((lift, swing), (lift, swing))``, its upper and its lower part. Lift is the angle from
    straight down: 90 is level, 180 straight up. Swing turns about the vertical: 0 to the limb's own
    side, 90 forward, 180 across the body, -90 back. A trunk part is ``(forward, left)``: how far
    it leans. ``turn`` is where the body faces: 0 to the viewer, 90 to the viewer's right; it is no joint.
    """

    name: str
    canonical: bool = False
    turn: float = 0.0
    left_arm: Limb = ((90, 0), (90, 0))
    right_arm: Limb = ((90, 0), (90, 0))
    left_leg: Limb = ((3, 0), (3, 0))
    right_leg: Limb = ((3, 0), (3, 0))
    lower_trunk: Angles = (0, 0)
    upper_trunk: Angles = (0, 0)
    twist: float = 0.0  # of the shoulders against the hips, to the body's left
    head: Angles = (0, 0)  # beyond the upper trunk
    above_ground: float = 0.0  # in standing heights; 0: the lowest point touches the ground
    seat: bool = False  # on a stool

    def rotations(self) -> np.ndarray:
        """How far each of ``JOINTS`` is turned away from the T-pose, in degrees: (9,).

        Shoulder: upper arm against the level line sideways. Elbow and knee: lower part against upper.
        Hip: thigh against the vertical. Spine: the largest of the two leans and the twist.
        """
        found: dict[str, float] = {}
        for side, sign, arm, leg in self._sides:
            found |= {
                f"{side} shoulder": _angle(self._direction(arm[0], sign), self._side(sign)),
                f"{side} elbow": _angle(*(self._direction(part, sign) for part in arm)),
                f"{side} hip": _angle(self._direction(leg[0], sign), -UP),
                f"{side} knee": _angle(*(self._direction(part, sign) for part in leg)),
            }
        leans = (_angle(self._lean(trunk), UP) for trunk in (self.lower_trunk, self.upper_trunk))
        found["spine"] = max(*leans, abs(self.twist))
        return np.array([found[joint] for joint in JOINTS])

    def bent_joints(self) -> tuple[str, ...]:
        """Names of the joints that leave the T-pose by more than ``TOLERANCE`` degrees."""
        return tuple(name for name, angle in zip(JOINTS, self.rotations(), strict=True) if angle > TOLERANCE)

    def joints(self, breadth: float = 1.0) -> dict[str, np.ndarray]:
        """Positions (x to the viewer's right, y up, z to the viewer), in standing heights, hips at 0.

        ``breadth`` widens shoulders and hips.
        """
        lower, upper = self._lean(self.lower_trunk), self._lean(self.upper_trunk)
        chest = LOWER_TRUNK * lower
        neck = chest + UPPER_TRUNK * upper
        head_axis = self._lean((self.upper_trunk[0] + self.head[0], self.upper_trunk[1] + self.head[1]))
        found = {"hips": np.zeros(3), "chest": chest, "neck": neck, "head": neck + (NECK + HEAD) * head_axis}
        shoulder_line = self._side(+1, self.twist)
        shoulder_line = shoulder_line - (shoulder_line @ upper) * upper
        shoulder_line /= np.linalg.norm(shoulder_line)
        hip_line = self._side(+1)
        for side, sign, arm, leg in self._sides:
            shoulder = neck - 0.02 * upper + sign * SHOULDER * breadth * shoulder_line
            elbow = shoulder + UPPER_ARM * self._direction(arm[0], sign)
            hip = sign * HIP * breadth * hip_line
            knee = hip + THIGH * self._direction(leg[0], sign)
            found |= {
                f"{side} shoulder": shoulder,
                f"{side} elbow": elbow,
                f"{side} hand": elbow + FOREARM * self._direction(arm[1], sign),
                f"{side} hip": hip,
                f"{side} knee": knee,
                f"{side} foot": knee + SHIN * self._direction(leg[1], sign),
            }
        return found

    @property
    def forward(self) -> np.ndarray:
        """Where the body faces: (3,)."""
        turn = np.deg2rad(self.turn)
        return np.array([np.sin(turn), 0.0, np.cos(turn)])

    @property
    def _sides(self) -> tuple[tuple[str, int, Limb, Limb], ...]:
        return ("left", +1, self.left_arm, self.left_leg), ("right", -1, self.right_arm, self.right_leg)

    def _side(self, sign: int, twist: float = 0.0) -> np.ndarray:
        """The level direction to the body's left (+1) or right (-1)."""
        turn = np.deg2rad(self.turn + twist)
        return sign * np.array([np.cos(turn), 0.0, -np.sin(turn)])

    def _direction(self, angles: Angles, sign: int) -> np.ndarray:
        lift, swing = np.deg2rad(angles)
        level = np.cos(swing) * self._side(sign) + np.sin(swing) * self.forward
        return -np.cos(lift) * UP + np.sin(lift) * level

    def _lean(self, angles: Angles) -> np.ndarray:
        forward, left = np.deg2rad(angles)
        direction = UP + np.tan(forward) * self.forward + np.tan(left) * self._side(+1)
        return direction / np.linalg.norm(direction)


def _angle(a: np.ndarray, b: np.ndarray) -> float:
    """Angle between two unit vectors, in degrees."""
    return float(np.rad2deg(np.arccos(np.clip(a @ b, -1.0, 1.0))))
