"""A single file as Stable Diffusion's first releases had it: toy weights under the original names."""

import re
from types import SimpleNamespace
from typing import Any

import psutil
import pytest
import torch
from safetensors.torch import save_file

from editors import IncompatibleModel, InstructionEdit, InstructPix2PixEditor
from editors.model.loading import needs as needs_module
from editors.model.loading.load import load
from editors.model.loading.needs import needs_of
from tests import tiny

UNET_NAMES = [
    (r"^time_embedding\.linear_1", "time_embed.0"),
    (r"^time_embedding\.linear_2", "time_embed.2"),
    (r"^add_embedding\.linear_1", "label_emb.0.0"),
    (r"^add_embedding\.linear_2", "label_emb.0.2"),
    (r"^conv_in", "input_blocks.0.0"),
    (r"^conv_norm_out", "out.0"),
    (r"^conv_out", "out.2"),
    (r"^mid_block\.resnets\.0", "middle_block.0"),
    (r"^mid_block\.attentions\.0", "middle_block.1"),
    (r"^mid_block\.resnets\.1", "middle_block.2"),
    (r"(block\S*)\.norm1\.(?=\w+$)(?<!transformer_blocks.\d.norm1.)", r"\1.in_layers.0."),
    (r"\.conv1\.", ".in_layers.2."),
    (r"(block\S*)\.norm2\.(?=\w+$)(?<!transformer_blocks.\d.norm2.)", r"\1.out_layers.0."),
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
SECOND_ENCODER_NAMES = [
    (r"^text_model\.embeddings\.position_embedding\.weight", "positional_embedding"),
    (r"^text_model\.embeddings\.token_embedding", "token_embedding"),
    (r"^text_model\.final_layer_norm", "ln_final"),
    (r"^text_model\.encoder\.layers", "transformer.resblocks"),
    (r"layer_norm([12])", r"ln_\1"),
    (r"\.self_attn\.", ".attn."),
    (r"\.fc1\.", ".c_fc."),
    (r"\.fc2\.", ".c_proj."),
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


def second_encoder_state(encoder):
    """The projecting encoder as OpenCLIP names it: queries, keys and values in one, the projection turned."""
    state = dict(encoder.state_dict())
    for name in [name for name in state if ".q_proj." in name]:
        parts = [state.pop(name.replace("q_proj", part)) for part in ("q_proj", "k_proj", "v_proj")]
        state[name.replace("q_proj.", "in_proj_")] = torch.cat(parts)
    state["text_projection"] = state.pop("text_projection.weight").T
    return renamed(state, SECOND_ENCODER_NAMES, "conditioner.embedders.1.model.")


def single_file_of(pipe, folder):
    """Write a pipeline's weights as one file, and its configuration beside it; return the file."""
    pipe.save_pretrained(folder / "snow")
    for weights in (folder / "snow").rglob("*.safetensors"):
        weights.unlink()  # what lies beside the file is configuration alone
    second = getattr(pipe, "text_encoder_2", None)
    prefix = "cond_stage_model" if second is None else "conditioner.embedders.0"
    words = {f"{prefix}.transformer.text_model.{k}": v for k, v in pipe.text_encoder.state_dict().items()}
    words |= second_encoder_state(second) if second is not None else {}
    state = {**unet_state(pipe.unet), **vae_state(pipe.vae), **words}
    save_file({name: tensor.contiguous() for name, tensor in state.items()}, folder / "snow.safetensors")
    return folder / "snow.safetensors"


@pytest.fixture
def single_file(tmp_path):
    pipe = tiny.pipeline()
    return pipe, single_file_of(pipe, tmp_path)


def test_a_single_file_gives_the_picture_of_the_pipeline_it_came_from(single_file):
    pipe, path = single_file
    model = load(str(path), kind="edit", device="cpu")
    for part in ("unet", "vae", "text_encoder"):
        ours, theirs = getattr(model, part).state_dict(), getattr(pipe, part).state_dict()
        assert all(torch.equal(ours[name], theirs[name]) for name in theirs)
    edit = InstructionEdit(original_image=tiny.photo(), edit_prompt="add snow", num_inference_steps=2, seed=1)
    theirs = InstructPix2PixEditor.from_pipeline(pipe).edit(edit)
    assert InstructPix2PixEditor(model).edit(edit).edited_image == theirs.edited_image


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("conditioner.embedders.0.model.ln_final.bias", "is a refiner, which only finishes pictures; give"),
        ("model.diffusion_model.joint_blocks.0.x", "is a diffusion transformer, which has no UNet; give"),
        ("double_blocks.0.img_attn.proj.bias", "is a diffusion transformer, which has no UNet; give"),
    ],
)
def test_a_file_of_another_layout_is_one_sentence(tmp_path, name, says):
    save_file({name: torch.zeros(1)}, tmp_path / "odd.safetensors")
    with pytest.raises(IncompatibleModel, match=f"odd.safetensors: {says}"):
        load(str(tmp_path / "odd.safetensors"), kind="base", device="cpu")


FIRST_LAYER = "model.diffusion_model.input_blocks.0.0.weight"


def zeros(*shape):
    return torch.zeros(shape)


@pytest.mark.parametrize(
    ("weights", "says"),
    [
        ({"lora_unet_down_blocks_0.lora_down.weight": zeros(4, 8)}, "is a LoRA"),
        ({"unet.down_blocks.0.attn1.to_q.lora.down.weight": zeros(4, 8)}, "is a LoRA"),
        ({"base_model.model.unet.to_q.lora_A.weight": zeros(4, 8)}, "is a LoRA"),
        (
            {"encoder.conv_in.weight": zeros(4, 3, 3, 3), "decoder.conv_in.weight": zeros(4)},
            "autoencoder .* alone",
        ),
        ({"first_stage_model.encoder.conv_in.weight": zeros(4, 3, 3, 3)}, "autoencoder .* alone"),
        ({"control_model.input_hint_block.0.weight": zeros(4)}, "is a ControlNet"),
        ({"emb_params": zeros(4, 8)}, "a word's embedding"),
        ({"conv_first.weight": zeros(4)}, "an upscaler"),
        ({"down_blocks.0.resnets.0.conv1.weight": zeros(4)}, "a UNet alone"),
        ({"text_model.embeddings.token_embedding.weight": zeros(4)}, "a text encoder alone"),
        ({"fc.weight": zeros(4)}, "no diffusion model .its first weight is fc.weight"),
        (
            {"model.diffusion_model.input_blocks.0.0.weight": zeros(4, 4, 3, 3)},
            "draws from words alone.*prompt-edit",
        ),
        ({FIRST_LAYER: zeros(4, 9, 3, 3)}, "fills holes"),
        (
            {
                FIRST_LAYER: zeros(4, 4, 3, 3),
                "conditioner.embedders.1.model.ln_final.bias": zeros(4),
            },
            "Stable Diffusion XL that draws from words alone",
        ),
    ],
)
def test_a_file_of_another_kind_is_called_what_it_is(tmp_path, weights, says):
    save_file(weights, tmp_path / "file.safetensors")
    with pytest.raises(IncompatibleModel, match=says) as caught:
        load(str(tmp_path / "file.safetensors"), kind="edit", device="cpu")
    text = str(caught.value)
    assert text.startswith("file.safetensors: ") and text.endswith(".") and "; give " in text
    assert "network" not in text and "\n" not in text


@pytest.mark.parametrize("dtype", [None, torch.bfloat16])
def test_its_weights_are_counted_before_it_is_loaded(single_file, monkeypatch, dtype):
    _, path = single_file
    needs = needs_of(str(path), device="cpu", dtype=dtype)
    model = load(str(path), kind="edit", device="cpu", dtype=dtype)
    held = sum(one.nbytes for part in model.modules for one in part.parameters())
    assert needs is not None and needs.num_bytes == pytest.approx(held, rel=0.02)
    assert (needs.licence, needs.num_apart_bytes, needs.num_missing_bytes) == ("", None, 0)
    monkeypatch.setattr(needs_module, "_WORTH_SAYING", 1)
    assert re.fullmatch(rf"{path}: \d\.\d GB of memory in \w+\.", needs.said_of("auto"))
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=needs.num_bytes - 1))
    monkeypatch.setattr(psutil, "swap_memory", lambda: SimpleNamespace(free=0))
    with pytest.raises(IncompatibleModel, match=r"snow\.safetensors: takes .* free; "):
        load(str(path), kind="edit", device="cpu", dtype=dtype)


def test_an_edit_model_is_no_base(single_file):
    with pytest.raises(IncompatibleModel, match="follows instructions; give one that draws"):
        load(str(single_file[1]), kind="base", device="cpu")


def test_a_unet_without_the_rest_of_its_model_says_what_is_missing(tmp_path):
    weights = {"model.diffusion_model.input_blocks.0.0.weight": torch.zeros(32, 8, 3, 3)}
    save_file(weights, tmp_path / "m.safetensors")
    tiny.pipeline(kind="edit").save_pretrained(tmp_path / "m")
    with pytest.raises(
        IncompatibleModel, match="without its autoencoder and its text encoder; give the whole"
    ):
        load(str(tmp_path / "m.safetensors"), kind="edit", device="cpu")


@pytest.mark.parametrize(
    "error", [NotImplementedError, AssertionError, ZeroDivisionError, StopIteration, ImportError]
)
def test_whatever_a_loader_raises_is_one_sentence(tmp_path, monkeypatch, error):
    def fail(*_, **__):
        raise error("of a kind that nobody thought of\nand more")

    monkeypatch.setattr("diffusers.AutoencoderKL.from_pretrained", fail)
    tiny.pipeline(kind="edit").save_pretrained(tmp_path / "m")
    with pytest.raises(
        IncompatibleModel, match=r"its vae cannot be read \(of a kind that nobody thought of\)"
    ):
        load(str(tmp_path / "m"), kind="edit", device="cpu")


@pytest.mark.parametrize("file", ["model_index.json", "scheduler/scheduler_config.json", "unet/config.json"])
@pytest.mark.parametrize("content", ["[]", "7", "{", "null", ""])
def test_a_configuration_that_is_none_is_one_sentence(tmp_path, file, content):
    tiny.pipeline(kind="edit").save_pretrained(tmp_path)
    (tmp_path / file).write_text(content)
    with pytest.raises(IncompatibleModel):
        load(str(tmp_path), kind="edit", device="cpu")
