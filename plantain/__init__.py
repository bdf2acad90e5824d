"""plantain: which heads of a Flux2 model respond to one thing in a prompt, and how sure one can be.

>>> import plantain
>>> pipe = plantain.load_pipeline("posebox")
>>> result = plantain.run_probe(pipe, plantain.load_prompts("dense_pose"))
>>> print(plantain.summarise(result).text)
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from plantain import stats
    from plantain.capture import HeadCapture
    from plantain.errors import InputError
    from plantain.pipeline import call_arguments, load_pipeline
    from plantain.probe import iter_probe, run_probe
    from plantain.prompts import load_prompts
    from plantain.result import ProbeConfig, load_result
    from plantain.summary import summarise

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
    "run_probe",
    "stats",
    "summarise",
]

_MODULES = (
    "audit",
    "capture",
    "comparison",
    "control_figures",
    "control_report",
    "control_tables",
    "controls",
    "curve",
    "dose",
    "dose_figures",
    "estimate",
    "factors",
    "families",
    "figures",
    "heads",
    "inference",
    "noise",
    "picture",
    "pipeline",
    "probe",
    "prompts",
    "report",
    "reproduce",
    "result",
    "results_repo",
    "stability",
    "stability_figures",
    "stats",
    "summary",
    "transfer",
    "typed_pair",
)
_HOMES = {
    "HeadCapture": "capture",
    "InputError": "errors",
    "ProbeConfig": "result",
    "call_arguments": "pipeline",
    "iter_probe": "probe",
    "load_pipeline": "pipeline",
    "load_prompts": "prompts",
    "load_result": "result",
    "run_probe": "probe",
    "summarise": "summary",
}


def __getattr__(name: str) -> Any:
    """Import a public name on first use: torch and diffusers take seconds, reading a run needs neither."""
    if name in _MODULES:
        return import_module(f"plantain.{name}")
    if name in _HOMES:
        return getattr(import_module(f"plantain.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'plantain' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
