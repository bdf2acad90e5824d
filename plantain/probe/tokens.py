"""Image tokens of every block, as they enter its output projection: handed to a reader, never kept."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

import torch

from plantain.model.compiled import refuse_compiled

Reader = Callable[[int, torch.Tensor], None]
"""Takes the number of a block, joint blocks first, and its image tokens (B, N, C); keeps no reference to them."""


class ImageTokens:
    """Pre-hooks on the image side of all output projections, for the time of a ``with`` block.

    >>> with ImageTokens(pipe.transformer, read):
    ...     pipe(prompt=prompt, **plantain.call_arguments(pipe))

    ``read(block, x)`` is called in the order of the blocks with a view of what enters ``attn.to_out[0]`` of a joint
    block, or the image tokens of what enters ``attn.to_out`` of a single block (attention channels, then MLP), in the
    model's dtype. With guidance a step runs twice, the prompt first: ``n_forwards`` tells how often it ran, and only
    the first forward is read.

    Parameters
    ----------
    transformer : Flux2Transformer2DModel
    read : Reader
    blocks : numbers of the blocks to be read; None: all
    """

    def __init__(self, transformer: Any, read: Reader, blocks: Collection[int] | None = None) -> None:
        refuse_compiled(transformer, "transformer")
        self._transformer, self._read, self._blocks = transformer, read, blocks
        self._handles: list[torch.utils.hooks.RemovableHandle] = []
        self._n_image = 0
        self.n_forwards = 0

    def __enter__(self) -> ImageTokens:
        self.n_forwards = 0
        blocks = [*self._transformer.transformer_blocks, *self._transformer.single_transformer_blocks]
        try:
            begin = self._transformer.register_forward_pre_hook(self._begin, with_kwargs=True)
            self._handles.append(begin)
            for number, block in enumerate(blocks):
                if self._blocks is None or number in self._blocks:
                    self._handles.append(self._hook(number, block))
        except BaseException:
            self._remove()
            raise
        return self

    def __exit__(self, *raised: object) -> None:
        self._remove()

    def _remove(self) -> None:
        while self._handles:
            self._handles.pop().remove()

    def _begin(self, module: torch.nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        image = kwargs["hidden_states"] if "hidden_states" in kwargs else args[0]
        self._n_image = image.shape[1]
        self.n_forwards += 1

    def _hook(self, number: int, block: Any) -> torch.utils.hooks.RemovableHandle:
        """Hook what enters a block's output projection; a subclass may read the block elsewhere."""
        joint = number < len(self._transformer.transformer_blocks)
        projection: torch.nn.Module = block.attn.to_out[0] if joint else block.attn.to_out

        def entering(module: torch.nn.Module, args: tuple[torch.Tensor, ...]) -> None:
            self._hand_over(number, args[0])

        return projection.register_forward_pre_hook(entering)

    def _hand_over(self, number: int, x: torch.Tensor) -> None:
        if self.n_forwards == 1:
            with torch.no_grad():
                self._read(number, x[:, -self._n_image :])  # in a single block text tokens come first
