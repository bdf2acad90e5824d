"""A probe, or a drawing, saved while it runs: a kill, a crash or a full disk takes the last seconds, not all."""

import time
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any, Protocol, TypeVar

from plantain.data.prompts import PromptSet
from plantain.data.result import ProbeResult
from plantain.data.settings import ProbeConfig
from plantain.errors import InputError
from plantain.probe.probe import Progress, iter_probe

# A kill that cannot be caught loses at most the pairs of this time.
SAVE_EVERY_SECONDS = 2.0


class Saveable(Protocol):
    """What grows by pairs and can be saved as far as it is: a run, its pictures."""

    @property
    def n_pairs(self) -> int: ...

    def save(self, folder: str | Path, /) -> Path: ...


class Step(Protocol):
    """One step of a long work, with what there is so far."""

    @property
    def result(self) -> Saveable | None: ...


AnyStep = TypeVar("AnyStep", bound=Step)


def iter_saved(
    pipe: Any, prompts: PromptSet, config: ProbeConfig, resume: ProbeResult | None, folder: str | Path
) -> Generator[Progress, None, None]:
    """``iter_probe``, saved into a folder every two seconds and at whatever ends it.

    >>> with contextlib.closing(iter_saved(pipe, prompts, config, None, "runs/mine")) as steps:
    ...     for progress in steps: ...

    Close it, as here, where the caller may stop half-way: the last pairs are saved then, and an error is heard.

    Raises InputError as ``iter_probe``, or the folder cannot be written to; what was saved in it before stays.
    """
    return saved_steps(iter_probe(pipe, prompts, config, resume), resume, folder, "run")


def saved_steps(
    steps: Iterator[AnyStep], resume: Saveable | None, folder: str | Path, what: str
) -> Generator[AnyStep, None, None]:
    """Steps of any work whose result is saved as those of ``iter_saved`` are; ``what`` names it in errors.

    >>> saved_steps(iter_pictures(pipe, prompts, config, resume), resume, "runs/mine", "drawing")

    ``resume`` is what was saved before. Raises InputError as the steps, or the folder cannot be written to.
    """
    result, saved, saved_at = resume, resume, time.monotonic()
    try:
        for step in steps:
            result = step.result
            yield step
            if result is not None and result is not saved and time.monotonic() - saved_at > SAVE_EVERY_SECONDS:
                _save(result, saved, folder, what)
                saved, saved_at = result, time.monotonic()
    finally:  # also when the caller stops, is interrupted or fails
        if result is not None and result is not saved:
            _save(result, saved, folder, what)


def _save(result: Saveable, saved: Saveable | None, folder: str | Path, what: str) -> None:
    try:
        result.save(folder)
    except OSError as error:
        n_safe = saved.n_pairs if saved is not None else 0
        raise InputError(
            f"The {what} cannot be saved in {folder}: {error.strerror or error}. {n_safe} of its {result.n_pairs} "
            f"pairs are safe there; make room, or let it be written to, and go on with the {what}."
        ) from error
