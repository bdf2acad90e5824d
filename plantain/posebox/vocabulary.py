"""Posebox's language: words into a scene, and a scene into words. What it does not know, it says."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np

from plantain.posebox.looks import (
    BOTTOMS,
    BUILDS,
    COLOURS,
    HEIGHTS,
    SUBJECT_ALIASES,
    SUBJECTS,
    TOPS,
)
from plantain.posebox.scene import Scene
from plantain.posebox.settings import SETTINGS
from plantain.posebox.wordings import ASIDES, WORDINGS

# Words that carry a sentence and show nothing.
GLUE = frozenset(
    ["a", "an", "the", "in", "on", "at", "by", "with", "and", "of", "build", "standing", "is", "wearing", "dressed"]
)
# On or in: how a setting is entered.
_ON = {"pier", "beach", "drawing table", "moon", "rooftop", "lawn", "stage", "building site", "ship deck", "snow field"}

FIELDS = ("subject", "body", "clothes", "pose", "setting")


@dataclass(frozen=True)
class Reading:
    """What Posebox makes of a prompt.

    ``said`` names the parts that the words give; the others are the scene's defaults. ``unknown`` are
    words that Posebox does not know and ``conflicts`` those that contradict earlier ones; neither has
    any part in the scene.
    """

    scene: Scene
    said: frozenset[str]
    unknown: tuple[str, ...]
    conflicts: tuple[str, ...]

    @property
    def unsaid(self) -> tuple[str, ...]:
        """Parts of ``FIELDS`` that are drawn with their defaults."""
        return tuple(part for part in FIELDS if part not in self.said)


def read(text: str) -> Reading:
    """Turn a prompt into a scene.

    >>> reading = read("A tall thin robot kneeling on a green lawn, smiling")
    >>> reading.scene.pose, reading.scene.skeleton.bent_joints(), reading.unknown
    ('kneel-raise', ('left shoulder', 'right shoulder', 'left hip', 'left knee', 'right knee'), ('smiling',))

    The longest known phrase wins. Nothing is guessed from a word that is not known.
    """
    words = _words(text)
    lexicon, longest = _lexicon()
    found: dict[str, Any] = {}
    unknown: list[str] = []
    conflicts: list[str] = []
    at = 0
    while at < len(words):
        for length in range(min(longest, len(words) - at), 0, -1):
            phrase = words[at : at + length]
            if phrase in lexicon:
                for field, value in lexicon[phrase].items():
                    if found.setdefault(field, value) != value:
                        conflicts.append(" ".join(phrase))
                        break
                at += length
                break
        else:
            if words[at] not in GLUE and words[at] not in _aside_words():
                unknown.append(words[at])
            at += 1
    said = frozenset(_PART_OF.get(field, field) for field in found)
    return Reading(replace(Scene(), **found), said, tuple(unknown), tuple(conflicts))


def write(
    scene: Scene,
    pose: str | None = None,
    setting: str | None = None,
    leave_out: frozenset[str] | set[str] = frozenset(),
    aside: str | None = None,
) -> str:
    """A prompt for a scene, in the sentence of the shipped sets.

    >>> write(Scene(subject="robot", pose="t-pose"))
    'A robot of average height and slender build in a grey shirt and black trousers, standing in …'

    ``pose`` and ``setting`` choose a wording (None: the first); ``leave_out`` names parts of
    ``FIELDS`` to be silent about; ``aside`` is a remark without a look, put after the pose.
    """
    subject = scene.subject if "subject" not in leave_out else "person"
    if "body" in leave_out:
        figure = subject
    elif scene.height == "average height":
        figure = f"{subject} of average height and {scene.build} build"
    else:
        figure = f"{scene.height} {scene.build} {subject}"
    parts = [f"{'An' if figure[0] in 'aeiou' else 'A'} {figure}"]
    if "clothes" not in leave_out:
        parts[0] += f" in {clothes(scene)}"
    if "pose" not in leave_out:
        parts.append(pose or WORDINGS[scene.pose][0])
    if aside:
        parts.append(aside)
    if "setting" not in leave_out:
        parts.append(place(scene.setting, setting))
    return ", ".join(parts) + "."


def clothes(scene: Scene) -> str:
    """ "a red vest, blue jeans and a white hat"."""
    top = f"{_article(scene.top_colour)} {scene.top_colour} {scene.top}"
    bottom = f"{scene.bottom_colour} {scene.bottom}"
    if scene.hat is None:
        return f"{top} and {bottom}"
    return f"{top}, {bottom} and {_article(scene.hat)} {scene.hat} hat"


def place(name: str, words: str | None = None) -> str:
    """ "on a wooden pier by the sea"; the lawn and the pier are stood on, the others are stood in."""
    words = words or SETTINGS[name].words[0]
    return f"{'on' if name in _ON else 'in'} {_article(words)} {words}"


def asides(slot: str, rng: np.random.Generator) -> str:
    """One remark of a slot of ``ASIDES``, with its choices drawn."""
    return re.sub(r"\{([^}]*)\}", lambda match: str(rng.choice(match.group(1).split("|"))), ASIDES[slot])


def every_word() -> list[str]:
    """Texts that together hold every word Posebox knows: what its tokenizer learns from."""
    texts = [clothes(Scene(top_colour=colour, bottom_colour=colour, hat=colour)) for colour in COLOURS]
    texts += [*TOPS, *BOTTOMS, "hat", *COLOURS, *BUILDS, *HEIGHTS, *SUBJECTS, *SUBJECT_ALIASES, *sorted(GLUE)]
    texts += [wording for wordings in WORDINGS.values() for wording in wordings]
    texts += [place(name, words) for name, setting in SETTINGS.items() for words in setting.words]
    texts += [re.sub(r"[{}|]", " ", aside) for aside in ASIDES.values()]
    # As a word of its own, inside a sentence and at its start.
    return [form for text in texts for form in (f" {text},", text[0].upper() + text[1:] + ".")]


_PART_OF = {
    "height": "body",
    "build": "body",
    "top": "clothes",
    "top_colour": "clothes",
    "bottom": "clothes",
    "bottom_colour": "clothes",
    "hat": "clothes",
}


def _words(text: str) -> tuple[str, ...]:
    found = (word.strip("-'") for word in re.findall(r"[\w'-]+", text.lower().replace("’", "'")))
    return tuple(word for word in found if word)


def _article(words: str) -> str:
    return "an" if words[0] in "aeiou" else "a"


@cache
def _lexicon() -> tuple[dict[tuple[str, ...], Mapping[str, str]], int]:
    """Every phrase that says something, with the parts of a scene it sets; and the longest one's length."""
    entries: dict[tuple[str, ...], Mapping[str, str]] = {}

    def add(phrase: str, **sets: str) -> None:
        words = _words(phrase)
        if words in entries:
            raise ValueError(f"{phrase!r} names two things: {entries[words]} and {sets}")
        entries[words] = sets

    for subject in SUBJECTS:
        add(subject, subject=subject)
    for alias, subject in SUBJECT_ALIASES.items():
        add(alias, subject=subject)
    for height in HEIGHTS:
        add(height, height=height)
    for build in BUILDS:
        add(build, build=build)
    for colour in COLOURS:
        for top in TOPS:
            add(f"{colour} {top}", top=top, top_colour=colour)
        for bottom in BOTTOMS:
            add(f"{colour} {bottom}", bottom=bottom, bottom_colour=colour)
        add(f"{colour} hat", hat=colour)
    for pose, wordings in WORDINGS.items():
        for wording in wordings:
            add(wording, pose=pose)
    for name, setting in SETTINGS.items():
        for words in setting.words:
            add(words, setting=name)
    return entries, max(map(len, entries))


@cache
def _aside_words() -> frozenset[str]:
    return frozenset(word for aside in ASIDES.values() for word in _words(re.sub(r"[{}|]", " ", aside)))
