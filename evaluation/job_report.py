"""A dataset job on one page: its scores as plots, pairs that were kept, pairs that were not and why.

Law: the pictures shown are spread evenly over the job, none is picked; equal jobs give equal pages.
"""

from __future__ import annotations

import textwrap
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from dataset_builder import records
from dataset_builder.render.filters import KEPT, SURPLUS
from dataset_builder.render.scores import SCORES
from dataset_builder.shards.dataset import DatasetInfo, read_dataset
from evaluation.stats import decisions, job_folders, stats_plot

NUM_SHOWN: Final = 24
_COLUMNS: Final = 6
_SIDE: Final = 96
_GAP: Final = 8
_LINE: Final = 13
_LETTERS: Final = 34
"""Of a caption's line, under two pictures of `_SIDE`."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ShownPair:
    """A pair on the page: both pictures, (H, W, 3) uint8, and what is said of it."""

    original_image: NDArray[np.uint8]
    edited_image: NDArray[np.uint8]
    words: str


def job_report(folder: Path | str) -> NDArray[np.uint8]:
    """Draw the page.

    Args:
        folder: What `wordbrush data filter` filled, or the folder of a whole job.

    Returns:
        The page, (H, W, 3) uint8; without pairs where the rendered ones are not beside the filtered.

    Raises:
        UnreadableDataset: There is nothing filtered here.
    """
    parts = [stats_plot(folder)]
    for title, kept in (("Kept", True), ("Left out", False)):
        shown = shown_pairs(folder, NUM_SHOWN, kept=kept)
        if shown:
            parts.append(pair_sheet(title, shown))
    width = max(part.shape[1] for part in parts)
    wide = [np.pad(one, ((0, 0), (0, width - one.shape[1]), (0, 0)), constant_values=255) for one in parts]
    return np.concatenate(wide)


def shown_pairs(folder: Path | str, num: int, *, kept: bool) -> list[ShownPair]:
    """Read pairs of a job, spread evenly over it; none where the rendered ones are not at hand.

    Args:
        folder: As for `job_report`.
        num: How many at most.
        kept: Those that were kept, or those that a threshold left out.
    """
    job = job_folders(folder)
    if job.rendered is None:
        return []
    filtered, info = job.filtered, read_dataset(job.rendered)
    total = sum(1 for _ in _decided(filtered, kept=kept))
    places = set(np.linspace(0, total - 1, min(num, total)).round().astype(int).tolist())
    shown = {line["key"]: line for place, line in enumerate(_decided(filtered, kept=kept)) if place in places}
    return [_shown(sample, shown[sample["__key__"]]) for sample in _samples(info, shown)]


def _decided(filtered: Path, *, kept: bool) -> Iterator[dict[str, Any]]:
    """Walk through the decisions by which pairs were kept, or failed a threshold."""
    for line in decisions(filtered):
        if line["outcome"] == KEPT if kept else line["outcome"] not in (KEPT, SURPLUS):
            yield line


def _samples(info: DatasetInfo, keys: Iterable[str]) -> list[dict[str, Any]]:
    """Return some samples of a dataset, in order; shards without any are not read."""
    wanted: dict[int, set[str]] = defaultdict(set)
    for key in keys:
        triplet = int(key.partition("-")[0])
        wanted[next(n for n, one in enumerate(info.shards) if one.start <= triplet < one.stop)].add(key)
    columns = (records.ORIGINAL_IMAGE, records.EDITED_IMAGE, records.EDIT_PROMPT)
    return [
        sample
        for number, (_, samples) in enumerate(info.samples_by_shard(columns))
        if number in wanted
        for sample in samples
        if sample["__key__"] in wanted[number]
    ]


def _shown(sample: dict[str, Any], decision: dict[str, Any]) -> ShownPair:
    """Say of a pair what was asked, and why it is where it is."""
    outcome = decision["outcome"]
    score = outcome if outcome in SCORES else "direction"
    scores = decision.get(records.SCORES)  # pairs may be rendered without
    scored = "" if scores is None else f"\n{score.replace('_', ' ')} {scores[score]:.2f}"
    return ShownPair(
        original_image=sample[records.ORIGINAL_IMAGE],
        edited_image=sample[records.EDITED_IMAGE],
        words=f"{sample[records.EDIT_PROMPT]}{scored}",
    )


def pair_sheet(title: str, pairs: Sequence[ShownPair], *, columns: int = _COLUMNS) -> NDArray[np.uint8]:
    """Lay pairs out side by side, each over its words.

    Args:
        title: Above the sheet.
        pairs: At least one.
        columns: Pairs in a row.

    Returns:
        The sheet, (H, W, 3) uint8.
    """
    font = ImageFont.load_default(size=11)
    lines = [
        [part for line in pair.words.split("\n") for part in textwrap.wrap(line, _LETTERS)] for pair in pairs
    ]
    across = 2 * _SIDE + 2 + 2 * _GAP
    down = _SIDE + _LINE * max(map(len, lines)) + 2 * _GAP
    sheet = Image.new("RGB", (across * columns, 28 + down * -(-len(pairs) // columns)), "white")
    pen = ImageDraw.Draw(sheet)
    pen.text((_GAP, 6), title, fill="black", font=ImageFont.load_default(size=15))
    for number, (pair, words) in enumerate(zip(pairs, lines, strict=True)):
        left, top = number % columns * across + _GAP, 28 + number // columns * down
        for place, pixels in enumerate((pair.original_image, pair.edited_image)):
            picture = Image.fromarray(pixels).resize((_SIDE, _SIDE), Image.Resampling.BICUBIC)
            sheet.paste(picture, (left + place * (_SIDE + 2), top))
        for row, line in enumerate(words):
            pen.text((left, top + _SIDE + 3 + row * _LINE), line, fill="#333333", font=font)
    return np.array(sheet)
