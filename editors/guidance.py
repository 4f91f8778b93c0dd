"""Guidance as arithmetic: how predictions with and without their conditions become one.

References: Jonathan Ho, Tim Salimans, "Classifier-Free Diffusion Guidance" (2022, arXiv 2207.12598); Tim
Brooks, Aleksander Holynski, Alexei A. Efros, "InstructPix2Pix: Learning to Follow Image Editing Instructions"
(2023, arXiv 2211.09800), Eq. 3.

Law: `dual` with two equal scales is `cfg`, with two ones it is the fully conditioned prediction, and a branch
whose coefficient is zero may be left out (None) without changing the result.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from torch import Tensor
from torch.nn.functional import pixel_shuffle, pixel_unshuffle


class Guidance(Protocol):
    """A rule that combines predictions under several conditions."""

    @property
    def conditions(self) -> tuple[str, ...]:
        """Names of the conditions whose coefficient is not zero, in the order of a batch's rows."""
        ...

    def combine(self, predictions: Mapping[str, Tensor]) -> Tensor:
        """Combine the predictions, (B, C, h, w), of these conditions."""
        ...


@dataclass(frozen=True, slots=True)
class Plain:
    """Guidance by a prompt: `cfg`.

    Attributes:
        guidance_scale: s.
    """

    guidance_scale: float

    @property
    def conditions(self) -> tuple[str, ...]:
        """`unconditional` and `conditional`, as far as they have a weight: 1 − s and s."""
        weighed = {"unconditional": self.guidance_scale != 1, "conditional": self.guidance_scale != 0}
        return tuple(name for name, counts in weighed.items() if counts)

    def combine(self, predictions: Mapping[str, Tensor]) -> Tensor:
        """Combine the predictions of the conditions."""
        return cfg(predictions.get("unconditional"), predictions.get("conditional"), self.guidance_scale)


@dataclass(frozen=True, slots=True)
class Dual:
    """Guidance by a picture and an instruction: `dual`.

    Attributes:
        image_guidance_scale: s_I.
        guidance_scale: s_T.
    """

    image_guidance_scale: float
    guidance_scale: float

    @property
    def conditions(self) -> tuple[str, ...]:
        """`full`, `image` and `uncond`, as far as they have a weight."""
        needed = branches(self.image_guidance_scale, self.guidance_scale)
        return tuple(name for name in ("full", "image", "uncond") if getattr(needed, name))

    def combine(self, predictions: Mapping[str, Tensor]) -> Tensor:
        """Combine the predictions of the conditions."""
        uncond, image, full = (predictions.get(name) for name in ("uncond", "image", "full"))
        return dual(uncond, image, full, self.image_guidance_scale, self.guidance_scale)


@dataclass(frozen=True, slots=True)
class TokenNorm:
    """Guidance that changes the direction of a prediction at each token, not its length.

    Reference: diffusers' QwenImageEditPlusPipeline, whose true guidance does so.

    Attributes:
        guidance: What predictions are combined by.
        patch: Latents to a side of a token.
    """

    guidance: Guidance
    patch: int

    @property
    def conditions(self) -> tuple[str, ...]:
        """Those that have a weight."""
        return self.guidance.conditions

    def combine(self, predictions: Mapping[str, Tensor]) -> Tensor:
        """Combine the predictions; the length of `full` is kept, where it counts: `g·‖e(I,T)‖ / ‖g‖`."""
        guided = self.guidance.combine(predictions)
        if "full" not in predictions:
            return guided
        whole, own = (pixel_unshuffle(one, self.patch) for one in (predictions["full"], guided))
        return pixel_shuffle(
            own * (whole.norm(dim=1, keepdim=True) / own.norm(dim=1, keepdim=True)), self.patch
        )


class Branches(NamedTuple):
    """Flags of the three predictions of `dual`: True where the coefficient is not zero."""

    uncond: bool
    image: bool
    full: bool


def cfg(e_uncond: Tensor | None, e_cond: Tensor | None, guidance_scale: float) -> Tensor:
    """Guide by one condition: `e(∅) + s·(e(c) − e(∅))`.

    Args:
        e_uncond: Prediction without the condition, (B, C, h, w). May be None at scale 1.
        e_cond: Prediction under the condition, (B, C, h, w). May be None at scale 0.
        guidance_scale: s; 0 forgets the condition, 1 follows it plainly, more exaggerates it.

    Returns:
        The guided prediction, (B, C, h, w).
    """
    uncond, cond = _stand_in(e_uncond, e_cond)
    return uncond + guidance_scale * (cond - uncond)


def dual(
    e_uncond: Tensor | None,
    e_image: Tensor | None,
    e_full: Tensor | None,
    image_guidance_scale: float,
    guidance_scale: float,
) -> Tensor:
    """Guide by picture and by text: `e(∅,∅) + s_I·(e(I,∅) − e(∅,∅)) + s_T·(e(I,T) − e(I,∅))` (Eq. 3).

    Args:
        e_uncond: e(∅,∅), neither picture nor text, (B, C, h, w). May be None where s_I = 1.
        e_image: e(I,∅), picture alone, (B, C, h, w). May be None where s_I = s_T.
        e_full: e(I,T), picture and text, (B, C, h, w). May be None where s_T = 0.
        image_guidance_scale: s_I, any number from 0.
        guidance_scale: s_T, any number from 0.

    Returns:
        The guided prediction, (B, C, h, w).
    """
    # An absent prediction has coefficient zero, so a neighbour may stand in: the difference it takes part in
    # vanishes, and what is left is the formula without it, in the order that loses least to rounding.
    uncond, image, full = _stand_in(e_uncond, e_image, e_full)
    return uncond + guidance_scale * (full - image) + image_guidance_scale * (image - uncond)


def branches(image_guidance_scale: float, guidance_scale: float) -> Branches:
    """Tell which predictions `dual` needs: their coefficients are 1 − s_I, s_I − s_T and s_T."""
    return Branches(
        uncond=image_guidance_scale != 1,
        image=image_guidance_scale != guidance_scale,
        full=guidance_scale != 0,
    )


def _stand_in(*predictions: Tensor | None) -> list[Tensor]:
    """Put the nearest present prediction, earlier ones first, in the place of each absent one."""
    present = [prediction for prediction in predictions if prediction is not None]
    if not present:
        raise ValueError("Guidance needs at least one prediction.")
    chosen, last = [], present[0]
    for prediction in predictions:
        last = prediction if prediction is not None else last
        chosen.append(last)
    return chosen
