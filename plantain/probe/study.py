"""Pose and its controls on one pipeline, then on transformers whose weights are drawn anew: run and save.

>>> for progress in run_controls(plantain.load_pipeline("posebox"), n_untrained=2, out="runs/controls"):
...     print(progress.model, progress.prompts, progress.done, "of", progress.total)
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
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
from plantain.model.names import check_untrained, model_name
from plantain.model.untrained import reinitialise
from plantain.probe.probe import iter_probe

# A kill that cannot be caught loses at most the pairs of this time.
_SAVE_EVERY_SECONDS = 2.0


@dataclass(frozen=True)
class ControlProgress:
    """State of ``run_controls``: in run ``number`` of ``n_runs``, ``done`` of ``total`` pairs."""

    number: int
    n_runs: int
    model: str
    prompts: str
    done: int
    total: int
    seconds_left: float
    """Of all runs together; infinite before the first pair."""
    folder: Path


def run_controls(
    pipe: Any,
    prompt_sets: Sequence[str | PromptSet] = DEFAULT,
    config: ProbeConfig | None = None,
    n_untrained: int = 1,
    out: str | Path = "runs/controls",
    resume: bool = True,
) -> Iterator[ControlProgress]:
    """Probe every set on a pipeline and on ``n_untrained`` re-initialised transformers, saving each run.

    >>> for progress in controls.run_controls(pipe, n_untrained=2): pass

    Same noise seeds and settings throughout; the text encoder stays, so each transformer reads the same text
    features. Weight seeds are 0, 1, …; one twin is in memory at a time, beside ``pipe``. Interrupted, the same
    call goes on where it stopped: finished runs are kept, a partial one is completed.

    Raises
    ------
    InputError
        Before anything runs: two sets of one name, ``n_untrained`` below 0 or for a model without trained
        weights, runs in ``out`` that are of other settings or prompts, or any run there with ``resume=False``.
    """
    config = config or ProbeConfig()
    sets = [load_prompts(given) if not isinstance(given, PromptSet) else given for given in prompt_sets]
    names = [prompts.name for prompts in sets]
    if not sets or len(set(names)) < len(names):
        raise InputError(f"Controls are told apart by their sets' names; got {', '.join(names) or 'no set'}.")
    if isinstance(n_untrained, bool) or not isinstance(n_untrained, int) or n_untrained < 0:
        raise InputError(f"n_untrained must be a whole number from 0; got {n_untrained!r}.")
    source = describe(pipe)
    name = str(source["model"])
    check_untrained(name, n_untrained > 0, 0)
    out = Path(out)
    weights = [None, *range(n_untrained)]
    folders = {seed: model_folder(out, name, seed) for seed in weights}
    head_map = HeadMap.from_transformer(pipe.transformer, config.channels_per_head)
    saved = {}
    for seed, folder in folders.items():
        for prompts in sets:
            found = _saved(folder / prompts.name, prompts, config, head_map, resume)
            if found is not None:
                fingerprint = found.provenance.get("weights_fingerprint")
                if seed is None and fingerprint != source["weights_fingerprint"]:
                    raise InputError(f"{folder / prompts.name} is a run of other weights; give another folder.")
                saved[seed, prompts.name] = found
    n_done = sum(found.n_pairs for found in saved.values())
    clock = _Clock(n_left=len(weights) * sum(len(prompts) for prompts in sets) - n_done)
    runs = iter(range(1, len(weights) * len(sets) + 1))
    for seed in weights:
        twin = pipe if seed is None else _twin(pipe, source, seed)
        for prompts in sets:
            folder = folders[seed] / prompts.name
            before = saved.pop((seed, prompts.name), None)
            state = ControlProgress(
                next(runs), len(weights) * len(sets), model_name(name, seed is not None), prompts.name, 0, 0, 0, folder
            )
            for done in _run_one(twin, prompts, config, before, folder, clock):
                yield replace(state, done=done, total=len(prompts), seconds_left=clock.seconds_left)
        del twin
        free_memory()


@dataclass
class _Clock:
    """Time a pair takes, measured over the pairs of this call."""

    n_left: int
    n_done: int = 0
    started: float = field(default_factory=time.monotonic)

    def tick(self, n_pairs: int) -> None:
        self.n_left -= n_pairs
        self.n_done += n_pairs

    @property
    def seconds_left(self) -> float:
        if not self.n_left:
            return 0.0
        return (time.monotonic() - self.started) / self.n_done * self.n_left if self.n_done else float("inf")


def _run_one(
    pipe: Any, prompts: PromptSet, config: ProbeConfig, before: ProbeResult | None, folder: Path, clock: _Clock
) -> Iterator[int]:
    """One set on one pipeline: yields the pairs done, saves now and then and whatever ends it."""
    result, saved_at = before, time.monotonic()
    try:
        for progress in iter_probe(pipe, prompts, config, before):
            clock.tick(progress.done - (result.n_pairs if result is not None else 0))
            result = progress.result
            yield progress.done
            if result is not before and result is not None and time.monotonic() - saved_at > _SAVE_EVERY_SECONDS:
                result.save(folder)
                saved_at = time.monotonic()
    finally:  # also when the caller stops, is interrupted or fails
        if result is not None and result is not before:
            result.save(folder)


def _twin(pipe: Any, source: dict[str, Any], seed: int) -> Any:
    twin = reinitialise(pipe, seed=seed)
    twin.plantain_source = {
        "model": model_name(str(source["model"]), True),
        "revision": source["revision"],
        "weights_seed": seed,
    }
    return twin


def _saved(
    folder: Path, prompts: PromptSet, config: ProbeConfig, head_map: HeadMap, resume: bool
) -> ProbeResult | None:
    """The run in a folder, whole or partial, or None where there is none; refused where it is another's."""
    if not (folder / "run.json").exists():
        return None
    if not resume:
        raise InputError(f"{folder} holds a run already; give another folder, or go on with resume=True.")
    found = load_result(folder)

    def refuse(what: str) -> None:
        raise InputError(
            f"{folder} is a run {what}, and runs of one folder are compared with one another; give another folder."
        )

    if found.prompts != prompts:
        refuse(f"of {found.prompts.name!r} with other prompts")
    if found.head_map != head_map:
        refuse("of another architecture")
    was, now = found.config.to_dict(), config.to_dict()
    for key in was:
        if was[key] != now[key]:
            refuse(f"with {key}={was[key]!r} where this one has {now[key]!r}")
    return found
