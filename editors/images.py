"""The one decoder of the project: any picture in, upright RGB with its alpha kept beside it, and back.

Law: what comes out of an edit has the upload's size, upright, with its alpha; where a mask is black it equals
the upload pixel for pixel; and it carries nothing else of the upload's file: no EXIF, no location, no
profile.
"""

import struct
import warnings
import zlib
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError

from .edits import PictureSource
from .errors import InvalidEdit

FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "AVIF", "PPM")
"""Decoders that are let near a file; its name is never trusted."""
MAX_PIXELS = 40_000_000
MIN_SIDE = 16
MAX_ASPECT = 8
WHITE = 255

# What Pillow's decoders are known to raise on files that are cut, mangled or hostile.
_DECODER_ERRORS = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    IndexError,
    KeyError,
    TypeError,
    OverflowError,
    struct.error,
    zlib.error,
    RuntimeError,
)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Picture:
    """A decoded picture.

    Attributes:
        image: Upright, 8-bit RGB, sRGB; its colours do not depend on `alpha`.
        alpha: Opacity, 8-bit L, of the same size; None for an opaque picture.
        num_frames: Of the file; more than one is an animation, of which this is the first frame.
    """

    image: Image.Image
    alpha: Image.Image | None = None
    num_frames: int = 1

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) in pixels."""
        return self.image.size

    def with_alpha(self) -> Image.Image:
        """Return the picture as RGB, or as RGBA where it is not opaque."""
        picture = self.image.copy()
        if self.alpha is not None:
            picture.putalpha(self.alpha)
        return picture

    def on_white(self) -> Image.Image:
        """Return what an eye sees on white paper, RGB: this is what a model is shown."""
        if self.alpha is None:
            return self.image
        paper = Image.new("RGB", self.size, (WHITE, WHITE, WHITE))
        paper.paste(self.image, mask=self.alpha)
        return paper

    def from_white(self, seen: Image.Image) -> Image.Image:
        """Undo `on_white` on an edited view: RGB, or RGBA with this picture's alpha.

        Seen = a·colour + (1−a)·white is solved for the colour, so half-transparent edges get no white fringe;
        where nothing can be seen (a = 0) the original's colour stays.

        Args:
            seen: The edited view, RGB, of this picture's size.
        """
        if self.alpha is None:
            return seen
        alpha = np.asarray(self.alpha, dtype=np.float32)[..., None] / 255
        colour = (np.asarray(seen, dtype=np.float32) - (1 - alpha) * WHITE) / np.maximum(alpha, 1 / 255)
        colour = np.where(alpha > 0, colour, np.asarray(self.image))
        edited = Image.fromarray(colour.round().clip(0, 255).astype(np.uint8))
        edited.putalpha(self.alpha)
        return edited


def read_picture(name: str, source: PictureSource) -> Picture:
    """Decode a picture from a path or from PIL.

    Args:
        name: The field of the request it came by, for error messages.
        source: A path, or a PIL image of any mode; neither is changed.

    Raises:
        InvalidEdit: It is missing, no picture, cut short, too large, too small, or too long and thin.
    """
    if isinstance(source, Image.Image):
        _check_size(name, source.size)
        return _decode(name, source, "the picture")
    path = Path(source).expanduser()
    label = repr(path.name if len(path.name) <= 60 else f"{path.name[:57]}…")
    if not _exists(path):
        raise InvalidEdit(f"{name}: there is no file {label}; check the path.")
    if path.is_dir():
        raise InvalidEdit(f"{name}: {label} is a folder; give one picture file.")
    try:
        if path.stat().st_size == 0:
            raise InvalidEdit(f"{name}: {label} is empty (0 bytes); save the picture again.")
        with _open(path) as file:
            _check_size(name, file.size)
            return _decode(name, file, label)
    except PermissionError:
        raise InvalidEdit(f"{name}: {label} may not be read; change its permissions.") from None
    except Image.DecompressionBombError:
        raise InvalidEdit(_too_large(name, None)) from None
    except UnidentifiedImageError:
        raise InvalidEdit(
            f"{name}: {label} is no picture that can be read, whatever its name says; save it as PNG or JPEG."
        ) from None
    except InvalidEdit:
        raise
    except _DECODER_ERRORS:
        raise InvalidEdit(_broken(name, label)) from None


def read_mask(name: str, source: PictureSource, size: tuple[int, int]) -> NDArray[np.uint8]:
    """Decode a mask: 255 where the picture may change, 0 where it must stay.

    Args:
        name: The field of the request, for error messages.
        source: As for `read_picture`; transparent counts as black.
        size: (width, height) of the upright picture, which the mask must have.

    Returns:
        The mask, (H, W) from 0 to 255.

    Raises:
        InvalidEdit: It cannot be read, has another size, or lets nothing change.
    """
    picture = read_picture(name, source)
    if picture.size != size:
        had, needed = ("{}×{}".format(*one) for one in (picture.size, size))
        raise InvalidEdit(f"{name}: is {had} pixels, the picture is {needed}; draw it at the picture's size.")
    mask = np.asarray(picture.image.convert("L"))
    if picture.alpha is not None:
        mask = (mask.astype(np.float32) * np.asarray(picture.alpha) / 255).round().astype(np.uint8)
    if not mask.any():
        raise InvalidEdit(f"{name}: is black all over, so nothing may change; paint white where it may.")
    return mask


def composite(original: Image.Image, edited: Image.Image, mask: NDArray[np.uint8]) -> Image.Image:
    """Lay the edit over the original through a mask; where it is 0 the original's bytes come out.

    Args:
        original: RGB or RGBA.
        edited: Of the same mode and size.
        mask: (H, W) from 0, original, to 255, edited.
    """
    share = mask.astype(np.float32)[..., None] / 255
    below = np.asarray(original, dtype=np.float32)
    mixed = below + share * (np.asarray(edited, dtype=np.float32) - below)
    return Image.fromarray(mixed.round().clip(0, 255).astype(np.uint8))


def to_pixels(image: Image.Image) -> NDArray[np.float32]:
    """Turn an RGB picture into numbers, (H, W, 3) in [0, 1]."""
    return np.asarray(image, dtype=np.float32) / np.float32(255)


def to_image(pixels: NDArray[np.float32]) -> Image.Image:
    """Turn numbers, (H, W, 3) in [0, 1], into an RGB picture, rounding to the nearest value."""
    return Image.fromarray((pixels * 255).round().clip(0, 255).astype(np.uint8))


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # a name longer than the file system allows
        return False


def _open(path: Path) -> Image.Image:
    with warnings.catch_warnings():
        # Our own limit is lower and is checked on the header, before any pixel is decoded.
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        return Image.open(path, formats=FORMATS)


def _check_size(name: str, size: tuple[int, int]) -> None:
    width, height = size
    if width * height > MAX_PIXELS:
        raise InvalidEdit(_too_large(name, size))
    if min(size) < MIN_SIDE:
        raise InvalidEdit(
            f"{name}: is {width}×{height} pixels, allowed are sides from {MIN_SIDE}; give a larger one."
        )
    if max(size) > MAX_ASPECT * min(size):
        raise InvalidEdit(
            f"{name}: is {width}×{height} pixels, allowed are sides up to {MAX_ASPECT} to 1; cut out a part."
        )


def _too_large(name: str, size: tuple[int, int] | None) -> str:
    had = (
        f"{size[0]}×{size[1]} pixels ({size[0] * size[1] / 1e6:.0f} million)"
        if size
        else "far too many pixels"
    )
    return f"{name}: has {had}, allowed are {MAX_PIXELS / 1e6:.0f} million; make it smaller first."


def _broken(name: str, label: str) -> str:
    return f"{name}: {label} is damaged or cut short and cannot be decoded; save or download it again."


def _decode(name: str, image: Image.Image, label: str) -> Picture:
    """Decode every pixel now, so that no error can come later."""
    try:
        num_frames = int(getattr(image, "n_frames", 1))
        image.load()
        profile = image.info.get("icc_profile")
        upright = _upright(image)
        alpha = _alpha(upright)
        rgb = _rgb(upright, profile)
    except _DECODER_ERRORS:
        raise InvalidEdit(_broken(name, label)) from None
    return Picture(image=rgb, alpha=alpha, num_frames=num_frames)


def _upright(image: Image.Image) -> Image.Image:
    try:
        turned = ImageOps.exif_transpose(image)
    except _DECODER_ERRORS:  # a broken EXIF block says nothing about the pixels
        turned = None
    return turned if turned is not None else image


def _alpha(image: Image.Image) -> Image.Image | None:
    """Return the opacity as L, or None for a picture that is opaque."""
    if "transparency" not in image.info and image.mode not in ("RGBA", "LA", "PA", "RGBa", "La"):
        return None
    alpha = image.convert("RGBA").getchannel("A")
    return None if alpha.getextrema() == (255, 255) and image.mode in ("P", "L", "RGB") else alpha


def _rgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    """Return a fresh 8-bit sRGB picture that carries nothing of the file."""
    if image.mode.startswith("I") or image.mode == "F":
        image = Image.fromarray(_eight_bits(np.asarray(image).astype(np.float64)))
    if image.mode in ("P", "PA", "LA", "La", "RGBa") or "transparency" in image.info:
        image = image.convert("RGBA")
    if image.mode in ("RGBA", "RGBX"):
        image = Image.merge("RGB", image.split()[:3])
    managed = _to_srgb(image, profile) if profile else None
    return Image.fromarray(np.array((managed or image).convert("RGB")))


def _eight_bits(values: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Scale numbers of any depth: whole ones over 255 are 16-bit, fractions within 1 are shares of white."""
    values = np.nan_to_num(values, nan=0, posinf=0, neginf=0)
    top = values.max(initial=0)
    factor = 1 / 257 if top > 255 else 255 if top <= 1 and (values % 1).any() else 1
    return (values * factor).round().clip(0, 255).astype(np.uint8)


def _to_srgb(image: Image.Image, profile: bytes) -> Image.Image | None:
    """Convert by the embedded profile; None where it says sRGB already, or says nothing sensible."""
    try:
        source = ImageCms.ImageCmsProfile(BytesIO(profile))
        if image.mode == "RGB" and "srgb" in ImageCms.getProfileDescription(source).lower():
            return None
        return ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
    except (ImageCms.PyCMSError, *_DECODER_ERRORS):
        return None
