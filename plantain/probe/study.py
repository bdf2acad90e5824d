"""Pose and its controls on one pipeline, then on transformers that have learned nothing: run and save."""

import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from plantain.data.heads import HeadMap
from plantain.data.prompts import PromptSet, load_prompts
from plantain.data.result import ProbeResult, load_result
from plantain.data.settings import ProbeConfig
from plantain.data.study import DEFAULT, model_folder
from plantain.errors import InputError
from plantain.model.identity import describe
from plantain.model.memory import free_memory
from plantain.model.names import PERMUTED, check_untrained, model_name
from plantain.model.untrained import permute, reinitialise
from plantain.paths import safe_name
from plantain.probe.saving import iter_saved

Weights = tuple[bool | str, int | None]
"""As ``load_pipeline`` takes ``untrained``, and the seed of a twin."""


@dataclass(frozen=True)
class ControlProgress:
    """State of ``run_controls``: in run ``number`` of ``n_runs``, ``done`` of ``total`` pairs."""

    number: int
    n_runs: int
    model: str
    prompts: str
    done: int
    total: int
    seconds_left: float  # of all runs together; infinite before the first pair
    folder: Path


def run_controls(
    pipe: Any,
    prompt_sets: Sequence[str | PromptSet] = DEFAULT,
    config: ProbeConfig | None = None,
    n_untrained: int = 1,
    out: str | Path = "runs/controls",
    resume: bool = True,
    n_permuted: int = 0,
    share: tuple[int, int] = (0, 1),
) -> Iterator[ControlProgress]:
    """Probe every set on a pipeline and on ``n_untrained`` re-initialised transformers, saving each run.

    >>> for progress in run_controls(plantain.load_pipeline("posebox"), n_untrained=2, out="runs/controls"):
    ...     print(progress.model, progress.prompts, progress.done, "of", progress.total)

    Same noise seeds and settings throughout; the text encoder stays, so each transformer reads the same text
    features; then on ``n_permuted`` whose trained values are shuffled (``permute``). Weight seeds are 0, 1, …; one twin
    is in memory at a time, beside ``pipe``. Interrupted, the same call goes on where it stopped: finished runs are
    kept, a partial one is completed. ``share``: this process's number from 0, and how many there are; the runs are
    dealt to them in turn, each made by one.

    Raises InputError before anything runs: two sets of one name or folder, a number of twins below 0 or for a model
    without trained weights, runs in ``out`` that are of other settings or prompts, or any run there with
    ``resume=False``. While it runs: a folder that cannot be written to; what was saved before stays.
    """
    config = config or ProbeConfig()
    sets = [load_prompts(given) if not isinstance(given, PromptSet) else given for given in prompt_sets]
    names = set_folders(sets)
    for what, number in (("n_untrained", n_untrained), ("n_permuted", n_permuted)):
        if isinstance(number, bool) or not isinstance(number, int) or number < 0:
            raise InputError(f"{what} must be a whole number from 0; got {number!r}.")
    source = describe(pipe)
    model = str(source["model"])
    check_untrained(model, n_untrained + n_permuted > 0, 0)
    weights: list[Weights] = [(False, None)]
    weights += [(True, seed) for seed in range(n_untrained)] + [(PERMUTED, seed) for seed in range(n_permuted)]
    mine = [(twin, name) for twin in weights for name in names][share[0] :: share[1]]
    folders = {(twin, name): model_folder(out, model, *twin) / names[name] for twin, name in mine}
    head_map = HeadMap.from_transformer(pipe.transformer, config.channels_per_head)
    by_name = {prompts.name: prompts for prompts in sets}
    saved = {
        folder: _saved(folder, by_name[name], config, head_map, resume, {} if untrained else source)
        for ((untrained, _), name), folder in folders.items()
    }
    n_all = sum(len(by_name[name]) for _, name in folders)
    n_left = n_all - sum(found.n_pairs for found in saved.values() if found)
    n_new, started, numbers = 0, time.monotonic(), iter(range(1, len(folders) + 1))
    for untrained, seed in weights:
        here = [prompts for prompts in sets if ((untrained, seed), prompts.name) in folders]
        if not here:
            continue
        twin = pipe if seed is None else _twin(pipe, source, untrained, seed)
        for prompts in here:
            folder = folders[(untrained, seed), prompts.name]
            before = saved.pop(folder)
            run = next(numbers), len(folders), model_name(model, untrained), prompts.name
            done = before.n_pairs if before is not None else 0
            with closing(iter_saved(twin, prompts, config, before, folder)) as steps:
                for progress in steps:
                    n_new, done = n_new + progress.done - done, progress.done
                    left = _seconds_left(started, n_new, n_left)
                    yield ControlProgress(*run, done, len(prompts), left, folder)
        del twin
        free_memory()


def set_folders(sets: Sequence[PromptSet]) -> dict[str, str]:
    """The folder of each set's run, by the set's name; refused where two would share one."""
    names = [prompts.name for prompts in sets]
    if not sets or len(set(names)) < len(names):
        raise InputError(f"Controls are told apart by their sets' names; got {', '.join(names) or 'no set'}.")
    folders = {name: safe_name(name) for name in names}
    owners: dict[str, str] = {}
    for name, folder in folders.items():
        other = owners.setdefault(folder.casefold(), name)  # some file systems take A and a for one name
        if other != name:
            raise InputError(f"The sets {other!r} and {name!r} would share the folder {folder}; rename one of them.")
    return folders


def _seconds_left(started: float, n_new: int, n_left: int) -> float:
    """Of all runs together, by the pairs of this call."""
    if n_new == n_left:
        return 0.0
    return (time.monotonic() - started) / n_new * (n_left - n_new) if n_new else float("inf")


def _twin(pipe: Any, source: dict[str, Any], untrained: bool | str, seed: int) -> Any:
    twin = (permute if untrained == PERMUTED else reinitialise)(pipe, seed=seed)
    twin.plantain_source = {
        "model": model_name(str(source["model"]), untrained),
        "revision": source["revision"],
        "weights_seed": seed,
    }
    if untrained == PERMUTED:
        twin.plantain_source["weights"] = PERMUTED
    return twin


def _saved(
    folder: Path, prompts: PromptSet, config: ProbeConfig, head_map: HeadMap, resume: bool, source: dict[str, Any]
) -> ProbeResult | None:
    """The run in a folder, whole or partial, or None where there is none; refused where it is another's."""
    if not (folder / "run.json").exists():
        return None
    if not resume:
        raise InputError(f"{folder} holds a run already; give another folder, or go on with resume=True.")
    found = load_result(folder)
    was, now, what = vars(found.config), vars(config), ""
    if found.prompts != prompts:
        what = f"of {found.prompts.name!r} with other prompts"
    elif found.head_map != head_map:
        what = "of another architecture"
    elif other := [key for key in was if was[key] != now[key]]:
        what = f"with {other[0]}={was[other[0]]!r} where this one has {now[other[0]]!r}"
    if what:
        raise InputError(
            f"{folder} is a run {what}, and runs of one folder are compared with one another; give another folder."
        )
    fingerprint = source.get("weights_fingerprint")
    if fingerprint is not None and found.provenance.get("weights_fingerprint") != fingerprint:
        raise InputError(f"{folder} is a run of other weights; give another folder.")
    return found
