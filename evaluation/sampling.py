"""Draw pictures from captions with a base model, in batches: from noise, or from a picture half way to noise.

References: Jonathan Ho, Tim Salimans, "Classifier-Free Diffusion Guidance" (2022, arXiv 2207.12598); Chenlin
Meng, Yutong He, Yang Song, Jiaming Song, Jiajun Wu, Jun-Yan Zhu, Stefano Ermon, "SDEdit: Guided Image
Synthesis and Editing with Stochastic Differential Equations" (2022, arXiv 2108.01073).

Law: a picture depends on its own caption and seed, not on the others of its batch (but for rounding); at
strength 1 nothing of the picture is left and SDEdit is plain drawing.
"""

from __future__ import annotations

import hashlib
import inspect
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from editors import diffusion
from editors.guidance import Plain
from editors.model.diffusion_model import DiffusionModel
from editors.model.network import GuidedNetwork, Rows
from editors.model.photo import Photo, encode
from editors.pictures.batches import to_array, to_tensor, to_uint8


@dataclass(frozen=True, kw_only=True, slots=True)
class Sampling:
    """Settings of drawing.

    Attributes:
        size: Side of the pictures in pixels.
        guidance_scale: How strongly to follow the captions.
        num_inference_steps: Denoising steps from pure noise.
    """

    size: int
    guidance_scale: float
    num_inference_steps: int


def guided(
    model: DiffusionModel, captions: Sequence[str], *, size: tuple[int, int], guidance_scale: float
) -> GuidedNetwork:
    """Put captions before a base model's network; size is (height, width) in pixels."""
    rows_of = {
        "unconditional": Rows(conditioning=model.unconditional(size=size).expand(len(captions))),
        "conditional": Rows(conditioning=model.condition(list(captions), size=size)),
    }
    return GuidedNetwork(model.network, Plain(guidance_scale), rows_of)


@torch.no_grad()
def draw(
    model: DiffusionModel, captions: Sequence[str], seeds: Sequence[int], how: Sampling
) -> NDArray[np.uint8]:
    """Draw captions.

    Args:
        model: A base model.
        captions: One per picture.
        seeds: Of the noise, one per picture.
        how: Size, scale and steps.

    Returns:
        (B, H, W, 3) uint8.
    """
    latents, generators = _noise(model, seeds, how)
    steps = diffusion.denoise(
        guided(model, captions, size=(how.size, how.size), guidance_scale=how.guidance_scale),
        scheduler=model.new_scheduler((latents.shape[-2], latents.shape[-1])),
        latents=latents,
        num_inference_steps=how.num_inference_steps,
        generators=generators,
    )
    for step in steps:
        latents = step.latents
    return to_uint8(model.decode(latents))


@torch.no_grad()
def sdedit(
    model: DiffusionModel,
    pictures: NDArray[np.uint8],
    captions: Sequence[str],
    seeds: Sequence[int],
    how: Sampling,
    *,
    strength: float,
) -> NDArray[np.uint8]:
    """Noise pictures up to a strength, and denoise them under new captions (SDEdit, Alg. 1).

    Args:
        model: A base model.
        pictures: What to start from, (B, H, W, 3) uint8.
        captions: What they should show, one per picture.
        seeds: Of the noise, one per picture.
        how: Scale and steps; of the steps, the last `strength` are taken.
        strength: Above 0, up to 1: how far up in noise to start; 1 forgets the pictures.

    Returns:
        (B, H, W, 3) uint8.
    """
    latents, generators = _noise(model, seeds, how)
    scheduler = model.new_scheduler((latents.shape[-2], latents.shape[-1]))
    scheduler.set_timesteps(how.num_inference_steps, device=model.device)
    num_taken = max(1, round(how.num_inference_steps * strength)) * scheduler.order
    first = max(0, len(scheduler.timesteps) - num_taken)
    timesteps = scheduler.timesteps[first:]
    if hasattr(scheduler, "set_begin_index"):
        scheduler.set_begin_index(first)
    if first == 0:
        latents = latents * scheduler.init_noise_sigma
    else:
        clean = model.scaled(model.encode_image(to_tensor(pictures)).mode().float())
        latents = scheduler.add_noise(clean, latents, timesteps[:1].repeat(len(clean)))
    predict = guided(model, captions, size=(how.size, how.size), guidance_scale=how.guidance_scale)
    takes_generator = "generator" in inspect.signature(scheduler.step).parameters
    options: dict[str, Any] = {"generator": generators} if takes_generator else {}
    for index, timestep in enumerate(timesteps):
        output = predict(scheduler.scale_model_input(latents, timestep), timestep, index)
        latents = scheduler.step(output, timestep, latents, **options).prev_sample
    return to_uint8(model.decode(latents))


def _noise(
    model: DiffusionModel, seeds: Sequence[int], how: Sampling
) -> tuple[Tensor, list[torch.Generator]]:
    """Draw the noise that some pictures start from, (B, C, h, w)."""
    side = how.size // model.vae_scale_factor
    return diffusion.noise(seeds, (model.latent_channels, side, side), model.device)


def round_trip(model: DiffusionModel, pictures: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Send pictures through an autoencoder and back: what it cannot keep, no editor on it can draw.

    Args:
        model: The model whose autoencoder it is.
        pictures: (B, H, W, 3) uint8.

    Returns:
        (B, H, W, 3) uint8.
    """
    return to_uint8(model.decode_unscaled(model.encode_image(to_tensor(pictures)).mode()))


def through_autoencoder(model: DiffusionModel, picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Send one picture through an autoencoder at the size its model works at, and back to its own size.

    Args:
        model: The model whose autoencoder it is.
        picture: (H, W, 3) uint8 of any size.

    Returns:
        (H, W, 3) uint8.
    """
    photo = Photo.read(Image.fromarray(picture), model)
    if photo.pixels.shape == picture.shape:
        return round_trip(model, picture[None])[0]
    pixels = to_array(model.decode_unscaled(encode([photo], model))[0])
    return np.array(photo.brought_back(pixels, "resize", before=lambda: photo.pixels))


def model_hash(model: DiffusionModel) -> str:
    """Return one hash over a model's weights and its scheduler's configuration."""
    return weights_hash(
        dict(model.scheduler.config), *model.text.text_encoders, model.vae, model.network.module
    )


def weights_hash(config: object, *modules: torch.nn.Module) -> str:
    """Return one hash over the weights of some modules, and over what else decides what they compute."""
    digest = hashlib.sha256(json.dumps(config, sort_keys=True, default=str).encode())
    for module in modules:
        for name, tensor in sorted(module.state_dict().items()):
            digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
            digest.update(tensor.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy())
    return digest.hexdigest()
