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
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Final, Protocol, TextIO, runtime_checkable

from dataset_builder.errors import DatasetError, UnreadableDataset
from dataset_builder.pairs.files import file_beside, training_files, visible_files
from dataset_builder.pairs.tables import FOLDER, open_saved, open_tables, open_tars
from dataset_builder.shards.dataset import INDEX_FILE, read_dataset
from editors.files import read_text, reason_of, text_encoding
from editors.requests.spelling import is_spellable

NO_INSTRUCTION: Final = "without instruction"
NO_PICTURE: Final = "picture missing"
NO_TEXT: Final = "instruction that is no text"
_DELIMITERS: Final = ",;\t"
"""Between the columns of a list; Excel takes the one of its country."""


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
        notes: What was left out or is missing, a sentence each.
    """

    form: str
    rows: Callable[[], Iterator[PairRef | Skipped]]
    notes: tuple[str, ...] = ()


def open_pairs(folder: Path) -> Source:
    """Find out what a folder holds and how its columns are called.

    Raises:
        UnreadableDataset: It holds nothing that can be read, or columns of no known convention.
    """
    if not folder.is_dir():
        raise UnreadableDataset(
            f"data: {folder} is no folder; make pairs with `wordbrush data scenes --pairs`, or name the "
            "folder of a downloaded dataset."
        )
    if (folder / "seeds.json").is_file():
        return Source("folders with seeds.json", lambda: _seed_folders(folder))
    if (folder / INDEX_FILE).is_file():
        try:
            shards = read_dataset(folder).shards
        except DatasetError as error:
            raise UnreadableDataset(f"data: {error}") from error
        return _table(folder, "shards", open_tars([folder / f"{shard.name}.tar" for shard in shards]))
    if (folder / "dataset_info.json").is_file() or (folder / "dataset_dict.json").is_file():
        return _table(folder, "dataset saved to disk", open_saved(folder))
    return _by_endings(folder)


def _by_endings(folder: Path) -> Source:
    """Open the files of the form that counts: lists before parquet before tars; tell of the others."""
    files = list(visible_files(folder))
    lists = [path for path in files if path.name.lower() in ("metadata.jsonl", "metadata.csv")]
    listed = {path.parent for path in lists if path.suffix.lower() == ".jsonl"}
    twice = [path for path in lists if path.suffix.lower() == ".csv" and path.parent in listed]
    parquet, tars = ([path for path in files if path.suffix.lower() == end] for end in (".parquet", ".tar"))
    forms = {
        "picture folder": [path for path in lists if path not in twice],
        "parquet": parquet,
        "WebDataset": tars,
    }
    form = next((form for form, found in forms.items() if found), None)
    if form is None:
        raise UnreadableDataset(
            f"data: {folder} holds no dataset.json, seeds.json, metadata.jsonl, metadata.csv, *.parquet or "
            f"*.tar{_packed(files)}; name the folder of pairs."
        )
    chosen = training_files(folder, forms.pop(form))
    others = [*twice, *(path for found in forms.values() for path in found)]
    notes = list(chosen.notes)
    if others:
        first = others[0].relative_to(folder)
        notes.append(f"{folder} is read as a {form}: left out {len(others)} files of other forms ({first}).")
    rows: Iterable[Row]
    if form == "picture folder":
        rows = [row for path in chosen.files for row in _listed(path)]
    else:
        rows = open_tables(chosen.files) if form == "parquet" else open_tars(chosen.files)
    return _table(folder, form, rows, tuple(notes))


def _packed(files: Iterable[Path]) -> str:
    """Say that packed tars must be unpacked, where there are any."""
    packed = next(
        (path.name for path in files if path.name.lower().endswith((".tar.gz", ".tgz", ".zip"))), None
    )
    return "" if packed is None else f", but {packed}, which must be unpacked first"


Row = Mapping[str, Any]
"""Column to text, list of texts, number, picture or its name; "__key__"; `FOLDER`, from where names lead."""


def _table(folder: Path, form: str, rows: Iterable[Row], notes: tuple[str, ...] = ()) -> Source:
    """Return the pairs of rows whose columns say by their names what they hold."""
    first = {name for row in islice(rows, 100) for name in row}  # a single row may lack one
    if not first:
        raise UnreadableDataset(f"data: {folder} holds no sample; make a larger dataset.")
    columns = find_columns(first)
    if columns is None:
        found = ", ".join(sorted(name for name in first if not name.startswith("__"))) or "none"
        known = "; ".join(f"{one.original}, {one.edited}, {one.instruction}" for one in CONVENTIONS)
        raise UnreadableDataset(
            f"data: {folder} has no columns of pairs (found: {found}); rename them to one of: {known}."
        )
    return Source(
        f"{form}, columns of {columns.convention}", lambda: (_pair(row, columns) for row in rows), notes
    )


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
    original, edited = (
        _picture(row.get(name), row.get(FOLDER)) for name in (columns.original, columns.edited)
    )
    if original is None or edited is None:
        return Skipped(key, NO_PICTURE)
    if not instructions:
        return Skipped(key, NO_INSTRUCTION)
    if not all(map(is_spellable, instructions)):
        return Skipped(key, NO_TEXT)
    return PairRef(key, original, edited, instructions)


def _picture(value: Any, folder: Path | None) -> Stored | None:
    """Return the picture that a cell holds, names, or is a list of one of."""
    if isinstance(value, Stored):
        return value
    if isinstance(value, (list, tuple)):
        return _picture(value[0], folder) if len(value) == 1 else None
    if isinstance(value, Mapping):
        value = value.get("path")
    return file_beside(folder, value) if isinstance(value, str) and folder is not None else None


def _listed(path: Path) -> Iterator[Row]:
    """Walk through a picture folder's list: columns `X_file_name`, or `X`, name the files of pictures `X`.

    Raises:
        UnreadableDataset: The list is no text, or no table.
    """
    try:
        with path.open(encoding=text_encoding(path), newline="") as file:
            lines: Iterable[Any] = (
                _table_lines(file)
                if path.suffix.lower() == ".csv"
                else (_json(line) for line in file if line.strip())
            )
            for number, line in enumerate(lines):
                row: dict[str, Any] = {"__key__": f"{path.name}:{number + 1}", FOLDER: path.parent}
                for name, value in (line if isinstance(line, Mapping) else {}).items():
                    row[str(name).strip().removesuffix("_file_name")] = value
                yield row
    except (OSError, UnicodeError, csv.Error) as error:
        raise UnreadableDataset(
            f"data: {path} cannot be read ({reason_of(error)}); save it as text in UTF-8."
        ) from error


def _table_lines(file: TextIO) -> Iterable[Mapping[str, Any]]:
    """Read a table whose columns stand apart by what its head has most of."""
    head = file.readline()
    file.seek(0)
    return csv.DictReader(file, delimiter=max(_DELIMITERS, key=head.count))


def _json(line: str) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None


def _seed_folders(folder: Path) -> Iterator[PairRef | Skipped]:
    """Walk through the authors' folders: every seed of a prompt is a pair of its own."""
    try:
        index = json.loads(read_text(folder / "seeds.json"))
        entries = [(str(name), [str(seed) for seed in seeds]) for name, seeds in index]
    except (OSError, ValueError, TypeError) as error:
        raise UnreadableDataset(
            f"data: {folder / 'seeds.json'} cannot be read ({error}); fetch it again."
        ) from error
    for name, seeds in entries:
        place = folder / name
        try:
            instruction = json.loads(read_text(place / "prompt.json"))["edit"]
        except (OSError, ValueError, TypeError, KeyError):
            instruction = None
        for seed in seeds:
            row = {
                "__key__": f"{name}/{seed}",
                "edit_prompt": instruction,
                "original_image": file_beside(folder, f"{name}/{seed}_0.jpg"),
                "edited_image": file_beside(folder, f"{name}/{seed}_1.jpg"),
            }
            yield _pair(row, CONVENTIONS[0])
