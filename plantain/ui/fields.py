"""Checks of what a visitor typed, as sentences beside the fields."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import gradio as gr

from plantain.errors import InputError


def verdicts(checks: Sequence[Callable[[], object]]) -> list[Any]:
    """One verdict a field, for ``validator=``: each check passes or raises InputError with the sentence to show.

    A field that fails keeps its event out of the queue.
    """
    found = []
    for check in checks:
        try:
            check()
            found.append(gr.validate(True, ""))
        except InputError as error:
            found.append(gr.validate(False, str(error)))
    return found


def whole_number(value: float | None) -> int:
    """A number field's value as an int; number fields give floats, and None when they are empty."""
    if value is None or not math.isfinite(value) or value != int(value):
        raise InputError(f"Expected a whole number; got {'nothing' if value is None else value}.")
    return int(value)
