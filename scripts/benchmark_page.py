#!/usr/bin/env python
"""Time the page as a person meets it, in headless Chromium; each figure beside its baseline of the same run.

    scripts/benchmark_page.py start     # from the command to a page that can be used; beside it gradio's own
    scripts/benchmark_page.py slider    # from a slider let go to the new picture; beside it the editor alone
    scripts/benchmark_page.py crowd     # round after round of twelve people, 3 edits each, half of whom leave

Times are taken inside the page, by its own clock, so that watching costs nothing. The server gets what is
not taken: keep the machine idle. `OMP_NUM_THREADS` and its like reach the server and the editor alone alike.
"""

import argparse
import asyncio
import colorsys
import io
import itertools
import json
import os
import random
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
from PIL import Image
from playwright.async_api import Browser, FilePayload, async_playwright
from playwright.sync_api import Page, sync_playwright

NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
CHROMIUM = next(filter(None, map(shutil.which, NAMES)), None)
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu"]
PROMPTS = ("a red elephant in the desert", "a blue elephant in the desert")
GUIDANCE = "How strongly to follow the words"
EMPTY_PAGE = """
import sys, gradio
with gradio.Blocks() as page:
    gradio.Button("Edit")
page.launch(server_port=int(sys.argv[1]), quiet=True)
"""
"""The least that gradio can be: one button."""
ALONE = """
import json, os, sys, time
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # as the command does
from dataclasses import replace
from pathlib import Path
from editors import PromptEdit
from editors.prompt_to_prompt.editor import PromptToPromptEditor
from ui.components.history import keep
editor, times = PromptToPromptEditor.from_pretrained(), []
edit = PromptEdit(original_prompt=sys.argv[1], edited_prompt=sys.argv[2], seed=3)
editor.edit(edit)
for scale in json.loads(sys.argv[4]):
    began = time.perf_counter()
    keep(editor.edit(replace(edit, guidance_scale=scale)), Path(sys.argv[3]))
    times.append(time.perf_counter() - began)
print(json.dumps(times))
"""
"""The same drawings without a page: what there is to be done."""
TIMING = """() => {
  const after = [...document.querySelectorAll('.compare .after')].find(one => one.offsetParent);
  const slider = document.querySelector('[aria-label="range slider for LABEL"]');
  window.released = window.took = null;
  slider.addEventListener('pointerup', () => { window.released = performance.now(); }, {once: true});
  const seen = new MutationObserver(async () => {
    if (after.src.startsWith('data:')) return;
    seen.disconnect();
    await after.decode();
    window.took = (performance.now() - window.released) / 1000;
  });
  seen.observe(after, {attributeFilter: ['src']});
}""".replace("LABEL", GUIDANCE)
"""Notes when the slider is let go and when the picture that is no preview can be seen."""
INSTRUCTIONS = ("make it night", "make it snowy", "turn it into a sketch")
CROWD = 12
WATCH = """() => {
  window.said = [];  // [milliseconds since 1970, what the status line says]
  window.looked = window.strange = 0;  // pictures seen, and those not of the colour that was uploaded
  new MutationObserver(() => {
    const words = document.querySelector('#edit-status')?.innerText.trim();
    if (words && words !== said.at(-1)?.[1]) said.push([performance.timeOrigin + performance.now(), words]);
  }).observe(document, {subtree: true, childList: true, characterData: true});
  document.addEventListener('load', event => {
    if (!event.target.matches?.('.compare .before')) return;
    const canvas = document.createElement('canvas');
    canvas.width = canvas.height = 1;
    const context = canvas.getContext('2d');
    context.drawImage(event.target, 0, 0, 1, 1);
    const seen = context.getImageData(0, 0, 1, 1).data;
    window.looked += 1;
    window.strange += own.some((value, place) => Math.abs(value - seen[place]) > 25);
  }, true);
}"""
"""Notes what one of the crowd is told, and whether a picture of somebody else's is shown."""


@dataclass(frozen=True)
class Server:
    """A page that answers."""

    url: str
    process: subprocess.Popen[bytes]
    began: float
    up: float

    def memory(self) -> float:
        """Return what is resident of it, in MB."""
        pages = int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


@contextmanager
def served(command: Sequence[str], port: int, **environment: str) -> Iterator[Server]:
    """Start a page, wait until it answers, and end it."""
    with socket.socket() as free:
        if free.connect_ex(("127.0.0.1", port)) == 0:
            raise SystemExit(
                f"Port {port} has somebody answer already, who would be timed; give another --port."
            )
    began = time.perf_counter()
    process = subprocess.Popen(command, env=os.environ | environment, stdout=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}/"
    try:
        while True:
            try:
                httpx.get(url + "health")  # any answer: the empty page has none
                break
            except httpx.TransportError:
                if process.poll() is not None:
                    raise SystemExit(f"{command[0]} ended with {process.returncode}.") from None
                time.sleep(0.02)
        yield Server(url, process, began, time.perf_counter() - began)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


@contextmanager
def visitor() -> Iterator[Page]:
    """Open a browser and give one tab of it."""
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser.new_page(viewport={"width": 1200, "height": 1500})


def ours(port: int) -> list[str]:
    """Return the command that serves the page."""
    return ["wordbrush", "ui", "--port", str(port)]


def start(port: int, rounds: int) -> None:
    """Time from the command to the page: its first answer, and the moment that Edit can be pressed."""
    ways = {"gradio, one button": [sys.executable, "-c", EMPTY_PAGE, str(port)], "wordbrush ui": ours(port)}
    figures: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
    with visitor() as tab:
        for _ in range(rounds):
            for name, command in ways.items():
                with served(command, port) as server:
                    tab.goto(server.url)
                    tab.get_by_role("button", name="Edit", exact=True).wait_for()
                    figures[name].append((server.up, time.perf_counter() - server.began))
                tab.goto("about:blank")
    print(f"{'start':<22}{'answers':>9}{'usable':>9}   (s, median of {rounds}; then each usable)")
    for name, times in figures.items():
        answers, usable = zip(*times, strict=True)
        each = ", ".join(f"{one:.2f}" for one in usable)
        print(f"{name:<22}{statistics.median(answers):>9.2f}{statistics.median(usable):>9.2f}   {each}")


def slider(port: int, rounds: int) -> None:
    """Time from the slider let go to the picture, and the same drawings by the editor alone."""
    scales = [round(3.2 + 0.5 * place, 1) for place in range(rounds)]
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-c", ALONE, *PROMPTS, folder, json.dumps(scales)]
        alone = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)
    took, said = [], []
    with visitor() as tab, served(ours(port), port) as server:
        tab.goto(server.url)
        tab.get_by_role("tab", name="Prompts").click()
        tab.get_by_text(PROMPTS[0]).locator("visible=true").first.click()
        tab.wait_for_timeout(3000)
        tab.get_by_role("button", name="Draw", exact=True).click()
        status = tab.locator("#prompts-status")
        status.get_by_text("Done in").wait_for(timeout=60_000)
        tab.wait_for_timeout(1500)
        box = tab.get_by_label(f"range slider for {GUIDANCE}").locator("visible=true").bounding_box()
        assert box is not None  # it is visible
        for place in range(rounds):
            tab.evaluate(TIMING)
            along = 0.27 + 0.6 * place / rounds
            tab.mouse.click(box["x"] + box["width"] * along, box["y"] + box["height"] / 2)
            tab.wait_for_function("window.took !== null", polling=200)
            took.append(float(tab.evaluate("window.took")))
            status.get_by_text("Done in").wait_for()
            said.append(float(status.inner_text().split("Done in ")[1].split(" s")[0]))
            tab.wait_for_timeout(600)
    threads = os.environ.get("OMP_NUM_THREADS", "as many as there are cores")
    print(f"slider to picture (s, median of {rounds}; {os.cpu_count()} cores, threads: {threads})")
    for name, times in (("editor alone", alone), ('page, its "Done in"', said), ("page", took)):
        each = ", ".join(f"{one:.2f}" for one in times)
        print(f"{name:<22}{statistics.median(times):>9.2f}   {each}")


@dataclass
class Tally:
    """What a crowd has met with; the times in ms since 1970."""

    edits: int = 0
    left: int = 0
    looked: int = 0
    strange: int = 0
    lines: list[list[int]] = field(default_factory=list)
    runs: list[tuple[float, float]] = field(default_factory=list)

    def add(self, said: Sequence[tuple[float, str]]) -> None:
        """Take what one person was told: how long edits ran, and how many were before them meanwhile."""
        steps, line = list[float](), list[int]()
        for at, words in said:
            if place := re.match(r"In line: (\d+|yours)", words):
                line.append(0 if place[1] == "yours" else int(place[1]))
            elif words.startswith("Step"):
                steps.append(at)
            elif steps:
                self.runs.append((steps[0], steps[-1]))
                self.lines.append(line)
                steps, line = [], []

    def at_once(self) -> int:
        """Return how many pairs of edits ran at one time, by more than telling browsers of it takes."""
        runs = sorted(self.runs)
        return sum(after < end - 300 for (_, end), (after, _) in itertools.pairwise(runs))


async def person(browser: Browser, url: str, number: int, draw: random.Random, tally: Tally) -> None:
    """Upload a picture of a colour of one's own, edit it three times; who has an odd number leaves."""
    colour = [round(255 * value) for value in colorsys.hsv_to_rgb(number / CROWD, 1, 0.8)]
    photo = io.BytesIO()
    Image.new("RGB", (120, 90), tuple(colour)).save(photo, "PNG")
    leaves = draw.randrange(len(INSTRUCTIONS)) if number % 2 else None
    context = await browser.new_context()
    await context.add_init_script(f"({WATCH})(); window.own = {colour};")
    tab = await context.new_page()
    try:
        await tab.goto(url)
        picture = FilePayload(name="photo.png", mimeType="image/png", buffer=photo.getvalue())
        await tab.locator("input[type=file]").first.set_input_files(picture)
        await tab.locator("#examples").wait_for(state="hidden")
        for turn, words in enumerate(INSTRUCTIONS):
            instruction = tab.get_by_label("What should change?")
            await instruction.fill(words)
            before = await tab.evaluate("said.length")
            await instruction.press("Enter")
            if turn == leaves:
                await asyncio.sleep(draw.uniform(0, 8))
                tally.left += 1
                break
            done = f"said.length > {before} && said.at(-1)[1].startsWith('Done in')"
            await tab.wait_for_function(done, polling=200, timeout=120_000)
            tally.edits += 1
        tally.add(await tab.evaluate("said"))
        tally.looked += await tab.evaluate("looked")
        tally.strange += await tab.evaluate("strange")
    finally:
        await context.close()


async def crowds(server: Server, folder: Path, minutes: float) -> None:
    """Send one crowd after another, and say before, and after each, what it met with and left behind."""
    names = "told a place  line grew  two at once  pictures  strange  memory, MB  files  disk, MB"
    print(f"minutes  edits  left  {names}")
    began, draw, tally = time.monotonic(), random.Random(0), Tally()
    async with async_playwright() as driver:
        browser = await driver.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        while True:
            await asyncio.sleep(3)  # what those who left had begun ends within a step
            files = [one.stat().st_size for one in folder.rglob("*") if one.is_file()]
            grew = sum(line != sorted(line, reverse=True) for line in tally.lines)
            print(
                f"{(time.monotonic() - began) / 60:7.1f}{tally.edits:7}{tally.left:6}"
                f"{sum(map(bool, tally.lines)):14}{grew:11}{tally.at_once():13}"
                f"{tally.looked:10}{tally.strange:9}"
                f"{server.memory():12.0f}{len(files):7}{sum(files) / 1e6:10.1f}",
                flush=True,
            )
            if time.monotonic() - began > 60 * minutes:
                break
            tally = Tally()
            async with asyncio.TaskGroup() as group:
                for number in range(CROWD):
                    group.create_task(person(browser, server.url, number, draw, tally))
        await browser.close()


def crowd(port: int, minutes: int) -> None:
    """Watch a page that crowds come to."""
    with tempfile.TemporaryDirectory() as folder:
        with served(ours(port), port, TMPDIR=folder) as server:
            asyncio.run(crowds(server, Path(folder), minutes))
        print(f"files left when the page has ended: {sum(one.is_file() for one in Path(folder).rglob('*'))}")


def main() -> None:
    """Read the arguments and measure."""
    words = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=words)
    parser.add_argument("what", choices=("start", "slider", "crowd"))
    parser.add_argument("--port", type=int, default=7999, help="a free one")
    parser.add_argument("--rounds", type=int, default=10, help="how often each is timed")
    parser.add_argument("--minutes", type=int, default=15, help="how long crowds come")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("Stopped."))  # and no server is left behind
    if CHROMIUM is None:
        raise SystemExit("No Chromium on this machine; scripts/install-browser puts one there.")
    if options.what == "crowd":
        crowd(options.port, options.minutes)
    else:
        {"start": start, "slider": slider}[options.what](options.port, options.rounds)


if __name__ == "__main__":
    main()
