"""The control prompt sets: ``python -m plantain.posebox sets --out prompts`` writes them, always the same.

All have the 25 subjects of ``prompts/dense_pose.json`` in its order (``articulation`` twice), its words for body,
clothes and setting where these are not the question, and one sentence: subject, clothes, pose, place.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from plantain.data.prompts import PromptPair, PromptSet, load_prompts, word_count
from plantain.pose.distance import distance_from_t_pose
from plantain.pose.poses import POSES
from plantain.posebox.words.filler import fillings
from plantain.posebox.words.reading import read
from plantain.posebox.words.vocabulary import clothes, place, write
from plantain.posebox.words.wordings import ASIDES, WORDINGS
from plantain.posebox.world.places import SETTINGS
from plantain.posebox.world.scene import Scene

MAIN = "dense_pose"
SEED = 0
RULES = ("equal_words", "tags")
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

_Item = TypeVar("_Item")


@dataclass(frozen=True)
class Row:
    """One pair of ``dense_pose``: its subject in its setting, in T-pose, and what it has beside it."""

    id: str
    scene: Scene
    wording: int  # of the T-pose
    expressive: str


@dataclass(frozen=True)
class Side:
    """One prompt of a pair and its pose."""

    text: str
    pose: str
    wording: int

    @property
    def pose_tag(self) -> str:
        """As in ``dense_pose``: canonical poses are numbered by their wording, expressive ones from the second on."""
        return f"{self.pose}-{self.wording + 1}" if POSES[self.pose].canonical or self.wording else self.pose


class Draw:
    """Draws that no later Python or NumPy changes: everything is made of ``Random.random()``."""

    def __init__(self, name: str) -> None:
        self._random = random.Random(f"{name}/{SEED}")

    def coin(self) -> bool:
        return self._random.random() < 0.5

    def one(self, options: Sequence[_Item]) -> _Item:
        return options[int(self._random.random() * len(options))]

    def shuffled(self, items: Iterable[_Item]) -> list[_Item]:
        return [item for _, item in sorted(((self._random.random(), item) for item in items), key=lambda pair: pair[0])]

    def balanced(self, options: Sequence[_Item], n: int) -> list[_Item]:
        """``n`` items, each option as often as any other or once more, in random order."""
        rounds = [item for _ in range(-(-n // len(options))) for item in self.shuffled(options)]
        return self.shuffled(rounds[:n])


def control_sets() -> dict[str, PromptSet]:
    """Every control set by name.

    >>> list(control_sets())[:3]
    ['dense_pose_fixed', 'body_clothing', 'articulation']
    """
    made: list[Callable[[], PromptSet]] = [
        dense_pose_fixed, body_clothing, articulation, canonical, setting, length, paraphrase, remarks,
    ]  # fmt: skip
    sets = [make() for make in made] + [lexical(number, slot) for number, slot in enumerate(ASIDES, 1)]
    return {prompts.name: prompts for prompts in sets}


def write_sets(out: Path) -> list[Path]:
    """Write every control set as ``out/NAME.json`` and return the paths."""
    out.mkdir(parents=True, exist_ok=True)
    paths = []
    for name, prompts in control_sets().items():
        path = out / f"{name}.json"
        path.write_text(_json(prompts), encoding="utf-8")
        paths.append(path)
    return paths


def long_wordings(pose: str) -> list[str]:
    """The wordings of 18 words and two marks; the others are for typing."""
    return [wording for wording in WORDINGS[pose] if word_count(wording) == 18]


def rows() -> list[Row]:
    """The pairs of ``dense_pose``, in its order."""
    found = []
    for pair in load_prompts(MAIN).pairs:
        canonical, expressive = pair.tags["pose"]
        found.append(Row(pair.id, read(pair.a).scene, int(canonical.rsplit("-", 1)[1]) - 1, expressive))
    return found


# -- the sets --------------------------------------------------------------------------------------


def paraphrase() -> PromptSet:
    draw = Draw("paraphrase")
    pairs = []
    for row in rows():
        order = (0, 1) if draw.coin() else (1, 0)
        a, b = (_posed(row.scene, row.expressive, wording) for wording in order)
        pairs.append(_pair(row.id, row.scene, a, b))
    return _set(
        "paraphrase",
        "One pose in other words",
        "How many heads pass the test where nothing differs but the wording, and a coin has chosen which wording is A? "
        "As many as under sign flips, if the test keeps its size.",
        ("one wording", "another wording"),
        pairs,
        role="nothing",
        label="same pose, reworded",
        not_because="anything that is meant differs: both sides say one pose, a coin chose which wording is A",
    )


def lexical(number: int, slot: str) -> PromptSet:
    name = f"lexical_{number}"
    draw, subjects = Draw(name), rows()
    choices = _choices(slot)
    fixed = [draw.one(options) for options in choices]
    others = [
        [option for option in options if option != chosen] for options, chosen in zip(choices, fixed, strict=True)
    ]
    varied: list[str] = []
    while len(set(varied)) < len(subjects):
        columns = [draw.balanced(options, len(subjects)) for options in others]
        varied = [remark(slot, chosen) for chosen in zip(*columns, strict=True)]
    pairs = []
    for row, other in zip(subjects, varied, strict=True):
        a, b = (_posed(row.scene, "t-pose", row.wording, aside=aside) for aside in (remark(slot, fixed), other))
        pairs.append(_pair(row.id, row.scene, a, b, slot=slot))
    return _set(
        name,
        f"One remark on {slot} against varied ones",
        f"Which heads tell one remark on {slot}, repeated 25 times, from 25 varied remarks of the same length? It has "
        "the shape of one canonical pose against many expressive ones, in words that are not about pose.",
        ("fixed remark", "varied remarks"),
        pairs,
        role="lexical",
        label="one remark → its like",
        not_because=f"they differ because of what is said on {slot}: one remark is repeated on side A while every pair "
        "has another on side B",
    )


def remarks() -> PromptSet:
    draw, subjects = Draw("remarks"), rows()
    one, *others = draw.shuffled(ASIDES)
    fixed, varied = _drawn(draw, one), list[str]()
    slots = draw.balanced(others, len(subjects))
    while len(set(varied)) < len(subjects):
        varied = [_drawn(draw, slot) for slot in slots]
    pairs = []
    for row, slot, other in zip(subjects, slots, varied, strict=True):
        a, b = (_posed(row.scene, "t-pose", row.wording, aside=aside) for aside in (fixed, other))
        pairs.append(_pair(row.id, row.scene, a, b, slot=[one, slot]))
    return _set(
        "remarks",
        "One remark against remarks on other things",
        "Which heads tell one remark, repeated 25 times, from remarks on seven other things? As in dense_pose, and "
        "unlike in the lexical sets, nearly every word of the phrase changes.",
        ("fixed remark", "remarks on other things"),
        pairs,
        role="control",
        label="one remark → any",
        not_because="they differ because of what the remarks are about: one is repeated on side A while every pair has "
        "another on side B, nearly every word of it differs",
    )


def length() -> PromptSet:
    draw = Draw("length")
    subjects = rows()
    # Seven pairs of equal length and two of every other, so that the effect at equal length is seen, not extrapolated.
    extra = draw.shuffled([0] * (len(subjects) - 2 * MAX_EXTRA_WORDS) + [*range(1, MAX_EXTRA_WORDS + 1)] * 2)
    pairs = []
    for row, more in zip(subjects, extra, strict=True):
        filled = fillings(row.scene, long_wordings("t-pose")[row.wording])
        if more:
            counts, texts = (0, more), [filled[0][0], draw.one(filled[more])]
        else:
            both = draw.one((1, 2))
            counts, texts = (both, both), draw.shuffled(filled[both])[:2]
        a, b = (Side(text, "t-pose", row.wording) for text in texts)
        pairs.append(_pair(row.id, row.scene, a, b, extra_words=list(counts)))
    return _set(
        "length",
        "Few words against more words",
        "Which heads respond to length alone? Both sides say the same; B takes 0 to 9 words more, all of them filler, "
        "and 0 in seven pairs.",
        ("plain", "filled"),
        pairs,
        role="control",
        label="fewer → more words",
        not_because="they differ because of length alone: which words fill side B, and their order, differ too",
        rules=("tags",),
    )


def setting() -> PromptSet:
    draw, subjects = Draw("setting"), rows()
    n_words = word_count(place(PLACE))
    places = [name for name in SETTINGS if name != PLACE and word_count(place(name)) == n_words]
    chosen = draw.balanced(places, len(subjects))
    # Nobody at home: to be in its own place would be more usual on one side than on the other.
    while any(name == row.scene.setting for name, row in zip(chosen, subjects, strict=True)):
        chosen = draw.balanced(places, len(subjects))
    pairs = []
    for row, other in zip(subjects, chosen, strict=True):
        a, b = (_posed(replace(row.scene, setting=name), "t-pose", row.wording) for name in (PLACE, other))
        pairs.append(_pair(row.id, row.scene, a, b, setting=[place(PLACE), place(other)]))
    return _set(
        "setting",
        "One setting against varied settings",
        "Which heads tell one setting, the same in all 25 pairs, from varied settings, where body, clothes and pose "
        "stay? It has the shape of one canonical pose against many expressive ones, in something the picture shows.",
        ("one setting", "varied settings"),
        pairs,
        role="control",
        label="one place → others",
        not_because="they differ because of the place: words differ too, one phrase is repeated on side A while side B "
        "varies",
    )


def canonical() -> PromptSet:
    draw, subjects = Draw("canonical"), rows()
    n_wordings = len(long_wordings("a-pose"))
    # The ten wordings of the two poses run parallel; another one is taken, as an expressive pose would have.
    shifts = draw.balanced(range(1, n_wordings), len(subjects))
    pairs = []
    for row, shift in zip(subjects, shifts, strict=True):
        a = _posed(row.scene, "t-pose", row.wording)
        pairs.append(_pair(row.id, row.scene, a, _posed(row.scene, "a-pose", (row.wording + shift) % n_wordings)))
    return _set(
        "canonical",
        "T-pose against A-pose",
        "Which heads tell two canonical poses apart, each in ten wordings? What they share with T-pose against "
        "expressive pose is not canonical against expressive.",
        ("T-pose", "A-pose"),
        pairs,
        role="near",
        label="T-pose → A-pose",
        not_because="they differ because of where the arms are: words differ too",
    )


def articulation() -> PromptSet:
    draw, subjects = Draw("articulation"), rows()
    n = len(subjects)
    few = draw.balanced([(pose, 0) for pose in FEW], n)
    many = draw.shuffled((pose, i % 2) for pose, count in MANY.items() for i in range(count))
    pairs = []
    for cell, rest, expressive in (("few", "a-pose", few), ("many", "flexed-neutral", many)):
        wordings = draw.balanced(range(len(long_wordings(rest))), n)
        for row, wording, (pose, other) in zip(subjects, wordings, expressive, strict=True):
            a, b = _posed(row.scene, rest, wording), _posed(row.scene, pose, other)
            pairs.append(_pair(f"{row.id}-{cell}", row.scene, a, b, cell=cell))
    return _set(
        "articulation",
        "Canonical against expressive, as many joints bent",
        "Which heads tell canonical from expressive poses where both bend as many joints? Half of the pairs bend two "
        "on either side, half eight; the canonical effect is the mean of the two halves, and their difference says "
        "whether it depends on articulation.",
        ("canonical pose", "expressive pose"),
        pairs,
        role="variant",
        label="as many joints bent",
        not_because="they differ because one pose is canonical and the other expressive: as many joints are bent on "
        "either side, but which ones, and the words for them, differ too",
        design="few and many",
    )


def body_clothing() -> PromptSet:
    draw, subjects = Draw("body_clothing"), rows()
    ranked = sorted((row.expressive for row in subjects), key=distance_from_t_pose)
    fifths = [draw.shuffled(ranked[5 * i : 5 * i + 5]) for i in range(5)]
    wordings = [draw.shuffled((k, k, k, k + 5, k + 5)) for k in range(5)]
    # A Graeco-Latin square: every body and every outfit meets each fifth of the poses and each pair of wordings once.
    cells = {}
    for body in range(5):
        for garment in range(5):
            pose = fifths[(body + 2 * garment) % 5].pop()
            cells[body, garment] = pose, wordings[(body + garment) % 5].pop()
    pairs = []
    for row, (body, garment) in zip(subjects, draw.shuffled(cells), strict=True):
        height, build = BODIES[body]
        top, top_colour, bottom, bottom_colour = CLOTHES[garment]
        scene = replace(
            row.scene, height=height, build=build, hat=None,
            top=top, top_colour=top_colour, bottom=bottom, bottom_colour=bottom_colour,
        )  # fmt: skip
        pose, wording = cells[body, garment]
        pairs.append(_pair(row.id, scene, _posed(scene, "t-pose", wording), _posed(scene, pose, 0)))
    return _set(
        "body_clothing",
        "T-pose against expressive pose, five bodies by five outfits",
        "Does the response to pose depend on the body or on the clothes? Each of five bodies wears each of five "
        "outfits once.",
        ("T-pose", "expressive pose"),
        pairs,
        role="variant",
        label="5 bodies × 5 outfits",
        not_because="they differ because of the pose, nor that body and clothes do not matter: words, length and "
        "articulation differ too",
        design="factorial",
    )


def dense_pose_fixed() -> PromptSet:
    pairs = [
        _pair(row.id, row.scene, _posed(row.scene, "t-pose", 0), _posed(row.scene, row.expressive, 0)) for row in rows()
    ]
    return _set(
        "dense_pose_fixed",
        "T-pose, always in the same words, against expressive pose",
        "What does it add to dense_pose that one phrase is repeated 25 times? The B side is that of dense_pose; the "
        "T-pose is always said in its first wording.",
        ("T-pose in one wording", "expressive pose"),
        pairs,
        role="variant",
        label="T-pose in one wording",
        not_because="they differ because of the pose: words, length and articulation differ too, one phrase is "
        "repeated on side A while side B varies",
    )


# -- parts -----------------------------------------------------------------------------------------


def remark(slot: str, choices: Sequence[str]) -> str:
    """A remark of ``ASIDES`` with these words at its choices."""
    words = iter(choices)
    return re.sub(r"\{[^}]*\}", lambda _: next(words), ASIDES[slot])


def _drawn(draw: Draw, slot: str) -> str:
    return remark(slot, [draw.one(options) for options in _choices(slot)])


def _choices(slot: str) -> list[list[str]]:
    return [choice.split("|") for choice in re.findall(r"\{([^}]*)\}", ASIDES[slot])]


def _posed(scene: Scene, pose: str, wording: int, aside: str | None = None) -> Side:
    return Side(write(replace(scene, pose=pose), long_wordings(pose)[wording], aside=aside), pose, wording)


def _pair(id: str, scene: Scene, a: Side, b: Side, **more: Any) -> PromptPair:
    average = scene.height == "average height"
    distances = [distance_from_t_pose(side.pose) for side in (a, b)]
    tags = {
        "subject": scene.subject,
        "setting": place(scene.setting),
        "body": f"average height and {scene.build} build" if average else f"{scene.height} {scene.build}",
        "clothing": clothes(scene).split(" ", 1)[1],
        "pose": [a.pose_tag, b.pose_tag],
        "bent_joints": [joints for _, joints in distances],
        "distance": [degrees for degrees, _ in distances],
    }
    return PromptPair(id, a.text, b.text, tags | more)


def _set(
    name: str,
    title: str,
    question: str,
    conditions: tuple[str, str],
    pairs: list[PromptPair],
    *,
    role: str,
    label: str,
    not_because: str,
    design: str = "",
    rules: tuple[str, ...] = RULES,
) -> PromptSet:
    caveat = f"It does not say that {not_because}, and an untrained network can pass the same test."
    return PromptSet(name, tuple(pairs), title, question, conditions, rules, role, label, caveat, design)


def _json(prompts: PromptSet) -> str:
    """Laid out as ``dense_pose.json``: a line for each prompt, a line for the tags."""
    head = prompts.to_dict()
    head.pop("pairs")
    made_by = f"python -m plantain.posebox sets (draws seeded with {prompts.name}/{SEED})"
    lines = [f" {_line(key)}: {_line(value)}," for key, value in (head | {"made_by": made_by}).items()]
    pairs = [
        f'  {{"id": {_line(pair.id)},\n   "a": {_line(pair.a)},\n   "b": {_line(pair.b)},\n   {_line(pair.tags)[1:]}'
        for pair in prompts.pairs
    ]
    return "{\n" + "\n".join(lines) + '\n "pairs": [\n' + ",\n".join(pairs) + "\n ]\n}\n"


def _line(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
