"""The one decoder of the project: any picture in, upright RGB with its alpha kept beside it, and back.

Law: what comes out of an edit has the upload's size, upright, with its alpha; where a mask is black it equals
the upload pixel for pixel; and it carries nothing else of the upload's file: no EXIF, no location, no
profile.
"""

import stat
import warnings
from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from editors.errors import InvalidEdit, told_as
from editors.files import reason_of, user_path
from editors.pictures import colours
from editors.pictures import files as picture_files
from editors.pictures.files import FORMATS, HEAD_BYTES, RAW
from editors.requests.edits import PictureSource
from editors.requests.picture import Picture

MAX_PIXELS = 110_000_000
"""Phones and cameras of 48 to 108 megapixels are below it; a full-size edit takes about 30 bytes a pixel."""
MAX_BYTES = 1_000_000_000
"""Of a file: more than any picture of so many pixels has."""
MIN_SIDE = 16
MAX_ASPECT = 8
WHITE = 255
LUMINANCE = np.array([0.299, 0.587, 0.114], np.float32)
"""Of red, green and blue (ITU-R BT.601)."""
_MOST_COLOUR = 64
"""Levels between the channels of a mask that is grey but for its compression."""
_LEAST_WHITE = 128
"""Of a mask's brightest place: masks of 0 and 1, and of palettes' dark colours, are below it."""


def from_white(picture: Picture, seen: Image.Image) -> Image.Image:
    """Undo `Picture.on_white` on an edited view: RGB, or RGBA with the picture's alpha.

    Seen = a·colour + (1−a)·white is solved for the colour, so half-transparent edges get no white fringe;
    where nothing can be seen (a = 0) the original's colour stays.

    Args:
        picture: The original.
        seen: The edited view, RGB, of its size.
    """
    if picture.alpha is None:
        return seen
    alpha = np.asarray(picture.alpha, dtype=np.float32)[..., None] / 255
    colour = (np.asarray(seen, dtype=np.float32) - (1 - alpha) * WHITE) / np.maximum(alpha, 1 / 255)
    colour = np.where(alpha > 0, colour, np.asarray(picture.image))
    edited = Image.fromarray(colour.round().clip(0, 255).astype(np.uint8))
    edited.putalpha(picture.alpha)
    return edited


def read_picture(name: str, source: PictureSource) -> Picture:
    """Decode a picture from a path or from PIL.

    Args:
        name: The field of the request it came by, for error messages.
        source: A path, or a PIL image of any mode; neither is changed; what is decoded stays as it is.

    Raises:
        InvalidEdit: It is missing, no picture, cut short, too large, too small, or too long and thin.
    """
    if isinstance(source, Picture):
        return source
    try:
        return _read(name, source)
    except _Undecodable as error:
        raise InvalidEdit(name, str(error)) from None


def _read(name: str, source: Image.Image | str | Path) -> Picture:
    if isinstance(source, Image.Image):
        _check_size(name, source.size)
        return _decode(name, source, "the picture")
    path = user_path(source)
    label = repr(path.name if len(path.name) <= 60 else f"{path.name[:57]}…")
    content = _content(name, path, label)
    if not content:
        raise InvalidEdit(name, f"{label} is empty (0 bytes); save the picture again.")
    head = content[:HEAD_BYTES]
    if picture_files.is_heic(head) and picture_files.can_read_heic():
        return _read_heic(name, content, label)
    try:
        return _read_bytes(name, content, label)
    except _Undecodable:
        if not content.startswith(b"\x89PNG"):
            raise
    bare, profile = picture_files.png_without_notes(content)
    return _read_bytes(name, bare, label, profile)


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
        raise InvalidEdit(name, f"is {had} pixels, the picture is {needed}; draw it at the picture's size.")
    seen = to_pixels(picture.image)
    if picture.alpha is not None:
        seen *= to_pixels(picture.alpha)[..., None]
    if float(np.ptp(seen, axis=-1).max()) > _MOST_COLOUR / 255:
        raise InvalidEdit(
            name,
            "is in colours, which do not say how much may change; paint white where it may, black "
            "where it must stay.",
        )
    mask = np.asarray(to_image(seen).convert("L"))
    brightest = int(mask.max())
    if brightest == 0:
        raise InvalidEdit(name, "is black all over, so nothing may change; paint white where it may.")
    if brightest < _LEAST_WHITE:
        raise InvalidEdit(
            name,
            f"its brightest place is {brightest} of 255, so next to nothing would change; make it "
            "white, 255, where the picture may change.",
        )
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
    """Turn an 8-bit picture into numbers, (H, W) or (H, W, 3), in [0, 1]."""
    return np.asarray(image, dtype=np.float32) / np.float32(255)


def to_image(pixels: NDArray[np.float32]) -> Image.Image:
    """Turn numbers, (H, W, 3) in [0, 1], into an RGB picture, rounding to the nearest value."""
    return Image.fromarray((pixels * 255).round().clip(0, 255).astype(np.uint8))


class _Undecodable(Exception):
    """A decoder met something that it does not understand; its text is the sentence for people."""


def _content(name: str, path: Path, label: str) -> bytes:
    """Return what a file or a pipe holds.

    Raises:
        InvalidEdit: There is none, it is a folder or a device, or it may not be read.
    """
    try:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            raise InvalidEdit(name, f"{label} is a folder; give one picture file.")
        if not (stat.S_ISREG(mode) or stat.S_ISFIFO(mode)):
            raise InvalidEdit(name, f"{label} is a device, which holds no picture; give a picture file.")
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except PermissionError:
        raise InvalidEdit(name, f"{label} may not be read; change its permissions.") from None
    except (FileNotFoundError, NotADirectoryError):
        raise InvalidEdit(name, f"there is no file {label}; check the path.") from None
    except (OSError, UnicodeEncodeError) as error:  # a name that cannot be, a disk or network that fails
        raise InvalidEdit(
            name, f"{label} cannot be read ({reason_of(error)}); check the path, or copy it here first."
        ) from None
    if len(content) > MAX_BYTES:
        raise InvalidEdit(
            name, f"{label} is over {MAX_BYTES / 1e6:.0f} MB, which no picture here needs; save it as PNG."
        )
    return content


def _read_bytes(name: str, content: bytes, label: str, profile: bytes | None = None) -> Picture:
    """Decode a file's content; its own colour profile is that of `profile`, where it carries none."""
    try:
        with warnings.catch_warnings():
            # Our own limit is lower and is checked on the header, before any pixel is decoded.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            image = Image.open(BytesIO(content), formats=FORMATS)
    except Image.DecompressionBombError:
        raise InvalidEdit(name, _too_large(None)) from None
    except UnidentifiedImageError:
        raise _Undecodable(_no_picture(content, label)) from None
    except MemoryError:
        raise
    except Exception:  # noqa: BLE001 - decoders raise anything
        raise _Undecodable(_broken(label)) from None
    with image:
        if picture_files.is_raw(image, content):
            raise InvalidEdit(name, f"{label} is {RAW[0]}; {RAW[1]}.")
        _check_size(name, image.size)
        if profile:
            image.info.setdefault("icc_profile", profile)
        try:
            return _decode(name, image, label)
        except _Undecodable:
            if picture_files.has_all_pixels(image, len(content)):
                raise InvalidEdit(name, _no_picture(content, label)) from None
            raise


def _read_heic(name: str, content: bytes, label: str) -> Picture:
    def tell(_: str) -> InvalidEdit:
        return InvalidEdit(
            name, f"{label} is a HEIC picture that is damaged or cut short; save or download it again."
        )

    with told_as(tell):
        _check_size(name, picture_files.heic_size(content))
        return _decode(name, picture_files.open_heic(content), label)


def _no_picture(content: bytes, label: str) -> str:
    if picture_files.is_decodable(content[:HEAD_BYTES]):
        return _broken(label)
    known = picture_files.kind_of(content[:HEAD_BYTES])
    if known is None:
        return f"{label} is no picture that can be read, whatever its name says; save it as PNG or JPEG."
    return f"{label} is {known[0]}; {known[1]}."


def _check_size(name: str, size: tuple[int, int]) -> None:
    width, height = size
    if width * height > MAX_PIXELS:
        raise InvalidEdit(name, _too_large(size))
    if min(size) < MIN_SIDE:
        raise InvalidEdit(
            name, f"is {width}×{height} pixels, allowed are sides from {MIN_SIDE}; give a larger one."
        )
    if max(size) > MAX_ASPECT * min(size):
        raise InvalidEdit(
            name, f"is {width}×{height} pixels, allowed are sides up to {MAX_ASPECT} to 1; cut out a part."
        )


def _too_large(size: tuple[int, int] | None) -> str:
    had = (
        f"{size[0]}×{size[1]} pixels ({size[0] * size[1] / 1e6:.0f} million)"
        if size
        else "far too many pixels"
    )
    return f"has {had}, allowed are {MAX_PIXELS / 1e6:.0f} million; make it smaller first."


def _broken(label: str) -> str:
    return f"{label} is damaged or cut short and cannot be decoded; save or download it again."


def _decode(name: str, image: Image.Image, label: str) -> Picture:
    """Decode every pixel now, so that no error can come later."""
    with told_as(lambda _: _Undecodable(_broken(label))):
        image.load()
        profile = image.info.get("icc_profile")
        upright = colours.upright(colours.eight_bits(name, image))
        alpha, rgb = colours.alpha_of(upright), colours.srgb_of(upright, profile)
    return Picture(image=rgb, alpha=alpha, num_frames=_num_frames(image))


def _num_frames(image: Image.Image) -> int:
    """Count the frames; one that cannot be read ends the count, for the first was."""
    if image.format == "MPO":  # a photo with a depth or brightness map behind it
        return 1
    try:
        return int(getattr(image, "n_frames", 1))
    except Exception:  # noqa: BLE001 - decoders raise anything
        return 2
