"""Which values of a run are read: how heads are counted, in which blocks, at which tokens, under which noise."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

from plantain.errors import InputError

_KNOWN = {
    "grouping": ("card", "head"),
    "part": ("all", "attention", "mlp"),
    "stream": ("card", "image", "text", "padding"),
    "kind": ("all", "joint", "single"),
}


@dataclass(frozen=True)
class View:
    """One way to read a run; every field has the card's own default.

    >>> result.rms(View("head", stream="image")).shape                # (n_pairs, 2, n_heads)

    Raises InputError: an unknown word, naming the allowed ones, or attention heads of the MLP.
    """

    grouping: str = "card"  # "card" (runs of 16 channels) or "head" (attention heads at the model's own width)
    part: str = "all"  # "all", "attention" or "mlp"; an attention head has no MLP part
    # "card" (image tokens in joint blocks, all in single blocks), "image", "text" (real tokens) or "padding"
    stream: str = "card"
    seed: int | None = None  # one noise seed of the run, or None for the average of mean squares over seeds
    step: int = 0  # index of the denoising step
    kind: str = "all"  # blocks: "all", "joint" or "single"

    def __post_init__(self) -> None:
        for name, known in _KNOWN.items():
            if getattr(self, name) not in known:
                raise InputError(f"{name} must be one of {', '.join(known)}; got {getattr(self, name)!r}.")
        if self.grouping == "head" and self.part == "mlp":
            raise InputError("MLP channels belong to no attention head: use grouping='card' with part='mlp'.")

    @classmethod
    def of(cls, view: View | str, *fields: Any, **named: Any) -> View:
        """A view as it is, or one made of the word for its grouping and the other fields in their order."""
        if not isinstance(view, View):
            return cls(view, *fields, **named)
        if cls(view.grouping, *fields, **named) != cls(view.grouping):
            raise InputError(f"{view} says all of it; give nothing beside it, or change it: view.at(step=1).")
        return view

    def at(self, **changes: Any) -> View:
        """The same view with some fields changed: ``view.at(seed=3)``."""
        return replace(self, **changes)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values: grouping, part, stream and step; seed and kind where they are not left open."""
        open_fields = {"seed": None, "kind": "all"}
        return {name: value for name, value in asdict(self).items() if open_fields.get(name, self) != value}
