"""Select a thing by pointing at it: which cells of a picture belong with the one that was pointed at.

The network is asked once of the picture, slightly noised: what it attends to within the picture tells its
things apart, though nobody taught it to. A cell is described by its keys in the self-attention of the upward
half (Narek Tumanyan, Michal Geyer, Shai Bagon, Tali Dekel, "Plug-and-Play Diffusion Features for Text-Driven
Image-to-Image Translation", 2022, arXiv 2211.12572, §4; Luming Tang and others, "Emergent Correspondence from
Image Diffusion", 2023, arXiv 2306.03881, for one call at one noise). From the cells most like the one pointed
at, two means part thing from rest, as in one step of k-means.

The cells' outline then moves to the picture's own edges.

Laws: the same picture and place give the same region, which holds the place; its cells are in one piece.
Looking changes nothing of what the network predicts.
"""

from dataclasses import dataclass
from typing import Any, Final, Self

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.nn.functional import interpolate, max_pool2d, normalize

from editors.ddim import is_flow
from editors.errors import IncompatibleModel
from editors.model.attention import AttentionSite, JointTokens, attend, install
from editors.model.diffusion_model import DiffusionModel
from editors.model.photo import Photo, encode
from editors.pictures.guided_filter import guided_filter
from editors.pictures.images import to_pixels
from editors.requests import rules
from editors.requests.edits import PictureSource
from editors.requests.settings import REACH

_NOISE: Final = 0.3
"""Of the noise schedule: where layout is told apart, and detail is not yet."""
_ALIKE: Final = 0.6
"""Likeness to the place, of the likest cell's, from which a cell begins in the thing."""
_NEARNESS: Final = 0.15
"""What a cell at the place is ahead of one out of reach, in cosine."""
_CLEAR: Final = 0.1
"""Cosine by which a cell is surely of one part or the other."""
_WINDOW: Final = 1.5
"""Cells within which an outline moves to the picture's edges."""
_GUIDE: Final = 512
"""Pixels of the longer side at which outlines are drawn."""
_EVEN: Final = 1e-4
"""Differences of colour, squared, that are no edge."""
_UPWARD: Final = "up_blocks"
_QUIETEST: Final = 0.02
"""Quantile of the likeness that counts as none."""


class _Keys:
    """Sees the keys of self-attention in the upward half; changes nothing."""

    def __init__(self) -> None:
        self.seen: list[tuple[AttentionSite, Tensor]] = []

    def attend(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        mask: Tensor | None,
        *,
        site: AttentionSite,
        step: int,
        joint: JointTokens | None = None,
    ) -> Tensor:
        """Attend as ever, and keep the keys, (B, heads, P, D) as (B, heads · D, P)."""
        if not site.is_cross and site.name.startswith(_UPWARD):
            self.seen.append((site, key.float().transpose(2, 3).flatten(1, 2)))
        return attend(query, key, value, mask)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Things:
    """A picture, as a network tells its things apart.

    Attributes:
        features: One direction of length 1 for each cell, (D, h, w).
        guide: The picture, small, whose edges outlines follow.
        size: (width, height) of the picture, in pixels.
    """

    features: Tensor
    guide: Image.Image
    size: tuple[int, int]

    @classmethod
    @torch.no_grad()
    def of(cls, model: DiffusionModel, source: PictureSource, *, resolution: int | None = None) -> Self:
        """Look at a picture: one call of the network.

        Args:
            model: Of either kind; base models tell more.
            source: The picture.
            resolution: As in an edit.

        Raises:
            InvalidEdit: It is no picture that can be used.
            IncompatibleModel: The model's attention cannot be seen.
        """
        if is_flow(model.scheduler):
            raise IncompatibleModel(
                f"{model.name}: things are told apart by what a UNet of Stable Diffusion attends to; give "
                "such a model, or paint the mask."
            )
        install(model.unet)
        photo = Photo.read(source, model, resolution=resolution)
        unscaled = encode([photo], model)
        latents, schedule = model.scaled(unscaled), model.scheduler.alphas_cumprod
        timestep = int(_NOISE * len(schedule))
        kept = schedule[timestep].item()  # said of every scheduler, however it scales its own latents
        noise = torch.randn(latents.shape, generator=torch.Generator().manual_seed(0)).to(latents)
        keys = _Keys()
        width, height = photo.size
        model.network.predict(
            kept**0.5 * latents + (1 - kept) ** 0.5 * noise,
            torch.tensor([timestep], device=model.device),
            model.unconditional(size=(height, width)),
            picture=model.beside(unscaled) if model.kind == "edit" else None,
            control=keys,
        )
        if not keys.seen:
            raise IncompatibleModel(
                f"{model.name}: its network attends to nothing on its way up, which tells things apart; give "
                "another model."
            )
        features = _stacked(keys.seen, latents.shape[-2:])
        guide = photo.picture.on_white().copy()
        guide.thumbnail((_GUIDE, _GUIDE))
        return cls(features=features, guide=guide, size=photo.picture.size)

    def at(self, x: float, y: float, *, reach: float = REACH) -> NDArray[np.uint8]:
        """Return the thing at a place.

        Args:
            x: From the left, in pixels of the picture.
            y: From the top.
            reach: How far from the place it is looked for, as a share of the picture's longer side.

        Returns:
            (H, W), 255 in it, 0 elsewhere: what may change, as a mask.

        Raises:
            InvalidEdit: The place is outside of the picture, or the reach is none.
        """
        width, height = self.size
        rules.number("x", x, 0, width - 1)
        rules.number("y", y, 0, height - 1)
        rules.number("reach", reach, *rules.REACH)
        rows, columns = self.features.shape[1:]
        row, column = int(y * rows / height), int(x * columns / width)
        near = self._near(x, y, reach)
        ahead = self._ahead(row, column, near)
        here = torch.zeros((rows, columns), dtype=torch.bool, device=ahead.device)
        here[row, column] = True
        thing = _piece((ahead > 0) | here, here)
        outlined = self._outlined(torch.where(thing, ahead.abs(), -ahead.abs()))
        smooth = Image.fromarray(outlined).resize(self.size, Image.Resampling.BILINEAR)
        found: NDArray[np.uint8] = np.where(np.asarray(smooth) > 127, 255, 0).astype(np.uint8)
        found[int(y), int(x)] = 255
        return found

    def _outlined(self, signed: Tensor) -> NDArray[np.uint8]:
        """Return where a map of cells, (h, w), is above 0, along the picture's edges: 255 there, else 0."""
        guide = to_pixels(self.guide)
        fine = interpolate(signed[None, None].cpu(), guide.shape[:2], mode="bilinear", align_corners=False)
        radius = max(1, round(_WINDOW * len(guide) / len(signed)))
        clear = (fine[0, 0] / _CLEAR).clamp(-1, 1).numpy()
        edged = guided_filter(guide, clear, radius=radius, eps=_EVEN)
        return np.where(edged > 0, 255, 0).astype(np.uint8)

    def _near(self, x: float, y: float, reach: float) -> Tensor:
        """Return how near each cell is to a place, (h, w), from 1 at it."""
        width, height = self.size
        rows, columns = self.features.shape[1:]
        down = (torch.arange(rows) + 0.5) * height / rows - y
        right = (torch.arange(columns) + 0.5) * width / columns - x
        squared = down[:, None] ** 2 + right[None] ** 2
        return torch.exp(-squared / (2 * (reach * max(width, height)) ** 2)).to(self.features.device)

    def _ahead(self, row: int, column: int, near: Tensor) -> Tensor:
        """Return by how much each cell is liker to the thing than to the rest, (h, w)."""
        features = self.features
        alike = torch.einsum("dhw,d->hw", features, features[:, row, column])
        none = alike.quantile(_QUIETEST)
        begun = (alike - none) / (alike.max() - none).clamp(
            min=torch.finfo(alike.dtype).tiny
        ) * near >= _ALIKE
        thing, rest = (normalize((features * part).sum((1, 2)), dim=0) for part in (begun, ~begun))
        return torch.einsum("dhw,d->hw", features, thing - rest) + _NEARNESS * (near - 0.5)


def _stacked(seen: list[tuple[AttentionSite, Tensor]], grid: Any) -> Tensor:
    """Return the keys of all sites as one direction for each cell of a grid, (D, h, w)."""
    maps = []
    for site, keys in seen:
        own = normalize(keys[0], dim=0).unflatten(1, site.grid(*grid))[None]
        maps.append(interpolate(own, tuple(grid), mode="bilinear", align_corners=False)[0])
    return normalize(torch.cat(maps), dim=0)


def _piece(mask: Tensor, here: Tensor) -> Tensor:
    """Return the part of a mask, (h, w) of bool, that hangs together with a place in it, corners included."""
    found = here
    while True:
        grown = (max_pool2d(found[None].float(), 3, 1, 1)[0] > 0) & mask
        if torch.equal(grown, found):
            return found
        found = grown
