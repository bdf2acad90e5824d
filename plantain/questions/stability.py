"""Does the map of heads hold at other noise levels, for other noise, and for other pairs and other noise at once?

>>> found = stability(plantain.load_result("assets/runs/levels/posebox"))
>>> print(found.text)

Letters in shape comments: P pairs, N noise seeds, L noise levels (steps), H heads, F flips.
"""

from dataclasses import dataclass

import numpy as np

from plantain import stats
from plantain.data.result import ProbeResult
from plantain.data.view import View
from plantain.errors import InputError
from plantain.questions.answer import Answer
from plantain.stats.flips import random_signs
from plantain.stats.paired import unit_columns
from plantain.wording import Table

FDR = 0.05
MIN_SEEDS = 3  # minF' takes a variance over seeds


@dataclass(frozen=True)
class Stability(Answer):
    """A run at several noise levels, over several noise seeds.

    Beside every agreement stands its 95th percentile under sign flips, each flip the same in both maps: two levels or
    seeds share their pairs, so chance alone makes them alike.
    """

    levels: tuple[float, ...]  # as realised, falling
    seeds: tuple[int, ...]
    threshold: float
    t_by_seed: np.ndarray  # (L, N, H): paired t under the noise of one seed
    at_level: tuple[stats.HeadCount, ...]  # with mean squares averaged over seeds
    counts_by_seed: np.ndarray  # (L, N): heads with |t| above ``threshold`` under the noise of one seed
    between_levels: np.ndarray  # (L, L): Spearman correlation over heads of two levels' t
    between_levels_p95: np.ndarray
    between_seeds: np.ndarray  # (L,): median Spearman correlation of two seeds' t at one level; NaN with one seed
    between_seeds_p95: np.ndarray
    min_f: tuple[stats.MinFPrime, ...]  # of each level, over pairs and seeds; empty with fewer than three seeds
    n_pairs: int

    @property
    def t(self) -> np.ndarray:
        """(n_levels, n_heads)"""
        return np.stack([count.t for count in self.at_level])

    @property
    def counts(self) -> np.ndarray:
        """Heads with |t| above ``threshold``: (n_levels,)."""
        return np.array([count.counts[0] for count in self.at_level])

    @property
    def null_p99(self) -> np.ndarray:
        """The 99th percentile of that count under sign flips: (n_levels,)."""
        return np.array([count.null_p99[0] for count in self.at_level])

    @property
    def n_heads(self) -> int:
        return self.t.shape[1]

    @property
    def n_pairs_alone(self) -> list[int]:
        """Heads of each level at a false discovery rate of 5 % over pairs alone, for F1 = t² of ``min_f``."""
        return [int((stats.fdr(stats.t_pvalues(t, self.n_pairs)) <= FDR).sum()) for t in self.t]

    @property
    def n_both(self) -> list[int]:
        """The same for minF', over pairs and seeds at once; empty with fewer than three seeds."""
        return [int((stats.fdr(found.p) <= FDR).sum()) for found in self.min_f]

    @property
    def same_way(self) -> tuple[int, int]:
        """Heads beyond the threshold at the first level, and those of them that are so, with one sign, at every one."""
        first = np.abs(self.t[0]) > self.threshold
        kept = ((np.abs(self.t) > self.threshold) & (np.sign(self.t) == np.sign(self.t[0]))).all(axis=0)
        return int(first.sum()), int(kept.sum())

    @property
    def tables(self) -> list[Table]:
        """One, with a row a noise level; what the run has too few levels or seeds for is left out."""
        several = len(self.levels) > 1
        header = ["noise level", f"|t| > {self.threshold:g}, of {self.n_heads:,}", "null p99"]
        header += ["each seed"] if len(self.seeds) > 1 else []
        header += [f"ρ with {self.levels[0]:g}", "flips p95"] if several else []
        header += ["ρ of two seeds", "flips p95"] if len(self.seeds) > 1 else []
        header += ["FDR 5 % over pairs", "over pairs and seeds"] if self.min_f else []
        rows = [tuple(header)]
        alone, both = self.n_pairs_alone, self.n_both
        for i, level in enumerate(self.levels):
            row = [f"{level:g}", f"{self.counts[i]:,}", f"{self.null_p99[i]:,.0f}"]
            low, high = self.counts_by_seed[i].min(), self.counts_by_seed[i].max()
            row += [f"{low:,} to {high:,}"] if len(self.seeds) > 1 else []
            if several:
                row += [_r(self.between_levels[0, i]), _r(self.between_levels_p95[0, i])] if i else ["1", "—"]
            row += [_r(self.between_seeds[i]), _r(self.between_seeds_p95[i])] if len(self.seeds) > 1 else []
            row += [f"{alone[i]:,}", f"{both[i]:,}"] if self.min_f else []
            rows.append(tuple(row))
        return [Table("By noise level", "", tuple(rows))]

    @property
    def sentences(self) -> list[str]:
        """What is kept at every level and under other noise, and what a run is too small for."""
        lines = []
        first, kept = self.same_way
        if len(self.levels) > 1:
            lines += [
                f"Of {first:,} heads at |t| > {self.threshold:g} at noise level {self.levels[0]:g}, {kept:,} are so, "
                "with the same sign, at every level.",
                "After the first step the picture has begun to form: image tokens differ by what was drawn as well.",
            ]
        if len(self.seeds) > 1:
            ahead = bool((self.between_seeds > self.between_seeds_p95).all())
            meaning = ": the agreement says that noise matters little here, not that an effect is there."
            lines.append(
                f"Two seeds' maps are {'' if ahead else 'not '}more alike at every level than 95 % of those of "
                f"sign-flipped pairs under the same two seeds{'.' if ahead else meaning}"
            )
        if len(self.seeds) < MIN_SEEDS:
            lines.append(f"minF' over pairs and seeds needs {MIN_SEEDS} noise seeds; this run has {len(self.seeds)}.")
        return lines

    @property
    def columns(self) -> dict[str, np.ndarray]:
        """t of every level; where there are seeds enough, minF' of each with its degrees of freedom and p."""
        found = {f"t_{level:g}": t for level, t in zip(self.levels, self.t, strict=True)}
        for level, min_f in zip(self.levels, self.min_f, strict=False):
            found |= {f"min_f_{level:g}": min_f.min_f, f"df_{level:g}": min_f.df, f"p_min_f_{level:g}": min_f.p}
        return found


def stability(
    result: ProbeResult,
    view: View | str = "card",
    n_flips: int = 1000,
    seed: int = 0,
    threshold: float = stats.THRESHOLDS[0],
) -> Stability:
    """Compare a run's t maps between its noise levels and between its noise seeds.

    >>> found = stability(result, "head")
    >>> found.between_levels                                      # (n_levels, n_levels), Spearman

    ``view`` is a ``View``, or "card" or "head"; its step and seed are set here. Estimators: ``stats.rank_stability``
    on signed t, its null from sign flips of the pairs (the same flips for all levels and seeds), ``stats.min_f_prime``.

    Raises InputError: one level and one seed, so that there is nothing to compare; as ``summarise`` otherwise.
    """
    view = View.of(view)
    levels, seeds = _levels(result), result.config.seeds
    if len(levels) == 1 and len(seeds) == 1:
        raise InputError(
            "This run has one noise level and one seed, so there is nothing to compare; run it with --noise-levels "
            "1 0.75 0.5 0.25 or --n-seeds 8."
        )
    by_level = [view.at(step=step, seed=None) for step in range(len(levels))]
    averaged = np.stack([result.differences(level) for level in by_level])  # (L, P, H)
    single = np.stack([[result.differences(level.at(seed=noise)) for noise in seeds] for level in by_level])
    at_level = tuple(stats.count_heads(d, n_flips, 0, seed, (threshold,)) for d in averaged)
    t_by_seed = np.stack([[stats.paired_t(d) for d in level] for level in single])  # (L, N, H)

    # Ranking heads needs no more than s·u: t is a rising function of it (``stats.sign_flip_null``). A fifth of the
    # flips is enough for a 95th percentile, and ranks are slow.
    signs = random_signs(np.random.default_rng(seed), max(20, n_flips // 5), averaged.shape[1]).astype(float)
    between_levels, levels_p95 = _agreement(np.stack([count.t for count in at_level]), unit_columns(averaged), signs)
    of_seeds = [_between_seeds(t, d, signs) for t, d in zip(t_by_seed, single, strict=True)]
    return Stability(
        levels=levels,
        seeds=tuple(seeds),
        threshold=threshold,
        t_by_seed=t_by_seed,
        at_level=at_level,
        counts_by_seed=(np.abs(t_by_seed) > threshold).sum(axis=2),
        between_levels=between_levels,
        between_levels_p95=levels_p95,
        between_seeds=np.array([r for r, _ in of_seeds]),
        between_seeds_p95=np.array([p95 for _, p95 in of_seeds]),
        min_f=tuple(stats.min_f_prime(d.swapaxes(0, 1)) for d in single) if len(seeds) >= MIN_SEEDS else (),
        n_pairs=result.n_pairs,
    )


def _between_seeds(t: np.ndarray, d: np.ndarray, signs: np.ndarray) -> tuple[float, float]:
    """Median agreement of two seeds' maps at one level, and the median of its 95th percentiles; NaN with one seed."""
    off = ~np.eye(len(t), dtype=bool)
    if not off.any():
        return float("nan"), float("nan")
    r, p95 = _agreement(t, unit_columns(d), signs)
    return float(np.median(r[off])), float(np.median(p95[off]))


def _levels(result: ProbeResult) -> tuple[float, ...]:
    """Realised noise levels; runs of old that do not tell them have numbered steps instead."""
    n = result.config.num_inference_steps
    return result.levels or tuple(float(n - i) for i in range(n))


def _agreement(t: np.ndarray, u: np.ndarray, signs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Spearman between maps (M, H), and its 95th percentile under the flips: (M, M) each."""
    if len(t) < 2 or t.shape[1] < 3:
        return np.full((len(t), len(t)), np.nan), np.full((len(t), len(t)), np.nan)
    flipped = np.einsum("fp,mph->fmh", signs, u, optimize=True)  # (F, M, H)
    null = np.stack([stats.rank_stability(maps) for maps in flipped])
    return stats.rank_stability(t), np.quantile(null, 0.95, axis=0)


def _r(value: float) -> str:
    return f"{value:.3f}".replace("-", "−") if np.isfinite(value) else "—"
