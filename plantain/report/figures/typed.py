"""A typed pair's shift by block, beside pairs of pose and pairs that say the same in other words."""

from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter, NullLocator

from plantain.questions.typed_shift import TypedShift
from plantain.report.figures import panels
from plantain.report.palette import GRID, INK, MUTED, PAPER, RUN
from plantain.report.picture import WIDE, Picture, style

_TICKS = (0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30)


def draw(found: TypedShift, width: float = WIDE) -> Picture:
    """A row a block: the pair as a dot, pose pairs as a filled band, reworded ones as a framed band (10 to 90 %).

    >>> typed.draw(typed_shift(result, pose, reworded)).to_bytes("svg")
    """
    names, rows = found.names, np.arange(len(found.names))
    entries = [
        panels.key("your prompts", INK, linestyle="", marker="o"),
        panels.key("25 pose pairs, 10 to 90 %", RUN, linewidth=5, alpha=0.35),
    ]
    bands: list[tuple[np.ndarray, dict[str, Any]]] = [(found.pose, {"color": RUN, "alpha": 0.35})]
    if found.reworded is not None:
        entries.append(panels.key("the same pose in other words", MUTED, linewidth=1.2))
        bands.append((found.reworded, {"facecolor": "none", "edgecolor": MUTED, "linewidth": 0.9}))
    every = np.concatenate([found.own, *(values.ravel() for values, _ in bands)])
    low, high = np.quantile(every[every > 0], [0, 1]) if (every > 0).any() else (0.5, 2.0)
    with style():
        height = panels.ROW * len(names)
        top = 0.16 + 0.2 * len(entries)
        figure = Figure(figsize=(width, top + height + 0.5))
        axes = panels.panel(figure, panels.NAMES, top, width - panels.NAMES - 0.2, height)
        axes.set_xscale("log")
        axes.set_xlim(0.8 * low, 1.25 * high)
        axes.axvline(1, color=GRID, linewidth=1, zorder=0.4)
        for values, look in bands:
            start, end = np.quantile(values, [0.1, 0.9], axis=0)
            axes.barh(rows, np.maximum(end - start, 0), left=np.maximum(start, 0.8 * low), height=0.62, **look)
        axes.plot(found.own, rows, "o", color=INK, markeredgecolor=PAPER, markeredgewidth=0.6, markersize=5)
        axes.set_xticks([tick for tick in _TICKS if 0.8 * low <= tick <= 1.25 * high])
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}×"))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_minor_formatter(NullFormatter())
        panels.block_rows(axes, names, sum(name.startswith("joint") for name in names))
        axes.set_xlabel("shift, 1× is the median pose pair in that block")
        panels.legend(figure, entries, columns=1)
    order = np.argsort(-found.own)[:3]
    largest = ", ".join(f"{names[i]} ({found.own[i]:.2g}×)" for i in order)
    said = f"Shift by block of your prompts, in units of the median pose pair: largest in {largest}. {found.sentence}"
    return Picture(figure, said)
