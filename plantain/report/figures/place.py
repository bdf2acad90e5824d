"""Figure of ``place``: by block, how far own − others of its attention heads lies above 0, trained beside its twins."""

import numpy as np
from matplotlib.figure import Figure

from plantain.questions.place import Place
from plantain.report.figures import panels
from plantain.report.palette import INK, MUTED, RUN, TWIN
from plantain.report.picture import NARROW, WIDE, Picture, style


def draw(found: Place, twin: None = None, width: float = WIDE) -> Picture:
    """t of every attention head by block: trained, grafted and the first untrained twin.

    >>> draw(found).to_bytes("svg")
    """
    shown = [w for w in ("trained", "grafted", "untrained 0") if w in found.blocks]
    names = list(found.blocks["trained"])
    n_joint = sum(name.startswith("joint") for name in names)
    colours = {"trained": RUN, "grafted": INK, "untrained 0": TWIN}
    with style():
        top, height = 0.3 + 0.19 * (1 if width > NARROW else len(shown)), panels.ROW * len(names)
        figure = Figure(figsize=(width, top + height + 0.55))
        axes = panels.panel(figure, panels.NAMES, top, width - panels.NAMES - 0.2, height)
        per_block = len(found.own["trained", "attention heads"].t) // len(names)
        rows = np.repeat(np.arange(len(names)), per_block)
        for k, weights in enumerate(shown):
            t = found.own[weights, "attention heads"].t
            offset = 0.24 * (k - (len(shown) - 1) / 2)
            axes.plot(t, rows + offset, "o", color=colours[weights], markersize=3.4, markeredgewidth=0, alpha=0.85)
        axes.axvline(3, color=MUTED, linewidth=0.8, linestyle=(0, (3, 3)))
        panels.block_rows(axes, names, n_joint)
        axes.set_xlabel("t over pairs of own − other pairs' maps; dashed: t = 3")
        panels.legend(
            figure, [panels.key(weights, colours[weights], 5) for weights in shown], 3 if width > NARROW else 1
        )
    return Picture(figure, f"Place of every attention head, by block. {' '.join(found.sentences[:3])}")
