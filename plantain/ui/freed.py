"""Memory that is freed goes back to the system: glibc keeps what many threads have freed in pieces."""

import ctypes
import threading
import time


def give_back() -> bool:
    """What glibc's allocator holds and nobody uses; False where another one is in its place.

    >>> give_back()
    True
    """
    try:
        trim = ctypes.CDLL(None).malloc_trim
    except (AttributeError, OSError, TypeError):
        return False
    trim(0)
    return True


def give_back_every(seconds: float) -> threading.Thread:
    """From here on, beside whatever goes on: a hundredth of a second each time.

    >>> give_back_every(30.0)
    """

    def go_on() -> None:
        while give_back():
            time.sleep(seconds)

    thread = threading.Thread(target=go_on, name="give-back", daemon=True)
    thread.start()
    return thread
