"""The edit model: the base, widened, trained to turn a picture into its edited version by an instruction.

Reference: Tim Brooks, Aleksander Holynski, Alexei A. Efros, "InstructPix2Pix: Learning to Follow Image
Editing Instructions" (2023, arXiv 2211.09800), §3.2.

Law: channels C:2C of the UNet's input are the posterior's mode of the original picture, unscaled; the
target is a sample of the edited picture's posterior, scaled.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import StableDiffusionInstructPix2PixPipeline
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn

from editors import models
from editors.errors import EditorError
from editors.guidance import dual
from trainer import draws
from trainer.conditioning import conditioning_dropout
from trainer.config import InstructPix2PixConfig
from trainer.data import encode_pictures, encode_texts, encoder_hash, read_examples, state_hash, to_pixels
from trainer.diffusion_tasks import denoise_grid, diffusion_loss, training_scheduler
from trainer.errors import InvalidConfig
from trainer.export import write_pipeline
from trainer.grids import sheet
from trainer.widen import widen

GRID = 12
PICTURES = ("original_image", "edited_image")


def make_task(config: InstructPix2PixConfig) -> InstructPix2PixTask:
    """Load the base, widen it, and read and encode the pairs once.

    Raises:
        InvalidConfig: `base` is no model.
    """
    return InstructPix2PixTask(config)


class InstructPix2PixTask:
    """See `trainer.loop.Task`."""

    def __init__(self, config: InstructPix2PixConfig) -> None:
        self.config = config
        base = _load(config.base)
        self.fingerprint = {
            "base": state_hash(base.unet),
            "encoder": encoder_hash(base.vae),
            "text_encoder": state_hash(base.text_encoder),
        }
        examples = read_examples(config.data, pictures=PICTURES, texts=("edit_prompt",))
        self.fingerprint["data"] = examples.data_hash
        cache = config.out / "cache"
        # The mode of the posterior is its mean: one encoding serves the condition and the target.
        self.condition, _ = encode_pictures(base.vae, examples, "original_image", cache)
        self.mean, self.std = encode_pictures(base.vae, examples, "edited_image", cache)
        self.texts = encode_texts(
            base.encode_prompt, examples.texts["edit_prompt"], cache, model=self.fingerprint["text_encoder"]
        )
        self.model: Any = (base.unet if base.kind == "edit" else widen(base.unet)).requires_grad_(True)
        self.whole = models.DiffusionModel(
            tokenizer=base.tokenizer,
            text_encoder=base.text_encoder,
            vae=base.vae,
            unet=self.model,
            scheduler=base.scheduler,
            name="in training",
        )
        self.prompts = examples.texts["edit_prompt"]
        self.pictures = {name: examples.pictures[name][:GRID] for name in PICTURES}
        self.num_samples = len(examples)
        self.scheduler = training_scheduler(base.scheduler.config.prediction_type)
        self.device = torch.device("cpu")

    def to(self, device: torch.device) -> None:
        """Move the frozen models."""
        self.device = device
        self.whole.vae.to(device)
        self.whole.text_encoder.to(device)

    def loss(self, model: nn.Module, indices: NDArray[np.int64], positions: range) -> Tensor:
        """Predict from (noised edited latents, original's latents, instruction), some conditions dropped."""
        rows = draws.generators(self.config.seed, positions)
        kept = conditioning_dropout(draws.uniform(rows), self.config.conditioning_dropout_prob)
        timesteps = draws.timesteps(rows, self.scheduler.config.num_train_timesteps)
        shape = self.mean.shape[1:]
        noise, posterior = draws.normal(rows, shape), draws.normal(rows, shape)
        clean = torch.from_numpy(self.mean[indices]) + torch.from_numpy(self.std[indices]) * posterior
        clean = clean * self.whole.vae.config.scaling_factor
        condition = torch.from_numpy(self.condition[indices]) * kept.picture[:, None, None, None]
        text = torch.where(kept.text[:, None, None], self.texts.of(indices), self.texts.empty)
        clean, noise, timesteps, condition, text = (
            x.to(self.device) for x in (clean, noise, timesteps, condition, text)
        )
        noised = self.scheduler.add_noise(clean, noise, timesteps)
        predicted = model(torch.cat([noised, condition], dim=1), timesteps, text).sample
        return diffusion_loss(self.scheduler, predicted, clean, noise, timesteps)

    def sample_grid(self) -> Image.Image:
        """Draw rows of originals, the model's edits, and the exact targets."""
        originals, targets = (to_pixels(self.pictures[name]).to(self.device) for name in PICTURES)
        condition = self.whole.encode_image(originals).mode()
        text = self.whole.encode_prompt(list(self.prompts[:GRID]))
        empty = self.whole.encode_prompt([""]).expand_as(text)
        conditions = torch.cat([torch.zeros_like(condition), condition, condition])
        texts = torch.cat([empty, empty, text])

        def predict(x: Tensor, t: Tensor, _: int) -> Tensor:
            outputs = self.model(torch.cat([torch.cat([x, x, x]), conditions], dim=1), t, texts).sample
            uncond, image, full = outputs.chunk(3)
            return dual(uncond, image, full, 1.5, 5.0)

        edited = denoise_grid(self.whole, predict, len(originals), self.mean.shape[1:])
        return sheet([originals / 2 + 0.5, edited, targets / 2 + 0.5])

    def export(self, folder: Path, card: dict[str, Any]) -> None:
        """Write a folder that diffusers' InstructPix2Pix pipeline loads."""
        write_pipeline(folder, self.whole, StableDiffusionInstructPix2PixPipeline, card)


def _load(base: str) -> models.DiffusionModel:
    """Return the model to start from, in float32: a base to widen, or an edit model to continue."""
    folder = str(Path(base) / "model") if (Path(base) / "model" / "model_index.json").exists() else base
    try:
        model = models.load(folder, kind="base", device="cpu", dtype=torch.float32)
    except EditorError as error:
        raise InvalidConfig(f"base: {error}") from error
    for part in (model.vae, model.text_encoder):
        part.requires_grad_(False)
    return model
