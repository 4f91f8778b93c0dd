"""A single file as Stable Diffusion's first releases had it: toy weights under the original names."""

import re
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from editors import InstructionEdit, InstructPix2PixEditor
from editors.models import load
from tests import tiny

UNET_NAMES = [
    (r"^time_embedding\.linear_1", "time_embed.0"),
    (r"^time_embedding\.linear_2", "time_embed.2"),
    (r"^conv_in", "input_blocks.0.0"),
    (r"^conv_norm_out", "out.0"),
    (r"^conv_out", "out.2"),
    (r"^mid_block\.resnets\.0", "middle_block.0"),
    (r"^mid_block\.attentions\.0", "middle_block.1"),
    (r"^mid_block\.resnets\.1", "middle_block.2"),
    (r"(block\S*)\.norm1\.(?=\w+$)(?<!transformer_blocks.0.norm1.)", r"\1.in_layers.0."),
    (r"\.conv1\.", ".in_layers.2."),
    (r"(block\S*)\.norm2\.(?=\w+$)(?<!transformer_blocks.0.norm2.)", r"\1.out_layers.0."),
    (r"\.conv2\.", ".out_layers.3."),
    (r"\.time_emb_proj\.", ".emb_layers.1."),
    (r"\.conv_shortcut\.", ".skip_connection."),
]
VAE_NAMES: list[tuple[str, Any]] = [
    (r"mid_block\.resnets\.0", "mid.block_1"),
    (r"mid_block\.resnets\.1", "mid.block_2"),
    (r"mid_block\.attentions\.0", "mid.attn_1"),
    (r"attn_1\.group_norm", "attn_1.norm"),
    (r"attn_1\.to_([qkv])\.", r"attn_1.\1."),
    (r"attn_1\.to_out\.0", "attn_1.proj_out"),
    (r"down_blocks\.(\d)\.resnets\.(\d)", r"down.\1.block.\2"),
    (r"down_blocks\.(\d)\.downsamplers\.0", r"down.\1.downsample"),
    (r"up_blocks\.(\d)\.resnets\.(\d)", lambda m: f"up.{2 - int(m[1])}.block.{m[2]}"),
    (r"up_blocks\.(\d)\.upsamplers\.0", lambda m: f"up.{2 - int(m[1])}.upsample"),
    (r"conv_shortcut", "nin_shortcut"),
    (r"conv_norm_out", "norm_out"),
]


def renamed(state, names, prefix):
    result = {}
    for name, tensor in state.items():
        for pattern, replacement in names:
            name = re.sub(pattern, replacement, name)
        result[prefix + name] = tensor.clone()
    return result


def unet_state(unet):
    """The toy UNet's weights, numbered through as the original does: one resnet and one move a level."""
    state = {}
    for name, tensor in unet.state_dict().items():
        name = re.sub(
            r"^down_blocks\.(\d)\.resnets\.0", lambda m: f"input_blocks.{1 + 2 * int(m[1])}.0", name
        )
        name = re.sub(
            r"^down_blocks\.(\d)\.attentions\.0", lambda m: f"input_blocks.{1 + 2 * int(m[1])}.1", name
        )
        name = re.sub(
            r"^down_blocks\.(\d)\.downsamplers\.0\.conv",
            lambda m: f"input_blocks.{2 + 2 * int(m[1])}.0.op",
            name,
        )
        name = re.sub(
            r"^up_blocks\.(\d)\.(resnets|attentions)\.(\d)",
            lambda m: f"output_blocks.{2 * int(m[1]) + int(m[3])}.{0 if m[2] == 'resnets' else 1}",
            name,
        )
        name = re.sub(
            r"^up_blocks\.(\d)\.upsamplers\.0", lambda m: f"output_blocks.{2 * int(m[1]) + 1}.2", name
        )
        state[name] = tensor
    return renamed(state, UNET_NAMES, "model.diffusion_model.")


def vae_state(vae):
    state = renamed(vae.state_dict(), VAE_NAMES, "first_stage_model.")
    squares = re.compile(r"attn_1\.(q|k|v|proj_out)\.weight$")
    return {
        name: tensor[..., None, None] if squares.search(name) else tensor for name, tensor in state.items()
    }


@pytest.fixture
def single_file(tmp_path):
    pipe = tiny.pipeline()
    pipe.save_pretrained(tmp_path / "snow")
    for weights in (tmp_path / "snow").rglob("*.safetensors"):
        weights.unlink()  # what lies beside the file is configuration alone
    words = {
        f"cond_stage_model.transformer.text_model.{k}": v for k, v in pipe.text_encoder.state_dict().items()
    }
    state = {**unet_state(pipe.unet), **vae_state(pipe.vae), **words}
    save_file({name: tensor.contiguous() for name, tensor in state.items()}, tmp_path / "snow.safetensors")
    return pipe, tmp_path / "snow.safetensors"


def test_a_single_file_gives_the_picture_of_the_pipeline_it_came_from(single_file):
    pipe, path = single_file
    model = load(str(path), kind="edit", device="cpu")
    for part in ("unet", "vae", "text_encoder"):
        ours, theirs = getattr(model, part).state_dict(), getattr(pipe, part).state_dict()
        assert all(torch.equal(ours[name], theirs[name]) for name in theirs)
    edit = InstructionEdit(original_image=tiny.photo(), edit_prompt="add snow", num_inference_steps=2, seed=1)
    theirs = InstructPix2PixEditor.from_pipeline(pipe).edit(edit)
    assert InstructPix2PixEditor(model).edit(edit).edited_image == theirs.edited_image
