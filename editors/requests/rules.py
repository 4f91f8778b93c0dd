"""The rules that fields of a request obey: a valid value passes, any other is one sentence.

Law: as in `editors.checks`, which these stand on.
"""

import hashlib
import unicodedata
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from PIL import Image

from editors.checks import Checks, shown
from editors.errors import InvalidEdit
from editors.requests.picture import Picture

STEPS = (1, 1000)
SIDE = (16, 8192)
NUM_SEEDS = 2**32
SEED = (0, NUM_SEEDS - 1)
SCALE = (0, 100)
WEIGHT = (-100, 100)
REACH = (0.05, 1)
"""Of the longer side of a picture, within which a thing is looked for."""
MARGIN = (0, 8192)
"""Pixels that are added on one side of a picture."""
FORECAST = (1, 4)
"""Steps of which one is computed."""
RESAMPLES = (1, 20)
"""How often a step is taken where a picture is extended."""
MAX_CHARACTERS = 1000
"""Of a prompt: more than any text encoder reads, little enough to show."""


_CHECKS = Checks(InvalidEdit)
number, whole_number = _CHECKS.number, _CHECKS.whole_number
switch, choice = _CHECKS.switch, _CHECKS.choice


def scale(name: str, value: Any) -> float:
    """Require a guidance scale."""
    number(name, value, *SCALE)
    return float(value)


def steps(name: str, value: Any) -> int:
    """Require a number of denoising steps."""
    whole_number(name, value, *STEPS)
    return int(value)


def forecast(name: str, value: Any) -> int:
    """Require a number of steps of which one is computed."""
    whole_number(name, value, *FORECAST)
    return int(value)


def seed(value: object) -> None:
    """Require a seed, or None for a drawn one."""
    if value is None:
        return
    try:
        whole_number("seed", value, *SEED)
    except InvalidEdit as wrong:
        raise InvalidEdit("seed", f"{wrong.problem[:-1]}, or leave it out and one is drawn.") from None


def prompt(name: str, value: object) -> None:
    """Require text: not blank, not endless, and no control characters."""
    if not isinstance(value, str):
        raise InvalidEdit(name, f"{shown(value)} is no text; say in words what you want.")
    # Letters, marks, numbers, punctuation and symbols can be seen; of a space without width nothing can.
    if all(unicodedata.category(mark)[0] in "ZC" for mark in value):
        raise InvalidEdit(name, "is empty; say in a few words what you want.")
    if len(value) > MAX_CHARACTERS:
        raise InvalidEdit(
            name, f"has {len(value)} characters, allowed are 1 to {MAX_CHARACTERS}; shorten it."
        )
    odd = next((c for c in value if (ord(c) < 32 and c not in "\t\n\r") or 0xD800 <= ord(c) < 0xE000), None)
    if odd is not None:
        raise InvalidEdit(
            name, f"holds the control character U+{ord(odd):04X}; allowed is plain text, remove it."
        )


def picture(name: str, value: object) -> None:
    """Require a picture or the path of one; whether that can be read shows when it is read."""
    if not isinstance(value, Image.Image | Picture | Path) and not (
        isinstance(value, str) and value and "\0" not in value
    ):
        raise InvalidEdit(name, f"{shown(value)} is no picture; give a PIL image or the path of a file.")


def pictures(name: str, value: object) -> tuple[Any, ...]:
    """Require a list of pictures or paths, and return it; a bare path would be read letter by letter."""
    if isinstance(value, str | Path | Image.Image | Picture) or not isinstance(value, Iterable):
        raise InvalidEdit(name, f"{shown(value)} is no list of pictures; write [picture] for one.")
    found = tuple(value)
    for one in found:
        picture(name, one)
    return found


def word(name: str, value: object) -> str:
    """Require a word, as it stands in a prompt."""
    if not isinstance(value, str) or not value.strip():
        raise InvalidEdit(name, f"{shown(value)} is no word; give words as they stand in the prompt.")
    return value


def words(name: str, value: object) -> tuple[str, ...]:
    """Require a few words; a bare string would be read letter by letter, so it is an error."""
    if isinstance(value, str) or not isinstance(value, Iterable):
        raise InvalidEdit(name, f"{shown(value)} is no list of words; write ('cat',) for one word.")
    return tuple(word(name, one) for one in value)


def weights(name: str, value: object) -> dict[str, float]:
    """Require a mapping of words to factors."""
    if not isinstance(value, Mapping):
        raise InvalidEdit(name, f"{shown(value)} is no mapping; write {{'snow': 1.5}}.")
    for key, factor in value.items():
        number(f"{name}[{word(name, key)}]", factor, *WEIGHT)
    return dict(value)


def window(name: str, value: object) -> float | tuple[float, float]:
    """Require a step window: a fraction (1 and 1.0 are both all steps), or (start, end) in order."""
    if isinstance(value, list | tuple):
        if len(value) != 2:
            raise InvalidEdit(
                name, f"{shown(value)} is no window; a pair is (start, end), such as (0.2, 0.8)."
            )
        start, end = value
        number(f"{name} start", start, 0, 1)
        number(f"{name} end", end, 0, 1)
        if end < start:
            raise InvalidEdit(name, f"{shown(value)} ends before it starts; write ({end:g}, {start:g}).")
        return (float(start), float(end))
    number(name, value, 0, 1)
    return float(value)  # type: ignore[arg-type]


def reference(source: Image.Image | Picture | Path | str) -> str:
    """Name a picture: a path by itself, a picture in memory by a hash of what it shows."""
    if isinstance(source, Picture):
        source = source.with_alpha()
    if not isinstance(source, Image.Image):
        return str(source)
    digest = hashlib.sha256(f"{source.mode}{source.size}".encode())
    digest.update(source.tobytes())
    return f"sha256:{digest.hexdigest()}"


def dereference(name: str, text: str, pictures: Mapping[str, Image.Image]) -> Image.Image | str:
    """Find the picture that a reference names."""
    if not text.startswith("sha256:"):
        return text
    if text not in pictures:
        raise InvalidEdit(name, f"the picture {text[:19]}… was in memory only; hand it over in `pictures`.")
    return pictures[text]
