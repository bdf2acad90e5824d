"""What the page needs of a model: the only door from the tabs to the pipeline, how one waits at it, how it fails."""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import gradio as gr
import numpy as np
from PIL.Image import Image

from plantain.data.prompts import PromptPair, PromptSet
from plantain.data.result import ProbeResult
from plantain.data.settings import ProbeConfig
from plantain.errors import InputError

if TYPE_CHECKING:
    from plantain.probe.probe import Progress

    Steps = Generator[Progress, None, None]  # of a run, forward by forward; closed, they give a lent GPU back

_LOG = logging.getLogger(__name__)
# Denoising steps at which heads are patched, and where they begin and end as shares of all.
STEPS = {"all": (0.0, 1.0), "first third": (0.0, 1 / 3), "last third": (2 / 3, 1.0)}


@dataclass(frozen=True)
class PatchJob:
    """A pair to draw, and once more with some heads' values from the other side's run."""

    pair: PromptPair
    runs: np.ndarray  # bool, (n_runs,): the heads, as runs of channels
    side: int  # 0: A takes B's values; 1: B takes A's
    alpha: float
    steps: str  # of ``STEPS``
    seed: int  # of the noise
    size: tuple[int, int]  # height and width in pixels

    def steps_of(self, n: int) -> tuple[int, ...]:
        """The patched ones of n denoising steps.

        >>> PatchJob(pair, runs, 0, 1.0, "last third", 0, (128, 128)).steps_of(12)
        (8, 9, 10, 11)
        """
        first, last = (round(n * share) for share in STEPS[self.steps])
        return tuple(range(first, last))


@dataclass(frozen=True)
class Engine:
    """A model behind functions, so that ``app.py`` may run them on a borrowed GPU."""

    model: str  # its name, as ``load_pipeline`` takes it
    probe: Callable[[PromptSet, ProbeConfig, ProbeResult | None], Steps]  # a partial run is gone on with
    draw: Callable[[Sequence[str], int], list[Image]] | None  # of prompts and a seed; None where it takes minutes
    tokens: Callable[[Sequence[str]], np.ndarray]  # real ones of each prompt; InputError for a prompt too long
    gpu_seconds: Callable[[PromptSet, ProbeConfig], int] | None = None  # of a borrowed GPU; None on one's own machine
    keep: Callable[[ProbeResult], str | None] | None = None  # where a finished run was put; InputError when that fails
    # Of every attention head at every token, (heads, rows, columns), under the noise of the config's first seed.
    shift: Callable[[PromptPair, ProbeConfig], np.ndarray] | None = None  # None where it cannot draw either
    # A, B and the patched picture, uint8 (3, height, width, 3); where ``draw`` is there, in seconds on a CPU.
    patched: Callable[[PatchJob], np.ndarray] | None = None
    patched_seconds: Callable[[PatchJob], int] | None = None  # of a borrowed GPU; None on one's own machine


# For events: a pipeline serves one caller at a time, and what needs none is not queued at all.
ON_THE_MODEL: dict[str, Any] = {"concurrency_limit": 1, "concurrency_id": "model"}
QUIET: dict[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}
LOUD: dict[str, Any] = QUIET | {"show_progress": "full"}
LATEST: dict[str, Any] = QUIET | {"trigger_mode": "always_last"}


def what_went_wrong(error: Exception) -> str:
    """For the visitor: our own sentences and gradio's whole, anything else by its kind, and whole in the log."""
    if isinstance(error, InputError):
        return str(error)
    if isinstance(error, gr.Error):  # a GPU that is busy or used up, say
        return str(error.message)
    _LOG.exception("failed", exc_info=error)
    return f"{type(error).__name__}; the log has the details. Try again."
