"""Pairs to measure an editor on: exact ones with their masks, or anybody's, as they are trained on.

Law: what `wordbrush train` reads as pairs, `wordbrush eval pairs` measures; of pairs without a mask all of
the picture counts.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from dataset_builder import records
from dataset_builder.errors import UnreadableDataset
from dataset_builder.pairs.pictures import contents_of, decode, shape_of
from dataset_builder.pairs.sources import PairRef, open_pairs
from dataset_builder.shards.dataset import INDEX_FILE, read_dataset
from dataset_builder.shards.storage import hash_bytes, hash_json

UNNAMED = "pairs"
"""Kind of pairs of which nobody says what kind of edit they are."""
_log = logging.getLogger(__name__)


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
    """Open pairs without masks; what is none is counted and passed over, as in training.

    Raises:
        UnreadableDataset: None can be used.
    """
    source = open_pairs(folder)
    refs: list[PairRef] = []
    hashes: list[Any] = []
    skipped = Counter[str]()
    for row in source.rows():
        contents = contents_of(row)
        if isinstance(verdict := shape_of(contents), str):
            skipped[verdict] += 1
            continue
        assert isinstance(row, PairRef) and not isinstance(contents, str)
        hashes.append([*map(hash_bytes, contents), row.instructions])
        refs.append(row)
        if len(refs) == num:
            break
    counts = ", ".join(f"{count} {reason}" for reason, count in sorted(skipped.items()))
    if not refs:
        raise UnreadableDataset(
            f"data: {folder} holds no usable pair ({counts or 'no row'}); name another dataset."
        )
    for note in source.notes:
        _log.warning("data: %s", note)
    if skipped:
        _log.warning("data: passed over %d rows of %s: %s.", skipped.total(), folder, counts)
    return PairSamples(
        folder=folder,
        data_hash=hash_json(hashes),
        samples=lambda: (_sample(number, ref) for number, ref in enumerate(refs)),
    )


def _sample(number: int, ref: PairRef) -> dict[str, Any]:
    """Return a pair; an edited picture of another size is brought to that of its original."""
    original, edited = decode(ref.original.read()), decode(ref.edited.read())
    if edited.size != original.size:
        edited = edited.resize(original.size, Image.Resampling.LANCZOS)
    return {
        "__key__": f"{number:08d}",
        records.ORIGINAL_IMAGE: np.array(original),  # (H, W, 3) uint8
        records.EDITED_IMAGE: np.array(edited),
        records.EDIT_PROMPT: ref.instructions[0],
        records.KIND: UNNAMED,
        records.MASK: np.full((original.height, original.width), 255, np.uint8),
    }
