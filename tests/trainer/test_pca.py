"""Law: the fitted encoder is linear, centred, of unit variance, and keeps what principal components keep."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from trainer.config import AutoencoderConfig
from trainer.tasks import pca
from trainer.tasks.autoencoder import build


def smooth_pictures(count: int, side: int, seed: int = 0) -> Tensor:
    """Pictures whose neighbouring pixels are alike, in [-1, 1]."""
    noise = torch.randn(count, 3, side, side, generator=torch.Generator().manual_seed(seed))
    smooth = torch.nn.functional.avg_pool2d(noise, 5, stride=1, padding=2)
    return (smooth / smooth.std() / 3).clamp(-1, 1)


def fitted(widths: tuple[int, ...], latents: int, pixels: Tensor) -> Any:
    config = AutoencoderConfig(
        data=Path("x"), out=Path("x"), block_out_channels=widths, latent_channels=latents
    )
    torch.manual_seed(0)
    vae = build(config, pixels.shape[-1])
    pca.fit(vae, pixels)
    return vae


@torch.no_grad()
def encode(vae: Any, pixels: Tensor) -> Tensor:
    mode: Tensor = vae.encode(pixels).latent_dist.mode()
    return mode


def test_latents_are_centred_linear_and_of_unit_variance() -> None:
    pixels = smooth_pictures(64, 16)
    vae = fitted((16, 32, 40), 8, pixels)
    latents = encode(vae, pixels)
    assert latents.mean((0, 2, 3)).abs().max().item() < 1e-2
    assert latents.square().mean().item() == pytest.approx(1, abs=0.02)
    one, other = pixels[:8], pixels[8:16]
    mixed = encode(vae, 0.3 * one + 0.7 * other)
    assert torch.allclose(mixed, 0.3 * latents[:8] + 0.7 * latents[8:16], atol=0.02)


def test_a_patch_has_its_latents_wherever_it_lies() -> None:
    pixels = smooth_pictures(64, 16)
    latents = encode(fitted((16, 32, 40), 8, pixels), torch.roll(pixels[:4], (4, 8), (2, 3)))
    expected = torch.roll(encode(fitted((16, 32, 40), 8, pixels), pixels[:4]), (1, 2), (2, 3))
    assert torch.allclose(latents, expected, atol=0.02)


def test_as_much_is_kept_as_by_principal_components() -> None:
    pixels = smooth_pictures(64, 16)
    vae = fitted((16, 24), 5, pixels)
    latents = encode(vae, pixels).movedim(1, -1).reshape(-1, 5).double().numpy()
    patches = torch.nn.functional.pixel_unshuffle(pixels, 2).movedim(1, -1).reshape(-1, 12).double().numpy()
    centred = patches - patches.mean(0)
    weights, *_ = np.linalg.lstsq(latents, centred, rcond=None)
    lost = np.square(centred - latents @ weights).sum()
    values = np.linalg.svd(centred, compute_uv=False) ** 2
    assert lost == pytest.approx(values[5:].sum(), rel=1e-3)


def test_widths_that_cannot_hold_the_components_are_named() -> None:
    with pytest.raises(ValueError, match="block_out_channels"):
        fitted((16, 24), 12, smooth_pictures(4, 8))
