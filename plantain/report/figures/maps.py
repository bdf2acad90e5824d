"""Maps over pictures, as *Where* shows them: every token the square it is, over the picture in greys."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from plantain.report.palette import DEEPEST, INK, RUN
from plantain.report.picture import TEXT, WIDE, Picture, style

_SIDE, _GAP, _CAPTION = 2.6, 0.12, 0.3  # inches


@dataclass(frozen=True, eq=False)
class Layer:
    """One panel: a map over a picture, either alone too."""

    caption: str
    values: np.ndarray | None = None  # (rows, columns)
    pixels: np.ndarray | None = None  # uint8 (height, width, 3)


def draw(layers: Sequence[Layer], alt: str, width: float = WIDE) -> Picture:
    """The panels side by side, each under its caption.

    >>> draw([Layer("A", shift, pixels)], "The shift of single[6] head 2, over A.").to_bytes("pdf")
    """
    side = min(_SIDE, (width - _GAP * (len(layers) - 1)) / len(layers))
    with style():
        figure = Figure(figsize=(len(layers) * side + (len(layers) - 1) * _GAP, side + _CAPTION))
        size = figure.get_size_inches()
        for i, layer in enumerate(layers):
            axes = figure.add_axes((i * (side + _GAP) / size[0], 0, side / size[0], side / size[1]))
            axes.set_axis_off()
            axes.set_title(layer.caption, fontsize=TEXT, color=INK, loc="left", pad=5)
            if layer.pixels is not None and layer.values is not None:
                axes.imshow(layer.pixels.mean(axis=2), cmap="gray", vmin=0, vmax=255, extent=(0, 1, 0, 1))
            elif layer.pixels is not None:
                axes.imshow(layer.pixels, extent=(0, 1, 0, 1))
            if layer.values is not None:
                colour = INK if layer.pixels is None else RUN
                axes.imshow(_squares(layer.values, colour), extent=(0, 1, 0, 1), interpolation="nearest")
    return Picture(figure, alt)


def _squares(values: np.ndarray, colour: str) -> np.ndarray:
    """RGBA, (rows, columns, 4): one colour, the deeper the larger the value is beside the map's largest."""
    shares = np.clip(np.asarray(values, dtype=np.float64) / (float(values.max()) or 1.0), 0, 1)
    return np.dstack([np.broadcast_to(to_rgb(colour), (*shares.shape, 3)), DEEPEST * shares])
