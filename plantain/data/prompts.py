"""Prompt pairs: load them, check them, and say plainly what is wrong with them."""

from __future__ import annotations

import csv
import io
import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any

from plantain.data.disk import plain_json
from plantain.data.tags import check_depth, n_written
from plantain.data.texts import check_text, piece_count, word_count
from plantain.errors import InputError
from plantain.paths import PROMPTS
from plantain.wording import shorten

# Far above any prompt set in use; they keep a stray upload from filling the memory, or a run.json from growing
# beyond what is read again. Names of tags count once a pair.
MAX_FILE_BYTES = 10 * 1024**2
MAX_PAIRS, MAX_TAGS, MAX_SET_BYTES = 20_000, 200, 6_000_000
# A set of a CSV file has the names of columns at every pair: where that makes it this many times as large, it is no
# table of prompts. Below so many characters it does no harm.
MAX_GROWTH, SMALL_SET = 9, 100_000
RESERVED_IDS = ("block", "part", "index")
# Pose; another contrast of pose; a control near pose, or a control; one of the lexical controls that pose is placed
# among; a set with nothing to find. A set without a role is a control.
ROLES = ("pose", "variant", "near", "control", "lexical", "nothing")
# Sets with a question of their own: pairs in two cells, or bodies by outfits.
DESIGNS = ("few and many", "factorial")
# Fields that say what a set is for; they make no two sets different.
SAID = ("control_of", "role", "label", "caveat", "design")
REQUIRED_TAGS = ("subject", "setting", "pose", "body", "clothing", "bent_joints")

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@dataclass(frozen=True)
class PromptPair:
    """Two prompts that differ in one thing; every difference is taken as b - a."""

    id: str
    a: str
    b: str
    tags: Mapping[str, Any] = field(default_factory=dict)

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
        seen: set[str] = set()
        size = n_written(self.said())
        for pair in self.pairs:
            _check_pair(pair)
            size += n_written(pair.to_dict())
            if size > MAX_SET_BYTES:
                raise InputError(
                    f"Prompt set {self.name!r} has more than {MAX_SET_BYTES:,} bytes, tags and their names at "
                    "every pair included; give fewer pairs or tags."
                )
            if pair.id in seen:
                raise InputError(f"Two pairs have the id {pair.id!r}; give every pair an id of its own.")
            seen.add(pair.id)
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
    """Load a shipped prompt set by name, or any set from a ``.json`` or ``.csv`` file.

    >>> plantain.load_prompts("dense_pose")
    >>> plantain.load_prompts("my_pairs.csv")

    A CSV file needs the columns ``a`` and ``b``; ``id`` is used where given, and every other column becomes a tag.

    Raises InputError: the name is not shipped, the file is missing, unreadable, or not a valid set.
    """
    path = Path(source)
    if path.suffix.lower() not in (".json", ".csv"):
        if str(source) not in shipped_prompts():
            raise InputError(
                f"No prompt set called {str(source)!r}; shipped sets: {', '.join(shipped_prompts())}. "
                "Or give the path of a .json or .csv file."
            )
        path = PROMPTS / f"{source}.json"
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise InputError(f"{path.name} is larger than {MAX_FILE_BYTES // 1024**2} MB; a prompt set is far smaller.")
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{path.name} is not UTF-8 text; save the file as UTF-8 and load it again.") from error
    except OSError as error:
        raise InputError(f"Cannot read the prompt file {str(source)!r}: {error.strerror or error}.") from error
    if path.suffix.lower() == ".csv":
        return parse_csv(text, path.stem, path.name)
    try:
        data = plain_json(text)
    except (ValueError, RecursionError) as error:
        where = f" (line {error.lineno}: {error.msg})" if isinstance(error, json.JSONDecodeError) else ""
        raise InputError(f"{path.name} is not valid JSON{where}; mend it or save the pairs as CSV.") from error
    return PromptSet.from_dict(data, name=path.stem)


def parse_csv(text: str, name: str, source: str = "The CSV text") -> PromptSet:
    """Build a set from the text of a CSV file with the columns ``a`` and ``b``; ``source`` stands in errors.

    >>> parse_csv("a,b\\na cat standing,a cat sitting\\n", "cats")
    """
    if len(text) > MAX_FILE_BYTES:
        raise InputError(f"{source} is larger than {MAX_FILE_BYTES // 1024**2} MB; a prompt set is far smaller.")
    lines = filter(None, csv.reader(io.StringIO(text, newline="")))  # an empty line is no row
    try:
        columns = next(lines, [])
        _check_columns(columns, source)
        rows = []
        for number, row in enumerate(islice(lines, MAX_PAIRS + 1), 2):
            if len(row) != len(columns):  # told at once: what is short is not filled up first
                raise InputError(
                    f"Row {number} of {source} has not {len(columns)} columns; quote texts that hold commas."
                )
            rows.append(row)
    except csv.Error as error:
        raise InputError(f"{source} is not readable as CSV ({error}); save it again as plain CSV.") from error
    named = len(rows) * sum(len(column) + 8 for column in columns)  # quotes, colon, comma
    if named > max(SMALL_SET, MAX_GROWTH * len(text)):
        raise InputError(
            f"{source} has {len(columns):,} columns whose names, kept at each of {len(rows):,} pairs, would make it "
            f"{named / len(text):,.0f} times as large; use shorter names, or fewer columns."
        )
    if named > MAX_SET_BYTES:  # before the pairs are made
        raise InputError(
            f"{source} has more than {MAX_SET_BYTES:,} bytes with the names of {len(columns):,} columns at each of "
            f"{len(rows):,} pairs; give fewer pairs or columns."
        )
    pairs = (_pair_from_dict(dict(zip(columns, row, strict=True)), index) for index, row in enumerate(rows, 1))
    return PromptSet(name=name, pairs=tuple(pairs))


def _check_columns(columns: list[str], source: str) -> None:
    if not {"a", "b"} <= set(columns):
        found = shorten(", ".join(repr(column) for column in columns[:40])) or "none"
        raise InputError(f"{source} needs the columns 'a' and 'b' in its first line; it has {found}.")
    twice = sorted(column for column, times in Counter(columns).items() if times > 1)
    if twice:
        raise InputError(f"{source} has the column {shorten(twice[0])!r} twice; give every column a name of its own.")
    if len(columns) > MAX_TAGS + 3:
        raise InputError(f"{source} has {len(columns):,} columns; give a, b, id, and at most {MAX_TAGS} tags.")


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
    if pair.id in RESERVED_IDS:
        raise InputError(f"The id {pair.id!r} is a column name of exported tables; give the pair another id.")
    if not _ID.fullmatch(pair.id):
        # Ids become column names of exported tables, so they stay plain.
        raise InputError(
            f"The id {pair.id[:80]!r} is not usable; use up to 64 letters, digits, dots, dashes and underscores."
        )
    if len(pair.tags) > MAX_TAGS:
        raise InputError(f"Pair {pair.id!r} has {len(pair.tags):,} tags; give at most {MAX_TAGS}.")
    check_depth(pair.tags, f"A tag of pair {pair.id!r}")
    for side, text in (("a", pair.a), ("b", pair.b)):
        check_text(text, f"Prompt {side} of pair {pair.id!r}")
    if pair.a == pair.b:
        raise InputError(f"The two prompts of pair {pair.id!r} are the same; they must differ in what you ask about.")


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
