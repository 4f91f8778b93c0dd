"""The shipped model: it loads offline, edits as diffusers' own pipeline does, and follows words."""

from typing import Any

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionInstructPix2PixPipeline
from PIL import Image

from dataset_builder.scenes import WORLDS, render_scene, sample_scene
from editors import InstructionEdit, InstructPix2PixEditor, PromptEdit, PromptToPromptEditor


@pytest.fixture(scope="module")
def editor() -> InstructPix2PixEditor:
    return InstructPix2PixEditor.from_pretrained("pocket", device="cpu")


@pytest.fixture(scope="module")
def day(editor: InstructPix2PixEditor) -> list[Image.Image]:
    """Drawn scenes of the model's own size, in plain daylight, without a style, outdoors."""
    scenes = (sample_scene(seed, world=WORLDS["offline"], split="held_out") for seed in range(400))
    outdoors = {"beach", "meadow", "desert", "snow", "farm", "garden", "lake", "mountains"}
    plain = (
        scene
        for scene in scenes
        if scene.time_of_day == "day" and scene.style is None and scene.background in outdoors
    )
    return [Image.fromarray(render_scene(next(plain), editor.model.native_size).image) for _ in range(4)]


def test_an_edit_is_that_of_diffusers_pipeline(editor: InstructPix2PixEditor, day: list[Image.Image]) -> None:
    model = editor.model
    pipe = StableDiffusionInstructPix2PixPipeline(
        vae=model.vae,
        text_encoder=model.text_encoder,
        tokenizer=model.tokenizer,
        unet=model.unet,
        scheduler=model.new_scheduler(),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    pipe.set_progress_bar_config(disable=True)
    scales: dict[str, Any] = {"guidance_scale": 5.0, "image_guidance_scale": 1.5}
    theirs = pipe(
        "make it night",
        image=day[0],
        num_inference_steps=10,
        generator=torch.Generator().manual_seed(7),
        output_type="latent",
        **scales,
    ).images
    edit = InstructionEdit(
        original_image=day[0], edit_prompt="make it night", num_inference_steps=10, seed=7, **scales
    )
    *_, last = editor.stream(edit)
    assert (last.latents - theirs).abs().max().item() <= 1e-5


def test_a_wish_that_is_not_known_is_answered_with_what_is_near(
    editor: InstructPix2PixEditor, day: list[Image.Image]
) -> None:
    def notes(words: str) -> str:
        edit = InstructionEdit(original_image=day[0], edit_prompt=words, num_inference_steps=1, seed=1)
        return " ".join(editor.edit(edit).notes)

    assert "Did you mean “turn it into an oil painting”?" in notes("paint it like van gogh")
    assert "Did you mean" not in notes("mache es zur Nacht")


def test_night_is_darker_and_a_black_and_white_picture_has_less_colour(
    editor: InstructPix2PixEditor, day: list[Image.Image]
) -> None:
    """Over several scenes together: one pale scene more or less says nothing."""

    def edited(words: str) -> np.ndarray:
        requests = [InstructionEdit(original_image=photo, edit_prompt=words, seed=1) for photo in day]
        return np.stack(
            [np.asarray(result.edited_image, np.float32) for result in editor.edit_many(requests)]
        )

    before = np.stack([np.asarray(photo, np.float32) for photo in day])
    assert edited("make it night").mean() < 0.75 * before.mean()
    grey = edited("make it a black and white picture")
    assert np.ptp(grey, axis=-1).mean() < 0.75 * np.ptp(before, axis=-1).mean()


def test_equal_prompts_give_equal_pictures_at_four_rows_a_step() -> None:
    editor = PromptToPromptEditor.from_pretrained("pocket", device="cpu")
    edit = PromptEdit(
        original_prompt="a car on a beach", edited_prompt="a car on a beach", num_inference_steps=4, seed=3
    )
    same = editor.edit(edit)
    assert same.original_image is not None
    assert np.array_equal(np.asarray(same.original_image), np.asarray(same.edited_image))
    assert same.num_unet_rows == 16
