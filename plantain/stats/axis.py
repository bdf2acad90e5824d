"""Axes through heads: how far one shift lies along one, and whether one learned on some subjects holds in others."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from plantain.errors import InputError
from plantain.stats.flips import all_or_random_signs, random_signs, t_of_u
from plantain.stats.null import check_count, resampled_p
from plantain.stats.paired import Array, check_differences, check_matched, pearson, unit_columns


@dataclass(frozen=True)
class AxisTransfer:
    """How well held-out pose pairs are told from held-out control pairs."""

    auc: float  # how often a pose pair lies further along the axis than a control pair of its fold; 0.5 by chance
    null: Array  # (n_flips,): the same with pose and control exchanged in random groups, axes learned anew
    p: float  # one-sided
    scores: Array  # (n_pairs, 2): held-out pose and control pairs along their fold's axis, which has length 1
    folds: NDArray[np.int64]  # (n_pairs,): the fold that held each row out


def axis_transfer(
    pose: ArrayLike,
    control: ArrayLike,
    folds: int = 5,
    seed: int = 0,
    groups: ArrayLike | None = None,
    n_flips: int = 1000,
) -> AxisTransfer:
    """Learn the pose axis on some pairs, project held-out pose and control pairs on it, and tell them apart.

    >>> found = plantain.stats.axis_transfer(pose, control, groups=subjects)    # both (n_pairs, n_heads)
    >>> found.auc, found.p

    Row i of pose and of control are the same subject; rows of one group are never on both sides of a fold. The axis
    is the mean of the training pose pairs, every head divided by its root mean square over training pairs of both
    kinds. Pairs are compared within a fold only, since every fold has an axis of its own. Null: if the two contrasts
    were alike, a group's pose and control rows could be exchanged; scales do not change with that, so every exchange
    reads off the same products of pairs. p = (b + 1) / (m + 1), or of all exchanges where n_flips reaches 2**groups.
    The axis may be one of wording: it tells this contrast from that control, in new subjects.

    Raises InputError as ``paired_t``; also shapes that differ, fewer groups than folds, fewer than two folds, or no
    head that varies.
    """
    pose, control = check_matched(pose, control, ("pose", "control"))
    n = len(pose)
    folds, n_flips = check_count("folds", folds), check_count("n_flips", n_flips)
    rng = np.random.default_rng(seed)
    group, fold = _folds(n, folds, groups, rng)
    signs, exhaustive = all_or_random_signs(n_flips, int(group.max()) + 1, 16, rng)
    # (F, P): True where a row's pose and control change places; first the observed labelling.
    swapped = np.concatenate([np.zeros((1, n), dtype=bool), signs[:, group] < 0])

    both = np.concatenate([pose, control])  # (2P, H)
    wins, scores = np.zeros(len(swapped)), np.empty((n, 2))
    for k in range(folds):
        held, trained = np.flatnonzero(fold == k), np.flatnonzero(fold != k)
        learned = np.r_[trained, trained + n]
        scale = np.sqrt((both[learned] ** 2).mean(axis=0))
        heads = scale > 0
        if not heads.any():
            raise InputError("No head varies in the training pairs, so there is no axis to learn.")
        scaled = both[:, heads] / scale[heads]
        products = scaled @ scaled[learned].T  # (2P, 2 trained)
        # Positions along the mean of the rows that are called pose: (F, 2P)
        called = np.concatenate([~swapped[:, trained], swapped[:, trained]], axis=1) / len(trained)
        position = called @ products.T
        p, c = position[:, held], position[:, held + n]
        p, c = np.where(swapped[:, held], c, p), np.where(swapped[:, held], p, c)  # (F, held)
        difference = p[:, :, None] - c[:, None, :]
        wins += (difference > 0).sum(axis=(1, 2)) + 0.5 * (difference == 0).sum(axis=(1, 2))
        length = np.sqrt(max(float(called[0] @ products[learned] @ called[0]), 0.0))
        scores[held] = np.stack([p[0], c[0]], axis=1) / (length or 1.0)
    auc = wins / (np.bincount(fold, minlength=folds) ** 2).sum()
    p_value = resampled_p((auc[1:] >= auc[0] - 1e-12).sum(), len(signs), exhaustive)
    return AxisTransfer(float(auc[0]), auc[1:], float(p_value), scores, fold)


@dataclass(frozen=True)
class HeldOutShare:
    """Share of held-out pairs that lie on the pose side of an axis learned from the others, its ``null`` and ``p``."""

    share: float
    null: Array
    p: float


def held_out_share(
    d: ArrayLike, folds: int = 5, seed: int = 0, groups: ArrayLike | None = None, n_flips: int = 1000
) -> HeldOutShare:
    """Whether an axis learned on some pairs has the same sign in pairs it has not seen.

    >>> plantain.stats.held_out_share(result.differences("head")).share      # 0.5 by chance

    Axis and folds as in ``axis_transfer``, of these pairs alone. Null: signs of whole groups are flipped and every axis
    is learned anew; one-sided p = (b + 1) / (m + 1). An axis of wording carries over as one of pose does.

    Raises InputError as ``paired_t``; also fewer groups than folds, or fewer than two folds.
    """
    d = check_differences(d)
    n = len(d)
    folds, n_flips = check_count("folds", folds), check_count("n_flips", n_flips)
    rng = np.random.default_rng(seed)
    group, fold = _folds(n, folds, groups, rng)
    flips = random_signs(rng, n_flips, int(group.max()) + 1)[:, group]
    signs = np.concatenate([np.ones((1, n)), flips]).astype(np.float64)  # (F, P)
    positive = np.zeros(len(signs))
    for k in range(folds):
        held, trained = np.flatnonzero(fold == k), np.flatnonzero(fold != k)
        scale = np.sqrt((d[trained] ** 2).mean(axis=0))  # flips leave it as it is
        scaled = d[:, scale > 0] / scale[scale > 0]
        position = (signs[:, trained] @ (scaled[trained] @ scaled[held].T)) * signs[:, held]  # (F, held)
        positive += (position > 0).sum(axis=1) + 0.5 * (position == 0).sum(axis=1)
    share = positive / n
    p = resampled_p((share[1:] >= share[0] - 1e-12).sum(), n_flips)
    return HeldOutShare(float(share[0]), share[1:], float(p))


def _folds(
    n: int, folds: int, groups: ArrayLike | None, rng: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The group of each row, and the fold that holds it out; a group is never in two folds: (n,), (n,)."""
    labels = np.arange(n) if groups is None else np.asarray(groups)
    if labels.shape != (n,):
        raise InputError(f"groups needs one label for each of the {n} rows; got the shape {labels.shape}.")
    names, group = np.unique(labels, return_inverse=True)
    if not 2 <= folds <= len(names):
        raise InputError(f"folds must be from 2 to the {len(names)} groups; got {folds}.")
    fold_of_group = np.empty(len(names), dtype=np.int64)
    fold_of_group[rng.permutation(len(names))] = np.arange(len(names)) % folds
    return group, fold_of_group[group]


@dataclass(frozen=True)
class AxisAlignment:
    """How far a shift lies along a reference axis: ``r`` with its null, and two-sided ``p``."""

    r: float
    null: Array
    p: float


def axis_alignment(shift: ArrayLike, d: ArrayLike, n_flips: int = 1000, seed: int = 0) -> AxisAlignment:
    """Correlate one shift with the t map of a reference set of pairs, over heads.

    >>> plantain.stats.axis_alignment(shift, result.differences()).r

    The shift, shape (n_heads,), is divided by each head's root mean square of ``d``, so that no head counts for its
    scale alone. Null: the same correlation with the t maps of sign-flipped reference pairs, that is, with directions
    that word-level variation of those pairs gives by itself. p = (b + 1) / (m + 1) on |r|. Heads silent in ``d`` are
    left out. A high r says that the shift resembles the reference contrast, whatever drives either of them.

    Raises InputError as ``paired_t``; also a shift of another length, or fewer than 3 heads that are not silent.
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
    signs = np.concatenate([np.ones((1, n)), random_signs(rng, n_flips, n)])
    u = unit_columns(d)
    limit = np.sqrt(n * (1 - 1e-9))  # keeps heads whose t would be infinite finite, and largest
    rs = np.array([pearson(scaled, t_of_u(np.clip(row @ u, -limit, limit), n)) for row in signs])
    p = resampled_p((np.abs(rs[1:]) >= abs(rs[0])).sum(), n_flips)
    return AxisAlignment(float(rs[0]), rs[1:], float(p))
