"""The autoencoder of the latent diffusion models, trained on the pictures of a dataset.

Reference: Robin Rombach et al., "High-Resolution Image Synthesis with Latent Diffusion Models" (2022, arXiv
2112.10752), §3.1: a KL-regularised autoencoder. No perceptual network can be assumed here, so sharpness is
asked for by the L1 distance of neighbouring pixels' differences.

Law: the exported model's latents have unit variance and a scaling factor of 1, so that the edit model's
picture condition, which is used unscaled, and the noised latents live on one scale.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn

from trainer import draws, principal
from trainer.config import AutoencoderConfig
from trainer.data import Examples, read_examples, to_pixels
from trainer.errors import InvalidConfig, UnusableData
from trainer.grids import sheet

FITTED = 2048
"""Pictures that the principal components, or the scale of learned latents, are measured on."""


def make_task(config: AutoencoderConfig) -> AutoencoderTask:
    """Read the data and build the model."""
    columns = ("image",)
    return AutoencoderTask(config, read_examples(config.data, pictures=columns, texts=()))


class AutoencoderTask:
    """See `trainer.loop.Task`."""

    def __init__(self, config: AutoencoderConfig, examples: Examples) -> None:
        self.config, self.examples = config, examples
        self.num_samples = len(examples)
        self.fingerprint = {"data": examples.data_hash}
        side = examples.pictures["image"].shape[1]
        factor = 2 ** (len(config.block_out_channels) - 1)
        if side % factor:
            raise UnusableData(
                f"data: pictures of {side} px cannot be halved {len(config.block_out_channels) - 1} times."
            )
        torch.manual_seed(config.seed)
        vae = build(config, side)
        if config.encoder == "principal":
            try:
                principal.fit(vae, to_pixels(examples.pictures["image"][:FITTED]))
            except ValueError as error:
                raise InvalidConfig(str(error)) from error
        self.model: Any = Reconstruction(vae, learned=config.encoder == "learned")
        self.device = torch.device("cpu")

    def to(self, device: torch.device) -> None:
        """Remember where the pictures go."""
        self.device = device

    def loss(self, model: nn.Module, indices: NDArray[np.int64], positions: range) -> Tensor:
        """Reconstruct pictures from a sample of their posterior."""
        pixels = to_pixels(self.examples.pictures["image"][indices]).to(self.device)
        rows = draws.generators(self.config.seed, positions)
        side = pixels.shape[-1] // self.model.factor
        noise = draws.normal(rows, (self.config.latent_channels, side, side)).to(self.device)
        decoded, kl = model(pixels, noise)
        loss = reconstruction_loss(decoded, pixels, self.config.edge_weight)
        return loss + self.config.kl_weight * kl if self.config.encoder == "learned" else loss

    def sample_grid(self) -> Image.Image:
        """Draw pictures above their reconstructions."""
        pixels = to_pixels(self.examples.pictures["image"][:16]).to(self.device)
        vae = self.model.vae
        decoded = vae.decode(vae.encode(pixels).latent_dist.mode()).sample
        return sheet([pixels / 2 + 0.5, decoded / 2 + 0.5])

    def export(self, folder: Path, card: dict[str, Any]) -> None:
        """Write the autoencoder's folder, its latents scaled to unit variance."""
        vae = self.model.vae
        if self.config.encoder == "principal":  # fitted to unit variance
            vae.save_pretrained(folder)
        else:
            pictures = self.examples.pictures["image"][:FITTED]
            batches = (to_pixels(pictures[i : i + 32]).to(self.device) for i in range(0, len(pictures), 32))
            with unit_variance(vae, torch.cat([vae.encode(batch).latent_dist.mode() for batch in batches])):
                vae.save_pretrained(folder)
        (folder / "training.json").write_text(json.dumps(card, indent=1))


class Reconstruction(nn.Module):
    """Encode, sample the posterior with given noise, decode: one module, so that it can be wrapped as one."""

    def __init__(self, vae: Any, *, learned: bool) -> None:
        super().__init__()
        self.vae = vae
        for part in (vae.encoder, vae.quant_conv):
            part.requires_grad_(learned)
        self.factor = 2 ** (len(vae.config.block_out_channels) - 1)

    def forward(self, pixels: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        """Return the decoded pictures, (B, 3, H, W), and the mean divergence per latent value."""
        posterior = self.vae.encode(pixels).latent_dist
        decoded = self.vae.decode(posterior.mean + posterior.std * noise).sample
        return decoded, posterior.kl().mean() / noise[0].numel()


def build(config: AutoencoderConfig, sample_size: int) -> Any:
    """Return a new AutoencoderKL, without attention, whose cost would outgrow the picture."""
    levels = len(config.block_out_channels)
    return AutoencoderKL(
        sample_size=sample_size,
        down_block_types=("DownEncoderBlock2D",) * levels,
        up_block_types=("UpDecoderBlock2D",) * levels,
        block_out_channels=config.block_out_channels,
        layers_per_block=config.layers_per_block,
        latent_channels=config.latent_channels,
        norm_num_groups=config.norm_num_groups,
        mid_block_add_attention=False,
        scaling_factor=1.0,
    )


def reconstruction_loss(decoded: Tensor, pixels: Tensor, edge_weight: float) -> Tensor:
    """Return L1 + 2·MSE of pixels, and `edge_weight` times the L1 of their differences on both axes."""
    error = decoded - pixels
    edges = error.diff(dim=-1).abs().mean() + error.diff(dim=-2).abs().mean()
    return error.abs().mean() + 2 * F.mse_loss(decoded, pixels) + edge_weight * edges


class unit_variance:
    """Rescale an autoencoder's latents to unit variance, exactly, while the context is open.

    The last layer before the latents and the first one after them are 1×1 convolutions, so a division in
    one and a multiplication in the other change no decoded picture: z' = z/s, log σ'² = log σ² − 2·log s.
    """

    def __init__(self, vae: Any, modes: Tensor) -> None:
        self.vae, self.scale = vae, modes.std()

    def __enter__(self) -> None:
        self._rescale(self.scale)

    def __exit__(self, *_: object) -> None:
        self._rescale(1 / self.scale)

    @torch.no_grad()
    def _rescale(self, s: Tensor) -> None:
        before, after = self.vae.quant_conv, self.vae.post_quant_conv
        half = before.out_channels // 2
        before.weight[:half] /= s
        before.bias[:half] /= s
        before.bias[half:] -= 2 * s.log()
        after.weight *= s
