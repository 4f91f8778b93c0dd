"""A toy FLUX.2 Klein of the real classes."""

from pathlib import Path
from typing import Any

from diffusers import (
    AutoencoderKLFlux2,
    FlowMatchEulerDiscreteScheduler,
    Flux2KleinPipeline,
    Flux2Transformer2DModel,
)
from transformers import Qwen3Config, Qwen3ForCausalLM

from tests import tiny, tiny_dreamlite

_WIDTH = 8
_LAYERS = 28
"""The pipeline reads the 9th, 18th and 27th layer."""
_TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n"
    "{% endfor %}<|im_start|>assistant\n"
)


def pipeline(*, guided: bool = True, kind: Any = Flux2KleinPipeline, seed: int = 0) -> Any:
    """Build a bare pipeline; without guidance it is the distilled one, as it is of the KV kind."""
    reader = tiny_dreamlite.tokenizer()
    reader.chat_template = _TEMPLATE
    with tiny.seeded(seed):
        transformer = Flux2Transformer2DModel(
            patch_size=1,
            in_channels=16,
            num_layers=1,
            num_single_layers=1,
            attention_head_dim=16,
            num_attention_heads=2,
            joint_attention_dim=3 * _WIDTH,
            timestep_guidance_channels=256,
            axes_dims_rope=(4, 4, 4, 4),
            guidance_embeds=False,
        )
        vae = AutoencoderKLFlux2(
            block_out_channels=(4, 4),
            down_block_types=("DownEncoderBlock2D",) * 2,
            up_block_types=("UpDecoderBlock2D",) * 2,
            latent_channels=4,
            norm_num_groups=1,
            layers_per_block=1,
            sample_size=32,
        )
        vae.bn.running_mean.normal_()
        vae.bn.running_var.uniform_(0.5, 2)
        text_encoder = Qwen3ForCausalLM(
            Qwen3Config(
                vocab_size=len(reader),
                hidden_size=_WIDTH,
                intermediate_size=16,
                num_hidden_layers=_LAYERS,
                num_attention_heads=2,
                num_key_value_heads=1,
                head_dim=8,
                tie_word_embeddings=True,  # as Qwen3's are: the file lacks a weight that is not missing
            )
        )
    pipe = kind(
        scheduler=FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True),
        vae=vae.eval(),
        text_encoder=text_encoder.eval(),
        tokenizer=reader,
        transformer=transformer.eval(),
        is_distilled=not guided,
    )
    pipe.set_progress_bar_config(disable=True)
    return pipe


def asked(size: tuple[int, int]) -> dict[str, Any]:
    """Return what its pipeline is told besides, for a size: nothing, it keeps the photo's."""
    return {}


def folder(path: Path, *, guided: bool = True) -> Path:
    """Write such a pipeline in the layout of diffusers, and return its folder."""
    tiny_dreamlite.save(pipeline(guided=guided), path, is_distilled=not guided)
    return path
