import json
import re
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from editors import EditFailed, EditResult, InstructionEdit, InvalidEdit, LocalBlend, PromptEdit
from editors.requests.recipe import read_recipe, save_png
from editors.requests.settings import STANDARD, resolve
from tests import tiny


def result(edit, **changes):
    facts = {"seed": 7, "num_unet_rows": 60, "seconds": 1.0, "model": "pocket", "scheduler": "DDIMScheduler"}
    return EditResult(
        edited_image=tiny.photo(seed=2), original_image=tiny.photo(), edit=edit, **{**facts, **changes}
    )


def instruction(prompt="make it night", **changes):
    return InstructionEdit(original_image="secret/place/photo.png", edit_prompt=prompt, seed=7, **changes)


@pytest.mark.parametrize(
    "prompt", ["make it night", 'a "red, round": cat\nSteps: 3, Seed: 9', "夜にして 🌙", "x" * 1000]
)
def test_what_is_written_is_read(tmp_path, prompt):
    save_png(result(instruction(prompt)), tmp_path / "night.png")
    recipe = read_recipe(tmp_path / "night.png")
    assert recipe.settings["edit_prompt"] == prompt
    assert (recipe.settings["seed"], recipe.model, recipe.size) == (7, "pocket", (32, 32))
    assert np.array_equal(np.asarray(Image.open(tmp_path / "night.png")), np.asarray(tiny.photo(seed=2)))


def test_the_request_can_be_made_again_from_the_file(tmp_path):
    save_png(result(instruction()), tmp_path / "night.png")
    held = json.loads(read_recipe(tmp_path / "night.png").edit)
    again = InstructionEdit.from_json(json.dumps(held), pictures={held["original_image"]: tiny.photo()})
    asked = InstructionEdit(original_image=tiny.photo(), edit_prompt="make it night", seed=7)
    assert again == replace(asked, forecast=1)


@pytest.mark.parametrize(("made_with", "again"), [(None, 1), (1, 1), (3, 3)])
def test_a_recipe_of_before_forecasts_computes_every_step(tmp_path, made_with, again):
    """Whatever the model recommends by now: the same picture again."""
    made = result(instruction(forecast=made_with))
    save_png(made, tmp_path / "night.png")
    recipe = read_recipe(tmp_path / "night.png")
    assert json.loads(recipe.edit)["forecast"] == again
    assert ("Forecast" in recipe.parameters) == (again > 1)


def test_the_common_line_parses_as_the_web_interfaces_do(tmp_path):
    standard = SimpleNamespace(recommended=STANDARD["edit"])
    asked = resolve(instruction(image_guidance_scale=1.25), standard)
    save_png(result(asked.edit), tmp_path / "night.png")
    prompt, settings = Image.open(tmp_path / "night.png").info["parameters"].rsplit("\n", 1)
    pairs = dict(re.findall(r'\s*([\w ]+): ("(?:\\.|[^\\"])*"|[^,]*)(?:,|$)', settings))
    assert prompt == "make it night"
    assert pairs["Steps"] == "20" and pairs["Seed"] == "7" and pairs["CFG scale"] == "7.5"
    assert pairs["Image CFG scale"] == "1.25" and pairs["Size"] == "32x32" and pairs["Model"] == "pocket"


def test_prompt_edits_have_recipes_too(tmp_path):
    edit = PromptEdit(
        original_prompt="a cat, sitting",
        edited_prompt="a dog, sitting",
        local_blend=LocalBlend(original=("cat",), edited=("dog",)),
        seed=7,
    )
    save_png(result(edit), tmp_path / "dog.png")
    assert PromptEdit.from_json(read_recipe(tmp_path / "dog.png").edit) == edit


def test_no_folder_of_the_user_is_told(tmp_path):
    save_png(
        result(instruction(mask="secret/mask.png"), model="/home/me/models/snow"), tmp_path / "night.png"
    )
    content = (tmp_path / "night.png").read_bytes()
    assert b"secret" not in content and b"/home/me" not in content


def test_a_file_is_whole_or_not_there(tmp_path):
    class Broken(Image.Image):
        def save(self, fp, *args, **options):
            fp.write(b"half")
            raise OSError(28, "No space left on device")

    broken = result(instruction())
    object.__setattr__(broken, "edited_image", Broken())
    (tmp_path / "night.png").write_bytes(b"before")
    with pytest.raises(EditFailed, match="No space left"):
        save_png(broken, tmp_path / "night.png")
    assert [path.name for path in tmp_path.iterdir()] == ["night.png"]
    assert (tmp_path / "night.png").read_bytes() == b"before"
    with pytest.raises(EditFailed, match="No such file"):
        save_png(result(instruction()), tmp_path / "no" / "folder.png")


@pytest.mark.parametrize(
    "text", [None, "", "{", "[]", '{"edit": 3}', '{"edit": {"edit": "Other"}}', "[" * 10_000]
)
def test_a_file_without_a_recipe_is_one_sentence(tmp_path, text):
    from PIL.PngImagePlugin import PngInfo

    info = PngInfo()
    if text is not None:
        info.add_itxt("wordbrush", text)
    tiny.photo().save(tmp_path / "plain.png", pnginfo=info)
    with pytest.raises(InvalidEdit, match="no recipe"):
        read_recipe(tmp_path / "plain.png")
    with pytest.raises(InvalidEdit, match="no such file"):
        read_recipe(tmp_path / "missing.png")


def test_what_was_enlarged_says_so(tmp_path):
    save_png(result(instruction()), tmp_path / "night.png", times=8)
    recipe = read_recipe(tmp_path / "night.png")
    assert recipe.size == (256, 256)
    assert "Size: 32x32" in recipe.parameters and 'Enlarged: "8 times, bicubic"' in recipe.parameters
