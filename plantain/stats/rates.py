"""How sure a share is that was counted, and whether one is larger than another."""

from math import comb
from statistics import NormalDist

from plantain.errors import InputError


def wilson(k: int, n: int, level: float = 0.95) -> tuple[float, float]:
    """Wilson's score interval of a share, ``k`` of ``n``: (low, high).

    >>> wilson(24, 25)
    (0.8046, 0.9929)

    (p + z²/2n ± z √(p(1 − p)/n + z²/4n²)) / (1 + z²/n), with p = k/n and z the normal quantile (Wilson 1927). Unlike
    p ± z √(p(1 − p)/n) it is no point where k is 0 or n.

    Raises
    ------
    InputError
        No trials, a count outside 0 … n, or a level outside 0 … 1.
    """
    if not (n >= 1 and 0 <= k <= n):
        raise InputError(f"A share is a count of 0 … n out of at least one; got {k} of {n}.")
    if not 0 < level < 1:
        raise InputError(f"level must lie between 0 and 1, such as 0.95; got {level}.")
    z = NormalDist().inv_cdf((1 + level) / 2)
    p, per = k / n, z * z / n
    half = z * (p * (1 - p) / n + per / (4 * n)) ** 0.5
    low, high = ((p + per / 2 + sign * half) / (1 + per) for sign in (-1, 1))
    # Exactly 0 and 1 at the ends, where rounding would leave a trace.
    return (0.0 if k == 0 else low), (1.0 if k == n else high)


def fisher_larger(k: int, n: int, other_k: int, other_n: int) -> float:
    """One-sided p of Fisher's exact test: how often ``k`` of ``n`` or more, if both shares were one.

    >>> fisher_larger(14, 75, 1, 75)                              # 14 of 75 heads against 1 of 75
    0.000273

    The upper tail of the hypergeometric distribution, in whole numbers (Fisher 1935). ``scipy.stats.fisher_exact`` with
    ``alternative="greater"`` is the same; that module takes a second to import, and a page that opens asks for this.

    Raises
    ------
    InputError
        A count outside 0 … n.
    """
    for one, of in ((k, n), (other_k, other_n)):
        if not 0 <= one <= of:
            raise InputError(f"A share is a count of 0 … n; got {one} of {of}.")
    total = k + other_k
    reached = sum(comb(n, x) * comb(other_n, total - x) for x in range(k, min(n, total) + 1))
    return reached / comb(n + other_n, total)
