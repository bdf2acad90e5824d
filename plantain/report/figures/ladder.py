"""Figure of ``ladder``: the share of attention heads that pass each test, trained beside its baselines."""

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from plantain.questions.ladder import Ladder, Rung
from plantain.report.figures import panels
from plantain.report.palette import INK, MUTED, PLUS, RUN, TWIN
from plantain.report.picture import NARROW, SMALL, WIDE, Picture, style

NAMES = {
    "respond": "1 Respond",
    "place": "2 Place",
    "place_sided": "   on its side",
    "code": "3 Code",
    "deformation": "4 Deformation",
    "cause": "5 Cause",
}
_ROW = 0.46
_COUNTS = 0.85
"""Inches at the right for a column of the trained model's counts, away from every mark."""


def draw(found: Ladder, twin: None = None, width: float = WIDE) -> Picture:
    """A bar a rung for the trained model's attention heads, its baselines as marks.

    >>> draw(found).to_bytes("svg")
    """
    with style():
        height, top, left = _ROW * len(NAMES), 0.62, 1.35 if width > NARROW else 1.15
        figure = Figure(figsize=(width, top + height + 0.5))
        axes = panels.panel(figure, left, top, width - left - _COUNTS, height)
        axes.text(1.02, -0.62, "trained", transform=axes.get_yaxis_transform(), fontsize=SMALL)
        for row, name in enumerate(NAMES):
            _rung(axes, row, found.of(name, "attention heads"), found.projected(name))
        axes.set_ylim(len(NAMES) - 0.5, -0.5)
        axes.set_yticks(range(len(NAMES)), list(NAMES.values()), ha="left")
        axes.tick_params(axis="y", length=0, pad=72 * (left - 0.1))
        axes.set_xlim(0, 1)
        axes.xaxis.set_major_formatter(PercentFormatter(1))
        axes.set_xlabel("attention heads that pass the test")
        entries = [panels.key("trained", RUN, 7), panels.key("untrained and permuted twins", TWIN, 2)]
        entries.append(panels.key("grafted: each block drawn anew in the trained model", INK, 2))
        if found.projections:
            entries.append(
                panels.key("random projections of the block's own input", PLUS, 0, marker="D", markerfacecolor="none")
            )
        panels.legend(figure, entries, 2 if width > NARROW else 1)
    return Picture(figure, alt_text(found))


def alt_text(found: Ladder) -> str:
    return f"Attention heads of {found.model} that pass each test: {' '.join(found.sentences)}"


def _rung(axes: Axes, row: int, rungs: dict[str, Rung], projected: tuple[int, ...]) -> None:
    trained = rungs.get("trained")
    if trained is None or trained.count is None:
        axes.text(0.01, row, "not run", va="center", color=MUTED, fontsize=SMALL)
        return
    share = trained.count / trained.n_heads
    axes.barh(row, share, height=0.56, color=RUN, linewidth=0)
    twins = {w: r.count / r.n_heads for w, r in rungs.items() if w != "trained" and r.count is not None}
    for weights, value in twins.items():
        graft = weights == "grafted"
        axes.plot([value] * 2, [row - 0.38, row + 0.38], color=INK if graft else TWIN, linewidth=2.4 if graft else 1.8)
    marks = [n / trained.n_heads for n in projected]
    axes.plot(marks, [row] * len(marks), "D", color="none", markeredgecolor=PLUS, markeredgewidth=1.6, markersize=5)
    count = f"{trained.count} of {trained.n_heads}"
    axes.text(1.02, row, count, transform=axes.get_yaxis_transform(), va="center", fontsize=SMALL)
