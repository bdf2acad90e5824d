"""What a visitor has run, kept for ten minutes by a word that their browser tab alone knows: a reload loses nothing."""

import re
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from plantain.data.result import ProbeResult

KEPT_SECONDS = 600.0
_MOST = 16  # of Klein's 25 pairs one takes 10 MB
# As crypto.randomUUID gives it; anything else is nobody's.
_WORD = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@dataclass(frozen=True)
class Visit:
    """A run as far as it came, and how it was counted."""

    result: ProbeResult
    counting: str


class Visits:
    """The last runs of those who are here.

    >>> visits = Visits()
    >>> visits.put(word, Visit(result, "card"))
    >>> visits.get(word)
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock, self._lock = clock, threading.Lock()
        self._kept: OrderedDict[str, tuple[float, Visit]] = OrderedDict()

    def put(self, word: str, visit: Visit) -> None:
        """Keep it, in the place of that visitor's last."""
        if not _known(word):
            return
        with self._lock:
            self._kept[word] = self._clock(), visit
            self._kept.move_to_end(word)
            self._forget()

    def get(self, word: str) -> Visit | None:
        """That visitor's, if it is young enough."""
        with self._lock:
            self._forget()
            kept = self._kept.get(word) if _known(word) else None
        return None if kept is None else kept[1]

    def _forget(self) -> None:
        oldest = self._clock() - KEPT_SECONDS
        while self._kept and (len(self._kept) > _MOST or next(iter(self._kept.values()))[0] < oldest):
            self._kept.popitem(last=False)


def _known(word: object) -> bool:
    return isinstance(word, str) and _WORD.fullmatch(word) is not None
