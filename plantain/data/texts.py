"""A prompt as a text: what it may be, and how it is counted."""

from __future__ import annotations

import re
import unicodedata

from plantain.errors import InputError

# Every word is at least one token and no Flux2 pipeline reads more: refused here, before a model is asked.
MAX_WORDS = 512
# Of these 512 tokens none is longer than some 30 letters; a word without end is no prompt.
MAX_CHARACTERS = 20_000
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff]")
# Soft hyphen, zero-width spaces and joiners, direction marks, fillers, variation selectors, tags.
_INVISIBLE = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u2800\u3164\ufe00-\ufe0f"
    "\ufeff\uffa0\ufff0-\ufffb\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)
# ``unicodedata.normalize`` takes seconds over thousands of accents in a row; no letter of any script has so many. Three
# Tibetan vowels are not accents themselves, but become two each.
_MANY_ACCENTS = b"\1" * 31
_TIBETAN = re.compile("[\u0f73\u0f75\u0f81]")


def word_count(text: str) -> int:
    """Words of a prompt, hyphenated parts counted apart: "a T-pose" has three."""
    return len(text.replace("-", " ").split())


def piece_count(text: str) -> int:
    """Runs of letters, single digits, single marks: a stand-in for tokens, of which "T-pose" has three."""
    return len(re.findall(r"[^\W\d_]+|\d|[^\w\s]", text))


def visible(text: str) -> str:
    """Return a text as a reader sees it: no invisible characters, accents encoded in one way, single spaces.

    >>> visible("caf\\u00e9\\u200b  noir") == visible("cafe\\u0301 noir")
    True
    """
    if not text.isascii():
        text = _INVISIBLE.sub("", text)
        accents = bytes(map(bool, map(unicodedata.combining, text)))
        if _MANY_ACCENTS not in accents and not _TIBETAN.search(text):
            text = unicodedata.normalize("NFC", text)
    return " ".join(text.split())


def check_differ(a: str, b: str, name: str) -> None:
    """Refuse two prompts that are the same to a reader; ``name`` says in the message which ones they are."""
    if a.strip() == b.strip():
        raise InputError(f"{name} are the same; they must differ in what you ask about.")
    if visible(a) == visible(b):
        raise InputError(
            f"{name} look the same: they differ only in invisible characters, spaces or the encoding of accents. They "
            "must differ in what you ask about."
        )


def check_text(text: str, name: str) -> None:
    """Refuse a text that cannot be a prompt; ``name`` says in the message which one it is."""
    if _CONTROL.search(text):
        raise InputError(f"{name} holds a control character; remove it.")
    words = word_count(text)
    if words > MAX_WORDS:
        raise InputError(f"{name} has {words:,} words; a pipeline reads at most {MAX_WORDS} tokens, so shorten it.")
    if len(text) > MAX_CHARACTERS:
        raise InputError(f"{name} has {len(text):,} characters; at most {MAX_CHARACTERS:,} are read, so shorten it.")
    if not any(map(visible, text)):
        raise InputError(f"{name} is empty; write a prompt.")
