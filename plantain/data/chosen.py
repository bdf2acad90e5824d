"""Which heads a ranking puts first for a pair, ranked on other pairs than that one."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from plantain.data.dense import DenseResult
from plantain.data.folds import folds_of
from plantain.data.patching import PatchStudy
from plantain.data.rankings import head_scores
from plantain.errors import InputError

RANDOM = "random"
_OF_A_STUDY = ("norm", "write")


@dataclass(frozen=True, eq=False)  # orders are kept
class Chooser:
    """Attention heads of one model's weights, in the order of a ranking, without the fold of the pair they are for.

    >>> chooser = Chooser(load_dense("assets/runs/dense/posebox/dense_pose"), study)
    >>> chooser.heads("place", 8, pair=3), chooser.runs("place", 8, pair=3).shape

    Attributes
    ----------
    dense : the dense run that ranks them
    study : the patching study of the same weights and prompts, for its folds, its sets, and what heads write; or None

    Raises InputError: a study of other weights, prompts or heads; no study where tags tell no folds.
    """

    dense: DenseResult
    study: PatchStudy | None = None

    def __post_init__(self) -> None:
        if self.study is not None and not same_model(self.study, self.dense):
            raise InputError("The study is of other weights, prompts or heads than the dense run; give those of it.")
        if self._folds is None:
            raise InputError(
                "Heads are ranked on other pairs than the one they are tested in, and the tags of these prompts tell "
                "no folds; make a study: python -m plantain patch."
            )

    @property
    def n_heads(self) -> int:
        return self.dense.head_map.n_heads("head")

    @cached_property
    def _folds(self) -> np.ndarray | None:
        return folds_of(self.dense.prompts) if self.study is None else self.study.folds

    @cached_property
    def _orders(self) -> dict[int, dict[str, np.ndarray]]:
        """Of every fold the order of all heads by each ranking, from the other folds."""
        assert self._folds is not None  # seen to when this was made
        if self.study is None:
            norm = write = np.zeros((len(self.dense.prompts), self.n_heads))
        else:
            norm, write = self.study.size_of("norm"), self.study.size_of("write")
        found = {}
        for fold in np.unique(self._folds):
            scores = head_scores(self.dense, norm, write, train=self._folds != fold)
            found[int(fold)] = {
                name: np.argsort(-of, kind="stable")
                for name, of in scores.items()
                if self.study is not None or name not in _OF_A_STUDY
            }
        return found

    @property
    def rankings(self) -> list[str]:
        """Rankings there are; ``RANDOM`` at the end."""
        return [*next(iter(self._orders.values())), RANDOM]

    def heads(self, ranking: str, k: int, pair: int) -> np.ndarray:
        """The first k attention heads, best first; at random the same for a pair and a k.

        Raises InputError: a ranking that there is not, or no such number of heads.
        """
        if ranking not in self.rankings:
            raise InputError(f"Heads are ranked by {', '.join(self.rankings)}; got {str(ranking)[:40]!r}.")
        if not 1 <= k <= self.n_heads:
            raise InputError(f"k is a number of heads from 1 to {self.n_heads}; got {k}.")
        if ranking == RANDOM:
            return np.random.default_rng([pair, k]).permutation(self.n_heads)[:k]
        assert self._folds is not None
        return self._orders[int(self._folds[pair])][ranking][:k]

    def runs(self, ranking: str, k: int, pair: int) -> np.ndarray:
        """The same as runs of channels, bool (n_runs,): a study's own set where it has that k."""
        heads = self.heads(ranking, k, pair)
        numbers = self.studied(ranking, k, pair)
        if self.study is not None and len(numbers):
            return np.asarray(self.study.table.runs[numbers[0]])
        return np.asarray(self.dense.head_map.runs_of_heads("head")[heads].any(axis=0))

    def studied(self, ranking: str, k: int, pair: int, direction: str = "sufficiency") -> np.ndarray:
        """The study's number of that set, (1,), or (0,) where it has none."""
        if self.study is None or ranking == RANDOM or self._folds is None:
            return np.zeros(0, int)
        wanted: dict[str, Any] = {"role": "chosen", "ranking": ranking, "k": k, "direction": direction}
        return self.study.table.where(fold=int(self._folds[pair]), **wanted)


def same_model(study: PatchStudy, dense: DenseResult) -> bool:
    """Whether a study of attention heads is of the weights and prompts of a dense run.

    >>> same_model(study, load_dense("assets/runs/dense/posebox/dense_pose"))
    """
    fingerprint = "weights_fingerprint"
    return (
        study.view.grouping == "head"
        and (study.prompts, study.head_map) == (dense.prompts, dense.head_map)
        and study.provenance.get(fingerprint) == dense.run.provenance.get(fingerprint)
        and study.weights != "grafted"
    )
