"""Measure the parts below an editor: what the autoencoder keeps, and what the base model draws.

Law: nothing here changes a model; equal models, data and settings give equal figures and pictures.
"""

from __future__ import annotations

import itertools
from collections.abc import Generator, Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from dataset_builder import records
from dataset_builder.build_scenes import build_scenes
from dataset_builder.errors import UnreadableDataset
from dataset_builder.shards.dataset import DatasetInfo, read_dataset
from dataset_builder.shards.shards import ShardReport, png_bytes
from dataset_builder.shards.storage import make_folder, write_atomically, write_json
from editors.model.diffusion_model import DiffusionModel
from editors.model.loading.load import load
from editors.requests.rules import NUM_SEEDS
from evaluation.figures import Interval, interval, psnr
from evaluation.jobs import PartsJob
from evaluation.report import GridRow, draw_grid
from evaluation.sampling import Sampling, draw, round_trip
from evaluation.sizes import named, sized

_BATCH: Final = 16


@dataclass(frozen=True, kw_only=True, slots=True)
class PictureScore:
    """PSNR of one held-out picture after a round trip through the autoencoder, in dB."""

    key: str
    psnr: float

    @property
    def note(self) -> str:
        """The figure."""
        return f"{self.psnr:.1f} dB"


@dataclass(frozen=True, kw_only=True, slots=True)
class AutoencoderReport:
    """What the autoencoder keeps: the mean PSNR, and on what it was measured."""

    model: str
    data_hash: str
    psnr: Interval


@dataclass(frozen=True, kw_only=True, slots=True)
class DrawnCaption:
    """A held-out caption and what the base model drew for it, (H, W, 3) uint8."""

    key: str
    caption: str
    picture: NDArray[np.uint8]


AutoencoderStep: TypeAlias = ShardReport | PictureScore | AutoencoderReport


def evaluate_autoencoder(job: PartsJob, model: DiffusionModel | None = None) -> Iterator[AutoencoderStep]:
    """Send held-out scenes through the autoencoder; writes `autoencoder.json` and `autoencoder.png`.

    Args:
        job: What to measure.
        model: The model, where one is at hand; else `job.model` is loaded.

    Yields:
        The shards of the scenes, where they are drawn here; a score a picture; and last the report.
    """
    model = model or load(job.model, kind="base", device=job.device)
    job = sized(job, model)
    info = yield from _held_out_scenes(job)
    scores: list[float] = []
    rows: list[GridRow] = []
    for batch in _batches(itertools.islice(info.samples((records.IMAGE, records.CAPTION)), job.num)):
        pictures = np.stack([sample[records.IMAGE] for sample in batch])  # (B, H, W, 3)
        for sample, picture, back in zip(batch, pictures, round_trip(model, pictures), strict=True):
            score = psnr(back, picture)
            scores.append(score)
            if len(rows) < _BATCH:
                rows.append(GridRow(label=sample[records.CAPTION], pictures=(picture, back)))
            yield PictureScore(key=sample["__key__"], psnr=score)
    report = AutoencoderReport(model=job.model, data_hash=info.data_hash, psnr=interval(scores))
    write_atomically(job.out / "autoencoder.png", png_bytes(draw_grid(("scene", "through"), rows)))
    write_json(job.out / "autoencoder.json", asdict(report))
    yield report


def words(report: AutoencoderReport) -> str:
    """Return the report as a line."""
    return f"{report.psnr.mean:.2f} dB ({report.psnr.low:.2f} to {report.psnr.high:.2f})"


def draw_captions(job: PartsJob, model: DiffusionModel | None = None) -> Iterator[ShardReport | DrawnCaption]:
    """Let the base model draw the first held-out captions; writes `captions.png`, beside the true scenes.

    Args:
        job: What to draw.
        model: The model, where one is at hand; else `job.model` is loaded.

    Yields:
        The shards of the scenes, where they are drawn here; then each drawn caption.
    """
    model = model or load(job.model, kind="base", device=job.device)
    job = sized(job, model)
    info = yield from _held_out_scenes(job)
    how = Sampling(
        size=named(job.size),
        guidance_scale=job.guidance_scale,
        num_inference_steps=job.num_inference_steps,
    )
    rows = []
    number = job.seed
    for batch in _batches(itertools.islice(info.samples((records.IMAGE, records.CAPTION)), job.num)):
        captions = [sample[records.CAPTION] for sample in batch]
        pictures = draw(model, captions, [(number + place) % NUM_SEEDS for place in range(len(batch))], how)
        number += len(batch)
        for sample, picture in zip(batch, pictures, strict=True):
            rows.append(GridRow(label=sample[records.CAPTION], pictures=(sample[records.IMAGE], picture)))
            yield DrawnCaption(key=sample["__key__"], caption=sample[records.CAPTION], picture=picture)
    write_atomically(job.out / "captions.png", png_bytes(draw_grid(("scene", "drawn"), rows)))


def _held_out_scenes(job: PartsJob) -> Generator[ShardReport, None, DatasetInfo]:
    """Draw the scenes if no folder was named, and return the dataset."""
    if job.data is None:
        yield from build_scenes(job.scene_job())
    info = read_dataset(job.data or job.scene_job().out)
    if info.config.get("kind") != "scenes" or info.num_samples == 0:
        raise UnreadableDataset(f"{info.folder} holds no scenes; draw some with `wordbrush data scenes`.")
    make_folder(job.out)
    return info


def _batches(samples: Iterable[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    """Yield samples sixteen at a time."""
    waiting = iter(samples)
    while batch := list(itertools.islice(waiting, _BATCH)):
        yield batch
