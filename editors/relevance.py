"""Where an instruction acts: the difference that it makes to the prediction, and the region that follows.

Reference: Ashkan Mirzaei, Tristan Aumentado-Armstrong, Marcus A. Brubaker, Jonathan Kelly, Alex Levinshtein,
Konstantinos G. Derpanis, Igor Gilitschenski, "Watch Your Steps: Local Image and Scene Editing by Text
Instructions" (2023, arXiv 2308.08947), §4.1, read in the loop that draws the edit: both predictions are
evaluated for guidance anyway.

Laws: watching changes no prediction. A smaller region lies in every larger one; where its share is 0 the
picture is the original, byte for byte, and at `only` 0 everything may change.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.nn.functional import interpolate, max_pool2d

from editors.guidance import Guidance
from editors.pictures.images import composite
from editors.pictures.masks import feathered

_MIDDLE: Final = (0.25, 0.75)
"""Of the steps: before, nothing is laid out yet; after, only detail is left to tell apart."""
_FULL: Final = 0.95
"""The quantile of a map that is told as 1: single places stand out further."""
_OF_A_PART: Final = 0.4
"""The middle of a map from which on the instruction is about the whole picture; `wordbrush eval scenes
--held-to` counts by kind how many edits lie below."""
_FINE: Final = 8
"""Places to a cell of the latents at which a region is drawn."""
_GROWN: Final = 6
"""Of these places, by which a region is grown to each side: a map of cells cuts into things."""
WHOLE: Final = (
    "The instruction seems to be about the whole picture: with `only` parts of it stay as they were. Lower "
    "it, or leave it out."
)
_SEAM: Final = 3
"""Of these places, over which a region fades out on its inside."""


@dataclass(frozen=True, slots=True)
class Watched:
    """Guidance that lets both predictions be seen that an instruction's difference is told by.

    Attributes:
        guidance: What predictions are combined by.
        see: Takes e(I,T) and e(I,∅), (B, C, h, w) each, at every call.
    """

    guidance: Guidance
    see: Callable[[Tensor, Tensor], None]

    @property
    def conditions(self) -> tuple[str, ...]:
        """Those that have a weight, and the two that are seen."""
        return tuple(dict.fromkeys((*self.guidance.conditions, "full", "image")))

    def combine(self, predictions: Mapping[str, Tensor]) -> Tensor:
        """Show two predictions, and combine those that have a weight."""
        self.see(predictions["full"], predictions["image"])
        return self.guidance.combine({name: predictions[name] for name in self.guidance.conditions})


class Relevance:
    """The differences of a sampling loop; `see` is for `Watched`."""

    def __init__(self) -> None:
        self._differences: list[Tensor] = []

    def see(self, e_full: Tensor, e_image: Tensor) -> None:
        """Take the predictions with and without the instruction, (B, C, h, w) each."""
        self._differences.append((e_full - e_image).abs().mean(1).float().cpu())

    def maps(self) -> NDArray[np.float32]:
        """Return where the instructions act, (B, h, w) from 0; 1 is a place that few surpass."""
        calls = len(self._differences)
        first = int(_MIDDLE[0] * calls)
        middle = self._differences[first : max(first + 1, int(_MIDDLE[1] * calls) + 1)]
        mean = torch.stack(middle).mean(0)  # (B, h, w)
        full = mean.flatten(1).quantile(_FULL, dim=1)[:, None, None]
        found: NDArray[np.float32] = (mean / full.clamp(min=torch.finfo(mean.dtype).tiny)).numpy()
        return found


def region(relevance: NDArray[np.float32], only: float, size: tuple[int, int]) -> NDArray[np.uint8]:
    """Return how much of each pixel may be the edit's.

    Args:
        relevance: Where the instruction acts, (h, w), from `Relevance.maps`.
        only: From 0, everything may change, to 1, only where it acts most.
        size: (width, height) of the picture.

    Returns:
        (H, W) from 0, the original's, to 255, the edit's; with a soft seam on the inside.
    """
    if only == 0:
        return np.full(size[::-1], 255, np.uint8)
    cells = torch.from_numpy(relevance)[None, None]
    fine = interpolate(cells, scale_factor=_FINE, mode="bilinear", align_corners=False)
    found = (fine >= only).float()
    grown = max_pool2d(found, kernel_size=2 * _GROWN + 1, stride=1, padding=_GROWN)[0, 0] > 0
    share = Image.fromarray(feathered(grown, width=_SEAM))
    return np.asarray(share.resize(size, Image.Resampling.BILINEAR))


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Reach:
    """An edit that can be held to where its instruction acts, after it is drawn.

    Attributes:
        relevance: Where it acts, (h, w), from `Relevance.maps`.
        original: The picture.
        everywhere: The edit of all of it.
        mask: What the user painted, (H, W) from 0, must stay, to 255, may change; both hold.
    """

    relevance: NDArray[np.float32]
    original: Image.Image
    everywhere: Image.Image
    mask: NDArray[np.uint8] | None = None

    def share(self, only: float) -> NDArray[np.uint8]:
        """Return how much of each pixel is the edit's, (H, W) from 0 to 255."""
        found = region(self.relevance, only, self.original.size)
        return found if self.mask is None else np.minimum(found, self.mask)

    def at(self, only: float) -> Image.Image:
        """Return the edit at another `only`, from 0, everything, to 1, only where it acts most."""
        if only == 0 and self.mask is None:
            return self.everywhere
        return composite(self.original, self.everywhere, self.share(only))

    @property
    def is_of_a_part(self) -> bool:
        """Whether the instruction acts on a part of the picture, rather than on all of it alike."""
        return bool(np.median(self.relevance) < _OF_A_PART)

    def notes(self, only: float) -> tuple[str, ...]:
        """Return what people should know of the edit at an `only`."""
        return () if only == 0 or self.is_of_a_part else (WHOLE,)
