"""Measure the parts below an editor: what the autoencoder keeps, and what the base model draws.

Law: nothing here changes a model; equal models, data and settings give equal figures and pictures.
"""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Generator, Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray

from dataset_builder import records
from dataset_builder.build_scenes import SceneJob, build_scenes, check_whole
from dataset_builder.errors import UnreadableDataset
from dataset_builder.figures import Interval, interval, psnr
from dataset_builder.report import GridRow, draw_grid
from dataset_builder.shards import DatasetInfo, ShardReport, png_bytes, read_dataset
from dataset_builder.storage import write_atomically, write_json
from editors import diffusion, guidance, models
from editors.models import DiffusionModel

_BATCH: Final = 16
MAX_SCENES: Final = 100_000


@dataclass(frozen=True, kw_only=True, slots=True)
class PartsJob:
    """A base model to measure on held-out scenes.

    Attributes:
        out: Folder for scenes, figures and grid; made if missing.
        model: Name or path of the model.
        data: Folder of scenes; None draws held-out ones into `out/scenes`.
        num: Number of scenes.
        world: World of the scenes to draw, where `data` is None.
        size: Their side in pixels.
        seed: Their seed, and that of the noise: picture n starts from seed + n.
        guidance_scale: How strongly the base model follows the captions.
        num_inference_steps: Its denoising steps.
        device: Where to compute; None takes the best there is.
    """

    out: Path
    model: str = "pocket"
    data: Path | None = None
    num: int = 64
    world: str = "small"
    size: int = 64
    seed: int = 0
    guidance_scale: float = 4.0
    num_inference_steps: int = 30
    device: str | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "out", Path(self.out))
        if self.data is not None:
            object.__setattr__(self, "data", Path(self.data))
        check_whole("num", self.num, 1, MAX_SCENES)
        check_whole("num_inference_steps", self.num_inference_steps, 1, 1000)
        if self.data is None:
            self.scene_job()

    def scene_job(self) -> SceneJob:
        """Return the job that draws the held-out scenes."""
        out = self.out / "scenes"
        return SceneJob(
            out=out, world=self.world, num=self.num, size=self.size, seed=self.seed, split="held_out"
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class PictureScore:
    """PSNR of one held-out picture after a round trip through the autoencoder, in dB."""

    key: str
    psnr: float


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
    info = yield from _held_out_scenes(job)
    model = model or models.load(job.model, kind="base", device=job.device)
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


def draw_captions(job: PartsJob, model: DiffusionModel | None = None) -> Iterator[ShardReport | DrawnCaption]:
    """Let the base model draw the first held-out captions; writes `captions.png`, beside the true scenes.

    Args:
        job: What to draw.
        model: The model, where one is at hand; else `job.model` is loaded.

    Yields:
        The shards of the scenes, where they are drawn here; then each drawn caption.
    """
    info = yield from _held_out_scenes(job)
    model = model or models.load(job.model, kind="base", device=job.device)
    rows = []
    number = job.seed
    for batch in _batches(itertools.islice(info.samples((records.IMAGE, records.CAPTION)), job.num)):
        captions = [sample[records.CAPTION] for sample in batch]
        pictures = _draw(job, model, captions, number)
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
    job.out.mkdir(parents=True, exist_ok=True)
    return info


@torch.no_grad()
def _draw(job: PartsJob, model: DiffusionModel, captions: list[str], seed: int) -> NDArray[np.uint8]:
    """Draw captions with the base model, (B, H, W, 3) uint8; picture n starts from seed + n."""
    side = job.size // model.vae_scale_factor
    seeds = [(seed + number) % 2**32 for number in range(len(captions))]
    latents, generators = diffusion.noise(seeds, (model.latent_channels, side, side), model.device)
    words = model.encode_prompt(["", *captions])  # (1 + B, T, C)
    states = torch.cat([words[:1].expand(len(captions), -1, -1), words[1:]])  # (2B, T, C)

    def predict(noisy: torch.Tensor, timestep: torch.Tensor, _index: int) -> torch.Tensor:
        rows = torch.cat([noisy, noisy]).to(model.dtype)
        output = model.unet(rows, timestep, encoder_hidden_states=states).sample.float()
        uncond, cond = output.chunk(2)
        return guidance.cfg(uncond, cond, job.guidance_scale)

    steps = diffusion.denoise(
        predict,
        scheduler=model.new_scheduler(),
        latents=latents,
        num_inference_steps=job.num_inference_steps,
        generators=generators,
    )
    for step in steps:
        latents = step.latents
    return _levels(model.decode(latents))


def round_trip(model: DiffusionModel, pictures: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Send pictures through an autoencoder and back: what it cannot keep, no editor on it can draw.

    Args:
        model: The model whose autoencoder it is.
        pictures: (B, H, W, 3) uint8.

    Returns:
        (B, H, W, 3) uint8.
    """
    pixels = torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 127.5 - 1  # (B, 3, H, W) in [-1, 1]
    return _levels(model.decode_unscaled(model.encode_image(pixels).mode()))


def _levels(pixels: torch.Tensor) -> NDArray[np.uint8]:
    """Turn (B, 3, H, W) in [0, 1] into (B, H, W, 3) uint8."""
    levels: NDArray[np.uint8] = (
        (pixels.clamp(0, 1) * 255).round().to(torch.uint8).permute(0, 2, 3, 1).cpu().numpy()
    )
    return levels


def model_hash(model: DiffusionModel) -> str:
    """Return one hash over a model's weights and its scheduler's configuration."""
    digest = hashlib.sha256(json.dumps(dict(model.scheduler.config), sort_keys=True, default=str).encode())
    for part in (model.text_encoder, model.vae, model.unet):
        for name, tensor in sorted(part.state_dict().items()):
            digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
            digest.update(tensor.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy())
    return digest.hexdigest()


def _batches(samples: Iterable[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    """Yield samples sixteen at a time."""
    waiting = iter(samples)
    while batch := list(itertools.islice(waiting, _BATCH)):
        yield batch
