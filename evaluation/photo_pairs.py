"""Photographs with what an edit of the whole picture should make of them, exactly and at full size.

Two sources: views into the panoramas of real places that world `pocket-photos` draws, whose hour, weather and
style are painted anew; and any folder of photographs, on which a style is exact by its definition.

Law: the bytes depend on the configuration and the photographs alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
from PIL import Image

from dataset_builder import records, scenes
from dataset_builder.errors import UnreadableDataset
from dataset_builder.pairs.files import visible_files
from dataset_builder.scenes import Scene, SceneEdit
from dataset_builder.scenes.artwork.store import require_artwork
from dataset_builder.scenes.edits import EditKind
from dataset_builder.scenes.instructions import PHRASINGS
from dataset_builder.scenes.seeds import choose, generator
from dataset_builder.scenes.vocabulary import BACKGROUNDS, STYLES
from dataset_builder.scenes.worlds import world_version
from dataset_builder.shards.build import build_shards
from dataset_builder.shards.dataset import is_finished
from dataset_builder.shards.shards import Sample, ShardReport, png_bytes
from dataset_builder.shards.storage import canonical_json, hash_file, hash_json
from editors.errors import InvalidEdit
from editors.files import reason_of
from editors.pictures.files import SUFFIXES
from editors.pictures.images import read_picture

WORLD: Final = "pocket-photos"
TARGETS: Final[tuple[tuple[EditKind, str], ...]] = (
    ("time_of_day", "dawn"),
    ("time_of_day", "sunset"),
    ("time_of_day", "night"),
    ("weather", "fog"),
    ("weather", "rain"),
    ("weather", "snow"),
    ("style", "sepia"),
    ("style", "black and white"),
    ("style", "pencil sketch"),
    ("style", "watercolour"),
    ("style", "oil"),
)
"""What is asked for: all that means something on a photograph and of which the exact result is known."""
_SHARD: Final = 50


@dataclass(frozen=True, kw_only=True, slots=True)
class PhotoPairs:
    """Pairs to draw.

    Attributes:
        out: Their folder.
        photos: A folder of photographs, of which styles alone are asked; None takes views into panoramas.
        num: Number of pairs; what is asked for goes round.
        size: Longer side in pixels.
        seed: Of the draws.
    """

    out: Path
    photos: Path | None
    num: int
    size: int
    seed: int

    def build(self) -> Iterator[ShardReport]:
        """Draw what is missing of them; see `build_shards`.

        Raises:
            DatasetError: There are no photographs, or they cannot be read or written.
        """
        paths = self._paths()
        if not paths and not is_finished(self.out):
            require_artwork(["panoramas"])
        config = {
            "kind": "photo pairs",
            "num": self.num,
            "size": self.size,
            "seed": self.seed,
            "photos": [_hash_of(path) for path in paths],
            "targets": [list(target) for target in TARGETS],
            "world_version": world_version(WORLD, pairs=True),
        }
        draw = partial(_of_photograph, self, paths) if paths else partial(_of_panorama, self)
        yield from build_shards(self.out, config=config, draw=draw, num=self.num, samples_per_shard=_SHARD)

    def _paths(self) -> tuple[Path, ...]:
        """Return the photographs, in order; none where panoramas are drawn."""
        if self.photos is None:
            return ()
        if not self.photos.is_dir():
            raise UnreadableDataset(f"photos: {self.photos} is no folder; name a folder of photographs.")
        found = tuple(path for path in visible_files(self.photos) if path.suffix.lower() in SUFFIXES)
        if not found:
            raise UnreadableDataset(f"photos: {self.photos} holds no picture; name a folder of photographs.")
        return found

    def seed_of(self, number: int) -> int:
        """Return the seed of a pair, of a stream that no training data is drawn from."""
        return int(hash_json(["photographs", self.seed, number])[:12], 16)


def _hash_of(path: Path) -> str:
    try:
        return hash_file(path)
    except OSError as error:
        raise UnreadableDataset(
            f"photos: {path.name} cannot be read ({reason_of(error)}); mend it, or take it away."
        ) from error


def _asked(kind: EditKind, target: str, seed: int) -> str:
    """Return an instruction, in one of the ways that are trained on."""
    ways = PHRASINGS["style" if kind == "style" else f"{kind}/{target}"].train
    words = {"style": STYLES[target].phrase} if kind == "style" else {}
    return choose(generator(seed, "asked"), ways).format_map(words)


def _of_panorama(pairs: PhotoPairs, number: int) -> Sample:
    """Draw a view into a place, plain and edited."""
    kind, target = TARGETS[number % len(TARGETS)]
    seed = pairs.seed_of(number)
    facts = {kind: target}
    places = [
        name
        for name in scenes.WORLDS[WORLD].backgrounds
        if (place := BACKGROUNDS[name]).photo is not None
        and facts.get("time_of_day", "day") in place.times
        and facts.get("weather", "clear") in place.weathers
    ]
    plain = Scene(seed=seed, world=WORLD, background=choose(generator(seed, "place"), places))
    edited = replace(plain, **facts)  # type: ignore[arg-type]
    edit = SceneEdit(kind=kind, edit_prompt=_asked(kind, target, seed), original=plain, edited=edited)
    drawn = scenes.render_edit(edit, pairs.size)
    return _sample(number, target, edit.edit_prompt, drawn.original_image, drawn.edited_image)


def _of_photograph(pairs: PhotoPairs, paths: tuple[Path, ...], number: int) -> Sample:
    """Read a photograph, plain and in a style."""
    from dataset_builder.scenes.paint import styles  # it loads what painting takes

    targets = [target for kind, target in TARGETS if kind == "style"]
    path, target = paths[number // len(targets) % len(paths)], targets[number % len(targets)]
    seed = pairs.seed_of(number)
    try:
        photo = read_picture("photos", path).on_white().copy()
    except InvalidEdit as error:
        raise UnreadableDataset(
            f"photos: {path.name} cannot be read ({error}); mend it, or take it away."
        ) from error
    photo.thumbnail((pairs.size, pairs.size), Image.Resampling.LANCZOS)
    plain = np.asarray(photo)
    return _sample(
        number, target, _asked("style", target, seed), plain, styles.apply(target, plain, seed=seed)
    )


def _sample(number: int, target: str, edit_prompt: str, plain: Any, edited: Any) -> Sample:
    words = {records.KIND: target, records.EDIT_PROMPT: edit_prompt}
    parts = {
        f"{records.ORIGINAL_IMAGE}.png": png_bytes(plain),
        f"{records.EDITED_IMAGE}.png": png_bytes(edited),
        "json": canonical_json(words).encode(),
    }
    return Sample(key=f"{number:08d}", parts=parts)
