"""Where the shipped prompt sets and assets lie, from whatever folder Python was started; names of folders."""

import re
import unicodedata
from pathlib import Path

from plantain.errors import InputError

ROOT = Path(__file__).resolve().parent.parent
PROMPTS = ROOT / "prompts"
ASSETS = ROOT / "assets"
RUNS = ASSETS / "runs"
POSEBOX = ASSETS / "posebox"

# In bytes. File systems take 255, and what is added to a name, "-untrained-12" say, needs room.
_LONGEST_NAME = 200


def safe_name(name: str, otherwise: str = "") -> str:
    """The name of a set, a model or a run as that of one folder, whatever a stranger's file calls it.

    >>> safe_name("dense_pose"), safe_name("../../black forest/klein")
    ('dense_pose', 'black-forest-klein')

    Letters of any script, digits, dots, dashes and underscores stay; all else becomes a dash, dots and dashes at
    either end go, and what is too long is cut. A name of such signs alone is its own.

    Raises
    ------
    InputError
        Nothing of the name is left, and there is no ``otherwise`` to take its place.
    """
    start = name[: 5 * _LONGEST_NAME]  # ``normalize`` takes seconds over thousands of accents in a row
    plain = re.sub(r"[^\w.-]+", "-", unicodedata.normalize("NFC", start)).strip("-.")
    plain = plain.encode()[:_LONGEST_NAME].decode(errors="ignore").rstrip("-.") or otherwise
    if not plain:
        raise InputError(f"No folder can be named {name[:80]!r}; give it a name with letters or digits.")
    return plain
