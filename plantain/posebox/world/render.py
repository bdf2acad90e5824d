"""Draw a scene: 128 × 128 pixels, a setting behind and a figure in front."""

from functools import cache

import numpy as np
from PIL import Image, ImageDraw

from plantain.posebox.world.canvas import FINE, Canvas
from plantain.posebox.world.figure import SIZE, draw_figure
from plantain.posebox.world.places import SETTINGS
from plantain.posebox.world.scene import Scene


def render(scene: Scene, shift: tuple[float, float] = (0.0, 0.0)) -> np.ndarray:
    """The picture of a scene, uint8, (128, 128, 3).

    >>> render(read("a robot in a T-pose").scene)

    ``shift`` moves the figure by pixels to the right and down; the setting stays.
    """
    return draw(scene, shift)[0]


def draw(
    scene: Scene, shift: tuple[float, float] = (0.0, 0.0), scale: float = 1.0, turn: float = 0.0
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """The picture, and where the figure and its parts can be seen; moved, scaled and turned as ``Figure.of`` does.

    The masks "figure", "top", "bottom", "hat", "skin" and "prop" (a stool) are shares of each pixel, 0 … 1: (128, 128).
    The figure is all of the others, and hair, face and shoes.
    """
    canvas = Canvas(_background(scene.setting))
    draw_figure(canvas, scene, shift, scale, turn)
    picture = np.asarray(canvas.image.resize((SIZE, SIZE), Image.Resampling.BOX))
    masks = {
        name: np.asarray(mask.resize((SIZE, SIZE), Image.Resampling.BOX), dtype=np.float32) / 255
        for name, mask in canvas.masks.items()
    }
    return picture, masks


def background(setting: str) -> np.ndarray:
    """A setting without a figure, uint8, (128, 128, 3)."""
    return np.asarray(_background(setting).resize((SIZE, SIZE), Image.Resampling.BOX))


@cache
def _background(name: str) -> Image.Image:
    setting = SETTINGS[name]
    image = Image.new("RGB", (SIZE * FINE, SIZE * FINE), setting.back)
    draw = ImageDraw.Draw(image)
    draw.rectangle([0, setting.horizon * FINE, SIZE * FINE, SIZE * FINE], fill=setting.ground)
    for kind, colour, at in setting.shapes:
        fine = [value * FINE for value in at]
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
