"""How large a typed pair's shift is, block by block, on one scale with pairs of pose and with reworded ones."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from plantain.data.result import ProbeResult
from plantain.wording import Table, number


@dataclass(frozen=True)
class TypedShift:
    """Shifts in units of the median pair of ``dense_pose`` in the same block: 1 is as large as a pose's.

    A pair's shift in a block is the root mean square over its card heads of B − A, noise seeds averaged.
    """

    names: tuple[str, ...]  # of the blocks
    own: np.ndarray  # (n_blocks,); of several pairs (a template over subjects) the median
    pose: np.ndarray  # (n_pairs, n_blocks)
    reworded: np.ndarray | None  # (n_pairs, n_blocks), pairs of one pose in other words; None where not run

    @property
    def sentence(self) -> str:
        """The typed pair's median over blocks, beside what the same pose in other words does."""
        said = f"Its shift is {number(float(np.median(self.own)))} times the median pose pair's (median over blocks)"
        if self.reworded is None:
            return f"{said}."
        low, high = np.quantile(np.median(self.reworded, axis=1), [0.1, 0.9])
        return f"{said}; the same pose in other words shifts by {number(float(low))} to {number(float(high))}."

    @property
    def table(self) -> Table:
        """A row a block: the pair's own shift, and of the others the 10th, 50th and 90th percentile."""
        header = ("Block", "Your pair", "Pose pairs: 10 %", "90 %", "Reworded pairs: 10 %", "50 %", "90 %")
        pose = np.quantile(self.pose, [0.1, 0.9], axis=0)
        other = np.full((3, len(self.names)), np.nan)
        if self.reworded is not None:
            other = np.quantile(self.reworded, [0.1, 0.5, 0.9], axis=0)
        values = np.column_stack([self.own, *pose, *other])
        rows = ((name, *(number(float(v)) for v in row)) for name, row in zip(self.names, values, strict=True))
        note = "1 is the median pair of dense_pose in the same block; root mean square of B − A over its card heads."
        return Table("Shift by block", note, (header, *rows))


def typed_shift(result: ProbeResult, pose: ProbeResult | None, reworded: ProbeResult | None) -> TypedShift | None:
    """Lay a typed pair's shift beside cached runs of the same weights; None without one of ``dense_pose``.

    >>> typed_shift(result, catalog.reference_for(result), catalog.control_for(result, "paraphrase")).sentence
    """
    if pose is None:
        return None
    of_pose = _by_block(pose)
    unit = np.median(of_pose, axis=0)
    unit = np.where(unit > 0, unit, 1.0)
    return TypedShift(
        names=tuple(result.head_map.block_names),
        own=np.median(_by_block(result), axis=0) / unit,
        pose=of_pose / unit,
        reworded=None if reworded is None else _by_block(reworded) / unit,
    )


def _by_block(run: ProbeResult) -> np.ndarray:
    """(n_pairs, n_blocks)"""
    d = run.differences()
    masks = run.head_map.block_masks().values()
    return np.stack([np.sqrt((d[:, heads] ** 2).mean(axis=1)) for heads in masks], axis=1)
