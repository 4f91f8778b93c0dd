"""Measurements of an instruction editor on samples whose exact targets are known, each edited once."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from dataset_builder import records
from editors import InstructPix2PixEditor
from evaluation.asking import Asking, request, settings_of
from evaluation.benchmark import PictureFolder, Row
from evaluation.sampling import model_hash
from evaluation.summary import first_of_each

EDITED: Final = "edited"
Sample: TypeAlias = Mapping[str, Any]


def first_pictures(
    out: Path, run: str, samples: Iterable[Sample], rows: Sequence[Row], num: int
) -> list[tuple[Sample, tuple[NDArray[Any], ...]]]:
    """Return the first samples of each kind, as they came, with source, edit and target, (H, W, 3) each.

    Args:
        out: Folder of the measurement.
        run: Hash of all that its rows depend on.
        samples: All of them.
        rows: Theirs.
        num: How many of each kind.
    """
    edited = [row for row in rows if row.method == EDITED]
    shown = {row.key for row in first_of_each(edited, lambda row: row.kind, num)}
    kept = PictureFolder(out, run)
    return [
        (
            sample,
            (sample[records.ORIGINAL_IMAGE], kept.strip(sample["__key__"]), sample[records.EDITED_IMAGE]),
        )
        for sample in samples
        if sample["__key__"] in shown
    ]


class ExactEdits(ABC):
    """A benchmark of samples with the columns of pairs, beside pictures that stand for no editor.

    Args:
        job: How edits are asked for.
        editor: Carries them out.
        samples: Walks through the samples.
        data_hash: Of the samples.
        num: Their number.
    """

    name: str

    def __init__(
        self,
        job: Asking,
        editor: InstructPix2PixEditor,
        samples: Callable[[], Iterator[dict[str, Any]]],
        data_hash: str,
        num: int,
    ) -> None:
        self.job, self.editor, self.samples, self.num_batches = job, editor, samples, num
        self.settings: dict[str, Any] = {
            **settings_of(job, editor),
            "model": model_hash(editor.model),
            "data": data_hash,
        }

    @abstractmethod
    def beside(self, sample: Sample) -> dict[str, NDArray[np.uint8]]:
        """Return what a sample's edit is to be seen beside, by method, (H, W, 3) each."""

    @abstractmethod
    def figures(self, sample: Sample, picture: NDArray[np.uint8]) -> dict[str, float | None]:
        """Compare a picture of a sample, (H, W, 3), with its target."""

    def batches(self) -> Iterable[tuple[int, Sample]]:
        """Return the samples with their numbers."""
        return enumerate(self.samples())

    def measure(self, batch: tuple[int, Sample], pictures: PictureFolder) -> list[Row]:
        """Edit one sample, keep the picture, and compare."""
        number, sample = batch
        key, source = sample["__key__"], Image.fromarray(sample[records.ORIGINAL_IMAGE])
        result = self.editor.edit(request(self.job, source, sample[records.EDIT_PROMPT], number))
        edited = np.array(result.edited_image.convert("RGB"))
        pictures.keep(key, (edited,))
        rows = []
        for method, picture in {EDITED: edited, **self.beside(sample)}.items():
            figures = self.figures(sample, picture)
            if method == EDITED:
                figures["seconds"] = result.seconds
            rows.append(
                Row(section=self.name, method=method, kind=sample[records.KIND], key=key, figures=figures)
            )
        return rows
