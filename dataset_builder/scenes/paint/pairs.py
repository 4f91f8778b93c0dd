"""Draw an exact edit: the picture before, the picture after, and the mask of what may differ.

Law: no pixel outside the mask differs. For an edit of the whole picture the mask is the whole picture; for
an edit of an object it is the object's silhouette before and after, with the shadow and the style's spill
that changed with it; for something worn it is what the worn thing covers and shades.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFilter

from dataset_builder.scenes.edits import SceneEdit
from dataset_builder.scenes.paint import styles
from dataset_builder.scenes.paint.scene import Mask, RenderedScene, render_scene


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class RenderedEdit:
    """A drawn edit: two uint8 pictures ``(H, W, 3)`` and the bool mask ``(H, W)`` of their differences."""

    original_image: npt.NDArray[np.uint8]
    edited_image: npt.NDArray[np.uint8]
    mask: Mask


def _changed_silhouettes(edit: SceneEdit, before: RenderedScene, after: RenderedScene) -> Mask:
    """Return where objects that the edit changed, took away or added can be seen, before or after."""
    mask = np.zeros(before.image.shape[:2], np.bool_)
    for item, seen in zip(edit.original.objects, before.object_masks, strict=True):
        if item not in edit.edited.objects:
            mask |= seen
    for item, seen in zip(edit.edited.objects, after.object_masks, strict=True):
        if item not in edit.original.objects:
            mask |= seen
    return mask


def _grown(mask: Mask) -> Mask:
    """Add every pixel's neighbours, so that a mask has no holes where colours agree by chance."""
    return np.asarray(Image.fromarray(mask).convert("L").filter(ImageFilter.MaxFilter(3))) > 0


def render_edit(edit: SceneEdit, size: int = 128) -> RenderedEdit:
    """Draw an edit at a size.

    Raises:
        InvalidScene: The size is out of range.
        MissingArtwork: An artwork set that the scenes need is not on this machine.
    """
    before = render_scene(edit.original, size)
    if edit.kind == "style" and edit.edited.style:
        # the very definition of the pair, and quicker than drawing the scene again
        styled = styles.apply(edit.edited.style, before.image, seed=edit.edited.seed)
        after = RenderedScene(image=styled, object_masks=before.object_masks)
    else:
        after = render_scene(edit.edited, size)
    if edit.is_global:
        mask = np.ones(before.image.shape[:2], np.bool_)
    else:
        differs = np.asarray((before.image != after.image).any(-1))
        dress = edit.kind in ("add_accessory", "remove_accessory")
        mask = _grown(differs) if dress else _changed_silhouettes(edit, before, after) | differs
    return RenderedEdit(original_image=before.image, edited_image=after.image, mask=mask)
