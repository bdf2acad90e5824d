"""What the page needs of a model: the only door from the tabs to the pipeline."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from PIL.Image import Image

from plantain.data.prompts import PromptSet
from plantain.data.result import ProbeResult
from plantain.data.settings import ProbeConfig
from plantain.probe.probe import Progress


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
