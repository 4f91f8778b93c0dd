"""The page in a real browser: what a person sees who uploads, types, presses Enter, stops, or forgets."""

import re
from typing import Any

import pytest
from PIL.PngImagePlugin import PngImageFile

from dataset_builder.errors import WriterStopped
from editors import InstructionEdit
from editors.pictures.images import read_mask
from editors.requests.recipe import save_png
from tests import tiny
from tests.ui.fakes import NegativeEditor
from tests.ui.visit import SECONDS, Visit, visiting
from ui.app import build_app

CAPTION = "follow 7.5, keep 1.5, seed 7: make it night"


@pytest.fixture(scope="module")
def stage(browser):
    """One page for all tests of the module, and the editor behind it."""
    editor = NegativeEditor()
    with visiting(browser, build_app(editor, model="negative")) as visit:
        yield visit, editor


@pytest.fixture
def editor(stage):
    """The editor as it was made; what a test before asked of it has ended."""
    visit, editor = stage
    visit.leave()
    editor.held = False
    visit.until(lambda: not editor.running)
    editor.reset(seconds_a_step=0.05)
    return editor


@pytest.fixture
def visit(stage, editor):
    """Somebody who was never at the page."""
    visit, _ = stage
    visit.come()
    return visit


@pytest.fixture
def photo(tmp_path):
    path = tmp_path / "photo.png"
    tiny.photo((123, 61)).save(path)
    return path


def test_upload_type_enter_gives_the_edit_at_the_uploads_size(visit, editor, photo, tmp_path):
    visit.upload(photo)
    visit.instruction.fill("make it night")
    visit.instruction.press("Enter")
    visit.says("of 20, ")
    visit.says("Done in")
    assert visit.compared() == [[123, 61], [123, 61]]
    with visit.tab.expect_download() as download:
        visit.tab.get_by_role("link", name="Download PNG").or_(
            visit.tab.get_by_role("button", name="Download PNG")
        ).first.click()
    kept = tmp_path / "kept.png"
    download.value.save_as(kept)
    picture = PngImageFile(kept)
    assert picture.size == (123, 61)
    assert picture.text["parameters"].startswith("make it night\n")
    assert download.value.suggested_filename == "wordbrush-7.png"
    assert (visit.complaints, visit.strangers) == ([], [])
    assert visit.tab.title() == "Wordbrush"


def test_stop_acts_within_a_step_and_the_page_goes_on(visit, editor, photo):
    editor.held = True
    visit.upload(photo)
    visit.instruction.fill("make it night")
    visit.instruction.press("Enter")
    visit.says("of 20, ")
    taken = editor.steps_taken
    visit.stop.click()
    visit.says("Stopped.")
    visit.until(lambda: editor.closed_early == 1)
    assert taken <= editor.steps_taken < 20
    editor.held = False
    visit.go.click()
    visit.says("Done in")
    assert visit.complaints == []


def test_steps_that_come_after_stop_do_not_stay_on_the_page(visit, editor, photo):
    """The edit ends when its cancellation has arrived, which may be later than the answer to the button."""
    editor.held = True
    visit.upload(photo)
    visit.ask("make it night")
    visit.says("of 20, ")
    cancellations: list[Any] = []
    visit.tab.route("**/cancel", lambda route: cancellations.append(route))
    visit.stop.click()
    visit.until(lambda: cancellations)
    visit.tab.wait_for_timeout(500)
    assert visit.tab.get_by_text("Stopped.").count() == 0 and not editor.closed_early
    cancellations[0].continue_()
    visit.says("Stopped.")
    visit.until(lambda: editor.closed_early == 1)
    assert visit.stop.is_disabled() and visit.tab.locator(".compare:visible img").count() == 0
    assert visit.complaints == []


def test_who_waits_in_line_is_told_so_and_can_leave_it(visit, editor, photo, browser):
    visit.upload(photo)
    editor.held = True
    visit.ask("make it night")
    visit.says("of 20, ")
    other = Visit(browser.new_page(), visit.url)
    try:
        other.upload(photo)
        other.ask("make it day")
        other.says("In line: 1 edit before yours")
        other.stop.click()
        other.says("Stopped.")
        assert other.complaints == [] and len(editor.edits) == 1
    finally:
        other.tab.close()
    visit.stop.click()
    visit.says("Stopped.")


def test_an_enter_while_an_edit_runs_takes_its_place(visit, editor, photo):
    editor.held = True
    visit.upload(photo)
    visit.ask("make it night")
    visit.says("of 20, ")
    visit.ask("make it *day*")
    visit.until(lambda: len(editor.edits) == 2)
    editor.held = False
    visit.says("“make it *day*”")  # as it was typed, whatever Markdown would make of it
    assert [edit.edit_prompt for edit in editor.edits] == ["make it night", "make it *day*"]
    assert editor.closed_early == 1
    for words in ("one", "two", "three"):  # at once after the last
        visit.ask(words)
        visit.says(f"“{words}”")
    assert editor.edits[-1].edit_prompt == "three" and visit.complaints == []


def test_the_comparison_is_moved_by_keys_and_described(visit, editor, photo):
    visit.upload(photo)
    visit.ask("make it night")
    visit.says("Done in")
    visit.tab.get_by_alt_text(f"After: {CAPTION}").wait_for()
    divider = visit.tab.get_by_label("Divider between before (left) and after (right)")
    divider.press("ArrowLeft")
    divider.press("ArrowLeft")
    assert divider.input_value() == "48"
    after = visit.tab.locator(".compare .after")
    assert after.evaluate("one => getComputedStyle(one).clipPath") == "inset(0px 0px 0px 48%)"
    assert visit.tab.locator("#edit-status").get_attribute("aria-live") == "polite"


def test_on_a_phone_the_status_is_in_view_and_nothing_is_wider_than_the_screen(browser, visit, photo):
    other = Visit(browser.new_page(viewport={"width": 390, "height": 844}), visit.url)
    try:
        other.upload(photo)
        other.ask("make it night")
        other.says("Done in")
        status = other.tab.locator("#edit-status").bounding_box()
        assert status["y"] >= 0 and status["y"] + status["height"] <= 844
        assert other.tab.evaluate("document.documentElement.scrollWidth") <= 390
    finally:
        other.tab.close()


def test_a_reload_keeps_the_session_and_another_tab_sees_nothing_of_it(visit, editor, photo, browser):
    visit.upload(photo)
    visit.ask("make it night")
    visit.says("Done in")
    visit.instruction.fill("not yet asked")
    # The browser keeps the form a moment after it changes.
    visit.until(lambda: "not yet asked" in visit.tab.evaluate("sessionStorage.getItem('wordbrush-form')"))
    visit.tab.reload()
    visit.says("Here is where you were")
    assert visit.instruction.input_value() == "not yet asked"
    visit.tab.get_by_alt_text(f"After: {CAPTION}").wait_for()
    assert visit.compared() == [[123, 61], [123, 61]]
    visit.tab.reload()  # and again: the token is another one
    visit.says("Here is where you were")
    assert visit.tab.locator("#edit-history button img").count() == 1
    visit.ask("add snow")
    visit.says("“add snow”")
    assert editor.edits[-1].original_image.size == (123, 61)
    assert visit.tab.locator("#edit-history button img").count() == 2
    other = Visit(browser.new_page(), visit.url)
    try:
        other.tab.wait_for_timeout(1 * SECONDS)
        assert other.instruction.input_value() == ""
        assert (
            other.tab.locator("#edit-history").count() == 0 or other.tab.locator("#edit-history").is_hidden()
        )
    finally:
        other.tab.close()
    assert visit.complaints == []


def test_undo_and_redo_lead_from_picture_to_picture(visit, editor, photo):
    """The result that is shown, the picture that is edited, and the words, also those not yet asked for."""
    undo, redo = visit.tab.locator("#undo"), visit.tab.locator("#redo")
    after = visit.tab.locator(".compare .after").first

    def is_at(picture, words):
        shown = (after.get_attribute("src") if after.is_visible() else None) == picture
        return shown and visit.instruction.input_value() == words

    def leads(button, picture, words):
        button.click()
        visit.until(lambda: is_at(picture, words))

    visit.upload(photo)
    visit.ask("make it night")
    visit.says("seed 7.")
    visit.compared()
    first = after.get_attribute("src")
    visit.press("Use as input")
    visit.says("This is now the picture")
    visit.ask("add snow")
    visit.says("“add snow”")
    visit.compared()
    second = after.get_attribute("src")
    assert second != first
    visit.until(redo.is_disabled)
    visit.instruction.fill("not yet asked")
    leads(undo, first, "add snow")
    visit.says("Undone. Shown: “make it night”")
    leads(undo, first, "make it night")
    leads(undo, None, "make it night")
    visit.says("Undone. The form is as it was.")
    visit.until(undo.is_disabled)
    leads(redo, first, "make it night")
    visit.until(undo.is_enabled)
    leads(redo, first, "add snow")
    leads(redo, second, "not yet asked")
    visit.says("Done again. Shown: “add snow”")
    visit.until(redo.is_disabled)
    leads(undo, first, "add snow")
    visit.ask("another branch")
    visit.says("“another branch”: follow")
    visit.until(redo.is_disabled)
    tree = visit.tab.locator("#edit-tree")
    visit.until(lambda: tree.locator("[aria-current]").all_inner_texts() == ["3: another branch"])
    visit.came_about(["Your picture", "1: make it night", "2: add snow", "3: another branch"])
    assert tree.locator("ul ul ul li").count() == 2, "both came from the first"
    assert visit.complaints == []


def test_the_result_is_held_to_where_the_words_act_and_nothing_is_drawn_again(visit, editor, photo):
    """By keys, too; however far the slider goes, it is one result and one step."""
    slider = visit.tab.locator("#only input[type=range]").first
    strip = visit.tab.locator("#edit-history img")
    visit.upload(photo)
    visit.ask("make it night")
    visit.says("seed 7.")
    visit.compared()
    slider.focus()
    for _ in range(8):
        visit.tab.keyboard.press("ArrowRight")
    visit.says("only 0.4, ")
    visit.says("Nothing was drawn again")
    visit.until(lambda: strip.count() == 2)
    for _ in range(4):
        visit.tab.keyboard.press("ArrowRight")
    visit.says("only 0.6, ")
    assert strip.count() == 2 and len(editor.edits) == 1
    visit.tab.get_by_text("Bright: where the words act").wait_for()
    visit.tab.locator("#undo").click()
    visit.says("Undone. Shown: “make it night”: follow 7.5, keep 1.5, 20 steps")
    visit.tab.get_by_text("Bright: where the words act").wait_for(state="hidden")  # it was of another result
    visit.tab.locator("#redo").click()
    visit.says(re.compile("Done again. Shown: .*only 0.6, "))  # the strip says so all the time
    editor.held = True
    visit.ask("make it night")
    visit.says("Step 3")
    slider.focus()
    visit.tab.keyboard.press("ArrowRight")  # it is for the next edit: this one is under way
    visit.tab.wait_for_timeout(1000)
    assert strip.count() == 2
    editor.held = False
    visit.says("Done in")
    visit.until(lambda: strip.count() == 3)
    assert len(editor.edits) == 2 and editor.edits[-1].only == 0.6
    assert visit.complaints == []


def test_stronger_is_one_step(visit, editor, photo):
    visit.upload(photo)
    visit.ask("make it night")
    visit.says("seed 7.")
    visit.press("Stronger")
    visit.until(lambda: len(editor.edits) == 2)
    visit.says(re.compile(f"Done in .*: follow {editor.edits[1].guidance_scale:g}, "))  # not of the first
    visit.tab.locator("#undo").click()
    visit.says("Undone. Shown: “make it night”: follow 7.5, keep 1.5")
    visit.go.click()
    visit.until(lambda: len(editor.edits) == 3)
    assert editor.edits[2].guidance_scale == editor.edits[0].guidance_scale


def test_an_edit_that_a_reload_drops_is_told(visit, editor, photo):
    visit.upload(photo)
    visit.ask("make it night")
    visit.says("seed 7.")
    visit.tab.reload()
    visit.says("Here is where you were.")
    visit.tab.wait_for_function("window.wordbrushIsBack")  # from then on the page notes what is under way
    assert visit.tab.get_by_text("dropped").count() == 0
    editor.held = True
    visit.ask("add snow")
    visit.says("of 20, ")
    visit.tab.reload()
    visit.says("was dropped as the page was left")
    visit.until(lambda: editor.closed_early == 1)
    assert visit.instruction.input_value() == "add snow"
    visit.tab.get_by_alt_text(f"After: {CAPTION}").wait_for()
    editor.held = False
    visit.go.click()
    visit.says("“add snow”")


def test_looking_at_the_fine_tuning_changes_nothing(visit, editor, photo):
    visit.upload(photo)
    visit.tab.get_by_text("Fine-tune").click()
    seed = visit.tab.get_by_placeholder("drawn at random")
    seed.wait_for()
    visit.ask("make it night")
    visit.says("Done in")
    assert editor.edits[-1].seed is None
    for wrong in ("much", "-1", "1.5", "4294967296"):
        seed.fill(wrong)
        visit.go.click()
        # Each by its own words: the sentence of the last one may still stand while this one is judged.
        visit.says(
            re.compile(f"{wrong}'? is not allowed; give a whole number from 0 to 4294967295, or leave")
        )
    seed.fill(" 17 ")
    visit.go.click()
    visit.says("seed 17.")
    assert editor.edits[-1].seed == 17 and len(editor.edits) == 2


def test_no_result_stands_beside_a_picture_that_is_not_its_own(visit, editor, photo, tmp_path):
    def addresses():
        visit.compared()
        shown = visit.tab.locator(".compare img")
        return shown.evaluate_all("all => all.map(one => one.src)")

    visit.upload(photo)
    visit.ask("make it night")
    visit.says("Done in")
    finished = addresses()
    editor.held = True
    for leave, words in (
        (lambda: visit.stop.click(), "Stopped."),
        (lambda: setattr(editor, "fails", True), "The device ran out of memory"),
    ):
        seen = len(editor.edits)
        visit.ask("add snow")
        visit.says("of 20, ")
        assert len(editor.edits) == seen + 1
        visit.tab.wait_for_function(
            "() => [...document.querySelectorAll('.compare img')].every(one => one.src.startsWith('data:'))"
        )
        assert all(address.startswith("data:") for address in addresses())
        leave()
        visit.says(words)
        assert addresses() == finished  # not the preview of what did not come about
    visit.tab.get_by_label("Remove Image").click()
    tiny.photo((80, 50)).save(tmp_path / "other.png")
    visit.upload(tmp_path / "other.png")
    visit.says("What should change?")
    visit.tab.locator(".compare").wait_for(state="hidden")
    assert not visit.tab.get_by_role("button", name="Use as input").is_enabled()
    assert visit.tab.locator("#edit-history button img").count() == 1  # it is still to be had
    assert visit.complaints == []


def test_an_empty_form_says_what_is_missing_and_starts_nothing(visit, editor):
    visit.go.click()
    visit.says("Choose a picture first")
    visit.says("Is empty; say in a few words what you want")
    assert editor.edits == []


COLOURS = """() => {
    const clear = one => /rgba\\(.*, 0\\)/.test(one);
    let place = [...document.querySelectorAll('*')].find(
        one => one.children.length === 0 && one.textContent.startsWith('Is empty'));
    const colour = getComputedStyle(place).color;
    while (clear(getComputedStyle(place).backgroundColor)) place = place.parentElement;
    return [colour, getComputedStyle(place).backgroundColor].map(one => one.match(/\\d+/g).map(Number));
}"""
"""Of an error: its colour, and that of what it stands on."""


def luminance(colour):
    """Of a colour in 8 bits, by WCAG 2.2."""
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in (v / 255 for v in colour)]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_errors_can_be_read_by_day_and_night(visit, browser, scheme):
    other = Visit(browser.new_page(color_scheme=scheme), visit.url)
    try:
        other.instruction.fill(" ")
        other.go.click()
        other.says("Is empty")
        low, high = sorted(luminance(colour) for colour in other.tab.evaluate(COLOURS))
        assert (high + 0.05) / (low + 0.05) >= 4.5
    finally:
        other.tab.close()


def test_a_file_that_is_no_picture_is_one_sentence_and_the_words_stay(visit, editor, tmp_path):
    fake = tmp_path / "holiday.png"
    fake.write_text("<html>not found</html>")
    visit.instruction.fill("make it night")
    visit.tab.locator("input[type=file]").first.set_input_files(fake)
    visit.says("'holiday.png' is a web page")  # at once, at the picture
    visit.says("This picture cannot be edited.")
    visit.go.click()
    visit.says("'holiday.png' is a web page")
    assert visit.instruction.input_value() == "make it night"
    assert editor.edits == [] and visit.tab.get_by_text("Not edited.").count() == 0


def test_nobody_goes_round_the_queue(visit):
    answer = visit.tab.request.post(
        f"{visit.url}gradio_api/run/edit", data={"data": [None, "", 1, 1, 1, None]}
    )
    assert answer.status == 404


def test_what_was_made_can_be_gone_on_from_taken_back_and_compared(visit, editor, photo, tmp_path):
    visit.upload(photo)
    visit.ask("make it night")
    visit.says("Done in")
    visit.press("Use as input")
    visit.says("This is now the picture")
    visit.ask("add snow")
    visit.says("seed 7: add snow")  # the negative of the negative
    first, second = (one.original_image.image for one in editor.edits)
    assert first.tobytes() != second.tobytes()
    visit.came_about(["Your picture", "1: make it night", "2: add snow"])
    visit.tab.get_by_label("Compare with").click()
    visit.tab.get_by_role("option", name=f"1: {CAPTION}").click()
    assert visit.compared() == [[123, 61], [123, 61]]
    visit.tab.locator("#edit-history button img").nth(1).click()
    visit.says("“make it night”: follow 7.5, keep 1.5, 20 steps, seed 7.")
    visit.instruction.fill("something else")
    visit.press("Reuse settings")
    visit.says("As it was asked")
    assert visit.instruction.input_value() == "make it night"
    visit.press("All at once")
    visit.says("made in one step")
    visit.tab.locator("#edit-history button img").first.click()
    visit.says("“add snow”: follow 7.5")
    visit.press("All at once")
    visit.says("2 steps at once, from the first picture")
    assert visit.instruction.input_value() == "make it night, add snow"
    visit.go.click()
    visit.says("seed 7: make it night, add snow")
    assert editor.edits[-1].original_image.image.tobytes() == first.tobytes()
    assert visit.complaints == []


def test_a_picture_is_cropped_to_a_shape_and_undo_brings_it_back(visit, photo, tmp_path):
    visit.upload(photo)
    visit.tab.get_by_role("button", name="Crop", exact=False).first.click()
    visit.press("Crop the picture")
    visit.says("Select or paint what is to stay, or choose a shape.")
    visit.tab.get_by_label("Shape").click()
    visit.tab.get_by_role("option", name="1:1").click()
    visit.press("Crop the picture")
    visit.says("Cropped to 61 × 61.")
    visit.ask("make it night")
    visit.says("Done in")
    assert visit.compared() == [[61, 61], [61, 61]]
    undo = visit.tab.locator("#undo")
    undo.click()
    visit.says("Undone.")
    undo.click()
    visit.until(undo.is_disabled)
    visit.ask("add snow")
    visit.says("seed 7: add snow")
    assert visit.compared() == [[123, 61], [123, 61]]
    assert visit.complaints == []


def test_keys_do_what_buttons_do_and_nothing_while_one_types(visit, photo, tmp_path):
    visit.upload(photo)
    visit.ask("make it night")
    visit.says("Done in")
    visit.ask("f s u")  # letters, as long as one types
    visit.says("seed 7: f s u")
    tab, press = visit.tab, visit.tab.keyboard.press
    tab.get_by_role("heading", name="Wordbrush").click()
    press("f")
    visit.says("A favourite: it stays")
    tab.locator("#edit-history").get_by_text("★ 2").wait_for()
    press("s")
    tab.locator(".compare.beside").wait_for()
    press("ArrowLeft")
    visit.says("“make it night”: follow 7.5")
    press("ArrowRight")
    visit.says("“f s u”: follow 7.5")
    press("?")
    tab.get_by_text("Single keys act").click()
    tab.get_by_role("button", name="Close").click()
    press("ArrowLeft")  # single keys are off
    press("/")
    tab.get_by_role("button", name="Keyboard shortcuts").click()
    tab.get_by_text("Single keys act").click()
    press("Escape")
    visit.says("“f s u”: follow 7.5")
    press("/")
    assert tab.evaluate("document.activeElement.closest('#instruction') !== null")
    assert visit.complaints == []


def test_results_of_two_shapes_stand_side_by_side(visit, photo, tmp_path):
    visit.upload(photo)
    visit.ask("make it night")
    visit.says("Done in")
    tiny.photo((60, 90)).save(tmp_path / "upright.png")
    visit.upload(tmp_path / "upright.png")
    visit.ask("add snow")
    visit.says("seed 7: add snow")  # "Done in" may still be that of the first
    assert visit.tab.locator(".compare.beside").count() == 0
    visit.tab.get_by_label("Compare with").click()
    visit.tab.get_by_role("option", name=f"1: {CAPTION}").click()
    visit.tab.locator(".compare.beside").get_by_text("Result 1").wait_for()
    assert visit.compared() == [[123, 61], [60, 90]]
    assert visit.complaints == []


def test_a_picture_that_was_made_here_brings_its_settings_back(visit, editor, tmp_path):
    asked = InstructionEdit(
        original_image=tiny.photo((64, 48)), edit_prompt="make it red", guidance_scale=25, seed=11
    )
    save_png(editor.edit(asked), tmp_path / "made.png")
    visit.upload(tmp_path / "made.png")
    visit.says("its words and settings are back")
    assert visit.instruction.input_value() == "make it red"
    visit.go.click()
    visit.says("Done in")
    again = editor.edits[-1]
    assert (again.guidance_scale, again.image_guidance_scale, again.seed) == (25, 1.5, 11)


def test_a_wish_is_said_in_the_models_words_and_nothing_is_edited(browser, editor, photo):
    asked = []

    def rewrite(wish, phrases):
        asked.append((wish, phrases))
        if wish == "???":
            raise WriterStopped("base_url: no server answers at http://x; start it.")
        return "make it night"

    with visiting(browser, build_app(editor, model="negative", rewriter=rewrite)) as visit:
        visit.upload(photo)
        visit.press("Say it in the model's words")
        visit.says("Say first what should change")
        visit.instruction.fill("mache es zur Nacht")
        visit.press("Say it in the model's words")
        visit.says("“mache es zur Nacht” became “make it night”.")
        assert visit.instruction.input_value() == "make it night"
        visit.tab.locator("#undo").click()
        visit.says("Undone.")
        assert visit.instruction.input_value() == "mache es zur Nacht"
        visit.instruction.fill("???")
        visit.press("Say it in the model's words")
        visit.says("Not rewritten. base_url: no server answers")
        assert visit.instruction.input_value() == "???" and editor.edits == []
        assert asked[0] == ("mache es zur Nacht", editor.phrases) and visit.complaints == []


def test_variations_are_four_noises_and_stronger_keeps_the_noise(visit, editor, photo):
    editor.seconds_a_step = 0.0
    visit.upload(photo)
    visit.instruction.fill("make it night")
    visit.press("Four variations")
    visit.says("4 variations, the newest first")
    assert len({edit.seed for edit in editor.edits}) == 4
    assert visit.tab.locator("#edit-history button img").count() == 4
    visit.press("Stronger")
    visit.until(lambda: len(editor.edits) == 5)
    *_, last, stronger = editor.edits
    assert stronger.seed == last.seed
    assert stronger.guidance_scale > last.guidance_scale
    assert stronger.image_guidance_scale < last.image_guidance_scale


def test_the_grid_changes_the_strength_alone_and_a_click_takes_it(visit, editor, photo):
    visit.upload(photo)
    visit.instruction.fill("make it night")
    editor.seconds_a_step = 0.0
    visit.tab.get_by_text("Find the right strength").click()
    visit.press("Draw the grid")
    visit.says("Click the cell you like best")
    assert len({edit.seed for edit in editor.edits}) == 1
    assert len({(edit.guidance_scale, edit.image_guidance_scale) for edit in editor.edits}) == 9
    visit.tab.locator("#grid button img").nth(8).click()
    visit.says("Taken: “make it night”: follow 12, keep 1.88")
    visit.go.click()
    visit.says("Done in")
    assert (editor.edits[-1].guidance_scale, editor.edits[-1].image_guidance_scale) == (12, 1.88)
    editor.held = True
    visit.go.click()
    visit.says("Step 3")
    visit.tab.locator("#grid button img").first.click()
    visit.says("take a cell when it is done")  # or it would be lost with the end of the edit
    editor.held = False
    visit.says("Done in")


@pytest.mark.parametrize(("width", "height"), [(1366, 768), (1280, 900), (390, 844)])
def test_the_page_opens_at_its_top_with_what_an_edit_needs(browser, visit, width, height):
    tab = browser.new_page(viewport={"width": width, "height": height})
    tab.goto(visit.url)
    go = tab.get_by_role("button", name="Edit", exact=True)
    go.wait_for()
    tab.wait_for_function("document.querySelector('.status[role=status]')")  # what is run at last was
    assert tab.evaluate("scrollY") == 0
    box = go.bounding_box()
    assert box is not None and box["y"] + box["height"] <= height
    if width > 640:
        tab.wait_for_function("document.activeElement.closest('#instruction')")
    tab.close()


def test_what_is_shown_is_what_is_acted_on(visit, editor, photo):
    """After a grid, and after Stop: never a preview over the buttons of an older result."""
    actions = [visit.tab.get_by_role("button", name=name) for name in ("Use as input", "Download PNG")]
    visit.upload(photo)
    editor.seconds_a_step = 0.0
    visit.instruction.fill("make it night")
    visit.tab.get_by_text("Find the right strength").click()
    visit.press("Draw the grid")
    visit.says("Click the cell you like best")
    assert not visit.tab.locator(".compare").first.is_visible()
    assert not any(action.is_enabled() for action in actions)
    visit.go.click()
    visit.says("“make it night”: follow")
    shown = visit.tab.locator(".compare .after").first.get_attribute("src")
    editor.held = True
    visit.instruction.fill("something else")
    visit.go.click()
    visit.says("Step 3")
    assert not any(action.is_enabled() for action in actions), "a preview is no result"
    visit.stop.click()
    editor.held = False
    visit.says("Stopped.")
    assert visit.tab.locator(".compare .after").first.get_attribute("src") == shown
    assert all(action.is_enabled() for action in actions)


@pytest.mark.parametrize("size", [(123, 61), pytest.param((600, 400), marks=pytest.mark.slow)])
def test_white_strokes_are_the_mask_at_the_pictures_size(visit, editor, tmp_path, monkeypatch, size):
    editor.seconds_a_step = 0.0
    monkeypatch.setattr("ui.components.painter.SIDE", 200)  # the larger one is painted on smaller than it is
    photo = tmp_path / "photo.png"
    tiny.photo(size).save(photo)
    visit.upload(photo)
    visit.tab.get_by_text("Paint where it may change").click()
    visit.paint()
    visit.ask("make it night")
    visit.says("Done in")
    mask = read_mask("mask", editor.edits[-1].mask, size)
    assert 0 < (mask == 255).mean() < 0.9


@pytest.mark.slow  # the painter draws all the time, in software here
def test_a_mask_is_inverted_and_cleared(visit, editor, photo):
    editor.seconds_a_step = 0.0
    visit.upload(photo)
    visit.tab.get_by_text("Paint where it may change").click()
    visit.paint()
    visit.ask("make it night")
    visit.says("Done in")
    mask = read_mask("mask", editor.edits[-1].mask, (123, 61))
    visit.says("Paint where it may change: a mask is active")
    visit.tab.locator("#mask-overlay img").wait_for()
    visit.tab.get_by_label("Invert").check()
    visit.ask("make it night again")
    visit.says("seed 7: make it night again")
    other = read_mask("mask", editor.edits[-1].mask, (123, 61))
    assert abs(mask.mean() + other.mean() - 255) < 5
    visit.press("Clear")
    visit.tab.locator("#mask-overlay img").wait_for(state="hidden")
    visit.ask("make it night once more")
    visit.says("seed 7: make it night once more")
    assert editor.edits[-1].mask is None


def test_a_mask_is_seen_while_its_panel_is_closed(visit, editor, photo):
    visit.upload(photo)
    panel = visit.tab.get_by_text("Paint where it may change")
    panel.click()
    visit.paint()
    panel.first.click()
    visit.says("a mask is active")
    visit.tab.locator("#mask-overlay img").wait_for()
    assert not visit.tab.locator("canvas").first.is_visible()


def test_who_does_not_know_what_to_ask_clicks_what_the_model_is_good_at(visit, editor, photo):
    visit.upload(photo)
    chip = visit.tab.locator("#chips").get_by_text(editor.instructions[1], exact=True)
    chip.click()
    visit.until(lambda: visit.instruction.input_value() == editor.instructions[1])
    visit.go.click()
    visit.says("Done in")
    assert editor.edits[0].edit_prompt == editor.instructions[1]
    assert visit.complaints == []


def test_who_comes_without_a_picture_clicks_an_example(visit, editor):
    visit.tab.locator("#examples button img").nth(1).click()
    visit.says("Press Edit, or change the words first.")
    visit.go.click()
    visit.says("Done in")
    assert editor.edits[0].edit_prompt == "make it sunset"
    assert editor.edits[0].original_image.size == (256, 256)
    assert visit.tab.locator("#examples").count() == 0 or visit.tab.locator("#examples").is_hidden()
    assert visit.complaints == []
