"""A person at the page, in a real browser: what tests of the page do there, and what they see."""

import io
import shutil
from contextlib import contextmanager

import numpy as np
from PIL import Image
from playwright.sync_api import TimeoutError

from ui.app import serve

NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
"""The first that is there is taken. The headless shell is the same browser without its windows: a page opens
in two thirds of the time."""
FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --enable-unsafe-swiftshader"
)
SECONDS = 1000
"""In the browser driver's unit."""
PATIENCE = 180 * SECONDS
"""With a busy machine: no test is about how fast the page is."""
DROPPED = ("What should change?", "This picture cannot be edited.", "This picture was made here")
"""What the page says of a picture that came."""
DESK = {"width": 1200, "height": 900}
WHITE = 230
"""What is brighter is white: the brush, and the painter before it shows a photo."""


def chromium() -> str | None:
    """Return the path of a Chromium, if there is one."""
    return next(filter(None, map(shutil.which, NAMES)), None)


class Visit:
    """One person at one page: the tab, and what went wrong in it unseen."""

    def __init__(self, tab, url):
        self.tab, self.url = tab, url
        self.complaints: list[str] = []
        self.strangers: list[str] = []
        tab.on("console", self._hear)
        tab.on("pageerror", lambda error: self.complaints.append(str(error)))
        tab.on("request", self._note)
        tab.set_default_timeout(PATIENCE)
        self.come()

    def come(self):
        """Open the page."""
        self.tab.goto(self.url)
        self.go.wait_for()
        # gradio lays out the page below a pane that says "Loading...", which takes all clicks.
        self.tab.locator(".main > [data-testid=status-tracker]").wait_for(state="hidden")

    def leave(self):
        """Leave the page, and let the browser forget that one was there.

        To come again then is to come for the first time, in a third of the time that a new tab takes.
        """
        self.tab.unroute_all()
        # Of the same origin, and without the page's scripts, which keep the form when one leaves.
        self.tab.goto(f"{self.url.rstrip('/')}/health")
        self.tab.evaluate("sessionStorage.clear(); localStorage.clear()")
        self.tab.context.clear_cookies()
        self.complaints.clear()
        self.strangers.clear()

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
        self.settles()
        # What the page says of it comes last: else it would come over what the next click says.
        status = self.tab.locator("#edit-status")
        self.until(lambda: status.inner_text().startswith(DROPPED))

    def settles(self):
        """Wait until the examples have made room for a picture; what is below them moves up."""
        self.tab.locator("#examples").wait_for(state="hidden")

    def press(self, name):
        self.tab.get_by_role("button", name=name, exact=True).click()

    def ask(self, words):
        self.instruction.fill(words)
        self.instruction.press("Enter")

    def says(self, text, timeout=PATIENCE):
        try:
            self.tab.get_by_text(text).first.wait_for(timeout=timeout)
        except TimeoutError as error:
            lines = self.tab.locator(".status, .spoken").all_inner_texts()
            strip = self.tab.locator("#edit-history").all_inner_texts()
            raise AssertionError(
                f"waited for {text!r}, the page says {lines}, {self.complaints}, the history {strip}"
            ) from error

    def came_about(self, lines):
        """Wait until the tree of what came from what has these lines."""
        tree = self.tab.locator("#edit-tree .lineage > ul")
        self.until(lambda: [one.split("\n") for one in tree.all_inner_texts()] == [lines])

    def paint(self):
        """Draw a white stroke in the middle of the opened painter, once the photo is seen in it."""
        canvas = self.tab.locator("canvas").first
        canvas.wait_for()

        def is_white(x, y):
            shot = self.tab.screenshot(clip={"x": x - 2, "y": y - 2, "width": 4, "height": 4})
            return np.asarray(Image.open(io.BytesIO(shot)).convert("L")).min() > WHITE

        def painted():
            canvas.scroll_into_view_if_needed()
            box = canvas.bounding_box()
            x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
            if is_white(x, y):  # the empty painter still
                return False
            self.tab.mouse.move(x, y)
            self.tab.mouse.down()
            self.tab.mouse.move(x + 20, y, steps=4)
            self.tab.mouse.up()
            self.tab.wait_for_timeout(100)
            return is_white(x, y)

        self.until(painted)

    def until(self, true):
        """Wait for something that the page does out of sight."""
        for _ in range(PATIENCE // 100):
            if true():
                return
            self.tab.wait_for_timeout(100)
        raise AssertionError("it did not come about")

    def compared(self):
        """Return (width, height) of the two pictures of the slider, once both have arrived."""
        pictures = self.tab.locator(".compare:visible img")
        pictures.nth(1).wait_for()
        self.until(
            lambda: pictures.evaluate_all("all => all.every(one => one.complete && one.naturalWidth > 0)")
        )
        return pictures.evaluate_all("all => all.map(one => [one.naturalWidth, one.naturalHeight])")


@contextmanager
def visiting(browser, page):
    """Serve a page and visit it."""
    url = serve(page, host="127.0.0.1", port=None)
    tab = browser.new_page(viewport=DESK)
    try:
        yield Visit(tab, url)
    finally:
        tab.close()
        page.close()
