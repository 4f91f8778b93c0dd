"""An encoder that needs no training: the principal components of the pictures' patches.

Reference: Karl Pearson, "On Lines and Planes of Closest Fit to Systems of Points in Space" (1901); Harold
Hotelling, "Analysis of a Complex of Statistical Variables into Principal Components" (1933).

A small autoencoder trained for minutes keeps less of a picture than the best linear one of the same size
does at once. AutoencoderKL can hold that one: with its residual branches silent, each strided convolution
turns 2×2 cells into components of the patch twice as wide. Only the last normalisation and SiLU are in the
way, and two identities lead past them: SiLU(x) − SiLU(−x) = x, and a normalisation over pairs ±x and large
constants ±K divides by (nearly) a constant. The decoder is then trained as usual.

Law: the latents are linear in the pixels of their patch, have mean 0 and together variance 1 on the fitted
pictures.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

CONSTANT = 64.0
"""K, in units of the components' standard deviation: the larger, the more exactly linear."""
LOG_VARIANCE = -4.6
"""Of the posterior, everywhere: its deviation is a tenth of the latents'. The decoder is trained on samples,
so it learns to see through errors of this size, which a small diffusion model makes in every latent."""
WHITENING = 0.5
"""Components are divided by their deviation to this power: 0 leaves a few in charge, 1 makes all equal."""


@torch.no_grad()
def fit(vae: Any, pixels: Tensor) -> None:
    """Write the components into an AutoencoderKL's encoder.

    Args:
        vae: Built without mid-block attention; its widths must hold the components, see `_check`.
        pixels: Pictures to fit, (B, 3, H, W) in [-1, 1].

    Raises:
        ValueError: The widths are too small.
    """
    encoder, latents = vae.encoder, vae.config.latent_channels
    _check(vae)
    for module in encoder.modules():
        if hasattr(module, "conv2") and hasattr(module, "norm2"):  # a ResnetBlock2D: silence its branch
            _zero(module.conv2)
    _place(encoder.conv_in, torch.eye(3), tap=1)
    features, width = pixels, 3
    for block in encoder.down_blocks[:-1]:
        shortcut = block.resnets[0].conv_shortcut
        if shortcut is not None:
            _place(shortcut, torch.eye(width), tap=0)
        downsample = block.downsamplers[0].conv
        cells = F.pixel_unshuffle(
            features, 2
        )  # (B, 4·width, h/2, w/2), the four pixels of a channel together
        components = _components(cells)[: downsample.out_channels]
        _zero(downsample)
        count = len(components)
        downsample.weight[:count, :width, :2, :2] = components.reshape(count, width, 2, 2)
        features, width = torch.einsum("oc,bchw->bohw", components, cells), count
    _finish(vae, features[:, :latents])


def _components(cells: Tensor) -> Tensor:
    """Return the orthonormal principal directions of vectors at all places, largest first, (C, C)."""
    vectors = cells.movedim(1, -1).reshape(-1, cells.shape[1]).double()
    _, directions = torch.linalg.eigh(torch.cov(vectors.T))
    directions = directions.flip(-1).T
    # A direction is known up to its sign; fix it, or another machine would give other latents.
    largest = directions.gather(1, directions.abs().argmax(1, keepdim=True))
    return (directions * largest.sign()).float()


def _finish(vae: Any, features: Tensor) -> None:
    """Carry components through normalisation and SiLU as pairs, centred and scaled, to the latents."""
    encoder, latents = vae.encoder, features.shape[1]
    last, norm, out = (
        encoder.down_blocks[-1].resnets[0].conv_shortcut,
        encoder.conv_norm_out,
        encoder.conv_out,
    )
    mean, deviation = features.mean((0, 2, 3)), features.std((0, 2, 3))
    per_group = norm.num_channels // norm.num_groups
    pairs = per_group // 2 - 1
    _zero(last)
    _zero(out)
    nn.init.ones_(norm.weight)
    nn.init.zeros_(norm.bias)
    # Every group of channels: +K, −K, then +x, −x for some components x in units of their deviation.
    divisor = CONSTANT * (2 / per_group) ** 0.5
    gain = deviation ** (1 - WHITENING)
    gain = gain / gain.square().mean().sqrt()
    for component in range(latents):
        group, place = divmod(component, pairs)
        plus = group * per_group + 2 + 2 * place
        for channel, sign in ((plus, 1.0), (plus + 1, -1.0)):
            last.weight[channel, component, 0, 0] = sign / deviation[component]
            last.bias[channel] = -sign * mean[component] / deviation[component]
            out.weight[component, channel, 1, 1] = sign * divisor * gain[component]
    for group in range(norm.num_groups):
        last.bias[group * per_group] = CONSTANT
        last.bias[group * per_group + 1] = -CONSTANT
    out.bias[latents:] = LOG_VARIANCE
    _place(vae.quant_conv, torch.eye(2 * latents), tap=0)


def _check(vae: Any) -> None:
    widths, latents = vae.config.block_out_channels, vae.config.latent_channels
    groups = vae.config.norm_num_groups
    room = groups * (widths[-1] // groups // 2 - 1)
    if widths[0] < 12 or room < latents or widths[-2] < latents or widths[-1] == widths[-2]:
        raise ValueError(
            f"block_out_channels: {widths} cannot hold {latents} components; begin with at least "
            f"12, let the last differ from the one before, and give it at least {2 * latents + 2 * groups}."
        )


def _zero(layer: Any) -> None:
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)


def _place(layer: Any, matrix: Tensor, *, tap: int) -> None:
    """Let a convolution apply a matrix to its first channels at one tap of its kernel."""
    _zero(layer)
    rows, columns = matrix.shape
    layer.weight[:rows, :columns, tap, tap] = matrix
