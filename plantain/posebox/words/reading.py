"""Words into a scene. What Posebox does not know, it says."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from plantain.posebox.words.vocabulary import GLUE
from plantain.posebox.words.wordings import ASIDES, WORDINGS
from plantain.posebox.world.looks import BOTTOMS, BUILDS, COLOURS, HEIGHTS, SUBJECT_ALIASES, SUBJECTS, TOPS
from plantain.posebox.world.places import SETTINGS
from plantain.posebox.world.scene import Scene

# What a prompt can leave to the defaults; a garment brings its colour, and a hat need not be worn.
FIELDS = ("subject", "height", "build", "top", "bottom", "pose", "setting")
# Names of poses that are for typing alone.
_TYPED = {"t-pose": "t-pose", "t pose": "t-pose", "a-pose": "a-pose", "a pose": "a-pose"}
_NEGATIONS = frozenset(("no", "not", "without", "never", "neither", "nor"))
_BREAK = ","  # stands for every mark that ends a clause


@dataclass(frozen=True)
class Reading:
    """What Posebox makes of a prompt.

    ``said`` names the fields of the scene that the words give. ``unknown`` are words that Posebox does not know, or not
    in this place, and ``conflicts`` phrases that contradict earlier ones; neither has any part in the scene.
    """

    scene: Scene
    said: frozenset[str]
    unknown: tuple[str, ...]
    conflicts: tuple[str, ...]

    @property
    def unsaid(self) -> tuple[str, ...]:
        """Those of ``FIELDS`` that are drawn with their defaults."""
        return tuple(field for field in FIELDS if field not in self.said)


def read(text: str) -> Reading:
    """Turn a prompt into a scene.

    >>> reading = read("A tall thin robot kneeling on a green lawn, smiling")
    >>> reading.scene.pose, reading.scene.skeleton.bent_joints(), reading.unknown
    ('kneel-raise', ('left shoulder', 'right shoulder', 'left hip', 'left knee', 'right knee'), ('smiling',))

    The longest known phrase wins, marks included. Nothing is guessed: a word that is not known, a known one where it
    means something else ("a boxing ring"), a part of a remark, and what follows a negation are all unknown.
    """
    words = _words(text)
    lexicon, longest = _lexicon()
    remarks = _remark_starts(words)
    found: dict[str, Any] = {}
    unknown: list[str] = []
    conflicts: list[str] = []
    at = 0
    while at < len(words):
        if at in remarks:
            at = remarks[at]
            continue
        if words[at] in _NEGATIONS:
            end = _end_of_clause(words, at)
            unknown += words[at:end]
            at = end
            continue
        for length in range(min(longest, len(words) - at), 0, -1):
            sets = lexicon.get(words[at : at + length])
            if sets and _fits(sets, words, at, at + length):
                if any(found.get(field, value) != value for field, value in sets.items()):
                    conflicts.append(" ".join(words[at : at + length]).replace(" ,", ","))
                else:
                    found |= sets
                at += length
                break
        else:
            if words[at] not in GLUE and words[at] != _BREAK:
                unknown.append(words[at])
            at += 1
    return Reading(replace(Scene(), **found), frozenset(found), tuple(unknown), tuple(conflicts))


def _words(text: str) -> tuple[str, ...]:
    """Words in lower case, each run of other marks as a break."""
    found = []
    for piece in re.findall(r"[\w'-]+|[^\w\s'-]+", text.lower().replace("’", "'")):
        word = piece.strip("-'")
        if re.match(r"[\w]", word):
            found.append(word)
        elif word and found and found[-1] != _BREAK:
            found.append(_BREAK)
    return tuple(found[:-1] if found and found[-1] == _BREAK else found)


def _end_of_clause(words: tuple[str, ...], at: int) -> int:
    try:
        return words.index(_BREAK, at)
    except ValueError:
        return len(words)


def _fits(sets: Mapping[str, str], words: tuple[str, ...], start: int, end: int) -> bool:
    """Whether the phrase ``words[start:end]`` can mean here what it says."""
    before, after = words[max(0, start - 1) : start], words[end : end + 1]
    if sets.keys() & {"height", "build"}:  # "a short coat"
        return not set(after) & {*COLOURS, *TOPS, *BOTTOMS, "hat"}
    if end - start > 1:
        return True
    if "pose" in sets and words[start] not in _TYPED:  # "a walking stick", "in running shoes"
        return not set(before) & (GLUE - {"and", "is", "standing"})
    if "setting" in sets:  # "a gym teacher"
        return not after or after[0] in GLUE or after[0] == _BREAK
    return True


@cache
def _lexicon() -> tuple[dict[tuple[str, ...], Mapping[str, str]], int]:
    """Every phrase that says something, with the fields of a scene it sets; and the longest one's length."""
    entries: dict[tuple[str, ...], Mapping[str, str]] = {}

    def add(phrase: str, **sets: str) -> None:
        words = _words(phrase)
        if words in entries:
            raise ValueError(f"{phrase!r} names two things: {entries[words]} and {sets}")
        entries[words] = sets

    for field, phrases in (
        ("subject", [*zip(SUBJECTS, SUBJECTS, strict=True), *SUBJECT_ALIASES.items()]),
        ("height", zip(HEIGHTS, HEIGHTS, strict=True)),
        ("build", zip(BUILDS, BUILDS, strict=True)),
        ("pose", [*_TYPED.items(), *((words, pose) for pose, wordings in WORDINGS.items() for words in wordings)]),
        ("setting", ((words, name) for name, setting in SETTINGS.items() for words in setting.words)),
    ):
        for phrase, value in phrases:
            add(phrase, **{field: value})
    for colour in COLOURS:
        for top in TOPS:
            add(f"{colour} {top}", top=top, top_colour=colour)
        for bottom in BOTTOMS:
            add(f"{colour} {bottom}", bottom=bottom, bottom_colour=colour)
        add(f"{colour} hat", hat=colour)
    return entries, max(map(len, entries))


def _remark_starts(words: tuple[str, ...]) -> dict[int, int]:
    """Where remarks without a look begin, and where each ends: {first word: word after it}."""
    text = " ".join(words)
    found = {}
    for pattern in _remarks():
        for match in pattern.finditer(text):
            found[text[: match.start()].count(" ")] = text[: match.end()].count(" ") + 1
    return found


@cache
def _remarks() -> tuple[re.Pattern[str], ...]:
    patterns = []
    for remark in ASIDES.values():
        parts = re.split(r"\{([^}]*)\}", remark)  # fixed, choice, fixed, choice, …
        fixed = [re.escape(" ".join(_words(part + " x")[:-1])) for part in parts[::2]]
        # A fixed part may begin with its mark, which _words keeps only after a word.
        for i, part in enumerate(parts[::2]):
            if part.lstrip().startswith(","):
                fixed[i] = ", " + fixed[i] if fixed[i] else ","
        choices = [f"(?:{part})" for part in parts[1::2]]
        pieces = [piece for pair in zip(fixed, [*choices, ""], strict=True) for piece in pair if piece]
        patterns.append(re.compile(r"(?<!\S)" + " ".join(pieces) + r"(?!\S)"))
    return tuple(patterns)
