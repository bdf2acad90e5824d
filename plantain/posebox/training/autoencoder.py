"""Posebox's autoencoder: its loss, its batches, and the statistics that scale its latents."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from plantain.posebox.training.corpus import random_scene
from plantain.posebox.world.figure import SIZE
from plantain.posebox.world.render import draw
from plantain.posebox.world.scene import Scene

# The figure fills a tenth of the picture and holds all of the pose.
_FIGURE_WEIGHT = 4.0
_EDGE_WEIGHT = 0.5
# Enough to keep latents from growing, too little to blur a hand.
_KL_WEIGHT = 1e-3
# In parts of the latents' spread: the transformer's are not quite an encoder's, and still become a clean picture.
_LATENT_NOISE = 0.15


def random_pictures(rng: np.random.Generator, n: int) -> tuple[list[Scene], np.ndarray, np.ndarray]:
    """Scenes, and their ``pictures_of``."""
    scenes = [random_scene(rng) for _ in range(n)]
    return scenes, *pictures_of(scenes)


def pictures_of(scenes: Sequence[Scene]) -> tuple[np.ndarray, np.ndarray]:
    """Pictures in −1 … 1 (n, 3, 128, 128) and where their figures are (n, 1, 128, 128)."""
    drawn = [draw(scene) for scene in scenes]
    pictures = np.stack([picture for picture, _ in drawn]).astype(np.float32) / 127.5 - 1
    return np.ascontiguousarray(pictures.transpose(0, 3, 1, 2)), np.stack([masks["figure"][None] for _, masks in drawn])


def autoencoder_loss(vae: Any, pictures: torch.Tensor, figures: torch.Tensor) -> torch.Tensor:
    """The picture error, and a little of the KL term."""
    posterior = vae.encode(pictures).latent_dist
    loss = _picture_error(vae.decode(posterior.sample()).sample, pictures, figures)
    mean, logvar = posterior.mean.float(), posterior.logvar.float()
    return loss + _KL_WEIGHT * 0.5 * (mean.square() + logvar.exp() - 1 - logvar).mean()


def decoder_loss(vae: Any, pictures: torch.Tensor, figures: torch.Tensor) -> torch.Tensor:
    """The picture error from latents with some noise; the encoder stays as it is."""
    with torch.no_grad():
        latents = vae.encode(pictures).latent_dist.mode().float()
        latents = latents + _LATENT_NOISE * latents.std() * torch.randn_like(latents)
    return _picture_error(vae.decode(latents).sample, pictures, figures)


def _picture_error(drawn: torch.Tensor, pictures: torch.Tensor, figures: torch.Tensor) -> torch.Tensor:
    """Absolute error of pixels and of edges, the figure's weighed up."""
    drawn = drawn.float()
    weight = 1 + _FIGURE_WEIGHT * figures
    loss = (weight * (drawn - pictures).abs()).mean()
    for axis in (2, 3):
        step = drawn.diff(dim=axis) - pictures.diff(dim=axis)
        loss = loss + _EDGE_WEIGHT * (weight.narrow(axis, 1, SIZE - 1) * step.abs()).mean()
    return loss


def patchify(latents: torch.Tensor) -> torch.Tensor:
    """(B, C, H, W) → (B, 4C, H/2, W/2), as the pipeline does."""
    from diffusers import Flux2KleinPipeline

    return Flux2KleinPipeline._patchify_latents(latents)


def encode(vae: Any, pictures: torch.Tensor) -> torch.Tensor:
    """Posterior means of pictures, in patches, not yet scaled: (B, 4C, H/16, W/16)."""
    return patchify(vae.encode(pictures).latent_dist.mode())


def set_latent_statistics(vae: Any, latents: torch.Tensor) -> None:
    """Store mean and variance of each patch channel where the pipeline reads them, in ``vae.bn``."""
    values = latents.float().transpose(0, 1).flatten(1)
    vae.bn.running_mean.copy_(values.mean(dim=1))
    vae.bn.running_var.copy_(values.var(dim=1))


def scale(vae: Any, latents: torch.Tensor) -> torch.Tensor:
    """Latents at unit variance in every patch channel, as the transformer sees them."""
    mean = vae.bn.running_mean.view(1, -1, 1, 1)
    std = (vae.bn.running_var + vae.config.batch_norm_eps).sqrt().view(1, -1, 1, 1)
    return (latents - mean) / std
