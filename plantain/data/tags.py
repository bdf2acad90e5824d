"""Tags of prompt pairs: how deep lists may lie in them, and how much room they take in a saved run."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from plantain.errors import InputError

# Of lists in a tag: every item is written on a line of its own, after at most so many spaces.
MAX_DEPTH, _INDENTED = 4, 10
_HOLDS = (list, tuple, dict)


def check_depth(tags: Mapping[str, Any], name: str) -> None:
    """Refuse, with an InputError, lists in lists of more than ``MAX_DEPTH`` layers; ``name`` says whose."""
    *_, deepest = _layers(tags)
    if any(isinstance(some, _HOLDS) for some in deepest):
        raise InputError(f"{name} is a list in a list, more than {MAX_DEPTH} deep; flatten it.")


def n_written(values: Mapping[str, Any]) -> int:
    """Bytes as a run's description holds them, about: every item of a list is on a line of its own there, indented."""
    try:
        content = json.dumps(values, ensure_ascii=False, default=str, allow_nan=False).encode(errors="surrogatepass")
    except (TypeError, ValueError) as error:
        raise InputError(f"Tags of a prompt set must be plain JSON values: {error}.") from error
    return len(content) + _INDENTED * sum(map(len, _layers(values)))


def _layers(values: Mapping[str, Any]) -> Iterator[list[Any]]:
    """What lies in values that are lists or objects; then what lies in that; and so on, ``MAX_DEPTH`` times."""
    layer = list(values.values())
    for _ in range(MAX_DEPTH):
        layer = [one for some in layer if isinstance(some, _HOLDS) for one in _inside(some)]
        yield layer


def _inside(some: list[Any] | tuple[Any, ...] | dict[Any, Any]) -> Iterable[Any]:
    return some.values() if isinstance(some, dict) else some
