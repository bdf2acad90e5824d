"""plantain: which heads of a Flux2 model respond to one thing in a prompt, and how sure one can be.

>>> import plantain
>>> pipe = plantain.load_pipeline("posebox")
>>> result = plantain.run_probe(pipe, plantain.load_prompts("dense_pose"))
>>> print(plantain.summarise(result).text)

Folders, low to high; each imports only from those before it: ``stats`` (arrays in, arrays out), ``pose`` (a body in
numbers), ``data`` (what goes in and comes out), ``model`` (the network), ``probe`` (measuring), ``posebox`` (the
embedded model and its world), ``questions`` (one a file), ``report`` (tables, figures, files), ``cli`` and ``ui``.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from plantain import stats
    from plantain.data.prompts import load_prompts
    from plantain.data.result import load_result
    from plantain.data.settings import ProbeConfig
    from plantain.errors import InputError
    from plantain.model.load import load_pipeline
    from plantain.model.text import call_arguments
    from plantain.probe.capture import HeadCapture
    from plantain.probe.cause import run_patching
    from plantain.probe.dense import run_dense
    from plantain.probe.probe import iter_probe, run_probe
    from plantain.questions.response import summarise

__version__ = "0.1.0"

__all__ = [
    "HeadCapture",
    "InputError",
    "ProbeConfig",
    "call_arguments",
    "iter_probe",
    "load_pipeline",
    "load_prompts",
    "load_result",
    "run_dense",
    "run_patching",
    "run_probe",
    "stats",
    "summarise",
]

_HOMES = {
    "HeadCapture": "probe.capture",
    "InputError": "errors",
    "ProbeConfig": "data.settings",
    "call_arguments": "model.text",
    "iter_probe": "probe.probe",
    "load_pipeline": "model.load",
    "load_prompts": "data.prompts",
    "load_result": "data.result",
    "run_dense": "probe.dense",
    "run_patching": "probe.cause",
    "run_probe": "probe.probe",
    "summarise": "questions.response",
}


def __getattr__(name: str) -> Any:
    """Import a public name on first use: torch and diffusers take seconds, reading a run needs neither."""
    if name in _HOMES:
        return getattr(import_module(f"plantain.{_HOMES[name]}"), name)
    if name == "stats":
        return import_module("plantain.stats")
    raise AttributeError(f"module 'plantain' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
