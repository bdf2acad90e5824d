"""Draw a scene: 128 × 128 pixels, a setting behind and a figure in front."""

from __future__ import annotations

from functools import cache
from itertools import pairwise

import numpy as np
from PIL import Image, ImageDraw

from plantain.posebox.looks import BUILDS, COLOURS, HEIGHTS, RGB, SETTINGS, SUBJECTS, Subject
from plantain.posebox.poses import POSES
from plantain.posebox.scene import Scene

SIZE = 128
FLOOR = 117.0  # where the lowest point of a figure stands, in pixels from the top
STANDING = 95.0  # pixels of a tall figure
_FINE = 4  # drawn this many times larger and averaged down: smooth edges without a drawing library's own


def render(scene: Scene, shift: tuple[float, float] = (0.0, 0.0)) -> np.ndarray:
    """The picture of a scene, uint8, (128, 128, 3).

    >>> render(read("a robot in a T-pose").scene)

    ``shift`` moves the figure by pixels to the right and down; the setting stays.
    """
    return draw(scene, shift)[0]


def draw(scene: Scene, shift: tuple[float, float] = (0.0, 0.0)) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """The picture, and where the figure and its parts can be seen.

    The masks "figure", "top", "bottom", "hat" and "skin" are shares of each pixel, 0 … 1: (128, 128).
    """
    canvas = _Canvas(_background(scene.setting))
    _draw_figure(canvas, scene, shift)
    picture = np.asarray(canvas.image.resize((SIZE, SIZE), Image.Resampling.BOX))
    masks = {
        name: np.asarray(mask.resize((SIZE, SIZE), Image.Resampling.BOX), dtype=np.float32) / 255
        for name, mask in canvas.masks.items()
    }
    return picture, masks


def background(setting: str) -> np.ndarray:
    """A setting without a figure, uint8, (128, 128, 3)."""
    return np.asarray(_background(setting).resize((SIZE, SIZE), Image.Resampling.BOX))


class _Canvas:
    """A large picture, and beside it, for each part of the figure, where it can be seen."""

    def __init__(self, background: Image.Image) -> None:
        self.image = background.copy()
        self.draw = ImageDraw.Draw(self.image)
        self.masks = {name: Image.new("L", background.size) for name in ("figure", "top", "bottom", "hat", "skin")}
        self._draws = {name: ImageDraw.Draw(mask) for name, mask in self.masks.items()}

    def _all(self, part: str, method: str, at: list, colour: RGB, **more: object) -> None:
        getattr(self.draw, method)(at, fill=colour, **more)
        for name, draw in self._draws.items():
            getattr(draw, method)(at, fill=255 if name in (part, "figure") else 0, **more)

    def disc(self, part: str, colour: RGB, centre: np.ndarray, radius: float) -> None:
        x, y = centre[:2] * _FINE
        r = radius * _FINE
        self._all(part, "ellipse", [x - r, y - r, x + r, y + r], colour)

    def polygon(self, part: str, colour: RGB, points: list[np.ndarray]) -> None:
        self._all(part, "polygon", [tuple(point[:2] * _FINE) for point in points], colour)

    def limb(self, part: str, colour: RGB, points: list[np.ndarray], width: float, edge: bool = True) -> None:
        """A line with round ends through points; a darker edge sets it off from what lies behind."""
        layers = [(_darker(colour), width + 1.6), (colour, width)] if edge else [(colour, width)]
        for shade, wide in layers:
            for a, b in pairwise(points):
                line = [tuple(a[:2] * _FINE), tuple(b[:2] * _FINE)]
                self._all(part, "line", line, shade, width=round(wide * _FINE))
            for point in points:
                self.disc(part, shade, point, wide / 2)


@cache
def _background(name: str) -> Image.Image:
    setting = SETTINGS[name]
    image = Image.new("RGB", (SIZE * _FINE, SIZE * _FINE), setting.back)
    draw = ImageDraw.Draw(image)
    draw.rectangle([0, setting.horizon * _FINE, SIZE * _FINE, SIZE * _FINE], fill=setting.ground)
    for kind, colour, at in setting.shapes:
        fine = [value * _FINE for value in at]
        if kind == "box":
            draw.rectangle(fine, fill=colour)
        elif kind == "disc":
            x, y, r = fine
            draw.ellipse([x - r, y - r, x + r, y + r], fill=colour)
        elif kind == "poly":
            draw.polygon(fine, fill=colour)
        else:
            draw.line(fine[:4], fill=colour, width=round(fine[4]))
    return image


def _draw_figure(canvas: _Canvas, scene: Scene, shift: tuple[float, float]) -> None:
    pose, look = POSES[scene.pose], SUBJECTS[scene.subject]
    width, breadth = BUILDS[scene.build]
    height = STANDING * HEIGHTS[scene.height]
    at = _on_the_floor(pose.joints(breadth), height, pose.above_ground, shift)
    skin = look.skin
    top, bottom = COLOURS[scene.top_colour], COLOURS[scene.bottom_colour]
    arm, leg, trunk = (size * width * height / 92 for size in (6.2, 7.6, 15.5))

    middle = np.array([at["hips"][0], FLOOR + shift[1]])
    # A shadow on the ground says how high a leap is.
    x, y = middle * _FINE
    shade = [x - 26 * _FINE, y - 3 * _FINE, x + 26 * _FINE, y + 3 * _FINE]
    canvas.draw.ellipse(shade, fill=_darker(SETTINGS[scene.setting].ground, 0.82))
    if pose.seat:
        _draw_stool(canvas, at, FLOOR + shift[1])

    def draw_leg(side: str) -> None:
        hip, knee, foot = at[f"{side} hip"], at[f"{side} knee"], at[f"{side} foot"]
        if scene.bottom == "shorts":
            canvas.limb("skin", skin, [knee, foot], 0.8 * leg)
            canvas.limb("bottom", bottom, [hip, hip + 0.95 * (knee - hip)], 1.12 * leg)
        else:
            slim = 0.88 if scene.bottom == "leggings" else 1.0
            canvas.limb("bottom", bottom, [hip, knee, foot], slim * leg)
        if scene.top in ("coat", "tunic"):
            reach = 0.75 if scene.top == "coat" else 0.45
            canvas.limb("top", top, [hip, hip + reach * (knee - hip)], 1.3 * leg)
        toes = foot + 0.035 * height * np.array([pose.forward[0], 0.0, 0.0])
        shoe = skin if look.style == "bald" else (58, 44, 40)
        canvas.limb("shoe", shoe, [foot, toes], 0.72 * leg, edge=False)

    def draw_arm(side: str) -> None:
        shoulder, elbow, hand = at[f"{side} shoulder"], at[f"{side} elbow"], at[f"{side} hand"]
        canvas.disc("skin", _darker(skin), hand, 0.62 * arm)
        if scene.top == "vest":
            canvas.limb("skin", skin, [shoulder, elbow, hand], 0.88 * arm)
        elif scene.top == "shirt":
            canvas.limb("skin", skin, [elbow, hand], 0.88 * arm)
            canvas.limb("top", top, [shoulder, elbow, elbow + 0.35 * (hand - elbow)], arm)
        elif scene.top == "tunic":
            canvas.limb("skin", skin, [elbow, hand], 0.88 * arm)
            canvas.limb("top", top, [shoulder, elbow - 0.2 * (elbow - shoulder)], arm)
        else:
            full = {"sweater": 1.08, "jacket": 1.15, "coat": 1.2}[scene.top]
            canvas.limb("top", top, [shoulder, elbow, hand], full * arm)
        canvas.disc("skin", skin, hand, 0.55 * arm)

    def depth(part: str, side: str) -> float:
        names = ("hip", "knee", "foot") if part == "leg" else ("elbow", "hand")
        return float(np.mean([at[f"{side} {name}"][2] for name in names]) - at["chest"][2])

    limbs = sorted((depth(part, side), part, side) for part in ("leg", "arm") for side in ("left", "right"))
    behind = [limb for limb in limbs if limb[0] < -0.06 * height or limb[1] == "leg"]
    before = [limb for limb in limbs if limb not in behind]
    # A raised knee comes before the trunk, a standing leg behind its lower edge.
    knees = [limb for limb in behind if limb[1] == "leg" and limb[0] > 0.06 * height]
    for _, part, side in [limb for limb in behind if limb not in knees]:
        (draw_leg if part == "leg" else draw_arm)(side)
    _draw_trunk(canvas, at, scene, trunk, breadth, top, bottom, skin)
    for _, part, side in sorted(knees + before):
        if part == "leg":
            draw_leg(side)
    _draw_head(canvas, at, look, height, pose.forward, COLOURS[scene.hat] if scene.hat else None)
    for _, part, side in before:
        if part == "arm":
            draw_arm(side)


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


def _draw_trunk(
    canvas: _Canvas,
    at: dict[str, np.ndarray],
    scene: Scene,
    width: float,
    breadth: float,
    top: RGB,
    bottom: RGB,
    skin: RGB,
) -> None:
    hips, chest, neck = at["hips"], at["chest"], at["neck"]
    canvas.limb("skin", skin, [neck, neck + 0.5 * (at["head"] - neck)], 0.34 * width)
    canvas.limb("bottom", bottom, [at["left hip"], at["right hip"]], 0.62 * width)
    shoulders = [at["left shoulder"], at["right shoulder"]]
    belly = 1.18 if scene.build == "heavy" else 1.0
    for shade, more in ((_darker(top), 1.6), (top, 0.0)):
        canvas.limb("top", shade, shoulders, 0.46 * width + more, edge=False)
        canvas.limb(
            "top", shade, [neck + 0.35 * (chest - neck), chest], width * (0.9 + 0.1 * breadth) + more, edge=False
        )
        canvas.limb("top", shade, [chest, hips + 0.12 * (chest - hips)], 0.92 * width * belly + more, edge=False)
    if scene.top in ("jacket", "coat"):  # the front is open by a line
        canvas.limb("top", _darker(top), [neck + 0.2 * (chest - neck), chest, hips], 0.8, edge=False)


def _draw_head(
    canvas: _Canvas, at: dict[str, np.ndarray], look: Subject, height: float, forward: np.ndarray, hat: RGB | None
) -> None:
    head, neck = at["head"], at["neck"]
    up = (head - neck)[:2] / max(float(np.linalg.norm((head - neck)[:2])), 1e-6)
    across = np.array([-up[1], up[0]])  # to the viewer's right when the head is upright
    r = 0.085 * height
    edge = _darker(look.skin)

    def point(x: float, y: float) -> np.ndarray:
        """A point of the face: x across, y up, in head radii."""
        return head[:2] + r * (x * across + y * up)

    if look.style == "long" and look.hair:
        canvas.limb("hair", look.hair, [point(-0.1, 0.3), point(-0.1, -1.0)], 2.1 * r, edge=False)
    if look.style == "bun" and look.hair:
        canvas.disc("hair", look.hair, point(0, 1.25), 0.45 * r)
    if look.hair:
        canvas.disc("hair", look.hair, point(-0.12 * forward[0], 0.22), 1.08 * r)
    if look.head == "square":
        corners = [(-1, -1), (1, -1), (1, 1), (-1, 1)]
        canvas.polygon("skin", edge, [point(1.06 * x, 1.06 * y) for x, y in corners])
        canvas.polygon("skin", look.skin, [point(0.92 * x, 0.92 * y) for x, y in corners])
    else:
        long = 0.35 if look.head == "tall" else 0.0
        for shade, size in ((edge, 1.0), (look.skin, 0.9)):
            canvas.limb("skin", shade, [point(0, -long), point(0, long)], 2 * size * r * (1 - 0.3 * long), edge=False)
        if look.hair:  # a fringe
            canvas.limb("hair", look.hair, [point(-0.5, 0.7), point(0.5, 0.7)], 0.5 * r, edge=False)
    ahead = 0.45 * forward[0]
    dark = (30, 26, 30)
    eye = 0.24 * r if look.extra in ("skull", "antenna") else 0.14 * r
    for x in (-0.36, 0.36):
        canvas.disc("face", dark, point(x * (1 - 0.3 * abs(forward[0])) + ahead, 0.12), eye)
        if look.extra == "glasses":
            canvas.limb(
                "face", dark, [point(x + ahead - 0.2, 0.12), point(x + ahead + 0.2, 0.12)], 0.14 * r, edge=False
            )
    if look.extra == "beard" and look.hair:
        canvas.limb("hair", look.hair, [point(ahead - 0.4, -0.62), point(ahead + 0.4, -0.62)], 0.7 * r, edge=False)
    elif look.extra == "moustache" and look.hair:
        canvas.limb("hair", look.hair, [point(ahead - 0.4, -0.32), point(ahead + 0.4, -0.32)], 0.26 * r, edge=False)
    elif look.extra == "skull":
        canvas.limb("face", dark, [point(ahead - 0.4, -0.5), point(ahead + 0.4, -0.5)], 0.2 * r, edge=False)
    elif look.extra == "antenna":
        for x in (-0.45, 0.45):
            canvas.limb("skin", edge, [point(x, 0.8), point(1.3 * x, 1.55)], 0.2 * r, edge=False)
            canvas.disc("skin", look.skin, point(1.3 * x, 1.6), 0.24 * r)
    if hat:
        shade = _darker(hat)
        for colour, more in ((shade, 0.35), (hat, 0.0)):
            canvas.limb("hat", colour, [point(-1.25, 0.62), point(1.25, 0.62)], (0.38 + more) * r, edge=False)
            canvas.limb("hat", colour, [point(-0.5, 0.95), point(0.5, 0.95)], (0.95 + more) * r, edge=False)


def _draw_stool(canvas: _Canvas, at: dict[str, np.ndarray], floor: float) -> None:
    wood = (104, 74, 50)
    x, y = at["hips"][:2] + np.array([0.0, 7.0])
    for foot in (-7, 7):
        canvas.limb("prop", wood, [np.array([x, y]), np.array([x + foot, floor])], 2.4, edge=False)
    canvas.limb("prop", wood, [np.array([x - 7, y]), np.array([x + 7, y])], 3.6, edge=False)


def _darker(colour: RGB, by: float = 0.62) -> RGB:
    red, green, blue = (round(by * value) for value in colour)
    return red, green, blue
