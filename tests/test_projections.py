"""Random projections of a block's input: they take the heads' place in the hooks, and nothing else is changed."""

import importlib
import json

import numpy as np
import pytest
import torch

from plantain.data.heads import HeadMap
from plantain.paths import ROOT
from plantain.probe.tokens import ImageTokens
from plantain.questions import projections


@pytest.fixture(scope="module")
def check():
    """The script that makes the check."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT / "benchmarks" / "findings"))
        yield importlib.import_module("random_projections")


def read(pipe, hooks):
    """What a reader is handed of every block, of one forward of random latents."""
    transformer, values = pipe.transformer, {}
    generator = torch.Generator().manual_seed(0)
    n_image, n_text = 9, 4
    grid = torch.cartesian_prod(torch.zeros(1), torch.arange(3.0), torch.arange(3.0), torch.zeros(1))
    text = torch.cartesian_prod(torch.zeros(1), torch.zeros(1), torch.zeros(1), torch.arange(float(n_text)))
    with torch.no_grad(), hooks(transformer, lambda block, x: values.update({block: x.clone()})):
        transformer(
            hidden_states=torch.randn(1, n_image, transformer.config.in_channels, generator=generator),
            encoder_hidden_states=torch.randn(1, n_text, transformer.config.joint_attention_dim, generator=generator),
            timestep=torch.ones(1),
            img_ids=grid[None],
            txt_ids=text[None],
            guidance=None,
        )
    return values


def test_pseudo_heads_are_projections_of_the_normed_input_in_the_heads_place(check, posebox):
    heads, normed = HeadMap.from_transformer(posebox.transformer), {}
    blocks = [*posebox.transformer.transformer_blocks, *posebox.transformer.single_transformer_blocks]
    norms = [block.norm1 if n < heads.n_joint else block.norm for n, block in enumerate(blocks)]
    handles = [
        norm.register_forward_hook(lambda module, args, out, n=n: normed.update({n: (args[0], out)}))
        for n, norm in enumerate(norms)
    ]
    try:
        own, found = read(posebox, ImageTokens), read(posebox, check.projections(heads, seed=1))
    finally:
        for handle in handles:
            handle.remove()
    width = heads.n_attention_heads * heads.head_width
    for n in range(len(blocks)):
        assert found[n].shape == own[n].shape
        stream, out = (x[:, -own[n].shape[1] :] for x in normed[n])
        mean, std = stream.mean(dim=-1, keepdim=True), stream.std(dim=-1, keepdim=True, correction=0)
        torch.testing.assert_close(out, (stream - mean) / std, rtol=1e-3, atol=1e-3)
        drawn = np.random.default_rng((1, n)).normal(size=(stream.shape[-1], width)) / stream.shape[-1] ** 0.5
        torch.testing.assert_close(found[n][..., :width], out @ torch.as_tensor(drawn, dtype=torch.float32))
        assert not found[n][..., width:].any()
    other = read(posebox, check.projections(heads, seed=2))
    assert not torch.allclose(other[0][..., :width], found[0][..., :width])


def test_what_is_kept_judged_the_models_own_heads_as_the_bundled_run_does():
    """The check reads them once more by the same code: their counts are the ladder's."""
    from plantain.data.family import load_family
    from plantain.paths import RUNS
    from plantain.questions.ladder import ladder

    kept, found = json.loads(projections.KEPT.read_text(encoding="utf-8")), ladder(load_family([RUNS / "dense"]))
    for name in projections.PROJECTED:
        trained = found.of(name, "attention heads")["trained"]
        assert trained.count == pytest.approx(kept["heads"][name], abs=1)  # a kernel rounds a t of 3 either way
        assert trained.n_heads == kept["n_heads"]
    assert min(found.projected("place")) > kept["heads"]["place"]
    assert min(found.projected("deformation")) > kept["heads"]["deformation"]
