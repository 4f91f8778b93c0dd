"""Toy Qwen-Image-Edits of the real classes, their language model among them."""

from pathlib import Path
from typing import Any

from diffusers import (
    AutoencoderKLQwenImage,
    FlowMatchEulerDiscreteScheduler,
    QwenImageEditPipeline,
    QwenImageEditPlusPipeline,
    QwenImageTransformer2DModel,
)
from transformers import Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration

from editors.model.backbones.qwen_processor import QwenProcessor
from tests import tiny, tiny_dreamlite

WIDTH = 16


def language_model(reader: Any) -> Any:
    """Build a Qwen2.5-VL, which reads pictures in parts of 32 pixels."""
    tokens = {
        f"{mark}_token_id": reader.convert_tokens_to_ids(f"<|{mark}|>") for mark in tiny_dreamlite.MARKS
    }
    text = {
        "vocab_size": len(reader),
        "hidden_size": WIDTH,
        "intermediate_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "num_key_value_heads": 1,
        "max_position_embeddings": 2048,
        "rope_parameters": {"rope_type": "default", "mrope_section": [2, 1, 1], "rope_theta": 10000.0},
    }
    vision = {
        "depth": 1,
        "hidden_size": 16,
        "intermediate_size": 32,
        "num_heads": 2,
        "patch_size": 16,
        "spatial_merge_size": 2,
        "temporal_patch_size": 2,
        "window_size": 64,
        "out_hidden_size": WIDTH,
        "fullatt_block_indexes": [0],
    }
    config = Qwen2_5_VLConfig(
        text_config=text,
        vision_config=vision,
        image_token_id=tokens["image_pad_token_id"],
        video_token_id=tokens["video_pad_token_id"],
        vision_start_token_id=tokens["vision_start_token_id"],
        vision_end_token_id=tokens["vision_end_token_id"],
    )
    return Qwen2_5_VLForConditionalGeneration(config).eval()


def pipeline(*, guided: bool = True, seed: int = 0, is_first: bool = False) -> Any:
    """Build a bare pipeline: of the first kind, or as 2511, in whose network pictures stand at time 0."""
    reader = tiny_dreamlite.tokenizer()
    with tiny.seeded(seed):
        transformer = QwenImageTransformer2DModel(
            in_channels=16,
            out_channels=4,
            num_layers=2,
            attention_head_dim=16,
            num_attention_heads=3,
            joint_attention_dim=WIDTH,
            axes_dims_rope=(8, 4, 4),
            zero_cond_t=not is_first,
        )
        vae = AutoencoderKLQwenImage(
            base_dim=16,
            z_dim=4,
            dim_mult=[1, 1, 1],
            num_res_blocks=1,
            temperal_downsample=[False, True],
            latents_mean=[0.1, -0.2, 0.3, 0.0],
            latents_std=[1.5, 0.7, 1.0, 2.0],
        )
        text_encoder = language_model(reader)
    pipe = (QwenImageEditPipeline if is_first else QwenImageEditPlusPipeline)(
        scheduler=FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True),
        vae=vae.eval(),
        text_encoder=text_encoder,
        tokenizer=reader,
        processor=QwenProcessor(tiny_dreamlite.image_processor(), reader),
        transformer=transformer.eval(),
    )
    pipe.set_progress_bar_config(disable=True)
    return pipe


def asked(size: tuple[int, int]) -> dict[str, Any]:
    """Return what its pipeline is told besides: what stands for no words, or it would not be guided."""
    return {"negative_prompt": " "}


def folder(path: Path, *, guided: bool = True) -> Path:
    """Write such a pipeline in the layout of diffusers, and return its folder."""
    tiny_dreamlite.save(pipeline(), path)
    return path
