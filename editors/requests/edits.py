"""Edits: the requests.

References: Amir Hertz, Ron Mokady, Jay Tenenbaum, Kfir Aberman, Yael Pritch, Daniel Cohen-Or,
"Prompt-to-Prompt Image Editing with Cross Attention Control" (2022, arXiv 2208.01626); Tim Brooks, Aleksander
Holynski, Alexei A. Efros, "InstructPix2Pix: Learning to Follow Image Editing Instructions" (2023, arXiv
2211.09800); Andreas Lugmayr, Martin Danelljan, Andres Romero, Fisher Yu, Radu Timofte, Luc Van Gool,
"RePaint: Inpainting using Denoising Diffusion Probabilistic Models" (2022, arXiv 2201.09865).

Law: a request is valid from the moment it exists. Every rule lives here, once, and neither command
line nor page nor Python can go round it. Importing this module imports no torch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, get_args

from PIL import Image

from editors.checks import shown
from editors.errors import InvalidEdit
from editors.requests import rules
from editors.requests.picture import Picture
from editors.requests.request import Request

__all__ = [
    "INVERSIONS",
    "SIDES",
    "Edit",
    "InstructionEdit",
    "LocalBlend",
    "OutpaintEdit",
    "PictureSource",
    "PromptEdit",
    "StepWindow",
    "WordWindows",
]

PictureSource = Image.Image | Picture | str | Path
"""A picture in memory, one that `editors.pictures.images.read_picture` has decoded, or the path of one."""

StepWindow = float | tuple[float, float]
"""When something acts: a fraction of the steps from the first on, or (start, end) fractions; 1 is all."""

Inversion = Literal["direct", "ddim", "negative_prompt", "null_text", "edit_friendly", "flow_edit"]
"""How the noise is found that a photograph would have been drawn from: `prompt_to_prompt.inversion`."""

INVERSIONS: tuple[Inversion, ...] = get_args(Inversion)

BLEND_START = 0.2
"""Fraction of the steps after which an edit is kept to some words' place, where nobody says."""

SIDES = ("left", "top", "right", "bottom")
"""Of a picture, where something can be added."""

WordWindows = StepWindow | Mapping[str, StepWindow]
"""One window for all words, or one per word with "default" for the rest."""


@dataclass(frozen=True, kw_only=True, slots=True)
class InstructionEdit(Request):
    """Change a picture as an instruction says (InstructPix2Pix).

    Attributes:
        original_image: The picture to edit: a PIL image, a decoded `Picture`, or a path.
        edit_prompt: What to change, in words: "make it night".
        guidance_scale: How strongly to follow the instruction (s_T), 0 to 100; None takes what the model
            recommends, 7.5 where it says nothing.
        image_guidance_scale: How closely to keep to the picture (s_I), 0 to 100; None takes what the model
            recommends, 1.5 where it says nothing.
        num_inference_steps: Denoising steps, 1 to 1000; None takes what the model recommends, 20 where it
            says nothing.
        seed: Of the noise, 0 to 4294967295; None draws one, which the result reports.
        mask: White where the picture may change, black where it must stay pixel for pixel; the picture's
            size.
        full_size: How the edit comes to the picture, whatever size the model works at: "change" transfers
            the change and keeps the picture's own detail; "resize" takes what the model drew, at its size.
        resolution: Side in pixels of the square whose area the model works on; None: the model's own.
        only: How closely to keep to where the instruction acts, from 0, everything may change, to 1, only
            where it acts most; the rest stays pixel for pixel. 0.5 suits changes of one thing; None does not
            ask.
        references: Further pictures that the instruction is about, "picture 2" and so on, for models that
            take some; None: the picture alone.
        forecast: Of how many steps one is computed, 1 to 4, but for the first four and the last tenth, all
            of which are; the others are forecast. None computes all, unless the model recommends another
            with as many steps as these.
    """

    original_image: PictureSource
    edit_prompt: str
    guidance_scale: float | None = None
    image_guidance_scale: float | None = None
    num_inference_steps: int | None = None
    seed: int | None = None
    mask: PictureSource | None = None
    full_size: Literal["change", "resize"] = "change"
    resolution: int | None = None
    only: float | None = None
    forecast: int | None = None
    references: Sequence[PictureSource] | None = None

    def __post_init__(self) -> None:
        rules.picture("original_image", self.original_image)
        rules.prompt("edit_prompt", self.edit_prompt)
        for name, rule in (
            ("guidance_scale", rules.scale),
            ("image_guidance_scale", rules.scale),
            ("num_inference_steps", rules.steps),
            ("forecast", rules.forecast),
        ):
            if getattr(self, name) is not None:
                rule(name, getattr(self, name))
        rules.seed(self.seed)
        rules.choice("full_size", self.full_size, ("change", "resize"))
        if self.mask is not None:
            rules.picture("mask", self.mask)
        if self.resolution is not None:
            rules.whole_number("resolution", self.resolution, *rules.SIDE)
        if self.only is not None:
            rules.number("only", self.only, 0, 1)
        if self.references is not None:
            object.__setattr__(self, "references", rules.pictures("references", self.references) or None)


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
    start: float = BLEND_START

    def __post_init__(self) -> None:
        object.__setattr__(self, "original", rules.words("local_blend.original", self.original))
        object.__setattr__(self, "edited", rules.words("local_blend.edited", self.edited))
        if not self.original and not self.edited:
            raise InvalidEdit(
                "local_blend", "names no word, so nothing could change; give words of one prompt or both."
            )
        rules.number("local_blend.threshold", self.threshold, 0, 1, above=True)
        rules.number("local_blend.start", self.start, 0, 1)


@dataclass(frozen=True, kw_only=True, slots=True)
class PromptEdit(Request):
    """Change a picture by changing the prompt that made it, or that describes it (Prompt-to-Prompt, Alg. 1).

    Attributes:
        original_prompt: The prompt of the original picture; of a photo, what can be seen on it.
        edited_prompt: The prompt of the edited picture.
        operation: "replace" swaps words one for one, "refine" adds or drops words, "auto" looks at the
            prompts.
        recipe: "paper" controls cross- and self-attention in the conditional half; "instruct_pix2pix"
            controls self-attention alone, in every layer and both halves, as the InstructPix2Pix data was
            made.
        word_weights: Word of the edited prompt -> factor on its attention; 1 changes nothing, -100 to 100.
        cross_replace_steps: When the original's cross-attention is used: a fraction of the steps, a (start,
            end) pair of fractions, or one of these per word of the edited prompt with "default" for the rest;
            None takes what the model recommends, 0.8 where it says nothing.
        self_replace_steps: When the original's self-attention is used: a fraction of the steps, or a pair;
            None takes what the model recommends, 0.4 where it says nothing.
        layers: Attention layers that it acts in: a fraction of them from the first on, or a pair; None: all.
        start: Fraction of the steps after which the edit begins, 0 to 1; until then it is the original.
        local_blend: Keep the edit to where some words are.
        only: How closely to keep to where the words are that changed, from 0, everything may change, to 1,
            only where they are looked at most; the rest stays pixel for pixel. 0.3 suits changes of one
            thing; None does not ask.
        mask: White where the picture may change, black where it must stay pixel for pixel; the picture's
            size.
        guidance_scale: How strongly to follow the prompts, 0 to 100; None takes what the model recommends,
            7.5 where it says nothing.
        num_inference_steps: Denoising steps, 1 to 1000; None takes what the model recommends, 50 where it
            says nothing.
        seed: Of the noise, 0 to 4294967295; None draws one, which the result reports.
        width: Of drawn pictures, in pixels; None: the model's own. A photo keeps its size.
        height: Of drawn pictures, in pixels; None: the model's own. A photo keeps its size.
        original_image: The photo to edit, a PIL image or a path; None draws the original from its prompt.
        inversion: How the noise is found that the photo would have been drawn from.
        full_size: How the edit comes to the photo, whatever size the model works at: "change" transfers
            the change and keeps the photo's own detail; "resize" takes what the model drew, at its size.
        heat_maps: Whether to tell where each word is looked at; it costs time.
    """

    original_prompt: str
    edited_prompt: str
    operation: Literal["auto", "replace", "refine"] = "auto"
    recipe: Literal["paper", "instruct_pix2pix"] = "paper"
    word_weights: Mapping[str, float] = field(default_factory=dict)
    cross_replace_steps: WordWindows | None = None
    self_replace_steps: StepWindow | None = None
    local_blend: LocalBlend | None = None
    only: float | None = None
    mask: PictureSource | None = None
    guidance_scale: float | None = None
    num_inference_steps: int | None = None
    seed: int | None = None
    width: int | None = None
    height: int | None = None
    original_image: PictureSource | None = None
    inversion: Inversion = "direct"
    full_size: Literal["change", "resize"] = "change"
    heat_maps: bool = False
    layers: StepWindow | None = None
    start: float | None = None

    def __post_init__(self) -> None:
        self._check_photo()
        rules.prompt("original_prompt", self.original_prompt)
        rules.prompt("edited_prompt", self.edited_prompt)
        rules.choice("operation", self.operation, ("auto", "replace", "refine"))
        rules.choice("recipe", self.recipe, ("paper", "instruct_pix2pix"))
        if self.guidance_scale is not None:
            rules.scale("guidance_scale", self.guidance_scale)
        if self.num_inference_steps is not None:
            rules.steps("num_inference_steps", self.num_inference_steps)
        rules.seed(self.seed)
        object.__setattr__(self, "word_weights", rules.weights("word_weights", self.word_weights))
        object.__setattr__(self, "cross_replace_steps", self._windows("cross_replace_steps"))
        object.__setattr__(self, "self_replace_steps", self._window("self_replace_steps"))
        object.__setattr__(self, "layers", self._window("layers"))
        if self.start is not None:
            rules.number("start", self.start, 0, 1)
        if self.recipe == "instruct_pix2pix" and any(weight != 1 for weight in self.word_weights.values()):
            raise InvalidEdit(
                "word_weights",
                'the recipe "instruct_pix2pix" leaves attention to words alone; '
                'choose the recipe "paper", or leave the weights out.',
            )
        if self.local_blend is not None and not isinstance(self.local_blend, LocalBlend):
            raise InvalidEdit(
                "local_blend",
                f"{self.local_blend!r} is no LocalBlend; write LocalBlend(original=('cat',), …).",
            )
        if self.only is not None:
            rules.number("only", self.only, 0, 1)
        if self.only and self.local_blend is not None:
            raise InvalidEdit(
                "only", "goes by the words that changed, and local_blend names words: leave one of them out."
            )
        if self.mask is not None:
            rules.picture("mask", self.mask)
        for name, side in (("width", self.width), ("height", self.height)):
            if side is not None:
                rules.whole_number(name, side, *rules.SIDE)

    @classmethod
    def _parts(cls) -> Mapping[str, type]:
        return {"local_blend": LocalBlend}

    def _check_photo(self) -> None:
        rules.choice("inversion", self.inversion, INVERSIONS)
        rules.choice("full_size", self.full_size, ("change", "resize"))
        rules.switch("heat_maps", self.heat_maps)
        if self.original_image is None:
            if self.inversion != "direct":
                raise InvalidEdit(
                    "inversion",
                    f"{self.inversion!r} needs a photo to invert; give original_image, "
                    "or leave the inversion out.",
                )
            return
        rules.picture("original_image", self.original_image)
        if isinstance(self.original_prompt, str) and not self.original_prompt.strip():
            raise InvalidEdit(
                "original_prompt", "is empty; say in a few words what can be seen on the photo."
            )
        for name in ("width", "height"):
            if getattr(self, name) is not None:
                raise InvalidEdit(
                    name,
                    f"{shown(getattr(self, name))} is not allowed with a photo, "
                    "which keeps its size; leave it out.",
                )

    def _window(self, name: str) -> StepWindow | None:
        value = getattr(self, name)
        return None if value is None else rules.window(name, value)

    def _windows(self, name: str) -> WordWindows | None:
        value = getattr(self, name)
        if not isinstance(value, Mapping):
            return self._window(name)
        return {rules.word(name, key): rules.window(f"{name}[{key}]", one) for key, one in value.items()}


@dataclass(frozen=True, kw_only=True, slots=True)
class OutpaintEdit(Request):
    """Draw what lies around a picture (RePaint); the picture itself stays, pixel for pixel.

    Attributes:
        original_image: The picture to extend: a PIL image, a decoded `Picture`, or a path.
        prompt: What can be seen on all of it, in a few words; empty goes by the picture alone.
        left: Pixels to add on the left, 0 to 8192, at most as many as the picture is wide.
        top: Pixels to add above, 0 to 8192, at most as many as it is high.
        right: Pixels to add on the right, likewise.
        bottom: Pixels to add below, likewise.
        guidance_scale: How strongly to follow the prompt, 0 to 100; at 1 what is drawn fits the picture best.
        num_inference_steps: Denoising steps, 1 to 1000; None takes what the model recommends, 50 where it
            says nothing.
        num_resamples: How often each step is taken, 1 to 20: more joins what is new to what was there, and
            takes as many times as long.
        seed: Of the noise, 0 to 4294967295; None draws one, which the result reports.
        resolution: Side in pixels of the square whose area the model works on; None: the model's own.
    """

    original_image: PictureSource
    prompt: str = ""
    left: int = 0
    top: int = 0
    right: int = 0
    bottom: int = 0
    guidance_scale: float = 1.0
    num_inference_steps: int | None = None
    num_resamples: int = 5
    seed: int | None = None
    resolution: int | None = None

    def __post_init__(self) -> None:
        rules.picture("original_image", self.original_image)
        if self.prompt != "":
            rules.prompt("prompt", self.prompt)
        for name in SIDES:
            rules.whole_number(name, getattr(self, name), *rules.MARGIN)
        if not any(self.margins):
            raise InvalidEdit("", f"Nothing is to be added; say how many pixels: {', '.join(SIDES)}.")
        rules.scale("guidance_scale", self.guidance_scale)
        if self.num_inference_steps is not None:
            rules.steps("num_inference_steps", self.num_inference_steps)
        rules.whole_number("num_resamples", self.num_resamples, *rules.RESAMPLES)
        rules.seed(self.seed)
        if self.resolution is not None:
            rules.whole_number("resolution", self.resolution, *rules.SIDE)

    @property
    def margins(self) -> tuple[int, int, int, int]:
        """(left, top, right, bottom) in pixels."""
        return self.left, self.top, self.right, self.bottom


Edit = InstructionEdit | PromptEdit | OutpaintEdit
