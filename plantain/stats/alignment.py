"""How far one shift lies along the axis of a set of pairs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from plantain.errors import InputError
from plantain.stats.flips import random_signs, t_of_u
from plantain.stats.paired import Array, check_differences, pearson


@dataclass(frozen=True)
class AxisAlignment:
    """How far a shift lies along a reference axis: ``r`` with its null, and two-sided ``p``."""

    r: float
    null: Array
    p: float


def axis_alignment(shift: ArrayLike, d: ArrayLike, n_flips: int = 1000, seed: int = 0) -> AxisAlignment:
    """Correlate one shift with the t map of a reference set of pairs, over heads.

    >>> plantain.stats.axis_alignment(shift, result.differences()).r

    The shift, shape (n_heads,), is divided by each head's root mean square of ``d``, so that no
    head counts for its scale alone. Null: the same correlation with the t maps of sign-flipped
    reference pairs, that is, with directions that word-level variation of those pairs gives by
    itself. p = (b + 1) / (m + 1) on |r|. Heads silent in ``d`` are left out. A high r says that
    the shift resembles the reference contrast, whatever drives either of them.

    Raises
    ------
    InputError
        As ``paired_t``; also a shift of another length, or fewer than 3 heads that are not silent.
    """
    d = check_differences(d)
    shift = np.asarray(shift, dtype=float)
    if shift.shape != (d.shape[1],):
        raise InputError(f"The shift has shape {shift.shape}, the reference has {d.shape[1]} heads; they must match.")
    if not np.isfinite(shift).all():
        raise InputError("The shift holds NaN or infinity; measure it again.")
    n = len(d)
    scale = np.sqrt((d * d).mean(axis=0))
    heads = scale > 0
    if heads.sum() < 3:
        raise InputError(f"Only {int(heads.sum())} heads of the reference vary; at least 3 are needed.")
    d, scaled = d[:, heads], shift[heads] / scale[heads]
    if np.ptp(scaled) == 0:
        raise InputError("The shift is the same in every head, so it correlates with nothing; give another prompt.")
    rng = np.random.default_rng(seed)
    signs = np.concatenate([np.ones((1, n)), random_signs(rng, slice(0, n_flips), n)])
    u = d / np.sqrt((d * d).sum(axis=0))
    limit = np.sqrt(n * (1 - 1e-9))  # keeps heads whose t would be infinite finite, and largest
    rs = np.array([pearson(scaled, t_of_u(np.clip(row @ u, -limit, limit), n)) for row in signs])
    null = rs[1:]
    return AxisAlignment(float(rs[0]), null, float(((np.abs(null) >= abs(rs[0])).sum() + 1) / (n_flips + 1)))
