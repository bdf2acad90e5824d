"""Figures, each named after the question it answers; ``panels`` has what they share.

A module of them is imported when it is first used, and matplotlib with it: a page opens without.

>>> from plantain.report import figures
>>> figures.maps.draw(layers, alt)
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from plantain.report.figures import maps, response, selectivity, typed  # noqa: F401


def __getattr__(name: str) -> Any:
    if name.startswith("_"):
        raise AttributeError(name)
    try:
        return import_module(f"{__name__}.{name}")
    except ModuleNotFoundError as error:
        raise AttributeError(f"There are no figures {name!r}.") from error
