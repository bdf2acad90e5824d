"""Which heads, and how many, once their number is taken into account.

The family-wise (max-|t|) adjusted p and the bound on true discoveries belong to the null:
``sign_flip_null(d).max_p(abs_t)`` and ``.true_discoveries(counts)``.
"""

from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike

from plantain.errors import InputError
from plantain.stats.flips import enumerated_signs
from plantain.stats.paired import Array, check_differences

Method = Literal["bh", "by"]
# 2**15 sums a half: 2 MB of them for 8 heads, and milliseconds a head.
_MAX_EXACT_PAIRS = 30
_BLOCK_HEADS = 64


def t_pvalues(t: ArrayLike, n_pairs: int) -> Array:
    """Two-sided p of a paired t, from the t distribution with n_pairs - 1 degrees of freedom.

    >>> p = plantain.stats.t_pvalues(plantain.stats.paired_t(d), len(d))          # (n_heads,)

    Any shape of ``t`` is kept; 0 where t is ±inf, 1 where it is 0. Exact for normal differences.

    Raises InputError: NaN in ``t``, or fewer than 3 pairs.
    """
    from scipy.special import stdtr  # here, as elsewhere: reading a run needs no distribution

    t = np.asarray(t, dtype=float)
    if n_pairs < 3:
        raise InputError(f"A t over pairs needs at least 3 pairs; got {n_pairs}. Add pairs.")
    if np.isnan(t).any():
        raise InputError("t holds NaN; compute it with paired_t.")
    return np.minimum(2 * stdtr(n_pairs - 1, -np.abs(t)), 1.0)


def exact_p(d: ArrayLike) -> Array:
    """Two-sided sign-flip p of every head from all 2**n flips, none drawn at random.

    >>> p = plantain.stats.exact_p(d)                             # (n_pairs, n_heads) -> (n_heads,)

    #(|sum of s·d| >= |sum of d|) / 2**n, which orders flips as |t| does, since flips leave the sum of squares.
    The flips are not visited one by one: the 2**(n/2) sums of either half of the pairs are sorted, and
    for each sum of one half a binary search counts its partners in the other (Horowitz & Sahni 1974,
    doi:10.1145/321812.321823). Sums equal within 1e-12 of their size are ties, and count. The smallest p is
    2 / 2**n (6e-8 for 25 pairs), low enough for ``fdr`` over 16,320 heads, which takes seconds.

    Raises InputError as ``paired_t``; also more than 30 pairs.
    """
    d = check_differences(d)
    n, n_heads = d.shape
    if n > _MAX_EXACT_PAIRS:
        raise InputError(f"Exact p is for at most {_MAX_EXACT_PAIRS} pairs; got {n}. Use t_pvalues or sign_flip_null.")
    half = n // 2
    signs = [enumerated_signs(slice(0, 2**m), m).astype(float) for m in (half, n - half)]
    size = np.abs(d).sum(axis=0)
    reach = np.abs(d.sum(axis=0)) - 1e-12 * size
    p = np.ones(n_heads)
    for start in range(0, n_heads, _BLOCK_HEADS):
        block = slice(start, start + _BLOCK_HEADS)
        first = np.sort((signs[0] @ d[:half, block]).T)  # (H, 2**half), each row rising
        second = np.sort((signs[1] @ d[half:, block]).T)
        for k, head in enumerate(range(start, start + len(first))):
            if reach[head] > 0:
                below = np.searchsorted(second[k], reach[head] - first[k])
                # Sums come in pairs ±x, so those at or below -reach are as many.
                p[head] = 2 * (first.shape[1] * second.shape[1] - below.sum()) / 2**n
    return p


def fdr(p: ArrayLike, method: Method = "bh") -> Array:
    """p adjusted for the false discovery rate over all of them; any shape is kept.

    >>> q = plantain.stats.fdr(plantain.stats.t_pvalues(t, n_pairs))             # heads with q <= 0.05

    "bh": Benjamini & Hochberg (1995), for independent or positively dependent heads; "by": Benjamini &
    Yekutieli (2001), for any dependence. Computed by ``scipy.stats.false_discovery_control``. Take p from
    ``t_pvalues`` or ``exact_p``: p from m random flips stops at 1 / (m + 1), which among 16,320 heads and
    1,000 flips reaches 5 % only where 326 heads share that floor.

    Raises InputError: another method, no p, or p outside 0 to 1.
    """
    from scipy.stats import false_discovery_control

    p = np.asarray(p, dtype=float)
    if method not in get_args(Method):
        raise InputError(f'method must be "bh" or "by"; got {method!r}.')
    if p.size == 0 or not ((p >= 0) & (p <= 1)).all():
        raise InputError("p must hold at least one value, each between 0 and 1.")
    return false_discovery_control(p, axis=None, method=method).reshape(p.shape)
