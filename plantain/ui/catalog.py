"""The runs one can look at: the published card, the shipped runs, and those saved here."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from plantain.errors import InputError
from plantain.paths import RUNS
from plantain.result import ProbeResult, load_result
from plantain.summary import Summary, summarise

PUBLISHED = "published"
# A visitor's choice of how to count, as (label, key); each key is a view of the same run.
COUNTINGS: dict[str, tuple[str, dict[str, Any]]] = {
    "card": ("Card heads: 16 channels, MLP among them", {"grouping": "card", "part": "all"}),
    "card-attention": ("Card heads: attention only", {"grouping": "card", "part": "attention"}),
    "head": ("Attention heads: the model's own", {"grouping": "head", "part": "all"}),
}


@dataclass(frozen=True)
class Entry:
    """One run in the list; the published card has no folder."""

    key: str
    label: str
    folder: Path | None


def saved_folder() -> Path:
    """Where runs made here are saved: ``runs`` under the folder the page was started in."""
    return Path("runs").resolve()


def entries() -> dict[str, Entry]:
    """All runs by key. Keys come from here and are looked up here: none is ever used as a path."""
    found = {PUBLISHED: Entry(PUBLISHED, "Model card, FLUX.2 Klein base 4B (published figures)", None)}
    for origin, root in (("shipped", RUNS), ("saved here", saved_folder())):
        for path in sorted(root.glob("*/run.json")):
            folder = path.parent
            try:
                result = load(folder)
            except InputError:
                continue  # a damaged folder must not keep the page from opening; the shell names it
            partial = "" if result.complete else f", {result.n_pairs} of {len(result.prompts)} pairs"
            label = f"{result.model}, {result.prompts.name}{partial} ({origin}: {folder.name})"
            found[f"{origin}/{folder.name}"] = Entry(f"{origin}/{folder.name}", label, folder)
    return found


def default_key() -> str:
    """The first shipped run; the published card where none is shipped."""
    return next((key for key, entry in entries().items() if entry.folder is not None), PUBLISHED)


def load(folder: Path) -> ProbeResult:
    """``load_result``, kept in memory until the folder changes."""
    return _load(folder, (folder / "run.json").stat().st_mtime_ns)


def reference_for(result: ProbeResult) -> ProbeResult | None:
    """A complete cached ``dense_pose`` run of the same weights and settings, to lay a new pair over."""
    for entry in entries().values():
        if entry.folder is None:
            continue
        other = load(entry.folder)
        alike = other.head_map == result.head_map and all(
            other.provenance.get(key) == result.provenance.get(key)
            for key in ("weights_fingerprint", "height", "width", "realised_sigmas", "dtype")
        )
        if alike and other.complete and other.prompts.name == "dense_pose":
            return other
    return None


@lru_cache(maxsize=64)
def summary_of(folder: Path, changed: int, counting: str) -> Summary:
    """The default summary of a saved run in one counting; ``changed`` is the time of its ``run.json``."""
    return summarise(_load(folder, changed), **COUNTINGS[counting][1])


@lru_cache(maxsize=16)
def _load(folder: Path, changed: int) -> ProbeResult:
    return load_result(folder)
