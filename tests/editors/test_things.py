"""Pointing at a thing: the region holds the place, is the same every time, and beats a disc of its size."""

import numpy as np
import pytest
import torch
from PIL import Image

from dataset_builder.scenes import WORLDS, render_scene, sample_scene
from editors import InstructPix2PixEditor, InvalidEdit, PromptToPromptEditor
from editors.model.attention import install
from editors.model.things import Things, _Keys, _piece
from tests import tiny

SIZE = 128


def editor_of(kind, text, scheduler="ddim"):
    pipe = tiny.pipeline(kind=kind, text=text, scheduler=scheduler)
    return (InstructPix2PixEditor if kind == "edit" else PromptToPromptEditor).from_pipeline(pipe)


@pytest.mark.parametrize("text", ["clip", "bert", "xl"])
@pytest.mark.parametrize("kind", ["base", "edit"])
def test_every_family_tells_a_region_of_the_pictures_size_that_holds_the_place(kind, text):
    editor, picture = editor_of(kind, text), tiny.photo((83, 41))
    for x, y in ((0, 0), (82, 40), (40.6, 20)):
        found = editor.things(picture).at(x, y)
        assert found.shape == (41, 83) and set(np.unique(found)) <= {0, 255}
        assert found[int(y), int(x)] == 255
    assert picture.size == (83, 41)  # looking at a picture leaves it as it is


def test_the_same_place_is_the_same_region_and_schedulers_have_no_say():
    picture = tiny.photo((64, 48))
    first, second, third = (
        editor_of("base", "clip", name).things(picture) for name in ("ddim", "ddim", "euler")
    )
    assert np.array_equal(first.at(20, 30), second.at(20, 30))
    assert torch.equal(first.features, third.features)


def test_looking_changes_nothing_of_what_is_predicted():
    model = editor_of("base", "clip").model
    install(model.unet)
    latents = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(3))
    told = latents, torch.tensor([300]), model.unconditional(size=(32, 32))
    with torch.no_grad():
        assert torch.equal(model.network.predict(*told), model.network.predict(*told, control=_Keys()))


def test_one_piece_is_what_hangs_together_with_the_place():
    mask = torch.tensor([[1, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 0], [1, 1, 0, 1]]).bool()
    here = torch.zeros_like(mask)
    here[0, 0] = True
    assert _piece(mask, here).int().tolist() == [[1, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 0], [0, 0, 0, 0]]


@pytest.mark.parametrize(
    ("place", "reach", "problem"),
    [
        ((83, 5), 0.3, "x: 83 is not allowed; give a number from 0 to 82"),
        ((5, -1), 0.3, "y: -1 is not allowed"),
        ((float("nan"), 1), 0.3, "x: NaN"),
        ((5, 5), 0, "reach: 0 is not allowed"),
        ((5, 5), 1.5, "reach: 1.5 is not allowed"),
    ],
)
def test_a_place_outside_and_no_reach_are_a_sentence(place, reach, problem):
    things = Things(features=torch.eye(4).reshape(4, 2, 2), guide=tiny.photo((83, 41)), size=(83, 41))
    with pytest.raises(InvalidEdit, match=problem):
        things.at(*place, reach=reach)


def test_pocket_finds_drawn_things_better_than_a_disc_of_their_size():
    editor = PromptToPromptEditor.from_pretrained("pocket", device="cpu")
    found, discs = [], []
    for seed in range(70_000, 70_012):
        drawn = render_scene(sample_scene(seed, world=WORLDS["pocket"], split="held_out"), SIZE)
        if not drawn.object_masks:
            continue
        truth = drawn.object_masks[0]
        down, right = np.nonzero(truth)
        middle = np.argmin((down - down.mean()) ** 2 + (right - right.mean()) ** 2)
        x, y = int(right[middle]), int(down[middle])
        found.append(overlap(editor.things(Image.fromarray(drawn.image)).at(x, y) > 0, truth))
        rows, columns = np.mgrid[:SIZE, :SIZE]
        discs.append(overlap((rows - y) ** 2 + (columns - x) ** 2 <= truth.sum() / np.pi, truth))
    assert len(found) > 6 and np.mean(found) > np.mean(discs)


def overlap(one, other):
    """Intersection over union."""
    return (one & other).sum() / (one | other).sum()
