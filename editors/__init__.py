"""Editing pictures by saying what to change: what an edit is, and how one is made. Inference only.

Law: importing this package imports no torch; the editors load when they are first named (PEP 562).
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from editors.errors import AlignmentError, EditFailed, EditorError, IncompatibleModel, InvalidEdit
from editors.requests.edits import EditResult, InstructionEdit, LocalBlend, PromptEdit, Step

if TYPE_CHECKING:
    from editors.instruct_pix2pix import InstructPix2PixEditor
    from editors.prompt_to_prompt.editor import PromptToPromptEditor

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
    "PromptEdit",
    "PromptToPromptEditor",
    "Step",
]

_HEAVY = {"InstructPix2PixEditor": ".instruct_pix2pix", "PromptToPromptEditor": ".prompt_to_prompt.editor"}
"""Public name -> the module that brings torch with it."""


def __getattr__(name: str) -> Any:
    if name not in _HEAVY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HEAVY[name], __name__), name)


def __dir__() -> list[str]:
    return __all__
