"""The pixels of any decoded picture as upright 8-bit sRGB and opacity.

Law: what is white, and what a number means in light, the file says, never the values; a profile is judged by
what it does. What the file does not say is refused, not guessed.
"""

from io import BytesIO

import numpy as np
from PIL import Image, ImageCms, ImageOps

from editors.errors import InvalidEdit
from editors.pictures.files import is_negative, white_of

_HALF_LEVEL = 1 / 510
"""Of 8 bits, as a share of white: what an arithmetic of fractions may be off."""
_ROUNDING = 2
"""Levels that a colour transform from sRGB to itself is off, at most."""


def upright(image: Image.Image) -> Image.Image:
    """Turn a picture as its EXIF says, where it says anything sensible."""
    try:
        turned = ImageOps.exif_transpose(image)
    except Exception:  # noqa: BLE001 - a broken EXIF block says nothing about the pixels
        turned = None
    return turned if turned is not None else image


def alpha_of(image: Image.Image) -> Image.Image | None:
    """Return the opacity as L, or None for a picture that is opaque."""
    if "transparency" not in image.info and image.mode not in ("RGBA", "LA", "PA", "RGBa", "La"):
        return None
    alpha = image.convert("RGBA").getchannel("A")
    return None if alpha.getextrema() == (255, 255) and image.mode in ("P", "L", "RGB") else alpha


def srgb_of(image: Image.Image, profile: bytes | None) -> Image.Image:
    """Return a fresh 8-bit sRGB picture that carries nothing of the file."""
    if image.mode in ("P", "PA", "LA", "La", "RGBa") or "transparency" in image.info:
        image = image.convert("RGBA")
    if image.mode in ("RGBA", "RGBX"):
        image = Image.merge("RGB", image.split()[:3])
    managed = _to_srgb(image, profile) if profile else None
    return Image.fromarray(np.array((managed or image).convert("RGB")))


def eight_bits(name: str, image: Image.Image) -> Image.Image:
    """Bring a grey picture of other than 8 bits to them, and leave others; fractions are shares of white.

    Raises:
        InvalidEdit: Nobody says which number is white, or some are beyond it or none at all.
    """
    if not image.mode.startswith("I") and image.mode != "F":
        return image
    white = 1 if image.mode == "F" else white_of(image)
    if white is None:
        raise InvalidEdit(
            name,
            "holds whole numbers of 32 bits, and nothing says which is white; convert it to 8 or 16 "
            "bits first.",
        )
    values = np.asarray(image)
    shares = values.astype(np.float64) / white
    if not np.isfinite(shares).all():
        raise InvalidEdit(name, "holds pixels that are no numbers (NaN or infinite); fill them first.")
    low, high = float(shares.min()), float(shares.max())
    if low < -_HALF_LEVEL or high > 1 + _HALF_LEVEL:
        raise InvalidEdit(
            name,
            f"holds numbers from {low * white:g} to {high * white:g}, allowed are 0, black, to "
            f"{white}, white; scale them first.",
        )
    if is_negative(image):
        shares = 1 - shares
    grey = Image.fromarray((shares * 255).round().clip(0, 255).astype(np.uint8))
    clear = image.info.get("transparency")
    if clear is not None:
        grey.putalpha(Image.fromarray(np.where(values == clear, 0, 255).astype(np.uint8)))
    grey.info = {key: value for key, value in image.info.items() if key != "transparency"}
    grey.getexif().update(image.getexif())
    return grey


def _to_srgb(image: Image.Image, profile: bytes) -> Image.Image | None:
    """Convert by the embedded profile; None where it is sRGB already, or says nothing sensible."""
    try:
        source = ImageCms.ImageCmsProfile(BytesIO(profile))
        change = ImageCms.buildTransform(source, ImageCms.createProfile("sRGB"), image.mode, "RGB")
        # By what it does, not by its name: a linear one may well be called sRGB, too.
        if image.mode == "RGB" and _changes_little(change):
            return None
        return ImageCms.applyTransform(image, change)
    except Exception:  # noqa: BLE001 - nor does a broken profile
        return None


def _changes_little(change: ImageCms.ImageCmsTransform) -> bool:
    """Say whether a transform moves no colour by more than its own rounding does."""
    steps = np.linspace(0, 255, 17).round().astype(np.uint8)
    colours = np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(17, -1, 3)
    changed = np.asarray(ImageCms.applyTransform(Image.fromarray(colours), change))
    return int(np.abs(changed.astype(int) - colours).max()) <= _ROUNDING
