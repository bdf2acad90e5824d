"""Results with planted structure: which heads respond to which contrast is known."""

import numpy as np

from plantain.data.heads import HeadMap
from plantain.data.result import ProbeResult
from plantain.data.settings import ProbeConfig

# 4 attention heads of 2 runs a block; 8 + 24 runs in joint and single attention, 24 in the MLP.
HEAD_MAP = HeadMap(n_joint=1, n_single=3, n_attention_heads=4, head_width=32, mlp_width=128)
N_ATTENTION = 16
N_IMAGE, N_TEXT, N_PADDING = 16, 20, 12


def attention_runs(head):
    """The stored runs of an attention head, counted through all blocks."""
    first = HEAD_MAP.table("head")["first_run"][head]
    return slice(first, first + 2)


def on_heads(sizes):
    """{attention head: size} as {run: size}, both runs of a head alike."""
    return {run: size for head, size in sizes.items() for run in range(*attention_runs(head).indices(HEAD_MAP.n_runs))}


def planted(prompts, effects, model="planted", seed=0, noise=0.02, fingerprint="f", streams=(0, 1, 2), **config):
    """A whole run where the RMS of B exceeds that of A by ``effects``: {run: size}; elsewhere only noise."""
    rng = np.random.default_rng([seed, sum(map(ord, prompts.name))])
    n = len(prompts)
    rms = 1 + noise * rng.standard_normal((n, 2, 1, 1, 3, HEAD_MAP.n_runs))
    # Runs of one head share their noise, so that the head has the runs' t.
    for head in range(N_ATTENTION):
        runs = attention_runs(head)
        rms[..., runs] = rms[..., runs.start : runs.start + 1]
    for run, size in effects.items():
        for stream in streams:
            rms[:, 1, :, :, stream, run] += size
    counts = np.tile(np.array([N_IMAGE, N_TEXT, N_PADDING]), (n, 2, 1)).astype(np.int64)
    provenance = {"model": model, "weights_fingerprint": fingerprint}
    return ProbeResult((rms**2).astype(np.float32), counts, prompts, ProbeConfig(**config), HEAD_MAP, provenance)
