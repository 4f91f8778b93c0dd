"""The base model: latent diffusion from a caption.

Reference: Robin Rombach et al., "High-Resolution Image Synthesis with Latent Diffusion Models" (2022, arXiv
2112.10752); conditioning dropout after Jonathan Ho, Tim Salimans, "Classifier-Free Diffusion Guidance"
(2022, arXiv 2207.12598).
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from diffusers import StableDiffusionPipeline
from numpy.typing import NDArray
from torch import Tensor, nn

from editors.errors import EditorError
from editors.model.conditioning import Conditioning
from editors.model.diffusion_model import DiffusionModel
from editors.model.loading.checkpoints import load_text_encoder, read_advice
from editors.model.loading.load import load
from editors.model.unets import new_unet
from editors.pictures.batches import to_tensor
from editors.requests.settings import Kind
from evaluation.sampling import guided
from trainer.config import TextToImageConfig
from trainer.data.draws import Rows
from trainer.data.examples import (
    Examples,
    encode_pictures,
    encode_texts,
    encoder_hash,
    read_examples,
    state_hash,
)
from trainer.errors import InvalidConfig
from trainer.export import write_pipeline
from trainer.tasks.autoencoder import load_autoencoder
from trainer.tasks.diffusion import DiffusionTask, denoise_grid, sampling_scheduler
from trainer.tasks.grids import Sheet, sheet
from trainer.tasks.validation import MAX_SAMPLES, Captions, batches, fixed_loss

GRID_ROWS, GRID_COLUMNS = 4, 8
GUIDANCE_SCALE = 4.0
"""What a new model recommends, whose family recommends nothing: small ones take less than 7.5 well."""


def make_task(config: TextToImageConfig) -> TextToImageTask:
    """Read the data, encode it once, and build the model.

    Raises:
        InvalidConfig: The autoencoder's folder holds none.
    """
    return TextToImageTask(config)


class Captioned(NamedTuple):
    """Samples of a step: their draws, latents and captions; see `Table.pick`."""

    rows: Rows
    latents: Tensor
    text: Tensor


class TextToImageTask(DiffusionTask):
    """See `trainer.tasks.task.Task`."""

    def __init__(self, config: TextToImageConfig) -> None:
        self.config = config
        examples = read_examples(config.data, pictures=("image",), texts=("caption",))
        super().__init__(begun(config, examples.pictures["image"].shape[1]))
        cache = config.out / "cache"
        vae, text_hash = self.whole.vae, state_hash(self.whole.text_encoder)
        self.moments = encode_pictures(vae, examples, "image", cache)
        self.texts = encode_texts(self.whole.encode_prompt, examples.texts["caption"], cache, model=text_hash)
        self.captions = examples.texts["caption"]
        self.num_samples = len(examples)
        self.fingerprint = {
            "data": examples.data_hash,
            "encoder": encoder_hash(vae),
            "text_encoder": text_hash,
        }
        if config.init is not None:
            self.fingerprint["init"] = state_hash(self.model)
        self.held_out: HeldOutCaptions | None = None
        if config.validation_data is not None:
            held = read_examples(config.validation_data, pictures=("image",), texts=("caption",))
            self.held_out = HeldOutCaptions(
                self.whole, self.scheduler, held, Captions.of(config.validation_data)
            )

    @property
    def most_places(self) -> int:
        """The number of places, h·w, of every latent."""
        return math.prod(self.shape[-2:])

    @property
    def shape(self) -> tuple[int, ...]:
        """(C, h, w) of every latent."""
        return self.moments.array.shape[2:]

    def to(self, device: torch.device) -> None:
        """Move the frozen models, and the data where they fit."""
        super().to(device)
        self.moments.to(device)
        self.texts.to(device)

    def batch(self, indices: NDArray[np.int64], positions: range) -> Captioned:
        """Take latents and captions out of the data."""
        rows = Rows(self.config.seed, positions, self.device)
        return Captioned(rows, self.moments.pick(indices), self.texts.pick(indices))

    def loss(self, model: nn.Module, batch: Captioned) -> Tensor:
        """Predict from noised latents and their caption, which some samples lose."""
        rows = batch.rows
        mean, std = self.moments.read(batch.latents).unbind(1)
        keep = rows.uniform("conditions") >= self.config.conditioning_dropout_prob
        text = self.texts.read(batch.text, keep)
        return self.denoising_loss(model, self.draw(rows, self.shape), (mean, std), text)

    def sample_grid(self) -> Sheet:
        """Draw the pictures of the first captions."""
        captions = list(dict.fromkeys(self.captions))[: GRID_ROWS * GRID_COLUMNS]
        shape = self.shape
        height, width = (side * self.whole.vae_scale_factor for side in shape[-2:])
        scale = self.whole.recommended.guidance_scale
        predict = guided(self.whole, captions, size=(height, width), guidance_scale=scale)
        pictures = denoise_grid(self.whole, predict, len(captions), shape)
        return sheet(list(pictures.split(GRID_COLUMNS)))

    def export(self, folder: Path, card: dict[str, Any]) -> None:
        """Write a folder that diffusers' Stable Diffusion pipeline loads."""
        write_pipeline(folder, self.whole, StableDiffusionPipeline, card)


class HeldOutCaptions:
    """Held-out pictures and captions, as a base model in training is measured by them."""

    def __init__(
        self, model: DiffusionModel, scheduler: Any, examples: Examples, captions: Captions | None
    ) -> None:
        self.model, self.scheduler, self.captions = model, scheduler, captions
        self.pictures = examples.pictures["image"][:MAX_SAMPLES]
        self.texts = model.encode_prompt(list(examples.texts["caption"][:MAX_SAMPLES]))  # (N, T, D)

    def measure(self) -> dict[str, float]:
        """Return the loss, and how often the judge agrees with drawn captions."""
        model = self.model

        def clean(places: NDArray[np.int64]) -> Tensor:
            return model.scaled(model.encode_image(to_tensor(self.pictures[places])).mode().float())

        def predict(places: NDArray[np.int64], noised: Tensor, timesteps: Tensor) -> Tensor:
            text = Conditioning(states=self.texts[places].to(model.device))
            return model.network.predict(noised, timesteps, text)

        loss = fixed_loss(self.scheduler, list(batches(len(self.pictures))), clean, predict)
        scale = model.recommended.guidance_scale
        seen = {} if self.captions is None else self.captions.agreements(model, scale)
        return {"loss on held-out pictures": loss, **seen}


def begun(config: TextToImageConfig, side: int) -> DiffusionModel:
    """Return the model to train, in float32: a new one, or the one to go on from.

    Args:
        config: The run's.
        side: Of the pictures, in pixels.

    Raises:
        InvalidConfig: There is no model to go on from, or no autoencoder.
    """
    if config.init is not None:
        model = load_for_training("init", config.init, "base")
        model.work_at(side)
        return model
    assert config.autoencoder is not None
    vae = load_autoencoder(config.autoencoder)
    try:
        tokenizer, text_encoder = load_text_encoder(config.text_encoder)
    except EditorError as error:
        raise InvalidConfig(f"text_encoder: {error}") from error
    torch.manual_seed(config.seed)
    sample_size = side // 2 ** (len(vae.config.block_out_channels) - 1)
    network = new_unet(
        sample_size=sample_size,
        channels=vae.config.latent_channels,
        text_width=text_encoder.config.hidden_size,
        block_out_channels=config.block_out_channels,
        layers_per_block=config.layers_per_block,
        attention_head_dim=config.attention_head_dim,
    )
    return DiffusionModel(
        tokenizer=tokenizer,
        text_encoder=text_encoder,
        vae=vae,
        unet=network,
        scheduler=sampling_scheduler(config.prediction_type),
        name="in training",
        recommends=read_advice(config.autoencoder)[0] or {"base": {"guidance_scale": GUIDANCE_SCALE}},
    )


def load_for_training(field: str, name: str, kind: Kind) -> DiffusionModel:
    """Return a model to train on from, in float32, its other parts frozen.

    Args:
        field: Of the configuration, for messages.
        name: Of the model, its folder, or the folder of the run that exported it.
        kind: What it must be.

    Raises:
        InvalidConfig: There is none of the kind, or it is of a layout that is not trained.
    """
    try:
        model = load(name, kind=kind, device="cpu", dtype=torch.float32)
    except EditorError as error:
        raise InvalidConfig(f"{field}: {error}") from error
    if not model.is_trainable:
        layout = "Stable Diffusion XL" if model.is_xl else type(model).__name__
        raise InvalidConfig(
            f"{field}: {name} is in the layout of {layout}, which is edited with but not trained; "
            "give a Stable Diffusion 1.x or 2.x model, or one that `wordbrush train text-to-image` wrote."
        )
    for part in (model.vae, model.text_encoder):
        part.requires_grad_(False)
    model.network.module.requires_grad_(True)
    return model
