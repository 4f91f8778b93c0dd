"""Names of results: of the picture and of what was asked for."""

import re
from pathlib import Path
from typing import Final

from editors.files import named_after
from editors.requests.words import word_places

_LENGTH: Final = 60
"""Characters of an instruction in the name of a result."""


def result_name(name: Path, words: str) -> Path:
    """Return what a result is best called: of `photo.jpg`, `photo-make-it-night.png`."""
    return named_after(name, f"-{slug(words)}", ".png")


def slug(words: str) -> str:
    """Return the words of a text as a part of a name: "make-it-night"."""
    parts = (words[start:end].lower() for start, end in word_places(words))
    kept = [part for part in parts if part[0].isalnum()]
    return re.sub(r"[^\w-]+", "", "-".join(kept))[:_LENGTH].strip("-") or "edited"
