"""What the page needs of a model: the only door from the tabs to the pipeline, how one waits at it, how it fails."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
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

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Engine:
    """A model behind functions, so that ``app.py`` may run them on a borrowed GPU."""

    model: str  # its name, as ``load_pipeline`` takes it
    probe: Callable[[PromptSet, ProbeConfig, ProbeResult | None], Iterator[Progress]]  # a partial run is gone on with
    draw: Callable[[Sequence[str], int], list[Image]] | None  # of prompts and a seed; None where it takes minutes
    tokens: Callable[[Sequence[str]], np.ndarray]  # real ones of each prompt; InputError for a prompt too long
    gpu_seconds: Callable[[PromptSet, ProbeConfig], int] | None = None  # of a borrowed GPU; None on one's own machine
    keep: Callable[[ProbeResult], str | None] | None = None  # where a finished run was put; InputError when that fails
    # Of every attention head at every token, (heads, rows, columns), under the noise of the config's first seed.
    shift: Callable[[PromptPair, ProbeConfig], np.ndarray] | None = None  # None where it cannot draw either


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
