"""Extending a picture: it stays as it is, the steps are RePaint's, bad requests are one sentence."""

import json
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import DDIMScheduler
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from editors import EditorError, InvalidEdit, OutpaintEdit, RePaintEditor
from editors.ddim import levels
from editors.diffusion import denoise
from editors.outpainting.canvas import Canvas, carried_over
from editors.outpainting.repaint import repaint
from editors.pictures.framing import widened
from editors.requests.edits import SIDES
from editors.requests.picture import Picture
from editors.requests.recipe import read_recipe, save_png
from editors.running import run_to_end
from tests import tiny

STEPS = 6


def editor_of(text: str = "clip", **options: Any) -> RePaintEditor:
    return RePaintEditor.from_pipeline(tiny.pipeline(kind="base", text=text, **options))


def asked(picture: Any, **options: Any) -> OutpaintEdit:
    settings = {"prompt": "a cat", "left": 9, "bottom": 5, "seed": 3, "num_inference_steps": 2}
    return OutpaintEdit(original_image=picture, **{**settings, "num_resamples": 2, **options})


def within(picture: Image.Image, edit: OutpaintEdit, size: tuple[int, int]) -> Image.Image:
    return picture.crop((edit.left, edit.top, edit.left + size[0], edit.top + size[1]))


@pytest.mark.parametrize("scheduler", ["ddim", "pndm", "dpm++2m", "euler"])
@pytest.mark.parametrize("text", ["clip", "bert", "xl"])
def test_the_picture_stays_pixel_for_pixel_for_every_family_and_scheduler(text, scheduler):
    picture = tiny.photo((61, 83))
    edit = asked(picture, top=3, right=20)
    result = editor_of(text, scheduler=scheduler).edit(edit)
    assert result.edited_image.size == (61 + 29, 83 + 8)
    assert within(result.edited_image, edit, (61, 83)).tobytes() == picture.tobytes()
    assert result.original_image is not None and result.original_image.tobytes() == picture.tobytes()
    assert result.scheduler == "DDIMScheduler" and picture.size == (61, 83)


def test_alpha_stays_and_what_is_new_is_opaque():
    picture = tiny.photo((40, 40)).convert("RGBA")
    picture.putalpha(Image.linear_gradient("L").resize((40, 40)))
    edit = asked(picture)
    result = editor_of().edit(edit).edited_image
    assert result.mode == "RGBA" and within(result, edit, (40, 40)).tobytes() == picture.tobytes()
    assert set(np.unique(np.asarray(result)[:, :9, 3])) == {255}


@pytest.mark.parametrize(("prompt", "rows"), [("a cat", 2), ("", 1)])
def test_rows_are_counted_and_none_is_wasted(prompt, rows):
    edit = asked(
        tiny.photo((32, 32)), prompt=prompt, guidance_scale=3, num_inference_steps=4, num_resamples=3
    )
    assert editor_of().edit(edit).num_unet_rows == rows * (3 * 3 + 1)  # the last step is taken once
    plain = asked(tiny.photo((32, 32)), prompt=prompt, num_inference_steps=4, num_resamples=3)
    assert editor_of().edit(plain).num_unet_rows == 10


def test_an_empty_prompt_leaves_guidance_nothing_to_say():
    editor, picture = editor_of(), tiny.photo((32, 32))
    one, other = (editor.edit(asked(picture, prompt="", guidance_scale=scale)) for scale in (1, 9))
    assert one.edited_image.tobytes() == other.edited_image.tobytes()


def test_many_are_each_as_alone_and_the_same_again():
    editor = editor_of()
    edits = [asked(tiny.photo((32, 32), seed), seed=seed, prompt=words) for seed, words in enumerate("abc")]
    edits.append(asked(tiny.photo((64, 32))))
    together = editor.edit_many(edits)
    for edit, result in zip(edits, together, strict=True):
        alone = np.asarray(editor.edit(edit).edited_image).astype(int)
        assert np.abs(alone - np.asarray(result.edited_image)).max() <= 1
    assert editor.edit(edits[0]).edited_image.tobytes() == editor.edit(edits[0]).edited_image.tobytes()
    other = editor.edit(asked(tiny.photo((32, 32), 0), seed=9, prompt="a"))
    assert other.edited_image.tobytes() != together[0].edited_image.tobytes()


def test_what_surrounds_a_picture_depends_on_the_picture_and_on_the_words():
    editor = editor_of()
    red, blue = (Image.new("RGB", (32, 32), colour) for colour in ("red", "blue"))
    drawn = [
        np.asarray(editor.edit(edit).edited_image)[:, :9]
        for edit in (asked(red), asked(blue), asked(red, prompt="a dog in the snow"))
    ]
    assert not np.array_equal(drawn[0], drawn[1]) and not np.array_equal(drawn[0], drawn[2])


# RePaint itself


def scheduler(**options: Any) -> DDIMScheduler:
    return DDIMScheduler(clip_sample=False, set_alpha_to_one=False, **options)


def predict(latents: torch.Tensor, timestep: torch.Tensor, index: int) -> torch.Tensor:
    return torch.sin(3 * latents + float(timestep) / 1000)


def repainted(known: torch.Tensor, num_resamples: int, **options: Any) -> list[Any]:
    found = torch.Generator().manual_seed(0)
    noise, picture = (torch.randn(2, 4, 8, 8, generator=found) for _ in range(2))
    steps = repaint(
        predict,
        levels=levels(scheduler(**options), STEPS),
        noise=noise,
        picture=picture,
        known=known.expand(2, 1, 8, 8),
        num_resamples=num_resamples,
        generators=tiny.generators([1, 2]),
    )
    return [noise, picture, list(steps)]


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction", "sample"])
def test_of_nothing_known_and_each_step_once_it_is_ddim(prediction):
    noise, _, steps = repainted(torch.tensor(False), 1, prediction_type=prediction)
    plain = list(
        denoise(
            predict,
            scheduler=scheduler(prediction_type=prediction),
            latents=noise,
            num_inference_steps=STEPS,
        )
    )
    for ours, theirs in zip(steps, plain, strict=True):
        torch.testing.assert_close(ours.clean, theirs.clean, rtol=1e-4, atol=1e-4)
        assert (ours.index, ours.num_steps, ours.timestep) == (
            theirs.index,
            theirs.num_steps,
            theirs.timestep,
        )
        if ours is not steps[-1]:  # which ends on the clean latents
            torch.testing.assert_close(ours.latents, theirs.latents, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("num_resamples", [1, 4])
def test_what_is_known_is_the_picture_noised_and_at_the_end_the_picture(num_resamples):
    known = torch.zeros(1, 1, 8, 8, dtype=torch.bool)
    known[..., 2:5] = True
    noise, picture, steps = repainted(known, num_resamples)
    for step, level in zip(steps[:-1], levels(scheduler(), STEPS), strict=False):
        noised = level.next_signal * picture + level.next_spread * noise
        torch.testing.assert_close(step.latents[..., 2:5], noised[..., 2:5])
        assert torch.equal(step.clean[..., 2:5], picture[..., 2:5])
    assert torch.equal(steps[-1].latents[..., 2:5], picture[..., 2:5])
    assert not torch.isclose(steps[-1].latents[..., 5:], picture[..., 5:]).any(dim=1).all()


def test_going_forward_again_keeps_the_noise_level():
    """x ~ N(√(ᾱ/ᾱ')·x', 1 − ᾱ/ᾱ'): of unit variance where x' is; seen before the step is taken again."""
    seen: list[torch.Tensor] = []

    def watching(latents: torch.Tensor, timestep: torch.Tensor, index: int) -> torch.Tensor:
        seen.append(latents)
        return latents  # noise of unit variance stays that, in every step of DDIM

    shape = (1, 4, 64, 64)
    steps = repaint(
        watching,
        levels=levels(scheduler(), STEPS),
        noise=torch.randn(shape, generator=torch.Generator().manual_seed(0)),
        picture=torch.zeros(shape),
        known=torch.zeros(1, 1, 64, 64, dtype=torch.bool),
        num_resamples=5,
        generators=tiny.generators([1]),
    )
    run_to_end(steps)
    kept = [(level.signal / level.next_signal) ** 2 for level in levels(scheduler(), STEPS)]
    for index in range(STEPS - 1):
        first, second = seen[5 * index], seen[5 * index + 1]
        level = levels(scheduler(), STEPS)[index]
        moved = kept[index] ** 0.5 * (level.a * first + level.b * first)
        fresh = (second - moved) / (1 - kept[index]) ** 0.5
        assert abs(float(fresh.mean())) < 0.05 and abs(float(fresh.std()) - 1) < 0.05


# The canvas


@given(st.tuples(*[st.integers(0, 60)] * 4), st.integers(1, 40), st.integers(1, 40))
def test_cells_that_are_known_lie_in_the_picture_as_a_whole(margins, rows, columns):
    canvas = Canvas(Picture(image=Image.new("RGB", (70, 50))), margins)
    (width, height), (left, top, *_) = canvas.size, margins
    known = canvas.known((rows, columns))
    for row in range(rows):
        for column in range(columns):
            inside = (
                left * columns <= column * width
                and (column + 1) * width <= (left + 70) * columns
                and top * rows <= row * height
                and (row + 1) * height <= (top + 50) * rows
            )
            assert known[row, column] == inside


def test_colours_are_carried_over_the_seam_and_fade():
    known = np.zeros((64, 64), bool)
    known[:, 20:40] = True
    difference = np.zeros((64, 64, 3), np.float32)
    difference[:, 20:40] = (0.3, 0, -0.1)
    carried = carried_over(difference, known)
    assert np.array_equal(carried[known], difference[known])
    assert np.allclose(carried[:, 40], (0.3, 0, -0.1), atol=0.05)
    assert np.abs(carried[:, 60:]).max() < 0.01
    assert np.all(np.diff(carried[32, 40:, 0]) <= 1e-6)
    assert np.array_equal(carried_over(np.zeros_like(difference), known), np.zeros_like(difference))


@given(st.integers(16, 900), st.integers(16, 900), st.sampled_from([1.0, 4 / 3, 16 / 9, 2 / 3, 9 / 16]))
def test_a_picture_and_its_margins_have_the_shape(width, height, shape):
    left, top, right, bottom = widened((width, height), shape)
    assert min(left, top, right, bottom) >= 0 and abs(left - right) <= 1 and abs(top - bottom) <= 1
    assert 0 in (left + right, top + bottom)
    assert abs((width + left + right) - (height + top + bottom) * shape) <= max(1, shape)


# Requests


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"left": 0, "bottom": 0}, "Nothing is to be added"),
        ({"left": -1}, "left: -1 is not allowed"),
        ({"right": 33}, "right: 33 is not allowed, 0 to 32"),
        ({"top": 2.5}, "top: 2.5 is not allowed"),
        ({"num_resamples": 0}, "num_resamples: 0 is not allowed"),
        ({"num_resamples": 21}, "num_resamples: 21 is not allowed"),
        ({"guidance_scale": -1}, "guidance_scale: -1 is not allowed"),
        ({"prompt": "   "}, "prompt: is empty"),
        ({"prompt": 3}, "prompt: 3 is no text"),
        ({"num_inference_steps": 5000}, "num_inference_steps: 5000 is not allowed"),
        ({"original_image": "none.png"}, "none.png"),
        (
            {"resolution": 16, "left": 31, "right": 31, "top": 31, "bottom": 31},
            "add less, or raise resolution",
        ),
        ({"original_image": Image.new("RGB", (16, 100)), "top": 100}, "sides up to 8 to 1: add less"),
    ],
)
def test_what_cannot_be_is_one_sentence(changes, says):
    editor = editor_of()
    with pytest.raises(InvalidEdit) as wrong:
        editor.edit(asked(**{"picture": tiny.photo((32, 32)), **_as_picture(changes)}))
    assert says in str(wrong.value)


def _as_picture(changes: dict[str, Any]) -> dict[str, Any]:
    return {{"original_image": "picture"}.get(name, name): value for name, value in changes.items()}


def test_an_edit_model_cannot():
    with pytest.raises(EditorError, match="channels"):
        RePaintEditor.from_pipeline(tiny.pipeline(kind="edit", text="clip"))


def test_a_request_and_a_recipe_are_read_back(tmp_path):
    picture = tiny.photo((32, 32))
    result = editor_of().edit(asked(picture))
    edit = result.edit
    assert isinstance(edit, OutpaintEdit) and edit.margins == (9, 0, 0, 5)
    save_png(result, tmp_path / "one.png")
    recipe = read_recipe(tmp_path / "one.png")
    assert {side: recipe.settings[side] for side in SIDES} == dict(zip(SIDES, edit.margins, strict=True))
    assert 'Extended: "left 9, bottom 5"' in recipe.parameters
    reference = json.loads(recipe.edit)["original_image"]
    again = OutpaintEdit.from_json(recipe.edit, pictures={reference: picture})
    assert editor_of().edit(again).edited_image.tobytes() == result.edited_image.tobytes()
