"""A toy Stable Diffusion 3.5 of the real classes, all of them, which draws from words."""

from pathlib import Path
from typing import Any

from diffusers import FlowMatchEulerDiscreteScheduler, SD3Transformer2DModel, StableDiffusion3Pipeline
from transformers import CLIPTextModelWithProjection

from tests import tiny, tiny_dreamlite
from tests.tiny_flux import WIDTH, clip_config, t5_encoder, t5_tokenizer, telling, vae


def pipeline(*, guided: bool = True, third: bool = True, seed: int = 0) -> Any:
    """Build a bare pipeline, with all three text encoders or without the third."""
    short, other, long = tiny.clip_tokenizer(), tiny.clip_tokenizer(), t5_tokenizer()
    with tiny.seeded(seed):
        transformer = SD3Transformer2DModel(
            sample_size=32,
            patch_size=2,
            in_channels=4,
            num_layers=3,
            attention_head_dim=16,
            num_attention_heads=2,
            joint_attention_dim=2 * WIDTH,
            caption_projection_dim=32,
            pooled_projection_dim=2 * WIDTH,
            out_channels=4,
            pos_embed_max_size=40,
            dual_attention_layers=(0, 1),
            qk_norm="rms_norm",
        )
        parts: dict[str, Any] = {
            "vae": vae().eval(),
            "text_encoder": CLIPTextModelWithProjection(clip_config(short)).eval(),
            "text_encoder_2": CLIPTextModelWithProjection(clip_config(other)).eval(),
            "text_encoder_3": t5_encoder(long, width=2 * WIDTH).eval() if third else None,
        }
    pipe = StableDiffusion3Pipeline(
        scheduler=FlowMatchEulerDiscreteScheduler(shift=3.0),
        tokenizer=short,
        tokenizer_2=other,
        tokenizer_3=long if third else None,
        transformer=telling(transformer).eval(),
        **parts,
    )
    pipe.set_progress_bar_config(disable=True)
    return pipe


def folder(path: Path, *, guided: bool = True, third: bool = True) -> Path:
    """Write such a pipeline in the layout of diffusers, and return its folder."""
    tiny_dreamlite.save(pipeline(third=third), path)
    return path
