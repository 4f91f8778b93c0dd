"""A picture that was moved by whole pixels is told so exactly, and nothing else is."""

import numpy as np
import pytest
from PIL import Image, ImageFilter

from editors import InstructionEdit, InstructPix2PixEditor
from editors.pictures.shift import moved_back, shift_between
from tests import tiny, tiny_klein

SIZE = (200, 256)


def scene(seed: int = 0) -> np.ndarray:
    """A picture with things in it: many discs, as sharp as a photograph."""
    random = np.random.default_rng(seed)
    rows, columns = np.mgrid[0 : SIZE[0], 0 : SIZE[1]]
    drawn = np.ones((*SIZE, 3), np.float32) * 0.5
    for y, x, radius in random.integers((0, 0, 4), (*SIZE, 30), (60, 3)):
        drawn[(rows - y) ** 2 + (columns - x) ** 2 < radius**2] = random.random(3)
    return drawn


def night(picture: np.ndarray) -> np.ndarray:
    """Edit a picture as a model does: darker, bluer, softer, and not the same in any pixel."""
    dark = np.clip(picture**1.5 * [0.4, 0.5, 0.9], 0, 1)
    soft = Image.fromarray((dark * 255).astype(np.uint8)).filter(ImageFilter.GaussianBlur(1))
    noise = np.random.default_rng(1).normal(0, 0.02, picture.shape)
    return (np.asarray(soft) / 255 + noise).clip(0, 1).astype(np.float32)


def moved(picture: np.ndarray, down: int, right: int) -> np.ndarray:
    return np.roll(picture, (down, right), (0, 1))


@pytest.mark.parametrize("shift", [(3, -2), (-4, 4), (0, 2), (5, 0), (-1, 3)])
@pytest.mark.parametrize("change", [night, lambda picture: picture], ids=["night", "nothing"])
def test_a_shift_is_found_and_undone(shift, change):
    before = scene()
    after = moved(change(before), *shift)
    assert shift_between(before, after) == shift
    back = moved_back(after, shift, before)
    inside = (slice(8, -8), slice(8, -8))
    assert np.array_equal(back[inside], change(before)[inside])
    assert back.shape == before.shape and back.dtype == np.float32


def test_what_was_not_moved_stays():
    before = scene()
    thing = before.copy()
    thing[60:120, 60:120] = moved(before, 7, 9)[60:120, 60:120]  # a thing of it was
    for after in (before, night(before), thing, scene(1), 1 - before, np.zeros_like(before)):
        assert shift_between(before, after) == (0, 0)
        assert moved_back(after, (0, 0), before) is after


def test_a_pixel_may_be_the_edits_own_and_far_is_what_was_asked_for():
    before = scene()
    assert shift_between(before, moved(before, 1, 0)) == (0, 0)
    assert shift_between(before, moved(before, 0, 40)) == (0, 0)
    assert shift_between(before[:64, :64], moved(before, 3, 3)[:64, :64]) == (0, 0)


def test_what_is_uncovered_is_the_photos_own():
    before, after = np.zeros((200, 200, 3), np.float32), np.ones((200, 200, 3), np.float32)
    back = moved_back(after, (3, -2), before)
    assert back[:-3, 2:].all() and not back[-3:].any() and not back[:, :2].any()


def test_an_edit_that_a_model_drew_beside_its_place_is_moved_back_and_told(monkeypatch):
    """The change that is transferred has no seam then."""
    editor = InstructPix2PixEditor.from_pipeline(tiny_klein.pipeline(guided=False))
    side = 256
    photo = np.repeat(np.repeat(scene()[:, :200], 2, 0), 2, 1)[:side, :side]
    kind, by = type(editor.model), (0, 0)

    def decode(_, latents):
        drawn = moved(photo * [1, 0.5, 0.5], *by).astype(np.float32)
        return editor.model.vae.post_quant_conv.weight.new_tensor(drawn.transpose(2, 0, 1))[None]

    def redrawn(*_):
        return photo

    monkeypatch.setattr(kind, "decode", decode)
    monkeypatch.setattr(type(editor._photos), "redrawn", redrawn)
    picture = Image.fromarray((photo * 255).round().astype(np.uint8))
    asked = InstructionEdit(
        original_image=picture, edit_prompt="red", seed=1, num_inference_steps=1, resolution=side
    )
    still = editor.edit(asked)
    by = (4, -3)
    beside = editor.edit(asked)
    inside = (slice(8, -8), slice(8, -8))
    apart = np.asarray(still.edited_image).astype(int) - np.asarray(beside.edited_image)
    assert np.abs(apart[inside]).max() <= 3  # of 255
    assert not any("moved" in note for note in still.notes)
    assert "The model moved the picture by 4 pixels down and 3 to the left, which was undone." in beside.notes
    plain = InstructPix2PixEditor.from_pipeline(tiny.pipeline(kind="edit"))
    assert not plain.model.may_shift
