"""The manipulation check: are the pictures what the prompts say, a T-pose on one side and another pose on the other?

>>> found = drawn(judge_points(bodies.points), judge="keypoints")
>>> print(found.text)

Verdicts come in; who judged, pixels against the renderer or keypoints against a rule, does not matter here.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from plantain.data.family import Family
from plantain.errors import InputError
from plantain.questions.answer import Answer
from plantain.stats.rates import wilson
from plantain.wording import Table


@dataclass(frozen=True)
class Side:
    """How often the pictures of one side show what its prompts say."""

    name: str
    says: str  # "a T-pose" or "another pose"
    n_right: int
    n_wrong: int
    n_open: int  # not to be told from the picture; counted as not right
    low: float  # Wilson's interval of n_right out of all
    high: float

    @property
    def n(self) -> int:
        return self.n_right + self.n_wrong + self.n_open


@dataclass(frozen=True)
class Drawn(Answer):
    """Which pictures show what was asked for.

    Attributes
    ----------
    judge : who judged the pictures, in words
    sides : what was found of A and of B
    verified : bool array, shape (n_pairs,)
        Pairs whose two pictures are both right. A picture that cannot be told is not.
    low, high : Wilson's interval of the share of verified pairs
    level : of the intervals
    """

    judge: str
    sides: tuple[Side, Side]
    verified: np.ndarray
    low: float
    high: float
    level: float

    @property
    def n_verified(self) -> int:
        """Pairs whose two pictures are both right."""
        return int(self.verified.sum())

    @property
    def sentences(self) -> list[str]:
        """The verified pairs, then each side."""
        n, level = len(self.verified), f"{100 * self.level:g} % interval"
        lines = [
            f"Judged by {self.judge}, {self.n_verified} of {n} pairs show what both of their prompts say "
            f"({100 * self.n_verified / n:.0f} %; Wilson's {level} {_percent(self.low, self.high)})."
        ]
        for side in self.sides:
            line = (
                f"{side.name} should show {side.says}: {side.n_right} of {side.n} do ({_percent(side.low, side.high)})"
            )
            lines.append(f"{line}; {side.n_open} cannot be told, and count as not." if side.n_open else f"{line}.")
        return lines

    @property
    def tables(self) -> tuple[Table, ...]:
        """A row a side."""
        header = ("side", "should show", "right", "wrong", "cannot be told", f"{100 * self.level:g} % interval")
        rows = [
            (
                side.name,
                side.says,
                str(side.n_right),
                str(side.n_wrong),
                str(side.n_open),
                _percent(side.low, side.high),
            )
            for side in self.sides
        ]
        note = "Share of right pictures, Wilson's interval; what cannot be told counts as not right."
        return (Table("Do the pictures show what the prompts say?", note, (header, *rows)),)


def drawn(
    judged: ArrayLike,
    says: ArrayLike = (True, False),
    judge: str = "a rule on keypoints",
    names: Sequence[str] = ("A", "B"),
    level: float = 0.95,
) -> Drawn:
    """Count, by side, the pictures that show a T-pose where the prompts say so, and another pose where they do.

    >>> drawn([(True, False), (True, None), (False, False)]).verified
    array([ True, False, False])

    Parameters
    ----------
    judged : array of True, False and None, shape (n_pairs, 2)
        Whether the picture of A, of B shows a T-pose; None where it cannot be told.
    says : bool array that broadcasts to (n_pairs, 2), the same down each side
        Whether the prompts of A, of B say a T-pose.
    judge : who judged, in words
    names : of the two sides
    level : of Wilson's intervals

    Raises
    ------
    InputError
        Verdicts of another shape or kind, no pairs, a side whose prompts say both, or a level outside 0 … 1.
    """
    verdicts = np.asarray(judged, dtype=object)
    if verdicts.ndim != 2 or verdicts.shape[1] != 2 or not len(verdicts):
        raise InputError(f"Verdicts must be (n_pairs, 2), one of A and one of B for each pair; got {verdicts.shape}.")
    strange = [verdict for verdict in verdicts.flat if not _is_verdict(verdict)]
    if strange:
        raise InputError(f"A verdict is True, False, or None where it cannot be told; got {strange[0]!r}.")
    try:
        wanted = np.broadcast_to(np.asarray(says, bool), verdicts.shape)
    except ValueError as error:
        raise InputError(f"says must be one or {len(verdicts)} rows of two; got {np.shape(says)}.") from error
    if (wanted != wanted[0]).any():
        raise InputError("The prompts of one side must all say a T-pose or all another pose; count other pairs apart.")
    open_ = np.array([verdict is None for verdict in verdicts.flat]).reshape(verdicts.shape)
    right = np.where(open_, False, verdicts).astype(bool) == wanted
    right &= ~open_
    sides = []
    for k in (0, 1):
        n_right, n_open = int(right[:, k].sum()), int(open_[:, k].sum())
        what = "a T-pose" if wanted[0, k] else "another pose"
        limits = wilson(n_right, len(verdicts), level)
        sides.append(Side(names[k], what, n_right, len(verdicts) - n_right - n_open, n_open, *limits))
    verified = right.all(axis=1)
    low, high = wilson(int(verified.sum()), len(verified), level)
    return Drawn(judge, (sides[0], sides[1]), verified, low, high, level)


def manipulation(family: Family) -> Drawn:
    """The check of a family of dense runs, by whoever judged the trained model's pictures.

    >>> manipulation(load_family(["assets/runs/dense"])).verified

    What a side should show is told by the pairs' tag ``pose``, otherwise a T-pose on A and another pose on B.
    Raises InputError where nobody judged the pictures.
    """
    if family.judged is None:
        raise InputError(
            f"Nobody judged the pictures of {family.model}: `python -m plantain dense` does where bodies are known, or "
            "with --keypoints."
        )
    poses: list[Any] = [pair.tags.get("pose") for pair in family.trained.prompts.pairs]
    told = all(isinstance(pose, list) and len(pose) == 2 for pose in poses)
    says = [[str(name).startswith("t-pose") for name in pose] for pose in poses] if told else [[True, False]]
    names = [f"{side} ({said})" for side, said in zip("AB", family.trained.prompts.conditions, strict=True)]
    judge = str(family.trained.about.get("judge", "unknown"))
    return drawn(np.array(family.judged, dtype=object), says, judge, names)


def _is_verdict(value: Any) -> bool:
    return value is None or isinstance(value, bool | np.bool_)


def _percent(low: float, high: float) -> str:
    return f"{100 * low:.0f} to {100 * high:.0f} %"
