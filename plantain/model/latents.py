"""Pictures as the transformer works on them: encoded, in patches, scaled, one token a row."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch


def packed_latents(pipe: Any, pixels: np.ndarray) -> np.ndarray:
    """Latents of pictures, uint8 (n, height, width, 3), as the pipeline's own image inputs: float32 (n, N, C).

    >>> packed_latents(pipe, pictures.pixels[:, 0]).shape       # Posebox: (25, 64, 32)

    The mode of the autoencoder's posterior, patches of 2 × 2 side by side, each channel standardised by the statistics
    in ``vae.bn`` (``Flux2KleinPipeline._encode_vae_image``, ``_pack_latents``). Noise less picture is what the
    transformer is trained to predict from noise.
    """
    vae, found = pipe.vae, []
    for picture in pixels:  # one at a time: an encoder's widest moment is large
        x = torch.from_numpy(picture.astype(np.float32) / 127.5 - 1).permute(2, 0, 1)[None]
        with torch.no_grad():
            latents = pipe._encode_vae_image(x.to(device=vae.device, dtype=vae.dtype), None)
            found.append(pipe._pack_latents(latents)[0].float().cpu().numpy())
    return np.stack(found)
