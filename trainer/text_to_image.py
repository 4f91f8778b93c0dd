"""The base model: latent diffusion from a caption.

Reference: Robin Rombach et al., "High-Resolution Image Synthesis with Latent Diffusion Models" (2022, arXiv
2112.10752); conditioning dropout after Jonathan Ho, Tim Salimans, "Classifier-Free Diffusion Guidance"
(2022, arXiv 2207.12598).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import AutoencoderKL, StableDiffusionPipeline, UNet2DConditionModel
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn

from editors.checkpoints import read_guidance
from editors.guidance import cfg
from editors.models import DiffusionModel, load_text_encoder
from trainer import draws
from trainer.config import TextToImageConfig
from trainer.data import encode_pictures, encode_texts, encoder_hash, read_examples, state_hash
from trainer.diffusion_tasks import denoise_grid, diffusion_loss, sampling_scheduler, training_scheduler
from trainer.errors import InvalidConfig
from trainer.export import write_pipeline
from trainer.grids import sheet

GRID_ROWS, GRID_COLUMNS = 4, 8
GUIDANCE_SCALE = 4.0
"""What a new model recommends, whose family recommends nothing: small ones take less than 7.5 well."""


def make_task(config: TextToImageConfig) -> TextToImageTask:
    """Read the data, encode it once, and build the model.

    Raises:
        InvalidConfig: The autoencoder's folder holds none.
    """
    return TextToImageTask(config)


class TextToImageTask:
    """See `trainer.loop.Task`."""

    def __init__(self, config: TextToImageConfig) -> None:
        self.config = config
        examples = read_examples(config.data, pictures=("image",), texts=("caption",))
        vae = load_autoencoder(config.autoencoder)
        tokenizer, text_encoder = load_text_encoder(config.text_encoder)
        cache = config.out / "cache"
        self.mean, self.std = encode_pictures(vae, examples, "image", cache)
        torch.manual_seed(config.seed)
        self.model: Any = build(config, vae, text_encoder.config.hidden_size, sample_size=self.mean.shape[-1])
        scheduler = sampling_scheduler(config.prediction_type)
        self.whole = DiffusionModel(
            tokenizer=tokenizer,
            text_encoder=text_encoder,
            vae=vae,
            unet=self.model,
            scheduler=scheduler,
            name="in training",
            guidance=read_guidance(config.autoencoder) or {"base": {"guidance_scale": GUIDANCE_SCALE}},
        )
        text_hash = state_hash(text_encoder)
        self.texts = encode_texts(self.whole.encode_prompt, examples.texts["caption"], cache, model=text_hash)
        self.captions = examples.texts["caption"]
        self.num_samples = len(examples)
        self.fingerprint = {
            "data": examples.data_hash,
            "encoder": encoder_hash(vae),
            "text_encoder": text_hash,
        }
        self.scheduler = training_scheduler(config.prediction_type)
        self.device = torch.device("cpu")

    def to(self, device: torch.device) -> None:
        """Move the frozen models."""
        self.device = device
        self.whole.vae.to(device)
        self.whole.text_encoder.to(device)

    def loss(self, model: nn.Module, indices: NDArray[np.int64], positions: range) -> Tensor:
        """Predict from noised latents and their caption, which some samples lose."""
        rows = draws.generators(self.config.seed, positions)
        shape = self.mean.shape[1:]
        keep = draws.uniform(rows) >= self.config.conditioning_dropout_prob
        timesteps = draws.timesteps(rows, self.scheduler.config.num_train_timesteps)
        noise, posterior = draws.normal(rows, shape), draws.normal(rows, shape)
        clean = torch.from_numpy(self.mean[indices]) + torch.from_numpy(self.std[indices]) * posterior
        clean = clean * self.whole.vae.config.scaling_factor
        text = torch.where(keep[:, None, None], self.texts.of(indices), self.texts.empty)
        clean, noise, timesteps, text = (x.to(self.device) for x in (clean, noise, timesteps, text))
        noised = self.scheduler.add_noise(clean, noise, timesteps)
        predicted = model(noised, timesteps, text).sample
        return diffusion_loss(self.scheduler, predicted, clean, noise, timesteps)

    def sample_grid(self) -> Image.Image:
        """Draw the pictures of the first captions."""
        captions = list(dict.fromkeys(self.captions))[: GRID_ROWS * GRID_COLUMNS]
        text = self.whole.encode_prompt(captions)
        empty = self.whole.encode_prompt([""]).expand_as(text)
        guidance_scale = self.whole.recommended.get("guidance_scale", GUIDANCE_SCALE)

        def predict(x: Tensor, t: Tensor, _: int) -> Tensor:
            uncond, cond = self.model(torch.cat([x, x]), t, torch.cat([empty, text])).sample.chunk(2)
            return cfg(uncond, cond, guidance_scale)

        pictures = denoise_grid(self.whole, predict, len(captions), self.mean.shape[1:])
        return sheet(list(pictures.split(GRID_COLUMNS)))

    def export(self, folder: Path, card: dict[str, Any]) -> None:
        """Write a folder that diffusers' Stable Diffusion pipeline loads."""
        write_pipeline(folder, self.whole, StableDiffusionPipeline, card)


def build(config: TextToImageConfig, vae: Any, text_width: int, *, sample_size: int) -> Any:
    """Return a new UNet with attention at every resolution: the latents are small."""
    levels = len(config.block_out_channels)
    channels = vae.config.latent_channels
    return UNet2DConditionModel(
        sample_size=sample_size,
        in_channels=channels,
        out_channels=channels,
        down_block_types=("CrossAttnDownBlock2D",) * levels,
        up_block_types=("CrossAttnUpBlock2D",) * levels,
        block_out_channels=config.block_out_channels,
        layers_per_block=config.layers_per_block,
        attention_head_dim=config.attention_head_dim,
        cross_attention_dim=text_width,
    )


def load_autoencoder(folder: Path) -> Any:
    """Return a trained autoencoder from its folder, or from the folder of its run, in float32.

    Raises:
        InvalidConfig: There is none.
    """
    for place in (folder, folder / "model", folder / "vae"):
        if (place / "config.json").exists() and any(place.glob("*.safetensors")):
            return (
                AutoencoderKL.from_pretrained(
                    place,
                    use_safetensors=True,
                    local_files_only=True,
                    variant="fp16" if any(place.glob("*.fp16.*")) else None,
                    torch_dtype=torch.float32,
                )
                .eval()
                .requires_grad_(False)
            )
    raise InvalidConfig(
        f"autoencoder: {folder} holds no trained autoencoder; name the folder of a finished run."
    )
