import json
import math
import pickle
import re
import subprocess
import sys
from dataclasses import FrozenInstanceError, fields
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from editors import InstructionEdit, InvalidEdit, LocalBlend, PromptEdit
from tests import tiny


def instruction(**changes):
    return InstructionEdit(**{"original_image": "photo.png", "edit_prompt": "make it night", **changes})


def prompts(**changes):
    return PromptEdit(**{"original_prompt": "a cat", "edited_prompt": "a dog", **changes})


def photo(**changes):
    return prompts(original_image="photo.png", **changes)


NO_NUMBERS = [math.nan, math.inf, -math.inf, -0.5, 1e9, "7", True, 1j]  # None is the model's own
BAD_FIELDS = [
    *(
        (instruction, name, value)
        for name in ("guidance_scale", "image_guidance_scale")
        for value in NO_NUMBERS
    ),
    *((prompts, "guidance_scale", value) for value in NO_NUMBERS),
    *(
        (make, "num_inference_steps", value)
        for make in (instruction, prompts)
        for value in (0, -1, 2.5, 20.0, 1001, 10**9, math.nan, "20", True)
    ),
    *(
        (make, "seed", value)
        for make in (instruction, prompts)
        for value in (-1, 2**32, 2**64, 1.5, math.nan, "7", True)
    ),
    *(
        (instruction, "edit_prompt", value)
        for value in (
            "",
            "  \n",
            "\u200b\u200b",
            "\u2060 \ufeff",
            None,
            7,
            "x" * 1001,
            "a\0b",
            "a\x1bb",
            "\ud800",
        )
    ),
    *((prompts, name, value) for name in ("original_prompt", "edited_prompt") for value in ("", " ", None)),
    *((instruction, "original_image", value) for value in (None, 7, "", "a\0b", b"bytes", [1])),
    *((instruction, "mask", value) for value in (7, "", "a\0b")),
    *((instruction, "full_size", value) for value in ("crop", None, 1)),
    *((instruction, "resolution", value) for value in (0, 15, 9000, 2.5, "512", True)),
    *((prompts, "operation", value) for value in ("swap", None)),
    (prompts, "recipe", "official"),
    *(
        (prompts, "word_weights", value)
        for value in (None, "snow", {"snow": math.nan}, {"": 1}, {"snow": "2"}, {3: 1})
    ),
    *(
        (prompts, name, value)
        for name in ("cross_replace_steps", "self_replace_steps")
        for value in (
            1.1,
            -0.1,
            math.nan,
            51,
            -1,
            True,
            "0.5",
            (0.5,),
            (0.8, 0.2),
            (0, math.inf),
            (0, 1, 1),
        )
    ),
    (prompts, "cross_replace_steps", {"cat": 2.0}),
    (prompts, "cross_replace_steps", {3: 0.5}),
    (prompts, "self_replace_steps", {"cat": 0.5}),
    (prompts, "local_blend", ("cat",)),
    *((prompts, "only", value) for value in (-0.1, 1.1, math.nan, "half", True)),
    *((prompts, name, value) for name in ("width", "height") for value in (0, 15, 2.5, math.nan)),
    *((prompts, "inversion", value) for value in ("ddpm", None, "ddim", "null_text")),  # no photo to invert
    *((prompts, "original_image", value) for value in (7, "", b"bytes")),
    *((prompts, "full_size", value) for value in ("crop", None)),
    *((prompts, "heat_maps", value) for value in (1, "yes", None)),
    *((photo, "original_prompt", value) for value in ("", "  ", None)),
    *((photo, name, 64) for name in ("width", "height")),
    (photo, "inversion", "ddpm"),
]


@pytest.mark.parametrize(("make", "name", "value"), BAD_FIELDS)
def test_a_bad_field_is_one_sentence_that_names_it(make, name, value):
    with pytest.raises(InvalidEdit) as caught:
        make(**{name: value})
    text = str(caught.value)
    assert caught.value.field.startswith(name) and text == f"{caught.value.field}: {caught.value.problem}"
    assert str(pickle.loads(pickle.dumps(caught.value))) == text  # it comes back from another process
    assert text.endswith(".") and "\n" not in text and len(text) < 220
    assert re.search(r"; |, or leave", text), "the remedy is missing"


def test_the_sentence_says_what_was_given_and_what_is_allowed():
    with pytest.raises(InvalidEdit, match=r"guidance_scale: NaN \(not a number\) .* from 0 to 100"):
        instruction(guidance_scale=math.nan)
    with pytest.raises(InvalidEdit, match=r"num_inference_steps: 2.5 .* whole number from 1 to 1000"):
        instruction(num_inference_steps=2.5)


@pytest.mark.parametrize("seed", [None, 0, 2**32 - 1, np.int64(5)])
def test_seeds_that_are_allowed(seed):
    assert instruction(seed=seed).seed == seed


@pytest.mark.parametrize("scale", [0, 0.0, 1, 100, np.float32(1.5)])
def test_any_scale_from_zero_is_allowed(scale):
    assert instruction(guidance_scale=scale, image_guidance_scale=scale).guidance_scale == scale


def test_only_and_a_local_blend_are_two_answers_to_one_question():
    words = LocalBlend(original=("cat",))
    assert prompts(only=0, local_blend=words).local_blend == words
    with pytest.raises(InvalidEdit, match="leave one of them out"):
        prompts(only=0.5, local_blend=words)


def test_local_blend_needs_words():
    with pytest.raises(InvalidEdit, match="names no word"):
        LocalBlend()
    with pytest.raises(InvalidEdit, match="no list of words"):
        LocalBlend(original="cat")  # type: ignore[arg-type]
    for bad in (0, 1.1, math.nan):
        with pytest.raises(InvalidEdit, match="threshold"):
            LocalBlend(original=("cat",), threshold=bad)


def test_requests_do_not_change_under_ones_hands():
    weights = {"snow": 2.0}
    edit = prompts(word_weights=weights)
    weights["snow"] = 9.0
    assert edit.word_weights == {"snow": 2.0}
    with pytest.raises(FrozenInstanceError):
        edit.seed = 3


@given(
    st.floats(0, 100),
    st.floats(0, 100),
    st.integers(1, 1000),
    st.none() | st.integers(0, 2**32 - 1),
    st.text(st.characters(exclude_categories=["C"]), min_size=1, max_size=80).filter(str.strip),
)
def test_instruction_edits_survive_json(text_scale, image_scale, steps, seed, prompt):
    edit = instruction(
        guidance_scale=text_scale,
        image_guidance_scale=image_scale,
        num_inference_steps=steps,
        seed=seed,
        edit_prompt=prompt,
    )
    assert InstructionEdit.from_json(edit.to_json()) == edit


def test_prompt_edits_survive_json():
    edit = prompts(
        word_weights={"dog": 1.5},
        cross_replace_steps={"dog": 0.4, "a": (0.1, 0.3), "default": 1},
        self_replace_steps=(0, 0.5),
        local_blend=LocalBlend(original=("cat",), edited=("dog",)),
        seed=3,
    )
    assert PromptEdit.from_json(edit.to_json()) == edit


def test_pictures_go_into_json_by_reference():
    photo = tiny.photo()
    edit = instruction(original_image=photo)
    reference = json.loads(edit.to_json())["original_image"]
    assert reference.startswith("sha256:")
    with pytest.raises(InvalidEdit, match="hand it over"):
        InstructionEdit.from_json(edit.to_json())
    assert InstructionEdit.from_json(edit.to_json(), pictures={reference: photo}) == edit
    assert (
        InstructionEdit.from_json(instruction(original_image=Path("a/b.png")).to_json()).original_image
        == "a/b.png"
    )


def test_further_pictures_go_into_json_each_by_reference():
    photo = tiny.photo()
    edit = instruction(references=[photo, Path("a/hat.png")])
    assert edit.references == (photo, Path("a/hat.png"))
    first, second = json.loads(edit.to_json())["references"]
    assert first.startswith("sha256:") and second == "a/hat.png"
    with pytest.raises(InvalidEdit, match=r"references: .*hand it over"):
        InstructionEdit.from_json(edit.to_json())
    again = InstructionEdit.from_json(edit.to_json(), pictures={first: photo})
    assert again.references == (photo, "a/hat.png")
    assert instruction(references=[]).references is None
    for bad in ("a/hat.png", Path("hat.png"), photo, 7, [7], [""], [None]):
        with pytest.raises(InvalidEdit, match="references: "):
            instruction(references=bad)


@pytest.mark.parametrize(
    "text",
    ["", "[]", "3", "{", '{"edit": "PromptEdit"}', '{"edit_prompt": "x"}', '{"colour": 1}', None],
)
def test_other_json_is_one_sentence(text):
    with pytest.raises(InvalidEdit):
        InstructionEdit.from_json(text)


def test_json_with_nan_is_refused_like_nan():
    text = instruction(guidance_scale=7.5).to_json().replace("7.5", "NaN")
    with pytest.raises(InvalidEdit, match="guidance_scale"):
        InstructionEdit.from_json(text)


def test_fields_have_the_published_names():
    names = {item.name for item in fields(InstructionEdit)}
    assert {
        "original_image",
        "edit_prompt",
        "guidance_scale",
        "image_guidance_scale",
        "seed",
        "mask",
    } <= names


def test_importing_editors_imports_no_torch():
    probe = "import editors, sys; assert not {'torch', 'numpy'} & set(sys.modules); print(dir(editors))"
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", probe], cwd=root, capture_output=True, text=True, check=True)
    assert "InstructPix2PixEditor" in done.stdout


def test_a_pil_picture_is_accepted():
    assert isinstance(instruction(original_image=Image.new("RGB", (32, 32))).original_image, Image.Image)
