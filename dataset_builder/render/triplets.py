"""Edit triplets on their way to be drawn, read from a file of lines.

One JSON object a line with the columns of `dataset_builder.records`. The published files of InstructPix2Pix
(Brooks, Holynski, Efros, 2023, arXiv:2211.09800) are read as they are: `input` or `caption`, `edit`,
`output`. A line may name the photo that it starts from, `original_image`, seen from the file's folder.

Law: a line is a triplet or an error that names it; none is passed over.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from dataset_builder import records
from dataset_builder.errors import InvalidJob
from dataset_builder.records import EditTriplet
from dataset_builder.shards.storage import hash_file
from editors.files import read_text, user_path

ID: Final = "id"
TRIPLETS_FILE: Final = "triplets.jsonl"
# Names that others gave our three columns, in the order in which they are looked for.
PUBLISHED_NAMES: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        records.ORIGINAL_PROMPT: (records.ORIGINAL_PROMPT, "input", "caption"),
        records.EDIT_PROMPT: (records.EDIT_PROMPT, "edit"),
        records.EDITED_PROMPT: (records.EDITED_PROMPT, "output"),
    }
)
# Carried from a triplet into the pairs that are drawn of it.
CARRIED: Final = (records.KIND, records.ORIGINAL_SCENE, records.EDITED_SCENE, records.SPLIT)


@dataclass(frozen=True, kw_only=True, slots=True)
class TripletRow:
    """A triplet with what is known of it.

    Attributes:
        id: Its name; all randomness of its pairs starts from it.
        triplet: The words.
        known: The columns of `CARRIED` that its line has.
        photo: The picture that it starts from, where its line names one in `original_image`; otherwise the
            original is drawn.
    """

    id: str
    triplet: EditTriplet
    known: Mapping[str, str]
    photo: Path | None = None

    def to_json(self) -> dict[str, str]:
        """Return the columns of the row, as its line holds them; of a photo its hash.

        Raises:
            InvalidJob: The photo cannot be read.
        """
        return {
            ID: self.id,
            records.ORIGINAL_PROMPT: self.triplet.original_prompt,
            records.EDIT_PROMPT: self.triplet.edit_prompt,
            records.EDITED_PROMPT: self.triplet.edited_prompt,
            **self.known,
            **({} if self.photo is None else {records.ORIGINAL_IMAGE: _content_hash(self.photo)}),
        }


def _content_hash(path: Path) -> str:
    """Return the hash of a photo: where it lies does not matter, but what is on it."""
    try:
        return hash_file(path)
    except OSError as error:
        raise InvalidJob(f"original_image: {path} cannot be read ({error}); check the path.") from error


def read_triplets(path: Path | str) -> list[TripletRow]:
    """Read a file of triplets, or the one in a folder that `wordbrush data write` filled.

    Raises:
        InvalidJob: There is no such file, it holds no triplet, or a line is none.
    """
    path = user_path(path)
    path = path / TRIPLETS_FILE if path.is_dir() else path
    try:
        lines = read_text(path).split("\n")
    except (OSError, UnicodeError) as error:
        raise InvalidJob(
            f"triplets: {path} cannot be read ({error}); write one with `wordbrush data write`."
        ) from error
    rows = [_row(path, number, line) for number, line in enumerate(lines, start=1) if line.strip()]
    if not rows:
        raise InvalidJob(f"triplets: {path} is empty; write some with `wordbrush data write`.")
    repeated = len(rows) - len({row.id for row in rows})
    if repeated:
        raise InvalidJob(
            f"triplets: {path} has {repeated} rows whose id was there before; give each its own."
        )
    return rows


def _row(path: Path, number: int, line: str) -> TripletRow:
    """Read one line; a line without an id takes its number."""
    try:
        fields = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise InvalidJob(f"triplets: line {number} of {path} is no JSON ({error}); mend it.") from error
    if not isinstance(fields, dict):
        raise InvalidJob(f"triplets: line {number} of {path} is no JSON object; mend it.")
    words = {column: _first(fields, names) for column, names in PUBLISHED_NAMES.items()}
    try:
        triplet = EditTriplet(**words)
    except InvalidJob as error:
        raise InvalidJob(f"triplets: line {number} of {path}: {error}") from error
    known = {name: str(fields[name]) for name in CARRIED if fields.get(name) not in (None, "")}
    photo = fields.get(records.ORIGINAL_IMAGE)
    return TripletRow(
        id=str(fields.get(ID, number)),
        triplet=triplet,
        known=known,
        photo=None if photo in (None, "") else path.parent / str(photo),
    )


def _first(fields: Mapping[str, Any], names: tuple[str, ...]) -> Any:
    """Return the first of some columns that is there."""
    return next((fields[name] for name in names if name in fields), None)
