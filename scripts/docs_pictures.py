#!/usr/bin/env python
"""Draw the pictures of `docs/` anew: what the shipped model makes of what the pages show, nothing picked.

    scripts/docs_pictures.py [--model pocket] [--out docs/pictures]      # a minute or two, and a Chromium

A view into a panorama of a real place, edits of it, and what may lie around it; prompt edits with their maps
of attention, exact pairs of drawn scenes, and the page after an edit. Every edit has seed 7.
"""

import argparse
import shutil
import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from dataset_builder.scenes import (
    WORLDS,
    Scene,
    contact_sheet,
    render_edit,
    render_scene,
    sample_edit,
    sample_scene,
)
from editors import (
    InstructionEdit,
    InstructPix2PixEditor,
    OutpaintEdit,
    PromptEdit,
    PromptToPromptEditor,
    RePaintEditor,
)
from editors.pictures.framing import widened
from editors.prompt_to_prompt.heat_maps import sheet
from ui.app import build_app, serve
from ui.server.opener import OneAtATime

PLACE, SIDE, SHOWN, SEED = "field", 512, 256, 7
"""The place that is looked at, the view's side, and how large it is shown, in pixels."""
INSTRUCTIONS = (
    "make it night",
    "make it sunset",
    "make it foggy",
    "a pencil sketch",
    "an old sepia photograph",
)
PROMPTS = (
    ("a cat in a meadow", "a dog in a meadow"),
    ("a red car on a beach", "a blue car on a beach"),
    ("a house in the snow", "a house in the snow at night"),
)


def photos(model: str, view: Image.Image) -> Image.Image:
    """Edit a view into a real place in five ways."""
    editor = InstructPix2PixEditor.from_pretrained(model)
    edits = [
        editor.edit(InstructionEdit(original_image=view, edit_prompt=words, seed=SEED)).edited_image
        for words in INSTRUCTIONS
    ]
    pictures = [_shown(picture) for picture in (view, *edits)]
    return contact_sheet(pictures, ("the photograph", *INSTRUCTIONS), columns=3, lines=1)


def prompts(model: str) -> tuple[Image.Image, Image.Image]:
    """Draw pictures and their edits from two prompts each; of the first also where each word is looked at."""
    editor = PromptToPromptEditor.from_pretrained(model)
    results = [
        editor.edit(PromptEdit(original_prompt=original, edited_prompt=edited, seed=SEED, heat_maps=True))
        for original, edited in PROMPTS
    ]
    # None of them is a photo's, so each has an original, and maps were asked for.
    pictures = [
        _shown(picture)
        for result in results
        for picture in (result.original_image, result.edited_image)
        if picture is not None
    ]
    large = results[0].edited_image.resize((SHOWN, SHOWN), Image.Resampling.BICUBIC)
    words = [prompt for pair in PROMPTS for prompt in pair]
    return contact_sheet(pictures, words, columns=2, lines=1), sheet(large, results[0].heat_maps or {})


def extensions(model: str, view: Image.Image) -> Image.Image:
    """Extend the view and a held-out scene to 16:9; each picture stands before what became of it."""
    scene = render_scene(sample_scene(SEED, world=WORLDS["pocket"], split="held_out"), SHOWN).image
    editor, row = RePaintEditor.from_pretrained(model), []
    for picture in (view.resize((SHOWN, SHOWN), Image.Resampling.LANCZOS), Image.fromarray(scene)):
        left, top, right, bottom = widened(picture.size, 16 / 9)
        result = editor.edit(
            OutpaintEdit(original_image=picture, seed=SEED, left=left, top=top, right=right, bottom=bottom)
        )
        row += [np.asarray(one.convert("RGB")) for one in (picture, result.edited_image)]
    return Image.fromarray(np.concatenate(row, axis=1))


def pairs() -> Image.Image:
    """Compose the first eight held-out pairs of world `pocket-photos`, before and after."""
    world = WORLDS["pocket-photos"]
    scenes = (sample_scene(k, world=world, split="held_out") for k in range(20))
    edits = [edit for k, scene in enumerate(scenes) if (edit := sample_edit(scene, k, world=world))][:8]
    drawn = [render_edit(edit, 128) for edit in edits]
    both = [np.concatenate([one.original_image, one.edited_image], axis=1) for one in drawn]
    return contact_sheet(both, [edit.edit_prompt for edit in edits], columns=4, lines=1)


def page(model: str, view: Image.Image, out: Path) -> None:
    """Photograph the page after an edit."""
    from playwright.sync_api import sync_playwright

    opener = OneAtATime()
    app = build_app(opener.model(model), model=model, opener=opener, hub=True, prompt_editor=opener.drawing)
    address = serve(app, host="127.0.0.1", port=None)
    try:
        with tempfile.TemporaryDirectory() as folder, sync_playwright() as driver:
            photo = Path(folder) / "field.png"
            view.save(photo)
            browser = driver.chromium.launch(executable_path=_chromium(), args=["--no-sandbox"])
            tab = browser.new_page(viewport={"width": 1366, "height": 768})
            tab.goto(address)
            tab.get_by_role("button", name="Edit", exact=True).wait_for()
            tab.locator("input[type=file]").first.set_input_files(photo)
            tab.get_by_label("What should change?").first.fill(INSTRUCTIONS[0])
            tab.keyboard.press("Enter")
            tab.get_by_text("Done").first.wait_for(timeout=120_000)
            tab.wait_for_timeout(1500)  # the pictures fade in
            tab.screenshot(path=out, type="jpeg", quality=85)
            browser.close()
    finally:
        app.close(verbose=False)


def _chromium() -> str:
    names = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
    found = (shutil.which(name) for name in names)
    return next(path for path in found if path)


def _shown(picture: Image.Image) -> NDArray[np.uint8]:
    return np.asarray(picture.convert("RGB").resize((SHOWN, SHOWN), Image.Resampling.LANCZOS))


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description="Draw the pictures of docs/ anew.")
    parser.add_argument("--model", default="pocket", help="a family like pocket: its name or folder")
    parser.add_argument("--out", type=Path, default=Path("docs/pictures"), help="where they go")
    asked = parser.parse_args()
    asked.out.mkdir(parents=True, exist_ok=True)
    scene = Scene(seed=SEED, world="pocket-photos", background=PLACE)
    view = Image.fromarray(render_scene(scene, SIDE).image)
    drawn, maps = prompts(asked.model)
    for name, picture in (
        ("photos", photos(asked.model, view)),
        ("prompt-edits", drawn),
        ("attention", maps),
        ("extended", extensions(asked.model, view)),
        ("dataset", pairs()),
    ):
        picture.save(asked.out / f"{name}.jpg", quality=85)
    page(asked.model, view, asked.out / "page.jpg")


if __name__ == "__main__":
    main()
