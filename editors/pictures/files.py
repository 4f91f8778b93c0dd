"""Recognising files by their first bytes: pictures are decoded, and all else is called by its right name.

Law: notes, profiles and other words beside the pixels never decide whether a picture can be edited, and a
file that is none is called what it is.
"""

import struct
import zlib
from importlib.util import find_spec
from io import BytesIO

from PIL import Image, TiffImagePlugin

FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "AVIF", "PPM")
"""Decoders that are let near a file; its name is never trusted."""
SUFFIXES = frozenset(
    {".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".avif", ".ppm", ".heic"}
)
"""What names of pictures end in, where a folder is looked through; what a file holds, its bytes decide."""
HEAD_BYTES = 4096
"""Enough to tell what a file is."""
HEIC_EXTRA = "pip install 'wordbrush[heic]'"

RAW = ("a camera's raw file, of which a thumbnail alone could be read", "develop it and save it as JPEG")
_AS_PICTURE = "save it as PNG or JPEG"
_KINDS = (
    (b"8BPS", "a Photoshop document", _AS_PICTURE),
    (b"\xff\x0a", "a JPEG XL picture", _AS_PICTURE),
    (b"\0\0\0\x0cJXL ", "a JPEG XL picture", _AS_PICTURE),
    (b"\0\0\0\x0cjP  ", "a JPEG 2000 picture", _AS_PICTURE),
    (b"\xff\x4f\xff\x51", "a JPEG 2000 picture", _AS_PICTURE),
    (b"FUJIFILMCCD-RAW", *RAW),
    (b"IIRO", *RAW),
    (b"IIRS", *RAW),
    (b"MMOR", *RAW),
    (b"IIU\0", *RAW),
    (b"\x76\x2f\x31\x01", "an OpenEXR picture", _AS_PICTURE),
    (b"#?RADIANCE", "a Radiance HDR picture", _AS_PICTURE),
    (b"\0\0\x01\0", "a Windows icon", _AS_PICTURE),
    (b"gimp xcf", "a GIMP document", _AS_PICTURE),
    (b"%PDF", "a PDF document", "save the page you mean as PNG"),
    (b"%!PS", "a PostScript document", _AS_PICTURE),
    (b"PK\x03\x04", "a ZIP archive", "unpack it, and give one picture of it"),
    (b"\x1f\x8b", "a gzip archive", "unpack it first"),
    (b"\x1aE\xdf\xa3", "a video", "save the frame you mean as PNG"),
)
_BRANDS = {
    "heic heix heim heis hevc hevx mif1 msf1": (
        "a HEIC picture, as iPhones take them",
        f"save it as JPEG, or install its decoder with {HEIC_EXTRA}",
    ),
    "avif avis": ("an AVIF picture that is damaged", "save or download it again"),
    "crx ": RAW,
}
"""Brands of the ISO base media format, which stands for many files; one that is not here is a video."""
_PNG_KEPT = (b"tRNS", b"eXIf", b"acTL", b"fcTL", b"fdAT")
"""Chunks that say how the pixels are seen: clear ones, the way up, frames. Critical ones are kept anyhow."""
_DNG_VERSION, _SUB_IFDS, _NEW_SUBFILE_TYPE = 50706, 330, 254


def kind_of(head: bytes) -> tuple[str, str] | None:
    """Say what a file that is no picture for us is, and the way out; None where nobody knows.

    Args:
        head: Its first bytes.
    """
    if head[4:8] == b"ftyp":
        brand = head[8:12].decode("latin-1")
        known = next((told for brands, told in _BRANDS.items() if brand in brands), None)
        return known or ("a video", "save the frame you mean as PNG")
    known = next(((what, way) for magic, what, way in _KINDS if head.startswith(magic)), None)
    if known is not None:
        return known
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if text.startswith((b"<!doctype html", b"<html")):
        return ("a web page", "open it in a browser and save the picture itself")
    if b"<svg" in text and text.startswith(b"<"):
        return ("an SVG drawing", "export it as PNG")
    if head[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
        return ("a TIFF whose pixels are kept in a way that cannot be decoded here", _AS_PICTURE)
    return None


def is_decodable(head: bytes) -> bool:
    """Say whether a file begins as those that are decoded; a TIFF may be of another kind."""
    return head.startswith((b"\x89PNG\r\n", b"\xff\xd8\xff", b"GIF8", b"BM")) or head[8:12] == b"WEBP"


def is_heic(head: bytes) -> bool:
    """Say whether a file is a HEIC picture."""
    return head[4:8] == b"ftyp" and head[8:12].decode("latin-1") in next(iter(_BRANDS))


def can_read_heic() -> bool:
    """Say whether its decoder is installed."""
    return find_spec("pillow_heif") is not None


def open_heic(content: bytes) -> Image.Image:
    """Open a HEIC picture, upright.

    Raises:
        ValueError: It is damaged.
    """
    import pillow_heif

    image: Image.Image = pillow_heif.open_heif(BytesIO(content), convert_hdr_to_8bit=True).to_pillow()
    return image


def heic_size(content: bytes) -> tuple[int, int]:
    """Return a HEIC picture's (width, height) without decoding its pixels.

    Raises:
        ValueError: It is damaged.
    """
    import pillow_heif

    width, height = pillow_heif.open_heif(BytesIO(content)).size
    return int(width), int(height)


def is_raw(image: Image.Image, content: bytes) -> bool:
    """Say whether an opened TIFF is a camera's raw file, whose first page is but a thumbnail of it."""
    if not isinstance(image, TiffImagePlugin.TiffImageFile):
        return False
    tags = image.tag_v2
    # Bit 0 of NewSubfileType: "a reduced-resolution version of another image in this file" (TIFF 6.0).
    reduced = bool(int(tags.get(_NEW_SUBFILE_TYPE, 0)) & 1) and _SUB_IFDS in tags
    return reduced or _DNG_VERSION in tags or content[8:10] == b"CR"


def white_of(image: Image.Image) -> int | None:
    """Return the whole number that is white in a grey picture of more than 8 bits, as its file says.

    Values never decide: a dark picture would come out bright. None where nobody says.
    """
    if isinstance(image, TiffImagePlugin.TiffImageFile):
        bits = int(image.tag_v2.get(258, (16,))[0])
        return 2**bits - 1 if image.mode.startswith("I;16") else None
    return 65535 if image.mode.startswith("I;16") or image.format in ("PNG", "PPM") else None


def is_negative(image: Image.Image) -> bool:
    """Say whether 0 is white: Pillow turns such pictures of 8 bits alone."""
    return isinstance(image, TiffImagePlugin.TiffImageFile) and image.tag_v2.get(262) == 0


def has_all_pixels(image: Image.Image, num_bytes: int) -> bool:
    """Say whether all that a TIFF without compression keeps of its pixels is in a file of so many bytes."""
    if not isinstance(image, TiffImagePlugin.TiffImageFile) or image.tag_v2.get(259, 1) != 1:
        return False
    offsets, counts = (image.tag_v2.get(tag, ()) for tag in (273, 279))
    return bool(offsets) and all(
        offset + count <= num_bytes for offset, count in zip(offsets, counts, strict=False)
    )


def png_without_notes(content: bytes) -> tuple[bytes, bytes | None]:
    """Return a PNG without all that is no pixels, and its colour profile.

    Pillow refuses pictures with a text or profile of more than a megabyte, and those with a damaged one.

    Args:
        content: The file; what cannot be followed in it is left as it is.
    """
    kept, profile, at = [content[:8]], None, 8
    while at + 12 <= len(content):
        (length,) = struct.unpack(">I", content[at : at + 4])
        kind, end = content[at + 4 : at + 8], at + 12 + length
        if kind == b"iCCP":
            profile = _profile(content[at + 8 : end - 4])
        elif kind[:1].isupper() or (kind in _PNG_KEPT and _is_whole(content[at:end])):
            kept.append(content[at:end])
        at = end
    kept.append(content[at:])
    return b"".join(kept), profile


def _is_whole(chunk: bytes) -> bool:
    return zlib.crc32(chunk[4:-4]) == int.from_bytes(chunk[-4:], "big")


def _profile(chunk: bytes) -> bytes | None:
    """Unpack a profile: its name, a zero, the method, then zlib; None where it is damaged or endless."""
    packed = chunk.partition(b"\0")[2][1:]
    unpacking = zlib.decompressobj()
    try:
        profile = unpacking.decompress(packed, 16 * 2**20)
    except zlib.error:
        return None
    return profile if unpacking.eof else None
