"""Posebox's settings: what is behind a figure, the ground, and a few things in it, by name."""

from dataclasses import dataclass
from functools import partial

from plantain.posebox.world.looks import RGB

Shape = tuple[str, RGB, tuple[float, ...]]


@dataclass(frozen=True)
class Setting:
    """A place: what is behind, the ground, and things in it, in pixels of a 128 × 128 picture.

    Shapes are ("box", colour, (left, top, right, bottom)), ("disc", colour, (x, y, radius)),
    ("poly", colour, (x, y, x, y, …)) and ("line", colour, (x, y, x, y, width)), from back to front.
    """

    words: tuple[str, ...]
    back: RGB
    ground: RGB
    shapes: tuple[Shape, ...]
    horizon: int = 92


def _shape(kind: str, colour: RGB, *at: float) -> Shape:
    return (kind, colour, at)


_box, _disc, _poly, _line = (partial(_shape, kind) for kind in ("box", "disc", "poly", "line"))
_SKY, _WOOD = (170, 214, 244), (150, 104, 62)

# Things of one kind and colour share a line.
# fmt: off
SETTINGS = {
    "studio": Setting(("plain studio",), (214, 214, 218), (190, 190, 196), ()),
    "pier": Setting(("wooden pier by the sea", "wooden pier"), _SKY, _WOOD, (
        _box((40, 112, 170), 0, 62, 128, 92),
        _line((118, 78, 44), 0, 104, 128, 104, 1.5), _line((118, 78, 44), 0, 116, 128, 116, 1.5),
        _box((110, 72, 42), 6, 78, 13, 112), _box((110, 72, 42), 115, 78, 122, 112),
    )),
    "dance studio": Setting(("dance studio with a mirror", "dance studio"), (246, 226, 214), (206, 158, 108), (
        _box((186, 150, 96), 6, 14, 122, 82),
        _box((204, 228, 234), 9, 17, 119, 79),
        _line((236, 246, 248), 22, 74, 56, 22, 5),
        _line((150, 110, 70), 0, 70, 128, 70, 2),
    )),
    "wheat field": Setting(("wheat field with a red barn", "wheat field"), (150, 206, 240), (226, 186, 78), (
        _box((176, 46, 40), 88, 58, 122, 92),
        _poly((110, 34, 32), 84, 60, 105, 40, 126, 60),
        _box((246, 240, 230), 100, 72, 110, 92),
        _disc((250, 228, 110), 20, 20, 9),
    )),
    "beach": Setting(("sandy beach with a striped umbrella", "sandy beach"), (128, 208, 236), (240, 218, 166), (
        _box((64, 160, 190), 0, 72, 128, 92),
        _line((230, 230, 226), 24, 30, 24, 108, 2.5),
        _poly((222, 62, 62), 2, 42, 24, 20, 46, 42),
        _poly((250, 250, 246), 13, 42, 24, 20, 35, 42),
        _poly((222, 62, 62), 20, 42, 24, 20, 28, 42),
    )),
    "kitchen": Setting(("kitchen with a white stove", "kitchen"), (250, 236, 180), (176, 196, 200), (
        _box((196, 120, 80), 0, 20, 34, 44),
        _box((252, 252, 252), 92, 66, 124, 104),
        _box((60, 60, 66), 97, 78, 119, 96),
        _disc((60, 60, 66), 100, 71, 2.5), _disc((60, 60, 66), 116, 71, 2.5),
    )),
    "drawing table": Setting(("drawing table beside a lamp", "drawing table"), (92, 104, 120), (232, 222, 200), (
        _line((40, 44, 50), 108, 92, 118, 60, 2.5), _line((40, 44, 50), 118, 60, 104, 38, 2.5),
        _poly((236, 92, 60), 92, 46, 104, 30, 112, 44),
        _poly((250, 240, 180), 90, 48, 110, 46, 120, 92, 76, 92),
    ), 86),
    "factory": Setting(("factory hall with yellow pipes", "factory hall"), (112, 120, 128), (76, 80, 86), (
        _line((240, 200, 40), 0, 20, 128, 20, 7), _line((240, 200, 40), 14, 20, 14, 92, 7),
        _line((240, 200, 40), 114, 20, 114, 92, 7),
        _line((206, 164, 30), 0, 36, 128, 36, 4),
    )),
    "hospital": Setting(("hospital corridor with a bench", "hospital corridor"), (218, 240, 236), (150, 190, 190), (
        _line((110, 180, 172), 0, 60, 128, 60, 4),
        _box((246, 250, 250), 92, 26, 118, 92),
        _box((70, 120, 160), 4, 84, 36, 90),
        _box((60, 66, 76), 7, 90, 10, 104), _box((60, 66, 76), 30, 90, 33, 104),
    )),
    "moon": Setting(("grey moon with round craters", "grey moon"), (18, 18, 42), (158, 158, 164), (
        _disc((70, 130, 210), 106, 24, 12),
        _disc((250, 250, 240), 20, 18, 1.6), _disc((250, 250, 240), 46, 40, 1.6), _disc((250, 250, 240), 76, 12, 1.6),
        _disc((120, 120, 128), 22, 108, 8), _disc((120, 120, 128), 104, 102, 6), _disc((120, 120, 128), 84, 120, 5),
    ), 84),
    "restaurant": Setting(("restaurant with round tables", "restaurant"), (140, 60, 66), (96, 60, 50), (
        _disc((252, 226, 150), 30, 18, 6), _disc((252, 226, 150), 98, 18, 6),
        _poly((250, 246, 238), 0, 86, 36, 86, 30, 112, 4, 112),
        _poly((250, 246, 238), 94, 86, 128, 86, 124, 112, 98, 112),
    )),
    "graveyard": Setting(("graveyard with a bare tree", "graveyard"), (96, 92, 128), (70, 84, 66), (
        _disc((236, 232, 206), 26, 22, 9),
        _line((40, 32, 32), 112, 96, 108, 30, 5), _line((40, 32, 32), 110, 56, 92, 34, 3),
        _line((40, 32, 32), 110, 46, 124, 26, 3),
        _box((168, 168, 174), 6, 80, 20, 102),
        _disc((168, 168, 174), 13, 80, 7),
    )),
    "library": Setting(("library with tall bookshelves", "library"), (204, 176, 136), (122, 60, 52), (
        _box((92, 58, 34), 0, 6, 38, 92), _box((92, 58, 34), 90, 6, 128, 92),
        *(
            _box(colour, left, top, left + 7, top + 18)
            for top in (10, 38, 66)
            for left, colour in (
                (4, (190, 60, 56)), (13, (60, 110, 170)), (22, (226, 190, 90)), (31, (70, 140, 90)),
                (93, (70, 140, 90)), (102, (226, 190, 90)), (111, (190, 60, 56)), (120, (60, 110, 170)),
            )
        ),
    )),
    "gym": Setting(("gym with a rack of weights", "gym"), (64, 84, 112), (48, 52, 58), (
        _line((210, 214, 220), 4, 60, 40, 60, 2.5), _line((210, 214, 220), 4, 78, 40, 78, 2.5),
        *(_disc((22, 22, 26), x, y, 6) for y in (55, 73) for x in (10, 22, 34)),
        _box((230, 120, 40), 90, 20, 122, 30),
    )),
    "forest": Setting(("forest clearing with pine trees", "forest clearing"), (190, 226, 214), (96, 150, 74), tuple(
        shape
        for x, size in ((14, 1.0), (40, 0.7), (90, 0.7), (114, 1.0))
        for shape in (
            _box((104, 70, 44), x - 3, 80, x + 3, 94),
            _poly((28, 96, 60), x - 15 * size, 84, x, 84 - 62 * size, x + 15 * size, 84),
        )
    )),
    "garage": Setting(("garage with a red car", "garage"), (188, 190, 186), (110, 110, 114), (
        _box((150, 154, 160), 0, 10, 128, 26),
        _poly((196, 30, 36), 76, 96, 78, 80, 92, 76, 100, 62, 128, 62, 128, 96),
        _poly((180, 220, 236), 96, 76, 103, 66, 128, 66, 128, 76),
        _disc((30, 30, 34), 96, 98, 8),
        _box((70, 100, 150), 4, 56, 28, 92),
    )),
    "rooftop": Setting(("rooftop with a water tank", "rooftop"), (250, 176, 130), (126, 118, 122), (
        _box((110, 90, 120), 0, 66, 26, 92),
        _box((130, 104, 130), 28, 74, 50, 92),
        _box((146, 92, 58), 90, 36, 120, 70),
        _poly((104, 64, 42), 87, 38, 105, 22, 123, 38),
        _line((80, 60, 50), 94, 70, 92, 92, 2.5), _line((80, 60, 50), 116, 70, 118, 92, 2.5),
    )),
    "greenhouse": Setting(("greenhouse with potted plants", "greenhouse"), (214, 242, 226), (168, 146, 112), (
        _line((250, 254, 252), 32, 0, 32, 92, 2.5), _line((250, 254, 252), 64, 0, 64, 92, 2.5),
        _line((250, 254, 252), 96, 0, 96, 92, 2.5), _line((250, 254, 252), 0, 40, 128, 40, 2.5),
        _poly((190, 96, 60), 6, 88, 28, 88, 24, 108, 10, 108),
        _disc((46, 150, 70), 17, 76, 13),
        _poly((190, 96, 60), 100, 88, 122, 88, 118, 108, 104, 108),
        _disc((46, 150, 70), 111, 76, 13),
    )),
    "lawn": Setting(("green lawn beside a fence", "green lawn"), (140, 200, 246), (92, 186, 72), (
        _line((252, 252, 248), 0, 72, 128, 72, 3), _line((252, 252, 248), 0, 84, 128, 84, 3),
        *(_box((252, 252, 248), x, 64, x + 6, 94) for x in range(3, 128, 16)),
    )),
    "classroom": Setting(("classroom with a green blackboard", "classroom"), (244, 230, 196), (186, 142, 96), (
        _box((132, 88, 50), 8, 16, 120, 70),
        _box((34, 96, 72), 11, 19, 117, 67),
        _line((224, 236, 228), 18, 30, 40, 30, 1.8), _line((224, 236, 228), 18, 38, 34, 38, 1.8),
    )),
    "desert": Setting(("desert with two cactuses", "desert"), (250, 206, 130), (214, 150, 84), (
        _disc((244, 120, 70), 64, 20, 10),
        _line((50, 128, 70), 16, 104, 16, 58, 7), _line((50, 128, 70), 16, 84, 26, 84, 4),
        _line((50, 128, 70), 26, 84, 26, 68, 4), _line((50, 128, 70), 112, 104, 112, 50, 7),
        _line((50, 128, 70), 112, 78, 101, 78, 4), _line((50, 128, 70), 101, 78, 101, 60, 4),
    )),
    "museum": Setting(("museum hall with white columns", "museum hall"), (156, 60, 90), (204, 196, 190), tuple(
        shape
        for x in (16, 112)
        for shape in (
            _box((250, 248, 244), x - 8, 16, x + 8, 96),
            _box((232, 228, 220), x - 12, 8, x + 12, 16),
            _box((232, 228, 220), x - 12, 96, x + 12, 102),
            _line((222, 216, 208), x - 3, 18, x - 3, 94, 1.6),
            _line((222, 216, 208), x + 3, 18, x + 3, 94, 1.6),
        )
    )),
    "stage": Setting(("stage with a black piano", "stage"), (120, 20, 34), (196, 140, 88), (
        _line((88, 12, 24), 12, 0, 12, 92, 6), _line((88, 12, 24), 36, 0, 36, 92, 6),
        _line((88, 12, 24), 92, 0, 92, 92, 6), _line((88, 12, 24), 116, 0, 116, 92, 6),
        _poly((20, 20, 24), 88, 100, 88, 82, 100, 70, 128, 66, 128, 100),
        _line((246, 246, 246), 88, 86, 104, 86, 3),
    )),
    "building site": Setting(("building site with a crane", "building site"), (200, 220, 236), (176, 138, 100), (
        _line((236, 176, 30), 108, 94, 108, 16, 5), _line((236, 176, 30), 30, 20, 124, 20, 4),
        _line((70, 70, 70), 40, 20, 40, 44, 1.6),
        _box((176, 80, 60), 33, 44, 47, 54),
        _box((150, 150, 152), 2, 72, 24, 94),
    )),
    "ship deck": Setting(("ship deck under a sail", "ship deck"), (120, 190, 230), (190, 144, 92), (
        _box((30, 90, 150), 0, 72, 128, 92),
        _line((100, 66, 40), 18, 0, 18, 100, 5),
        _poly((250, 244, 228), 22, 4, 122, 4, 84, 44, 22, 56),
        _line((236, 236, 236), 0, 80, 128, 80, 2),
    )),
    "snow field": Setting(("snow field below a peak", "snow field"), (110, 160, 222), (240, 246, 252), (
        _poly((108, 116, 140), 10, 92, 66, 10, 122, 92),
        _poly((250, 252, 255), 46, 39, 66, 10, 86, 39, 74, 34, 66, 44, 57, 34),
    )),
}
