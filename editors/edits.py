"""What an edit is: the requests, what comes out of them, and what every editor can do.

References: Amir Hertz, Ron Mokady, Jay Tenenbaum, Kfir Aberman, Yael Pritch, Daniel Cohen-Or,
"Prompt-to-Prompt Image Editing with Cross Attention Control" (2022, arXiv 2208.01626); Tim Brooks, Aleksander
Holynski, Alexei A. Efros, "InstructPix2Pix: Learning to Follow Image Editing Instructions" (2023, arXiv
2211.09800).

Law: a request is valid from the moment it exists. Every rule lives here, once, and no door (command line,
page, Python) can go round it. Importing this module imports no torch.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, Protocol, Self, TypeVar

from PIL import Image

from . import rules
from .errors import InvalidEdit

if TYPE_CHECKING:
    from torch import Tensor

PictureSource = Image.Image | str | Path
"""A picture in memory, or the path of one."""

StepWindow = float | tuple[float, float]
"""When something acts: a fraction of the steps from the first on, or (start, end) fractions; 1 is all."""

WordWindows = StepWindow | Mapping[str, StepWindow]
"""One window for all words, or one per word with "default" for the rest."""


STANDARD_SCALES: Mapping[str, float] = MappingProxyType({"guidance_scale": 7.5, "image_guidance_scale": 1.5})
"""What Stable Diffusion's family is used with, where a model recommends nothing else."""


@dataclass(frozen=True, kw_only=True, slots=True)
class InstructionEdit:
    """Change a picture as an instruction says (InstructPix2Pix).

    Attributes:
        original_image: The picture to edit: a PIL image or a path.
        edit_prompt: What to change, in words: "make it night".
        guidance_scale: How strongly to follow the instruction (s_T), 0 to 100; None takes what the model
            recommends, 7.5 where it says nothing.
        image_guidance_scale: How closely to keep to the picture (s_I), 0 to 100; None takes what the model
            recommends, 1.5 where it says nothing.
        num_inference_steps: Denoising steps, 1 to 1000.
        seed: Of the noise, 0 to 4294967295; None draws one, which the result reports.
        mask: White where the picture may change, black where it must stay pixel for pixel; the picture's
            size.
        full_size: How the edit comes back to the picture's size, where the model works at another: "change"
            transfers the change and keeps the picture's own detail, "resize" enlarges what the model drew.
        resolution: Side in pixels of the square whose area the model works on; None: the model's own.
    """

    original_image: PictureSource
    edit_prompt: str
    guidance_scale: float | None = None
    image_guidance_scale: float | None = None
    num_inference_steps: int = 20
    seed: int | None = None
    mask: PictureSource | None = None
    full_size: Literal["change", "resize"] = "change"
    resolution: int | None = None

    def __post_init__(self) -> None:
        rules.picture("original_image", self.original_image)
        rules.prompt("edit_prompt", self.edit_prompt)
        for name in STANDARD_SCALES:
            if getattr(self, name) is not None:
                rules.scale(name, getattr(self, name))
        rules.whole_number("num_inference_steps", self.num_inference_steps, *rules.STEPS)
        rules.seed(self.seed)
        rules.choice("full_size", self.full_size, ("change", "resize"))
        if self.mask is not None:
            rules.picture("mask", self.mask)
        if self.resolution is not None:
            rules.whole_number("resolution", self.resolution, *rules.SIDE)

    def settled(self, seed: int, recommended: Mapping[str, float]) -> Self:
        """Return this request as it is carried out: seed drawn, absent scales the recommended ones."""
        return replace(self, seed=seed, **_scales(self, recommended))

    def to_json(self) -> str:
        """Write the request as JSON; pictures go in by reference (path, or content hash of one in memory)."""
        return _to_json(self)

    @classmethod
    def from_json(cls, text: str, *, pictures: Mapping[str, Image.Image] | None = None) -> Self:
        """Read a request back; pictures in memory are looked up in `pictures` by their reference.

        Raises:
            InvalidEdit: The text is no such request, or a field of it is wrong.
        """
        return cls(**_from_json(cls, text, pictures or {}))


@dataclass(frozen=True, kw_only=True, slots=True)
class LocalBlend:
    """Keep an edit to where some words are (Prompt-to-Prompt, "Local Editing").

    Attributes:
        original: Words of the original prompt whose place may change.
        edited: Words of the edited prompt whose place may change.
        threshold: Share of the strongest attention from which a place counts, above 0, up to 1.
        start: Fraction of the steps after which blending begins, 0 to 1.
    """

    original: tuple[str, ...] = ()
    edited: tuple[str, ...] = ()
    threshold: float = 0.3
    start: float = 0.2

    def __post_init__(self) -> None:
        object.__setattr__(self, "original", rules.words("local_blend.original", self.original))
        object.__setattr__(self, "edited", rules.words("local_blend.edited", self.edited))
        if not self.original and not self.edited:
            raise InvalidEdit(
                "local_blend: names no word, so nothing could change; give words of one prompt or both."
            )
        rules.number("local_blend.threshold", self.threshold, 0, 1, above=True)
        rules.number("local_blend.start", self.start, 0, 1)


@dataclass(frozen=True, kw_only=True, slots=True)
class PromptEdit:
    """Change a picture by changing the prompt that made it (Prompt-to-Prompt, Alg. 1).

    Attributes:
        original_prompt: The prompt of the original picture.
        edited_prompt: The prompt of the edited picture.
        operation: "replace" swaps words one for one, "refine" adds or drops words, "auto" looks at the
            prompts.
        recipe: "paper" controls cross- and self-attention in the conditional half; "instruct_pix2pix"
            controls self-attention alone, in every layer and both halves, as the InstructPix2Pix data was
            made.
        word_weights: Word of the edited prompt -> factor on its attention; 1 changes nothing, -100 to 100.
        cross_replace_steps: When the original's cross-attention is used: a fraction of the steps, a (start,
            end) pair of fractions, or one of these per word of the edited prompt with "default" for the rest.
        self_replace_steps: When the original's self-attention is used: a fraction of the steps, or a pair.
        local_blend: Keep the edit to where some words are.
        mask: White where the picture may change, black where it must stay pixel for pixel; the picture's
            size.
        guidance_scale: How strongly to follow the prompts, 0 to 100; None takes what the model recommends,
            7.5 where it says nothing.
        num_inference_steps: Denoising steps, 1 to 1000.
        seed: Of the noise, 0 to 4294967295; None draws one, which the result reports.
        width: Of the pictures, in pixels; None: the model's own.
        height: Of the pictures, in pixels; None: the model's own.
    """

    original_prompt: str
    edited_prompt: str
    operation: Literal["auto", "replace", "refine"] = "auto"
    recipe: Literal["paper", "instruct_pix2pix"] = "paper"
    word_weights: Mapping[str, float] = field(default_factory=dict)
    cross_replace_steps: WordWindows = 0.8
    self_replace_steps: StepWindow = 0.4
    local_blend: LocalBlend | None = None
    mask: PictureSource | None = None
    guidance_scale: float | None = None
    num_inference_steps: int = 50
    seed: int | None = None
    width: int | None = None
    height: int | None = None

    def __post_init__(self) -> None:
        rules.prompt("original_prompt", self.original_prompt)
        rules.prompt("edited_prompt", self.edited_prompt)
        rules.choice("operation", self.operation, ("auto", "replace", "refine"))
        rules.choice("recipe", self.recipe, ("paper", "instruct_pix2pix"))
        if self.guidance_scale is not None:
            rules.scale("guidance_scale", self.guidance_scale)
        rules.whole_number("num_inference_steps", self.num_inference_steps, *rules.STEPS)
        rules.seed(self.seed)
        object.__setattr__(self, "word_weights", rules.weights("word_weights", self.word_weights))
        object.__setattr__(self, "cross_replace_steps", self._windows("cross_replace_steps"))
        object.__setattr__(self, "self_replace_steps", self._window("self_replace_steps"))
        if self.recipe == "instruct_pix2pix" and any(weight != 1 for weight in self.word_weights.values()):
            raise InvalidEdit(
                'word_weights: the recipe "instruct_pix2pix" leaves attention to words alone; '
                'choose the recipe "paper", or leave the weights out.'
            )
        if self.local_blend is not None and not isinstance(self.local_blend, LocalBlend):
            raise InvalidEdit(
                f"local_blend: {self.local_blend!r} is no LocalBlend; write LocalBlend(original=('cat',), …)."
            )
        if self.mask is not None:
            rules.picture("mask", self.mask)
        for name, side in (("width", self.width), ("height", self.height)):
            if side is not None:
                rules.whole_number(name, side, *rules.SIDE)

    def settled(self, seed: int, recommended: Mapping[str, float]) -> Self:
        """Return this request as it is carried out: seed drawn, absent scales the recommended ones."""
        return replace(self, seed=seed, **_scales(self, recommended))

    def to_json(self) -> str:
        """Write the request as JSON; a mask goes in by reference (path, or content hash of one in memory)."""
        return _to_json(self)

    @classmethod
    def from_json(cls, text: str, *, pictures: Mapping[str, Image.Image] | None = None) -> Self:
        """Read a request back; pictures in memory are looked up in `pictures` by their reference.

        Raises:
            InvalidEdit: The text is no such request, or a field of it is wrong.
        """
        return cls(**_from_json(cls, text, pictures or {}))

    def _window(self, name: str) -> StepWindow:
        return rules.window(name, getattr(self, name))

    def _windows(self, name: str) -> WordWindows:
        value = getattr(self, name)
        if not isinstance(value, Mapping):
            return self._window(name)
        return {rules.word(name, key): rules.window(f"{name}[{key}]", one) for key, one in value.items()}


Edit = InstructionEdit | PromptEdit


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Step:
    """One denoising step that has been taken.

    Attributes:
        index: Which step, from 0.
        num_steps: How many there are; multistep schedulers may take a few more than were asked for.
        timestep: The scheduler's name for this noise level.
        latents: Where the pictures are now, (B, C, h, w).
        clean: Where the model, as of this step, thinks they will end, (B, C, h, w).
    """

    index: int
    num_steps: int
    timestep: int
    latents: Tensor
    clean: Tensor
    render: Callable[[Tensor], Image.Image] | None = field(default=None, repr=False)

    def preview(self) -> Image.Image:
        """Draw what the model now expects, small and fast; nothing is computed unless this is called."""
        if self.render is None:
            raise ValueError("This step comes from the bare sampling loop, which knows no decoder.")
        return self.render(self.clean)


EditT = TypeVar("EditT", bound="Edit")
EditT_contra = TypeVar("EditT_contra", bound="Edit", contravariant=True)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class EditResult:
    """A finished edit, with all that is needed to make it again.

    Attributes:
        edited_image: The edited picture, of the original's size.
        original_image: The original picture, upright, as the edit saw it.
        edit: The request as it was really carried out: its seed is filled in.
        seed: Of the noise.
        num_unet_rows: Rows of UNet evaluations that were spent: what the edit cost.
        seconds: Wall time.
        model: Name of the model.
        scheduler: Class name of the scheduler.
    """

    edited_image: Image.Image
    original_image: Image.Image | None
    edit: Edit
    seed: int
    num_unet_rows: int
    seconds: float
    model: str = ""
    scheduler: str = ""


class Editor(Protocol[EditT_contra]):
    """What every editor does: the same edit, watched or not."""

    @property
    def recommended(self) -> Mapping[str, float]:
        """The scales that a request takes where it names none."""
        ...

    def edit(self, edit: EditT_contra) -> EditResult:
        """Carry out the edit."""
        ...

    def stream(self, edit: EditT_contra) -> Generator[Step, None, EditResult]:
        """Carry out the edit step by step; closing the generator cancels, its return value is the result."""
        ...


def _scales(edit: Edit, recommended: Mapping[str, float]) -> dict[str, Any]:
    """Return a request's scales: its own, else the recommended, else the standard ones."""
    own = {name: getattr(edit, name) for name in STANDARD_SCALES if hasattr(edit, name)}
    other = {**STANDARD_SCALES, **recommended}
    return {name: other[name] if value is None else value for name, value in own.items()}


def _to_json(edit: Edit) -> str:
    record: dict[str, Any] = {"edit": type(edit).__name__}
    for item in fields(edit):
        value = getattr(edit, item.name)
        if isinstance(value, Image.Image | Path):
            value = rules.reference(value)
        elif isinstance(value, LocalBlend):
            value = {one.name: getattr(value, one.name) for one in fields(value)}
        record[item.name] = value
    return json.dumps(record, ensure_ascii=False)


def _from_json(cls: type[Edit], text: str, pictures: Mapping[str, Image.Image]) -> dict[str, Any]:
    try:
        record = json.loads(text)
    except (ValueError, TypeError, RecursionError):
        record = None
    if not isinstance(record, dict) or record.pop("edit", cls.__name__) != cls.__name__:
        raise InvalidEdit(f"The text is no {cls.__name__} in JSON; give what {cls.__name__}.to_json() wrote.")
    known = [item.name for item in fields(cls)]
    unknown = sorted(set(record) - set(known))
    if unknown:
        raise InvalidEdit(f"{unknown[0]}: is no field of {cls.__name__}; the fields are {', '.join(known)}.")
    for name in ("original_image", "mask"):
        if isinstance(record.get(name), str):
            record[name] = rules.dereference(name, record[name], pictures)
    if isinstance(record.get("local_blend"), dict):
        record["local_blend"] = _local_blend(record["local_blend"])
    missing = [name for name in _required(cls) if name not in record]
    if missing:
        raise InvalidEdit(f"{missing[0]}: is missing; a {cls.__name__} needs it.")
    return record


def _local_blend(record: dict[str, Any]) -> LocalBlend:
    unknown = sorted(set(record) - {item.name for item in fields(LocalBlend)})
    if unknown:
        raise InvalidEdit(f"local_blend.{unknown[0]}: is no field of LocalBlend.")
    return LocalBlend(**record)


def _required(cls: type[Edit]) -> list[str]:
    return (
        ["original_image", "edit_prompt"] if cls is InstructionEdit else ["original_prompt", "edited_prompt"]
    )
