"""What the page needs of a model: the only door from the tabs to the pipeline, how one waits at it, how it fails."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import gradio as gr
import numpy as np
from PIL.Image import Image

from plantain.data.prompts import PromptSet
from plantain.data.result import ProbeResult
from plantain.data.settings import ProbeConfig
from plantain.errors import InputError

if TYPE_CHECKING:
    from plantain.probe.probe import Progress

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Engine:
    """A model behind functions, so that ``app.py`` may run them on a borrowed GPU.

    Attributes
    ----------
    model : name of the model, as ``load_pipeline`` takes it
    probe : prompts, settings and a partial run to go on with (or None) in, progress after every batch out
    draw : prompts and a seed in, a picture for each out; None where drawing takes minutes
    tokens : real tokens of each prompt; raises InputError for a prompt too long
    gpu_seconds : seconds of a borrowed GPU that a probe asks for; None where the machine is one's own
    keep : a finished run in, where it was put for good out, or None; raises InputError when that fails
    """

    model: str
    probe: Callable[[PromptSet, ProbeConfig, ProbeResult | None], Iterator[Progress]]
    draw: Callable[[Sequence[str], int], list[Image]] | None
    tokens: Callable[[Sequence[str]], np.ndarray]
    gpu_seconds: Callable[[PromptSet, ProbeConfig], int] | None = None
    keep: Callable[[ProbeResult], str | None] | None = None


# For events: a pipeline serves one caller at a time, and what needs none is not queued at all.
ON_THE_MODEL: dict[str, Any] = {"concurrency_limit": 1, "concurrency_id": "model"}
QUIET: dict[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}


def what_went_wrong(error: Exception) -> str:
    """For the visitor: our own sentences and gradio's whole, anything else by its kind, and whole in the log."""
    if isinstance(error, InputError):
        return str(error)
    if isinstance(error, gr.Error):  # a GPU that is busy or used up, say
        return str(error.message)
    _LOG.exception("failed", exc_info=error)
    return f"{type(error).__name__}; the log has the details. Try again."
