"""Interventions in pairs, as rows of forwards, and how far each moves the velocity."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from plantain.data.interventions import DONORS, TOKENS, Interventions
from plantain.data.patching import MEASURES
from plantain.errors import InputError
from plantain.model.features import encode
from plantain.model.identity import execution_device
from plantain.model.latents import packed_latents
from plantain.model.text import drawing_defaults
from plantain.probe.patching import Joining, Patch, prompt_forwards
from plantain.probe.probe import Plan, denoise, noise_of

# Tokens of a forward on a CPU: with fewer, A and B, which every forward carries, weigh more.
_CPU_TOKENS = 7680
N_OTHERS = 24
"""Other pairs whose mean is a donor, at most: all lie in one batch."""


def true_differences(pipe: Any, pictures: np.ndarray) -> np.ndarray:
    """v*_B − v*_A of every pair, where v* = noise − picture: float32 (n_pairs, N · C). The noise cancels.

    >>> true_differences(pipe, pictures)                 # uint8 (n_pairs, 2, height, width, 3)
    """
    latents = packed_latents(pipe, pictures.reshape(-1, *pictures.shape[2:])).reshape(len(pictures), 2, -1)
    return np.asarray(latents[:, 0] - latents[:, 1], np.float32)


class PatchRunner:
    """Pairs through the model, every intervention a row.

    >>> values, velocity = PatchRunner(plan, table, true_differences(pipe, pictures)).pair(0, table.of_pair(0))
    """

    def __init__(self, plan: Plan, table: Interventions, truth: np.ndarray | None) -> None:
        self._plan, self._table = plan, table
        self._noise = noise_of(plan.pipe, plan.config.seed, plan.size)
        device = execution_device(plan.pipe)
        self._truth = None if truth is None else torch.as_tensor(truth, device=device)
        self._rows = plan.batch_size
        if device.type == "cpu":
            self._rows = max(self._rows, _CPU_TOKENS // int(plan.token_counts[0, 0].sum()))

    def pair(self, pair: int, numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """``MEASURES`` of some interventions in a pair, float32 (n, M), and what is known of its velocities, (4,)."""
        numbers, again = self._distinct(numbers)
        table, values = self._table, np.zeros((len(numbers), len(MEASURES)), np.float32)
        of_others = table.donor[numbers] == DONORS.index("others")
        velocity = None
        for step in np.unique(table.step[numbers]):
            here = table.step[numbers] == step
            for sides, chosen in (([pair], here & ~of_others), (self._with_others(pair), here & of_others)):
                rows = np.flatnonzero(chosen)
                rows = rows[np.argsort(self._first_block(numbers[rows]), kind="stable")]  # late ones join late together
                n = max(1, self._rows)
                for some in (rows[at : at + n] for at in range(0, len(rows), n)):
                    own, patched = self._forward(sides, numbers[some], int(step))
                    self._check_finite(pair, own, patched)
                    values[some] = self._measures(pair, own, patched, numbers[some])
                    velocity = self._velocity(pair, own) if velocity is None and step == 0 else velocity
        return values[again], np.zeros(4, np.float32) if velocity is None else velocity

    def _check_finite(self, pair: int, own: torch.Tensor, patched: torch.Tensor) -> None:
        """Before anything is divided: what is no number would come out as 0."""
        if not (own.isfinite().all() and patched.isfinite().all()):
            name = self._plan.prompts.pairs[pair].id
            raise InputError(f"The velocities of pair {name!r} are not all finite; load the model in float32.")

    def _distinct(self, numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Interventions that differ in what they do, and which of them each is: several rankings choose one set."""
        table = self._table
        does = [table.direction, table.tokens, table.donor, table.step, table.alpha]
        keys = np.column_stack([np.packbits(table.runs[numbers], axis=1), *(column[numbers] for column in does)])
        _, first, again = np.unique(keys, axis=0, return_index=True, return_inverse=True)
        return numbers[first], again.reshape(-1)

    def _with_others(self, pair: int) -> list[int]:
        """The pair, and the others whose mean is taken: those that follow, at most ``N_OTHERS``."""
        n = len(self._plan.prompts)
        return [pair, *((pair + i) % n for i in range(1, min(n, 1 + N_OTHERS)))]

    def _first_block(self, numbers: np.ndarray) -> np.ndarray:
        return np.asarray(self._table.runs[numbers].argmax(axis=1))  # runs lie in the order of the blocks

    def _forward(self, pairs: Sequence[int], numbers: np.ndarray, step: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Velocities of A and B of the pairs, and of every intervention in the first of them, at one step."""
        plan, config = self._plan, self._plan.config
        guidance, negative = 1.0, None
        if step:
            steps, guidance = drawing_defaults(plan.pipe)
            config = replace(config, num_inference_steps=steps, guidance_scale=guidance, sigmas=None, noise_levels=None)
            negative = self._negative if guidance > 1 else None
            plan = replace(plan, config=config, sigmas=None)
        features = torch.cat([plan.features(slice(pair, pair + 1)) for pair in pairs])
        masks = plan.masks[list(pairs)].reshape(2 * len(pairs), -1)
        patches = [self._patch(int(number), len(pairs)) for number in numbers]
        forwards = prompt_forwards([step], guidance)
        channels = plan.config.channels_per_head
        with torch.no_grad(), Joining(plan.pipe.transformer, patches, masks, forwards, channels) as joining:
            # Steps that come after are drawn for nothing; they are few, and pairs of later steps as well.
            denoise(plan, features, self._noise, negative)
        return joining.own, joining.patched

    def _patch(self, number: int, n_pairs: int) -> Patch:
        """Rows are A and B of each pair in turn; the patched pair is the first."""
        table = self._table
        row = int(table.direction[number])  # into A for sufficiency, into B for necessity
        donor = 1 - row
        of_others = DONORS[table.donor[number]] == "others"
        donors = tuple(2 * q + donor for q in range(1, n_pairs)) if of_others else (donor,)
        return Patch(row, table.runs[number], donors, float(table.alpha[number]), tokens=TOKENS[table.tokens[number]])

    @property
    def _negative(self) -> torch.Tensor:
        if "_empty" not in self.__dict__:
            self._empty = encode(self._plan.pipe, [""])
        return self._empty

    def _measures(self, pair: int, own: torch.Tensor, patched: torch.Tensor, numbers: np.ndarray) -> np.ndarray:
        """The change of each row's velocity against the model's own difference and the true ones: (n, M)."""
        own, patched = own.float().flatten(1), patched.float().flatten(1)
        into = torch.as_tensor(self._table.direction[numbers].astype(np.int64), device=own.device)
        change = patched - own[into]
        towards = own[1 - into] - own[into]
        moved = change.square().sum(1)
        along, length = (change * towards).sum(1), towards.square().sum(1)
        cos2 = _ratio(along.square(), moved * length)
        found = [_ratio(along, length), torch.where(moved > 0, 1 - cos2, 0.0)]
        if self._truth is None:
            found += [torch.zeros_like(along)] * 3
        else:
            # At a later step both sides are at latents of their own, on a straight way noise − picture as at the first.
            truth = self._truth
            sign = (1 - 2 * into).to(truth.dtype)
            products = change @ truth.T * sign[:, None]  # (n, P)
            lengths = truth.square().sum(1)
            shares = _ratio(products, lengths[None])
            others = (shares.sum(1) - shares[:, pair]) / max(1, len(truth) - 1)
            cosine = _ratio(products[:, pair], (moved * lengths[pair]).sqrt())
            found += [shares[:, pair], cosine, others]
        return torch.stack(found, dim=1).cpu().numpy().astype(np.float32)

    def _velocity(self, pair: int, own: torch.Tensor) -> np.ndarray:
        """‖v_B − v_A‖, ‖true difference‖, their cosine, and the share of the truth covered: (4,)."""
        difference = (own[1] - own[0]).float().flatten()
        length = float(difference.norm())
        if self._truth is None:
            return np.array([length, 0, 0, 0], np.float32)
        truth = self._truth[pair]
        true_length, product = float(truth.norm()), float(difference @ truth)
        cosine = product / (length * true_length) if length * true_length > 0 else 0.0
        covered = product / true_length**2 if true_length > 0 else 0.0
        return np.array([length, true_length, cosine, covered], np.float32)


def _ratio(top: torch.Tensor, bottom: torch.Tensor) -> torch.Tensor:
    """0 where there is nothing to divide by: two prompts that give the same velocity have no axis."""
    return torch.where(bottom > 0, top / torch.where(bottom > 0, bottom, 1.0), 0.0)
