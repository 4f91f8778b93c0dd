#!/usr/bin/env python
"""Edit ten photographs in nine ways and lay them out on one sheet: what a model does with photographs.

    scripts/photo_sheet.py OUT.png [--model pocket] [PHOTO ...]      # a minute or two on one core

Without PHOTOs: eight that come with scikit-image, two with scikit-learn. Every edit has seed 7, the
scales and steps that suit the model; nothing is picked, and the middle square of each is shown.
"""

import argparse
from pathlib import Path

import numpy as np
import skimage
from numpy.typing import NDArray
from PIL import Image, ImageOps
from sklearn.datasets import load_sample_images

from editors.instruct_pix2pix import InstructPix2PixEditor
from editors.requests.edits import InstructionEdit
from evaluation.report import GridRow, draw_grid

INSTRUCTIONS = (
    "make it night",
    "make it sunset",
    "an old sepia photograph",
    "a pencil sketch",
    "a watercolour painting",
    "make it black and white",
    "make it foggy",
    "make it rain",
    "let it snow",
)
PACKAGED = (
    "astronaut.png",
    "coffee.png",
    "rocket.jpg",
    "chelsea.png",
    "motorcycle_left.png",
    "hubble_deep_field.jpg",
    "retina.jpg",
    "grass.png",
)
LARGEST, SHOWN = 768, 160


def photographs(paths: list[Path]) -> dict[str, Image.Image]:
    """Read the photographs, no side longer than 768 pixels."""
    if paths:
        found: dict[str, Image.Image] = {path.stem: Image.open(path) for path in paths}
    else:
        folder = Path(skimage.__file__).parent / "data"
        found = {Path(name).stem: Image.open(folder / name) for name in PACKAGED}
        samples = load_sample_images()
        found |= {
            Path(name).stem: Image.fromarray(pixels)
            for name, pixels in zip(samples.filenames, samples.images, strict=True)
        }
    photos = {name: ImageOps.exif_transpose(photo).convert("RGB") for name, photo in found.items()}
    for photo in photos.values():
        photo.thumbnail((LARGEST, LARGEST))
    return photos


def square(picture: Image.Image) -> NDArray[np.uint8]:
    """Return the middle square, small."""
    return np.asarray(ImageOps.fit(picture, (SHOWN, SHOWN)))


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description="Edit ten photographs in nine ways, on one sheet.")
    parser.add_argument("out", type=Path, help="the sheet to write, a PNG")
    parser.add_argument("photos", type=Path, nargs="*", help="photographs to take in place of the ten")
    parser.add_argument("--model", default="pocket", help="an edit model: pocket, a folder, a Hub name")
    asked = parser.parse_args()
    editor = InstructPix2PixEditor.from_pretrained(asked.model)
    rows = []
    for name, photo in photographs(asked.photos).items():
        edits = [
            editor.edit(InstructionEdit(original_image=photo, edit_prompt=asked_for, seed=7))
            for asked_for in INSTRUCTIONS
        ]
        pictures = (square(photo), *(square(edit.edited_image) for edit in edits))
        rows.append(GridRow(label=name, pictures=pictures))
    Image.fromarray(draw_grid(("photograph", *INSTRUCTIONS), rows, side=SHOWN)).save(asked.out)


if __name__ == "__main__":
    main()
