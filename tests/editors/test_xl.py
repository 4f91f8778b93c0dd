"""Stable Diffusion XL's layout, in toy size: two text encoders, told sizes, for both editors."""

import json
import re
from typing import Any

import numpy as np
import pytest
import torch

from editors import (
    IncompatibleModel,
    InstructionEdit,
    InstructPix2PixEditor,
    LocalBlend,
    PromptEdit,
    PromptToPromptEditor,
)
from editors.model.attention import install
from editors.model.diffusion_model import DiffusionModel
from editors.model.loading.load import from_pipeline, load
from tests import tiny
from tests.editors.test_single_file import single_file_of

CAT, DOG = "a cat in the snow", "a dog in the snow"
INVERTED: tuple[tuple[float, Any], ...] = ((7.5, "negative_prompt"), (1, "ddim"))


def xl(**options):
    return tiny.pipeline(text="xl", **options)


@pytest.fixture(scope="module")
def base():
    return PromptToPromptEditor.from_pipeline(xl(kind="base"))


def final(editor, edit):
    """The decoded pictures of a prompt edit, as floats (2, H, W, 3): the original and the edited one."""
    *_, last = editor.stream(edit)
    return editor.model.decode(last.latents).permute(0, 2, 3, 1).numpy()


def diffusers_sizes(pipe, prompt, size=(32, 32), **options):
    width, height = size
    return pipe(
        prompt, generator=tiny.generators([5])[0], output_type="np", height=height, width=width, **options
    ).images[0]


@pytest.mark.parametrize("forced", [True, False])
@pytest.mark.parametrize("scheduler", ["ddim", "euler", "pndm"])
def test_without_control_both_pictures_are_those_of_diffusers(scheduler, forced):
    pipe = xl(kind="base", scheduler=scheduler)
    pipe.register_to_config(force_zeros_for_empty_prompt=forced)
    options: dict[str, Any] = {"num_inference_steps": 3, "guidance_scale": 6.0}
    theirs = [diffusers_sizes(pipe, prompt, (32, 48), **options) for prompt in (CAT, DOG)]
    edit = PromptEdit(
        original_prompt=CAT,
        edited_prompt=DOG,
        cross_replace_steps=0,
        self_replace_steps=0,
        width=32,
        height=48,
        seed=5,
        **options,
    )
    ours = final(PromptToPromptEditor.from_pipeline(pipe), edit)
    assert np.abs(ours - np.stack(theirs)).max() <= 1e-5
    assert np.abs(theirs[0] - theirs[1]).max() > 1e-3  # toy as it is, it hears the prompt


def test_what_is_told_is_what_diffusers_tells():
    """Of sizes and of the second encoder's one vector: toy pictures might hide a slip."""
    pipe = xl(kind="base")
    seen = []
    hook = pipe.unet.register_forward_pre_hook(
        lambda module, inputs, named: seen.append(named), with_kwargs=True
    )
    try:
        diffusers_sizes(pipe, CAT, (40, 24), num_inference_steps=1, guidance_scale=6.0)
    finally:
        hook.remove()
    model = from_pipeline(pipe)
    size = (24, 40)
    for row, ours in enumerate((model.unconditional(size=size), model.condition([CAT], size=size))):
        told = ours.unet_kwargs()
        assert torch.equal(told["encoder_hidden_states"][0], seen[0]["encoder_hidden_states"][row])
        for name in ("text_embeds", "time_ids"):
            assert torch.equal(told["added_cond_kwargs"][name][0], seen[0]["added_cond_kwargs"][name][row])
    assert told["added_cond_kwargs"]["time_ids"].tolist() == [[24, 40, 0, 0, 24, 40]]


@pytest.mark.parametrize("is_cosxl_edit", [False, True])
@pytest.mark.parametrize("scheduler", ["ddim", "euler-a"])
def test_an_instruction_edit_is_that_of_diffusers(scheduler, is_cosxl_edit):
    pipe = xl(scheduler=scheduler)
    pipe.is_cosxl_edit = is_cosxl_edit
    editor = InstructPix2PixEditor.from_pipeline(pipe)
    options: dict[str, Any] = {"num_inference_steps": 3, "guidance_scale": 5.0, "image_guidance_scale": 1.5}
    photo = tiny.photo((32, 24))
    theirs = pipe(
        CAT,
        image=photo,
        height=24,
        width=32,
        generator=tiny.generators([3])[0],
        output_type="np",
        **options,
    ).images[0]
    edit = InstructionEdit(original_image=photo, edit_prompt=CAT, seed=3, **options)
    *_, last = editor.stream(edit)
    ours = editor.model.decode(last.latents)[0].permute(1, 2, 0).numpy()
    assert np.abs(theirs - ours).max() <= 1e-5


def test_the_laws_of_prompt_edits_hold(base):
    options: dict[str, Any] = {
        "num_inference_steps": 3,
        "seed": 1,
        "cross_replace_steps": 0.8,
        "self_replace_steps": 0.7,
    }
    same = final(base, PromptEdit(original_prompt=CAT, edited_prompt=CAT, **options))
    assert np.array_equal(same[0], same[1])
    edit = PromptEdit(
        original_prompt=CAT,
        edited_prompt=DOG,
        word_weights={"snow": 2},
        local_blend=LocalBlend(original=("cat",), edited=("dog",), threshold=0.9),
        **options,
    )
    swapped = final(base, edit)
    assert np.array_equal(swapped[0], same[0])
    assert not np.array_equal(swapped[1], swapped[0])


@pytest.mark.parametrize("inversion", ["direct", "ddim", "negative_prompt", "null_text", "edit_friendly"])
def test_photos_are_edited_by_every_inversion(base, inversion):
    edit = PromptEdit(
        original_prompt=CAT,
        edited_prompt=DOG,
        original_image=tiny.photo((32, 32)),
        inversion=inversion,
        num_inference_steps=3,
        seed=1,
    )
    result = base.edit(edit)
    assert result.original_image is not None and result.edited_image != result.original_image
    assert base.edit(edit).edited_image == result.edited_image


def test_a_negative_prompt_stands_in_for_all_that_is_told(base):
    """The original's guidance cancels: also in the one vector that XL is told besides its states."""
    photo = tiny.photo((32, 32))
    options: dict[str, Any] = {"original_prompt": CAT, "edited_prompt": DOG, "seed": 1}
    guided, plain = (
        base.edit(
            PromptEdit(
                original_image=photo, num_inference_steps=4, guidance_scale=scale, inversion=method, **options
            )
        )
        for scale, method in INVERTED
    )
    assert guided.reconstruction_psnr == pytest.approx(plain.reconstruction_psnr, abs=1e-3)


def test_sites_know_their_level_where_the_finest_has_no_attention(base):
    """The level is what the queries' number says: each halving quarters it."""
    levels, grids = {}, {}
    for site in install(base.model.unet):
        attention = base.model.unet.get_submodule(site.name)
        attention.register_forward_pre_hook(
            lambda module, inputs, name=site.name: grids.update({name: inputs[0].shape[1]})
        )
        levels[site.name] = site.level
    model = base.model
    told = model.condition([CAT], size=(32, 32)).unet_kwargs()
    with torch.no_grad():
        model.unet(torch.randn(1, 4, 8, 8), 1, **told)
    assert levels and set(levels) == set(grids)
    assert all(grids[name] == (8 // 2**level) ** 2 for name, level in levels.items())
    assert 0 not in levels.values()


def test_tokenizers_that_disagree_are_refused_where_words_matter(base):
    other = tiny.bert_tokenizer()
    model = DiffusionModel(
        **{
            name: getattr(base.model, name)
            for name in ("tokenizer", "text_encoder", "vae", "unet", "scheduler", "text_encoder_2")
        },
        tokenizer_2=other,
        name="odd",
    )
    with pytest.raises(IncompatibleModel, match="two tokenizers cut original_prompt into different tokens"):
        PromptToPromptEditor(model).edit(PromptEdit(original_prompt="cats", edited_prompt="dogs"))


def test_half_precision_leaves_the_autoencoder_in_single(tmp_path):
    """float16 is too narrow for its activations, and it says so: force_upcast."""
    pipe = xl()
    pipe.save_pretrained(tmp_path / "xl")
    model = load(str(tmp_path / "xl"), kind="edit", device="cpu", dtype=torch.float16)
    assert model.vae.dtype == torch.float32
    assert model.dtype == model.text_encoder.dtype == model.text_encoder_2.dtype == torch.float16
    lent = from_pipeline(pipe.to(torch.float16))
    assert lent.vae.dtype == torch.float32 and pipe.vae.dtype == torch.float16


def test_latents_with_statistics_of_their_own_come_back(base):
    model, latents = base.model, torch.randn(2, 4, 3, 3)
    torch.testing.assert_close(model.scaled(latents), latents * model.vae.config.scaling_factor)
    pipe = xl(kind="base")
    pipe.vae.register_to_config(latents_mean=[0.5, -1.0, 2.0, 0.0], latents_std=[1.0, 2.0, 3.0, 4.0])
    told = from_pipeline(pipe)
    torch.testing.assert_close(told.unscaled(told.scaled(latents)), latents)
    options: dict[str, Any] = {"num_inference_steps": 2, "guidance_scale": 3.0}
    theirs = diffusers_sizes(pipe, CAT, **options)
    edit = PromptEdit(original_prompt=CAT, edited_prompt=CAT, seed=5, **options)
    assert np.abs(final(PromptToPromptEditor(told), edit)[0] - theirs).max() <= 1e-5


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("xl") / "xl"
    xl().save_pretrained(path)
    return path


def edited(model):
    edit = InstructionEdit(original_image=tiny.photo(), edit_prompt=CAT, num_inference_steps=2, seed=1)
    return InstructPix2PixEditor(model).edit(edit).edited_image


def test_a_folder_and_a_single_file_give_the_picture_of_their_pipeline(folder, tmp_path):
    pipe = xl()
    expected = edited(from_pipeline(pipe))
    from_folder = load(str(folder), kind="edit", device="cpu")
    assert from_folder.force_zeros_for_empty_prompt and from_folder.is_xl
    assert edited(from_folder) == expected
    from_file = load(str(single_file_of(pipe, tmp_path)), kind="edit", device="cpu")
    assert edited(from_file) == expected


def rewritten(folder, tmp_path, **changes):
    """A folder that differs in its index alone; nothing else of it is needed to refuse it."""
    facts = json.loads((folder / "model_index.json").read_text(encoding="utf-8"))
    (tmp_path / "odd").mkdir()
    (tmp_path / "odd" / "model_index.json").write_text(json.dumps({**facts, **changes}), encoding="utf-8")
    return str(tmp_path / "odd")


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"text_encoder": [None, None], "tokenizer": [None, None]}, "is a refiner, which only finishes"),
        (
            {"transformer": ["diffusers", "SD3Transformer2DModel"]},
            r"\(SD3Transformer2DModel\) of .*, which is not read",
        ),
        ({"text_encoder_2": [None, None]}, "lacks its"),
    ],
)
def test_other_layouts_are_one_sentence(folder, tmp_path, changes, says):
    with pytest.raises(IncompatibleModel, match=says) as caught:
        load(rewritten(folder, tmp_path, **changes), kind="edit", device="cpu")
    assert re.search(r"; give .*\.$", str(caught.value))


def test_a_unet_that_wants_other_numbers_is_one_sentence():
    pipe = xl(kind="base")
    pipe.unet.register_to_config(projection_class_embeddings_input_dim=60)
    with pytest.raises(IncompatibleModel, match=r"told 60 numbers of prompt and sizes.* 68; give"):
        from_pipeline(pipe)
    without = tiny.pipeline(kind="base")
    without.unet.register_to_config(addition_embed_type="text_time")
    with pytest.raises(
        IncompatibleModel, match=r"give a model in the layout of Stable Diffusion 1\.x, 2\.x, XL or 3"
    ):
        from_pipeline(without)


def test_the_model_of_the_other_kind_is_refused(folder):
    with pytest.raises(
        IncompatibleModel, match="its UNet takes 8 channels, one that draws from prompts takes 4"
    ):
        load(str(folder), kind="base", device="cpu")
