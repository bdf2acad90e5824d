"""How sure one can be of a run's counts: errors controlled, effects with intervals, reliability beside its null."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, cast

import numpy as np

from plantain import stats
from plantain.data.result import ProbeResult
from plantain.questions.response import Summary
from plantain.stats import MIN_PAIRS
from plantain.wording import Table, finite, number, share

ALPHA = 0.05
MEANING = (
    "A discovery is a head whose differences are not symmetric about zero, whatever makes them so: being sure of that "
    "is not being sure of pose. Untrained networks have discoveries too."
)


@dataclass(frozen=True)
class Inference:
    """What can be said of the heads of one summary, beyond the card's table; None where it is not defined."""

    thresholds: tuple[float, ...]
    set_p: tuple[float, ...]  # the set-level p at each threshold
    smallest_p: float  # that these flips can give
    true_discoveries: tuple[int, ...]  # among the heads above each threshold, at least, with 95 % confidence
    n_heads: int
    n_fwer: int  # heads that pass max-|t| FWER 5 %
    n_bh: int  # Benjamini-Hochberg FDR 5 %
    n_by: int  # Benjamini-Yekutieli FDR 5 %
    mean_squared_effect: float | None  # d_z², mean over heads, less what chance alone gives; from 4 pairs
    cross_fitted: stats.CrossFittedShare | None  # from 6 pairs
    split_half: stats.SplitHalfNull | None
    spearman_brown: float | None  # split-half r stepped up to all pairs

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values, None where a value is not finite; the nulls stay out."""
        found, halves = self.cross_fitted, self.split_half
        told = {
            "set_p": list(self.set_p),
            "smallest_p": self.smallest_p,
            "true_discoveries": list(self.true_discoveries),
            "n_fwer": self.n_fwer,
            "n_bh": self.n_bh,
            "n_by": self.n_by,
            "mean_squared_effect": self.mean_squared_effect,
            "cross_fitted_share": None if found is None else [found.share, found.low, found.high],
            "split_half_null": None
            if halves is None
            else {"r": halves.r, "p": halves.p, "null_p95": float(np.nanquantile(halves.null, 0.95))},
            "spearman_brown": self.spearman_brown,
        }
        return cast(dict[str, Any], finite(told))


def infer(result: ProbeResult, summary: Summary, seed: int = 0) -> Inference:
    """Everything of ``Inference`` for the view that a summary took of a run.

    >>> infer(result, plantain.summarise(result)).true_discoveries

    FDR is on p of the t distribution, not on flip p: of 1,000 flips none is below 1/1,001, which no correction
    over thousands of heads survives. About 0.2 s for 510 heads, 3 s for 16,320.
    """
    d = result.differences(summary.view)
    p = stats.t_pvalues(summary.t, summary.n_pairs)
    halves = stats.split_half_null(d, seed=seed) if summary.split_half is not None else None
    return Inference(
        thresholds=summary.thresholds,
        set_p=summary.set_p,
        smallest_p=summary.null.smallest_p,
        true_discoveries=tuple(int(n) for n in summary.null.true_discoveries(summary.counts, ALPHA)),
        n_heads=summary.n_heads,
        n_fwer=int((summary.count.max_p <= ALPHA).sum()),
        n_bh=int((stats.fdr(p, "bh") <= ALPHA).sum()),
        n_by=int((stats.fdr(p, "by") <= ALPHA).sum()),
        mean_squared_effect=stats.mean_squared_effect(d) if len(d) >= 4 else None,
        cross_fitted=stats.cross_fitted_share(d, seed=seed) if len(d) >= 2 * MIN_PAIRS else None,
        split_half=halves,
        spearman_brown=None if summary.split_half is None else float(stats.spearman_brown(summary.split_half[0])),
    )


def certainty_table(found: Mapping[str, Inference]) -> Table:
    """How sure one can be, a column for each of several inferences of the same thresholds.

    >>> print(certainty_table({"This run": infer(result, table), "Untrained twin": infer(twin, twin_table)}).text)

    What none of them has is left out.
    """
    first = next(iter(found.values()))
    rows = [(what, *(value(each) for each in found.values())) for what, value in _rows(first)]
    kept = tuple((what, *(cell or "—" for cell in cells)) for what, *cells in rows if any(cells))
    return Table("How sure one can be", "", (("How sure", *found), *kept))


def _rows(first: Inference) -> Iterator[tuple[str, Callable[[Inference], str]]]:
    """What is told, and its cell for an inference: empty where it is not defined."""
    for i, c in enumerate(first.thresholds):
        what = f"Set-level p at |t| > {c:g} (smallest possible {first.smallest_p:.2g})"
        yield what, partial(lambda i, found: f"{found.set_p[i]:.2g}", i)
        what = f"True discoveries among heads at |t| > {c:g}, at least (95 %)"
        yield what, partial(lambda i, found: f"{found.true_discoveries[i]:,}", i)
    yield "Heads passing max-|t|, FWER 5 %", lambda found: share(found.n_fwer, found.n_heads)
    yield "Heads passing Benjamini–Hochberg, FDR 5 %", lambda found: share(found.n_bh, found.n_heads)
    yield "Heads passing Benjamini–Yekutieli, FDR 5 %", lambda found: share(found.n_by, found.n_heads)
    yield "Mean d² over heads, beyond chance", lambda found: _decimals(found.mean_squared_effect, 2)
    yield "Heads chosen on half of the pairs that move the same way in a pair of the other", _moving_alike
    yield "Split-half r; 95 % of sign flips below; p", _split_half
    stepped_up = "Split-half r stepped up to all pairs (Spearman–Brown)"
    yield stepped_up, lambda found: _decimals(found.spearman_brown, 3)


def _moving_alike(found: Inference) -> str:
    fitted = found.cross_fitted
    if fitted is None or not np.isfinite(fitted.share):
        return ""
    low, high = max(0.0, fitted.low), min(1.0, fitted.high)
    return f"{100 * fitted.share:.0f} % [{100 * low:.0f}, {100 * high:.0f}]"


def _split_half(found: Inference) -> str:
    halves = found.split_half
    if halves is None:
        return ""
    return f"{halves.r:.3f}; {np.nanquantile(halves.null, 0.95):.2f}; p = {halves.p:.2g}"


def _decimals(value: float | None, decimals: int) -> str:
    return "" if value is None else number(value, decimals)
