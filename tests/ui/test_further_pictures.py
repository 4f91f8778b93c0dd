"""A person gives further pictures, where the model takes some; nobody else sees that there are such."""

import json
from dataclasses import replace

import pytest
from PIL import Image
from typer.testing import CliRunner

from editors import EditResult, InstructionEdit
from editors.pictures.images import read_picture
from editors.requests.recipe import read_recipe, save_png
from tests import tiny, tiny_klein
from tests.ui.fakes import NegativeEditor, NegativeOpener
from tests.ui.visit import visiting
from ui.app import build_app
from ui.cli import app
from ui.commands.page import _first


@pytest.fixture
def pictures(tmp_path):
    paths = [tmp_path / f"{name}.png" for name in ("photo", "hat", "coat")]
    for seed, path in enumerate(paths):
        tiny.photo((64, 48), seed=seed).save(path)
    return paths


class Several(NegativeEditor):
    max_references = 2
    has_scales = False


def test_a_person_gives_further_pictures(browser, pictures, tmp_path):
    photo, *further = pictures
    editor = Several()
    folder = tmp_path / "models"
    tiny.pipeline(kind="edit").save_pretrained(folder / "other")
    page = build_app(editor, model="several", opener=NegativeOpener(), models=folder)
    with visiting(browser, page) as visit:
        tab = visit.tab
        visit.upload(photo)
        strengths = [tab.get_by_role("button", name=name) for name in ("Weaker", "Stronger")]
        assert not any(button.is_enabled() for button in strengths)
        tab.get_by_text("Further pictures, up to 2").click()
        tab.locator("#references input[type=file]").set_input_files(further)
        tab.locator("#references img").nth(1).wait_for()
        visit.ask("put the hat of picture 2 on")
        visit.says("Done in")
        (asked,) = editor.edits
        for path, given in zip(further, asked.references or (), strict=True):
            mine, theirs = (read_picture("references", one).with_alpha() for one in (path, given))
            assert mine.tobytes() == theirs.tobytes()
        tab.reload()
        visit.says("Here is where you were.")
        visit.settles()
        visit.complaints.clear()  # of the page that was left, whose connections were cut
        visit.press("Edit")
        visit.says("Done in")
        assert [len(one.references or ()) for one in editor.edits] == [2, 2]
        tab.get_by_label("Model", exact=True).click()
        tab.get_by_role("option", name="other").click()
        visit.says("other edits from now on.")
        tab.get_by_text("Further pictures").wait_for(state="hidden")
        visit.until(lambda: all(button.is_enabled() for button in strengths))
        visit.press("Edit")  # without what cannot be seen any more
        visit.until(lambda: tab.locator("#edit-history img").count() == 3)
        visit.press("Earlier")
        later = tab.get_by_role("button", name="Later", exact=True)
        visit.until(later.is_enabled)
        visit.press("Reuse settings")  # of an edit that had some: what is asked for is seen
        tab.get_by_text("Further pictures, one too many").wait_for()
        visit.until(lambda: tab.locator("#references img").count() == 2)
        assert (visit.complaints, visit.strangers) == ([], [])


def test_a_recipe_names_them_without_folders_and_its_settings_are_taken_up_without(pictures, tmp_path):
    photo, *further = pictures
    edit = InstructionEdit(original_image=photo, edit_prompt="snow", references=further, seed=1)
    picture = Image.open(photo)
    result = EditResult(
        edited_image=picture,
        original_image=picture,
        edit=replace(edit, num_inference_steps=2, guidance_scale=1, image_guidance_scale=1),
        seed=1,
        num_unet_rows=1,
        seconds=0,
        model="several",
        scheduler="none",
    )
    save_png(result, tmp_path / "made.png")
    recipe = read_recipe(tmp_path / "made.png")
    assert json.loads(recipe.edit)["references"] == ["hat.png", "coat.png"]
    assert "references" not in recipe.settings and recipe.settings["edit_prompt"] == "snow"


def test_a_command_line_gives_them_and_is_told_where_none_are_taken(pictures, tmp_path):
    photo, *further = pictures
    folder = tiny_klein.folder(tmp_path / "klein", guided=False)
    given = [word for path in further for word in ("--reference", str(path))]
    asked = ["edit", str(photo), "snow", *given, "--seed", "1", "--num-inference-steps", "1"]
    sized = ["--resolution", "64"]

    def carried_out(*more):
        return CliRunner().invoke(app, [*asked, *sized, *more])

    made = carried_out("--model", str(folder), "--out", str(tmp_path / "made.png"))
    assert made.exit_code == 0, made.output
    assert json.loads(read_recipe(tmp_path / "made.png").edit)["references"] == ["hat.png", "coat.png"]
    refused = carried_out("--out", str(tmp_path / "none.png"))
    assert refused.exit_code == 1
    assert "references: 2 are too many; this model takes the picture alone" in str(refused.exception)
    assert not (tmp_path / "none.png").exists()


def test_a_page_of_such_a_model_knows_so_before_it_is_loaded(tmp_path):
    folder = tiny_klein.folder(tmp_path / "klein", guided=False)
    first = _first(str(folder), (), NegativeOpener())
    recommended = first.recommended
    assert (first.max_references, recommended.num_inference_steps, recommended.guidance_scale) == (3, 4, 1)
    assert not first.has_scales
    guided = tiny_klein.folder(tmp_path / "base")
    assert _first(str(guided), (), NegativeOpener()).has_scales
