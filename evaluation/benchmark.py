"""A benchmark: batches of cases, rows of figures, and the files that a cut measurement goes on from.

Law: rows are measured and written a batch at a time, a batch is one line of the file, and batches do not
depend on what was measured before. A batch once measured is not measured again for the same run, whatever cut
it; a measurement that was cut says the same as one that was not.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, Protocol, TypeVar, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from dataset_builder.errors import UnreadableDataset
from dataset_builder.shards.shards import png_bytes
from dataset_builder.shards.storage import append_line, hash_json, make_folder, read_lines, write_atomically

SCORES_FILE: Final = "scores.jsonl"
BatchT = TypeVar("BatchT")


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """Figures of one picture.

    Attributes:
        section: Part of the report.
        method: What made the picture.
        kind: Kind of the edit, or another division of the section.
        key: What the picture was made from; rows of one key are not independent.
        figures: Name to value; None where the picture has no such figure, empty where there is no picture.
        failed: Why there is no picture, or None. A batch with such a row is tried again by the next run.
    """

    section: str
    method: str
    kind: str
    key: str
    figures: Mapping[str, float | None]
    failed: str | None = None


class Benchmark(Protocol[BatchT]):
    """A part of an evaluation.

    Attributes:
        name: Of the part.
        num_batches: How many batches there are, as far as it is known before they are read.
        settings: All that its rows depend on.
    """

    name: str
    num_batches: int
    settings: dict[str, Any]

    def batches(self) -> Iterable[BatchT]:
        """Return the batches in their order, which nothing changes."""

    def measure(self, batch: BatchT, pictures: PictureFolder) -> list[Row]:
        """Measure one batch, and keep the pictures that the report shows."""


@runtime_checkable
class Noted(Protocol):
    """Something that was measured, on the way to a report."""

    @property
    def note(self) -> str:
        """Where the measurement is, for a person who waits."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Measured:
    """A batch that is measured, now or by an earlier run.

    Attributes:
        section: Name of its benchmark.
        batch: How many batches of it are done.
        num_batches: How many there are.
        fresh: Whether this run measured it.
        rows: What was found.
    """

    section: str
    batch: int
    num_batches: int
    fresh: bool
    rows: tuple[Row, ...]

    @property
    def note(self) -> str:
        """Name of the benchmark, and how far it is."""
        return f"{self.section} {self.batch}/{self.num_batches}"


def measured(benchmark: Benchmark[Any], out: Path) -> Generator[Measured, None, list[Row]]:
    """Measure the batches of a benchmark that no earlier run has; return the rows of all.

    Args:
        benchmark: What is measured.
        out: Folder of the scores and pictures.
    """
    run, rows = run_of(benchmark), []
    ledger, pictures = Ledger(out), PictureFolder(out, run)
    for number, batch in enumerate(benchmark.batches()):
        known = ledger.rows(run, number)
        found = benchmark.measure(batch, pictures) if known is None else known
        if known is None and not any(row.failed for row in found):
            ledger.add(run, number, found)
        rows += found
        yield Measured(
            section=benchmark.name,
            batch=number + 1,
            num_batches=benchmark.num_batches,
            fresh=known is None,
            rows=tuple(found),
        )
    return rows


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

    def strip(self, name: str) -> NDArray[np.uint8]:
        """Return what was kept, side by side, (H, W, 3)."""
        with Image.open(self.folder / f"{name}.png") as strip:
            return np.array(strip.convert("RGB"))

    def squares(self, name: str) -> tuple[NDArray[np.uint8], ...]:
        """Return the square pictures that were kept."""
        pixels = self.strip(name)
        return tuple(np.split(pixels, pixels.shape[1] // pixels.shape[0], axis=1))


class Ledger:
    """The rows of all runs in one file."""

    def __init__(self, out: Path) -> None:
        """Read what is there.

        Raises:
            UnreadableDataset: A line is damaged.
        """
        self.path = out / SCORES_FILE
        self._known: dict[tuple[str, int], list[Row]] = {}
        try:
            for line in read_lines(self.path):
                if "rows" in line:  # else of an earlier version, whose figures are measured again
                    self._known[line["run"], line["batch"]] = [Row(**row) for row in line["rows"]]
        except (ValueError, KeyError, TypeError) as error:
            raise UnreadableDataset(
                f"{self.path} is damaged ({error}); remove the damaged line: what it says is measured again."
            ) from error

    def rows(self, run: str, batch: int) -> list[Row] | None:
        """Return the rows of a batch, None where it was not measured."""
        return self._known.get((run, batch))

    def add(self, run: str, batch: int, rows: list[Row]) -> None:
        """Write a batch; it is on the disk when this returns."""
        append_line(self.path, {"run": run, "batch": batch, "rows": [asdict(row) for row in rows]})
        self._known[run, batch] = rows


def run_of(benchmark: Benchmark[Any]) -> str:
    """Return the hash of all that a benchmark's rows depend on."""
    return hash_json({"section": benchmark.name, **benchmark.settings})
