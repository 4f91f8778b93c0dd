"""Tables of rows on disk: tars, parquet files, what `datasets` saved; pictures lie where they are until read.

Law: nothing is unpickled or unpacked; a table can be walked through again and gives the same rows.
"""

from __future__ import annotations

import json
import tarfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from dataset_builder.errors import UnreadableDataset
from dataset_builder.pairs.files import file_beside
from editors.errors import told_as

PICTURES: Final = frozenset({"png", "jpg", "jpeg", "webp", "bmp"})
MAX_TEXT_BYTES: Final = 2**20
FOLDER: Final = "__folder__"
"""Of a row: where the names of its pictures' files lead."""


@dataclass(frozen=True, slots=True)
class PartBytes:
    """A part of a file."""

    path: Path
    start: int
    size: int

    def read(self) -> bytes:
        """Return the part's bytes."""
        with self.path.open("rb") as file:
            file.seek(self.start)
            return file.read(self.size)


def _unreadable(path: Path) -> Callable[[str], UnreadableDataset]:
    """Return what makes the error of a file or folder out of a library's reason."""
    return lambda reason: UnreadableDataset(f"data: {path} cannot be read ({reason}); fetch it again.")


class open_tars:
    """Rows of WebDataset tars: members `key.column.ending` side by side; a JSON one holds several columns."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self.paths = paths

    def __iter__(self) -> Iterator[Mapping[str, Any]]:
        for path in self.paths:
            with told_as(_unreadable(path)):
                yield from self._rows(path)

    @staticmethod
    def _rows(path: Path) -> Iterator[Mapping[str, Any]]:
        row: dict[str, Any] = {}
        with tarfile.open(path, mode="r:") as tar:
            for member in tar:
                folder, _, name = member.name.rpartition("/")
                stem, _, ending = name.partition(".")
                key = f"{folder}/{stem}" if folder else stem
                if not member.isreg() or not stem or not ending:  # without a stem: hidden, as macOS adds them
                    continue
                if row and row["__key__"] != key:
                    yield row
                    row = {}
                row["__key__"] = key
                column, _, form = ending.rpartition(".")
                if form.lower() in PICTURES:
                    row[column or form] = PartBytes(path, member.offset_data, member.size)
                elif form in ("json", "txt") and member.size <= MAX_TEXT_BYTES:
                    file = tar.extractfile(member)
                    assert file is not None
                    row |= _words(column, form, file.read())
                tar.members = []  # type: ignore[attr-defined]  # it remembers all it passed: a leak in a long walk
        if row:
            yield row


def _words(column: str, form: str, content: bytes) -> dict[str, Any]:
    """Return the columns that a text member holds; none where it cannot be read."""
    try:
        if form == "txt":
            return {column: content.decode()} if column else {}
        fields = json.loads(content)
    except (ValueError, RecursionError):
        return {}
    return fields if isinstance(fields, dict) else {}


class open_tables:
    """Rows of parquet files, as `datasets` writes them: pictures are structs of `bytes` and `path`.

    Raises:
        UnreadableDataset: The library that reads them is not installed.
    """

    def __init__(self, paths: Sequence[Path]) -> None:
        try:
            from pyarrow import parquet
        except ImportError as error:
            raise UnreadableDataset(
                'data: parquet needs the library datasets; pip install "wordbrush[train]".'
            ) from error
        self.paths, self._open = paths, parquet.ParquetFile
        self._held: tuple[Path, int, Any] | None = None

    def __iter__(self) -> Iterator[Mapping[str, Any]]:
        for path in self.paths:
            with told_as(_unreadable(path)):
                file = self._open(path)
                for group in range(file.num_row_groups):
                    names = file.schema_arrow.names
                    rows = file.metadata.row_group(group).num_rows
                    pictures = {name for name in names if _is_picture(file.schema_arrow.field(name).type)}
                    words = file.read_row_group(group, columns=[n for n in names if n not in pictures])
                    values = words.to_pylist() if words.num_columns else [{}] * rows
                    for number, row in enumerate(values):
                        cells = {name: Cell(self, path, group, number, name) for name in pictures}
                        key = f"{path.name}:{group}:{number}"
                        named = {name.removesuffix("_file_name"): value for name, value in row.items()}
                        yield {**named, **cells, "__key__": key, FOLDER: path.parent}

    def cell(self, path: Path, group: int, number: int, column: str) -> bytes:
        """Return a picture's bytes; the row group that was read last is kept, as walks go in order."""
        held = self._held
        if held is None or held[:2] != (path, group):
            held = (path, group, self._open(path).read_row_group(group))
            self._held = held
        return _picture_bytes(held[2].column(column)[number].as_py(), path.parent)


@dataclass(frozen=True, slots=True)
class Cell:
    """A picture in a parquet file."""

    table: open_tables
    path: Path
    group: int
    number: int
    column: str

    def read(self) -> bytes:
        """Return its bytes."""
        with told_as(OSError):  # pyarrow has errors of its own for damaged files
            return self.table.cell(self.path, self.group, self.number, self.column)


class open_saved:
    """Rows of what `Dataset.save_to_disk` wrote; of several splits, "train".

    Raises:
        UnreadableDataset: The library `datasets` is not installed, cannot read it, or finds no split "train".
    """

    def __init__(self, folder: Path) -> None:
        try:
            import datasets
        except ImportError as error:
            raise UnreadableDataset(
                'data: a saved dataset needs the library datasets; pip install "wordbrush[train]".'
            ) from error
        with told_as(_unreadable(folder)):
            found: Any = datasets.load_from_disk(str(folder))
        if isinstance(found, datasets.DatasetDict):
            if "train" not in found:
                names = ", ".join(found)
                raise UnreadableDataset(
                    f'data: {folder} has no split "train" (found: {names}); name the folder of one.'
                )
            found = found["train"]
        undecoded = datasets.Image(decode=False)
        kinds = {name: _undecoded(kind, undecoded) for name, kind in found.features.items()}
        self.pictures = {name for name, kind in kinds.items() if kind is not None}
        for name in self.pictures:
            found = found.cast_column(name, kinds[name])
        self.folder, self.table = folder, found
        self.words = found.select_columns([n for n in found.column_names if n not in self.pictures])

    def __iter__(self) -> Iterator[Mapping[str, Any]]:
        with told_as(_unreadable(self.folder)):
            for number in range(len(self.table)):
                cells = {name: SavedCell(self, number, name) for name in self.pictures}
                words = self.words[number] if self.words.column_names else {}
                yield {**words, **cells, "__key__": str(number), FOLDER: self.folder}


def _undecoded(kind: Any, picture: Any) -> Any:
    """Return the kind of a column of pictures, or of lists of them, whose files are left as they are."""
    if isinstance(kind, type(picture)):
        return picture
    inner = getattr(kind, "feature", None)
    return type(kind)(picture) if isinstance(inner, type(picture)) else None


@dataclass(frozen=True, slots=True)
class SavedCell:
    """A picture in a saved dataset."""

    source: open_saved
    number: int
    column: str

    def read(self) -> bytes:
        """Return its bytes."""
        with told_as(OSError):
            value = self.source.table[self.number][self.column]
            return _picture_bytes(value, self.source.folder)


def _is_picture(kind: Any) -> bool:
    """Say whether a parquet column holds pictures: structs with the field `bytes`, bytes, lists of these."""
    from pyarrow import types

    if types.is_list(kind) or types.is_large_list(kind):
        return _is_picture(kind.value_type)
    if types.is_struct(kind):
        return any(kind.field(place).name == "bytes" for place in range(kind.num_fields))
    return bool(types.is_binary(kind) or types.is_large_binary(kind))


def _picture_bytes(value: Any, folder: Path) -> bytes:
    """Return the bytes of a cell: stored in it, or in the file it names."""
    if isinstance(value, bytes):
        return value
    if isinstance(value, Mapping):
        if value.get("bytes"):
            return bytes(value["bytes"])
        beside = file_beside(folder, value.get("path") or "")
        if beside is not None:
            return beside.read()
    if isinstance(value, list) and len(value) == 1:
        return _picture_bytes(value[0], folder)
    raise FileNotFoundError("the cell holds no picture, or several")
