"""A prompt as a text: what it may be, and how it is counted."""

from __future__ import annotations

import re

from plantain.errors import InputError

# Every word is at least one token and no Flux2 pipeline reads more: refused here, before a model is asked.
MAX_WORDS = 512
# Of these 512 tokens none is longer than some 30 letters; a word without end is no prompt.
MAX_CHARACTERS = 20_000
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff]")


def word_count(text: str) -> int:
    """Words of a prompt, hyphenated parts counted apart: "a T-pose" has three."""
    return len(text.replace("-", " ").split())


def piece_count(text: str) -> int:
    """Runs of letters, single digits, single marks: a stand-in for tokens, of which "T-pose" has three."""
    return len(re.findall(r"[^\W\d_]+|\d|[^\w\s]", text))


def check_text(text: str, name: str) -> None:
    """Refuse a text that cannot be a prompt; ``name`` says in the message which one it is."""
    if not text:
        raise InputError(f"{name} is empty; write a prompt.")
    if _CONTROL.search(text):
        raise InputError(f"{name} holds a control character; remove it.")
    words = word_count(text)
    if words > MAX_WORDS:
        raise InputError(f"{name} has {words:,} words; a pipeline reads at most {MAX_WORDS} tokens, so shorten it.")
    if len(text) > MAX_CHARACTERS:
        raise InputError(f"{name} has {len(text):,} characters; at most {MAX_CHARACTERS:,} are read, so shorten it.")
