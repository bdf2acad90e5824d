"""Do random projections pass the ladder's tests? ``python benchmarks/findings/random_projections.py``.

For each seed, as many pseudo-heads as the model has attention heads, and as wide: each is a random Gaussian projection
of the layer-normed image-token stream that enters its block. No head has computed it. The pseudo-heads take the heads'
place in the hooks, so the same code reads, decodes and counts both. The model's own heads are read once more beside
them, which shows that this check judges as the bundled run does. Five minutes on two cores.

The counts are kept in ``assets/random_projections.json``; ``plantain/questions/projections.py`` reads them from there.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import numpy as np
import torch

import plantain
from plantain.data.dense import DenseResult
from plantain.data.family import Family
from plantain.data.heads import HeadMap
from plantain.data.pictures import load_pictures, prompts_digest
from plantain.model.noise import latent_grid
from plantain.paths import RUNS
from plantain.posebox.truth import bodies_of, figures_of
from plantain.probe.dense import iter_dense
from plantain.probe.probe import picture_size
from plantain.probe.tokens import ImageTokens
from plantain.questions.ladder import ladder
from plantain.questions.projections import KEPT, PROJECTED

SEEDS = range(5)
MODEL, PROMPTS = "posebox", "dense_pose"


def projections(heads: HeadMap, seed: int) -> type[ImageTokens]:
    """Hooks that hand over random projections of each block's layer-normed input in the place of its heads' values."""

    class Projections(ImageTokens):
        def _hook(self, number: int, block: Any) -> torch.utils.hooks.RemovableHandle:
            norm = block.norm1 if number < heads.n_joint else block.norm
            runs, n_attention = heads.runs_of(number), heads.n_attention_heads * heads.head_width
            n_other = (runs.stop - runs.start) * heads.channels_per_head - n_attention
            width = norm.normalized_shape[0]
            drawn = np.random.default_rng((seed, number)).normal(size=(width, n_attention)) / width**0.5
            weights = torch.as_tensor(drawn, dtype=torch.float32)

            def leaving(module: torch.nn.Module, args: Any, stream: torch.Tensor) -> None:
                projected = stream.float() @ weights.to(stream.device)
                # MLP channels, which are no attention heads, have no projection: they are silent.
                self._hand_over(number, torch.nn.functional.pad(projected, (0, n_other)))

            handle: torch.utils.hooks.RemovableHandle = norm.register_forward_hook(leaving)
            return handle

    return Projections


def counts(run: DenseResult) -> dict[str, int]:
    """Attention heads of a run that pass each of the tests, as the ladder counts them."""
    found = ladder(Family.of([run]))
    return {name: found.of(name, "attention heads")["trained"].count or 0 for name in PROJECTED}


def main() -> int:
    pipe, prompts, config = plantain.load_pipeline(MODEL), plantain.load_prompts(PROMPTS), plantain.ProbeConfig()
    size = picture_size(pipe, config)
    grid, pictures = latent_grid(pipe, *size), load_pictures(RUNS / "dense" / MODEL / PROMPTS, prompts)
    given = config, pictures, bodies_of(prompts, grid), figures_of(prompts, grid)
    heads = HeadMap.from_transformer(pipe.transformer, config.channels_per_head)
    kept: dict[str, Any] = {"model": MODEL, "prompts": PROMPTS, "prompts_digest": prompts_digest(prompts)}
    rows = []
    for seed in (None, *SEEDS):
        hooks = ImageTokens if seed is None else projections(heads, seed)
        *_, last = iter_dense(pipe, prompts, *given, hooks=hooks)
        assert last.result is not None
        row = counts(last.result)
        print("the model's heads" if seed is None else f"projections {seed}", row, file=sys.stderr, flush=True)
        if seed is None:
            kept |= {"weights_fingerprint": last.result.run.provenance["weights_fingerprint"]}
            kept |= {"n_heads": heads.n_heads("head"), "heads": row}
        else:
            rows.append({"seed": seed, **row})
    text = json.dumps(kept | {"projections": rows}, indent=1)
    KEPT.write_text(text + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
