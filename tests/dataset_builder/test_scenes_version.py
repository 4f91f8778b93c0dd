"""What the world's version stands for: as long as it stays, words and pictures stay.

Where this fails and the change is meant: raise `WORLD_VERSION` or `EDITS_VERSION` in
`dataset_builder/scenes/worlds.py`, then run `python -m tests.dataset_builder.test_scenes_version`.
"""

import hashlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

from dataset_builder.scenes import WORLDS, caption, render_scene, sample_edit, sample_scene
from dataset_builder.scenes.worlds import EDITS_VERSION, WORLD_VERSION

STORED = Path(__file__).with_name("scenes_version.json")
NUM, SIDE, CELLS = 24, 32, 8
TOLERANCE = 2
"""Levels of 255: processors round the last bit of a picture differently, people see nothing of it."""


def looks() -> list[str]:
    """Return small pictures of the first scenes: the means of 8 x 8 cells, as hexadecimal bytes."""
    pictures = [render_scene(scene, SIDE).image for scene in scenes()]
    cell = SIDE // CELLS
    means = [picture.reshape(CELLS, cell, CELLS, cell, 3).mean((1, 3)) for picture in pictures]
    return [mean.round().astype(np.uint8).tobytes().hex() for mean in means]


def scenes() -> list[Any]:
    return [
        sample_scene(seed, world=WORLDS["offline"], split="train" if seed % 2 else "held_out")
        for seed in range(NUM)
    ]


def words(*, edits: bool) -> str:
    """Return a hash of what is said of many scenes, or of their edits."""
    digest = hashlib.sha256()
    for world in WORLDS.values():
        for seed in range(40):
            scene = sample_scene(seed, world=world, split="train" if seed % 2 else "held_out")
            edit = sample_edit(scene, seed) if edits else None
            said = [scene.to_json(), caption(scene)] if not edits else []
            said += [edit.edit_prompt, edit.edited.to_json(), caption(edit.edited)] if edit else []
            digest.update("\n".join(said).encode())
    return digest.hexdigest()


def present() -> dict[str, Any]:
    return {
        "world_version": WORLD_VERSION,
        "edits_version": EDITS_VERSION,
        "words": words(edits=False),
        "edits": words(edits=True),
        "looks": looks(),
    }


def test_words_and_pictures_are_those_of_the_version() -> None:
    stored, now = json.loads(STORED.read_text()), present()
    for name in ("world_version", "edits_version", "words", "edits"):
        assert stored[name] == now[name], f"{name} changed; see this file's first lines"
    for seed, (then, here) in enumerate(zip(stored["looks"], now["looks"], strict=True)):
        before, after = (np.frombuffer(bytes.fromhex(one), np.uint8).astype(int) for one in (then, here))
        assert np.abs(before - after).max() <= TOLERANCE, f"scene {seed} looks otherwise than before"


def test_reading_a_caption_loads_no_painter() -> None:
    probe = (
        "import sys; from dataset_builder import scenes; "
        "scene = scenes.sample_scene(3, world=scenes.WORLDS['pocket'], split='train'); "
        "scenes.sample_edit(scene, 3); scenes.caption(scenes.Scene.from_json(scene.to_json())); "
        "heavy = {'PIL', 'scipy', 'torch', 'dataset_builder.scenes.paint'} & set(sys.modules); "
        "assert not heavy, heavy"
    )
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", probe], cwd=root, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


if __name__ == "__main__":
    STORED.write_text(json.dumps(present(), indent=1) + "\n")
