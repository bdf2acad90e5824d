"""The model that is served and asked for when none is named."""

import ctypes
import sys

from plantain.model.names import EMBEDDED, KLEIN

# What torch drives a GPU through: NVIDIA's driver on Linux and Windows, AMD's.
_DRIVERS = ("libcuda.so.1", "nvcuda.dll", "libamdhip64.so", "amdhip64.dll")


def default_model() -> str:
    """FLUX.2 Klein base 4B where there is a GPU that torch can use, the embedded model where there is none.

    >>> default_model()
    'posebox'
    """
    return KLEIN if has_gpu() else EMBEDDED


def has_gpu() -> bool:
    """Whether torch finds a GPU; without any driver it is not even asked, which would take two seconds.

    >>> has_gpu()
    False
    """
    if "torch" not in sys.modules and not any(map(_is_there, _DRIVERS)):
        return False
    import torch  # here, since a page opens without it

    return torch.cuda.is_available()


def _is_there(driver: str) -> bool:
    try:
        ctypes.CDLL(driver)
    except OSError:
        return False
    return True
