"""A toy Qwen-Image-Edit of the first kind, which takes one picture."""

from pathlib import Path
from typing import Any

from tests import tiny_dreamlite, tiny_qwen

asked = tiny_qwen.asked


def pipeline(*, guided: bool = True, seed: int = 0) -> Any:
    """Build a bare pipeline."""
    return tiny_qwen.pipeline(seed=seed, is_first=True)


def folder(path: Path, *, guided: bool = True) -> Path:
    """Write such a pipeline in the layout of diffusers, and return its folder."""
    tiny_dreamlite.save(pipeline(), path)
    return path
