"""Match: does a head's map lie where its own pair's map lies, rather than another pair's, or the mirror image?"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from plantain.errors import InputError
from plantain.stats.paired import Array


def unit_maps(maps: ArrayLike) -> Array:
    """Maps centred and of length 1 over their last axis, so that products of two are Pearson's r; constant ones are 0.

    >>> unit_maps(shift) @ unit_maps(truth).T                    # (P, N), (Q, N) -> r, (P, Q)
    """
    maps = np.asarray(maps, dtype=np.float64)
    centred = maps - maps.mean(axis=-1, keepdims=True)
    length = np.linalg.norm(centred, axis=-1, keepdims=True)
    # What is left of a constant map by rounding is no map.
    scale = np.abs(maps).max(axis=-1, keepdims=True, initial=0)
    constant = length <= 1e-12 * scale * np.sqrt(maps.shape[-1])
    return np.where(constant, 0.0, centred / np.where(constant, 1.0, length))


def own_and_others(r: ArrayLike, usable: NDArray[np.bool_]) -> tuple[Array, Array]:
    """Of matches r[..., p, q] (a head's shift in pair p with the truth of pair q): own and others, (..., P).

    >>> own, others = own_and_others(r, usable)                  # (H, P, P), (P,) -> (H, P), (H, P)

    own[p] = r[p, p]; others[p] = ½ (mean of r[p, q] + mean of r[q, p]) over the other usable q. Pairs that cannot
    be used are 0 in both.

    Raises
    ------
    InputError
        Fewer than two usable pairs: there is no other.
    """
    r = np.asarray(r, dtype=np.float64)
    n = int(np.sum(usable))
    if n < 2:
        raise InputError(f"Own against others needs at least 2 usable pairs; got {n}.")
    r = r * np.outer(usable, usable)
    own = np.diagonal(r, axis1=-2, axis2=-1)
    return own.copy(), (r.sum(axis=-1) + r.sum(axis=-2) - 2 * own) / (2 * (n - 1))
