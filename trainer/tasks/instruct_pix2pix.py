"""The edit model: the base, widened, trained to turn a picture into its edited version by an instruction.

Reference: Tim Brooks, Aleksander Holynski, Alexei A. Efros, "InstructPix2Pix: Learning to Follow Image
Editing Instructions" (2023, arXiv 2211.09800), §3.2.

Law: channels C:2C of the network's input are the posterior's mode of the original picture, unscaled; the
target is a sample of the edited picture's posterior, scaled; both are seen through one view.
"""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from diffusers import StableDiffusionInstructPix2PixPipeline
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn

from editors import InstructionEdit, InstructPix2PixEditor
from editors.instruct_pix2pix import guided
from editors.model.conditioning import Conditioning
from editors.model.devices import choose_device, placed
from editors.model.diffusion_model import DiffusionModel
from editors.model.unets import widen
from editors.pictures.batches import to_tensor
from trainer.config import InstructPix2PixConfig, read_config
from trainer.data.draws import Rows
from trainer.data.examples import Wordings, encode_texts, encoder_hash, state_hash
from trainer.data.pairs import PairLatents, Pairs, read_pairs
from trainer.errors import CorruptRun, InvalidConfig
from trainer.export import write_pipeline
from trainer.runs import checkpoint
from trainer.runs.launch import process_state
from trainer.tasks.conditioning import conditioning_dropout
from trainer.tasks.diffusion import DiffusionTask, denoise_grid
from trainer.tasks.grids import Sheet, sheet
from trainer.tasks.lora import add_lora, merged, products
from trainer.tasks.text_to_image import load_for_training
from trainer.tasks.validation import BATCH, MAX_DRAWN, MAX_SAMPLES, STEPS, batches, fixed_loss

GRID = 12


def make_task(config: InstructPix2PixConfig) -> InstructPix2PixTask:
    """Load the base, widen it, and read and encode the pairs once.

    Raises:
        InvalidConfig: `base` is no model, or cannot be trained at the resolution.
        UnusableData: There are no pairs.
    """
    return InstructPix2PixTask(config)


class Told(NamedTuple):
    """Pairs of one size in a step: their draws, views and instructions; see `PairLatents.pick`."""

    size: int
    rows: Rows
    looks: Tensor
    said: Tensor


class InstructPix2PixTask(DiffusionTask):
    """See `trainer.tasks.task.Task`."""

    def __init__(self, config: InstructPix2PixConfig, pairs: Pairs | None = None) -> None:
        """Make ready.

        Args:
            config: The run's.
            pairs: To train on; those of `config.data` where none are given.
        """
        self.config = config
        base = start_of(config)
        resolution, step = _resolution(config, base)
        cache = config.out / "cache"
        self.pairs = pairs or read_pairs(config.data, cache)
        self.fingerprint = {
            "base": state_hash(base.network.module),
            "encoder": encoder_hash(base.vae),
            "text_encoder": state_hash(base.text_encoder),
            "data": self.pairs.data_hash,
        }
        if config.lora_rank is not None and base.kind == "edit":
            # Earlier versions trained the first layer, too: their optimizer knows other weights.
            self.fingerprint["lora"] = "no conv_in"
        device = process_state(config).device
        base.vae.to(device)
        base.text_encoder.to(device)
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
        whole = to_train(base, config)
        if config.gradient_checkpointing:
            whole.network.module.enable_gradient_checkpointing()
        super().__init__(whole)
        self.num_samples, self.groups = len(self.pairs), self.latents.sizes
        self.held_out: HeldOutPairs | None = None
        if config.validation_data is not None:
            self.held_out = HeldOutPairs(
                self.whole, self.scheduler, config.validation_data, resolution, step, config.max_aspect
            )

    @property
    def most_places(self) -> int:
        """The number of places, h·w, of the largest latent."""
        return max(math.prod(self.latents.shape(size)[1:]) for size in range(len(self.latents.buckets)))

    def to(self, device: torch.device) -> None:
        """Move the frozen models, and the data where they fit."""
        super().to(device)
        self.latents.to(device)
        self.texts.to(device)

    def batch(self, indices: NDArray[np.int64], positions: range) -> list[Told]:
        """Take pairs out of the data, those of each size by themselves."""
        rows, sizes = Rows(self.config.seed, positions), self.groups[indices]
        return [
            self._told(int(size), indices[sizes == size], rows.of(np.flatnonzero(sizes == size).tolist()))
            for size in np.unique(sizes)
        ]

    def _told(self, size: int, indices: NDArray[np.int64], rows: Rows) -> Told:
        """Take pairs of one size, each through the view and in the wording that its own numbers draw."""
        flip, crop, wording = rows.uniform("flip", "crop", "wording").numpy()
        flipped = (flip < self.config.flip_prob) & self.latents.may_flip[indices]
        crops = (crop * self.config.crops).astype(np.int64)
        said = self.wordings.choose(indices, wording)
        looks = self.latents.pick(indices, crops, flipped)
        return Told(size, rows.to(self.device), looks, self.texts.pick(said))

    def loss(self, model: nn.Module, batch: list[Told]) -> Tensor:
        """Predict from (noised edited latents, original's latents, instruction), some conditions dropped.

        Samples of different sizes go through the model one size after another.
        """
        total = torch.zeros((), device=self.device)
        for told in batch:
            total = total + self._loss(model, told) * len(told.rows)
        return total / sum(len(told.rows) for told in batch)

    def _loss(self, model: nn.Module, told: Told) -> Tensor:
        """Return the loss of samples of one size."""
        rows = told.rows
        kept = conditioning_dropout(rows.uniform("conditions"), self.config.conditioning_dropout_prob)
        picture, mean, std = self.latents.read(told.looks, told.size).unbind(1)
        return self.denoising_loss(
            model,
            self.draw(rows, self.latents.shape(told.size)),
            (mean, std),
            self.texts.read(told.said, kept.text),
            picture=picture * kept.picture[:, None, None, None],
            min_snr_gamma=self.config.min_snr_gamma,
        )

    def sample_grid(self) -> Sheet:
        """Draw rows of originals, the model's edits, and the exact targets."""
        shown = np.flatnonzero(self.groups == self.groups[0])[:GRID]
        pictures = np.stack([self.latents.pixels(int(index)) for index in shown])  # (B, 2, H, W, 3)
        originals, targets = (to_tensor(pictures[:, side]).to(self.device) for side in (0, 1))
        condition = self.whole.encode_image(originals).mode()
        instructions = [self.pairs.refs[index].instructions[0] for index in shown]
        predict = guided(self.whole, instructions, condition, self.whole.recommended)
        edited = denoise_grid(self.whole, predict, len(originals), self.latents.shape(int(self.groups[0])))
        return sheet([originals / 2 + 0.5, edited, targets / 2 + 0.5], instructions)

    def export(self, folder: Path, card: dict[str, Any]) -> None:
        """Write a folder that diffusers' InstructPix2Pix pipeline loads."""
        card = card | {"data": self.pairs.facts() | {"sizes": [list(size) for size in self.latents.buckets]}}
        lora = None if self.config.lora_rank is None else products(self.whole.network.module)
        model = trained(self.whole, self.config)
        write_pipeline(folder, model, StableDiffusionInstructPix2PixPipeline, card, lora=lora)


class HeldOutPairs:
    """Held-out pairs, as an edit model in training is measured by them."""

    def __init__(
        self,
        model: DiffusionModel,
        scheduler: Any,
        folder: Path,
        resolution: int,
        step: int,
        max_aspect: float,
    ) -> None:
        pairs = read_pairs(folder).head(MAX_SAMPLES)
        self.model, self.scheduler = model, scheduler
        self.instructions = [ref.instructions[0] for ref in pairs.refs]
        self.latents = PairLatents(
            model.vae,
            pairs,
            seed=0,
            resolution=resolution,
            step=step,
            max_aspect=max_aspect,
            crops=1,
            flips=False,
            cache=None,
        )
        # Encoded once: what is looked at ten times a figure must not be drawn ten times.
        self.looks = [
            self.latents.of(np.array([k]), np.zeros(1, np.int64), np.zeros(1, bool))[0]
            for k in range(len(pairs))
        ]
        self.texts = model.encode_prompt(self.instructions)  # (N, T, D)

    def measure(self) -> dict[str, float]:
        """Return the loss, and how often an edit is nearer to the target than nothing."""
        return {"loss on held-out pairs": self.loss(), "nearer than doing nothing": self.nearer()}

    def loss(self) -> float:
        """Return the loss, with all conditions told."""
        latents, samples = self.latents, []
        for size in range(len(latents.buckets)):
            members = np.flatnonzero(latents.sizes == size)
            samples += [members[places] for places in batches(len(members))]

        def clean(places: NDArray[np.int64]) -> Tensor:
            return self.model.scaled(self._looks(places)[:, 1])

        def predict(places: NDArray[np.int64], noised: Tensor, timesteps: Tensor) -> Tensor:
            text = Conditioning(states=self.texts[places].to(self.model.device))
            return self.model.network.predict(noised, timesteps, text, picture=self._looks(places)[:, 0])

        return fixed_loss(self.scheduler, samples, clean, predict)

    def nearer(self) -> float:
        """Return the share of pairs whose edit is nearer to the target than the original is, in MSE."""
        editor = InstructPix2PixEditor(self.model)
        num = min(MAX_DRAWN, len(self.instructions))
        pictures = [self.latents.pixels(place) for place in range(num)]
        edits = [
            InstructionEdit(
                original_image=Image.fromarray(original),
                edit_prompt=said,
                num_inference_steps=STEPS,
                forecast=1,
                seed=place,
            )
            for place, ((original, _), said) in enumerate(zip(pictures, self.instructions, strict=False))
        ]
        made = editor.edit_many(edits, batch_size=BATCH)
        results = zip(pictures, (np.asarray(one.edited_image) for one in made), strict=True)
        return float(np.mean([_mse(edited, pair[1]) < _mse(*pair) for pair, edited in results]))

    def _looks(self, places: NDArray[np.int64]) -> Tensor:
        """Return (B, 3, C, h, w); see `PairLatents.of`."""
        return torch.stack([self.looks[place] for place in places]).to(self.model.device)


def _mse(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> float:
    return float(np.square(a.astype(np.float64) - b).mean())


def _resolution(config: InstructPix2PixConfig, base: DiffusionModel) -> tuple[int, int]:
    """Return the side of square pictures, and the number that all sides are multiples of."""
    step, resolution = base.size_unit, config.resolution or base.native_size
    if resolution % step:
        raise InvalidConfig(
            f"resolution: {resolution} is not allowed; give a multiple of {step} for this base."
        )
    return resolution, step


def to_train(base: DiffusionModel, config: InstructPix2PixConfig) -> DiffusionModel:
    """Return the model in training as it is before the first step: told a picture, with LoRA if asked for."""
    module = (base.network.module if base.kind == "edit" else widen(base.network.module)).requires_grad_(True)
    if config.lora_rank is not None:
        torch.manual_seed(config.seed)
        add_lora(module, config.lora_rank, first_layer=base.kind != "edit")
    model = base.with_network(module, name="in training")
    if config.resolution is not None:
        model.work_at(config.resolution)
    return model


def trained(whole: DiffusionModel, config: InstructPix2PixConfig) -> DiffusionModel:
    """Return a model in training as one like any other: what LoRA has learnt is part of its weights."""
    return whole if config.lora_rank is None else whole.with_network(merged(whole.network.module))


def editor_at(run: Path, step: int, *, device: str | torch.device | None = None) -> InstructPix2PixEditor:
    """Return an editor with the averaged weights of a checkpoint: those that a run would export.

    Args:
        run: The folder of the run, which may be going on.
        step: Of the checkpoint.
        device: Where to edit; None takes CUDA, else Apple's GPU, else the CPU.

    Raises:
        InvalidConfig: The folder is no run of an edit model, or what it began with is gone.
        CorruptRun: The checkpoint is gone, as older ones go, or damaged.
        InvalidEdit: The device is not to be had.
    """
    config = read_config(run)
    if not isinstance(config, InstructPix2PixConfig):
        raise InvalidConfig(f"task: {run.name} trains {config.task}, which follows no instructions.")
    target, base = choose_device(device), start_of(config)
    whole = to_train(base, config)
    average = checkpoint.average_at(run, step)
    if average is None:
        raise CorruptRun(
            f"{run.name}: its checkpoint of step {step} is gone or damaged; take the newest one."
        )
    whole.network.module.load_state_dict(average, strict=False)  # what is no parameter is as it was built
    whole = replace(trained(whole, config), name=f"{run.name}, step {step}")
    return InstructPix2PixEditor(placed(whole, target))


def start_of(config: InstructPix2PixConfig) -> DiffusionModel:
    """Return the model to start from, in float32: a base to widen, or an edit model to continue."""
    if config.init is not None:
        return load_for_training("init", config.init, "edit")
    assert config.base is not None
    try:
        return load_for_training("base", config.base, "base")
    except InvalidConfig as refusal:
        try:
            return load_for_training("base", config.base, "edit")
        except InvalidConfig:
            raise refusal from None  # what it said is about a base, which most people meant
