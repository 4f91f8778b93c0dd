"""The Prompts tab: what the board says is what is asked for, and a change is drawn on the same noise."""

import itertools
from dataclasses import replace
from threading import Event
from typing import Any

import numpy as np
import pytest

from editors import InvalidEdit, LocalBlend, PromptEdit, PromptToPromptEditor
from editors.pictures.images import read_mask, read_picture
from editors.prompt_to_prompt.alignment import refinement_mapper, replacement_mapper, word_links
from tests import tiny
from tests.ui.fakes import NegativeEditor
from tests.ui.visit import PATIENCE, visiting
from ui.app import build_app
from ui.components.board import BoardState
from ui.components.form import PROMPT_LABELS
from ui.components.prompt_form import request_of
from ui.server.loaded_by_name import LoadedByName

EMPTY = BoardState(cross_replace_steps=(0, 0.8), self_replace_steps=(0.1, 0.4), steps=12)


@pytest.fixture(scope="module")
def pocket():
    """The shipped model, as one that recommends few steps: no test is about how good its pictures are."""
    model = PromptToPromptEditor.from_pretrained("pocket").model
    few = {**model.recommends["base"], "num_inference_steps": 3}
    return PromptToPromptEditor(replace(model, recommends={**model.recommends, "base": few}))


def prompts(pocket, *texts):
    return [pocket.model.text.tokenize("prompt", text) for text in texts]


@pytest.mark.parametrize(
    "texts",
    [
        ("a cat in the snow", "a dog in the snow"),
        ("a cat in the snow", "a cat in the deep snow at night"),
        ("a red cat and a red dog", "a red dog"),
    ],
)
def test_words_are_linked_where_attention_goes(pocket, texts):
    original, edited = prompts(pocket, *texts)
    links = word_links(original, edited)
    same_length = len(original.words) == len(edited.words)
    mapper = (replacement_mapper if same_length else refinement_mapper)(original, edited)
    for i, ours in enumerate(original.words):
        for j, theirs in enumerate(edited.words):
            attended = mapper[list(ours.tokens)][:, list(theirs.tokens)].any()
            assert bool(attended) == ((i, j) in links)
    for (i, j), (later_i, later_j) in itertools.pairwise(links):  # they never cross: each has its column
        assert i < later_i and j < later_j


def test_the_board_is_a_request_and_comes_back_from_the_browser(pocket):
    state = EMPTY.with_prompts(*prompts(pocket, "a cat in the snow", "a dog in the snow"))
    told = state.told()
    told["weights"], told["blend"]["edited"] = {"snow": 1.5}, ["dog"]
    back = BoardState.read(told)
    edit = PromptEdit(original_prompt="a cat in the snow", edited_prompt="a dog in the snow", **back.fields)
    assert edit.word_weights == {"snow": 1.5}
    assert edit.local_blend == LocalBlend(edited=("dog",))
    assert (edit.cross_replace_steps, edit.self_replace_steps) == ((0, 0.8), (0.1, 0.4))
    later = back.with_prompts(*prompts(pocket, "a cat in the snow", "a fox in the snow"))
    assert later.weights == {"snow": 1.5} and later.blend_edited == ()


def test_the_form_asks_to_keep_to_the_words_that_changed_unless_the_board_names_some(pocket):
    state = EMPTY.with_prompts(*prompts(pocket, "a cat in the snow", "a dog in the snow"))
    words = {"original_prompt": "a cat in the snow", "edited_prompt": "a dog in the snow"}
    numbers = {"guidance_scale": 2, "only": 0.3, "num_inference_steps": 12, "seed": ""}
    values: dict[str, Any] = {**words, **numbers, "original_image": None}
    asked = tuple(values[name] for name in PROMPT_LABELS)
    assert request_of((*asked, state.told())).only == 0.3
    named = replace(state, blend_edited=("dog",)).told()
    with pytest.raises(InvalidEdit, match="leave one of them out"):
        request_of((*asked, named))
    values["only"] = 0
    assert request_of((*(values[name] for name in PROMPT_LABELS), named)).local_blend is not None


def test_a_shelf_loads_once_and_lets_the_oldest_go():
    loaded = []

    def load(name):
        loaded.append(name)
        return name.upper()

    by_name = LoadedByName(load, room=2)
    assert [by_name(name) for name in "abba"] == list("ABBA") and loaded == ["a", "b"]
    by_name("c")
    by_name("a")
    assert loaded == ["a", "b", "c"]
    by_name("b")
    assert loaded == ["a", "b", "c", "b"]


@pytest.fixture
def visit(browser, pocket):
    page = build_app(NegativeEditor(), model="negative", prompt_editor=LoadedByName(lambda _: pocket))
    with visiting(browser, page) as visit:
        yield visit


def test_a_click_on_a_thing_lets_only_it_change_and_another_takes_it_back(browser, pocket, tmp_path):
    editor = NegativeEditor()
    page = build_app(editor, model="negative", prompt_editor=LoadedByName(lambda _: pocket))
    with visiting(browser, page) as visit:
        tiny.photo((96, 64)).save(tmp_path / "photo.png")
        visit.upload(tmp_path / "photo.png")
        visit.tab.get_by_role("button", name="Paint where it may change").click()
        pointer = visit.tab.locator("#pointer img")
        pointer.click()  # in its middle
        visit.says("Selected: what is bright may change.")
        visit.tab.get_by_text("a mask is active").wait_for()
        visit.ask("make it night")
        visit.says("Done in")
        found = pocket.things(tmp_path / "photo.png").at(47.5, 31.5)
        asked = editor.edits[-1].mask
        assert asked is not None
        mask = np.asarray(read_mask("mask", asked, (96, 64)))
        assert mask[31, 47] == 255 and (mask == found).mean() > 0.95 and (mask == 0).any()
        pointer.click()
        visit.says("No longer selected.")
        visit.tab.get_by_text("a mask is active").wait_for(state="detached")
        visit.ask("add snow")
        visit.says(": add snow")
        assert editor.edits[-1].mask is None
        assert visit.complaints == []


def test_a_picture_is_extended_to_a_shape_and_is_a_result_that_can_be_undone(browser, pocket, tmp_path):
    editor = NegativeEditor()
    page = build_app(editor, model="negative", prompt_editor=LoadedByName(lambda _: pocket))
    with visiting(browser, page) as visit:
        picture = tiny.photo((96, 64))
        picture.save(tmp_path / "photo.png")
        visit.upload(tmp_path / "photo.png")
        visit.tab.get_by_role("button", name="Crop or extend").click()
        visit.tab.get_by_label("Shape").click()
        visit.tab.get_by_role("option", name="3:2").click()
        visit.press("Extend the picture")
        visit.says("The picture has that shape already")
        visit.tab.get_by_label("Shape").click()
        visit.tab.get_by_role("option", name="16:9").click()
        visit.tab.get_by_label("What the extended picture shows").fill("a cat in a meadow")
        visit.press("Extend the picture")
        visit.says("This is now the picture: 114 × 64.")
        assert visit.compared() == [[96, 64], [114, 64]]
        visit.press("Reuse settings")
        visit.says("no words have changed it")
        visit.ask("make it night")
        visit.says("seed 7: make it night")
        asked = read_picture("original_image", editor.edits[-1].original_image).image
        assert asked.size == (114, 64) and asked.crop((9, 0, 105, 64)).tobytes() == picture.tobytes()
        visit.press("All at once")
        visit.says("has extended the picture")
        undo = visit.tab.locator("#undo")
        undo.click()
        visit.says("“114 × 64”: extended")
        undo.click()
        visit.says("Undone. The form is as it was.")
        visit.ask("add snow")
        visit.says("seed 7: add snow")
        assert read_picture("original_image", editor.edits[-1].original_image).size == (96, 64)
        assert visit.complaints == []


def test_who_is_faster_than_the_model_gets_what_it_recommends(browser, pocket):
    loaded = Event()

    def load(_):
        assert loaded.wait(60)
        return pocket

    page = build_app(NegativeEditor(), model="negative", prompt_editor=LoadedByName(load))
    with visiting(browser, page) as visit:
        visit.tab.get_by_role("tab", name="Prompts").click()
        visit.tab.get_by_label("What the picture shows").fill("a cat in a meadow")
        visit.tab.get_by_label("What its edit shows").fill("a dog in a meadow")
        visit.tab.get_by_label("What its edit shows").press("Enter")
        visit.says("Loading pocket ...")
        loaded.set()
        asked = pocket.recommended
        visit.says(f"{asked.num_inference_steps} steps, seed")
        for name, window in (
            ("Steps in which words keep their places", asked.cross_replace_steps),
            ("Steps in which the layout is kept", asked.self_replace_steps),
        ):
            assert float(visit.tab.get_by_label(f"{name}: to").input_value()) == window
        visit.tab.get_by_role("tab", name="Edit").click()
        visit.tab.get_by_role("tab", name="Prompts").click()  # again: what was chosen stays
        visit.tab.get_by_label("Weight of dog").press("ArrowRight")
        visit.tab.locator("#prompts-history button img").nth(1).wait_for()
        assert (visit.complaints, visit.strangers) == ([], [])


def test_words_that_go_together_share_a_column_whatever_the_width(visit):
    visit.tab.set_viewport_size({"width": 390, "height": 900})
    visit.tab.get_by_role("tab", name="Prompts").click()
    visit.tab.get_by_label("What the picture shows").fill("a big cat, in the snow")
    visit.tab.get_by_label("What its edit shows").fill("a cat, in the deep snow at night")
    visit.tab.get_by_label("Weight of night").wait_for()
    columns = visit.tab.locator(".words > div").evaluate_all(
        "all => all.map(one => [...one.querySelectorAll('button:enabled')].map(word => word.innerText))"
    )
    assert columns == [
        ["a", "a"], ["big"], ["cat", "cat"], [",", ","], ["in", "in"], ["the", "the"], ["deep"],
        ["snow", "snow"], ["at"], ["night"],
    ]  # fmt: skip
    heights = visit.tab.locator(".words > div").evaluate_all("""all => {
      const top = one => one.getBoundingClientRect().top;
      return all.map(one => [...one.children].slice(0, 3).map(part => Math.round(top(part) - top(one))));
    }""")
    assert len({tuple(each) for each in heights}) == 1  # a word that stands alone is where its like are
    assert visit.tab.evaluate("document.documentElement.scrollWidth <= 390")
    assert (visit.complaints, visit.strangers) == ([], [])


def test_a_change_is_drawn_at_once_on_the_same_noise(visit):
    def drawn(number):
        visit.tab.locator("#prompts-history button img").nth(number - 1).wait_for(timeout=PATIENCE)
        visit.says("Done in")

    visit.tab.get_by_role("tab", name="Prompts").click()
    visit.tab.get_by_label("Steps in which the layout is kept: to").wait_for()
    visit.tab.get_by_label("What the picture shows").fill("a red elephant in the desert")
    visit.tab.get_by_label("What its edit shows").fill("a blue elephant in the desert")
    visit.tab.get_by_label("Weight of blue").wait_for()
    visit.tab.get_by_label("What its edit shows").press("Enter")
    drawn(1)
    visit.tab.get_by_label("Weight of blue").press("ArrowRight")
    drawn(2)
    visit.tab.get_by_role("button", name="blue", exact=True).click()
    drawn(3)
    captions = visit.tab.locator("#prompts-history button img").evaluate_all("all => all.map(one => one.alt)")
    seeds = {caption.partition("seed ")[2] for caption in captions}
    assert len(seeds) == 1  # the words, and the seed
    assert sum("blue × 1.1" in caption for caption in captions) == 2  # by which they can be told apart
    assert visit.compared()[1] == [512, 512]
    assert visit.tab.get_by_label("Weight of blue").input_value() == "1.1"
    assert visit.tab.get_by_role("button", name="blue", exact=True).get_attribute("aria-pressed") == "true"
    visit.press("Edit this picture further")
    visit.says("This is now the picture")
    visit.ask("make it night")
    visit.says("“make it night”")
    assert (visit.complaints, visit.strangers) == ([], [])
