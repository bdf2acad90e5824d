"""Single heads patched: how many move the velocity towards their own pair's difference, how many away, and how far."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from plantain import stats
from plantain.data.patching import PatchStudy
from plantain.questions.chosen import single_heads
from plantain.stats import THRESHOLDS


@dataclass(frozen=True)
class Effect:
    """What patching single heads does to the velocity predicted at the first step.

    Shares are of ``of``: the true difference between the two images of a pair where it is known; of each head the
    absolute mean over pairs.
    """

    n_heads: int
    above: int
    """Heads at t > 3: towards their own pair's difference, rather than other pairs'."""
    below: int
    """Heads at t < −3: away from it."""
    median: float
    """Share by which the median head moves the prediction."""
    largest: float
    """Share by which the head that moves it most does."""
    of: str
    output_ratio: float | None = None
    """Output norm ‖W_out Δx‖ of a trained head over that of the same head re-initialised, the median of heads."""
    grafted_above: int | None = None
    """Re-initialised heads at t > 3."""
    grafted_below: int | None = None
    """Re-initialised heads at t < −3."""

    @property
    def opposite(self) -> str:
        """The count on the other side: "3 the other way (t < −3)"."""
        return f"{self.below:,} the other way (t < −{THRESHOLDS[0]:g})"

    @property
    def shares(self) -> str:
        """The two shares: "median 0.6% of the true difference, largest 10.5%"."""
        return f"median {percent(self.median)} of {self.of}, largest {percent(self.largest)}"

    @property
    def short(self) -> str:
        """What limits the count: small effects, and a baseline that writes less."""
        weak = "" if self.output_ratio is None else f"; the grafted block writes {self.output_ratio:.0f} times less"
        return f"with small effects{weak}"

    @property
    def full(self) -> str:
        """The same with the two shares and the count on the other side."""
        return f"{self.short.replace('effects', f'effects ({self.shares})')}; {self.opposite}"

    @property
    def sentences(self) -> list[str]:
        """The counts on both sides with the shares, and how weak the re-initialised baseline is."""
        said = [
            f"Patched one at a time, {self.above:,} of {self.n_heads:,} heads move the first step's prediction towards "
            f"their own pair's difference rather than other pairs' (t > {THRESHOLDS[0]:g}); {self.below:,} do the "
            f"opposite (t < −{THRESHOLDS[0]:g}).",
            f"The effects are small: the median head moves the prediction by {percent(self.median)} of {self.of}, the "
            f"largest by {percent(self.largest)}.",
        ]
        if self.output_ratio is not None:
            said.append(
                "No random projections stand beside this test. The strictest baseline left, the re-initialised "
                f"(grafted) block, is weak: its heads write {self.output_ratio:.0f} times less (‖W_out Δx‖, median "
                f"over heads); {self.grafted_above:,} of them lie at t > {THRESHOLDS[0]:g}, {self.grafted_below:,} at "
                f"t < −{THRESHOLDS[0]:g}."
            )
        return said


def percent(share: float) -> str:
    """A share with one decimal: "10.5%".

    >>> percent(0.1054)
    """
    return f"{100 * share:.1f}%"


def effect_of(studies: Mapping[str, PatchStudy], measure: str = "y_truth") -> Effect:
    """Counts and sizes of the trained model's single heads, beside what the grafted ones write.

    >>> effect_of(load_studies(["assets/runs/patch"]).runs).largest
    """
    trained, grafted = studies["trained"], studies.get("grafted")
    size = np.abs(single_heads(trained, measure).mean(axis=1))
    of = "the true difference" if measure == "y_truth" else "the model's own difference"
    found = Effect(*_both_sides(trained), float(np.median(size)), float(size.max()), of)
    if grafted is None:
        return found
    written = [study.size_of("write").mean(axis=0) for study in (trained, grafted)]
    _, above, below = _both_sides(grafted)
    ratio = float(np.median(written[0] / written[1]))
    return replace(found, output_ratio=ratio, grafted_above=above, grafted_below=below)


def _both_sides(study: PatchStudy) -> tuple[int, int, int]:
    """Heads, and of them those at t > 3 and at t < −3."""
    t = single_count(study, n_flips=1).t
    return len(t), int((t > THRESHOLDS[0]).sum()), int((t < -THRESHOLDS[0]).sum())


def single_count(
    study: PatchStudy, n_flips: int = 1000, seed: int = 0, only: np.ndarray | None = None
) -> stats.UpperCount:
    """Heads that move the velocity towards their own pair's true difference, beyond the other pairs': t over pairs.

    >>> single_count(study).counts

    own − others of y*, B's values into A at image tokens, one head at a time: ``stats.count_upper``. ``only``: pairs to
    count over, (P,).
    """
    own, others = single_heads(study, "y_truth"), single_heads(study, "y_truth_others")
    scores = (own - others).T
    return stats.count_upper(scores if only is None else scores[only], n_flips, seed)
