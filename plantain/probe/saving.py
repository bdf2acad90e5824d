"""A probe that is saved while it runs: a kill, a crash or a full disk takes the last seconds, not the run."""

import time
from collections.abc import Generator
from pathlib import Path
from typing import Any

from plantain.data.prompts import PromptSet
from plantain.data.result import ProbeResult
from plantain.data.settings import ProbeConfig
from plantain.errors import InputError
from plantain.probe.probe import Progress, iter_probe

# A kill that cannot be caught loses at most the pairs of this time.
SAVE_EVERY_SECONDS = 2.0


def iter_saved(
    pipe: Any, prompts: PromptSet, config: ProbeConfig, resume: ProbeResult | None, folder: str | Path
) -> Generator[Progress, None, None]:
    """``iter_probe``, saved into a folder every two seconds and at whatever ends it.

    >>> with contextlib.closing(iter_saved(pipe, prompts, config, None, "runs/mine")) as steps:
    ...     for progress in steps: ...

    Close it, as here, where the caller may stop half-way: the last pairs are saved then, and an error is heard.

    Raises InputError as ``iter_probe``, or the folder cannot be written to; what was saved in it before stays.
    """
    result, saved, saved_at = resume, resume, time.monotonic()
    try:
        for progress in iter_probe(pipe, prompts, config, resume):
            result = progress.result
            yield progress
            if result is not None and result is not saved and time.monotonic() - saved_at > SAVE_EVERY_SECONDS:
                _save(result, saved, folder)
                saved, saved_at = result, time.monotonic()
    finally:  # also when the caller stops, is interrupted or fails
        if result is not None and result is not saved:
            _save(result, saved, folder)


def _save(result: ProbeResult, saved: ProbeResult | None, folder: str | Path) -> None:
    try:
        result.save(folder)
    except OSError as error:
        n_safe = saved.n_pairs if saved is not None else 0
        raise InputError(
            f"The run cannot be saved in {folder}: {error.strerror or error}. {n_safe} of its {result.n_pairs} pairs "
            "are safe there; make room, or let it be written to, and go on with the run."
        ) from error
