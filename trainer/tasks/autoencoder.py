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
from torch import Tensor, nn

from editors.errors import told_as
from editors.files import replacing_folder
from editors.model.loading.kinds import find_model
from editors.pictures.batches import to_pixels, to_tensor
from trainer.config import AutoencoderConfig
from trainer.data.draws import Rows
from trainer.data.examples import Examples, read_examples, state_hash
from trainer.errors import InvalidConfig, UnusableData
from trainer.export import forget_places
from trainer.tasks import pca
from trainer.tasks.grids import Sheet, sheet
from trainer.tasks.pictured import Pictured

FITTED = 2048
"""Pictures that the principal components, or the scale of learned latents, are measured on."""
NUM_HELD_OUT = 256
SIGMAS = (0.0, 0.1, 0.2, 0.3)
"""Errors of the latents that a decoder is measured at: none, and about what a small diffusion model makes."""


def make_task(config: AutoencoderConfig) -> AutoencoderTask:
    """Read the data and build the model."""
    columns = ("image",)
    return AutoencoderTask(config, read_examples(config.data, pictures=columns, texts=()))


class AutoencoderTask:
    """See `trainer.tasks.task.Task`."""

    def __init__(self, config: AutoencoderConfig, examples: Examples) -> None:
        self.config, self.examples = config, examples
        self.num_samples = len(examples)
        self.fingerprint = {"data": examples.data_hash}
        vae = begun(config, examples)
        if config.init is not None:
            self.fingerprint["init"] = state_hash(vae)
        self.model: Any = Reconstruction(vae, learned=config.encoder == "learned")
        self.device = torch.device("cpu")
        self.held_out: HeldOutPictures | None = None
        if config.validation_data is not None:
            held = read_examples(config.validation_data, pictures=("image",), texts=())
            self.held_out = HeldOutPictures(vae, held.pictures["image"][:NUM_HELD_OUT])

    def to(self, device: torch.device) -> None:
        """Remember where the pictures go."""
        self.device = device

    def batch(self, indices: NDArray[np.int64], positions: range) -> Pictured:
        """Take pictures out of the data."""
        pictures = torch.from_numpy(self.examples.pictures["image"][indices])
        return Pictured(Rows(self.config.seed, positions, self.device), pictures)

    def loss(self, model: nn.Module, batch: Pictured) -> Tensor:
        """Reconstruct pictures from a sample of their posterior."""
        rows, pixels = batch.rows, to_pixels(batch.pictures.to(self.device))
        side = pixels.shape[-1] // self.model.factor
        noise = rows.normal("posterior", (self.model.vae.config.latent_channels, side, side))
        sigma = self._sigma(rows)
        added = None if sigma is None else sigma * rows.normal("error", tuple(noise.shape[1:]))
        decoded, kl = model(pixels, noise, added)
        loss = reconstruction_loss(decoded, pixels, self.config.edge_weight)
        return loss + self.config.kl_weight * kl if self.config.encoder == "learned" else loss

    def _sigma(self, rows: Rows) -> Tensor | None:
        """Draw σ = |N(0, latent_noise²)| a picture for a share of them, 0 for the others, (B, 1, 1, 1)."""
        if self.config.latent_noise == 0:
            return None
        sigma = rows.normal("sigma", (1, 1, 1)).abs() * self.config.latent_noise
        return sigma * (rows.uniform("noised") < self.config.latent_noise_prob)[:, None, None, None]

    def sample_grid(self) -> Sheet:
        """Draw pictures above their reconstructions."""
        pixels = to_tensor(self.examples.pictures["image"][:16]).to(self.device)
        vae = self.model.vae
        decoded = vae.decode(vae.encode(pixels).latent_dist.mode()).sample
        return sheet([pixels / 2 + 0.5, decoded / 2 + 0.5])

    def export(self, folder: Path, card: dict[str, Any]) -> None:
        """Write the autoencoder's folder, its latents scaled to unit variance."""
        vae = self.model.vae
        with replacing_folder(folder) as partial:
            if self.config.encoder == "principal":  # fitted to unit variance
                vae.save_pretrained(partial)
            else:
                pictures = self.examples.pictures["image"][:FITTED]
                batches = (
                    to_tensor(pictures[i : i + 32]).to(self.device) for i in range(0, len(pictures), 32)
                )
                latents = torch.cat([vae.encode(batch).latent_dist.mode() for batch in batches])
                with unit_variance(vae, latents):
                    vae.save_pretrained(partial)
            forget_places(partial)
            (partial / "training.json").write_text(json.dumps(card, indent=1))


class Reconstruction(nn.Module):
    """Encode, sample the posterior with given noise, decode: one module, so that it can be wrapped as one."""

    def __init__(self, vae: Any, *, learned: bool) -> None:
        super().__init__()
        self.vae = vae
        for part in (vae.encoder, vae.quant_conv):
            part.requires_grad_(learned)
        self.learned, self.factor = learned, 2 ** (len(vae.config.block_out_channels) - 1)

    def forward(self, pixels: Tensor, noise: Tensor, added: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Return the decoded pictures, (B, 3, H, W), and the mean divergence per latent value.

        Args:
            pixels: (B, 3, H, W) in [-1, 1].
            noise: Unit noise of the posterior, (B, C, h, w).
            added: What else is wrong with the latents, (B, C, h, w); nothing where None.
        """
        # The principal encoder carries small numbers past large constants, which bf16 would drop.
        with torch.autocast(
            pixels.device.type, enabled=self.learned and torch.is_autocast_enabled(pixels.device.type)
        ):
            posterior = self.vae.encode(pixels).latent_dist
        latents = posterior.mean + posterior.std * noise
        decoded = self.vae.decode(latents if added is None else latents + added).sample
        return decoded, posterior.kl().mean() / noise[0].numel()


class HeldOutPictures:
    """Held-out pictures, (N, H, W, 3) uint8, as an autoencoder in training is measured by them."""

    def __init__(self, vae: Any, pictures: NDArray[np.uint8]) -> None:
        self.vae, self.pictures = vae, pictures

    def measure(self) -> dict[str, float]:
        """Return how well pictures come back, and how much of their tiles is seen, by σ."""
        figures: dict[str, float] = {}
        for sigma in SIGMAS:
            psnr, borders = forgiveness(self.vae, self.pictures, sigma)
            figures |= {f"PSNR in dB: σ = {sigma}": psnr, f"tile borders: σ = {sigma}": borders}
        return figures


@torch.no_grad()
def forgiveness(vae: Any, pictures: NDArray[np.uint8], sigma: float) -> tuple[float, float]:
    """Measure what errors of the latents do to decoded pictures.

    Args:
        vae: The autoencoder.
        pictures: (N, H, W, 3) uint8.
        sigma: Deviation of the Gaussian error, the same one each time; latents have variance 1.

    Returns:
        The PSNR in dB, over all pictures together; and the mean difference of neighbouring pixels across the
        borders of the latents' tiles over that of all neighbours, beside the same of the pictures themselves:
        1 where the tiles cannot be seen.
    """
    factor = 2 ** (len(vae.config.block_out_channels) - 1)
    device = next(vae.parameters()).device
    squared, seen, true = 0.0, np.zeros(2), np.zeros(2)
    for start in range(0, len(pictures), 32):
        pixels = to_tensor(pictures[start : start + 32]).to(device)
        latents = vae.encode(pixels).latent_dist.mode()
        error = Rows(0, range(start, start + len(pixels)), device).normal("error", tuple(latents.shape[1:]))
        decoded = vae.decode(latents + sigma * error).sample
        decoded = decoded.clamp(-1, 1)
        squared += float((decoded - pixels).square().mean()) * len(pixels) / len(pictures)
        seen += _differences(decoded, factor)
        true += _differences(pixels, factor)
    psnr = 10 * np.log10(4 / max(squared, 1e-10))  # the range is 2 wide
    return float(psnr), float(seen[0] / seen[1] * true[1] / true[0])


def _differences(pixels: Tensor, factor: int) -> NDArray[np.float64]:
    """Return the mean difference of neighbours across the borders of tiles, and that of all, summed."""
    found = np.zeros(2)
    for dim in (-1, -2):
        steps = pixels.diff(dim=dim).abs().mean([d for d in range(4) if d != 4 + dim])  # (W - 1,)
        found += [float(steps[factor - 1 :: factor].mean()), float(steps.mean())]
    return found * len(pixels)


def begun(config: AutoencoderConfig, examples: Examples) -> Any:
    """Return the autoencoder to train: a new one, its principal encoder fitted, or the one to go on from.

    Raises:
        InvalidConfig: There is none to go on from, or the layout cannot hold the components.
        UnusableData: The pictures' sides do not fit.
    """
    side = examples.pictures["image"].shape[1]
    torch.manual_seed(config.seed)
    vae = build(config, side) if config.init is None else load_autoencoder(config.init, field="init")
    levels = len(vae.config.block_out_channels)
    if side % 2 ** (levels - 1):
        raise UnusableData(f"data: pictures of {side} px cannot be halved {levels - 1} times.")
    if config.init is not None:
        return vae.requires_grad_(True).train()
    if config.encoder == "principal":
        try:
            pca.fit(vae, to_tensor(examples.pictures["image"][:FITTED]))
        except ValueError as error:
            raise InvalidConfig(str(error)) from error
    return vae


def load_autoencoder(folder: Path, *, field: str = "autoencoder") -> Any:
    """Return a trained autoencoder from its folder, that of its run, or that of a model, in float32.

    Raises:
        InvalidConfig: There is none.
    """
    found = find_model(str(folder))
    for place in (found, found / "vae"):
        if (place / "config.json").exists() and any(place.glob("[!.]*.safetensors")):

            def tell(reason: str, place: Path = place) -> InvalidConfig:
                return InvalidConfig(f"{field}: {place} cannot be read ({reason}); name another folder.")

            with told_as(tell):
                return (
                    AutoencoderKL.from_pretrained(
                        place,
                        use_safetensors=True,
                        local_files_only=True,
                        variant="fp16" if any(place.glob("[!.]*.fp16.*")) else None,
                        torch_dtype=torch.float32,
                    )
                    .eval()
                    .requires_grad_(False)
                )
    raise InvalidConfig(f"{field}: {folder} holds no trained autoencoder; name the folder of a finished run.")


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
