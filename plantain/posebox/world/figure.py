"""Draw a figure: a skeleton with a body, clothes and a face."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from plantain.pose.skeleton import Pose
from plantain.posebox.world.canvas import Canvas, darker
from plantain.posebox.world.looks import BUILDS, COLOURS, HEIGHTS, RGB, SUBJECTS, Subject
from plantain.posebox.world.places import SETTINGS
from plantain.posebox.world.scene import Scene

SIZE = 128  # pixels of a picture, each way
FLOOR = 117.0  # where the lowest point of a figure stands, in pixels from the top
STANDING = 95.0  # pixels of a tall figure
_SHOE = (58, 44, 40)
_CLEAR = 0.06  # so much nearer or farther than the chest, in standing heights, a limb is before or behind the trunk
# What lies across the lower face: how far up and how wide, in head radii.
_MOUTHS = {"beard": (-0.62, 0.7), "moustache": (-0.32, 0.26), "skull": (-0.5, 0.2)}


def draw_figure(
    canvas: Canvas, scene: Scene, shift: tuple[float, float], scale: float = 1.0, turn: float = 0.0
) -> None:
    """Draw a scene's figure and its shadow, from back to front."""
    figure = Figure.of(scene, shift, scale, turn)
    # A shadow on the ground says how high a leap is.
    canvas.shadow((figure.at["hips"][0], FLOOR + shift[1]), darker(SETTINGS[scene.setting].ground, 0.82))
    if scene.skeleton.seat:
        _draw_stool(canvas, figure.at["hips"], FLOOR + shift[1])
    for part, side in figure.from_back_to_front():
        if side:
            (_draw_leg if part == "leg" else _draw_arm)(canvas, figure, side)
        else:
            (_draw_trunk if part == "trunk" else _draw_head)(canvas, figure)


@dataclass(frozen=True)
class Figure:
    """A scene's figure in pixels.

    >>> Figure.of(read("a robot in a T-pose").scene).at["left hand"]
    """

    scene: Scene
    pose: Pose  # the scene's, turned
    look: Subject
    at: dict[str, np.ndarray]  # joints: x right, y down, z to the viewer
    height: float
    breadth: float
    arm: float  # widths
    leg: float
    trunk: float
    top: RGB
    bottom: RGB

    @classmethod
    def of(cls, scene: Scene, shift: tuple[float, float] = (0.0, 0.0), scale: float = 1.0, turn: float = 0.0) -> Figure:
        """Place a scene's figure: moved by pixels to the right and down, scaled, and turned about the vertical.

        ``scale`` 1 is the size that the words say; ``turn`` is in degrees, to the viewer's right.
        """
        pose = replace(scene.skeleton, turn=scene.skeleton.turn + turn)
        width, breadth = BUILDS[scene.build]
        height = STANDING * HEIGHTS[scene.height] * scale
        return cls(
            scene=scene,
            pose=pose,
            look=SUBJECTS[scene.subject],
            at=_on_the_floor(pose.joints(breadth), height, pose.above_ground, shift),
            height=height,
            breadth=breadth,
            arm=6.2 * width * height / 92,
            leg=7.6 * width * height / 92,
            trunk=15.5 * width * height / 92,
            top=COLOURS[scene.top_colour],
            bottom=COLOURS[scene.bottom_colour],
        )

    @property
    def forward(self) -> np.ndarray:
        return self.pose.forward

    def depth(self, side: str, *joints: str) -> float:
        """How much nearer than the chest these joints are on average, in standing heights."""
        near = np.mean([self.at[f"{side} {joint}"][2] for joint in joints])
        return float(near - self.at["chest"][2]) / self.height

    def from_back_to_front(self) -> list[tuple[str, str]]:
        """In which order "leg" and "arm" of either side, "trunk" and "head" are painted."""
        legs = sorted((self.depth(side, "hip", "knee", "foot"), side) for side in ("left", "right"))
        arms = sorted((self.depth(side, "elbow", "hand"), side) for side in ("left", "right"))
        behind = [(depth, "leg", side) for depth, side in legs if depth <= _CLEAR]
        behind += [(depth, "arm", side) for depth, side in arms if depth < -_CLEAR]
        order = [(part, side) for _, part, side in sorted(behind, key=lambda limb: limb[0])]
        order += [("trunk", ""), *(("leg", side) for depth, side in legs if depth > _CLEAR)]  # raised before the trunk
        return [*order, ("head", ""), *(("arm", side) for depth, side in arms if depth >= -_CLEAR)]

    @property
    def head(self) -> float:
        """Radius of the head."""
        return 0.085 * self.height

    def on_head(self, x: float, y: float) -> np.ndarray:
        """A point of the head: x across, to the viewer's right when it is upright, y up, in its radii."""
        head, neck = self.at["head"][:2], self.at["neck"][:2]
        up = (head - neck) / max(float(np.linalg.norm(head - neck)), 1e-6)
        return head + self.head * (x * np.array([-up[1], up[0]]) + y * up)


def _draw_leg(canvas: Canvas, figure: Figure, side: str) -> None:
    scene, skin, width = figure.scene, figure.look.skin, figure.leg
    hip, knee, foot = (figure.at[f"{side} {joint}"] for joint in ("hip", "knee", "foot"))
    if scene.bottom == "shorts":
        canvas.limb("skin", skin, [knee, foot], 0.8 * width)
        canvas.limb("bottom", figure.bottom, [hip, hip + 0.95 * (knee - hip)], 1.12 * width)
    else:
        slim = 0.88 if scene.bottom == "leggings" else 1.0
        canvas.limb("bottom", figure.bottom, [hip, knee, foot], slim * width)
    if scene.top in ("coat", "tunic"):
        reach = 0.75 if scene.top == "coat" else 0.45
        canvas.limb("top", figure.top, [hip, hip + reach * (knee - hip)], 1.3 * width)
    toes = foot + 0.035 * figure.height * np.array([figure.forward[0], 0.0, 0.0])
    shoe = skin if figure.look.style == "bald" else _SHOE
    canvas.stroke("shoe", shoe, [foot, toes], 0.72 * width)


def _draw_arm(canvas: Canvas, figure: Figure, side: str) -> None:
    skin, top, width = figure.look.skin, figure.top, figure.arm
    shoulder, elbow, hand = (figure.at[f"{side} {joint}"] for joint in ("shoulder", "elbow", "hand"))
    canvas.disc("skin", darker(skin), hand, 0.62 * width)
    if figure.scene.top == "vest":
        canvas.limb("skin", skin, [shoulder, elbow, hand], 0.88 * width)
    elif figure.scene.top == "shirt":
        canvas.limb("skin", skin, [elbow, hand], 0.88 * width)
        canvas.limb("top", top, [shoulder, elbow, elbow + 0.35 * (hand - elbow)], width)
    elif figure.scene.top == "tunic":
        canvas.limb("skin", skin, [elbow, hand], 0.88 * width)
        canvas.limb("top", top, [shoulder, elbow - 0.2 * (elbow - shoulder)], width)
    else:
        full = {"sweater": 1.08, "jacket": 1.15, "coat": 1.2}[figure.scene.top]
        canvas.limb("top", top, [shoulder, elbow, hand], full * width)
    canvas.disc("skin", skin, hand, 0.55 * width)


def _on_the_floor(
    joints: dict[str, np.ndarray], height: float, above: float, shift: tuple[float, float]
) -> dict[str, np.ndarray]:
    """Joints in pixels (x right, y down, z to the viewer), standing on the floor, about the middle."""
    lowest = min(point[1] for point in joints.values())
    across = [point[0] for point in joints.values()]
    centre = (min(across) + max(across)) / 2
    sole = 0.03 * height  # half a shin's width lies below the lowest joint
    return {
        name: np.array(
            [
                SIZE / 2 + shift[0] + height * (point[0] - centre),
                FLOOR + shift[1] - sole - height * (point[1] - lowest + above),
                height * point[2],
            ]
        )
        for name, point in joints.items()
    }


def _draw_trunk(canvas: Canvas, figure: Figure) -> None:
    at, top, width = figure.at, figure.top, figure.trunk
    hips, chest, neck = at["hips"], at["chest"], at["neck"]
    canvas.limb("skin", figure.look.skin, [neck, neck + 0.5 * (at["head"] - neck)], 0.34 * width)
    canvas.limb("bottom", figure.bottom, [at["left hip"], at["right hip"]], 0.62 * width)
    shoulders = [at["left shoulder"], at["right shoulder"]]
    belly = 1.18 if figure.scene.build == "heavy" else 1.0
    for shade, more in ((darker(top), 1.6), (top, 0.0)):
        canvas.stroke("top", shade, shoulders, 0.46 * width + more)
        canvas.stroke("top", shade, [neck + 0.35 * (chest - neck), chest], width * (0.9 + 0.1 * figure.breadth) + more)
        canvas.stroke("top", shade, [chest, hips + 0.12 * (chest - hips)], 0.92 * width * belly + more)
    if figure.scene.top in ("jacket", "coat"):  # the front is open by a line
        canvas.stroke("top", darker(top), [neck + 0.2 * (chest - neck), chest, hips], 0.8)


def _draw_head(canvas: Canvas, figure: Figure) -> None:
    look, point, r = figure.look, figure.on_head, figure.head
    edge = darker(look.skin)
    if look.style == "long" and look.hair:
        canvas.stroke("hair", look.hair, [point(-0.1, 0.3), point(-0.1, -1.0)], 2.1 * r)
    if look.style == "bun" and look.hair:
        canvas.disc("hair", look.hair, point(0, 1.25), 0.45 * r)
    if look.hair:
        canvas.disc("hair", look.hair, point(-0.12 * figure.forward[0], 0.22), 1.08 * r)
    if look.head == "square":
        for shade, size in ((edge, 1.06), (look.skin, 0.92)):
            corners = [point(size * x, size * y) for x, y in ((-1, -1), (1, -1), (1, 1), (-1, 1))]
            canvas.polygon("skin", shade, corners)
    else:
        long = 0.35 if look.head == "tall" else 0.0
        for shade, size in ((edge, 1.0), (look.skin, 0.9)):
            canvas.stroke("skin", shade, [point(0, -long), point(0, long)], 2 * size * r * (1 - 0.3 * long))
        if look.hair:  # a fringe
            canvas.stroke("hair", look.hair, [point(-0.5, 0.7), point(0.5, 0.7)], 0.5 * r)
    _draw_face(canvas, figure)
    if figure.scene.hat:
        hat = COLOURS[figure.scene.hat]
        for colour, more in ((darker(hat), 0.35), (hat, 0.0)):
            canvas.stroke("hat", colour, [point(-1.25, 0.62), point(1.25, 0.62)], (0.38 + more) * r)
            canvas.stroke("hat", colour, [point(-0.5, 0.95), point(0.5, 0.95)], (0.95 + more) * r)


def _draw_face(canvas: Canvas, figure: Figure) -> None:
    look, point, r, side = figure.look, figure.on_head, figure.head, figure.forward[0]
    ahead, dark = 0.45 * side, (30, 26, 30)
    eye = 0.24 * r if look.extra in ("skull", "antenna") else 0.14 * r
    for x in (-0.36, 0.36):
        canvas.disc("face", dark, point(x * (1 - 0.3 * abs(side)) + ahead, 0.12), eye)
        if look.extra == "glasses":
            glass = [point(x + ahead - 0.2, 0.12), point(x + ahead + 0.2, 0.12)]
            canvas.stroke("face", dark, glass, 0.14 * r)
    if look.extra in _MOUTHS:
        y, width = _MOUTHS[look.extra]
        part, colour = ("face", dark) if look.extra == "skull" else ("hair", look.hair)
        if colour:
            canvas.stroke(part, colour, [point(ahead - 0.4, y), point(ahead + 0.4, y)], width * r)
    elif look.extra == "antenna":
        for x in (-0.45, 0.45):
            canvas.stroke("skin", darker(look.skin), [point(x, 0.8), point(1.3 * x, 1.55)], 0.2 * r)
            canvas.disc("skin", look.skin, point(1.3 * x, 1.6), 0.24 * r)


def _draw_stool(canvas: Canvas, hips: np.ndarray, floor: float) -> None:
    wood = (104, 74, 50)
    x, y = hips[:2] + np.array([0.0, 7.0])
    for foot in (-7, 7):
        canvas.stroke("prop", wood, [np.array([x, y]), np.array([x + foot, floor])], 2.4)
    canvas.stroke("prop", wood, [np.array([x - 7, y]), np.array([x + 7, y])], 3.6)
