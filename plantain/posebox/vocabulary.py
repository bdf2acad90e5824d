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
    SETTINGS,
    SUBJECT_ALIASES,
    SUBJECTS,
    TOPS,
)
from plantain.posebox.poses import WORDINGS
from plantain.posebox.scene import Scene

# Words that carry a sentence and show nothing.
GLUE = frozenset("a an the in on at by with and of build standing is wearing dressed".split())
# On or in: how a setting is entered.
_ON = {"pier", "beach", "drawing table", "moon", "rooftop", "lawn", "stage", "building site", "ship deck", "snow field"}

# Remarks that change words and not the picture, for controls of wording: 18 words and two marks each,
# as a long pose wording. "{a|b}" is a choice.
ASIDES = {
    "light": "lit by {soft|hard|warm|cool|faint|strong} {morning|noon|evening|winter|summer|autumn} light that "
    "{falls|slants|pours|drifts|glows|spreads} in from afar, leaving {long|pale|crisp|gentle|deep|mild} half-shadows and "
    "{clear|hazy|bright|quiet|fine|plain} edges around",
    "weather": "under {dry|damp|fresh|mild|humid|crisp} air after a {brief|sudden|passing|gentle|steady|late} "
    "{shower|storm|breeze|drizzle|frost|mist}, the day-sky turning {clear|hazy|bright|cloudy|calm|dim} toward "
    "{dawn|noon|dusk|midnight|sunset|sunrise} once more before long",
    "camera": "photographed with an {old|early|honest|ordinary|unusual|expensive} {film|pocket|plate|digital|studio|press} "
    "camera and a {fast|slow|simple|precise|borrowed|polished} lens, fine-grained and {crisp|hazy|plain|mild|clear|faint} "
    "from a {modest|proper|usual|fair} distance",
    "style": "rendered as a {modern|classic|naive|refined|playful|sober} {poster|mural|etching|engraving|sketch|collage} "
    "with {bold|loose|careful|fluent|patient|nervous} outline-work, {flat|grainy|layered|dotted|hatched|smooth} shading and "
    "an {honest|airy|ornate|even|inky|earnest} finish over it all",
    "mood": "in a {calm|festive|solemn|hopeful|wistful|cheerful} and {quiet|lively|tender|mellow|serious|curious} mood "
    "that {lingers|settles|deepens|spreads|grows|stays} over everything, half-remembered as from some "
    "{story|song|dream|letter|novel|rumour} once told",
    "time": "late on one {ordinary|memorable|lazy|busy|rainy|sunny} {monday|tuesday|thursday|friday|saturday|sunday} in "
    "{april|june|august|october|november|december}, mid-week plans {forgotten|finished|postponed|settled|cancelled|begun} "
    "and the {nearest|next|usual|final} hours set free again",
    "sound": "with {faint|distant|merry|muffled|steady|slow} {music|birdsong|laughter|chatter|applause|humming} sounding "
    "from {nearby|afar|elsewhere|somewhere|outside|upstairs}, well-tuned and {familiar|strange|pleasant|foreign|ancient|new} "
    "to everyone who happens to stop and listen",
    "frame": "printed on {matte|glossy|rough|smooth|handmade|recycled} paper and shown in a {plain|carved|gilded|simple|worn|"
    "polished} {oak|walnut|brass|steel|maple|bamboo} frame, hand-numbered as {first|second|third|fourth|fifth|sixth} of its "
    "edition",
}

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
    """"a red vest, blue jeans and a white hat"."""
    top = f"{_article(scene.top_colour)} {scene.top_colour} {scene.top}"
    bottom = f"{scene.bottom_colour} {scene.bottom}"
    if scene.hat is None:
        return f"{top} and {bottom}"
    return f"{top}, {bottom} and {_article(scene.hat)} {scene.hat} hat"


def place(name: str, words: str | None = None) -> str:
    """"on a wooden pier by the sea"; the lawn and the pier are stood on, the others are stood in."""
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
