"""What Posebox's figures look like: colours, clothes, bodies and subjects, by name."""

from dataclasses import dataclass

RGB = tuple[int, int, int]

COLOURS: dict[str, RGB] = {
    "red": (205, 48, 44), "orange": (240, 140, 36), "yellow": (245, 214, 60), "green": (52, 150, 74),
    "blue": (44, 92, 196), "purple": (128, 62, 168), "pink": (246, 150, 190), "brown": (124, 78, 44),
    "white": (248, 248, 246), "grey": (138, 140, 146), "black": (36, 36, 42),
}  # fmt: skip
TOPS = ("shirt", "sweater", "jacket", "coat", "vest", "tunic")
BOTTOMS = ("trousers", "jeans", "leggings", "shorts")

HEIGHTS = {"short": 0.80, "average height": 0.90, "tall": 1.0}
# Width of limbs and trunk, and of shoulders and hips.
BUILDS = {
    "thin": (0.78, 0.88), "slender": (0.92, 0.95),
    "stocky": (1.22, 1.08), "broad": (1.20, 1.32), "heavy": (1.50, 1.18),
}  # fmt: skip


@dataclass(frozen=True)
class Subject:
    """A subject's look: skin, hair and head."""

    skin: RGB
    hair: RGB | None = None
    style: str = "short"  # of the hair: short, long, bun, bald
    head: str = "round"  # round, square, tall
    extra: str = ""  # beard, moustache, antenna, skull, glasses


_LIGHT, _TAN, _DARK = (240, 200, 170), (214, 160, 120), (142, 94, 66)
_BROWN, _BLACK, _BLOND, _GREY, _RED = (90, 58, 36), (34, 30, 32), (226, 190, 104), (196, 196, 200), (176, 84, 40)

SUBJECTS = {
    "person": Subject(_TAN, _BROWN),
    "fisherman": Subject(_LIGHT, _RED, extra="beard"),
    "teenage girl": Subject(_DARK, _BLACK, "long"),
    "elderly farmer": Subject(_LIGHT, _GREY, extra="beard"),
    "boy": Subject(_LIGHT, _BLOND),
    "grandmother": Subject(_LIGHT, _GREY, "bun", extra="glasses"),
    "wooden artist mannequin": Subject((222, 178, 120), None, "bald", "tall"),
    "robot": Subject((168, 178, 190), None, "bald", "square", "antenna"),
    "nurse": Subject(_DARK, _BLACK, "bun"),
    "alien astronaut": Subject((120, 200, 130), None, "bald", "tall", "antenna"),
    "chef": Subject(_TAN, _BLACK, extra="moustache"),
    "skeleton": Subject((238, 236, 226), None, "bald", extra="skull"),
    "elderly male librarian": Subject(_TAN, _GREY, extra="glasses"),
    "female weightlifter": Subject(_TAN, _BROWN, "bun"),
    "schoolgirl": Subject(_LIGHT, _RED, "long"),
    "mechanic": Subject(_DARK, _BLACK, extra="beard"),
    "teenage boy": Subject(_LIGHT, _BROWN),
    "elderly female gardener": Subject(_DARK, _GREY, "bun"),
    "clay figure": Subject((190, 104, 74), None, "bald"),
    "female teacher": Subject(_LIGHT, _BROWN, "long", extra="glasses"),
    "cowboy": Subject(_TAN, _BLOND, extra="moustache"),
    "marble statue": Subject((226, 224, 230), (206, 204, 212)),
    "elderly male pianist": Subject(_DARK, _GREY),
    "construction worker": Subject(_TAN, _BLACK),
    "female sailor": Subject(_LIGHT, _BLOND, "long"),
    "female mountain guide": Subject(_DARK, _BROWN, "long"),
}
# Shorter names of the same looks, for typing.
SUBJECT_ALIASES = {
    "farmer": "elderly farmer", "mannequin": "wooden artist mannequin", "alien": "alien astronaut",
    "librarian": "elderly male librarian", "weightlifter": "female weightlifter",
    "gardener": "elderly female gardener", "teacher": "female teacher", "statue": "marble statue",
    "pianist": "elderly male pianist", "sailor": "female sailor", "mountain guide": "female mountain guide",
    "figure": "person", "body": "person",
}  # fmt: skip
