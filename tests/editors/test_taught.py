"""What is said of an edit that came out as nobody meant it."""

import numpy as np
import pytest
from PIL import Image

from editors import InstructionEdit, InstructPix2PixEditor, PromptEdit, PromptToPromptEditor
from editors.requests.taught import changed_share, notes_on, notes_on_change, untaught
from tests import tiny

TAUGHT = ("make", "night", "tree", "remove", "swap", "drawing", "colour")


@pytest.mark.parametrize(
    ("prompt", "new"),
    [
        ("make it night", ()),
        ("Please make it NIGHT!", ()),
        ("remove the trees", ()),
        ("removed", ()),
        ("the tree's colour", ()),
        ("the tree’s colour", ()),
        ("put a sombrero on the dog", ("put", "sombrero", "dog")),
        ("mach es Nacht", ("mach", "es", "Nacht")),
        ("ночь", ("ночь",)),
        ("make it 50 % 🎄", ()),
    ],
)
def test_words_that_were_never_taught_are_named_as_they_were_typed(prompt, new):
    assert untaught(prompt, TAUGHT) == new
    (*notes,) = notes_on(prompt, TAUGHT)
    assert bool(notes) == bool(new) and all(f"“{word}”" in notes[0] for word in new)


def test_a_model_that_says_nothing_of_its_words_is_told_nothing_of_them():
    assert untaught("mach es Nacht", ()) == ()


def test_a_change_is_measured_where_it_might_be():
    before = Image.new("RGB", (400, 300), "grey")
    after = before.copy()
    after.paste("white", (0, 0, 40, 300))  # a tenth of the picture
    mask = np.zeros((300, 400), np.uint8)
    mask[:, :40] = 255
    assert changed_share(before, before, None) == 0
    tenth, whole = changed_share(before, after, None), changed_share(before, after, mask)
    assert tenth == pytest.approx(whole / 10, rel=0.05)
    assert notes_on_change(before, before, None) and not notes_on_change(before, after, mask)
    (guided,), (without,) = (notes_on_change(before, before, None, has_scales=one) for one in (True, False))
    assert "follow the words more" in guided and without.endswith("(0.0 %): say it in other words.")


def test_an_edit_says_so_and_what_the_model_is_good_at():
    editor = InstructPix2PixEditor.from_pretrained("pocket", device="cpu")
    photo = tiny.photo((96, 64))
    odd, good = (
        editor.edit(InstructionEdit(original_image=photo, edit_prompt=said, seed=7, num_inference_steps=4))
        for said in ("verwandle alles in Gold", "make it foggy")
    )
    assert "never taught “verwandle”, “alles”" in odd.notes[0]
    assert "good at: make it sunset" in odd.notes[-1]
    assert good.notes == ()


def test_a_prompt_outside_of_a_models_world_is_told_with_the_world():
    editor = PromptToPromptEditor.from_pretrained("pocket", device="cpu")
    edit = PromptEdit(
        original_prompt="a cat in the snow",
        edited_prompt="a tiger in the snow",
        seed=7,
        num_inference_steps=2,
    )
    said, known = editor.edit(edit).notes
    assert said == "The model was never taught “tiger”." and "elephant" in known
