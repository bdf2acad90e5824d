"""A Klein-shaped pipeline of any size, its weights random."""

from dataclasses import dataclass
from typing import Any

import torch
from diffusers import (
    AutoencoderKLFlux2,
    FlowMatchEulerDiscreteScheduler,
    Flux2KleinPipeline,
    Flux2Transformer2DModel,
)
from transformers import Qwen3Config, Qwen3ForCausalLM

from plantain.posebox.tokenizer import load_tokenizer


@dataclass(frozen=True)
class Sizes:
    """Widths and depths of a pipeline; the defaults are Posebox's: Klein's blocks, so that their names line up."""

    joint_blocks: int = 5
    single_blocks: int = 20
    heads: int = 3
    head_width: int = 32
    mlp_ratio: float = 3.0
    rope: tuple[int, ...] = (8, 8, 8, 8)
    text_layers: int = 4
    text_width: int = 96
    text_mlp_width: int = 288
    text_heads: int = 6
    text_head_width: int = 16
    # As few as draw well: every channel is scaled to unit variance, so one that holds little detail would
    # weigh as much in training as one that holds the figure, and a block 96 channels wide must carry them all.
    latent_channels: int = 8
    vae_channels: tuple[int, ...] = (16, 32, 64, 96)
    norm_groups: int = 8
    image_size: int | tuple[int, int] = 128


POSEBOX = Sizes()


def build(sizes: Sizes = POSEBOX, seed: int = 0) -> Any:
    """A ``Flux2KleinPipeline`` of the given sizes whose weights are all random, built in memory.

    >>> pipe = build(seed=1)

    The same seed gives the same weights; the process's own random state is left as it was.
    """
    tokenizer = load_tokenizer()
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)  # the CPU's alone
        text_encoder = _text_encoder(sizes, tokenizer)
        transformer = build_transformer(sizes)
        vae = AutoencoderKLFlux2(
            down_block_types=("DownEncoderBlock2D",) * len(sizes.vae_channels),
            up_block_types=("UpDecoderBlock2D",) * len(sizes.vae_channels),
            block_out_channels=sizes.vae_channels,
            layers_per_block=1,
            latent_channels=sizes.latent_channels,
            norm_num_groups=sizes.norm_groups,
            sample_size=sizes.image_size,
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


def _text_encoder(sizes: Sizes, tokenizer: Any) -> Any:
    return Qwen3ForCausalLM(
        Qwen3Config(
            vocab_size=len(tokenizer),
            hidden_size=sizes.text_width,
            intermediate_size=sizes.text_mlp_width,
            num_hidden_layers=sizes.text_layers,
            num_attention_heads=sizes.text_heads,
            num_key_value_heads=2,
            head_dim=sizes.text_head_width,
            max_position_embeddings=512,
            tie_word_embeddings=True,
            pad_token_id=tokenizer.pad_token_id,
            eos_token_id=tokenizer.eos_token_id,
            bos_token_id=None,
        )
    )


def build_transformer(sizes: Sizes = POSEBOX) -> Any:
    """The transformer alone, with weights from torch's random state as it stands."""
    return Flux2Transformer2DModel(
        in_channels=4 * sizes.latent_channels,
        num_layers=sizes.joint_blocks,
        num_single_layers=sizes.single_blocks,
        attention_head_dim=sizes.head_width,
        num_attention_heads=sizes.heads,
        joint_attention_dim=3 * sizes.text_width,  # hidden states of three depths, side by side
        mlp_ratio=sizes.mlp_ratio,
        axes_dims_rope=sizes.rope,
        guidance_embeds=False,
    ).eval()
