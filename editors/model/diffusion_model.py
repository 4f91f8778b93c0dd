"""A diffusion model as the editors see it: words and pictures to numbers, a UNet between, and back.

References: Robin Rombach, Andreas Blattmann, Dominik Lorenz, Patrick Esser, Björn Ommer, "High-Resolution
Image Synthesis with Latent Diffusion Models" (2022, arXiv 2112.10752); for the second text encoder and the
sizes that the UNet is told, Dustin Podell et al., "SDXL" (2023, arXiv 2307.01952).

Law: nothing of an edit is ever kept here: the parts are only called, and schedulers, which hold state, are
copied for every edit. Nothing assumes 4 latent channels, a CLIP text encoder or a size.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Self

import torch
from torch import Tensor

from editors.checks import shortened
from editors.errors import IncompatibleModel, InvalidEdit
from editors.guidance import Dual, Guidance
from editors.model.attention import AttentionSite, install
from editors.model.autoencoding import Autoencoding
from editors.model.conditioning import Conditioning, Shown
from editors.model.int8 import is_held_in_int8
from editors.model.network import Channels, Network, PictureInput
from editors.model.parts import PARTS, require_latents_that_fit, require_text_that_fits
from editors.model.schedulers import NOISE_ONLY, SCHEDULERS
from editors.model.text import TextReader
from editors.model.tokens import Prompt
from editors.pictures.detail_transfer import working_size
from editors.requests import taught
from editors.requests.settings import Kind, Recommended, Settings, recommended_settings


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class DiffusionModel(Autoencoding):
    """The parts of a latent diffusion model in Stable Diffusion's layout.

    Attributes:
        tokenizer: Any tokenizer of transformers.
        text_encoder: Called as `text_encoder(ids, attention_mask=…)[0]`, (B, T, D).
        vae: An AutoencoderKL of any number of latent channels, C.
        unet: A UNet2DConditionModel: C channels in (base), or 2·C (edit).
        scheduler: The scheduler to copy for each edit.
        name: For people: what was asked for.
        tokenizer_2: Of the second text encoder; None for models that have one only.
        text_encoder_2: A CLIPTextModelWithProjection, for models in the layout of Stable Diffusion XL.
        force_zeros_for_empty_prompt: Whether no prompt at all is told as zeros, not as the prompt "".
        is_cosxl_edit: Whether an edit model is told the picture in scaled latents, as CosXL Edit alone is.
        recommends: Settings that suit the models of its family, by kind, where its files say so.
        instructions: What it says it is good at, as one would ask for it; for edit models.
        taught: All words of the instructions that it learnt from; empty where nobody says.
        phrases: Instructions that it learnt, as they may be suggested; empty where nobody says.
        notes: What people should know of it, a sentence each.
        picture_input: How the edited picture reaches the network; None where it does by further channels.
    """

    tokenizer: Any
    text_encoder: Any
    vae: Any
    unet: Any
    scheduler: Any
    name: str
    tokenizer_2: Any = None
    text_encoder_2: Any = None
    force_zeros_for_empty_prompt: bool = False
    is_cosxl_edit: bool = False
    recommends: Recommended = field(default_factory=dict)
    instructions: tuple[str, ...] = ()
    taught: tuple[str, ...] = ()
    phrases: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    picture_input: PictureInput | None = None

    def __post_init__(self) -> None:
        """Require parts that fit each other.

        Raises:
            IncompatibleModel: The sentence says which do not.
        """
        require_latents_that_fit(self.name, self.unet.config, self.latent_channels)
        second = self.text_encoder_2.config if self.is_xl else None
        require_text_that_fits(self.name, self.unet.config, self.text.width, second)
        if not hasattr(self.scheduler, "init_noise_sigma"):
            raise IncompatibleModel(
                f"{self.name}: {type(self.scheduler).__name__} is no scheduler of a noise-predicting model; "
                f"choose from {', '.join(SCHEDULERS)}."
            )

    @property
    def is_xl(self) -> bool:
        """Whether it is in the layout of Stable Diffusion XL: two text encoders, and told sizes."""
        return self.text_encoder_2 is not None

    @property
    def text(self) -> TextReader:
        """The reader of prompts."""
        second = ((self.tokenizer_2,), (self.text_encoder_2,)) if self.is_xl else ((), ())
        return TextReader(
            tokenizers=(self.tokenizer, *second[0]), text_encoders=(self.text_encoder, *second[1])
        )

    @property
    def kind(self) -> Kind:
        """Whether the network takes a picture beside the noise."""
        has_room = self.unet.config.in_channels != self.latent_channels
        return "edit" if has_room or self.picture_input is not None else "base"

    @property
    def recommended(self) -> Settings:
        """Settings that a request takes where it names none."""
        return recommended_settings(self.kind, self.recommends)

    @property
    def network(self) -> Network:
        """The network, behind its border."""
        return Network(self.unet, self.picture_input or Channels())

    def with_network(self, module: Any, *, name: str | None = None) -> Self:
        """Return this model around another network, which fits its other parts; None keeps the name."""
        return replace(self, unet=module, name=self.name if name is None else name)

    @property
    def modules(self) -> tuple[torch.nn.Module, ...]:
        """All that holds weights."""
        parts = (self.unet, self.vae, self.text_encoder, self.text_encoder_2)
        return tuple(part for part in parts if part is not None)

    def pipeline_parts(self) -> dict[str, Any]:
        """Return the parts by the names that pipelines of diffusers give them, for models of one encoder."""
        return {name: getattr(self, name) for name in PARTS}

    @property
    def device(self) -> torch.device:
        """Device of the network."""
        return self.network.device

    @property
    def dtype(self) -> torch.dtype:
        """Number format of the network; latents stay float32 between its calls."""
        return self.network.dtype

    @property
    def width(self) -> int:
        """Channels inside the network, where it is widest open."""
        return int(self.unet.config.block_out_channels[0])

    @property
    def size_unit(self) -> int:
        """Pixels that sides are best multiples of: then every level of the UNet halves without remainder."""
        return self.vae_scale_factor * int(2 ** (len(self.unet.config.block_out_channels) - 1))

    @property
    def size_step(self) -> int:
        """Pixels that sides must be multiples of."""
        return self.vae_scale_factor

    @property
    def max_side(self) -> int | None:
        """Pixels of the longest side that it draws; None for any."""
        return None

    @property
    def native_size(self) -> int:
        """Side in pixels of the square pictures the model was made for; 512 where its files do not say."""
        size = self.unet.config.sample_size
        side = max(size) if isinstance(size, list | tuple) else size
        return int(side) * self.vae_scale_factor if side else 512

    def size_for(self, size: tuple[int, int], *, resolution: int | None = None) -> tuple[int, int]:
        """Return the (width, height) to work at for a photo of a size; see `working_size`.

        Args:
            size: (width, height) of the photo, pixels.
            resolution: Side of the square whose area to work on; None takes the model's own.
        """
        return working_size(
            size, native=resolution or self.native_size, unit=self.size_unit, step=self.size_step
        )

    def work_at(self, side: int) -> None:
        """Let the model work at a size in pixels that it was trained on, where it is larger than its own."""
        if side > self.native_size:
            self.unet.register_to_config(sample_size=side // self.vae_scale_factor)

    @property
    def dtype_name(self) -> str:
        """What the network is computed in, as people say it."""
        held = ", int8 weights" if is_held_in_int8(self.network.module) else ""
        return str(self.dtype).removeprefix("torch.") + held

    def new_scheduler(self, size: tuple[int, int] | None = None) -> Any:
        """Return a fresh copy of the scheduler, for an edit of latents (h, w), or of the model's own."""
        return type(self.scheduler).from_config(self.scheduler.config)

    def num_calls(self, num_inference_steps: int) -> int:
        """Return how many UNet calls an edit of so many steps makes: a few schedulers make several a step.

        Raises:
            InvalidEdit: The schedule has no room for as many steps.
        """
        config = self.scheduler.config
        # Schedules counted up from `steps_offset` lose that many steps at their upper end.
        leads = config.get("timestep_spacing") == "leading"
        most = config.num_train_timesteps - (config.get("steps_offset", 0) if leads else 0)
        if num_inference_steps > most:
            raise InvalidEdit(
                "num_inference_steps", f"{num_inference_steps} is not allowed; this model has 1 to {most}."
            )
        scheduler = self.new_scheduler()
        scheduler.set_timesteps(num_inference_steps)
        return len(scheduler.timesteps)

    @property
    def predicts_sample(self) -> bool:
        """Whether the UNet predicts the clean latents, not noise or velocity."""
        return bool(self.scheduler.config.prediction_type == "sample")

    def with_scheduler(self, name: str) -> Self:
        """Return this model, sharing its weights, with another scheduler of `SCHEDULERS`.

        Raises:
            InvalidEdit: There is none of that name, or this model's predictions mean nothing to it.
        """
        import diffusers

        if name not in SCHEDULERS:
            raise InvalidEdit("scheduler", f"{name!r} is not allowed; choose from {', '.join(SCHEDULERS)}.")
        able = [one for one in SCHEDULERS if one not in NOISE_ONLY or not self.predicts_sample]
        if name not in able:
            raise InvalidEdit(
                "scheduler",
                f"{name!r} knows no model that predicts the clean picture, as {self.name} does; "
                f"choose from {', '.join(able)}.",
            )
        scheduler = getattr(diffusers, SCHEDULERS[name]).from_config(self.scheduler.config)
        return replace(self, scheduler=scheduler)

    def wait_for_calls(self, device: torch.device) -> None:
        """Let the parts of a large model lie in main memory until they are called; of others raise."""
        raise InvalidEdit("memory", f"{self.name} lies on its device as a whole; leave “offload” out.")

    def rest(self) -> None:
        """Let parts that wait in main memory between calls go back there: an edit has ended."""

    def by_ddim(self) -> Self:
        """Return this model, sampled by steps that can be taken both ways: DDIM's."""
        return self.with_scheduler("ddim")

    @property
    def lora_parts(self) -> tuple[str, ...]:
        """Names of the parts that LoRAs can be laid over, the network's first; none: no LoRA can be."""
        return ("unet", "text_encoder", *(("text_encoder_2",) if self.is_xl else ()))

    reads_with_language_model = False
    """Whether its text encoder has billions of weights."""

    @property
    def is_trainable(self) -> bool:
        """Whether the trainer can go on from it."""
        return not self.is_xl

    has_scales = True
    """Whether it can be guided; else it was taught to do without."""

    def require_scales(self, settings: Settings) -> None:
        """Require scales that the model knows: all, unless it was taught to do without guidance."""

    def guidance(self, settings: Settings) -> Guidance:
        """Return how an edit model's predictions are combined."""
        return Dual(float(settings.image_guidance_scale), float(settings.guidance_scale))

    may_shift = False
    """Whether an edit may come out beside where the picture lay, by a few pixels."""

    max_references = 0
    """Pictures that an edit model takes besides the one that is edited."""

    nothing_sees_picture = True
    """Whether the text encoder, if it sees pictures, sees one even where the network is told none."""

    def attention_sites(self) -> tuple[AttentionSite, ...]:
        """Let controls take part in the network's attention, which changes nothing else; return its sites.

        Raises:
            IncompatibleModel: Its attention cannot be steered.
        """
        return install(self.network.module)

    def tokenize(self, field: str, prompt: str) -> Prompt:
        """Return a prompt as the network reads it, word by word; see `TextReader.tokenize`."""
        return self.text.tokenize(field, prompt)

    def require_readable(self, field: str, prompt: str) -> None:
        """Require that a prompt fits the text encoders' window, and that they know a word of it.

        Raises:
            InvalidEdit: It does not, and the sentence quotes what would be lost; or they know none.
        """
        self.text.require_known(field, prompt)
        lost = self.text.cut_off(prompt)
        if lost:
            raise InvalidEdit(
                field,
                f"is too long, this model reads {self.text.max_tokens - 2} tokens and would not see "
                f"“{shortened(lost)}”; shorten it.",
            )

    def remarks_on(self, *prompts: str) -> tuple[str, ...]:
        """Return what people should know of how prompts are read, a sentence each."""
        unread = self.text.notes_on(" ".join(prompts))
        new = () if unread else taught.notes_on(" ".join(prompts), self.taught)
        return (*unread, *new, *((taught.known_words(self.taught),) if new else ()))

    def encode_prompt(self, prompts: list[str]) -> Tensor:
        """Turn prompts into the states the UNet reads, (B, T, D); what is over the window, T, is left out."""
        return self.text.read(prompts)[0].to(self.device, self.dtype)

    def condition(
        self, prompts: list[str], *, size: tuple[int, int], pictures: Sequence[Shown] = ()
    ) -> Conditioning:
        """Turn prompts into all that the UNet is told of them, one row each.

        Args:
            prompts: As for `encode_prompt`.
            size: (height, width) of the picture, in pixels, for models that are told it.
            pictures: What each prompt is said of, for models whose text encoder sees; others do not look.
        """
        states, pooled = self.text.read(prompts)
        states = states.to(self.device, self.dtype)
        if pooled is None:
            return Conditioning(states=states)
        # As of a picture that was neither scaled nor cropped, which is what people want to see.
        conditioning = torch.tensor([[*size, 0, 0, *size]], dtype=torch.float32, device=self.device)
        return Conditioning(
            states=states,
            pooled=pooled.to(self.device, self.dtype),
            time_ids=conditioning.expand(len(prompts), -1),
        )

    def unconditional(self, *, size: tuple[int, int], pictures: Sequence[Shown] = ()) -> Conditioning:
        """Return what the UNet is told without a prompt: a row, or one for each picture that it sees."""
        conditioning = self.condition([""], size=size)
        if not self.force_zeros_for_empty_prompt or conditioning.pooled is None:
            return conditioning
        return replace(
            conditioning,
            states=torch.zeros_like(conditioning.states),
            pooled=torch.zeros_like(conditioning.pooled),
        )
