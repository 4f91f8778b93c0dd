"""A prompt edit read against a model: what attention takes, where the edit may reach, at what size and cost.

References: Hertz et al., "Prompt-to-Prompt Image Editing with Cross Attention Control" (2022, arXiv
2208.01626); for the recipe `instruct_pix2pix`, Brooks et al., "InstructPix2Pix: Learning to Follow Image
Editing Instructions" (2023, arXiv 2211.09800), §3.1.2.

Law: whatever is wrong with a request for this model is said here, before anything is computed.
"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from editors.errors import InvalidEdit
from editors.guidance import Plain
from editors.model.attention import AttentionSite
from editors.model.diffusion_model import DiffusionModel
from editors.model.photo import Photo
from editors.model.tokens import Prompt
from editors.pictures.images import WHITE, read_mask
from editors.pictures.masks import shrink
from editors.prompt_to_prompt.alignment import (
    can_replace,
    changed_words,
    equalizer,
    indicator,
    refinement_mapper,
    replacement_mapper,
)
from editors.prompt_to_prompt.blend import Blend, WordMaps
from editors.prompt_to_prompt.controls import (
    AttentionObserver,
    CrossControl,
    InjectSelf,
    Refine,
    Replace,
    Reweight,
    RowControl,
    StepMix,
    compose,
    schedule,
)
from editors.prompt_to_prompt.heat_maps import HeatMaps
from editors.prompt_to_prompt.inversion.methods import METHODS
from editors.prompt_to_prompt.inversion.retraceable import require_invertible
from editors.prompt_to_prompt.records import sign
from editors.prompt_to_prompt.windows import bounds, window_alphas, window_steps
from editors.requests.edits import BLEND_START, PictureSource, PromptEdit
from editors.requests.settings import ResolvedEdit, Settings


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Plan:
    """A request as this model will carry it out.

    Attributes:
        edit: The request, with nothing left open.
        seed: Of the noise.
        settings: Its numbers.
        size: (h, w) of the latents.
        num_calls: Network calls, one or a few more than there are steps.
        halves: The halves of the batch, unconditional and conditional, that have a weight.
        controlled: Those in which the edit takes part.
        mixes: Per network call the mix of cross-attention maps, or None; empty for none at all.
        inject: The self-attention that is taken over.
        layers: Depths of the sites where any of it is.
        begin: The first call of the edit; before it, it is the original.
        prompts: The original and the edited prompt.
        photo: The photo to edit, or None.
        words: 1 at the tokens that the edit keeps to, `(2, K)`, of both prompts, or None.
        threshold: Share of the strongest attention from which a place counts for it.
        start: The first call after which it holds.
        painted: The user's mask in pixels of the original, `(H, W)`, or None.
        changes_nothing: Whether the edited picture is the original, because nothing that is told differs.
    """

    edit: PromptEdit
    seed: int
    settings: Settings
    size: tuple[int, int]
    num_calls: int
    halves: tuple[str, ...]
    controlled: tuple[str, ...]
    mixes: tuple[StepMix | None, ...]
    inject: InjectSelf
    layers: tuple[float, float]
    begin: int
    prompts: tuple[Prompt, Prompt]
    photo: Photo | None
    words: Tensor | None
    threshold: float
    start: int
    painted: NDArray[np.uint8] | None
    changes_nothing: bool

    @classmethod
    def of(cls, resolved: ResolvedEdit[PromptEdit], model: DiffusionModel) -> Self:
        """Read a request.

        Raises:
            InvalidEdit: The size, mask or number of steps cannot be used with this model.
            AlignmentError: A named word is not in its prompt, or a prompt is too long for this model.
        """
        edit, settings = resolved.edit, resolved.settings
        for name in ("original_prompt", "edited_prompt"):
            model.text.require_known(name, getattr(edit, name))
        original, edited = (
            model.tokenize(name, getattr(edit, name)) for name in ("original_prompt", "edited_prompt")
        )
        num_calls = model.num_calls(settings.num_inference_steps)
        photo = None
        if edit.original_image is not None:
            require_invertible(model.scheduler, edit.inversion)
            photo = Photo.read(edit.original_image, model)
        size = _latent_size(edit, model, photo)
        halves = Plain(settings.guidance_scale).conditions
        cross = _cross(edit, original, edited)
        alphas = window_alphas(settings.cross_replace_steps, edited, num_calls)
        mixes = schedule(compose(cross, edited.num_tokens), alphas, device=model.device, dtype=model.dtype)
        paper = edit.recipe == "paper"
        local = edit.local_blend
        width, height = (
            photo.picture.size if photo else [side * model.vae_scale_factor for side in reversed(size)]
        )
        says_the_same = original.ids == edited.ids and set(edit.word_weights.values()) <= {1}
        return cls(
            edit=edit,
            seed=resolved.seed,
            settings=settings,
            size=size,
            num_calls=num_calls,
            halves=halves,
            controlled=tuple(half for half in halves if half == "conditional" or not paper),
            mixes=mixes if paper else (),
            inject=InjectSelf(
                steps=window_steps(settings.self_replace_steps, num_calls), finest_level=1 if paper else 0
            ),
            layers=bounds(1 if edit.layers is None else edit.layers),
            begin=window_steps((edit.start or 0, 1), num_calls).start,
            prompts=(original, edited),
            photo=photo,
            words=_words(edit, original, edited),
            threshold=edit.only or (local.threshold if local else 1),
            start=window_steps((local.start if local else BLEND_START, 1), num_calls).start,
            painted=None if edit.mask is None else _painted(edit.mask, (width, height)),
            changes_nothing=says_the_same or halves == ("unconditional",),
        )

    @property
    def is_held(self) -> bool:
        """Whether the original is a photo that stays on its inverted path, rather than being drawn again."""
        return self.photo is not None and METHODS[self.edit.inversion].is_held

    @property
    def inversion(self) -> tuple[Hashable, ...]:
        """Cache key of a photo's trajectory."""
        assert self.photo is not None
        method, scale = self.edit.inversion, self.settings.guidance_scale
        own = METHODS[method].key(scale, self.seed)
        steps = self.settings.num_inference_steps
        return (self.photo.digest, self.edit.original_prompt, method, steps, self.size, *own)

    @property
    def source(self) -> tuple[Hashable, ...]:
        """Cache key of the original's picture: edits of one key share its rows."""
        if self.is_held:
            return self.inversion
        if self.photo is not None:
            return (*self.inversion, self.settings.guidance_scale)
        return (self.edit.original_prompt, self.seed, *self.batch_key)

    @property
    def lineage(self) -> tuple[Hashable, ...]:
        """Cache key shared by edits of one source, edited prompt and scale; they differ in `signs` alone."""
        return (self.source, self.edit.edited_prompt, self.settings.guidance_scale)

    @property
    def batch_key(self) -> tuple[Hashable, ...]:
        """Key of edits that may share a batch of the network."""
        method = self.edit.inversion if self.is_held else None
        return (self.size, self.settings.num_inference_steps, self.settings.guidance_scale, method)

    def signs(self) -> tuple[Hashable, ...]:
        """Return per network call all that acts in it: where two edits agree, so do their latents."""
        mixes = {id(mix): sign(mix.source, mix.own) for mix in self.mixes if mix is not None}
        painted = None if self.painted is None else sign(shrink(self.painted, self.size))
        words = None if self.words is None else sign(self.words)
        signs: list[Hashable] = []
        for call in range(self.num_calls):
            mix = mixes.get(id(self.mixes[call])) if self.mixes else None
            injected = (self.controlled, self.inject.finest_level) if call in self.inject.steps else None
            threshold = self.threshold if self.words is not None and call >= self.start else None
            acting = (mix, injected, self.layers, painted, words, threshold)
            told = (*acting, self.changes_nothing, self.edit.heat_maps)
            signs.append(("waits",) if call < self.begin else told)
        return tuple(signs)

    def takes(
        self, site: AttentionSite, call: int, observers: Sequence[AttentionObserver]
    ) -> tuple[str, ...]:
        """Return the halves of the original whose queries and keys the edit needs at a site and call."""
        if call < self.begin:
            return ()
        mixed = call < len(self.mixes) and self.mixes[call] is not None
        watched = any(observer.wants(site) for observer in observers)
        acts = site.is_within(self.layers)
        worded = site.is_cross and ((mixed and acts) or watched)
        return self._taken(worded=worded, injected=acts and self.inject.holds(site, call))

    def may_take(self, site: AttentionSite) -> tuple[str, ...]:
        """Return the halves whose queries and keys an edit of this recipe may need there, at some call."""
        acts = site.is_within(self.layers)
        worded = site.is_cross and acts and self.edit.recipe == "paper"
        return self._taken(worded=worded, injected=acts and self.inject.may_hold(site))

    def _taken(self, *, worded: bool, injected: bool) -> tuple[str, ...]:
        """Return the halves whose attention to words, to the picture, or to both is taken."""
        taken = {"conditional"} if worded else set()
        taken |= set(self.controlled) if injected else set()
        return tuple(half for half in self.halves if half in taken)

    def control(self, *, original: int, edited: int) -> RowControl:
        """Return what one row of the edit takes from one of the original."""
        return RowControl(
            original=original, edited=edited, cross=self.mixes, inject=self.inject, layers=self.layers
        )

    def heat_maps(self, sites: Sequence[AttentionSite]) -> HeatMaps | None:
        """Return a fresh observer of all words, if it is asked for, for a pair of rows."""
        if not self.edit.heat_maps or "conditional" not in self.halves:
            return None
        return HeatMaps(sites, self.prompts, size=self.size)

    def word_maps(self, sites: Sequence[AttentionSite]) -> WordMaps | None:
        """Return a fresh observer of the words of a local blend, if there is one, for a pair of rows."""
        if self.words is None or "conditional" not in self.halves:
            return None
        return WordMaps(sites, self.words, size=self.size)

    def blend(self, words: WordMaps | None) -> Blend:
        """Return what keeps the edit to its place."""
        return Blend(word_maps=words, threshold=self.threshold, start=self.start, painted=self.painted)


def _cross(edit: PromptEdit, original: Prompt, edited: Prompt) -> list[CrossControl]:
    """Choose the operations on cross-attention maps."""
    factors = equalizer(edited, edit.word_weights)
    if edit.operation == "replace" or (edit.operation == "auto" and can_replace(original, edited)):
        return [Replace(replacement_mapper(original, edited)), Reweight(factors)]
    return [Refine(refinement_mapper(original, edited)), Reweight(factors)]


def _words(edit: PromptEdit, original: Prompt, edited: Prompt) -> Tensor | None:
    """Return 1 at the tokens that the edit keeps to, `(2, K)`: the named ones, or those that changed."""
    local = edit.local_blend
    if local is not None:
        return torch.stack(
            (
                indicator(original, local.original, field="local_blend.original"),
                indicator(edited, local.edited, field="local_blend.edited"),
            )
        )
    if not edit.only:
        return None
    tokens = torch.zeros(2, original.num_tokens)
    weighed = [word for word, weight in edit.word_weights.items() if weight != 1]
    tokens[1] = indicator(edited, weighed, field="word_weights")
    for row, words in zip(tokens, changed_words(original, edited), strict=True):
        for word in words:
            row[list(word.tokens)] = 1
    return tokens if tokens.any() else None  # where nothing changed, the edit is the original anyway


def _painted(mask: PictureSource, size: tuple[int, int]) -> NDArray[np.uint8]:
    """Read the user's mask, (H, W)."""
    painted = read_mask("mask", mask, size)
    if painted.min() == WHITE:
        raise InvalidEdit(
            "mask",
            "is white all over, so it keeps nothing; paint black where the picture must stay, "
            "or leave the mask out.",
        )
    return painted


def _latent_size(edit: PromptEdit, model: DiffusionModel, photo: Photo | None) -> tuple[int, int]:
    """Return (h, w) of the latents for the photo, or the asked size, or the model's own."""
    factor, step = model.vae_scale_factor, model.size_step
    if photo is not None:
        _require_side("original_image", max(photo.size), model)
        return photo.size[1] // factor, photo.size[0] // factor
    sides = []
    for name, side in (("height", edit.height), ("width", edit.width)):
        side = side or model.native_size
        _require_side(name, side, model)
        if side % step:
            below = side - side % step
            raise InvalidEdit(
                name,
                f"{side} is not allowed, this model draws multiples of {step}; "
                f"give {below or step} or {below + step}.",
            )
        sides.append(side // factor)
    return sides[0], sides[1]


def _require_side(field: str, side: int, model: DiffusionModel) -> None:
    if model.max_side is not None and side > model.max_side:
        told = (
            "is too long and narrow for this model"
            if field == "original_image"
            else f"{side} is too large for this model"
        )
        raise InvalidEdit(field, f"{told}, which draws {model.max_side} pixels to a side at most.")
