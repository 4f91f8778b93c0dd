"""A toy LongCat-Image-Edit of the real classes, its language model among them."""

from pathlib import Path
from typing import Any

from diffusers import (
    AutoencoderKL,
    FlowMatchEulerDiscreteScheduler,
    LongCatImageEditPipeline,
    LongCatImageTransformer2DModel,
)

from editors.model.backbones.qwen_processor import QwenProcessor
from tests import tiny, tiny_dreamlite, tiny_qwen


def pipeline(*, guided: bool = True, seed: int = 0) -> Any:
    """Build a bare pipeline; nothing in it tells whether it needs guidance."""
    reader = tiny_dreamlite.tokenizer()
    with tiny.seeded(seed):
        transformer = LongCatImageTransformer2DModel(
            in_channels=64,
            num_layers=1,
            num_single_layers=1,
            attention_head_dim=16,
            num_attention_heads=2,
            joint_attention_dim=tiny_qwen.WIDTH,
            pooled_projection_dim=tiny_qwen.WIDTH,
            axes_dims_rope=[4, 4, 8],
        )
        vae = AutoencoderKL(
            block_out_channels=(4, 4),
            down_block_types=("DownEncoderBlock2D",) * 2,
            up_block_types=("UpDecoderBlock2D",) * 2,
            latent_channels=16,  # which the pipeline counts on
            norm_num_groups=1,
            use_quant_conv=False,
            use_post_quant_conv=False,
            shift_factor=0.1159,
            scaling_factor=0.3611,
        )
        text_encoder = tiny_qwen.language_model(reader)
    pipe = LongCatImageEditPipeline(
        scheduler=FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True),
        vae=vae.eval(),
        text_encoder=text_encoder,
        tokenizer=reader,
        text_processor=QwenProcessor(tiny_dreamlite.image_processor(), reader),
        transformer=transformer.eval(),
    )
    pipe.set_progress_bar_config(disable=True)
    return pipe


def asked(size: tuple[int, int]) -> dict[str, Any]:
    """Return what its pipeline is told besides, for a size: nothing."""
    return {}


def folder(path: Path, *, guided: bool = True) -> Path:
    """Write such a pipeline in the layout of diffusers, and return its folder."""
    tiny_dreamlite.save(pipeline(), path)
    return path
