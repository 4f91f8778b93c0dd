"""Bodies of requests: a form with pictures, or a JSON object; read within bounds.

Law: what is too large, or is no form or object, is refused with a sentence, and nothing of it stays on disk.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.types import Message

from editors.errors import first_line
from editors.requests.picture import Picture
from ui.images_api.errors import ApiError
from ui.images_api.fields import MOST_IMAGES

MAX_FORM: Final = 350 * 2**20
"""Bytes: a PNG of 110 megapixels, the largest picture the decoder takes, still fits."""
MAX_JSON: Final = 2**20
MOST_FIELDS: Final = 64
_IMAGE: Final = re.compile(r"image(\[\d*\])?")


@dataclass(frozen=True, kw_only=True, slots=True)
class Form:
    """A form: its pictures as they came, and its words."""

    images: tuple[bytes, ...]
    mask: bytes | None
    words: Mapping[str, str]


async def read_form(request: Request) -> Form:
    """Read a form with pictures.

    Raises:
        ApiError: It is none, or too large.
    """
    if not request.headers.get("content-type", "").startswith("multipart/form-data"):
        raise ApiError("Send a form (multipart/form-data) with image and prompt.", status=415)
    bounded = Request(request.scope, _bounded(request, MAX_FORM))
    try:
        async with bounded.form(max_files=MOST_IMAGES + 1, max_fields=MOST_FIELDS) as form:
            images, words = list[bytes](), dict[str, str]()
            mask: bytes | None = None
            for name, value in form.multi_items():
                if _IMAGE.fullmatch(name) and isinstance(value, UploadFile):
                    images.append(await value.read())
                elif name == "mask" and isinstance(value, UploadFile):
                    mask = await value.read()
                elif isinstance(value, UploadFile):
                    raise ApiError(f"{name}: is a file where none is wanted.", param=name)
                elif name in words:
                    raise ApiError(f"{name}: is given twice.", param=name)
                else:
                    words[name] = value
    except (ApiError, MemoryError):
        raise
    except Exception as error:  # noqa: BLE001 - whatever a form makes of its parser
        said = getattr(error, "detail", None) or first_line(error)
        raise ApiError(f"The form cannot be read ({str(said).rstrip('.')}).") from None
    if not images:
        raise ApiError(
            "image: is missing; send the picture to edit.", param="image", code="missing_parameter"
        )
    return Form(images=tuple(images), mask=mask, words=words)


async def read_object(request: Request) -> dict[str, Any]:
    """Read a JSON object.

    Raises:
        ApiError: It is none, or too large.
    """
    try:
        found = json.loads(await Request(request.scope, _bounded(request, MAX_JSON)).body())
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise ApiError('Send a JSON object: {"prompt": "a cat in the snow"}.')
    return found


def transparent(mask: Picture) -> Picture:
    """Return a mask as the editors take it, white where a picture may change: where this one is transparent.

    Raises:
        ApiError: It is opaque all over.
    """
    if mask.alpha is None:
        raise ApiError("mask: is opaque; make transparent what may change.", param="mask")
    return Picture(image=mask.alpha.point([255 - level for level in range(256)]).convert("RGB"))


def _bounded(request: Request, most: int) -> Any:
    """Return what hands on a request's body, as far as it is no larger than so many bytes."""
    seen = 0

    async def receive() -> Message:
        nonlocal seen
        message = await request.receive()
        seen += len(message.get("body", b""))
        if seen > most:
            raise ApiError(f"The request is over {most / 2**20:.0f} MB; send smaller pictures.", status=413)
        return message

    return receive
