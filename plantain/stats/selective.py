"""Pose against control: which heads respond more to one contrast than to another, whatever the signs."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from plantain.errors import InputError
from plantain.stats.flips import all_or_random_signs
from plantain.stats.null import check_count, resampled_p
from plantain.stats.paired import Array, check_matched, paired_t, unit_columns


@dataclass(frozen=True)
class Selectivity:
    """Sizes of two contrasts, head by head; arrays of shape (n_heads,)."""

    t_minus: Array  # t of pose - control
    t_plus: Array  # t of pose + control
    larger: NDArray[np.bool_]  # |pose| > |control|
    smaller: NDArray[np.bool_]  # |pose| < |control|
    threshold: float

    @property
    def n_larger(self) -> int:
        return int(self.larger.sum())

    @property
    def n_smaller(self) -> int:
        return int(self.smaller.sum())


def selectivity(pose: ArrayLike, control: ArrayLike, threshold: float = 3.0) -> Selectivity:
    """Which heads respond more to pose than to a control, and which less (task minus control, in size).

    >>> found = plantain.stats.selectivity(pose, control)         # both (n_subjects, n_heads)
    >>> found.n_larger, found.n_smaller

    Rows are matched by subject. |pose| > |control| where t(pose - control) and t(pose + control) both pass the
    threshold with the same sign; |pose| < |control| where both pass with opposite signs. Both must pass, so
    a head of equal sizes is called at most as often as one t passes the threshold (intersection-union). The signed
    difference alone will not do: two unrelated wording contrasts differ in it in half of all heads.

    Two different wordings also differ in size from head to head, so ``n_larger`` alone shows nothing: hold it against
    ``n_smaller``, and pose against several controls with ``placed_among``.

    Raises InputError as ``paired_t``; also shapes that differ, or a threshold that is not positive.
    """
    pose, control = check_matched(pose, control, ("pose", "control"))
    if not (threshold > 0 and np.isfinite(threshold)):
        raise InputError(f"The threshold of |t| must be positive; got {threshold!r}.")
    t_minus, t_plus = paired_t(pose - control), paired_t(pose + control)
    both = (np.abs(t_minus) > threshold) & (np.abs(t_plus) > threshold)
    same = np.sign(t_minus) == np.sign(t_plus)
    return Selectivity(t_minus, t_plus, both & same, both & ~same, float(threshold))


@dataclass(frozen=True)
class SelectivityNull:
    """Counts of larger and smaller heads when the sizes are equal, each (n_flips,), and p of the observed ones."""

    larger: NDArray[np.int64]
    smaller: NDArray[np.int64]
    p_larger: float
    p_smaller: float
    p_excess: float  # of larger - smaller, upper tail
    exhaustive: bool


def selectivity_null(
    pose: ArrayLike, control: ArrayLike, threshold: float = 3.0, n_flips: int = 1000, seed: int = 0
) -> SelectivityNull:
    """Null of ``selectivity``'s counts: in every head pose and control are of equal size.

    >>> null = plantain.stats.selectivity_null(pose, control)     # .p_larger .p_smaller .larger .smaller

    Equal size means mean(pose) = ±mean(control), with a sign of each head's own. Where it is +, a subject's rows may
    be exchanged, (p, c) -> (c, p): this flips m = p - c and leaves q = p + c. Where it is -, (p, c) -> (-c, -p)
    may: this flips q and leaves m. Flipping pose and control together, (p, c) -> (-p, -c), is not valid: it also takes
    away what the two have in common, and heads that respond to both alike would then be found. Which of m and q is
    centred on zero is read off each head, as the one of smaller |t|; that one is flipped, by the same signs in all
    heads, and the other stays. With an effect the choice is right but for noise; without any, the one that stays is
    the larger of two, so that null counts are too high rather than too low.

    The null is of *equal size in each head*, which two unrelated wordings do not meet either: simulated, they gave
    p_larger and p_smaller below 0.05 always, and p_excess in a third of all sets. Small p says that the contrasts
    differ; only pose among several controls (``placed_among``) says that pose stands out.
    All flips are enumerated where n_flips >= 2**n_subjects; otherwise p = (b + 1) / (m + 1).

    Raises InputError as ``selectivity``; also fewer than one flip.
    """
    found = selectivity(pose, control, threshold)
    pose, control = check_matched(pose, control, ("pose", "control"))
    n_flips, n = check_count("n_flips", n_flips), len(pose)
    signs, exhaustive = all_or_random_signs(n_flips, n, 24, np.random.default_rng(seed))
    minus_stays = np.abs(found.t_minus) > np.abs(found.t_plus)
    t_stays = np.where(minus_stays, found.t_minus, found.t_plus)
    heads = np.abs(t_stays) > threshold  # the others cannot pass, whatever is flipped
    flipped = np.where(minus_stays, pose + control, pose - control)[:, heads]
    # Turned so that a positive t of the flipped one means larger, a negative one smaller.
    u = unit_columns(flipped * np.sign(t_stays[heads]))
    cut = threshold * np.sqrt(n / (n - 1 + threshold**2))
    larger, smaller = np.zeros(len(signs), dtype=np.int64), np.zeros(len(signs), dtype=np.int64)
    for row in range(0, len(signs), 64):
        turned = signs[row : row + 64].astype(float) @ u  # (F, H)
        larger[row : row + 64] = (turned > cut).sum(axis=1)
        smaller[row : row + 64] = (turned < -cut).sum(axis=1)

    n_larger, n_smaller = found.n_larger, found.n_smaller
    compared = (larger, n_larger), (smaller, n_smaller), (larger - smaller, n_larger - n_smaller)
    p_larger, p_smaller, p_excess = (
        float(resampled_p((null >= observed).sum(), len(null), exhaustive)) for null, observed in compared
    )
    return SelectivityNull(larger, smaller, p_larger, p_smaller, p_excess, exhaustive)


@dataclass(frozen=True)
class Placement:
    """Where one figure lies among those of the controls: ``n_at_least`` of ``n_others`` reach it."""

    value: float
    others: Array
    n_at_least: int
    p: float
    ratio: float  # the value over the largest of the others; inf where that is 0

    @property
    def n_others(self) -> int:
        return len(self.others)


def placed_among(value: float, others: ArrayLike) -> Placement:
    """Where pose's figure (a count of heads, ``mean_squared_effect``) lies among the same figure of controls.

    >>> plantain.stats.placed_among(pose_count, control_counts).p        # (b + 1) / (8 + 1) with eight controls

    The contrast is the unit here: if pose were one more wording, every rank would be as likely, so
    p = (b + 1) / (k + 1) with b of k controls at least as large; with eight controls it is never below 1/9.

    Raises InputError: no control, or NaN.
    """
    others = np.atleast_1d(np.asarray(others, dtype=float))
    if others.ndim != 1 or others.size == 0 or np.isnan(others).any() or np.isnan(value):
        raise InputError("placed_among needs one number and at least one number of a control, none of them NaN.")
    n_at_least = int((others >= value).sum())
    largest = float(others.max())
    ratio = float(value) / largest if largest != 0 else float("inf")
    return Placement(float(value), others, n_at_least, float(resampled_p(n_at_least, len(others))), ratio)
