"""The page in a real browser: what a person sees who uploads, types, presses Enter, stops, or forgets."""

import shutil

import pytest
from PIL.PngImagePlugin import PngImageFile

from tests import tiny
from tests.ui.fakes import NegativeEditor
from ui.app import build_app, serve

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine: page tests need one")
FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
)
SECONDS = 1000
"""In the browser driver's unit."""


@pytest.fixture(scope="module")
def browser():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        yield driver.chromium.launch(executable_path=CHROMIUM, args=FLAGS.split())


class Visit:
    """One person at one page: the tab, and what went wrong in it unseen."""

    def __init__(self, tab, url):
        self.tab, self.url = tab, url
        self.complaints: list[str] = []
        self.strangers: list[str] = []
        tab.on("console", self._hear)
        tab.on("pageerror", lambda error: self.complaints.append(str(error)))
        tab.on("request", self._note)
        tab.goto(url)
        self.go.wait_for()

    def _hear(self, line):
        if line.type == "error":
            self.complaints.append(line.text)

    def _note(self, request):
        if not request.url.startswith((self.url, "data:", "blob:")):
            self.strangers.append(request.url)

    @property
    def go(self):
        return self.tab.get_by_role("button", name="Edit", exact=True)

    @property
    def stop(self):
        return self.tab.get_by_role("button", name="Stop", exact=True)

    @property
    def instruction(self):
        return self.tab.get_by_label("What should change?")

    def upload(self, path):
        self.tab.locator("input[type=file]").first.set_input_files(path)
        self.tab.locator(
            "[aria-label='Remove Image'], button[title*='Clear'], .image-frame img"
        ).first.wait_for()

    def says(self, text, timeout=20 * SECONDS):
        self.tab.get_by_text(text).first.wait_for(timeout=timeout)

    def compared(self):
        """Return (width, height) of the two pictures of the slider."""
        pictures = self.tab.get_by_test_id("imageslider-image")
        pictures.nth(1).wait_for()
        self.tab.wait_for_load_state("networkidle")
        return pictures.evaluate_all("all => all.map(one => [one.naturalWidth, one.naturalHeight])")


@pytest.fixture
def editor():
    return NegativeEditor(seconds_a_step=0.05)


@pytest.fixture
def visit(browser, editor):
    page = build_app(editor, model="negative")
    url = serve(page, host="127.0.0.1", port=None)
    tab = browser.new_page(viewport={"width": 1200, "height": 900})
    try:
        yield Visit(tab, url)
    finally:
        tab.close()
        page.close()


@pytest.fixture
def photo(tmp_path):
    path = tmp_path / "photo.png"
    tiny.photo((123, 61)).save(path)
    return path


def test_upload_type_enter_gives_the_edit_at_the_uploads_size(visit, editor, photo, tmp_path):
    visit.upload(photo)
    visit.instruction.fill("make it night")
    visit.instruction.press("Enter")
    visit.says("Step ")
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
    editor.seconds_a_step = 0.5
    visit.upload(photo)
    visit.instruction.fill("make it night")
    visit.instruction.press("Enter")
    visit.says("Step 2 of 20")
    taken = editor.steps_taken
    visit.stop.click()
    visit.says("Stopped.", timeout=2 * SECONDS)
    visit.tab.wait_for_timeout(1500)
    assert editor.closed_early == 1
    assert (
        editor.steps_taken <= taken + 2
    )  # the one in hand when Stop was pressed, and the one it could not outrun
    editor.seconds_a_step = 0.0
    visit.go.click()
    visit.says("Done in")
    assert visit.complaints == []


def test_an_empty_form_says_what_is_missing_and_starts_nothing(visit, editor):
    visit.go.click()
    visit.says("Choose a picture first")
    visit.says("Is empty; say in a few words what you want")
    assert editor.edits == []


def test_a_file_that_is_no_picture_is_one_sentence_and_the_words_stay(visit, editor, tmp_path):
    fake = tmp_path / "holiday.png"
    fake.write_text("<html>not found</html>")
    visit.tab.locator("input[type=file]").first.set_input_files(fake)
    visit.instruction.fill("make it night")
    visit.tab.wait_for_timeout(1000)
    visit.go.click()
    visit.says("Not edited. Your picture: 'holiday.png'")
    assert visit.instruction.input_value() == "make it night"
    assert editor.edits == []


def test_nobody_goes_round_the_queue(visit):
    answer = visit.tab.request.post(
        f"{visit.url}gradio_api/run/edit", data={"data": [None, "", 1, 1, 1, None]}
    )
    assert answer.status == 404
