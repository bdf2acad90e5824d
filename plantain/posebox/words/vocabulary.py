"""A scene into words: the sentence of the shipped prompts, and every word that can stand in it."""

import re
from collections.abc import Sequence

import numpy as np

from plantain.posebox.words.wordings import ASIDES, WORDINGS
from plantain.posebox.world.looks import BOTTOMS, BUILDS, COLOURS, HEIGHTS, SUBJECT_ALIASES, SUBJECTS, TOPS
from plantain.posebox.world.places import SETTINGS
from plantain.posebox.world.scene import Scene

# Words that carry a sentence and show nothing.
GLUE = frozenset(
    ["a", "an", "the", "in", "on", "at", "by", "with", "and", "of", "build", "standing", "is", "wearing", "dressed"]
)
# On or in: how a setting is entered.
_ON = {"pier", "beach", "drawing table", "moon", "rooftop", "lawn", "stage", "building site", "ship deck", "snow field"}


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

    ``pose`` and ``setting`` choose a wording (None: the first); ``leave_out`` names what to be silent about, of
    "subject", "body", "clothes", "pose" and "setting"; ``aside`` is a remark without a look, put after the pose.
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
    """ "on a wooden pier by the sea", "in a gym"."""
    words = words or SETTINGS[name].words[0]
    return f"{'on' if name in _ON else 'in'} {_article(words)} {words}"


def choices(slot: str) -> list[list[str]]:
    """The words that can stand at each choice of a remark of ``ASIDES``."""
    return [choice.split("|") for choice in re.findall(r"\{([^}]*)\}", ASIDES[slot])]


def remark(slot: str, chosen: Sequence[str]) -> str:
    """A remark of ``ASIDES`` with these words at its choices."""
    words = iter(chosen)
    return re.sub(r"\{[^}]*\}", lambda _: next(words), ASIDES[slot])


def asides(slot: str, rng: np.random.Generator) -> str:
    """One remark of a slot of ``ASIDES``, with its choices drawn."""
    return remark(slot, [str(rng.choice(words)) for words in choices(slot)])


def every_word() -> list[str]:
    """Texts that together hold every word Posebox knows: what its tokenizer learns from."""
    texts = [clothes(Scene(top_colour=colour, bottom_colour=colour, hat=colour)) for colour in COLOURS]
    texts += [*TOPS, *BOTTOMS, "hat", *COLOURS, *BUILDS, *HEIGHTS, *SUBJECTS, *SUBJECT_ALIASES, *sorted(GLUE)]
    texts += [wording for wordings in WORDINGS.values() for wording in wordings]
    texts += [place(name, words) for name, setting in SETTINGS.items() for words in setting.words]
    texts += [re.sub(r"[{}|]", " ", aside) for aside in ASIDES.values()]
    # As a word of its own, inside a sentence and at its start.
    return [form for text in texts for form in (f" {text},", text[0].upper() + text[1:] + ".")]


def _article(words: str) -> str:
    return "an" if words[0] in "aeiou" else "a"
