"""Drawings as pixels: an artwork set's SVG or bitmap becomes a trimmed RGBA master, cached on disk.

A master is kept at one of a few sizes (`MASTER_SIZES`); a scene scales it down with a Lanczos filter on
premultiplied colour. Pixels are float32 ``(h, w, 4)`` in [0, 1], straight (not premultiplied) alpha.

Law: a sprite is a pure function of (artwork, drawing, size); neither the cache nor the order of calls shows.
"""

from __future__ import annotations

import io
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from dataset_builder.scenes.artwork.store import artwork_set, drawing
from dataset_builder.scenes.errors import InvalidScene, MissingArtwork
from dataset_builder.scenes.vocabulary import ACCESSORIES, Noun
from editors.files import cache_folder, replacing

Pixels = npt.NDArray[np.float32]

MASTER_SIZES = (160, 400)
_RENDERER = "resvg-1"  # change it when masters would come out different, so that old caches are not read


def master_size_for(pixels: float) -> int:
    """Return the master size from which a sprite of that many pixels is scaled."""
    return next((size for size in MASTER_SIZES if pixels <= size * 1.25), MASTER_SIZES[-1])


def rgba_pixels(image: Image.Image) -> Pixels:
    """Turn an RGBA picture into float32 ``(h, w, 4)`` in [0, 1]."""
    return np.asarray(image, np.float32) * (1 / 255)


def rgba_image(pixels: Pixels) -> Image.Image:
    """Turn float32 ``(h, w, 4)`` in [0, 1] into an RGBA picture."""
    return Image.fromarray((np.clip(pixels, 0, 1) * 255 + 0.5).astype(np.uint8))


def noun_master(noun: Noun, depiction: str, size: int) -> Image.Image:
    """Return the trimmed drawing of a noun.

    Args:
        noun: The noun.
        depiction: An artwork set, or `<set>:head` for the drawing of the head alone.
        size: Longest side in pixels, one of `MASTER_SIZES`.

    Raises:
        InvalidScene: The noun has no such depiction.
        MissingArtwork: The artwork set, or the drawing in it, is not there.
    """
    name, _, part = depiction.partition(":")
    code, slug = (noun.head_code, noun.head_slug) if part == "head" else (noun.code, noun.slug)
    if not code or part not in ("", "head"):
        raise InvalidScene(
            f"depiction '{depiction}' is not one of '{noun.name}'; use Noun.depictions to list them."
        )
    return _master(name, code, slug, size)


def accessory_master(accessory: str, artwork: str, size: int) -> Image.Image:
    """Return the trimmed drawing of an accessory, from the wearer's artwork set where that one is usable.

    Raises:
        MissingArtwork: No set that draws the accessory is there.
    """
    entry = ACCESSORIES[accessory]
    # `twemoji` is always there, so a scene never needs a set that its objects do not name
    name = artwork if artwork in entry.sets else "twemoji"
    return _master(name, entry.code, entry.slug, size)


@lru_cache(maxsize=4096)
def _master(name: str, code: str, slug: str, size: int) -> Image.Image:
    """Read a master from the disk cache, or draw it and put it there."""
    entry = artwork_set(name)
    file = cache_folder() / "masters" / f"{name}-{entry.version}-{_RENDERER}-{size}" / f"{code}.png"
    if file.is_file():
        with Image.open(file) as cached:
            return cached.convert("RGBA")
    image = _draw(name, code, slug, size)
    with suppress(OSError):  # a home that is closed to us, or full: then it is drawn again next time
        file.parent.mkdir(parents=True, exist_ok=True)
        with replacing(file) as stream:
            image.save(stream, format="PNG")
    return image


def _draw(name: str, code: str, slug: str, size: int) -> Image.Image:
    found = drawing(name, code=code, slug=slug)
    if found is None:
        raise MissingArtwork(f"artwork set '{name}' has no drawing of '{slug}'; choose another depiction.")
    if isinstance(found, Path):
        with Image.open(found) as bitmap:
            image = bitmap.convert("RGBA")
    else:
        image = _rasterise(found, size)
    return _trimmed(image, name, slug, size)


def _trimmed(image: Image.Image, name: str, slug: str, size: int) -> Image.Image:
    """Cut away the empty rim and bring the longest side to `size`."""
    alpha = np.asarray(image)[..., 3] > 12
    rows, columns = np.flatnonzero(alpha.any(1)), np.flatnonzero(alpha.any(0))
    if rows.size == 0:
        raise MissingArtwork(
            f"the drawing of '{slug}' in artwork set '{name}' is empty; choose another depiction."
        )
    image = image.crop((int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1))
    scale = size / max(image.size)
    return image.resize(
        (max(1, round(image.width * scale)), max(1, round(image.height * scale))), Image.Resampling.LANCZOS
    )


def _rasterise(svg: str, size: int) -> Image.Image:
    try:
        import resvg_py
    except ImportError:
        raise MissingArtwork(
            "drawings are rendered by resvg-py; run `pip install 'wordbrush[scenes]'`."
        ) from None
    data = bytes(resvg_py.svg_to_bytes(svg_string=svg, width=round(size * 1.25)))
    return Image.open(io.BytesIO(data)).convert("RGBA")


def scaled(image: Image.Image, scale: float) -> Image.Image:
    """Scale an RGBA picture; Pillow premultiplies, so that clear pixels lend no colour to the edges."""
    width, height = max(2, round(image.width * scale)), max(2, round(image.height * scale))
    if (width, height) == image.size:
        return image
    return image.resize((width, height), Image.Resampling.LANCZOS)


def overlay(base: Image.Image, top: Image.Image, x: float, y: float) -> None:
    """Lay a drawing over another in place, its upper left corner at (x, y); what sticks out is cut off."""
    left, upper = round(x), round(y)
    source = (max(0, -left), max(0, -upper))
    if source[0] < top.width and source[1] < top.height:
        base.alpha_composite(top, (max(0, left), max(0, upper)), source)
