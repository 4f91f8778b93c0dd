"""Toys of the large families, by name: each a module with `pipeline`, `folder` and, of editors, `asked`."""

from typing import Any, Final

from tests import (
    tiny_dreamlite,
    tiny_flux,
    tiny_klein,
    tiny_kontext,
    tiny_longcat,
    tiny_qwen,
    tiny_qwen_first,
    tiny_sd3,
)

EDITING: Final[dict[str, Any]] = {
    "dreamlite": tiny_dreamlite,
    "klein": tiny_klein,
    "kontext": tiny_kontext,
    "longcat": tiny_longcat,
    "qwen": tiny_qwen,
    "first-qwen": tiny_qwen_first,
}
DRAWING: Final[dict[str, Any]] = {"flux": tiny_flux, "sd3": tiny_sd3}
FAMILIES: Final = {**EDITING, **DRAWING}
