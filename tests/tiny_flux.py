"""A toy FLUX.1 of the real classes, all of them, which draws from words."""

from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL, FlowMatchEulerDiscreteScheduler, FluxPipeline, FluxTransformer2DModel
from transformers import CLIPTextConfig, CLIPTextModel, T5Config, T5EncoderModel, T5Tokenizer

from tests import tiny, tiny_dreamlite

WIDTH = 32


def t5_tokenizer() -> Any:
    """Build a tokenizer of T5's kind that knows `tiny.WORDS`, and letters."""
    letters = "abcdefghijklmnopqrstuvwxyz0123456789.,!?'-"
    marks = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", -20.0), ("▁", -9.0)]
    known = [(f"▁{word}", -3.0) for word in tiny.WORDS if not word.startswith("##")]
    pieces = [*marks, *known, *((letter, -6.0) for letter in letters)]
    return T5Tokenizer(vocab=list(dict(pieces).items()), extra_ids=0, model_max_length=512)


def t5_encoder(reader: Any, *, width: int = WIDTH) -> Any:
    """Build an encoder of T5's kind."""
    shape = {"d_model": width, "d_kv": 8, "d_ff": 37, "num_layers": 1, "num_heads": 4}
    return T5EncoderModel(T5Config(vocab_size=len(reader), **shape))


def clip_config(reader: Any) -> Any:
    """Configure an encoder of CLIP's kind."""
    return CLIPTextConfig(
        vocab_size=len(reader),
        hidden_size=WIDTH,
        intermediate_size=37,
        num_hidden_layers=2,
        num_attention_heads=4,
        projection_dim=WIDTH,
        bos_token_id=reader.bos_token_id,
        eos_token_id=reader.eos_token_id,
        pad_token_id=reader.pad_token_id,
    )


@torch.no_grad()
def telling(transformer: Any) -> Any:
    """Let words be looked at, as trained weights do, more than they matter as one vector."""
    transformer.context_embedder.weight.mul_(4)
    transformer.time_text_embed.text_embedder.linear_2.weight.mul_(0.02)
    for name, parameter in transformer.named_parameters():
        if name.endswith(("norm_q.weight", "norm_k.weight", "norm_added_k.weight")):
            parameter.mul_(2)
        if name.endswith((".norm1.linear.weight", ".norm.linear.weight")):
            parameter.mul_(4)
    return transformer


def vae() -> Any:
    """Build an autoencoder of two pixels to a latent's side."""
    return AutoencoderKL(
        block_out_channels=(4, 4),
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        latent_channels=4,
        norm_num_groups=1,
        use_quant_conv=False,
        use_post_quant_conv=False,
        shift_factor=0.0609,
        scaling_factor=1.5035,
    )


def pipeline(*, guided: bool = True, seed: int = 0) -> Any:
    """Build a bare pipeline, told its guidance (dev) or taught to do without (schnell)."""
    short, long = tiny.clip_tokenizer(), t5_tokenizer()
    with tiny.seeded(seed):
        transformer = FluxTransformer2DModel(
            in_channels=16,
            num_layers=2,
            num_single_layers=2,
            attention_head_dim=16,
            num_attention_heads=2,
            joint_attention_dim=WIDTH,
            pooled_projection_dim=WIDTH,
            axes_dims_rope=(4, 4, 8),
            guidance_embeds=guided,
        )
        parts = {
            "vae": vae().eval(),
            "text_encoder": CLIPTextModel(clip_config(short)).eval(),
            "text_encoder_2": t5_encoder(long).eval(),
        }
    pipe = FluxPipeline(
        scheduler=FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=guided),
        tokenizer=short,
        tokenizer_2=long,
        transformer=telling(transformer).eval(),
        **parts,
    )
    pipe.default_sample_size = 32  # the side that it draws, in latents, where nobody says
    pipe.set_progress_bar_config(disable=True)
    return pipe


def folder(path: Path, *, guided: bool = True) -> Path:
    """Write such a pipeline in the layout of diffusers, and return its folder."""
    tiny_dreamlite.save(pipeline(guided=guided), path)
    return path
