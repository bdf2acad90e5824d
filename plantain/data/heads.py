"""Which channels of which output projection are which head.

Two ways to count: a *card head* is a run of ``channels_per_head`` (16) channels of an output
projection's input; an *attention head* is the model's own. In a single block the projection
reads ``[attention | MLP]``, so only the first part of its card heads is attention.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import cache
from typing import Any

import numpy as np

from plantain.data.view import View
from plantain.errors import InputError

# Of FLUX.2 dev a channel each would be 1.2 million; more is a damaged file's, and fills the memory to be named.
MAX_HEADS = 2_000_000


@dataclass(frozen=True)
class HeadMap:
    """The layout of the captured runs of channels of one transformer.

    >>> head_map = HeadMap.from_transformer(pipe.transformer)
    >>> head_map.n_heads("card"), head_map.n_heads("head")      # FLUX.2 Klein 4B
    (16320, 600)

    Runs are ordered joint[0] …, single[0] …, attention before MLP within a block.

    Raises InputError: ``channels_per_head`` does not divide both the head width and the MLP width.
    """

    n_joint: int
    n_single: int
    n_attention_heads: int
    head_width: int
    mlp_width: int
    channels_per_head: int = 16

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if isinstance(value, bool) or not isinstance(value, int) or value < 0:
                raise InputError(f"{name} of a head map must be a whole number; got {value!r}.")
        c = self.channels_per_head
        if c < 1 or self.head_width % c or self.mlp_width % c:
            # Head widths are a few hundred channels at most; the bound is for numbers out of a damaged file.
            common = int(np.gcd(self.head_width, self.mlp_width))
            allowed = ", ".join(str(n) for n in range(1, min(common, 1024) + 1) if common % n == 0)
            raise InputError(
                f"channels_per_head={c} must divide both the head width ({self.head_width}) and the MLP width "
                f"({self.mlp_width}) of this model; {allowed} do."
            )
        n_heads = max(self.n_runs, (self.n_joint + self.n_single) * max(1, self.n_attention_heads))
        if n_heads > MAX_HEADS:
            raise InputError(f"A head map of {n_heads:,} heads is that of no model; at most {MAX_HEADS:,} are counted.")

    @classmethod
    def from_transformer(cls, transformer: Any, channels_per_head: int = 16) -> HeadMap:
        """Read the sizes off a ``Flux2Transformer2DModel`` (also one on the meta device)."""
        joint, singles = transformer.transformer_blocks, transformer.single_transformer_blocks
        first = [*joint, *singles][0].attn
        return cls(
            n_joint=len(joint),
            n_single=len(singles),
            n_attention_heads=first.heads,
            head_width=first.head_dim,
            mlp_width=singles[0].attn.mlp_hidden_dim if len(singles) else 0,
            channels_per_head=channels_per_head,
        )

    @property
    def attention_runs(self) -> int:
        """Runs of channels that are attention, in any block."""
        return self.n_attention_heads * self.head_width // self.channels_per_head

    @property
    def mlp_runs(self) -> int:
        """Runs of channels that are MLP, in a single block."""
        return self.mlp_width // self.channels_per_head

    @property
    def n_runs(self) -> int:
        return self.n_joint_runs + self.n_single * (self.attention_runs + self.mlp_runs)

    @property
    def n_joint_runs(self) -> int:
        """The joint blocks' runs come first: ``mean_square[..., :n_joint_runs]``."""
        return self.n_joint * self.attention_runs

    @property
    def block_names(self) -> list[str]:
        return [f"joint[{i}]" for i in range(self.n_joint)] + [f"single[{i}]" for i in range(self.n_single)]

    def runs_of(self, block: int) -> slice:
        """The runs of the ``block``-th block, counted through joint and then single blocks."""
        if block < self.n_joint:
            start, width = block * self.attention_runs, self.attention_runs
        else:
            width = self.attention_runs + self.mlp_runs
            start = self.n_joint_runs + (block - self.n_joint) * width
        return slice(start, start + width)

    def table(self, grouping: View | str = "card", part: str = "all") -> dict[str, np.ndarray]:
        """Name every head of a view: equal columns, one row a head, ready for ``pandas.DataFrame``.

        >>> result.head_map.table("head")["block"]                 # or of a View

        Arrays of shape (n_heads,): ``block`` (name), ``block_index``, ``kind`` ("joint" or "single"), ``part``
        ("attention" or "mlp"), ``index`` (within its block and part), ``first_channel`` (of the projection's input),
        ``n_channels``, ``first_run`` (of the stored runs).
        """
        view = View.of(grouping, part)
        return dict(_head_table(self, view.grouping, view.part, view.kind))

    def names(self, view: View | str = "card") -> list[str]:
        """What every head of a view is called: "single[6] head 2"; of card heads "single[6] attention 5", "… mlp 17".

        >>> result.head_map.names("head")[0]
        'joint[0] head 0'
        """
        view = View.of(view)
        table = self.table(view)
        words = ["head"] * len(table["part"]) if view.grouping == "head" else table["part"].tolist()
        return [f"{block} {word} {i}" for block, word, i in zip(table["block"], words, table["index"], strict=True)]

    def runs_of_heads(self, view: View | str = "head") -> np.ndarray:
        """Which runs each head of a view is made of: bool, (n_heads, n_runs).

        >>> head_map.runs_of_heads("head")[[12, 40]].any(axis=0)      # the runs of two attention heads
        """
        table = self.table(view)
        first, n = table["first_run"][:, None], table["n_channels"][:, None] // self.channels_per_head
        runs = np.arange(self.n_runs)
        return np.asarray((runs >= first) & (runs < first + n))

    def n_heads(self, grouping: View | str = "card", part: str = "all") -> int:
        return len(self.table(grouping, part)["block"])

    def block_masks(self, view: View | str = "card") -> dict[str, np.ndarray]:
        """Which heads of a view lie in each block, (n_heads,) by the block's name, in the model's order."""
        index = self.table(view)["block_index"]
        return {self.block_names[block]: index == block for block in np.unique(index)}

    def group(self, mean_square: np.ndarray, grouping: View | str = "card", part: str = "all") -> np.ndarray:
        """Reduce stored runs to heads: (..., n_runs) -> (..., n_heads). Mean squares average; RMS would not."""
        view = View.of(grouping, part)
        first = self.table(view)["first_run"]
        if view.grouping == "card":
            return mean_square if len(first) == self.n_runs else mean_square[..., first]
        per_head = self.head_width // self.channels_per_head
        return mean_square[..., first[:, None] + np.arange(per_head)].mean(axis=-1)

    def to_dict(self) -> dict[str, int]:
        return asdict(self)


@cache
def _head_table(head_map: HeadMap, grouping: str, part: str, blocks: str) -> dict[str, np.ndarray]:
    """``HeadMap.table``, made once for each view; the arrays are read-only, since they are shared."""
    per_head = head_map.head_width // head_map.channels_per_head if grouping == "head" else 1
    rows: list[tuple[Any, ...]] = []
    for block, name in enumerate(head_map.block_names):
        kind = "joint" if block < head_map.n_joint else "single"
        if blocks not in ("all", kind):
            continue
        runs = head_map.runs_of(block)
        for first in range(runs.start, runs.stop, per_head):
            local = first - runs.start
            is_attention = local < head_map.attention_runs
            if (grouping == "head" or part == "attention") and not is_attention:
                break  # attention runs come first in a block: nothing of interest follows
            if part == "mlp" and is_attention:
                continue
            index = local // per_head if is_attention else local - head_map.attention_runs
            what = "attention" if is_attention else "mlp"
            channels = head_map.channels_per_head
            rows.append((name, block, kind, what, index, local * channels, per_head * channels, first))
    if not rows:
        where = f" in {blocks} blocks" if blocks != "all" else ""
        raise InputError(f"This model has no heads of part={part!r}{where}; use part='all'.")
    columns = ("block", "block_index", "kind", "part", "index", "first_channel", "n_channels", "first_run")
    table = {column: np.array(values) for column, values in zip(columns, zip(*rows, strict=True), strict=True)}
    for column in table.values():
        column.setflags(write=False)
    return table
