"""The one exception whose message is meant for the person at the keyboard."""


class InputError(ValueError):
    """Something given to plantain cannot be used.

    The message is one or two plain sentences: what was expected, what came, what to do.
    The shell prints it without a traceback and the page shows it beside the field, so
    it is raised for faults of the input only, never for faults of the code.
    """
