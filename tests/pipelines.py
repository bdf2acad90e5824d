"""Small random pipelines and what several test files do with them."""

from dataclasses import replace

import torch

from plantain.model.text import call_arguments
from plantain.posebox.build import Sizes, build

# Sizes that fit no assumption but the architecture's: odd counts, a head width that is not a power
# of two, an MLP twice as wide as the attention, a picture that is not square.
ODD = Sizes(
    joint_blocks=3,
    single_blocks=7,
    heads=5,
    head_width=48,
    mlp_ratio=2.0,
    rope=(8, 16, 16, 8),
    text_layers=8,
    text_width=40,
    text_mlp_width=72,
    text_heads=4,
    text_head_width=10,
    latent_channels=4,
    vae_channels=(8, 16, 16),
    norm_groups=4,
    image_size=(96, 64),
)


def build_odd(seed=0, **sizes):
    """A random Flux2KleinPipeline of sizes that neither Klein nor Posebox has."""
    return build(replace(ODD, **sizes), seed)


def build_planted(seed=0, **sizes):
    """A random pipeline of the architecture of ``made_runs.PLANTED``: 4 × 4 tokens of an image, 32 of text."""
    small = {"joint_blocks": 1, "single_blocks": 3, "heads": 4, "head_width": 32, "mlp_ratio": 1.0}
    pipe = build_odd(seed, **({"rope": (8, 8, 8, 8), "image_size": (32, 32)} | small | sizes))
    pipe.tokenizer.model_max_length = 32
    return pipe


def draw(pipe, prompts, seed=0, **options):
    """Run the pipeline on texts as a user would, each with the noise of ``seed``; the final latents."""
    generators = [torch.Generator("cpu").manual_seed(seed) for _ in prompts]
    options = {"num_inference_steps": 1, "guidance_scale": 1.0, **call_arguments(pipe), **options}
    return pipe(prompt=list(prompts), generator=generators, output_type="latent", **options).images


def projections(transformer):
    """(name, module) of every output projection, found by walking the blocks."""
    found = []
    for i, block in enumerate(transformer.transformer_blocks):
        found += [(f"joint[{i}].to_out", block.attn.to_out[0]), (f"joint[{i}].to_add_out", block.attn.to_add_out)]
    for i, block in enumerate(transformer.single_transformer_blocks):
        found.append((f"single[{i}].to_out", block.attn.to_out))
    return found


def n_hooks(model):
    """Hooks of any kind on a model and all its modules."""
    return sum(
        len(getattr(module, kind))
        for module in model.modules()
        for kind in ("_forward_pre_hooks", "_forward_hooks", "_backward_hooks", "_backward_pre_hooks")
    )
