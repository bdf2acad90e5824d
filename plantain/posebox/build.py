"""Posebox's architecture: Klein's components and block counts, at a width a CPU runs in seconds."""

from __future__ import annotations

from typing import Any

from plantain.posebox.tokenizer import load_tokenizer

TEXT_WIDTH = 64
TEXT_LAYERS = 4
LATENT_CHANNELS = 8
IMAGE_SIZE = 128


def build_random(seed: int = 0) -> Any:
    """A ``Flux2KleinPipeline`` of Posebox's sizes whose weights are all random, built in memory.

    >>> pipe = plantain.load_pipeline("posebox-random")

    5 joint and 20 single blocks, so that block names line up with Klein's; 3 heads of 32 channels;
    510 card heads and 75 attention heads. The same seed gives the same weights; the process's own
    random state is left as it was. Its pictures are noise: it has learned nothing.
    """
    import torch
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
                hidden_size=TEXT_WIDTH,
                intermediate_size=3 * TEXT_WIDTH,
                num_hidden_layers=TEXT_LAYERS,
                num_attention_heads=4,
                num_key_value_heads=2,
                head_dim=16,
                max_position_embeddings=512,
                tie_word_embeddings=True,
                pad_token_id=tokenizer.pad_token_id,
                eos_token_id=tokenizer.eos_token_id,
                bos_token_id=None,
            )
        )
        transformer = Flux2Transformer2DModel(
            in_channels=4 * LATENT_CHANNELS,
            num_layers=5,
            num_single_layers=20,
            attention_head_dim=32,
            num_attention_heads=3,
            joint_attention_dim=3 * TEXT_WIDTH,  # hidden states of three depths, side by side
            axes_dims_rope=(8, 8, 8, 8),
            guidance_embeds=False,
        )
        vae = AutoencoderKLFlux2(
            block_out_channels=(16, 32, 48, 64),
            layers_per_block=1,
            latent_channels=LATENT_CHANNELS,
            norm_num_groups=8,
            sample_size=IMAGE_SIZE,
            mid_block_add_attention=False,
        )
    scheduler = FlowMatchEulerDiscreteScheduler(
        num_train_timesteps=1000,
        shift=3.0,
        use_dynamic_shifting=True,
        base_shift=0.5,
        max_shift=1.15,
        base_image_seq_len=256,
        max_image_seq_len=4096,
        time_shift_type="exponential",
    )
    pipe = Flux2KleinPipeline(
        scheduler=scheduler,
        vae=vae.eval(),
        text_encoder=text_encoder.eval(),
        tokenizer=tokenizer,
        transformer=transformer.eval(),
        is_distilled=False,
    )
    pipe.set_progress_bar_config(disable=True)
    return pipe
