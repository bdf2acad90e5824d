"""What the control sets are made of: their texts, the rows of ``dense_pose``, draws, prompts with a pose, and files."""

import json
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from plantain.data.prompts import PromptPair, PromptSet, load_prompts
from plantain.data.study import POSE
from plantain.data.texts import word_count
from plantain.pose.distance import distance_from_t_pose
from plantain.pose.poses import POSES
from plantain.posebox.words.reading import read
from plantain.posebox.words.vocabulary import choices, clothes, place, remark, write
from plantain.posebox.words.wordings import ASIDES, WORDINGS
from plantain.posebox.world.scene import Scene

SEED = 0
RULES = ("equal_words", "tags")

_Item = TypeVar("_Item")


def _text(title: str, question: str, conditions: tuple[str, str], role: str, label: str, **more: str) -> dict[str, Any]:
    """Fields of a set; its caveat ends alike for all of them."""
    caveat = f"It does not say that {more.pop('not_that')}, and an untrained network can pass the same test."
    said = {"title": title, "question": question, "conditions": conditions, "control_of": POSE}
    return said | {"role": role, "label": label, "caveat": caveat} | more


# Title, question, conditions, role, label, caveat and design of every set, in the order they are made.
# fmt: off
TEXTS = {
    "dense_pose_fixed": _text(
        "T-pose, always in the same words, against expressive pose",
        "What does it add to dense_pose that one phrase is repeated 25 times? The B side is that of dense_pose; the "
        "T-pose is always said in its first wording.",
        ("T-pose in one wording", "expressive pose"), "variant", "T-pose in one wording",
        not_that="they differ because of the pose: words, length and articulation differ too, one phrase is "
        "repeated on side A while side B varies",
    ),
    "body_clothing": _text(
        "T-pose against expressive pose, five bodies by five outfits",
        "Does the response to pose depend on the body or on the clothes? Each of five bodies wears each of five "
        "outfits once.",
        ("T-pose", "expressive pose"), "variant", "5 bodies × 5 outfits",
        not_that="they differ because of the pose, nor that body and clothes do not matter: words, length and "
        "articulation differ too",
        design="factorial",
    ),
    "articulation": _text(
        "Canonical against expressive, as many joints bent",
        "Which heads tell canonical from expressive poses where both bend as many joints? Half of the pairs bend two "
        "on either side, half eight; the canonical effect is the mean of the two halves, and their difference says "
        "whether it depends on articulation.",
        ("canonical pose", "expressive pose"), "variant", "as many joints bent",
        not_that="they differ because one pose is canonical and the other expressive: as many joints are bent on "
        "either side, but which ones, and the words for them, differ too",
        design="few and many",
    ),
    "canonical": _text(
        "T-pose against A-pose",
        "Which heads tell two canonical poses apart, each in ten wordings? What they share with T-pose against "
        "expressive pose is not canonical against expressive.",
        ("T-pose", "A-pose"), "near", "T-pose → A-pose",
        not_that="they differ because of where the arms are: words differ too",
    ),
    "setting": _text(
        "One setting against varied settings",
        "Which heads tell one setting, the same in all 25 pairs, from varied settings, where body, clothes and pose "
        "stay? It has the shape of one canonical pose against many expressive ones, in something the picture shows.",
        ("one setting", "varied settings"), "control", "one place → others",
        not_that="they differ because of the place: words differ too, one phrase is repeated on side A while side B "
        "varies",
    ),
    "length": _text(
        "Few words against more words",
        "Which heads respond to length alone? Both sides say the same; B takes 0 to 9 words more, all of them filler, "
        "and 0 in seven pairs.",
        ("plain", "filled"), "control", "fewer → more words",
        not_that="they differ because of length alone: which words fill side B, and their order, differ too",
    ),
    "paraphrase": _text(
        "One pose in other words",
        "How many heads pass the test where nothing differs but the wording, and a coin has chosen which wording is A? "
        "As many as under sign flips, if the test keeps its size.",
        ("one wording", "another wording"), "nothing", "same pose, reworded",
        not_that="anything that is meant differs: both sides say one pose, a coin chose which wording is A",
    ),
    "remarks": _text(
        "One remark against remarks on other things",
        "Which heads tell one remark, repeated 25 times, from remarks on seven other things? As in dense_pose, and "
        "unlike in the lexical sets, nearly every word of the phrase changes.",
        ("fixed remark", "remarks on other things"), "control", "one remark → any",
        not_that="they differ because of what the remarks are about: one is repeated on side A while every pair has "
        "another on side B, nearly every word of it differs",
    ),
} | {
    f"lexical_{number}": _text(
        f"One remark on {slot} against varied ones",
        f"Which heads tell one remark on {slot}, repeated 25 times, from 25 varied remarks of the same length? It has "
        "the shape of one canonical pose against many expressive ones, in words that are not about pose.",
        ("fixed remark", "varied remarks"), "lexical", "one remark → its like",
        not_that=f"they differ because of what is said on {slot}: one remark is repeated on side A while every pair "
        "has another on side B",
    )
    for number, slot in enumerate(ASIDES, 1)
}
# fmt: on


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

    def remark(self, slot: str) -> str:
        return remark(slot, [self.one(options) for options in choices(slot)])


def rows() -> list[Row]:
    """The pairs of ``dense_pose``, in its order."""
    found = []
    for pair in load_prompts("dense_pose").pairs:
        canonical, expressive = pair.tags["pose"]
        found.append(Row(pair.id, read(pair.a).scene, int(canonical.rsplit("-", 1)[1]) - 1, expressive))
    return found


def long_wordings(pose: str) -> list[str]:
    """The wordings of 18 words and two marks; the others are for typing."""
    return [wording for wording in WORDINGS[pose] if word_count(wording) == 18]


def posed(scene: Scene, pose: str, wording: int, aside: str | None = None) -> Side:
    """A scene's prompt with one of the pose's long wordings."""
    return Side(write(replace(scene, pose=pose), long_wordings(pose)[wording], aside=aside), pose, wording)


def pair(id: str, scene: Scene, a: Side, b: Side, **more: Any) -> PromptPair:
    """A pair with the tags of ``dense_pose``, how far each side is from the T-pose, and ``more``."""
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


def file_text(prompts: PromptSet) -> str:
    """A set's JSON, laid out as ``dense_pose.json``: a line for each prompt, a line for the tags."""
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
