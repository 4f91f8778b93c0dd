"""Write a dataset of pairs the way others read it: parquet, an image folder, or WebDataset tars, with a card.

Columns are the defaults of diffusers' `examples/instruct_pix2pix/train_instruct_pix2pix.py`: `input_image`,
`edit_prompt`, `edited_image`; what else is known of a pair follows in columns of its own.

Law: pictures are copied byte for byte, and every pair is exported or counted with the reason. The folder
appears whole or not at all.
"""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, Final, Literal, get_args

from dataset_builder import records
from dataset_builder.errors import InvalidJob, StorageFailed, UnreadableDataset
from dataset_builder.pairs.export_card import card
from dataset_builder.pairs.export_formats import WRITERS, Row
from dataset_builder.pairs.overlay import BY_HAND, read_overlay
from dataset_builder.shards.checks import CHECKS
from dataset_builder.shards.dataset import DatasetInfo, read_dataset
from dataset_builder.shards.storage import hash_file
from dataset_builder.shards.tars import read_both
from editors.files import TEMPORARY_MARK, reason_of, temporary_beside, user_path, where_written

Form = Literal["parquet", "imagefolder", "webdataset"]
# How our columns are called outside.
NAMES: Final[Mapping[str, str]] = {records.ORIGINAL_IMAGE: "input_image"}
PICTURES: Final = (records.ORIGINAL_IMAGE, records.EDITED_IMAGE)
_DECIMALS: Final = (records.GUIDANCE_SCALE, records.CROSS_REPLACE_STEPS, records.SELF_REPLACE_STEPS)
TEXTS: Final = (records.EDIT_PROMPT, records.ORIGINAL_PROMPT, records.EDITED_PROMPT)


@dataclass(frozen=True, kw_only=True, slots=True)
class ExportJob:
    """A dataset to write for others.

    Attributes:
        dataset: Folder of a finished dataset of pairs.
        out: Folder to write; it must not be there, or be empty.
        to: "parquet" and "imagefolder" for `datasets`, "webdataset" for tars.
        name: What the card calls it.
        license: What the card says, as a word of the Hub.
        samples_per_file: Pairs in one file.
    """

    dataset: Path
    out: Path
    to: Form = "parquet"
    name: str = "Edit pairs"
    license: str = "other"
    samples_per_file: int = 5000

    def __post_init__(self) -> None:
        for path in ("dataset", "out"):
            object.__setattr__(self, path, user_path(getattr(self, path)))
        CHECKS.choice("to", self.to, get_args(Form))
        CHECKS.whole_number("samples_per_file", self.samples_per_file, 1, 1_000_000)
        if self.out.exists() and (not self.out.is_dir() or any(self.out.iterdir())):
            raise InvalidJob(f"out is {str(self.out)!r}, which is not empty; name a new folder.")


@dataclass(frozen=True, kw_only=True, slots=True)
class ExportReport:
    """What was written.

    Attributes:
        count: Pairs written.
        left_out: How many were not, by reason.
        files: Files of pairs.
    """

    count: int
    left_out: Mapping[str, int]
    files: int


@dataclass(slots=True)
class _Tally:
    """What was met on the way through a dataset."""

    left_out: Counter[str] = field(default_factory=Counter)
    kinds: Counter[str] = field(default_factory=Counter)


def export_pairs(job: ExportJob) -> Iterator[int | ExportReport]:
    """Write a dataset for others.

    Args:
        job: Which, where to, and how.

    Yields:
        Pairs written so far, file by file; last the report.

    Raises:
        InvalidJob: No pair is left to write, or a library is missing.
        StorageFailed: The system refused to write.
        UnreadableDataset: There is no finished dataset, or a shard is not what was written.
    """
    info = read_dataset(job.dataset)
    tally = _Tally()
    place = where_written(job.out)
    temporary = temporary_beside(place)
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        for leftover in place.parent.iterdir():
            if leftover.name.startswith(f"{place.name}{TEMPORARY_MARK}"):
                shutil.rmtree(leftover, ignore_errors=True)
        temporary.mkdir()
        rows = _rows(job, info, tally)
        count = files = 0
        total = -(-info.num_samples // job.samples_per_file)
        while batch := list(islice(rows, job.samples_per_file)):
            WRITERS[job.to](temporary, files, total, batch)
            files, count = files + 1, count + len(batch)
            yield count
        if not count:
            raise InvalidJob(f"{job.dataset} has no pair to write ({dict(tally.left_out)}); choose another.")
        report = ExportReport(count=count, left_out=dict(sorted(tally.left_out.items())), files=files)
        text = card(job.name, job.license, job.to, info, count, report.left_out, dict(tally.kinds))
        (temporary / "README.md").write_text(text, encoding="utf-8")
        if place.exists():
            place.rmdir()
        temporary.replace(place)
    except OSError as error:
        raise StorageFailed(
            f"{job.out} could not be written ({reason_of(error)}); free space or choose another folder."
        ) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    yield report


def _rows(job: ExportJob, info: DatasetInfo, tally: _Tally) -> Iterator[Row]:
    """Walk through the pairs that are exported."""
    overlay = read_overlay(job.dataset)
    for shard in info.shards:
        path = info.folder / f"{shard.name}.tar"
        if hash_file(path) != shard.sha256:
            raise UnreadableDataset(
                f"{path} is not what was written; run `wordbrush data verify {job.dataset} --discard`, then "
                "the command that made it."
            )
        for key, parts, columns in read_both(path):
            missing = [name for name in (*PICTURES, *TEXTS) if name not in columns]
            if missing:
                tally.left_out[f"without {missing[0]}"] += 1
            elif overlay.get(key) == "reject":
                tally.left_out[BY_HAND] += 1
            else:
                tally.kinds[str(columns.get(records.KIND, ""))] += 1
                yield _row(key, parts, columns)


def _row(key: str, parts: Mapping[str, bytes], columns: Mapping[str, Any]) -> Row:
    """Put a pair into the columns of others."""
    pictures = {}
    for ending, content in sorted(parts.items()):
        column, _, form = ending.rpartition(".")
        if column in PICTURES:
            pictures[NAMES.get(column, column)] = (form, content)
    scores = columns.get(records.SCORES) or {}
    drawn = {
        # A decimal number may be whole by chance, but a column has one type.
        name: float(columns[name]) if name in _DECIMALS else columns[name]
        for name in records.DRAWN_COLUMNS
        if name in columns and name != records.SCORES
    }
    return Row(
        key=key,
        pictures=pictures,
        texts={name: str(columns[name]) for name in TEXTS},
        facts={
            records.KIND: str(columns.get(records.KIND, "")),
            **drawn,
            **{f"clip_{name}": float(value) for name, value in sorted(scores.items())},
        },
    )
