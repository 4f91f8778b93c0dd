"""A toy FLUX.1 Kontext of the real classes; both its tokenizers are of a simpler kind."""

from pathlib import Path
from typing import Any

from diffusers import FlowMatchEulerDiscreteScheduler, FluxKontextPipeline, FluxTransformer2DModel
from transformers import CLIPTextConfig, CLIPTextModel

from tests import tiny, tiny_dreamlite, tiny_flux


def pipeline(*, guided: bool = True, seed: int = 0) -> Any:
    """Build a bare pipeline; there is one kind, which is told its guidance."""
    short, long = tiny.clip_tokenizer(), tiny_dreamlite.tokenizer()
    with tiny.seeded(seed):
        transformer = FluxTransformer2DModel(
            in_channels=16,
            num_layers=1,
            num_single_layers=1,
            attention_head_dim=16,
            num_attention_heads=2,
            joint_attention_dim=tiny_flux.WIDTH,
            pooled_projection_dim=tiny_flux.WIDTH,
            axes_dims_rope=(4, 4, 8),
            guidance_embeds=True,
        )
        vae = tiny_flux.vae()
        pooled = CLIPTextModel(
            CLIPTextConfig(
                vocab_size=len(short),
                hidden_size=tiny_flux.WIDTH,
                intermediate_size=37,
                num_hidden_layers=1,
                num_attention_heads=4,
                projection_dim=tiny_flux.WIDTH,
                bos_token_id=short.bos_token_id,
                eos_token_id=short.eos_token_id,
                pad_token_id=short.pad_token_id,
            )
        )
        states = tiny_flux.t5_encoder(long)
    pipe = FluxKontextPipeline(
        scheduler=FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True),
        vae=vae.eval(),
        text_encoder=pooled.eval(),
        tokenizer=short,
        text_encoder_2=states.eval(),
        tokenizer_2=long,
        transformer=transformer.eval(),
    )
    pipe.set_progress_bar_config(disable=True)
    return pipe


def asked(size: tuple[int, int]) -> dict[str, Any]:
    """Return what its pipeline is told besides, to draw a picture at a size, (width, height)."""
    width, height = size
    return {"width": width, "height": height, "max_area": width * height, "_auto_resize": False}


def folder(path: Path, *, guided: bool = True) -> Path:
    """Write such a pipeline in the layout of diffusers, and return its folder."""
    tiny_dreamlite.save(pipeline(), path)
    return path
