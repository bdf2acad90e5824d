"""Stopping what a visitor has started: their button sets an event, and the run looks at it after every forward."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import gradio as gr

# One entry for each visitor and kind of run that is running, by gradio's session.
_stop_of: dict[tuple[str, str], threading.Event] = {}


@contextmanager
def stoppable(request: gr.Request, what: str) -> Iterator[threading.Event]:
    """The event that this visitor's stop button sets.

    >>> with stoppable(request, "run") as stopping:
    ...     stopping.is_set()
    """
    # Cancelled from outside, its last report could come after the stop's, and leave old text and locked buttons.
    key = str(request.session_hash), what
    stopping = _stop_of[key] = threading.Event()
    try:
        yield stopping
    finally:
        if _stop_of.get(key) is stopping:
            del _stop_of[key]


def stop(request: gr.Request, what: str) -> bool:
    """Set it; whether there was anything to stop.

    >>> stop(request, "run")
    """
    stopping = _stop_of.get((str(request.session_hash), what))
    if stopping is not None:
        stopping.set()
    return stopping is not None
