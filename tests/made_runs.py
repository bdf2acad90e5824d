"""Runs made of numbers: what an analysis finds in them is known."""

import numpy as np

from plantain.data.heads import HeadMap
from plantain.data.prompts import PromptPair, PromptSet
from plantain.data.result import ProbeResult
from plantain.data.settings import ProbeConfig

HEAD_MAP = HeadMap(n_joint=2, n_single=6, n_attention_heads=2, head_width=32, mlp_width=64)  # 56 card heads
LEVELS = (1.0, 0.75, 0.5, 0.25)


def made_run(d, tags=None, tokens=None, model="made up"):
    """A run whose card heads differ by ``d``, (n_pairs, n_seeds, n_levels, n_heads) or (n_pairs, n_heads).

    ``tags``: one mapping a pair; ``tokens``: real tokens of A and B, (n_pairs, 2), 20 each unless said.
    """
    d = np.asarray(d, dtype=float)
    d = d[:, None, None] if d.ndim == 2 else d
    n_pairs, n_seeds, n_levels, n_heads = d.shape
    assert n_heads == HEAD_MAP.n_runs
    rms = np.stack([np.full(d.shape, 10.0), 10.0 + d], axis=1)  # (P, 2, N, L, H)
    mean_square = np.repeat((rms**2)[:, :, :, :, None], 3, axis=4).astype(np.float32)
    tokens = np.full((n_pairs, 2), 20) if tokens is None else np.asarray(tokens)
    counts = np.stack([np.full_like(tokens, 64), tokens, 96 - tokens], axis=2).astype(np.int64)
    tags = tags or [{}] * n_pairs
    pairs = tuple(PromptPair(f"p{i:02d}", f"a {i} standing", f"a {i} leaping", tags[i]) for i in range(n_pairs))
    levels = LEVELS[:n_levels]
    config = ProbeConfig(n_seeds=n_seeds, num_inference_steps=n_levels, noise_levels=levels)
    provenance = {"model": model, "realised_sigmas": list(levels)}
    return ProbeResult(mean_square, counts, PromptSet("made", pairs), config, HEAD_MAP, provenance)
