"""What many ask for at once is made once: the first one makes it, the others wait and take it."""

import threading
from collections.abc import Callable
from functools import lru_cache, wraps
from typing import Any, TypeVar, cast
from weakref import WeakValueDictionary

_Maker = TypeVar("_Maker", bound=Callable[..., Any])


def once(maxsize: int) -> Callable[[_Maker], _Maker]:
    """``lru_cache`` for a page that serves many: a value that is asked for while it is made is not made again.

    >>> @once(maxsize=8)
    ... def figure(run: Path) -> str: ...

    What is raised is raised for the one who made it, and the next one tries again. ``lru_cache`` alone lets everybody
    who comes before the first is done compute the same: seconds alone, half a minute for twelve.
    """

    def keeping(make: _Maker) -> _Maker:
        kept = lru_cache(maxsize)(make)
        guard = threading.Lock()
        # A lock lasts as long as somebody holds it or waits for it.
        locks: WeakValueDictionary[tuple[Any, ...], Any] = WeakValueDictionary()

        @wraps(make)
        def found(*args: Any) -> Any:
            with guard:
                lock = locks.get(args)
                if lock is None:
                    lock = locks[args] = threading.Lock()
            with lock:
                return kept(*args)

        return cast(_Maker, found)

    return keeping
