"""What the page shows of the shipped runs, made once and kept beside them: read from a file, not worked out anew.

A page that has just started would otherwise load, count and draw while its first visitors wait.
``benchmarks/findings/kept.py`` writes the file.
"""

import gzip
import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar, cast

from plantain.paths import RUNS
from plantain.ui.once import once

FILE = RUNS / "page.json.gz"
_MADE_OF = (".safetensors", ".webp")
_Maker = TypeVar("_Maker", bound=Callable[..., Any])
_Cases = Callable[[], Iterable[tuple[str, ...]]]
_makers: dict[str, tuple[Callable[..., Any], _Cases]] = {}


def kept(cases: _Cases) -> Callable[[_Maker], _Maker]:
    """What a function makes of these arguments is taken from the file, where it is of the runs that are there.

    >>> @kept(lambda: [("shipped/posebox",)])
    ... def bodies(key: str) -> str: ...

    Arguments are texts, by their places; what is made is what JSON has: texts, numbers, lists, and mappings by text.
    Anything else is made when it is asked for.
    """

    def keeping(make: _Maker) -> _Maker:
        name = f"{make.__module__.rsplit('.', 1)[-1]}.{make.__name__.strip('_')}"
        _makers[name] = make, cases

        @wraps(make)
        def found(*args: Any) -> Any:
            every = _read(FILE).get(name, {})
            key = _key(args)
            return every[key] if key in every else make(*args)

        return cast(_Maker, found)

    return keeping


def made() -> dict[str, dict[str, Any]]:
    """Everything that is kept, made now: by maker and arguments.

    >>> made()["results.bodies"].keys()
    """
    return {name: {_key(args): make(*args) for args in cases()} for name, (make, cases) in sorted(_makers.items())}


def keep() -> Path:
    """Write the file for the shipped runs.

    >>> keep()
    """
    text = json.dumps({"of": digest(RUNS), "made": made()}, ensure_ascii=False, default=dict, allow_nan=False)
    FILE.write_bytes(gzip.compress(text.encode(), mtime=0))
    return FILE


@once(maxsize=4)
def digest(runs: Path) -> str:
    """Of which runs: names of tensor files carry the digest of what is in them, pictures are told by their sizes.

    >>> digest(RUNS)
    """
    files = sorted(path for path in runs.rglob("*") if path.suffix in _MADE_OF)
    said = "\n".join(f"{path.relative_to(runs).as_posix()} {path.stat().st_size}" for path in files)
    return hashlib.sha256(said.encode()).hexdigest()[:16]


def _key(args: Iterable[Any]) -> str:
    return "\n".join(map(str, args))


@once(maxsize=4)
def _read(file: Path) -> Mapping[str, Mapping[str, Any]]:
    """What the file has; nothing where it is of other runs, or cannot be read."""
    try:
        found = json.loads(gzip.decompress(file.read_bytes()))
        return found["made"] if found["of"] == digest(file.parent) else {}
    except (OSError, EOFError, ValueError, KeyError, TypeError):
        return {}
