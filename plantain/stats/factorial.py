"""Two factors at once: canonical pose and bent joints, body and clothes."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from plantain.errors import InputError
from plantain.stats.paired import Array, check_differences


@dataclass(frozen=True)
class TwoByTwo:
    """Contrasts of a 2 × 2 within-subject design, each (n_subjects, n_heads), for ``paired_t`` and its null."""

    canonical: Array  # expressive minus canonical, averaged over few and many bent joints
    articulation: Array  # many minus few bent joints, averaged over canonical and expressive
    interaction: Array  # the canonical effect among many bent joints minus that among few


def canonical_effect(e_few: ArrayLike, c_few: ArrayLike, e_many: ArrayLike, c_many: ArrayLike) -> TwoByTwo:
    """Main effects and interaction of {canonical, expressive} × {few, many bent joints}, subject by subject.

    >>> effects = plantain.stats.canonical_effect(e_few, c_few, e_many, c_many)   # four of (n_subjects, n_heads)
    >>> plantain.stats.paired_t(effects.canonical)

    canonical = ½[(E_few - C_few) + (E_many - C_many)], articulation = ½[(E_many - E_few) + (C_many - C_few)],
    interaction = (E_many - C_many) - (E_few - C_few). The four hold the RMS of the same subjects, row by row.
    With one degree of freedom each, F of the within-subject analysis of variance is t².

    Raises InputError as ``paired_t``; also shapes that differ.
    """
    cells = [check_differences(cell) for cell in (e_few, c_few, e_many, c_many)]
    if len({cell.shape for cell in cells}) > 1:
        shapes = ", ".join(str(cell.shape) for cell in cells)
        raise InputError(f"The four cells must hold the same subjects and heads, row by row; got the shapes {shapes}.")
    few_e, few_c, many_e, many_c = cells
    return TwoByTwo(
        canonical=((few_e - few_c) + (many_e - many_c)) / 2,
        articulation=((many_e - few_e) + (many_c - few_c)) / 2,
        interaction=(many_e - many_c) - (few_e - few_c),
    )


@dataclass(frozen=True)
class TwoWay:
    """F of rows and columns of every head, (n_heads,), with their degrees of freedom and p."""

    f_rows: Array
    f_columns: Array
    df_rows: int
    df_columns: int
    df_error: int
    p_rows: Array
    p_columns: Array


def two_way(shift: ArrayLike) -> TwoWay:
    """Does the pose shift depend on body or on clothes? Additive two-way F, one observation a cell.

    >>> found = plantain.stats.two_way(shift)                     # (n_bodies, n_clothes, n_heads)
    >>> found.f_rows, found.f_columns                             # body, clothes; (n_heads,) each

    F = mean square of a factor / mean square of what neither explains, with (r - 1)(c - 1) degrees of freedom below.
    One observation a cell cannot tell interaction from noise: interaction makes F smaller. p is of the F distribution,
    exact for normal residuals of equal variance. A silent head has F = 0; F is infinite where nothing is left over.

    Raises InputError: not three dimensions, fewer than two rows or columns, NaN or infinity.
    """
    from scipy.special import fdtrc

    x = np.asarray(shift, dtype=np.float64)
    if x.ndim != 3 or min(x.shape[:2]) < 2 or x.shape[2] == 0:
        raise InputError(f"The shift needs the shape (n_rows, n_columns, n_heads), two of each; got {x.shape}.")
    if not np.isfinite(x).all():
        raise InputError("The shift holds NaN or infinity; run that cell again.")
    r, c = x.shape[:2]
    mean = x.mean(axis=(0, 1))
    rows, columns = x.mean(axis=1) - mean, x.mean(axis=0) - mean  # (r, H), (c, H)
    error = x - mean - rows[:, None] - columns[None]
    df_rows, df_columns, df_error = r - 1, c - 1, (r - 1) * (c - 1)
    squares = (c * (rows**2).sum(axis=0), r * (columns**2).sum(axis=0), (error**2).sum(axis=(0, 1)))
    # Sums of squares below this are rounding error of equal values.
    floor = 1e-24 * (x * x).sum(axis=(0, 1))
    ss_rows, ss_columns, ss_error = (np.where(ss <= floor, 0.0, ss) for ss in squares)

    def ratio(ss: Array, df: int) -> Array:
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(ss == 0, 0.0, (ss / df) / (ss_error / df_error))

    f_rows, f_columns = ratio(ss_rows, df_rows), ratio(ss_columns, df_columns)
    p_rows, p_columns = fdtrc(df_rows, df_error, f_rows), fdtrc(df_columns, df_error, f_columns)
    return TwoWay(f_rows, f_columns, df_rows, df_columns, df_error, p_rows, p_columns)
