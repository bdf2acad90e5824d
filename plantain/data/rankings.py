"""Heads in the order of what was found of them on some pairs, so that they can be tested on the others."""

from __future__ import annotations

import numpy as np

from plantain import stats
from plantain.data.dense import TRUTHS, DenseResult
from plantain.data.interventions import RANKINGS
from plantain.data.view import View
from plantain.errors import InputError
from plantain.stats.match import own_and_others

_STRICT = {"code": "code_beyond", "deformation": "deformation_beyond"}


def head_scores(
    dense: DenseResult,
    norm: np.ndarray,
    write: np.ndarray,
    train: np.ndarray,
    view: View | str = "head",
    beside: DenseResult | None = None,
) -> dict[str, np.ndarray]:
    """The score of every head of a view by each of ``RANKINGS`` that can be had, from the pairs of ``train`` alone.

    >>> scores = head_scores(dense, norm, write, train=folds != 0)

    Parameters
    ----------
    dense : the dense run of these weights
    norm, write : ‖Δx‖ and ‖W_out Δx‖ of every pair and head, (n_pairs, n_heads); their means over ``train`` count
    train : bool, shape (n_pairs,)
    beside : a dense run of another contrast, which *selectivity* takes place away of

    Of attention heads place is own − other *training* pairs. Code and deformation count training pairs' scores, whose
    decoders were fitted on folds that hold test pairs too; of card heads there is neither, and the others that place is
    held against are all pairs.

    Raises
    ------
    InputError
        Fewer than three training pairs with a map, or sizes of another shape.
    """
    view = View.of(view)
    n = dense.head_map.n_heads(view)
    if norm.shape != (len(dense.prompts), n) or write.shape != norm.shape:
        raise InputError(f"Sizes must be {(len(dense.prompts), n)}, a pair a row; got {norm.shape} and {write.shape}.")
    place = _place(dense, train, view)
    scores = {"t": np.abs(stats.paired_t(dense.run.differences(view)[train])), "place": place}
    for name, score in _STRICT.items():
        if view.grouping == "head" and score in dense.decoded:
            scores[name] = stats.paired_t(dense.score(score, train))
    if beside is not None:
        scores["selectivity"] = place - stats.paired_t(beside.place(view))
    scores |= {"norm": norm[train].mean(axis=0), "write": write[train].mean(axis=0)}
    return {name: scores[name] for name in RANKINGS if name in scores}


def _place(dense: DenseResult, train: np.ndarray, view: View) -> np.ndarray:
    """t of place over training pairs."""
    truth = TRUTHS.index(dense.truths[0])
    pairs = dense.usable[truth] & train
    if pairs.sum() < stats.MIN_PAIRS:
        raise InputError(f"Place needs {stats.MIN_PAIRS} training pairs that have a map; got {int(pairs.sum())}.")
    if view.grouping == "head":
        own, others = own_and_others(dense.matrix, pairs)
        rows = dense.rows(view) - dense.head_map.n_runs
        return stats.paired_t((own - others)[rows][:, pairs].T)
    return stats.paired_t(dense.place(view, only=train))
