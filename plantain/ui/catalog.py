"""The runs one can look at: the published card, the results dataset, the shipped runs, and those saved here."""

import logging
import os
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar, cast

from plantain.data.dataset import default_repo, fetch_runs
from plantain.data.result import Listed, ProbeResult, load_result, peek
from plantain.data.twins import is_untrained_twin
from plantain.errors import InputError
from plantain.paths import RUNS
from plantain.questions.counted import Counted, RunWithTwin
from plantain.ui.once import once
from plantain.ui.start import saved_folder, temporary_folder

PUBLISHED = "published"
_SHIPPED = "shipped"
MOST_AT_ONCE = 50
_LOG = logging.getLogger(__name__)
_Reader = TypeVar("_Reader", bound=Callable[..., Any])  # of a run's folder first


@dataclass(frozen=True)
class Entry:
    """One run in the list; the published card has no folder."""

    key: str
    label: str
    folder: Path | None


_PUBLISHED = Entry(PUBLISHED, "FLUX.2 Klein base 4B, the model card's published figures", None)


def _kept(maxsize: int) -> Callable[[_Reader], _Reader]:
    """Keep in memory what a function makes of a run's folder, until the folder changes."""

    def keeping(make: _Reader) -> _Reader:
        made = once(maxsize)(lambda folder, changed, *args: make(folder, *args))
        return cast(_Reader, lambda folder, *args: made(folder, (folder / "run.json").stat().st_mtime_ns, *args))

    return keeping


@once(maxsize=1)
def fetched_folder() -> Path:
    """Where runs of the results dataset lie; a Space has no disk that lasts."""
    return temporary_folder("plantain-runs-")


def fetch_in_background() -> threading.Thread | None:
    """Begin to fetch the runs of the results dataset, if one is set; the page does not wait for them."""
    repo = default_repo()
    if repo is None:
        return None
    into = fetched_folder()

    def fetch() -> None:
        try:
            found = fetch_runs(repo, into)
            _LOG.info("fetched %d runs from %s", len(found), repo)
        except InputError as error:
            _LOG.warning("the shipped runs are shown alone: %s", error)
        except Exception:  # nobody waits for this thread: what ends it must be told here
            _LOG.exception("the shipped runs are shown alone")

    thread = threading.Thread(target=fetch, name="fetch-runs", daemon=True)
    thread.start()
    return thread


def entries() -> dict[str, Entry]:
    """All runs by key. Keys come from here and are looked up here: none is ever used as a path."""
    found = {key: _entry(key, origin, folder, said) for key, origin, folder, said in _listed()}
    return found | {PUBLISHED: _PUBLISHED}


def _entry(key: str, origin: str, folder: Path, said: Listed) -> Entry:
    partial = "" if said.complete else f", {said.n_pairs} of {said.n_wanted} pairs"
    name = "" if origin == "shipped" else f": {folder.name}"
    return Entry(key, f"{said.model}, {said.prompts}{partial} ({origin}{name})", folder)


def listed() -> Iterator[tuple[Path, Listed]]:
    """Folder of every run, and what it says it is."""
    return ((folder, said) for _, _, folder, said in _listed())


def default_key() -> str:
    """The first run at hand that can be read; the published card where there is none."""
    for key, _, folder, _ in _listed():
        with suppress(InputError, OSError):
            load(folder)
            return key
    return PUBLISHED


def entry(key: str) -> Entry:
    """The run of a key; raises InputError for one that is not (any more) in the list."""
    if key == PUBLISHED:
        return _PUBLISHED
    if isinstance(key, str):
        # Asked for one run, only the folders' names are read: there may be thousands.
        for known, origin, folder in _folders():
            if known == key:
                with suppress(InputError, OSError):
                    return _entry(key, origin, folder, _known(folder))
    raise InputError(f"There is no run {str(key)[:80]!r} here any more; choose one from the list.")


def shipped_keys() -> list[str]:
    """Of what travels with the page: the shipped runs, and the published card."""
    return [*(key for key, origin, _, _ in _listed() if origin == _SHIPPED), PUBLISHED]


def choices() -> list[tuple[str, str]]:
    return [(known.label, key) for key, known in entries().items()]


def first_choices() -> list[tuple[str, str]]:
    """Those that travel with the page: a thousand would keep its first paint; the rest come once it is open."""
    return choices()[:MOST_AT_ONCE]


@_kept(32)  # Klein's are 10 MB each
def load(folder: Path) -> ProbeResult:
    return load_result(folder)


def is_untrained(key: str) -> bool:
    """Whether a run in the list is of a transformer that has learned nothing.

    >>> is_untrained("shipped/posebox-untrained")
    True
    """
    folder = entry(key).folder
    return folder is not None and load(folder).untrained


@_kept(64)
def counted_in(folder: Path, counting: str, step: int) -> Counted:
    return Counted(load(folder), counting, step)


def both_in(folder: Path, counting: str, step: int) -> RunWithTwin:
    """The same beside its untrained twin, if one is at hand; kept while neither changes."""
    run = counted_in(folder, counting, step)
    return _both(run, twin_of(run))


def beside(run: Counted) -> RunWithTwin:
    """A run that is not saved, beside its untrained twin."""
    return RunWithTwin(run, twin_of(run))


def twin_of(run: Counted) -> Counted | None:
    """The same run on the untrained twin of its model, if it is at hand; of a partial run, its first pairs."""
    result = run.result
    for folder, twin in _runs_of(f"{result.model}-untrained"):
        with suppress(InputError, OSError):  # of another shape, say, and so not its twin
            if is_untrained_twin(twin, result):
                return counted_in(folder, run.counting, run.step)
            whole = replace(result, mean_square=twin.mean_square, token_counts=twin.token_counts)
            if not result.complete and is_untrained_twin(twin, whole):
                return _first_of(folder, result.n_pairs, run.counting, run.step)
    return None


def reference_for(result: ProbeResult) -> ProbeResult | None:
    """A complete cached ``dense_pose`` run of the same weights and settings, to lay a new pair over."""
    return _like(result, "dense_pose", [folder for folder, _ in listed()])


def control_for(result: ProbeResult, name: str = "setting") -> ProbeResult | None:
    """A complete cached run of a control set on the same weights with the same settings."""
    return _like(result, name, [path.parent for path in sorted((RUNS / "controls").glob(f"*/{name}/run.json"))])


def _like(result: ProbeResult, prompts: str, folders: Iterable[Path]) -> ProbeResult | None:
    for folder in folders:
        with suppress(InputError, OSError):
            said = _known(folder)
            same = said.fingerprint == result.provenance.get("weights_fingerprint")
            if same and said.prompts == prompts and said.complete and alike(other := load(folder), result):
                return other
    return None


def alike(one: ProbeResult, other: ProbeResult) -> bool:
    """Whether two runs are of the same weights, size and noise level, so that their numbers stand side by side."""
    return one.head_map == other.head_map and all(
        one.provenance.get(key) == other.provenance.get(key)
        for key in ("weights_fingerprint", "height", "width", "realised_sigmas", "dtype", "coarser")
    )


def cached_of(model: str) -> ProbeResult | None:
    """A complete cached run of a model, by name: what its speed is guessed from."""
    return next((run for _, run in _runs_of(model) if run.complete), None)


def _runs_of(model: str) -> Iterator[tuple[Path, ProbeResult]]:
    """Folder and run of all runs of a model that can be read."""
    for folder, said in listed():
        with suppress(InputError, OSError):
            if said.model == model:
                yield folder, load(folder)


def _listed() -> Iterator[tuple[str, str, Path, Listed]]:
    """Key, origin and folder of all runs that tell what they are; a damaged one must not keep the page from opening."""
    for key, origin, folder in _folders():
        with suppress(InputError, OSError):
            yield key, origin, folder, _known(folder)


def _folders() -> Iterator[tuple[str, str, Path]]:
    """Key, origin and folder of whatever may be a run."""
    # The owner's own results first, the shipped ones as fallback.
    for origin, root in (("results dataset", fetched_folder()), (_SHIPPED, RUNS), ("saved here", saved_folder())):
        with suppress(OSError):  # nothing was saved yet
            for name in sorted(os.listdir(root)):
                yield f"{origin.replace(' ', '-')}/{name}", origin, root / name


@_kept(16)
def _first_of(folder: Path, n_pairs: int, counting: str, step: int) -> Counted:
    return Counted(load(folder).first(n_pairs), counting, step, n_flips=200)


@once(maxsize=64)
def _both(run: Counted, twin: Counted | None) -> RunWithTwin:
    return RunWithTwin(run, twin)


@_kept(4096)
def _known(folder: Path) -> Listed:
    return peek(folder)
