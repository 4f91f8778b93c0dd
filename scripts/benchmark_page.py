#!/usr/bin/env python
"""Time the page as a person meets it, in headless Chromium; each figure beside its baseline of the same run.

    scripts/benchmark_page.py start     # from the command to a page that can be used; beside it gradio's own
    scripts/benchmark_page.py slider    # from a slider let go to the new picture; beside it the editor alone

Times are taken inside the page, by its own clock, so that watching costs nothing. The server gets what is
not taken: keep the machine idle. `OMP_NUM_THREADS` and its like reach the server and the editor alone alike.
"""

import argparse
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import httpx
from playwright.sync_api import Page, sync_playwright

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
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
from editors.prompt_to_prompt import PromptToPromptEditor
from ui.history import keep
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


@dataclass(frozen=True)
class Server:
    """A page that answers."""

    url: str
    began: float
    up: float


@contextmanager
def served(command: Sequence[str], port: int) -> Iterator[Server]:
    """Start a page, wait until it answers, and end it."""
    began = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
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
        yield Server(url, began, time.perf_counter() - began)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


@contextmanager
def visitor() -> Iterator[Page]:
    """Open a browser and give one tab of it."""
    if CHROMIUM is None:
        raise SystemExit("No Chromium on this machine; scripts/install-browser puts one there.")
    with sync_playwright() as driver:
        flags = ["--headless", "--no-sandbox", "--disable-gpu"]
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=flags)
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


def main() -> None:
    """Read the arguments and measure."""
    words = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=words)
    parser.add_argument("what", choices=("start", "slider"))
    parser.add_argument("--port", type=int, default=7999, help="a free one")
    parser.add_argument("--rounds", type=int, default=10, help="how often each is timed")
    options = parser.parse_args()
    {"start": start, "slider": slider}[options.what](options.port, options.rounds)


if __name__ == "__main__":
    main()
