"""What the three tasks promise: their latents, their conditions, and exports that open in bare diffusers."""

import json
import shutil
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionInstructPix2PixPipeline, StableDiffusionPipeline
from PIL import Image

from editors import IncompatibleModel, InstructionEdit, InstructPix2PixEditor
from editors.model.loading.checkpoints import read_advice
from editors.model.loading.load import load
from editors.pictures.batches import to_tensor
from tests.trainer import toy
from trainer.errors import InvalidConfig
from trainer.loop import train
from trainer.pack import pack
from trainer.tasks import autoencoder, instruct_pix2pix
from ui.cli import main


class Spy(torch.nn.Module):
    """Keeps what a network was last called with."""

    def __init__(self, unet: Any) -> None:
        super().__init__()
        self.unet = unet

    def forward(self, latents: torch.Tensor, timesteps: torch.Tensor, **told: Any) -> Any:
        self.latents, self.text = latents, told["encoder_hidden_states"]
        return self.unet(latents, timesteps, **told)


@pytest.fixture(scope="module")
def edit_model(chain: Path) -> Path:
    for _ in train(toy.edit_config(chain)):
        pass
    return chain / "edit" / "model"


def test_rescaled_latents_have_unit_variance_and_decode_to_the_same_pictures(chain: Path) -> None:
    task = autoencoder.make_task(toy.autoencoder_config(chain, encoder="learned"))
    vae = task.model.vae
    pixels = to_tensor(task.examples.pictures["image"])
    with torch.no_grad():
        before = vae.encode(pixels).latent_dist
        decoded = vae.decode(before.mode()).sample
        with autoencoder.unit_variance(vae, before.mode()):
            after = vae.encode(pixels).latent_dist
            assert after.mode().std().item() == pytest.approx(1, rel=1e-4)
            assert torch.allclose(vae.decode(after.mode()).sample, decoded, atol=1e-4)
            assert torch.allclose(after.std / before.std, 1 / before.mode().std(), rtol=1e-3)


def test_unet_sees_the_mode_unscaled_and_the_noised_target(chain: Path) -> None:
    task = instruct_pix2pix.make_task(toy.edit_config(chain, conditioning_dropout_prob=0.0, flip_prob=0))
    spy = Spy(task.model)

    indices = np.array([3, 1])
    task.loss(spy, task.batch(indices, range(2)))
    pictures = np.stack([task.latents.pixels(int(i))[0] for i in indices])
    with torch.no_grad():
        mode = task.whole.vae.encode(to_tensor(pictures)).latent_dist.mode()
    channels = mode.shape[1]
    kept = partial(torch.allclose, atol=1e-4, rtol=2**-10)  # in a cache of half precision
    assert kept(spy.latents[:, channels:], mode)
    said = [task.wordings.texts[i] for i in indices]
    assert kept(spy.text, task.whole.encode_prompt(said))


def test_latents_are_noised_as_the_editors_scale_them(chain: Path) -> None:
    """Autoencoders that name their latents' statistics are trained on with them, not by the factor alone."""
    task = instruct_pix2pix.make_task(toy.edit_config(chain, conditioning_dropout_prob=0.0, flip_prob=0))
    channels = task.whole.latent_channels
    statistics = {"latents_mean": [0.5] * channels, "latents_std": [2.0] * channels}
    task.whole.vae.register_to_config(**statistics, scaling_factor=3.0)
    spy, indices = Spy(task.model), np.array([3, 1])
    task.loss(spy, task.batch(indices, range(2)))

    [told] = task.batch(indices, range(2))
    drawn = task.draw(told.rows, task.latents.shape(0))
    _, mean, std = task.latents.read(told.looks, told.size).unbind(1)
    clean = (mean + std * drawn.posterior - 0.5) * 3.0 / 2.0
    noised = task.scheduler.add_noise(clean, drawn.noise, drawn.timesteps)
    assert torch.allclose(spy.latents[:, :channels], noised, atol=1e-5)


def test_dropped_conditions_are_zeros_and_the_empty_prompt(chain: Path) -> None:
    task = instruct_pix2pix.make_task(toy.edit_config(chain, conditioning_dropout_prob=1 / 3))
    spy = Spy(task.model)

    task.loss(spy, task.batch(np.arange(10), range(64, 74)))
    picture = spy.latents[:, spy.latents.shape[1] // 2 :]
    no_picture = (picture == 0).flatten(1).all(1)
    no_text = (spy.text == task.whole.encode_prompt([""]).half()).flatten(1).all(1)
    assert (no_picture | no_text).all()
    assert no_picture.any() and no_text.any()


def test_first_loss_of_the_edit_model_is_the_bases(chain: Path) -> None:
    """A widened model has learnt nothing of the picture yet: its loss does not depend on it."""
    task = instruct_pix2pix.make_task(toy.edit_config(chain))
    with torch.no_grad():
        shown = task.loss(task.model, task.batch(np.arange(4), range(4)))
        assert task.latents.tables is not None
        [table] = task.latents.tables
        table.array = np.concatenate([np.zeros_like(table.array[:, :1]), table.array[:, 1:]], axis=1)
        blind = task.loss(task.model, task.batch(np.arange(4), range(4)))
    assert torch.equal(shown, blind)


def test_export_opens_in_bare_diffusers_and_gives_the_editors_picture(edit_model: Path) -> None:
    pipe = StableDiffusionInstructPix2PixPipeline.from_pretrained(
        edit_model, use_safetensors=True, safety_checker=None
    )
    pipe.set_progress_bar_config(disable=True)
    assert pipe.unet.config.in_channels == 2 * pipe.vae.config.latent_channels
    photo = Image.fromarray(
        np.random.default_rng(0).integers(0, 256, (toy.SIDE, toy.SIDE, 3), dtype=np.uint8)
    )
    options: dict[str, Any] = {"num_inference_steps": 3, "guidance_scale": 4.0, "image_guidance_scale": 1.5}
    theirs = pipe("make it red", image=photo, generator=torch.Generator().manual_seed(5), **options).images[0]
    editor = InstructPix2PixEditor.from_pretrained(str(edit_model), device="cpu")
    options["full_size"] = "resize"  # what the model drew
    ours = editor.edit(InstructionEdit(original_image=photo, edit_prompt="make it red", seed=5, **options))
    difference = np.abs(np.asarray(theirs, np.int16) - np.asarray(ours.edited_image, np.int16))
    assert difference.max() <= 1


def test_base_export_opens_in_bare_diffusers(chain: Path) -> None:
    pipe = StableDiffusionPipeline.from_pretrained(
        chain / "base" / "model", use_safetensors=True, safety_checker=None
    )
    pipe.set_progress_bar_config(disable=True)
    side = toy.SIDE
    image = pipe("a red house", num_inference_steps=2, height=side, width=side).images[0]
    assert image.size == (side, side)


def test_every_export_carries_the_guidance_of_its_family(
    chain: Path, edit_model: Path, tmp_path: Path
) -> None:
    """A base tells the edit model that is trained from it what suits edit models of its family."""
    family = tmp_path / "family"
    guidance: dict[str, dict[str, Any]] = {
        "base": {"guidance_scale": 2.0, "cross_replace_steps": 0.5, "num_inference_steps": 9},
        "edit": {
            "guidance_scale": 3.0,
            "image_guidance_scale": 1.25,
            "num_inference_steps": 2,
            "forecast": 4,
        },
    }
    parts = (chain / "autoencoder" / "model", chain / "base" / "model", edit_model)
    pack(*parts, family, guidance)
    trained = toy.edit_config(chain, base=str(family), out=tmp_path / "edit", steps=1)
    assert list(train(trained))
    photo = Image.new("RGB", (toy.SIDE, toy.SIDE), "red")
    request = InstructionEdit(original_image=photo, edit_prompt="make it blue", seed=1)
    exported = str(trained.out / "model")
    editor = InstructPix2PixEditor.from_pretrained(exported, device="cpu")
    # But for the forecast, which was measured for the weights of before.
    assert editor.edit(request).edit == replace(request, **{**guidance["edit"], "forecast": 1})
    bare = InstructPix2PixEditor.from_pipeline(
        StableDiffusionInstructPix2PixPipeline.from_pretrained(exported)
    )
    assert bare.model.kind == "edit"
    base = toy.base_config(chain, autoencoder=family, out=tmp_path / "base", steps=1)
    assert list(train(base))
    drawn = load(str(base.out / "model"), kind="base", device="cpu")
    assert asdict(drawn.recommended).items() >= guidance["base"].items()
    assert drawn.recommends == guidance
    again = tmp_path / "again"
    pack(*parts, again)
    standard = {"guidance_scale": 7.5, "image_guidance_scale": 1.5}
    assert read_advice(again)[0] == {"base": {"guidance_scale": 4.0}, "edit": standard}


def test_a_folder_that_recommends_no_scales_is_one_sentence(chain: Path, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(chain / "base" / "model", folder)
    index = json.loads((folder / "model_index.json").read_text())
    recommendations: tuple[Any, ...] = (
        {"base": {"guidance_scale": "much"}},
        {"base": {"steps": 3}},
        [4.0],
        {"base": {"guidance_scale": -1}},
        {"base": {"cross_replace_steps": 1.5}},
        {"edit": {"self_replace_steps": 0.2}},
        {"bass": {}},
        {"base": {"num_inference_steps": 2.5}},
        {"edit": {"num_inference_steps": 0}},
    )
    for wrong in recommendations:
        (folder / "model_index.json").write_text(json.dumps({**index, "_recommended": wrong}))
        with pytest.raises(IncompatibleModel, match="no steps, guidance scales"):
            load(str(folder), kind="base", device="cpu")


def test_packed_family_loads_by_folder(chain: Path, edit_model: Path, tmp_path: Path) -> None:
    recommended = {"edit": {"guidance_scale": 3.0}}
    facts = pack(
        chain / "autoencoder" / "model",
        chain / "base" / "model",
        edit_model,
        tmp_path / "family",
        recommended,
    )
    for written in (tmp_path / "family").rglob("*.json"):
        assert str(chain) not in written.read_text()
    assert facts["edit"]["samples"] == 24
    editor = InstructPix2PixEditor.from_pretrained(str(tmp_path / "family"), device="cpu")
    photo = Image.new("RGB", (toy.SIDE, toy.SIDE), "red")
    result = editor.edit(
        InstructionEdit(original_image=photo, edit_prompt="make it blue", num_inference_steps=2, seed=1)
    )
    assert result.edited_image.size == photo.size
    assert isinstance(result.edit, InstructionEdit)
    assert (result.edit.guidance_scale, result.edit.image_guidance_scale) == (3.0, 1.5)


def test_a_family_is_packed_from_its_runs(chain: Path, edit_model: Path, tmp_path: Path) -> None:
    arguments = ["--autoencoder", str(chain / "autoencoder"), "--base", str(chain / "base")]
    arguments += ["--edit", str(edit_model), "--out", str(tmp_path / "family")]
    assert main(["train", "pack", *arguments, "--recommended", '{"edit": {"num_inference_steps": 3}}']) == 0
    assert load(str(tmp_path / "family"), kind="edit", device="cpu").recommended.num_inference_steps == 3
    (edit_model / "training.json").rename(tmp_path / "training.json")
    try:
        with pytest.raises(InvalidConfig, match="does not say how it was trained"):
            pack(chain / "autoencoder", chain / "base", edit_model, tmp_path / "family")
    finally:
        (tmp_path / "training.json").rename(edit_model / "training.json")
    assert load(str(tmp_path / "family"), kind="base", device="cpu")  # the old family is as it was


def test_a_model_says_what_it_is_good_at(chain: Path, edit_model: Path, tmp_path: Path) -> None:
    family, told = tmp_path / "family", ["make it night", "a pencil sketch"]
    pack(chain / "autoencoder" / "model", chain / "base" / "model", edit_model, family)
    assert InstructPix2PixEditor.from_pretrained(str(family), device="cpu").instructions == ()
    facts = json.loads((family / "pocket.json").read_text())
    (family / "pocket.json").write_text(json.dumps({**facts, "instructions": told}))
    assert InstructPix2PixEditor.from_pretrained(str(family), device="cpu").instructions == tuple(told)
    pack(chain / "autoencoder" / "model", chain / "base" / "model", edit_model, family)  # a better version
    assert json.loads((family / "pocket.json").read_text())["instructions"] == told
    folder = tmp_path / "model"
    shutil.copytree(edit_model, folder)
    index = json.loads((folder / "model_index.json").read_text())
    (folder / "model_index.json").write_text(json.dumps({**index, "_instructions": told}))
    assert InstructPix2PixEditor.from_pretrained(str(folder), device="cpu").instructions == tuple(told)
    for wrong in ("make it night", [1], ["  "], {"a": "b"}):
        (folder / "model_index.json").write_text(json.dumps({**index, "_instructions": wrong}))
        with pytest.raises(IncompatibleModel, match="no list of instructions"):
            load(str(folder), kind="edit", device="cpu")


def test_packing_writes_over_nothing_but_a_pack(chain: Path, edit_model: Path, tmp_path: Path) -> None:
    mine = tmp_path / "documents"
    mine.mkdir()
    (mine / "letter.txt").write_text("mine")
    parts = (chain / "autoencoder" / "model", chain / "base" / "model", edit_model)
    with pytest.raises(InvalidConfig, match="something else than a packed model"):
        pack(*parts, mine)
    assert [path.name for path in mine.iterdir()] == ["letter.txt"]
    family = tmp_path / "family"
    pack(*parts, family)
    (family / "README.md").write_text("a card")
    (family / "drawn.jpg").write_bytes(b"a picture")
    pack(*parts, family)
    assert (family / "drawn.jpg").read_bytes() == b"a picture" and "card" in (
        family / "README.md"
    ).read_text()
    assert not list(tmp_path.glob("*.tmp-*"))
