"""What a scene is drawn on: a large picture and, beside it, which parts of the figure can be seen where."""

from itertools import pairwise

import numpy as np
from PIL import Image, ImageDraw

from plantain.posebox.world.looks import RGB

FINE = 4  # drawn this many times larger and averaged down, which makes edges smooth
# The figure is all that is not the setting: also "prop", a stool that it sits on.
MASKS = ("figure", "top", "bottom", "hat", "skin", "prop")


class Canvas:
    """A large picture, and beside it, for each part of the figure, where it can be seen."""

    def __init__(self, background: Image.Image) -> None:
        self.image = background.copy()
        self.draw = ImageDraw.Draw(self.image)
        self.masks = {name: Image.new("L", background.size) for name in MASKS}
        self._draws = {name: ImageDraw.Draw(mask) for name, mask in self.masks.items()}

    def _all(self, part: str, method: str, at: list, colour: RGB, **more: object) -> None:
        getattr(self.draw, method)(at, fill=colour, **more)
        for name, draw in self._draws.items():
            getattr(draw, method)(at, fill=255 if name in (part, "figure") else 0, **more)

    def shadow(self, centre: tuple[float, float], colour: RGB) -> None:
        """A flat ellipse on the ground, no part of the figure."""
        x, y = centre[0] * FINE, centre[1] * FINE
        self.draw.ellipse([x - 26 * FINE, y - 3 * FINE, x + 26 * FINE, y + 3 * FINE], fill=colour)

    def disc(self, part: str, colour: RGB, centre: np.ndarray, radius: float) -> None:
        x, y = centre[:2] * FINE
        r = radius * FINE
        self._all(part, "ellipse", [x - r, y - r, x + r, y + r], colour)

    def polygon(self, part: str, colour: RGB, points: list[np.ndarray]) -> None:
        self._all(part, "polygon", [tuple(point[:2] * FINE) for point in points], colour)

    def stroke(self, part: str, colour: RGB, points: list[np.ndarray], width: float) -> None:
        """A line with round ends through points."""
        for a, b in pairwise(points):
            line = [tuple(a[:2] * FINE), tuple(b[:2] * FINE)]
            self._all(part, "line", line, colour, width=round(width * FINE))
        for point in points:
            self.disc(part, colour, point, width / 2)

    def limb(self, part: str, colour: RGB, points: list[np.ndarray], width: float) -> None:
        """A stroke with a darker edge, which sets it off from what lies behind."""
        self.stroke(part, darker(colour), points, width + 1.6)
        self.stroke(part, colour, points, width)


def darker(colour: RGB, by: float = 0.62) -> RGB:
    red, green, blue = (round(by * value) for value in colour)
    return red, green, blue
