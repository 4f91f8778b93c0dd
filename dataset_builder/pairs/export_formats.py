"""The three forms in which pairs leave: parquet, image folder, WebDataset. Pictures stay the bytes they were.

Law: equal rows give equal files.
"""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from dataset_builder.errors import InvalidJob
from dataset_builder.shards.storage import canonical_json


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """One pair on its way out.

    Attributes:
        key: Its name.
        pictures: Column to (ending, bytes of the file).
        texts: Column to text.
        facts: Column to what else is known: texts and numbers.
    """

    key: str
    pictures: Mapping[str, tuple[str, bytes]]
    texts: Mapping[str, str]
    facts: Mapping[str, Any]


Writer = Callable[[Path, int, int, Sequence[Row]], None]
"""(folder, number of the file, number of files, its rows)."""


def write_parquet(folder: Path, index: int, total: int, rows: Sequence[Row]) -> None:
    """Write `data/train-00000-of-00001.parquet`, which `datasets` opens with pictures as pictures.

    Raises:
        InvalidJob: The library `datasets` is not installed.
    """
    try:
        import datasets
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        raise InvalidJob(
            'to is "parquet", but the library datasets is not installed; pip install "wordbrush[train]", or '
            'choose "webdataset".'
        ) from error
    names = {name: None for row in rows for name in (*row.texts, *row.pictures, *row.facts)}
    columns = {name: [_cell(row, name) for row in rows] for name in names}
    kinds = {str: "string", int: "int64", float: "float64"}
    features = {}
    for name, values in columns.items():
        known = next((value for value in values if value is not None), "")
        features[name] = datasets.Image() if isinstance(known, dict) else datasets.Value(kinds[type(known)])
    # The schema carries what `datasets` needs to know: without it, pictures load as dictionaries.
    table = pyarrow.table(columns, schema=datasets.Features(features).arrow_schema)
    (folder / "data").mkdir(exist_ok=True)
    parquet.write_table(table, folder / "data" / f"train-{index:05d}-of-{total:05d}.parquet")


def _cell(row: Row, name: str) -> Any:
    """Return what a row has in a column, as `datasets` stores it; None where it has nothing."""
    if name in row.pictures:
        return {"bytes": row.pictures[name][1], "path": None}
    return row.texts.get(name, row.facts.get(name))


def write_imagefolder(folder: Path, index: int, total: int, rows: Sequence[Row]) -> None:
    """Write `train/`: the picture files, and their rows at the end of `metadata.jsonl`."""
    place = folder / "train"
    place.mkdir(exist_ok=True)
    lines = []
    for row in rows:
        line: dict[str, Any] = {}
        for column, (ending, content) in row.pictures.items():
            name = f"{row.key}.{column}.{ending}"
            (place / name).write_bytes(content)
            line[f"{column}_file_name"] = name
        lines.append(f"{canonical_json({**line, **row.texts, **row.facts})}\n")
    with (place / "metadata.jsonl").open("a", encoding="utf-8") as file:
        file.writelines(lines)


def write_webdataset(folder: Path, index: int, total: int, rows: Sequence[Row]) -> None:
    """Write `train-00000.tar`: for each pair its pictures, its instruction as text, and the rest as JSON."""
    with tarfile.open(folder / f"train-{index:05d}.tar", mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for row in rows:
            parts = {f"{column}.{ending}": content for column, (ending, content) in row.pictures.items()}
            parts |= {f"{column}.txt": text.encode() for column, text in row.texts.items()}
            parts["json"] = canonical_json({**row.texts, **row.facts}).encode()
            for ending, content in sorted(parts.items()):
                member = tarfile.TarInfo(f"{row.key}.{ending}")
                member.size, member.mode = len(content), 0o644
                tar.addfile(member, io.BytesIO(content))


WRITERS: Final[Mapping[str, Writer]] = MappingProxyType(
    {"parquet": write_parquet, "imagefolder": write_imagefolder, "webdataset": write_webdataset}
)
