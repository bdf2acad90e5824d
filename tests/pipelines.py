"""Small random pipelines and what several test files do with them."""

import torch

from plantain.pipeline import call_arguments
from plantain.posebox.tokenizer import load_tokenizer

# Sizes that fit no assumption but the architecture's: odd counts, a head width that is not a power
# of two, an MLP twice as wide as the attention, a picture that is not square.
ODD = {"joint": 3, "single": 7, "heads": 5, "width": 48, "mlp_ratio": 2.0, "text_width": 40, "size": (96, 64)}


def build_odd(seed=0, mlp_ratio=ODD["mlp_ratio"]):
    """A random Flux2KleinPipeline of sizes that neither Klein nor Posebox has."""
    from diffusers import (
        AutoencoderKLFlux2,
        FlowMatchEulerDiscreteScheduler,
        Flux2KleinPipeline,
        Flux2Transformer2DModel,
    )
    from transformers import Qwen3Config, Qwen3ForCausalLM

    tokenizer = load_tokenizer()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        text_encoder = Qwen3ForCausalLM(
            Qwen3Config(
                vocab_size=len(tokenizer),
                hidden_size=ODD["text_width"],
                intermediate_size=72,
                num_hidden_layers=8,
                num_attention_heads=4,
                num_key_value_heads=2,
                head_dim=10,
                max_position_embeddings=256,
                tie_word_embeddings=True,
                pad_token_id=tokenizer.pad_token_id,
                eos_token_id=tokenizer.eos_token_id,
                bos_token_id=None,
            )
        )
        transformer = Flux2Transformer2DModel(
            in_channels=16,
            num_layers=ODD["joint"],
            num_single_layers=ODD["single"],
            attention_head_dim=ODD["width"],
            num_attention_heads=ODD["heads"],
            joint_attention_dim=3 * ODD["text_width"],
            mlp_ratio=mlp_ratio,
            axes_dims_rope=(8, 16, 16, 8),
            guidance_embeds=False,
        )
        vae = AutoencoderKLFlux2(
            down_block_types=("DownEncoderBlock2D",) * 3,
            up_block_types=("UpDecoderBlock2D",) * 3,
            block_out_channels=(8, 16, 16),
            layers_per_block=1,
            latent_channels=4,
            norm_num_groups=4,
            sample_size=ODD["size"],
            mid_block_add_attention=False,
        )
    pipe = Flux2KleinPipeline(
        scheduler=FlowMatchEulerDiscreteScheduler(
            shift=3.0, use_dynamic_shifting=True, base_shift=0.5, max_shift=1.15, time_shift_type="exponential"
        ),
        vae=vae.eval(),
        text_encoder=text_encoder.eval(),
        tokenizer=tokenizer,
        transformer=transformer.eval(),
        is_distilled=False,
    )
    pipe.set_progress_bar_config(disable=True)
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
