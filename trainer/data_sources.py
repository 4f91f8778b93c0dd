"""Pairs on disk, in the forms people publish them in: found, not asked for by flags.

Readable are our own datasets, WebDataset tars, parquet files, what `datasets` saved to disk, picture folders
with `metadata.jsonl` or `.csv`, and the folders with `seeds.json` that the authors of "InstructPix2Pix:
Learning to Follow Image Editing Instructions" (Brooks et al., 2023, arXiv 2211.09800) published. Which
columns hold what is read off their names.

Law: every row is either a pair or a reason why it is none; none goes missing in silence.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Final, Protocol, runtime_checkable

from dataset_builder.dataset import INDEX_FILE, read_dataset
from dataset_builder.errors import DatasetError
from trainer.data_tables import FileBytes, open_saved, open_tables, open_tars
from trainer.errors import UnusableData

NO_INSTRUCTION: Final = "without instruction"
NO_PICTURE: Final = "picture missing"


@runtime_checkable
class Stored(Protocol):
    """A picture file's bytes, wherever they lie."""

    def read(self) -> bytes:
        """Return them; raises OSError where they cannot be had."""


@dataclass(frozen=True, slots=True)
class PairRef:
    """A pair that has not been looked at yet.

    Attributes:
        key: Name of the row.
        original: The picture before the edit.
        edited: The picture after it.
        instructions: What to do, in one or several wordings.
    """

    key: str
    original: Stored
    edited: Stored
    instructions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Skipped:
    """A row that is no pair, and why."""

    key: str
    reason: str


@dataclass(frozen=True, slots=True)
class Columns:
    """Names of the columns that hold a pair, and whose names they are."""

    convention: str
    original: str
    edited: str
    instruction: str


CONVENTIONS: Final = (
    Columns("InstructPix2Pix", "original_image", "edited_image", "edit_prompt"),
    Columns("diffusers", "input_image", "edited_image", "edit_prompt"),
    Columns("UltraEdit", "source_image", "edited_image", "edit_prompt"),
    Columns("MagicBrush", "source_img", "target_img", "instruction"),
    Columns("OmniEdit", "src_img", "edited_img", "edited_prompt_list"),
    Columns("HQ-Edit", "input_image", "output_image", "edit"),
)


@dataclass(frozen=True, slots=True)
class Source:
    """A place with pairs.

    Attributes:
        form: What it is, in words.
        rows: Walks through it from the beginning, without decoding pictures.
    """

    form: str
    rows: Callable[[], Iterator[PairRef | Skipped]]


def open_pairs(folder: Path) -> Source:
    """Find out what a folder holds and how its columns are called.

    Raises:
        UnusableData: It holds nothing that can be read, or columns of no known convention.
    """
    if not folder.is_dir():
        raise UnusableData(
            f"data: {folder} is no folder; make pairs with `wordbrush data scenes --pairs`, or name the "
            "folder of a downloaded dataset."
        )
    if (folder / "seeds.json").is_file():
        return Source("folders with seeds.json", lambda: _seed_folders(folder))
    if (folder / INDEX_FILE).is_file():
        try:
            shards = read_dataset(folder).shards
        except DatasetError as error:
            raise UnusableData(f"data: {error}") from error
        return _table(folder, "shards", open_tars([folder / f"{shard.name}.tar" for shard in shards]))
    if (folder / "dataset_info.json").is_file() or (folder / "dataset_dict.json").is_file():
        return _table(folder, "dataset saved to disk", open_saved(folder))
    for pattern, form in (("metadata.jsonl", "picture folder"), ("metadata.csv", "picture folder")):
        if found := _training_part(folder.rglob(pattern)):
            return _table(folder, form, [row for path in found for row in _listed(path)])
    if found := _training_part(folder.rglob("*.parquet")):
        return _table(folder, "parquet", open_tables(found))
    if found := _training_part(folder.rglob("*.tar")):
        return _table(folder, "WebDataset", open_tars(found))
    raise UnusableData(
        f"data: {folder} holds no dataset.json, seeds.json, metadata.jsonl, *.parquet or *.tar; name the "
        "folder of pairs."
    )


def _training_part(paths: Iterable[Path]) -> list[Path]:
    """Return the files of the split "train" where splits are named, or else all."""
    found = sorted(paths)
    named = [path for path in found if "train" in path.name.lower() or "train" in path.parent.name.lower()]
    return named or found


Row = Mapping[str, Any]
"""Column to text, list of texts, number or picture; and "__key__"."""


def _table(folder: Path, form: str, rows: Iterable[Row]) -> Source:
    """Return the pairs of rows whose columns say by their names what they hold."""
    first = {name for row in islice(rows, 100) for name in row}  # a single row may lack one
    if not first:
        raise UnusableData(f"data: {folder} holds no sample; make a larger dataset.")
    columns = find_columns(first)
    if columns is None:
        found = ", ".join(sorted(name for name in first if not name.startswith("__"))) or "none"
        known = "; ".join(f"{one.original}, {one.edited}, {one.instruction}" for one in CONVENTIONS)
        raise UnusableData(
            f"data: {folder} has no columns of pairs (found: {found}); rename them to one of: {known}."
        )
    return Source(f"{form}, columns of {columns.convention}", lambda: (_pair(row, columns) for row in rows))


def find_columns(names: Iterable[str]) -> Columns | None:
    """Return the convention whose three columns are all there, or None."""
    there = set(names)
    return next((one for one in CONVENTIONS if {one.original, one.edited, one.instruction} <= there), None)


def _pair(row: Row, columns: Columns) -> PairRef | Skipped:
    """Return a row's pair, or why it has none."""
    key = str(row["__key__"])
    said = row.get(columns.instruction)
    wordings = said if isinstance(said, (list, tuple)) else [said]
    instructions = tuple(text.strip() for text in wordings if isinstance(text, str) and text.strip())
    original, edited = row.get(columns.original), row.get(columns.edited)
    if not isinstance(original, Stored) or not isinstance(edited, Stored):
        return Skipped(key, NO_PICTURE)
    if not instructions:
        return Skipped(key, NO_INSTRUCTION)
    return PairRef(key, original, edited, instructions)


def _listed(path: Path) -> Iterator[Row]:
    """Walk through a picture folder's list: columns `X_file_name` name the files of the pictures `X`."""
    with path.open(encoding="utf-8", newline="") as file:
        lines: Iterable[Any] = csv.DictReader(file) if path.suffix == ".csv" else map(_json, file)
        for number, line in enumerate(lines):
            row: dict[str, Any] = {"__key__": f"{path.name}:{number + 1}"}
            for name, value in (line if isinstance(line, Mapping) else {}).items():
                picture = re.fullmatch(r"(.+)_file_name", name)
                row[picture[1] if picture else name] = (
                    _beside(path.parent, value) if picture and value else None if picture else value
                )
            yield row


def _json(line: str) -> Any:
    try:
        return json.loads(line)
    except ValueError:
        return None


def _beside(folder: Path, name: Any) -> FileBytes | None:
    """Return a file of the folder; a name that leads out of it is none."""
    path = folder / str(name)
    return FileBytes(path) if path.resolve().is_relative_to(folder.resolve()) else None


def _seed_folders(folder: Path) -> Iterator[PairRef | Skipped]:
    """Walk through the authors' folders: every seed of a prompt is a pair of its own."""
    try:
        index = json.loads((folder / "seeds.json").read_text(encoding="utf-8"))
        entries = [(str(name), [str(seed) for seed in seeds]) for name, seeds in index]
    except (OSError, ValueError, TypeError) as error:
        raise UnusableData(
            f"data: {folder / 'seeds.json'} cannot be read ({error}); fetch it again."
        ) from error
    for name, seeds in entries:
        place = folder / name
        try:
            instruction = json.loads((place / "prompt.json").read_text(encoding="utf-8"))["edit"]
        except (OSError, ValueError, TypeError, KeyError):
            instruction = None
        for seed in seeds:
            row = {
                "__key__": f"{name}/{seed}",
                "edit_prompt": instruction,
                "original_image": _beside(folder, f"{name}/{seed}_0.jpg"),
                "edited_image": _beside(folder, f"{name}/{seed}_1.jpg"),
            }
            yield _pair(row, CONVENTIONS[0])
