"""Editing pictures by saying what to change: what an edit is, and how one is made. Inference only.

Law: importing this package imports nothing else; each name loads its module when it is first asked for
(PEP 562). Requests bring Pillow along, editors torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from editors.errors import AlignmentError, EditFailed, EditorError, IncompatibleModel, InvalidEdit
    from editors.instruct_pix2pix import InstructPix2PixEditor
    from editors.outpainting.editor import RePaintEditor
    from editors.prompt_to_prompt.editor import PromptToPromptEditor
    from editors.requests.edits import InstructionEdit, LocalBlend, OutpaintEdit, PromptEdit
    from editors.requests.lora import Lora
    from editors.requests.results import EditResult, Step

__all__ = [
    "AlignmentError",
    "EditFailed",
    "EditResult",
    "EditorError",
    "IncompatibleModel",
    "InstructPix2PixEditor",
    "InstructionEdit",
    "InvalidEdit",
    "LocalBlend",
    "Lora",
    "OutpaintEdit",
    "PromptEdit",
    "PromptToPromptEditor",
    "RePaintEditor",
    "Step",
]

_HOMES = {
    **dict.fromkeys(
        ("AlignmentError", "EditFailed", "EditorError", "IncompatibleModel", "InvalidEdit"), ".errors"
    ),
    **dict.fromkeys(("InstructionEdit", "LocalBlend", "OutpaintEdit", "PromptEdit"), ".requests.edits"),
    "Lora": ".requests.lora",
    **dict.fromkeys(("EditResult", "Step"), ".requests.results"),
    "InstructPix2PixEditor": ".instruct_pix2pix",
    "PromptToPromptEditor": ".prompt_to_prompt.editor",
    "RePaintEditor": ".outpainting.editor",
}
"""Public name -> its module."""


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from editors.uncollected import uncollected

    with uncollected():
        return getattr(import_module(_HOMES[name], __name__), name)


def __dir__() -> list[str]:
    return __all__
