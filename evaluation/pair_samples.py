"""Pairs to measure an editor on: exact ones with their masks, or anybody's, as they are trained on.

Law: what `wordbrush train` reads as pairs, `wordbrush eval pairs` measures; of pairs without a mask all of
the picture counts.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from dataset_builder import records
from dataset_builder.dataset import INDEX_FILE, read_dataset
from dataset_builder.errors import UnreadableDataset
from dataset_builder.pair_sources import PairRef, open_pairs
from dataset_builder.storage import hash_bytes, hash_json
from editors.errors import EditorError, told_as
from editors.images import read_picture

UNNAMED = "pairs"
"""Kind of pairs of which nobody says what kind of edit they are."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class PairSamples:
    """Pairs.

    Attributes:
        folder: Where they lie.
        data_hash: Of what is measured.
        samples: Walks through them: the columns of `records`, and "__key__".
    """

    folder: Path
    data_hash: str
    samples: Callable[[], Iterator[dict[str, Any]]]


def pair_samples(folder: Path, num: int) -> PairSamples:
    """Open the first pairs of a folder.

    Raises:
        UnreadableDataset: It holds no pairs.
    """
    if not (folder / INDEX_FILE).is_file():
        return _of_others(folder, num)
    info = read_dataset(folder)
    if info.config.get("kind") == "pairs":
        return PairSamples(
            folder=info.folder, data_hash=info.data_hash, samples=lambda: islice(info.samples(), num)
        )
    if info.config.get("kind") == "scenes":
        raise UnreadableDataset(
            f"{info.folder} holds no pairs; draw some with `wordbrush data scenes --pairs`."
        )
    return _of_others(folder, num)


def _of_others(folder: Path, num: int) -> PairSamples:
    """Open pairs without masks; what is none is passed over, as in training."""
    refs: list[PairRef] = []
    contents: list[Any] = []
    for row in open_pairs(folder).rows():
        if isinstance(row, PairRef) and len(refs) < num:
            with suppress(OSError):  # its picture is missing
                contents.append([hash_bytes(row.original.read()), hash_bytes(row.edited.read())])
                contents[-1].append(row.instructions)
                refs.append(row)
    return PairSamples(
        folder=folder,
        data_hash=hash_json(contents),
        samples=lambda: (_sample(number, ref) for number, ref in enumerate(refs)),
    )


def _sample(number: int, ref: PairRef) -> dict[str, Any]:
    original, edited = (_pixels(ref.key, stored.read()) for stored in (ref.original, ref.edited))
    if original.shape != edited.shape:
        raise UnreadableDataset(
            f"{ref.key}: its pictures are {original.shape[1]}×{original.shape[0]} and "
            f"{edited.shape[1]}×{edited.shape[0]} pixels, but are to be compared; give them one size."
        )
    return {
        "__key__": f"{number:08d}",
        records.ORIGINAL_IMAGE: original,
        records.EDITED_IMAGE: edited,
        records.EDIT_PROMPT: ref.instructions[0],
        records.KIND: UNNAMED,
        records.MASK: np.full(original.shape[:2], 255, np.uint8),
    }


def _pixels(key: str, content: bytes) -> Any:
    def tell(reason: str) -> UnreadableDataset:
        return UnreadableDataset(f"{key}: its picture cannot be read ({reason}); save it again.")

    try:
        with told_as(tell):
            picture = Image.open(io.BytesIO(content))
            return np.asarray(read_picture("picture", picture).on_white())  # (H, W, 3) uint8
    except EditorError as error:
        raise tell(str(error)) from error
