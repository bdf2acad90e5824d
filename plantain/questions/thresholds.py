"""How many heads lie above every threshold, beside what sign flips give: no threshold is special."""

from dataclasses import dataclass

import numpy as np

from plantain import stats
from plantain.data.result import ProbeResult
from plantain.questions.response import Summary
from plantain.stats.flips import Report

STEP = 0.25  # fine enough for a smooth line, and both of the card's thresholds lie on it
_LINEAR_UP_TO = 40.0  # over few seeds |t| reaches hundreds: further up, thresholds grow by a factor


@dataclass(frozen=True)
class CountCurve:
    """Heads with |t| above each of ``thresholds``: observed, and the median and 99th percentile of the flips."""

    thresholds: np.ndarray
    observed: np.ndarray
    null_median: np.ndarray
    null_p99: np.ndarray
    n_heads: int
    n_flips: int

    def at(self, threshold: float) -> tuple[int, float]:
        """The observed count and the null's p99 at the threshold of the curve nearest to one."""
        index = int(np.abs(self.thresholds - threshold).argmin())
        return int(self.observed[index]), float(self.null_p99[index])


def count_curve(result: ProbeResult, summary: Summary, report: Report | None = None) -> CountCurve:
    """The curve of a run in the view, and under the flips, of its summary.

    >>> curve = count_curve(result, plantain.summarise(result))
    >>> curve.at(3.0)                                             # (observed, null p99), as in the summary

    ``report`` is told how far the flips are.
    """
    d = result.differences(summary.view)
    abs_t = np.abs(summary.t)
    finite = abs_t[np.isfinite(abs_t)]
    # One step beyond the largest, where the observed count has come down to 0.
    top = max(float(finite.max(initial=0.0)), summary.thresholds[-1]) + STEP
    grid = np.arange(1, int(min(top, _LINEAR_UP_TO) / STEP) + 1) * STEP
    if top > _LINEAR_UP_TO:
        grid = np.append(grid, np.geomspace(_LINEAR_UP_TO, top, 20)[1:])
    grid = np.union1d(grid, summary.thresholds)
    null = stats.sign_flip_null(d, summary.draws.n_flips, grid.tolist(), summary.draws.seed, report)
    return CountCurve(
        thresholds=grid,
        observed=(abs_t[:, None] > grid).sum(axis=0),
        null_median=null.count_quantile(0.5),
        null_p99=null.count_quantile(0.99),
        n_heads=summary.n_heads,
        n_flips=len(null.max_abs_t),
    )
