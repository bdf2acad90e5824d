"""The one exception whose message is meant for the person at the keyboard."""

import math


class InputError(ValueError):
    """Something given to plantain cannot be used.

    The message is one or two plain sentences: what was expected, what came, what to do.
    The shell prints it without a traceback and the page shows it beside the field, so
    it is raised for faults of the input only, never for faults of the code.
    """


def is_number(value: object) -> bool:
    """Whether a value is a finite number, and no bool: what JSON and settings mean by one."""
    try:
        return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
    except OverflowError:  # a whole number beyond any float
        return False
