"""Rows of measurements, and the files that they are kept in so that a cut evaluation goes on.

Law: rows are measured and written a batch at a time, a batch is one line of the file, and batches do not
depend on what was measured before: an evaluation that was cut says the same as one that was not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from dataset_builder.shards.shards import png_bytes
from dataset_builder.shards.storage import append_line, hash_json, make_folder, read_lines, write_atomically

SCORES_FILE: Final = "scores.jsonl"


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """Figures of one picture.

    Attributes:
        section: Part of the report.
        method: What made the picture.
        kind: Kind of the edit, or another division of the section.
        key: What the picture was made from; rows of one key are not independent.
        figures: Name to value; None where the picture has no such figure.
    """

    section: str
    method: str
    kind: str
    key: str
    figures: Mapping[str, float | None]


class Section(Protocol):
    """A part of the evaluation: batches of rows."""

    name: str
    num_batches: int
    settings: dict[str, Any]
    """All that its rows depend on."""

    def measure(self, batch: int, folder: PictureFolder) -> list[Row]:
        """Measure one batch, and keep the pictures that the report shows."""


class PictureFolder:
    """Pictures for the report: strips of pictures of one size, by name, in a folder of the run."""

    def __init__(self, out: Path, run: str) -> None:
        self.folder = out / "pictures" / run[:12]

    def keep(self, name: str, pictures: Sequence[NDArray[np.uint8]]) -> None:
        """Keep pictures, each (H, W, 3)."""
        make_folder(self.folder)
        write_atomically(self.folder / f"{name}.png", png_bytes(np.concatenate(list(pictures), axis=1)))

    def has(self, name: str) -> bool:
        """Say whether there are pictures of that name."""
        return (self.folder / f"{name}.png").is_file()

    def show(self, name: str) -> tuple[NDArray[np.uint8], ...]:
        """Return the square pictures that were kept."""
        with Image.open(self.folder / f"{name}.png") as strip:
            pixels = np.array(strip.convert("RGB"))
        return tuple(np.split(pixels, pixels.shape[1] // pixels.shape[0], axis=1))


class Ledger:
    """The rows of all runs in one file."""

    def __init__(self, out: Path) -> None:
        self.path = out / SCORES_FILE
        self._known: dict[tuple[str, int], list[Row]] = {}
        for line in read_lines(self.path):
            self._known[line["run"], line["batch"]] = [Row(**row) for row in line["rows"]]

    def rows(self, run: str, batch: int) -> list[Row] | None:
        """Return the rows of a batch, None where it was not measured."""
        return self._known.get((run, batch))

    def add(self, run: str, batch: int, rows: list[Row]) -> None:
        """Write a batch; it is on the disk when this returns."""
        append_line(self.path, {"run": run, "batch": batch, "rows": [asdict(row) for row in rows]})
        self._known[run, batch] = rows


def run_of(section: Section) -> str:
    """Return the hash of all that a section's rows depend on."""
    return hash_json({"section": section.name, **section.settings})
