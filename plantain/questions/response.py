"""From a result to the card's table and block list, and to the figures beside them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from plantain import stats
from plantain.data.result import ProbeResult
from plantain.data.view import View
from plantain.errors import InputError
from plantain.paths import ASSETS
from plantain.stats import THRESHOLDS
from plantain.stats.flips import Report
from plantain.wording import CONSTANT, Table, finite, number, p_value, share

LARGE_D = 0.8  # Cohen's "large"
TOP_BLOCKS = 5  # as many as the card lists


@dataclass(frozen=True)
class Block:
    """One line of the block list: how the heads of one transformer block respond."""

    name: str
    max_abs_t: float
    n_above: int  # heads with |t| above the first threshold
    n_heads: int
    median_abs_d: float
    threshold: float = THRESHOLDS[0]

    @property
    def line(self) -> str:
        """``single[0]: max|t|=22.45, 283/768 heads at |t|>3, median |d|=0.45``"""
        return (
            f"{self.name}: max|t|={number(self.max_abs_t, 2)}, {self.n_above}/{self.n_heads} heads "
            f"at |t|>{self.threshold:g}, median |d|={number(self.median_abs_d, 2)}"
        )


@dataclass(frozen=True)
class CardTable:
    """The figures of a model card, of our own run or of a published one, in the card's layout."""

    n_pairs: int
    n_heads: int
    counts: tuple[int, ...]  # heads above each of ``thresholds``
    null_p99: tuple[float, ...]  # the 99th percentile of each count under sign flips
    ratios: tuple[float | None, ...]  # their quotient; None where the p99 is 0
    large_d: int  # heads with |d_z| > 0.8
    split_half: tuple[float, float, float] | None  # median and quartiles of r, or None where it is not defined
    max_abs_t: float
    blocks: tuple[Block, ...]  # by falling max |t|
    thresholds: tuple[float, ...] = THRESHOLDS

    @property
    def shares(self) -> tuple[float, ...]:
        """Share of all heads above each threshold, from 0 to 1."""
        return tuple(count / self.n_heads for count in self.counts)

    @property
    def share(self) -> str:
        """Heads above the first threshold, as text: "269 (52.7 %)"."""
        return share(self.counts[0], self.n_heads)

    @property
    def rows(self) -> list[tuple[str, str, str]]:
        """The card's table, three cells a row: metric, value, significance."""
        rows = []
        for threshold, count, ratio in zip(self.thresholds, self.counts, self.ratios, strict=True):
            beside = "null p99 = 0" if ratio is None else f"{_ratio(ratio)}× empirical null p99"
            rows.append((f"Heads with |t| > {threshold:g}", self._card_share(count), beside))
        rows.append((f"Heads with |d| > {LARGE_D:g} (large)", self._card_share(self.large_d), "—"))
        if self.split_half is None:
            rows.append(("Split-half r (median)", "not defined", "needs 4 pairs and 3 heads that vary"))
        else:
            median, q1, q3 = self.split_half
            rows.append(("Split-half r (median)", f"{median:.3f}", f"[{q1:.2f}, {q3:.2f}] IQR"))
        rows.append(("Max |t|", number(self.max_abs_t, 2), "—"))
        return rows

    def table(self, twin: CardTable | None = None) -> Table:
        """The card's table, the untrained twin's values in a column of their own where there is one."""
        rows: list[tuple[str, ...]] = [("Metric", "Value", "Significance"), *self.rows]
        if twin is not None:
            beside = ["Untrained twin", *(value for _, value, _ in twin.rows)]
            # Before the last column, so that a phone shows it without scrolling.
            rows = [(*row[:2], other, row[2]) for row, other in zip(rows, beside, strict=True)]
        return Table("The card’s table", "", tuple(rows))

    @property
    def text(self) -> str:
        """The card's table and its top blocks, as plain text."""
        blocks = [f"  • {block.line}" for block in self.blocks[:TOP_BLOCKS]]
        return "\n".join([self.table().columns, "", "Top blocks by max |t|:", "", *blocks])

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values; None where differences are constant, so that t is infinite."""
        card = ("n_pairs", "n_heads", "thresholds", "counts", "shares", "null_p99", "ratios", "large_d", "split_half")
        in_block = ("name", "max_abs_t", "n_above", "n_heads", "median_abs_d")
        blocks = [{name: getattr(block, name) for name in in_block} for block in self.blocks]
        return finite({name: getattr(self, name) for name in (*card, "max_abs_t")} | {"blocks": blocks})

    def _card_share(self, count: int) -> str:
        return f"{count:,} ({100 * count / self.n_heads:.1f}%)"


@dataclass(frozen=True)
class Draws:
    """How often a run's labels are flipped and its pairs split, and the seed of both."""

    n_flips: int = 1000
    n_splits: int = 100
    seed: int = 0


@dataclass(frozen=True)
class Summary(CardTable):
    """``CardTable`` of a run of ours, with what the card leaves out."""

    count: stats.HeadCount = field(kw_only=True)  # with t of every head and its sign-flip null
    dz: np.ndarray = field(kw_only=True)  # (n_heads,)
    n_silent: int = 0  # heads whose differences are all zero
    view: View = field(default_factory=View)  # which heads of the run are counted
    draws: Draws = field(default_factory=Draws)  # how the null was drawn

    @property
    def t(self) -> np.ndarray:
        return self.count.t

    @property
    def null(self) -> stats.ResampledNull:
        return self.count.null

    @property
    def split_half_r(self) -> np.ndarray:
        return self.count.split_half_r

    @property
    def set_p(self) -> tuple[float, ...]:
        """For each threshold, how often a sign flip gives as many heads, the observed one counted in."""
        return self.count.set_p

    @property
    def n_constant(self) -> int:
        """Heads whose differences are equal in all pairs, and not zero."""
        return int(np.isinf(self.t).sum())

    @property
    def max_t_p95(self) -> float:
        """The 95th percentile of the largest |t| under flips: a head above it passes FWER 5 %."""
        return float(np.quantile(self.null.max_abs_t, 0.95, method="higher"))

    @property
    def expected_by_chance(self) -> tuple[float, ...]:
        """Heads above each threshold that chance gives on average: ``stats.expected_counts``."""
        return tuple(float(e) for e in stats.expected_counts(self.n_pairs, self.n_heads, self.thresholds))

    @property
    def beyond(self) -> list[str]:
        """Lines the card does not have: the null in other words, and heads without variance."""
        ps = ", ".join(f"p = {p_value(p)} at |t| > {c:g}" for c, p in zip(self.thresholds, self.set_p, strict=True))
        n_flips = len(self.null.max_abs_t)
        how = "all" if self.null.exhaustive else "random"
        above = int((np.abs(self.t) > self.max_t_p95).sum())
        expected = zip(self.expected_by_chance, self.thresholds, strict=True)
        by_chance = ", ".join(f"{n:,.3g} at |t| > {c:g}" for n, c in expected)
        passed = f"95 % of flips stay below max |t| {number(self.max_t_p95)}"
        passed += f", and {above:,} of {self.n_heads:,} heads pass it"
        if np.isinf(self.max_t_p95):
            passed = "in more than 5 % of flips a head has a constant difference, so no head passes max |t|"
        lines = [
            f"Sign-flip null ({n_flips:,} {how} flips): set-level {ps}; {passed}.",
            f"Expected by chance, from the t distribution with {self.n_pairs - 1} degrees of freedom: {by_chance}.",
        ]
        if self.null.exhaustive:
            lines.append(f"{self.n_pairs} pairs have {n_flips:,} flips in all, so no p is below {2 / n_flips:.2g}.")
            if 2 / n_flips > 0.01:
                lines.append(
                    "The observed labelling and its mirror are more than 1 % of these flips, so p99 cannot lie below "
                    "the observed count: read the set-level p, and give 8 pairs or more."
                )
        if self.n_silent:
            lines.append(f"{self.n_silent:,} heads are silent (no difference in any pair); they count as t = 0.")
        if self.n_constant:
            lines.append(
                f"Heads that change by the same amount in every pair (“{CONSTANT}”): {self.n_constant:,}. Without "
                "variance their t is infinite, so they count above every threshold. Check that the pairs differ."
            )
        return lines

    def to_dict(self) -> dict[str, Any]:
        more = {name: getattr(self, name) for name in ("set_p", "max_t_p95", "expected_by_chance")}
        more |= {"n_silent": self.n_silent, "n_constant": self.n_constant}
        return super().to_dict() | finite(more | {"view": self.view.to_dict() | asdict(self.draws)})


def summarise(
    result: ProbeResult,
    grouping: View | str = "card",
    part: str = "all",
    stream: str = "card",
    step: int = 0,
    n_flips: int = 1000,
    n_splits: int = 100,
    seed: int = 0,
    thresholds: Sequence[float] = THRESHOLDS,
    report: Report | None = None,
) -> Summary:
    """Test every head of a run over its pairs, beside the sign-flip null.

    >>> table = plantain.summarise(result, grouping="card", n_flips=1000, n_splits=100, seed=0)
    >>> print(table.text)

    ``grouping``, ``part``, ``stream`` and ``step`` choose the view as in ``ProbeResult.rms``, or ``grouping`` is a
    ``View``; noise seeds are averaged. ``seed`` drives flips and splits, ``report`` is told how far the flips are.
    Formulas: ``stats.count_heads``.

    Raises InputError: fewer than 3 pairs done, or a view the run does not have.
    """
    view = View.of(grouping, part, stream, step=step)
    d = result.differences(view)
    count = stats.count_heads(d, n_flips, n_splits, seed, thresholds, report)
    dz = stats.cohens_dz(d)
    p99 = count.null_p99
    return Summary(
        n_pairs=len(d),
        n_heads=count.n_heads,
        counts=count.counts,
        null_p99=p99,
        ratios=tuple(n / q if q > 0 else None for n, q in zip(count.counts, p99, strict=True)),
        large_d=int((np.abs(dz) > LARGE_D).sum()),
        split_half=count.split_half,
        max_abs_t=float(np.abs(count.t).max()),
        blocks=_blocks(result.head_map.block_masks(view), count.t, dz, count.thresholds[0]),
        thresholds=count.thresholds,
        count=count,
        dz=dz,
        n_silent=int((d == 0).all(axis=0).sum()),
        view=view,
        draws=Draws(n_flips, n_splits, seed),
    )


def load_published(path: str | Path = ASSETS / "published.json") -> CardTable:
    """The model card's own figures; its per-head data were never released.

    >>> print(load_published().text)
    """
    try:
        data = json.loads(Path(path).read_text(encoding="utf-8"))
        return CardTable(
            n_pairs=data["n_pairs"],
            n_heads=data["n_heads"],
            counts=tuple(data["counts"]),
            null_p99=tuple(data["null_p99"]),
            ratios=tuple(data["ratios"]),
            large_d=data["large_d"],
            split_half=tuple(data["split_half"]),
            max_abs_t=data["max_abs_t"],
            blocks=tuple(Block(**block) for block in data["blocks"]),
            thresholds=tuple(float(c) for c in data["thresholds"]),
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path} does not hold a card's published figures ({error}).") from error


def _blocks(masks: dict[str, np.ndarray], t: np.ndarray, dz: np.ndarray, threshold: float) -> tuple[Block, ...]:
    blocks = []
    for name, heads in masks.items():
        abs_t, abs_d = np.abs(t[heads]), np.abs(dz[heads])
        n_above = int((abs_t > threshold).sum())
        blocks.append(Block(name, float(abs_t.max()), n_above, len(abs_t), float(np.median(abs_d)), threshold))
    return tuple(sorted(blocks, key=lambda block: -block.max_abs_t))


def _ratio(ratio: float) -> str:
    """One decimal below 100, whole numbers above, as the card prints them: 6.2, 659, 1,489."""
    return f"{ratio:.1f}" if ratio < 99.95 else f"{ratio:,.0f}"
