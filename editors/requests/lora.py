"""LoRAs: what is laid over a model, and how strongly. Importing this module imports no torch."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from editors.files import user_path
from editors.requests import rules

LARGEST_SCALE = 10.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Lora:
    """Low-rank changes of a model's weights (Hu et al., 2021), in a file.

    Attributes:
        path: A .safetensors file as diffusers, kohya's trainers or peft write it, or peft's folder.
        scale: Factor on the changes, -10 to 10: 0 is the model as it was, 1 what was trained.
    """

    path: Path
    scale: float = 1.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "path", user_path(self.path))
        rules.number("lora", self.scale, -LARGEST_SCALE, LARGEST_SCALE)

    @classmethod
    def of(cls, given: Lora | str | os.PathLike[str]) -> Lora:
        """Return one as a command line names it: `FILE`, or `FILE=SCALE`.

        Raises:
            InvalidEdit: The scale is out of range.
        """
        if isinstance(given, Lora):
            return given
        text = os.fspath(given)
        file, equals, scale = text.rpartition("=")
        if equals and not user_path(text).exists():
            try:
                return cls(path=Path(file), scale=float(scale))
            except ValueError as error:
                if isinstance(error, rules.InvalidEdit):
                    raise
        return cls(path=Path(text))

    @property
    def label(self) -> str:
        """What people call it, in the name of the model and in recipes."""
        return f"{self.path.stem}={self.scale:g}"
