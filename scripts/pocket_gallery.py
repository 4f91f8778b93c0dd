#!/usr/bin/env python
"""Draw pocket's gallery: its first 24 held-out captions and its first 24 held-out edits, as they come.

    scripts/pocket_gallery.py [--model pocket] [--out editors/pocket]      # a minute on one core

Writes `drawn.jpg` (world `pocket`), `edited.jpg` (world `pocket-photos`; before and after side by side), and
`example.jpg`, which the page offers: a held-out scene and three edits of it. Sample k of world and split has
seed k, so everyone draws the same; of the sheets nothing is picked, of the example the scene.
"""

import argparse
from pathlib import Path

import numpy as np
from PIL import Image

from dataset_builder.scenes import (
    WORLDS,
    caption,
    contact_sheet,
    render_edit,
    render_scene,
    sample_edit,
    sample_scene,
)
from editors.instruct_pix2pix import InstructPix2PixEditor
from editors.prompt_to_prompt.editor import PromptToPromptEditor
from editors.requests.edits import InstructionEdit
from evaluation.sampling import Sampling, draw
from ui.tabs.examples import INSTRUCTIONS

NUM, WIDTH = 24, 128
"""Pictures of a sheet, and how wide one is shown."""
EXAMPLE, SIDE, GAP = 19, 256, 8
"""The scene of the example, its side in pixels, and what is between panels."""


def drawn(name: str) -> Image.Image:
    """Draw the first held-out captions of world `pocket` on one sheet."""
    editor = PromptToPromptEditor.from_pretrained(name, device="cpu")
    captions = [caption(sample_scene(k, world=WORLDS["pocket"], split="held_out")) for k in range(NUM)]
    settings, side = editor.recommended, editor.model.native_size
    how = Sampling(
        size=side,
        guidance_scale=settings.guidance_scale,
        num_inference_steps=settings.num_inference_steps,
    )
    pictures = draw(editor.model, captions, range(NUM), how)  # (24, H, W, 3)
    return contact_sheet(list(pictures), captions, columns=6, enlarge=max(1, WIDTH // side), lines=4)


def edited(name: str) -> Image.Image:
    """Carry out the first held-out edits of world `pocket-photos` on one sheet."""
    world = WORLDS["pocket-photos"]
    scenes = (sample_scene(k, world=world, split="held_out") for k in range(2 * NUM))
    edits = [edit for k, scene in enumerate(scenes) if (edit := sample_edit(scene, k, world=world))][:NUM]
    editor = InstructPix2PixEditor.from_pretrained(name, device="cpu")
    side = editor.model.native_size
    before = [render_edit(edit, side).original_image for edit in edits]
    requests = [
        InstructionEdit(
            original_image=Image.fromarray(picture),
            edit_prompt=edit.edit_prompt,
            seed=k,
        )
        for k, (edit, picture) in enumerate(zip(edits, before, strict=True))
    ]
    results = editor.edit_many(requests, batch_size=8)
    pairs = [
        np.concatenate([picture, np.asarray(result.edited_image)], axis=1)  # (H, 2·W, 3)
        for picture, result in zip(before, results, strict=True)
    ]
    return contact_sheet(
        pairs, [edit.edit_prompt for edit in edits], columns=4, enlarge=max(1, WIDTH // side), lines=1
    )


def example(name: str) -> Image.Image:
    """Draw a held-out scene, and what the model makes of it when asked for what the page offers."""
    editor = InstructPix2PixEditor.from_pretrained(name, device="cpu")
    scene = sample_scene(EXAMPLE, world=WORLDS["pocket"], split="held_out")
    drawing = Image.fromarray(render_scene(scene, SIDE).image)
    edits = [
        editor.edit(InstructionEdit(original_image=drawing, edit_prompt=words, seed=7)).edited_image
        for words in INSTRUCTIONS
    ]
    sheet = Image.new("RGB", (SIDE + len(edits) * (SIDE + GAP), SIDE), "white")
    for place, panel in enumerate((drawing, *edits)):
        sheet.paste(panel, (place * (SIDE + GAP), 0))
    return sheet


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description="Draw pocket's gallery.")
    parser.add_argument("--model", default="pocket", help="a family like pocket: its name or folder")
    parser.add_argument("--out", type=Path, default=Path("editors/pocket"), help="where the two sheets go")
    asked = parser.parse_args()
    asked.out.mkdir(parents=True, exist_ok=True)
    for name, sheet in (("drawn", drawn), ("edited", edited), ("example", example)):
        sheet(asked.model).save(asked.out / f"{name}.jpg", quality=88)


if __name__ == "__main__":
    main()
