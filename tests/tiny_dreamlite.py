"""A toy DreamLite of the real classes, its language model among them."""

import json
from pathlib import Path
from typing import Any

from diffusers import (
    AutoencoderTiny,
    DreamLiteMobilePipeline,
    DreamLitePipeline,
    DreamLiteUNetModel,
    FlowMatchEulerDiscreteScheduler,
)
from tokenizers.pre_tokenizers import ByteLevel
from transformers import (
    Qwen2Tokenizer,
    Qwen2VLImageProcessor,
    Qwen3VLConfig,
    Qwen3VLForConditionalGeneration,
)

from editors.model.backbones.qwen_processor import QwenProcessor
from tests import tiny

WIDTH = 16
MARKS = ("im_start", "im_end", "vision_start", "vision_end", "image_pad", "video_pad")


def tokenizer() -> Any:
    """Build a tokenizer of bytes and the marks of the family."""
    marks = ["<|endoftext|>", *(f"<|{mark}|>" for mark in MARKS)]
    vocabulary = {token: number for number, token in enumerate([*sorted(ByteLevel.alphabet()), *marks])}
    return Qwen2Tokenizer(
        vocab=vocabulary, merges=[], additional_special_tokens=marks[1:], model_max_length=768
    )


def image_processor() -> Any:
    """Build what cuts pictures for the language model, into four parts at most."""
    return Qwen2VLImageProcessor(
        patch_size=16, merge_size=2, temporal_patch_size=2, min_pixels=32**2, max_pixels=64**2
    )


def language_model(reader: Any) -> Any:
    """Build a model that sees."""
    tokens = {f"{mark}_token_id": reader.convert_tokens_to_ids(f"<|{mark}|>") for mark in MARKS}
    text = {
        "vocab_size": len(reader),
        "hidden_size": WIDTH,
        "intermediate_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "num_key_value_heads": 1,
        "head_dim": 8,
        "max_position_embeddings": 1024,
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
        "out_hidden_size": WIDTH,
        "num_position_embeddings": 16,
        "deepstack_visual_indexes": [0],
    }
    config = Qwen3VLConfig(
        text_config=text,
        vision_config=vision,
        tie_word_embeddings=True,  # as the small ones' are: the file lacks a weight that is not missing
        image_token_id=tokens["image_pad_token_id"],
        video_token_id=tokens["video_pad_token_id"],
        vision_start_token_id=tokens["vision_start_token_id"],
        vision_end_token_id=tokens["vision_end_token_id"],
    )
    return Qwen3VLForConditionalGeneration(config).eval()


def pipeline(*, guided: bool = True, seed: int = 0) -> Any:
    """Build a bare pipeline; without guidance it is the mobile one."""
    with tiny.seeded(seed):
        unet = DreamLiteUNetModel(
            sample_size=8,
            in_channels=4,
            out_channels=4,
            block_out_channels=(16, 32, 64),
            cross_attention_dim=WIDTH,
            attention_head_dim=8,
            layers_per_block=1,
            norm_num_groups=8,
            transformer_layers_per_block=1,
        )
        vae = AutoencoderTiny(
            encoder_block_out_channels=(8,) * 4,
            decoder_block_out_channels=(8,) * 4,
            num_encoder_blocks=(1,) * 4,
            num_decoder_blocks=(1,) * 4,
        )
        reader = tokenizer()
        text_encoder = language_model(reader)
    kind = DreamLitePipeline if guided else DreamLiteMobilePipeline
    pipe = kind(
        text_encoder=text_encoder,
        tokenizer=reader,
        processor=QwenProcessor(image_processor(), reader),
        vae=vae.eval(),
        unet=unet.eval(),
        scheduler=FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True),
    )
    pipe.set_progress_bar_config(disable=True)
    return pipe


def asked(size: tuple[int, int]) -> dict[str, Any]:
    """Return what its pipeline is told besides, for a size: nothing, it keeps the photo's."""
    return {}


def folder(path: Path, *, guided: bool = True) -> Path:
    """Write such a pipeline in the layout of diffusers, and return its folder."""
    save(pipeline(guided=guided), path)
    return path


def save(pipe: Any, path: Path, **told: Any) -> None:
    """Write the parts of a pipeline, and its index, which `told` stands in, too."""
    index: dict[str, Any] = {"_class_name": type(pipe).__name__, **told}
    for name, part in pipe.components.items():
        if part is None:
            index[name] = [None, None]
            continue
        library = type(part).__module__.partition(".")[0]
        index[name] = [library, type(part).__name__]
        if isinstance(part, QwenProcessor):
            # As transformers' own writes itself, which asks for one more package to be built.
            index[name] = ["transformers", "Qwen3VLProcessor"]
            part.image_processor.save_pretrained(path / name)
            part.tokenizer.save_pretrained(path / name)
            continue
        part.save_pretrained(path / name)
    (path / "model_index.json").write_text(json.dumps(index), encoding="utf-8")
