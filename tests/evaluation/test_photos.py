"""Photographs are measured against exact results, go on where they stopped, and know their baselines."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from dataset_builder import records
from dataset_builder.errors import ConfigChanged, InvalidJob, UnreadableDataset
from dataset_builder.scenes.paint import styles
from dataset_builder.shards.dataset import read_dataset
from editors import EditResult, InstructionEdit, InstructPix2PixEditor
from editors.model.loading.load import from_pipeline
from evaluation.benchmark import Measured, Row
from evaluation.figures import MAX_PSNR
from evaluation.jobs import PhotosJob
from evaluation.photo_pairs import TARGETS
from evaluation.photos import EDITED, UNDONE, evaluate_photos
from evaluation.summary import BenchmarkReport
from tests import tiny

STYLES = [target for kind, target in TARGETS if kind == "style"]


class Painter(InstructPix2PixEditor):
    """Knows every answer but the last: gives back the exact target, read from the data; counts its edits."""

    def __init__(self, folder: Path, *, stop_after: int = 1000) -> None:
        super().__init__(from_pipeline(tiny.pipeline(kind="edit")))
        self.folder, self.edits, self.stop_after = folder, 0, stop_after

    def edit(self, edit: InstructionEdit) -> EditResult:
        if self.edits == self.stop_after:
            raise KeyboardInterrupt
        self.edits += 1
        samples = list(read_dataset(self.folder / "photographs").samples())
        sample = samples[edit.seed or 0]
        column = records.ORIGINAL_IMAGE if sample is samples[-1] else records.EDITED_IMAGE
        picture = Image.fromarray(sample[column])
        return EditResult(
            edited_image=picture, original_image=picture, edit=edit, seed=0, num_unet_rows=0, seconds=0.0
        )


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    for number, size in enumerate(((90, 70), (64, 100))):
        place = folder / "album" / f"{number}.jpg"
        place.parent.mkdir(parents=True, exist_ok=True)
        tiny.photo(size, seed=number).save(place)
    (folder / "notes.txt").write_text("no picture")
    return folder


def run(job: PhotosJob, editor: InstructPix2PixEditor) -> tuple[list[Row], BenchmarkReport]:
    """All rows of a measurement, and its report."""
    *steps, report = evaluate_photos(job, editor)
    assert isinstance(report, BenchmarkReport)
    return [row for step in steps if isinstance(step, Measured) for row in step.rows], report


def test_a_folder_of_photographs_is_asked_for_every_style_and_its_targets_are_exact(
    tmp_path: Path, photos: Path
) -> None:
    job = PhotosJob(out=tmp_path / "out", photos=photos, num=10, size=64)
    rows, report = run(job, Painter(job.out))
    edited = [row for row in rows if row.method == EDITED]
    assert [row.kind for row in edited] == STYLES * 2
    for sample in read_dataset(job.out / "photographs").samples():
        photo, target = sample[records.ORIGINAL_IMAGE], sample[records.EDITED_IMAGE]
        assert max(photo.shape) == 64 and target.shape == photo.shape
        seed = job.pairs().seed_of(int(sample["__key__"]))
        assert (target == styles.apply(sample[records.KIND], photo, seed=seed)).all()
    assert all(row.figures["psnr"] == MAX_PSNR for row in edited[:-1])
    assert all(row.figures["ssim"] == pytest.approx(1) for row in edited[:-1])
    nearer = report.mean(EDITED, "nearer")
    assert nearer is not None and nearer.mean == pytest.approx(0.9)  # all but the one left as it was
    last = next(row for row in rows if row.method == UNDONE and row.key == edited[-1].key)
    assert all(edited[-1].figures[name] == last.figures[name] for name in ("psnr", "ssim"))
    everything, oil = report.line(EDITED), report.line(EDITED, "oil")
    assert everything is not None and everything.num == 10 and oil is not None and oil.num == 2
    page = (job.out / "report.md").read_text()
    assert "| all | 10 | 90 % [" in page and (job.out / "grid.png").is_file()


def test_what_was_measured_is_not_measured_again(tmp_path: Path, photos: Path) -> None:
    job = PhotosJob(out=tmp_path / "out", photos=photos, num=6, size=64)
    with pytest.raises(KeyboardInterrupt):
        run(job, Painter(job.out, stop_after=4))
    again = Painter(job.out)
    _, report = run(job, again)
    assert again.edits == 2
    whole = PhotosJob(out=tmp_path / "whole", photos=photos, num=6, size=64)
    assert run(whole, Painter(whole.out))[1].lines == report.lines


def test_photographs_that_changed_are_not_taken_for_those_that_were_measured(
    tmp_path: Path, photos: Path
) -> None:
    job = PhotosJob(out=tmp_path / "out", photos=photos, num=2, size=64)
    list(job.pairs().build())
    place = photos / "album" / "0.jpg"
    content = bytearray(place.read_bytes())
    content[-10] ^= 1  # as long as before
    place.write_bytes(content)
    with pytest.raises(ConfigChanged, match="photos"):
        list(job.pairs().build())


def test_panoramas_are_asked_for_hours_and_weathers_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[Any] = []

    def render(edit: Any, size: int) -> Any:
        """Stand in for the artwork, which tests do not fetch: what it is asked for is what counts."""
        drawn.append(edit)
        picture = np.full((size, size, 3), 40 + 5 * len(drawn), np.uint8)
        return type("Drawn", (), {"original_image": picture, "edited_image": 255 - picture})

    monkeypatch.setattr("evaluation.photo_pairs.scenes.render_edit", render, raising=False)
    monkeypatch.setattr("evaluation.photo_pairs.build_shards", _in_this_process)
    monkeypatch.setattr("evaluation.photo_pairs.require_artwork", lambda sets: None)
    job = PhotosJob(out=tmp_path / "out", num=22, size=64)
    list(job.pairs().build())
    facts = [
        edit.edited.style or (edit.edited.weather if edit.kind == "weather" else edit.edited.time_of_day)
        for edit in drawn
    ]
    assert facts == [target for _, target in TARGETS] * 2
    assert all(not edit.original.objects and edit.edit_prompt for edit in drawn)
    assert len({edit.original.seed for edit in drawn}) == 22


def _in_this_process(folder: Path, **told: Any) -> Any:
    for number in range(told["num"]):
        told["draw"](number)
    yield from ()


def test_what_cannot_be_measured_on_is_said(tmp_path: Path) -> None:
    empty, broken = tmp_path / "empty", tmp_path / "broken"
    for folder in (empty, broken):
        folder.mkdir()
    (broken / "cut.jpg").write_bytes(b"\xff\xd8\xff")
    for missing in (tmp_path / "nowhere", broken / "cut.jpg"):
        with pytest.raises(UnreadableDataset, match="is no folder"):
            list(PhotosJob(out=tmp_path / "c", photos=missing, num=1).pairs().build())
    with pytest.raises(UnreadableDataset, match="holds no picture"):
        list(PhotosJob(out=tmp_path / "a", photos=empty, num=1).pairs().build())
    with pytest.raises(UnreadableDataset, match=r"cut.jpg cannot be read"):
        list(PhotosJob(out=tmp_path / "b", photos=broken, num=1).pairs().build())
    with pytest.raises(InvalidJob, match="size"):
        PhotosJob(out=tmp_path, size=1024)  # panoramas are drawn up to 512
    assert PhotosJob(out=tmp_path, photos=empty, size=1024).size == 1024
