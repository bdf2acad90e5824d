"""The control prompt sets: ``python -m plantain.posebox sets --out prompts`` writes them, always the same.

All have the 25 subjects of ``prompts/dense_pose.json`` in its order (``articulation`` twice), its words for body,
clothes and setting where these are not the question, and one sentence: subject, clothes, pose, place.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

from plantain.data.prompts import PromptPair, PromptSet
from plantain.data.texts import word_count
from plantain.pose.distance import distance_from_t_pose
from plantain.posebox.set_parts import RULES, TEXTS, Draw, Row, Side, file_text, long_wordings, pair, posed, rows
from plantain.posebox.words.filler import fillings
from plantain.posebox.words.vocabulary import choices, place, remark
from plantain.posebox.words.wordings import ASIDES
from plantain.posebox.world.places import SETTINGS

# Matched for articulation. Two joints bent, like the A-pose; nothing expressive is as straight as the T-pose.
FEW = ("star-legs", "windmill", "victory-v", "sky-point")
# Eight joints bent, like the flexed stance, on average exactly, and of all such choices near it in degrees.
MANY = {"twist-wrap": 4, "boxer-punch": 4, "bat-swing": 9, "stoop-brace": 8}
BODIES = (("short", "thin"), ("tall", "slender"), ("short", "stocky"), ("tall", "broad"), ("short", "heavy"))
CLOTHES = (
    ("sweater", "yellow", "trousers", "black"),
    ("shirt", "red", "jeans", "blue"),
    ("vest", "green", "shorts", "grey"),
    ("tunic", "white", "leggings", "purple"),
    ("jacket", "orange", "trousers", "brown"),
)
# The one place of ``setting``: of as many words as most, and with little in it.
PLACE = "lawn"
MAX_EXTRA_WORDS = 9  # what every subject's sentence can be filled with


def control_sets() -> dict[str, PromptSet]:
    """Every control set by name.

    >>> list(control_sets())[:3]
    ['dense_pose_fixed', 'body_clothing', 'articulation']
    """
    subjects, made = rows(), {}
    for name, text in TEXTS.items():
        rules = ("tags",) if name == "length" else RULES
        made[name] = PromptSet(name, tuple(_MAKERS[name](Draw(name), subjects)), rules=rules, **text)
    return made


def write_sets(out: Path) -> list[Path]:
    """Write every control set as ``out/NAME.json`` and return the paths."""
    out.mkdir(parents=True, exist_ok=True)
    paths = []
    for name, prompts in control_sets().items():
        path = out / f"{name}.json"
        path.write_text(file_text(prompts), encoding="utf-8")
        paths.append(path)
    return paths


def paraphrase(draw: Draw, subjects: list[Row]) -> Iterator[PromptPair]:
    for row in subjects:
        order = (0, 1) if draw.coin() else (1, 0)
        yield pair(row.id, row.scene, *(posed(row.scene, row.expressive, wording) for wording in order))


def lexical(draw: Draw, subjects: list[Row], slot: str) -> Iterator[PromptPair]:
    options = choices(slot)
    fixed = [draw.one(words) for words in options]
    others = [[word for word in words if word != chosen] for words, chosen in zip(options, fixed, strict=True)]
    varied: list[str] = []
    while len(set(varied)) < len(subjects):
        columns = [draw.balanced(words, len(subjects)) for words in others]
        varied = [remark(slot, chosen) for chosen in zip(*columns, strict=True)]
    for row, other in zip(subjects, varied, strict=True):
        yield _remarked(row, remark(slot, fixed), other, slot)


def remarks(draw: Draw, subjects: list[Row]) -> Iterator[PromptPair]:
    one, *others = draw.shuffled(ASIDES)
    fixed, varied = draw.remark(one), list[str]()
    slots = draw.balanced(others, len(subjects))
    while len(set(varied)) < len(subjects):
        varied = [draw.remark(slot) for slot in slots]
    for row, slot, other in zip(subjects, slots, varied, strict=True):
        yield _remarked(row, fixed, other, [one, slot])


def _remarked(row: Row, fixed: str, other: str, slot: str | list[str]) -> PromptPair:
    a, b = (posed(row.scene, "t-pose", row.wording, aside=aside) for aside in (fixed, other))
    return pair(row.id, row.scene, a, b, slot=slot)


def length(draw: Draw, subjects: list[Row]) -> Iterator[PromptPair]:
    # Seven pairs of equal length and two of every other, so that the effect at equal length is seen, not extrapolated.
    extra = draw.shuffled([0] * (len(subjects) - 2 * MAX_EXTRA_WORDS) + [*range(1, MAX_EXTRA_WORDS + 1)] * 2)
    for row, more in zip(subjects, extra, strict=True):
        filled = fillings(row.scene, long_wordings("t-pose")[row.wording])
        if more:
            counts, texts = (0, more), [filled[0][0], draw.one(filled[more])]
        else:
            both = draw.one((1, 2))
            counts, texts = (both, both), draw.shuffled(filled[both])[:2]
        a, b = (Side(text, "t-pose", row.wording) for text in texts)
        yield pair(row.id, row.scene, a, b, extra_words=list(counts))


def setting(draw: Draw, subjects: list[Row]) -> Iterator[PromptPair]:
    n_words = word_count(place(PLACE))
    places = [name for name in SETTINGS if name != PLACE and word_count(place(name)) == n_words]
    chosen = draw.balanced(places, len(subjects))
    # Nobody at home: to be in its own place would be more usual on one side than on the other.
    while any(name == row.scene.setting for name, row in zip(chosen, subjects, strict=True)):
        chosen = draw.balanced(places, len(subjects))
    for row, other in zip(subjects, chosen, strict=True):
        a, b = (posed(replace(row.scene, setting=name), "t-pose", row.wording) for name in (PLACE, other))
        yield pair(row.id, row.scene, a, b, setting=[place(PLACE), place(other)])


def canonical(draw: Draw, subjects: list[Row]) -> Iterator[PromptPair]:
    n_wordings = len(long_wordings("a-pose"))
    # The ten wordings of the two poses run parallel; another one is taken, as an expressive pose would have.
    shifts = draw.balanced(range(1, n_wordings), len(subjects))
    for row, shift in zip(subjects, shifts, strict=True):
        a = posed(row.scene, "t-pose", row.wording)
        yield pair(row.id, row.scene, a, posed(row.scene, "a-pose", (row.wording + shift) % n_wordings))


def articulation(draw: Draw, subjects: list[Row]) -> Iterator[PromptPair]:
    n = len(subjects)
    few = draw.balanced([(pose, 0) for pose in FEW], n)
    many = draw.shuffled((pose, i % 2) for pose, count in MANY.items() for i in range(count))
    for cell, rest, expressive in (("few", "a-pose", few), ("many", "flexed-neutral", many)):
        wordings = draw.balanced(range(len(long_wordings(rest))), n)
        for row, wording, (pose, other) in zip(subjects, wordings, expressive, strict=True):
            a, b = posed(row.scene, rest, wording), posed(row.scene, pose, other)
            yield pair(f"{row.id}-{cell}", row.scene, a, b, cell=cell)


def body_clothing(draw: Draw, subjects: list[Row]) -> Iterator[PromptPair]:
    ranked = sorted((row.expressive for row in subjects), key=distance_from_t_pose)
    fifths = [draw.shuffled(ranked[5 * i : 5 * i + 5]) for i in range(5)]
    wordings = [draw.shuffled((k, k, k, k + 5, k + 5)) for k in range(5)]
    # A Graeco-Latin square: every body and every outfit meets each fifth of the poses and each pair of wordings once.
    cells = {}
    for body in range(5):
        for garment in range(5):
            pose = fifths[(body + 2 * garment) % 5].pop()
            cells[body, garment] = pose, wordings[(body + garment) % 5].pop()
    for row, (body, garment) in zip(subjects, draw.shuffled(cells), strict=True):
        height, build = BODIES[body]
        top, top_colour, bottom, bottom_colour = CLOTHES[garment]
        scene = replace(
            row.scene, height=height, build=build, hat=None,
            top=top, top_colour=top_colour, bottom=bottom, bottom_colour=bottom_colour,
        )  # fmt: skip
        pose, wording = cells[body, garment]
        yield pair(row.id, scene, posed(scene, "t-pose", wording), posed(scene, pose, 0))


def dense_pose_fixed(draw: Draw, subjects: list[Row]) -> Iterator[PromptPair]:
    for row in subjects:
        yield pair(row.id, row.scene, posed(row.scene, "t-pose", 0), posed(row.scene, row.expressive, 0))


_Maker = Callable[[Draw, list[Row]], Iterator[PromptPair]]
_PLAIN: tuple[_Maker, ...] = (
    dense_pose_fixed, body_clothing, articulation, canonical, setting, length, paraphrase, remarks,
)  # fmt: skip
_MAKERS = {make.__name__: make for make in _PLAIN} | {
    f"lexical_{number}": partial(lexical, slot=slot) for number, slot in enumerate(ASIDES, 1)
}
