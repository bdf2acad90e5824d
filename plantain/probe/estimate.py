"""How long a run will take and what it costs, before it starts and once its first batch is done."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from plantain.data.heads import HeadMap
from plantain.data.settings import ProbeConfig
from plantain.model.identity import execution_device
from plantain.model.noise import latent_grid
from plantain.model.text import max_text_tokens
from plantain.probe.probe import choose_batch_size, picture_size

# Share of its matrix product's speed that a device reaches in a whole forward. Measured on a CPU: 0.8,
# with transformers of 4 and 108 million weights; of a GPU an assumption.
SHARE = {"cpu": 0.8, "cuda": 0.5}
# What calling one linear layer and its share of the small operations around it takes at least, whatever its
# size; measured on a CPU, where it is most of Posebox's time.
SECONDS_A_LAYER = 250e-6
# Side of the square matrices that are multiplied: large enough to keep the device busy.
_SIDE = {"cpu": 1024, "cuda": 4096}


@dataclass(frozen=True)
class Estimate:
    """Expected seconds of a probe of ``n_pairs`` pairs; loading the model is not among them.

    ``measured``: whether a part of the run itself stands behind the number, or arithmetic alone.
    """

    seconds: float
    n_pairs: int
    measured: bool = False

    def after(self, done: int, seconds: float) -> Estimate:
        """The same run's estimate once ``done`` of its pairs have taken ``seconds``.

        >>> estimate = estimate.after(progress.done, progress.result.provenance["seconds"])
        """
        if done < 1:
            return self
        return Estimate(seconds * self.n_pairs / min(done, self.n_pairs), self.n_pairs, measured=True)


def before(pipe: Any, n_pairs: int, config: ProbeConfig | None = None) -> Estimate:
    """Expected time of a probe on the device where the pipeline lies; takes a fraction of a second itself.

    >>> before(pipe, len(prompts), plantain.ProbeConfig()).seconds

    The operations of all linear layers and of attention, over the speed at which this device multiplies
    two matrices of the pipeline's dtype now, and a least time a layer. Within a factor of about two on a
    CPU; on a GPU not yet held against a run. ``Estimate.after`` replaces it by what is measured.

    Raises InputError: a picture size or head width that the model does not allow.
    """
    config = config or ProbeConfig()
    n_image, n_text = math.prod(latent_grid(pipe, *picture_size(pipe, config))), max_text_tokens(pipe)
    head_map = HeadMap.from_transformer(pipe.transformer, config.channels_per_head)
    batch = config.batch_size or choose_batch_size(pipe, head_map, n_image + n_text)
    passes = config.n_seeds * config.num_inference_steps * (2 if config.guidance_scale > 1 else 1)
    n_prompts, n_forwards = 2 * n_pairs, math.ceil(n_pairs / max(1, batch // 2)) * passes

    # Two operations a weight and token; in a joint block half of the weights read image tokens, half read text.
    n_joint, joint = _linear(pipe.transformer.transformer_blocks)
    n_single, single = _linear(pipe.transformer.single_transformer_blocks)
    n_encoder, encoder = _linear(pipe.text_encoder)
    tokens, inner = n_image + n_text, head_map.n_attention_heads * head_map.head_width
    attention = 4 * tokens**2 * inner * (head_map.n_joint + head_map.n_single)
    operations = n_prompts * (passes * (tokens * (joint + 2 * single) + attention) + n_text * 2 * encoder)
    device = execution_device(pipe)
    speed = products_a_second(device, pipe.transformer.dtype) * SHARE.get(device.type, SHARE["cuda"])
    layers = n_forwards * (n_joint + n_single) + n_prompts * n_encoder
    return Estimate(operations / speed + layers * SECONDS_A_LAYER, n_pairs)


def _linear(module: Any) -> tuple[int, int]:
    """Number of linear layers in a module, and of their weights."""
    sizes = [part.weight.numel() for part in module.modules() if isinstance(part, nn.Linear)]
    return len(sizes), sum(sizes)


def products_a_second(device: torch.device, dtype: torch.dtype) -> float:
    """Operations a second in the product of two square matrices: the best of three, after one to warm up."""
    side = _SIDE.get(device.type, _SIDE["cuda"])
    a = torch.ones(side, side, device=device, dtype=dtype)
    best = math.inf
    for _ in range(4):
        started = time.perf_counter()
        (a @ a)[0, 0].item()  # reading one value waits for the device
        best = min(best, time.perf_counter() - started)
    return 2 * side**3 / best
