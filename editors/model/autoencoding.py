"""Between pixels and the numbers that a network works on: a model's autoencoder, and the scale of latents.

Reference: Robin Rombach, Andreas Blattmann, Dominik Lorenz, Patrick Esser, Björn Ommer, "High-Resolution
Image Synthesis with Latent Diffusion Models" (2022, arXiv 2112.10752).
"""

from typing import Any

import torch
from PIL import Image
from torch import Tensor

from editors.model.devices import device_of
from editors.pictures.batches import averaged_down
from editors.pictures.images import to_image

_PREVIEW_SIDE = {"cpu": 16, "mps": 32, "cuda": 64}
"""Latents of this side squared decode in a fraction of a step; a preview averages larger ones down."""


class Autoencoding:
    """What a `DiffusionModel` does with its VAE."""

    __slots__ = ()

    vae: Any
    is_cosxl_edit: bool

    @property
    def latent_channels(self) -> int:
        """C, the channels of a latent."""
        return int(self.vae.config.latent_channels)

    @property
    def vae_scale_factor(self) -> int:
        """Pixels of a picture's side per latent."""
        return int(2 ** (len(self.vae.config.block_out_channels) - 1))

    @torch.no_grad()
    def encode_image(self, pixels: Tensor) -> Any:
        """Encode pictures, (B, 3, H, W) in [-1, 1], to the VAE's posterior, whose latents are unscaled."""
        return self.vae.encode(pixels.to(device_of(self.vae), self.vae.dtype)).latent_dist

    def picture_latents(self, pixels: Tensor) -> Tensor:
        """Encode pictures, (B, 3, H, W) in [-1, 1], to their likeliest latents, unscaled, (B, C, h, w)."""
        latents: Tensor = self.encode_image(pixels).mode()
        return latents

    @torch.no_grad()
    def decode(self, latents: Tensor) -> Tensor:
        """Decode the UNet's latents, (B, C, h, w), to pictures, float32 (B, 3, H, W) in [0, 1]."""
        return self.decode_unscaled(self.unscaled(latents))

    def scaled(self, latents: Tensor) -> Tensor:
        """Bring latents as the posterior gives them, (B, C, h, w), to the UNet's unit variance."""
        mean, std = self._latent_statistics(latents)
        return (latents - mean) * self._scaling_factor / std

    def no_picture(self, image_latents: Tensor) -> Tensor | None:
        """Return what the network is told where there is no picture; None: it is told of none."""
        return torch.zeros_like(image_latents)

    def beside(self, image_latents: Tensor) -> Tensor:
        """Return a picture's unscaled latents, (B, C, h, w), as the network of an edit model is told them."""
        return self.scaled(image_latents) if self.is_cosxl_edit else image_latents

    def unscaled(self, latents: Tensor) -> Tensor:
        """Bring the UNet's latents, (B, C, h, w), back to the posterior's scale."""
        mean, std = self._latent_statistics(latents)
        return latents * std / self._scaling_factor + mean

    @property
    def _scaling_factor(self) -> float:
        """Of the VAE; 1 where its statistics say it all."""
        return float(getattr(self.vae.config, "scaling_factor", 1))

    def _latent_statistics(self, latents: Tensor) -> tuple[Tensor | float, Tensor | float]:
        """Return mean and deviation of each channel, (C, 1, 1), where the VAE names them."""
        config = self.vae.config
        mean, std = (getattr(config, name, None) for name in ("latents_mean", "latents_std"))
        if mean is None or std is None:
            return 0, 1
        return latents.new_tensor(mean)[:, None, None], latents.new_tensor(std)[:, None, None]

    @torch.no_grad()
    def decode_unscaled(self, latents: Tensor) -> Tensor:
        """Decode latents as the posterior gives them, (B, C, h, w), to float32 (B, 3, H, W) in [0, 1]."""
        decoded: Tensor = self.vae.decode(latents.to(self.vae.dtype), return_dict=False)[0]
        return (decoded.float() / 2 + 0.5).clamp(0, 1)

    def preview(self, latents: Tensor) -> Image.Image:
        """Draw the first of some latents, (B, C, h, w), small enough to be fast."""
        small = averaged_down(latents[:1], _PREVIEW_SIDE.get(latents.device.type, 16))
        return to_image(self.decode(small)[0].permute(1, 2, 0).nan_to_num(0).cpu().numpy())
