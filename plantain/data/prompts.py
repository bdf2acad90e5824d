"""Prompt pairs: load them, check them, and say plainly what is wrong with them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

from plantain.data.csv_file import (
    MAX_PAIRS,
    MAX_SET_BYTES,
    MAX_TAGS,
    SEPARATORS,
    decode,
    read_content,
    read_sheet,
)
from plantain.data.disk import plain_json
from plantain.data.tags import check_depth, n_written
from plantain.data.texts import check_differ, check_text, piece_count, visible, word_count
from plantain.errors import InputError
from plantain.paths import PROMPTS
from plantain.stats.paired import MIN_PAIRS

RESERVED_IDS = ("block", "part", "index")
# Pose; another contrast of pose; a control near pose, or a control; one of the lexical controls that pose is placed
# among; a set with nothing to find. A set without a role is a control.
ROLES = ("pose", "variant", "near", "control", "lexical", "nothing")
# Sets with a question of their own: pairs in two cells, or bodies by outfits.
DESIGNS = ("few and many", "factorial")
# Fields that say what a set is for; they make no two sets different.
SAID = ("control_of", "role", "label", "caveat", "design")
TABLES = (".csv", ".tsv", ".txt")  # endings of files that are read as CSV
REQUIRED_TAGS = ("subject", "setting", "pose", "body", "clothing", "bent_joints")

_LISTED = 3  # repeated pairs that are named one by one
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@dataclass(frozen=True)
class PromptPair:
    """Two prompts that differ in one thing; every difference is taken as b - a."""

    id: str
    a: str
    b: str
    tags: Mapping[str, Any] = field(default_factory=dict)
    origin: str = field(default="", compare=False, repr=False)  # "row 4 of mine.csv", for messages

    def named(self, column: str = "") -> str:
        """How a message names the pair, and a column of its file: ``pair 'p' (row 4 of mine.csv, column a)``."""
        place = f"{self.origin}, column {column}" if self.origin and column else self.origin
        return f"pair {self.id[:80]!r}" + (f" ({place})" if place else "")

    def to_dict(self) -> dict[str, Any]:
        return {"id": self.id, "a": self.a, "b": self.b, **self.tags}


@dataclass(frozen=True)
class PromptSet:
    """A named list of prompt pairs, checked when it is made.

    >>> pairs = plantain.load_prompts("dense_pose")
    >>> len(pairs), pairs.conditions
    (25, ('T-pose', 'expressive pose'))

    Raises InputError, naming the pair: no pairs, a repeated id, an empty prompt, equal prompts, more than 512 words, a
    broken rule ("equal_words", "tags"), a role or design that is not known.
    """

    name: str
    pairs: tuple[PromptPair, ...]
    title: str = ""
    question: str = ""
    conditions: tuple[str, str] = ("A", "B")
    rules: tuple[str, ...] = ()
    control_of: str = field(default="", compare=False)  # the set whose other explanations this one is to test
    role: str = field(default="", compare=False)  # one of ROLES
    label: str = field(default="", compare=False)  # what the two sides are, in a few words
    caveat: str = field(default="", compare=False)  # what a count above the null does not say
    design: str = field(default="", compare=False)  # one of DESIGNS
    note: str = field(default="", compare=False, repr=False)  # one line on its file: as what it was read, what left out

    def __post_init__(self) -> None:
        if not self.pairs:
            raise InputError(f"Prompt set {self.name!r} holds no pairs; give at least one pair of prompts.")
        rules = (("rule", rule, _RULES) for rule in self.rules)
        said = [("role", self.role, ROLES), ("design", self.design, DESIGNS), *rules]
        for key, value, known in said:
            if value not in ("", *known) or (key == "rule" and not value):
                raise InputError(f"Unknown {key} {value!r} in prompt set {self.name!r}; known: {', '.join(known)}.")
        if len(self.pairs) > MAX_PAIRS:
            raise InputError(f"Prompt set {self.name!r} holds more than {MAX_PAIRS:,} pairs; give fewer.")
        if len(set(self.rules)) < len(self.rules):
            raise InputError(f"Prompt set {self.name!r} names a rule twice; name each once.")
        seen: dict[str, PromptPair] = {}
        size = n_written(self.said())
        for pair in self.pairs:
            _check_pair(pair)
            size += n_written(pair.to_dict())
            if size > MAX_SET_BYTES:
                raise InputError(
                    f"Prompt set {self.name!r} has more than {MAX_SET_BYTES:,} bytes, tags and their names at "
                    "every pair included; give fewer pairs or tags."
                )
            if (other := seen.setdefault(pair.id, pair)) is not pair:
                rows = f" ({other.origin}; {pair.origin})" if pair.origin else ""
                raise InputError(f"Two pairs have the id {pair.id!r}{rows}; give every pair an id of its own.")
        for rule in self.rules:
            for pair in self.pairs:
                _RULES[rule](pair)

    def __len__(self) -> int:
        return len(self.pairs)

    @property
    def prompts(self) -> list[str]:
        """All prompts in the order a, b, a, b, …: (2 · n_pairs,)."""
        return [text for pair in self.pairs for text in (pair.a, pair.b)]

    def to_dict(self) -> dict[str, Any]:
        return self.said() | {"pairs": [pair.to_dict() for pair in self.pairs]}

    def said(self) -> dict[str, Any]:
        """All but the pairs, as ``to_dict`` gives it."""
        texts = {key: getattr(self, key) for key in ("name", "title", "question")}
        lists = {"conditions": list(self.conditions), "rules": list(self.rules)}
        return texts | lists | {key: getattr(self, key) for key in SAID if getattr(self, key)}

    @classmethod
    def from_dict(cls, data: Any, name: str = "prompts") -> PromptSet:
        """Build a set from the parsed JSON of a prompt file."""
        if not isinstance(data, dict) or not isinstance(data.get("pairs"), list):
            raise InputError('A prompt set is a JSON object with a list "pairs"; see prompts/dense_pose.json for one.')
        conditions = data.get("conditions", ["A", "B"])
        if not (isinstance(conditions, list) and len(conditions) == 2 and all(isinstance(c, str) for c in conditions)):
            raise InputError(f'"conditions" must be a list of two names, for a and for b; got {conditions!r}.')
        rules = data.get("rules", [])
        if not (isinstance(rules, list) and all(isinstance(rule, str) for rule in rules)):
            raise InputError(f'"rules" must be a list of names; got {rules!r}.')
        return cls(
            name=_text(data, "name", name),
            title=_text(data, "title", ""),
            question=_text(data, "question", ""),
            conditions=(conditions[0], conditions[1]),
            rules=tuple(rules),
            pairs=tuple(_pair_from_dict(row, index) for index, row in enumerate(data["pairs"][: MAX_PAIRS + 1], 1)),
            **{key: _text(data, key, "") for key in SAID},
        )

    @classmethod
    def from_pairs(cls, pairs: Iterable[tuple[str, str]], name: str = "typed") -> PromptSet:
        """Build a set from typed texts: ``PromptSet.from_pairs([("a cat", "a dog")])``."""
        numbered = enumerate(pairs, 1)
        return cls(name=name, pairs=tuple(PromptPair(f"pair-{i:02d}", a.strip(), b.strip()) for i, (a, b) in numbered))


def load_prompts(source: str | Path) -> PromptSet:
    """Load a shipped prompt set by name, or any set from a ``.json`` file or a table (``.csv``, ``.tsv``, ``.txt``).

    >>> plantain.load_prompts("dense_pose")
    >>> plantain.load_prompts("my_pairs.csv").note
    'my_pairs.csv: 8 pairs read, separated by commas. Left out 1 repeated pair (row 5 repeats row 2).'

    A table needs the columns ``a`` and ``b``; ``id`` is used where given, and every other column becomes a tag.
    Separator and encoding: ``docs/prompt-sets.md``. Pairs that look the same as an earlier one are left out.

    Raises InputError: the name is not shipped, the file is missing, unreadable, or not a valid set.
    """
    path = Path(source)
    if path.suffix.lower() not in (".json", *TABLES):
        if str(source) not in shipped_prompts():
            raise InputError(
                f"No prompt set called {str(source)!r}; shipped sets: {', '.join(shipped_prompts())}. "
                "Or give the path of a .json or .csv file."
            )
        path = PROMPTS / f"{source}.json"
    text, encoding = decode(read_content(path), path.name)
    if path.suffix.lower() in TABLES:
        return parse_csv(text, path.stem, path.name, encoding)
    try:
        data = plain_json(text)
    except (ValueError, RecursionError) as error:
        where = f" (line {error.lineno}: {error.msg})" if isinstance(error, json.JSONDecodeError) else ""
        raise InputError(f"{path.name} is not valid JSON{where}; mend it or save the pairs as CSV.") from error
    prompts = PromptSet.from_dict(data, name=path.stem)
    pairs, repeated = _distinct(prompts.pairs)
    return (
        replace(prompts, pairs=pairs, note=f"{path.name}: {_n_pairs(pairs)} read. {repeated}") if repeated else prompts
    )


def parse_csv(text: str, name: str, source: str = "The CSV text", encoding: str = "") -> PromptSet:
    """Build a set from the text of a CSV file with the columns ``a`` and ``b``; ``source`` stands in messages.

    >>> parse_csv("a,b\\na cat standing,a cat sitting\\n", "cats")
    """
    sheet = read_sheet(text, source)
    blank = dict.fromkeys(sheet.columns, "")
    pairs, repeated = _distinct(
        replace(
            _pair_from_dict(blank | dict(zip(sheet.columns, row, strict=False)), index),
            origin=f"row {number} of {source}",
        )
        for index, (number, row) in enumerate(zip(sheet.numbers, sheet.rows, strict=True), 1)
    )
    read_as = f"separated by {SEPARATORS[sheet.separator]}{encoding and f', {encoding}'}"
    note = " ".join(filter(None, [f"{source}: {_n_pairs(pairs)} read, {read_as}.", *sheet.left_out, repeated]))
    return PromptSet(name=name, pairs=pairs, note=note)


def check_enough(prompts: PromptSet) -> None:
    """Refuse a set that is too small for a t over its pairs."""
    if len(prompts) < MIN_PAIRS:
        few = f"{prompts.name!r} has {len(prompts)}"
        raise InputError(f"A t over pairs needs at least {MIN_PAIRS} pairs; {few}. Add pairs. {prompts.note}".strip())


def _distinct(pairs: Iterable[PromptPair]) -> tuple[tuple[PromptPair, ...], str]:
    """The pairs that look like none before them, and a sentence on the others."""
    first: dict[tuple[str, str], PromptPair] = {}
    repeats = []
    for pair in pairs:
        earlier = first.setdefault((visible(pair.a), visible(pair.b)), pair)
        if earlier is not pair:
            repeats.append(
                " repeats ".join(one.origin.partition(" of ")[0] or repr(one.id[:80]) for one in (pair, earlier))
            )
    if not repeats:
        return tuple(first.values()), ""
    listed = "; ".join(repeats[:_LISTED]) + (" …" if len(repeats) > _LISTED else "")
    repeated = f"repeated {'pair' if len(repeats) == 1 else 'pairs'}"
    return tuple(first.values()), f"Left out {len(repeats):,} {repeated} ({listed})."


def _n_pairs(pairs: tuple[PromptPair, ...]) -> str:
    return f"{len(pairs):,} {'pair' if len(pairs) == 1 else 'pairs'}"


def shipped_prompts() -> list[str]:
    """Names that ``load_prompts`` knows without a path."""
    return sorted(path.stem for path in PROMPTS.glob("*.json"))


def described(prompts: PromptSet, by_name: bool = False) -> PromptSet:
    """The shipped set where a given one is the same, with its role, label and caveat; else the given one.

    >>> described(load_result("assets/runs/posebox").prompts).role
    'pose'

    Runs made before sets had roles hold none. ``by_name``: a set that differs from the shipped one of its name, and
    says nothing of itself, is given its role, label and design all the same, as for a study of older wordings.
    """
    if prompts.name not in shipped_prompts():
        return prompts
    shipped = _shipped(prompts.name)
    if prompts == shipped:
        return shipped
    if by_name and not any(getattr(prompts, key) for key in SAID[1:]):
        return replace(prompts, role=shipped.role, label=shipped.label, design=shipped.design)
    return prompts


@cache
def _shipped(name: str) -> PromptSet:
    return load_prompts(name)


def match_rows(first: PromptSet, second: PromptSet, by: str = "subject") -> list[tuple[int, int]]:
    """Rows of two sets that belong together, having the same tag ``by``: (row of ``first``, row of ``second``).

    >>> match_rows(load_prompts("dense_pose"), load_prompts("setting"))[:2]
    [(0, 0), (1, 1)]

    In the order of ``first``. A subject that a set has twice ("articulation") gives two rows.

    Raises InputError: a pair lacks the tag, or one set has a value that the other lacks.
    """
    columns = []
    for prompts in (first, second):
        missing = [pair.id for pair in prompts.pairs if pair.tags.get(by) in (None, "", [])]
        if missing:
            raise InputError(f"Pair {missing[0]!r} of prompt set {prompts.name!r} has no tag {by!r} to match it by.")
        columns.append([str(pair.tags[by]) for pair in prompts.pairs])
    alone = sorted(set(columns[0]) ^ set(columns[1]))
    if alone:
        names = f"{first.name!r} and {second.name!r}"
        raise InputError(f"Only one of {names} has the {by} {alone[0]!r}; both must have it.")
    return [(i, j) for i, value in enumerate(columns[0]) for j, other in enumerate(columns[1]) if other == value]


def _pair_from_dict(row: Any, index: int) -> PromptPair:
    if not isinstance(row, dict):
        raise InputError(f"Pair {index} is not an object with the texts a and b; got {type(row).__name__}.")
    for side in ("a", "b"):
        if not isinstance(row.get(side), str):
            raise InputError(f"Pair {index} has no text {side!r}; every pair needs both prompts, a and b.")
    tags = {str(key): value for key, value in row.items() if key not in ("id", "a", "b")}
    return PromptPair(str(row.get("id") or f"pair-{index:02d}"), row["a"].strip(), row["b"].strip(), tags)


def _text(data: dict[str, Any], key: str, default: str) -> str:
    value = data.get(key, default)
    if not isinstance(value, str):
        raise InputError(f"{key!r} of a prompt set must be text; got {value!r}.")
    return value


def _check_pair(pair: PromptPair) -> None:
    at = f" ({pair.origin}, column id)" if pair.origin else ""
    if pair.id in RESERVED_IDS:
        raise InputError(f"The id {pair.id!r}{at} is a column name of exported tables; give the pair another id.")
    if not _ID.fullmatch(pair.id):
        # Ids become column names of exported tables, so they stay plain.
        raise InputError(
            f"The id {pair.id[:80]!r}{at} is not usable; use up to 64 letters, digits, dots, dashes and underscores."
        )
    if len(pair.tags) > MAX_TAGS:
        raise InputError(f"Pair {pair.id!r} has {len(pair.tags):,} tags; give at most {MAX_TAGS}.")
    check_depth(pair.tags, f"A tag of {pair.named()}")
    for side, text in (("a", pair.a), ("b", pair.b)):
        check_text(text, f"Prompt {side} of {pair.named(side)}")
    check_differ(pair.a, pair.b, f"The two prompts of {pair.named()}")


def _require_equal_words(pair: PromptPair) -> None:
    for what, count in (("words", word_count), ("pieces (words, digits, marks)", piece_count)):
        a, b = count(pair.a), count(pair.b)
        if a != b:
            raise InputError(f"Pair {pair.id!r} breaks the rule equal_words: {a} {what} in a, {b} in b.")


def _require_tags(pair: PromptPair) -> None:
    missing = [tag for tag in REQUIRED_TAGS if pair.tags.get(tag) in (None, "", [])]
    if missing:
        raise InputError(f"Pair {pair.id!r} breaks the rule tags: it lacks {', '.join(missing)}.")


_RULES = {"equal_words": _require_equal_words, "tags": _require_tags}
