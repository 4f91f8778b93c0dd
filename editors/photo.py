"""A photo on its way into a model and back: read, shown at a size the model can do, its edit brought up.

Law: the result has the photo's size, upright, with its alpha; the photo's own detail stays where nothing was
edited.
"""

import hashlib
import math
from dataclasses import dataclass
from typing import Literal, Self

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from .edits import PictureSource
from .full_size import transfer_change, working_size
from .images import Picture, read_picture, to_image, to_pixels
from .models import DiffusionModel


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
    def read(cls, source: PictureSource, model: DiffusionModel) -> Self:
        """Decode a photo for a model.

        Raises:
            InvalidEdit: It is no picture that can be used.
        """
        picture = read_picture("original_image", source)
        size = working_size(
            picture.size, native=model.native_size, unit=model.size_unit, step=model.vae_scale_factor
        )
        seen = picture.on_white()
        small = seen if seen.size == size else seen.resize(size, Image.Resampling.LANCZOS)
        digest = hashlib.sha256(f"{small.size}".encode() + small.tobytes()).hexdigest()
        return cls(picture=picture, pixels=to_pixels(small), digest=digest)

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) that the model works at, in pixels."""
        return self.pixels.shape[1], self.pixels.shape[0]

    def encoded(self, model: DiffusionModel) -> Tensor:
        """Return the photo's latents as the UNet knows them, float32 (C, h, w)."""
        # Channels last, as diffusers leaves pictures: then even the rounding is the same.
        told = torch.from_numpy(self.pixels).permute(2, 0, 1)[None] * 2 - 1
        (latents,) = model.encode_image(told.contiguous(memory_format=torch.channels_last)).mode()
        return model.scaled(latents.float())

    def brought_back(
        self,
        before: NDArray[np.float32],
        after: NDArray[np.float32],
        full_size: Literal["change", "resize"],
    ) -> Image.Image:
        """Bring an edit to the photo's size and alpha.

        Args:
            before: The photo as the model redraws it, unedited, `(H, W, 3)` in [0, 1] at the working size.
            after: The edited picture, likewise.
            full_size: As in `PromptEdit`.
        """
        if self.size == self.picture.size:
            seen = to_image(after)
        elif full_size == "resize":
            seen = to_image(after).resize(self.picture.size, Image.Resampling.BICUBIC)
        else:
            seen = transfer_change(self.picture.on_white(), before, after)
        return self.picture.from_white(seen)

    def psnr(self, redrawn: NDArray[np.float32]) -> float:
        """Say how close a redrawn picture, `(H, W, 3)` in [0, 1], is to what the model was shown, in dB."""
        error = float(np.square(self.pixels - redrawn, dtype=np.float64).mean())
        return math.inf if error == 0 else -10 * math.log10(error)
