"""A photo on its way into a model and back: read, shown at a size the model can do, its edit brought up.

Law: the result has the photo's size, upright, with its alpha; the photo's own detail stays where nothing was
edited.
"""

import hashlib
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, Self

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from editors.model.diffusion_model import DiffusionModel
from editors.pictures.detail_transfer import transfer_change
from editors.pictures.images import from_white, read_picture, to_image, to_pixels
from editors.requests.edits import PictureSource
from editors.requests.picture import Picture


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Photo:
    """A decoded photo.

    Attributes:
        picture: As uploaded, upright.
        pixels: What the model is shown, `(H, W, 3)` in [0, 1], at the size it works at.
        digest: Of these pixels: two photos of one digest are the same to the model.
    """

    picture: Picture
    pixels: NDArray[np.float32]
    digest: str

    @classmethod
    def read(
        cls,
        source: PictureSource,
        model: DiffusionModel,
        *,
        resolution: int | None = None,
        field: str = "original_image",
    ) -> Self:
        """Decode a photo for a model.

        Args:
            source: The photo.
            model: The model.
            resolution: Side of the square whose area the model is to work on; None takes the model's own.
            field: Of the request, for the sentence.

        Raises:
            InvalidEdit: It is no picture that can be used.
        """
        picture = read_picture(field, source)
        size = model.size_for(picture.size, resolution=resolution)
        seen = picture.on_white()
        small = seen if seen.size == size else seen.resize(size, Image.Resampling.LANCZOS)
        digest = hashlib.sha256(f"{small.size}".encode() + small.tobytes()).hexdigest()
        return cls(picture=picture, pixels=to_pixels(small), digest=digest)

    @property
    def seen(self) -> Image.Image:
        """What the model is shown, as a picture, (W, H) of RGB."""
        return to_image(self.pixels)

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) that the model works at, in pixels."""
        return self.pixels.shape[1], self.pixels.shape[0]

    def brought_back(
        self,
        after: NDArray[np.float32],
        full_size: Literal["change", "resize"],
        *,
        before: Callable[[], NDArray[np.float32]],
    ) -> Image.Image:
        """Bring an edit to the photo's size and alpha.

        Args:
            after: The edited picture, `(H, W, 3)` in [0, 1] at the working size.
            full_size: As in `PromptEdit`.
            before: Draws the photo as the model redraws it, unedited, likewise; called where it is needed.
        """
        if full_size == "change":
            seen = transfer_change(self.picture.on_white(), before(), after)
        else:
            seen = to_image(after).resize(self.picture.size, Image.Resampling.BICUBIC)
        return from_white(self.picture, seen)

    def psnr(self, redrawn: NDArray[np.float32]) -> float:
        """Say how close a redrawn picture, `(H, W, 3)` in [0, 1], is to what the model was shown, in dB."""
        error = float(np.square(self.pixels - redrawn, dtype=np.float64).mean())
        return math.inf if error == 0 else -10 * math.log10(error)


def encode(photos: Sequence[Photo], model: DiffusionModel) -> Tensor:
    """Return the latents of photos of one size, as the posterior gives them, float32 (B, C, h, w)."""
    pixels = torch.stack([torch.from_numpy(photo.pixels).permute(2, 0, 1) * 2 - 1 for photo in photos])
    # Channels last, as diffusers leaves pictures: then even the rounding is the same.
    return model.picture_latents(pixels.contiguous(memory_format=torch.channels_last)).float()
