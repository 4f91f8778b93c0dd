"""The edit model: the base, widened, trained to turn a picture into its edited version by an instruction.

Reference: Tim Brooks, Aleksander Holynski, Alexei A. Efros, "InstructPix2Pix: Learning to Follow Image
Editing Instructions" (2023, arXiv 2211.09800), §3.2.

Law: channels C:2C of the UNet's input are the posterior's mode of the original picture, unscaled; the
target is a sample of the edited picture's posterior, scaled; both are seen through one view.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import PartialState
from diffusers import StableDiffusionInstructPix2PixPipeline
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn

from editors import models
from editors.edits import STANDARD_SCALES
from editors.errors import EditorError
from editors.guidance import dual
from trainer import draws
from trainer.conditioning import conditioning_dropout
from trainer.config import InstructPix2PixConfig
from trainer.data import Wordings, encode_texts, encoder_hash, state_hash, to_pixels
from trainer.data_pairs import PairLatents, Pairs, read_pairs
from trainer.diffusion_tasks import denoise_grid, diffusion_loss, training_scheduler
from trainer.errors import InvalidConfig
from trainer.export import write_pipeline
from trainer.grids import sheet
from trainer.lora import add_lora, merged
from trainer.widen import widen

GRID = 12


def make_task(config: InstructPix2PixConfig) -> InstructPix2PixTask:
    """Load the base, widen it, and read and encode the pairs once.

    Raises:
        InvalidConfig: `base` is no model, or cannot be trained at the resolution.
        UnusableData: There are no pairs.
    """
    return InstructPix2PixTask(config)


class InstructPix2PixTask:
    """See `trainer.loop.Task`."""

    def __init__(self, config: InstructPix2PixConfig, pairs: Pairs | None = None) -> None:
        """Make ready.

        Args:
            config: The run's.
            pairs: To train on; those of `config.data` where none are given.
        """
        self.config = config
        base = _load(config.base)
        resolution, step = _resolution(config, base)
        cache = config.out / "cache"
        self.pairs = pairs or read_pairs(config.data, cache)
        self.fingerprint = {
            "base": state_hash(base.unet),
            "encoder": encoder_hash(base.vae),
            "text_encoder": state_hash(base.text_encoder),
            "data": self.pairs.data_hash,
        }
        self.device = PartialState(cpu=config.device == "cpu").device
        base.vae.to(self.device)
        base.text_encoder.to(self.device)
        self.latents = PairLatents(
            base.vae,
            self.pairs,
            seed=config.seed,
            resolution=resolution,
            step=step,
            max_aspect=config.max_aspect,
            crops=config.crops,
            flips=config.flip_prob > 0,
            cache=cache if config.cache_latents else None,
        )
        self.wordings = Wordings([ref.instructions for ref in self.pairs.refs])
        self.texts = encode_texts(
            base.encode_prompt, self.wordings.texts, cache, model=self.fingerprint["text_encoder"]
        )
        self.model: Any = (base.unet if base.kind == "edit" else widen(base.unet)).requires_grad_(True)
        if config.lora_rank is not None:
            torch.manual_seed(config.seed)
            add_lora(self.model, config.lora_rank)
        if config.gradient_checkpointing:
            self.model.enable_gradient_checkpointing()
        self.whole = models.DiffusionModel(
            tokenizer=base.tokenizer,
            text_encoder=base.text_encoder,
            vae=base.vae,
            unet=self.model,
            scheduler=base.scheduler,
            name="in training",
            guidance=base.guidance,
        )
        self.num_samples, self.groups = len(self.pairs), self.latents.sizes
        self.scheduler = training_scheduler(base.scheduler.config.prediction_type)

    def to(self, device: torch.device) -> None:
        """Move the frozen models."""
        self.device = device
        self.whole.vae.to(device)
        self.whole.text_encoder.to(device)

    def loss(self, model: nn.Module, indices: NDArray[np.int64], positions: range) -> Tensor:
        """Predict from (noised edited latents, original's latents, instruction), some conditions dropped.

        Samples of different sizes go through the model one size after another.
        """
        rows = draws.generators(self.config.seed, positions)
        sizes = self.groups[indices]
        total = torch.zeros((), device=self.device)
        for size in np.unique(sizes):
            chosen = np.flatnonzero(sizes == size)
            part = self._loss(model, indices[chosen], [rows[place] for place in chosen])
            total = total + part * (len(chosen) / len(indices))
        return total

    def _loss(self, model: nn.Module, indices: NDArray[np.int64], rows: list[torch.Generator]) -> Tensor:
        """Return the loss of samples of one size."""
        kept = conditioning_dropout(draws.uniform(rows), self.config.conditioning_dropout_prob)
        timesteps = draws.timesteps(rows, self.scheduler.config.num_train_timesteps)
        shape = self.latents.shape(int(self.groups[indices[0]]))
        noise, posterior = draws.normal(rows, shape), draws.normal(rows, shape)
        condition, mean, std = self.views(indices, rows).unbind(1)
        clean = (mean + std * posterior) * self.whole.vae.config.scaling_factor
        condition = condition * kept.picture[:, None, None, None]
        said = self.wordings.choose(indices, draws.uniform(rows).numpy())
        text = torch.where(kept.text[:, None, None], self.texts.of(said), self.texts.empty)
        clean, noise, timesteps, condition, text = (
            x.to(self.device) for x in (clean, noise, timesteps, condition, text)
        )
        noised = self.scheduler.add_noise(clean, noise, timesteps)
        predicted = model(torch.cat([noised, condition], dim=1), timesteps, text).sample
        gamma = self.config.min_snr_gamma
        return diffusion_loss(self.scheduler, predicted, clean, noise, timesteps, min_snr_gamma=gamma)

    def views(self, indices: NDArray[np.int64], rows: list[torch.Generator]) -> Tensor:
        """Return latents of samples of one size, each through the view that its own generator draws."""
        flipped = (draws.uniform(rows).numpy() < self.config.flip_prob) & self.latents.may_flip[indices]
        crops = (draws.uniform(rows).numpy() * self.config.crops).astype(np.int64)
        return self.latents.of(indices, crops, flipped)

    def sample_grid(self) -> Image.Image:
        """Draw rows of originals, the model's edits, and the exact targets."""
        shown = np.flatnonzero(self.groups == self.groups[0])[:GRID]
        pictures = np.stack([self.latents.pixels(int(index)) for index in shown])  # (B, 2, H, W, 3)
        originals, targets = (to_pixels(pictures[:, side]).to(self.device) for side in (0, 1))
        condition = self.whole.encode_image(originals).mode()
        text = self.whole.encode_prompt([self.pairs.refs[index].instructions[0] for index in shown])
        empty = self.whole.encode_prompt([""]).expand_as(text)
        conditions = torch.cat([torch.zeros_like(condition), condition, condition])
        texts = torch.cat([empty, empty, text])
        scales = {**STANDARD_SCALES, **self.whole.recommended}

        def predict(x: Tensor, t: Tensor, _: int) -> Tensor:
            outputs = self.model(torch.cat([torch.cat([x, x, x]), conditions], dim=1), t, texts).sample
            uncond, image, full = outputs.chunk(3)
            return dual(uncond, image, full, scales["image_guidance_scale"], scales["guidance_scale"])

        edited = denoise_grid(self.whole, predict, len(originals), self.latents.shape(int(self.groups[0])))
        return sheet([originals / 2 + 0.5, edited, targets / 2 + 0.5])

    def export(self, folder: Path, card: dict[str, Any]) -> None:
        """Write a folder that diffusers' InstructPix2Pix pipeline loads."""
        card = card | {"data": self.pairs.facts() | {"sizes": [list(size) for size in self.latents.buckets]}}
        whole = self.whole if self.config.lora_rank is None else replace(self.whole, unet=merged(self.model))
        write_pipeline(folder, whole, StableDiffusionInstructPix2PixPipeline, card)


def _resolution(config: InstructPix2PixConfig, base: models.DiffusionModel) -> tuple[int, int]:
    """Return the side of square pictures, and the number that all sides are multiples of."""
    factor = 2 ** (len(base.vae.config.block_out_channels) - 1)
    step = factor * 2 ** (len(base.unet.config.block_out_channels) - 1)
    resolution = config.resolution or int(base.unet.config.sample_size) * factor
    if resolution % step:
        raise InvalidConfig(
            f"resolution: {resolution} is not allowed; give a multiple of {step} for this base."
        )
    return resolution, step


def _load(base: str) -> models.DiffusionModel:
    """Return the model to start from, in float32: a base to widen, or an edit model to continue."""
    folder = str(Path(base) / "model") if (Path(base) / "model" / "model_index.json").exists() else base
    try:
        model = models.load(folder, kind="base", device="cpu", dtype=torch.float32)
    except EditorError as error:
        raise InvalidConfig(f"base: {error}") from error
    if model.is_xl:
        raise InvalidConfig(
            f"base: {base} is in the layout of Stable Diffusion XL, which is edited with but not trained; "
            "give a Stable Diffusion 1.x or 2.x model, or one that `wordbrush train text-to-image` wrote."
        )
    for part in (model.vae, model.text_encoder):
        part.requires_grad_(False)
    return model
