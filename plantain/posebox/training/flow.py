"""Posebox's text encoder and transformer: the flow-matching loss, the pipeline's own target."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from plantain.posebox.training import autoencoder
from plantain.posebox.training.corpus import random_prompt, random_scene, silence
from plantain.posebox.training.precision import mixed
from plantain.posebox.world.scene import Scene

# Noise levels are logit-normal, towards the noisy end, where the pose is decided; some are pure noise, as a one-step
# probe sees it.
_SIGMA_MEAN, _SIGMA_SD, _PURE_NOISE = 1.0, 1.2, 0.05


@dataclass
class Pictures:
    """Encoded pictures of training scenes, scaled, with each patch's share of figure."""

    scenes: list[Scene]
    latents: torch.Tensor  # (n, 4C, 8, 8)
    figures: torch.Tensor  # (n, 1, 8, 8)


def encode_pictures(
    vae: Any, rng: np.random.Generator, n: int, report: Any = None, statistics: bool = True, kept: Path | None = None
) -> Pictures:
    """Draw ``n`` random pictures, encode them, and set the autoencoder's latent ``statistics`` by them.

    ``kept``: a file that holds what was encoded, for a training that goes on; written where it is not there.
    """
    if kept is not None and kept.exists():
        state = torch.load(kept, weights_only=True)
        scenes, latents, figures = [random_scene(rng) for _ in range(n)], state["latents"], state["figures"]
    else:
        scenes, latents, figures = _encoded(vae, rng, n, report)
        if kept is not None:
            torch.save({"latents": latents, "figures": figures}, kept.with_suffix(".tmp"))
            os.replace(kept.with_suffix(".tmp"), kept)
    if statistics:
        autoencoder.set_latent_statistics(vae, latents.float())
    return Pictures(scenes, autoencoder.scale(vae.cpu(), latents.float()).half(), figures)


def _encoded(vae: Any, rng: np.random.Generator, n: int, report: Any) -> tuple[list[Scene], torch.Tensor, torch.Tensor]:
    device = next(vae.parameters()).device
    scenes: list[Scene] = []
    latents, figures = [], []
    with torch.no_grad():
        while len(scenes) < n:
            some, pictures, where = autoencoder.random_pictures(rng, min(64, n - len(scenes)))
            scenes += some
            with mixed(device.type):
                encoded = autoencoder.encode(vae, torch.from_numpy(pictures).to(device))
            latents.append(encoded.float().half().cpu())
            figures.append(torch.nn.functional.avg_pool2d(torch.from_numpy(where), 16))
            if report:
                report(len(scenes), n)
    return scenes, torch.cat(latents), torch.cat(figures)


def flow_loss(
    pipe: Any, arguments: dict[str, Any], data: Pictures, rng: np.random.Generator, n: int, figure_weight: float = 8.0
) -> torch.Tensor:
    """Squared error of the predicted velocity, noise − picture, on ``n`` random pictures.

    A tenth of the prompts are empty, for guidance; another tenth are silent about parts of their
    picture, which is then drawn with the defaults.
    """
    device = pipe.transformer.device
    chosen = rng.integers(len(data.scenes), size=n)
    latents, figures = data.latents[chosen].float(), data.figures[chosen].clone()
    prompts: list[str] = []
    for row, index in enumerate(chosen):
        kind = rng.random()
        if kind < 0.1:
            prompts.append("")
        elif kind < 0.2:
            scene, prompt = silence(rng, data.scenes[index])
            prompts.append(prompt)
            latents[row], figures[row] = _encode_one(pipe.vae, scene)
        else:
            prompts.append(random_prompt(rng, data.scenes[index]))
    generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
    noise = torch.randn(latents.shape, generator=generator)
    sigma = torch.sigmoid(_SIGMA_MEAN + _SIGMA_SD * torch.randn(n, generator=generator))
    sigma[torch.rand(n, generator=generator) < _PURE_NOISE] = 1.0
    noise, latents, sigma, figures = (value.to(device) for value in (noise, latents, sigma, figures))
    level = sigma.view(-1, 1, 1, 1)
    velocity = predict(pipe, arguments, prompts, (1 - level) * latents + level * noise, sigma)
    error = (velocity.float() - (noise - latents)).square()
    # Settings are learned in a thousand steps and figures in several; weighed up they come sooner.
    weight = 1 + figure_weight * figures
    return (weight * error).mean() / weight.mean()


def predict(
    pipe: Any, arguments: dict[str, Any], prompts: Sequence[str], noisy: torch.Tensor, sigma: torch.Tensor
) -> torch.Tensor:
    """The transformer's velocity, called as the pipeline calls it: (B, 4C, 8, 8)."""
    features, text_ids = pipe.encode_prompt(
        prompt=list(prompts),
        max_sequence_length=arguments["max_sequence_length"],
        text_encoder_out_layers=arguments["text_encoder_out_layers"],
    )
    packed = pipe.transformer(
        hidden_states=pipe._pack_latents(noisy),
        encoder_hidden_states=features,
        timestep=sigma,
        guidance=None,
        img_ids=pipe._prepare_latent_ids(noisy).to(noisy.device),
        txt_ids=text_ids,
        return_dict=False,
    )[0]
    return packed.transpose(1, 2).reshape(noisy.shape)


def _encode_one(vae: Any, scene: Scene) -> tuple[torch.Tensor, torch.Tensor]:
    pictures, figures = autoencoder.pictures_of([scene])
    with torch.no_grad():
        latents = autoencoder.scale(vae, autoencoder.encode(vae, torch.from_numpy(pictures).to(vae.device)))
    return latents[0].cpu(), torch.nn.functional.avg_pool2d(torch.from_numpy(figures), 16)[0]
