"""The Many tab: every picture by every instruction, what fails is counted, and all comes as one file."""

import zipfile

import pytest

from tests import tiny
from tests.ui.fakes import NegativeEditor
from tests.ui.visit import visiting
from ui.app import build_app
from ui.tabs.many import MOST, SHARED, check, wishes_of

SETTINGS = [7.5, 1.5, 0, 20, ""]


def verdicts(files, words, settings=SETTINGS):
    return [one["is_valid"] for one in check(files, words, *settings)]


def test_each_picture_meets_each_instruction_once():
    wishes = wishes_of(["/x/a.png", "/x/b.png"], "make it night\n\n add snow \nmake it night")
    assert [(wish.photo.name, wish.words) for wish in wishes] == [
        (name, words) for name in ("a.png", "b.png") for words in ("make it night", "add snow")
    ]


@pytest.mark.parametrize(
    ("files", "words", "settings", "wrong"),
    [
        ([], "night", SETTINGS, 0),
        (None, "night", SETTINGS, 0),
        (["a.png"], " \n", SETTINGS, 1),
        (["a.png"], "night\n" + "x" * 2000, SETTINGS, 1),
        ([f"{number}.png" for number in range(MOST + 1)], "night", SETTINGS, 0),
        (["a.png"], "night", [101, *SETTINGS[1:]], 2),
        (["a.png"], "night", [*SETTINGS[:-1], "x"], 1 + len(SHARED)),
    ],
)
def test_what_cannot_be_is_refused_at_its_field(files, words, settings, wrong):
    assert verdicts(["a.png"], "night") == [True] * (2 + len(SHARED))
    assert [place for place, valid in enumerate(verdicts(files, words, settings)) if not valid] == [wrong]


def test_many_pictures_are_edited_and_taken_along(browser, tmp_path):
    editor = NegativeEditor()
    for number, name in enumerate(("a.png", "b.jpg")):
        tiny.photo((60 + number, 40), seed=number).save(tmp_path / name)
    (tmp_path / "page.png").write_text("<html>")
    with visiting(browser, build_app(editor, model="negative")) as visit:
        visit.tab.get_by_role("tab", name="Many").click()
        visit.press("Edit all")
        visit.says("Choose pictures first")
        visit.complaints.clear()  # that it was refused
        photos = visit.tab.locator("#many-photos input[type=file]")
        photos.set_input_files([tmp_path / name for name in ("a.png", "page.png", "b.jpg")])
        visit.until(lambda: visit.tab.locator("#many-photos tr").count() == 3)
        visit.tab.locator("#many-words textarea").fill("make it night\nadd snow")
        visit.press("Edit all")
        visit.says("4 of 6 edits made. Failed: 2 × is a web page")
        assert visit.tab.locator("#many-history button img").count() == 4
        link = visit.tab.get_by_role("link", name="Download all 4 as ZIP").or_(
            visit.tab.get_by_role("button", name="Download all 4 as ZIP")
        )
        with visit.tab.expect_download() as download:
            link.first.click()
        download.value.save_as(tmp_path / "all.zip")
        with zipfile.ZipFile(tmp_path / "all.zip") as file:
            names = {f"{name}-{words}.png" for name in "ab" for words in ("make-it-night", "add-snow")}
            assert set(file.namelist()) == names and file.testzip() is None
        editor.held = True
        visit.press("Edit all")
        visit.says("Edit 1 of 6. Step 3")
        visit.stop.click()
        visit.says("Stopped.")
        visit.until(lambda: editor.closed_early == 1)
        assert visit.complaints == []
