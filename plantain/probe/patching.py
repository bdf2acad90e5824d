"""Patching: chosen heads of one run take another run's values, at the input of the output projections.

A forward carries several runs at once, the rows of its batch, and a patched row takes the values of other rows of the
same batch. So nothing is stored, whatever the number of steps. Letters: B rows, T tokens, C channels, R runs of
channels.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch

from plantain.data.heads import HeadMap
from plantain.errors import InputError
from plantain.model.compiled import refuse_compiled

TOKENS = ("image", "text", "padding", "all")
"""Positions that are patched. Those of two prompts line up among image tokens only."""


@dataclass(frozen=True)
class Patch:
    """What one row takes: x_S ← (1 − α)·x_S + α·(mean of the donors' x_S), and then x_S ← (1 + β)·x_S.

    >>> Patch(row=0, runs=head_map.runs_of_heads("head")[40], donors=(1,))      # rows 0 and 1: A and B of a pair

    Attributes
    ----------
    row : the row that is changed; where rows are made for it (``Joining``), the row that it starts as
    runs : bool, shape (n_runs,), the set S, in the order of the head map
    donors : rows whose mean is taken; none: only scaled
    alpha : from 0, nothing, to 1, the donors' values
    beta : steering: 0 nothing, −1 removes the heads
    tokens : of ``TOKENS``
    """

    row: int
    runs: np.ndarray
    donors: tuple[int, ...] = ()
    alpha: float = 1.0
    beta: float = 0.0
    tokens: str = "image"

    def __post_init__(self) -> None:
        if self.tokens not in TOKENS:
            raise InputError(f"tokens of a patch are {', '.join(TOKENS)}; got {self.tokens!r}.")
        if not 0 <= self.alpha <= 1:
            raise InputError(f"alpha of a patch lies between 0 and 1; got {self.alpha}.")
        if not np.isfinite(self.beta):
            raise InputError(f"beta of a patch must be a number; got {self.beta}.")
        if (first := min(self.row, *self.donors, 0)) < 0:
            raise InputError(f"Rows of a patch are counted from 0; got {first}.")


@dataclass(frozen=True)
class _Group:
    """Patches of one block that are made together, each of another row."""

    tokens: str
    rows: torch.Tensor  # (n,)
    donors: torch.Tensor  # (n,) row numbers, or (n, d) where means are taken
    alpha: torch.Tensor  # (n, 1, C): alpha in channels of the set, else 0
    gain: torch.Tensor | None  # (n, 1, C): 1 + beta in channels of the set, else 1; None where all are 1


class Patching:
    """Pre-hooks that change rows of a batch, for the time of a ``with`` block.

    >>> with Patching(pipe.transformer, [Patch(0, runs, donors=(1,))]):
    ...     pipe(prompt=[a, b], latents=noise, **plantain.call_arguments(pipe))     # a picture of A, patched, and of B

    Hooks are removed at its end, whatever ends it. They compose with ``HeadCapture`` and with one another: those
    entered later see what earlier ones changed. A row without a patch, and every row where all alphas and betas are 0,
    keeps its bits; with alpha 1 the set's values are the donors' to the bit.

    Parameters
    ----------
    transformer : Flux2Transformer2DModel
    patches : sequence of Patch; several of one row are made one after the other, donors as they were before
    text_mask : bool, shape (B, n_text_tokens), True at real tokens; needed for tokens "text" and "padding", which are
        where the row or its first donor has a real token, and where neither has
    forwards : numbers of the transformer's forwards inside the ``with`` block that are patched; None: all. With
        guidance a step makes two, the prompt's first (``prompt_forwards``)
    channels_per_head : of the head map whose runs the patches name

    Raises
    ------
    InputError
        A compiled transformer, a set over another number of runs than this model has, text tokens without a mask, or,
        while it runs, a row that the batch does not have or a mask of another batch.
    """

    _in_place = False

    def __init__(
        self,
        transformer: Any,
        patches: Sequence[Patch],
        text_mask: np.ndarray | None = None,
        forwards: Collection[int] | None = None,
        channels_per_head: int = 16,
    ) -> None:
        refuse_compiled(transformer, "transformer")
        self.head_map = HeadMap.from_transformer(transformer, channels_per_head)
        self._transformer, self._forwards = transformer, forwards
        for patch in patches:
            if patch.runs.shape != (self.head_map.n_runs,) or patch.runs.dtype != np.bool_:
                raise InputError(
                    f"The set of a patch is bool over the model's {self.head_map.n_runs} runs of channels; got "
                    f"{patch.runs.dtype} of shape {patch.runs.shape}."
                )
            if patch.tokens in ("text", "padding") and text_mask is None:
                raise InputError(f"Patching {patch.tokens} tokens needs text_mask, which tells them from the others.")
        self._mask = None if text_mask is None else torch.as_tensor(np.asarray(text_mask), dtype=torch.bool)
        self._patches = list(patches)
        self._handles: list[torch.utils.hooks.RemovableHandle] = []
        self._n_image = self._n_text = self._forward = 0
        self._on = False

    def __enter__(self) -> Any:
        self._forward, self._on = -1, False
        try:
            begin = self._transformer.register_forward_pre_hook(self._begin, with_kwargs=True)
            self._handles.append(begin)
            self._add_hooks([patch.row for patch in self._patches])
        except BaseException:
            self._remove()
            raise
        return self

    def __exit__(self, *raised: object) -> None:
        self._remove()

    def _add_hooks(self, rows: list[int]) -> None:
        for number, block in enumerate(self._transformer.transformer_blocks):
            groups = self._groups(number, rows)
            if image := [group for group in groups if group.tokens in ("image", "all")]:
                self._hook(block.attn.to_out[0], "image", image)
            if text := [group for group in groups if group.tokens != "image"]:
                self._hook(block.attn.to_add_out, "text", text)
        for number, block in enumerate(self._transformer.single_transformer_blocks):
            if groups := self._groups(self.head_map.n_joint + number, rows):
                self._hook(block.attn.to_out, "both", groups)

    def _hook(self, module: torch.nn.Module, here: str, groups: list[_Group]) -> None:
        self._handles.append(module.register_forward_pre_hook(partial(self._change, here, groups)))

    def _remove(self) -> None:
        while self._handles:
            self._handles.pop().remove()

    def _groups(self, block: int, rows: list[int]) -> list[_Group]:
        """A block's patches, those of the same tokens and number of donors together; of a row, one after the other."""
        runs, channels = self.head_map.runs_of(block), self.head_map.channels_per_head
        sorted_: dict[tuple[int, str, int], list[int]] = {}
        earlier = Counter[int]()
        for i, patch in enumerate(self._patches):
            if patch.runs[runs].any() and (patch.beta or (patch.alpha and patch.donors)):
                sorted_.setdefault((earlier[rows[i]], patch.tokens, len(patch.donors)), []).append(i)
                earlier[rows[i]] += 1
        found = []
        for (_, tokens, n_donors), members in sorted(sorted_.items()):
            some = [self._patches[i] for i in members]
            inside = np.repeat(np.stack([patch.runs[runs] for patch in some]), channels, axis=1)[:, None]
            alpha = np.array([patch.alpha if patch.donors else 0.0 for patch in some])[:, None, None] * inside
            beta = np.array([patch.beta for patch in some])[:, None, None] * inside
            donors = np.array([patch.donors or (patch.row,) for patch in some])
            found.append(
                _Group(
                    tokens,
                    torch.as_tensor([rows[i] for i in members]),
                    torch.as_tensor(donors[:, 0] if n_donors < 2 else donors),
                    torch.as_tensor(alpha, dtype=torch.float32),
                    torch.as_tensor(1 + beta, dtype=torch.float32) if beta.any() else None,
                )
            )
        return found

    def _begin(self, module: torch.nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        image = kwargs["hidden_states"] if "hidden_states" in kwargs else args[0]
        text = kwargs["encoder_hidden_states"] if "encoder_hidden_states" in kwargs else args[1]
        self._n_image, self._n_text = image.shape[1], text.shape[1]
        self._forward += 1
        self._on = self._forwards is None or self._forward in self._forwards
        top = max((max((patch.row, *patch.donors)) for patch in self._patches), default=-1)
        if self._on and top >= len(image):
            raise InputError(f"A patch names row {top}; the batch has {len(image)} rows, counted from 0.")
        if self._on and self._mask is not None and self._mask.shape != text.shape[:2]:
            wanted, got = tuple(text.shape[:2]), tuple(self._mask.shape)
            raise InputError(f"text_mask must be {wanted} for this batch; got {got}, so give it of its prompts.")

    def _change(
        self, here: str, groups: list[_Group], module: torch.nn.Module, args: tuple[torch.Tensor, ...]
    ) -> tuple[torch.Tensor, ...] | None:
        if not self._on:
            return None
        with torch.no_grad():
            x = args[0]
            out = x if self._in_place else x.clone()
            for group in groups:
                span, among = self._span(here, group.tokens)
                own = out[group.rows, span]  # (n, T', C), a copy
                alpha = group.alpha.to(x)
                given = x[group.donors, span]
                donors = given if group.donors.ndim == 1 else given.float().mean(dim=1).to(x.dtype)
                new = torch.lerp(own, donors, alpha)  # exact at both ends
                if group.gain is not None:
                    new = new * group.gain.to(x)
                if among is not None:
                    new = torch.where(self._among(group, among).to(x.device)[..., None], new, own)
                out[group.rows, span] = new
        return (out, *args[1:])

    def _span(self, here: str, tokens: str) -> tuple[slice, str | None]:
        """Positions of a projection's input that may change, and which text tokens among them; None: all of them."""
        if here == "image" or (here == "text" and tokens == "all") or tokens == "all":
            return slice(None), None
        if tokens == "image":
            return slice(self._n_text, None), None  # in a single block text tokens come first
        return slice(0, self._n_text), tokens

    def _among(self, group: _Group, tokens: str) -> torch.Tensor:
        """Where text is real in a row or its first donor, or where it is padding in both: bool (n, n_text)."""
        assert self._mask is not None  # asked for on entry
        donors = group.donors if group.donors.ndim == 1 else group.donors[:, 0]
        real = self._mask[self._mask_rows(group.rows)] | self._mask[donors]
        return real if tokens == "text" else ~real

    def _mask_rows(self, rows: torch.Tensor) -> torch.Tensor:
        return rows


class Joining(Patching):
    """The same for rows that are made on the way: each starts as a copy of its row, at its first patched block.

    >>> with Joining(pipe.transformer, patches, forwards=[0]) as joining:
    ...     pipe(prompt=[a, b], …)
    >>> joining.own.shape, joining.patched.shape         # velocities: (2, N, C), (len(patches), N, C)

    Blocks before the first patched one are not computed again, and who called the transformer gets back the rows that
    it handed over, unpatched: a pipeline goes on as if nothing had happened. All rows must be at one noise level.
    ``own`` and ``patched`` are those of the last patched forward.
    """

    _in_place = True  # every row that is changed is ours

    def __init__(
        self,
        transformer: Any,
        patches: Sequence[Patch],
        text_mask: np.ndarray | None = None,
        forwards: Collection[int] | None = None,
        channels_per_head: int = 16,
    ) -> None:
        super().__init__(transformer, patches, text_mask, forwards, channels_per_head)
        n_blocks = len(self.head_map.block_names)
        touched = np.array([[p.runs[self.head_map.runs_of(b)].any() for b in range(n_blocks)] for p in patches])
        # One that changes nothing joins for the last block.
        first = np.where(touched.any(axis=1), touched.argmax(axis=1), n_blocks - 1) if len(patches) else np.zeros(0)
        order = np.argsort(first, kind="stable")
        self._place = np.argsort(order, kind="stable")
        self._origins = torch.as_tensor([patches[i].row for i in order], dtype=torch.long)
        self._bounds = np.searchsorted(first[order], np.arange(n_blocks + 1))  # of those that join at block b
        self._n_own = 0
        self.own = self.patched = torch.empty(0)

    def __enter__(self) -> Any:
        self._n_own = 0
        return super().__enter__()

    def _add_hooks(self, rows: list[int]) -> None:
        blocks = [*self._transformer.transformer_blocks, *self._transformer.single_transformer_blocks]
        for number, block in enumerate(blocks):
            hook = partial(self._join, number)
            self._handles.append(block.register_forward_pre_hook(hook, with_kwargs=True))
        self._handles.append(self._transformer.norm_out.register_forward_pre_hook(self._last_levels))
        self._handles.append(self._transformer.register_forward_hook(self._part))

    def _begin(self, module: torch.nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        super()._begin(module, args, kwargs)
        image = kwargs["hidden_states"] if "hidden_states" in kwargs else args[0]
        if not self._on or self._n_own == len(image):
            return
        if self._n_own:
            raise InputError(f"A batch of {self._n_own} rows was followed by one of {len(image)}; give equal batches.")
        self._n_own = len(image)  # only now is it known which rows the patches get
        super()._add_hooks([int(row) for row in self._n_own + self._place])

    def _join(
        self, number: int, module: torch.nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]] | None:
        if not self._on:
            return None
        origins = self._origins[self._bounds[number] : self._bounds[number + 1]]
        changed = dict(kwargs)
        for name in ("hidden_states", "encoder_hidden_states"):
            if len(origins) and kwargs.get(name) is not None:
                changed[name] = torch.cat([kwargs[name], kwargs[name][origins]])
        for name in ("temb_mod", "temb_mod_img", "temb_mod_txt"):
            if name in kwargs:
                changed[name] = self._levels(kwargs[name], int(self._bounds[number + 1]))
        return args, changed

    def _last_levels(self, module: torch.nn.Module, args: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...] | None:
        return (args[0], self._levels(args[1], len(self._origins))) if self._on else None

    def _levels(self, own: torch.Tensor, n_joined: int) -> torch.Tensor:
        """What tells each row its noise level: a joined row has that of the row it started as."""
        return own if len(own) == 1 else torch.cat([own, own[self._origins[:n_joined]]])

    def _part(self, module: torch.nn.Module, args: tuple[Any, ...], output: Any) -> Any:
        """Keep the patched rows; hand back the batch's own."""
        if not self._on:
            return None
        velocity = output[0]
        self.own = velocity[: self._n_own]
        self.patched = velocity[self._n_own + torch.as_tensor(self._place)]
        return (self.own,) if isinstance(output, tuple) else type(output)(sample=self.own)

    def _mask_rows(self, rows: torch.Tensor) -> torch.Tensor:
        return self._origins[rows - self._n_own]


def prompt_forwards(steps: Collection[int], guidance_scale: float) -> list[int]:
    """The forwards of a pipeline's call that see the prompt, at some of its steps.

    >>> prompt_forwards(range(12), 1.5)        # with guidance every other forward is the empty prompt's
    """
    return [step * (2 if guidance_scale > 1 else 1) for step in steps]
