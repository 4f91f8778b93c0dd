"""What models of other families have in common: the parts of a pipeline of diffusers, under our loop."""

from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, ClassVar, Final, Self

import torch

from editors.ddim import is_flow
from editors.errors import IncompatibleModel, InvalidEdit
from editors.model.diffusion_model import DiffusionModel
from editors.model.flow_matching import FlowSteps, Shift, linear_shift
from editors.model.parts import FAMILIES, WITHOUT_GUIDANCE, settings_of
from editors.requests.settings import Kind, Recommended, Settings

NOTHING: Final[Recommended] = MappingProxyType({})
_SCALES: Final = ("guidance_scale", "image_guidance_scale")


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class PipelineModel(DiffusionModel):
    """A model that is not of Stable Diffusion's build; its parts are those of its pipeline.

    Attributes:
        pipeline: Of diffusers: it reads prompts in its own words.
        has_scales: Whether its network was not taught to do without guidance, in a few steps.
        max_references: Pictures that it takes besides the one that is edited.
    """

    pipeline: Any
    has_scales: bool = True
    max_references: int = 0

    lora_parts: ClassVar[tuple[str, ...]] = ("transformer",)
    may_shift = True
    is_trainable = False
    reads_with_language_model = True
    patch: ClassVar[int]
    """Latents to a side of a token, which is what its schedule counts a picture in."""
    max_shift: ClassVar[float] = 1.15
    """Of its noise levels, for a picture of 4096 tokens, where its scheduler names none."""

    @classmethod
    def of(cls, pipeline: Any, *, kind: str, name: str, recommends: Recommended = NOTHING) -> Self:
        """Take a pipeline of diffusers as it is.

        Args:
            pipeline: The pipeline.
            kind: Of `FAMILIES`.
            name: The model's, for people.
            recommends: What its files recommend, in the place of what the pipeline takes.

        Raises:
            IncompatibleModel: Its scheduler is none of a flow.
        """
        if not is_flow(pipeline.scheduler):
            raise IncompatibleModel(
                f"{name}: {type(pipeline.scheduler).__name__} does not go straight from noise to picture, as "
                "this model was taught to; give it a FlowMatchEulerDiscreteScheduler."
            )
        parts = {part: getattr(pipeline, part) for part in ("tokenizer", "text_encoder", "vae", "scheduler")}
        network = pipeline.unet if hasattr(pipeline, "unet") else pipeline.transformer
        family = FAMILIES[kind]
        settings = settings_of(kind, is_distilled=bool(pipeline.config.get("is_distilled")))
        return cls(
            pipeline=pipeline,
            name=name,
            unet=network,
            recommends={family.kind: {**settings, **recommends.get(family.kind, {})}},
            has_scales=settings is not WITHOUT_GUIDANCE,
            max_references=family.max_references,
            **parts,
        )

    @property
    def kind(self) -> Kind:
        """It edits; families that draw from words say so."""
        return "edit"

    def shift(self, num_tokens: int) -> Shift:
        """Return how far a picture's noise levels are shifted, by the number of its tokens."""
        return linear_shift(num_tokens, self.scheduler.config, max_shift=self.max_shift)

    @property
    def vae_scale_factor(self) -> int:
        """Pixels of a picture's side per latent."""
        return int(self.pipeline.vae_scale_factor)

    def new_scheduler(self, size: tuple[int, int] | None = None) -> FlowSteps:
        """Return a fresh copy of the scheduler, for latents of a size, (h, w)."""
        side = self.native_size // self.vae_scale_factor
        h, w = size or (side, side)
        scheduler = type(self.scheduler).from_config(self.scheduler.config)
        return FlowSteps(scheduler, self.shift(h * w // self.patch**2))

    def with_scheduler(self, name: str) -> Self:
        """Refuse: a flow has steps of its own.

        Raises:
            InvalidEdit: Always.
        """
        raise InvalidEdit(
            "scheduler", f"{name!r} is not for {self.name}, which has steps of its own; leave it out."
        )

    def wait_for_calls(self, device: torch.device) -> None:
        """Let the parts lie in main memory until they are called; see `DiffusionModel.wait_for_calls`.

        By the pipeline's own hooks: whichever is called sends back the one before it, and the first the last.
        The autoencoder, which is small, and which every preview calls, stays on the device.
        """
        pipe, stays = self.pipeline, "vae"
        order = [part for part in pipe.model_cpu_offload_seq.split("->") if part != stays]
        pipe.model_cpu_offload_seq = "->".join(order)
        pipe._exclude_from_cpu_offload = [*pipe._exclude_from_cpu_offload, stays]
        pipe.enable_model_cpu_offload(device=device)
        first, *_, last = pipe._all_hooks
        first.hook.prev_module_hook = last  # an edit may begin while another is under way

    def rest(self) -> None:
        """Let parts that wait in main memory between calls go back there: an edit has ended."""
        for hook in getattr(self.pipeline, "_all_hooks", ()):
            hook.offload()

    def by_ddim(self) -> Self:
        """Return this model: a flow's steps can be taken both ways."""
        return self

    def require_scales(self, settings: Settings) -> None:
        """Require scales that the model knows.

        Raises:
            InvalidEdit: It was taught to do without guidance, and they ask for it.
        """
        for field in () if self.has_scales else _SCALES:
            if (scale := getattr(settings, field)) != 1:
                raise InvalidEdit(
                    field, f"{scale:g} is not allowed: this model does without guidance; give 1 or none."
                )
