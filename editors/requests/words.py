"""Finding words in a text, as people of all scripts write them.

Law: letters keep their combining marks, and a word that is looked for is found whole or not at all; where a
script writes no spaces, any run of its letters may be a word.
"""

import re
import unicodedata
from collections.abc import Sequence

_APOSTROPHES = "'’‘ʼ＇`´"
_HYPHENS = "-‐‑"
"""Ways to type one mark: phones and word processors bend and widen them."""
_UNSPACED = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]"
)
"""Letters that are written without spaces between words: Thai, Lao, Burmese, Khmer, Japanese, Chinese."""


def word_places(text: str) -> tuple[tuple[int, int], ...]:
    """Return where the words of a text are, `(start, end)` each, in order.

    Letters keep their combining marks, so that words of all scripts stay whole, and inner hyphens and
    apostrophes. A run of other marks is one word, because CLIP makes one token of "!!!".
    """
    places: list[list[int]] = []
    last = ""
    for place, mark in enumerate(text):
        kind = _kind(mark) or last  # what joins or tops another mark is of its kind
        inner = (
            last == "letter" == _kind(text[place + 1 : place + 2])
            and mark in _APOSTROPHES + _HYPHENS
            and text[place - 1] not in _APOSTROPHES + _HYPHENS
        )
        kind = "letter" if inner else kind
        if kind == "space" or not kind:
            last = ""
            continue
        if kind == last:
            places[-1][1] = place + 1
        else:
            places.append([place, place + 1])
        last = kind
    return tuple((start, end) for start, end in places)


def together(instructions: Sequence[str]) -> str:
    """Return instructions as one: "make it night, add snow"."""
    return ", ".join(one.strip().rstrip(",;.!") for one in instructions)


def places_of(phrase: str, text: str) -> tuple[tuple[int, int], ...]:
    """Return where whole words of a text are those of a phrase, `(start, end)` each.

    Case, the width of spaces, and the form of apostrophes and hyphens do not matter.
    """
    pattern = r"\s+".join("".join(map(_typed, part)) for part in phrase.split())
    # Looked for at every place, for a match that cuts a word may hide one that does not.
    matches = re.finditer(f"(?=({pattern}))", text, re.IGNORECASE) if pattern else ()
    spans = (match.span(1) for match in matches)
    return tuple(span for span in spans if not any(_cuts_a_word(text, place) for place in span))


def _kind(mark: str) -> str:
    """Return what a character is in a text: a letter, a line below, a space, a mark; "" what joins these."""
    if not mark or mark in "\u200c\u200d" or unicodedata.category(mark)[0] == "M":
        return ""
    if mark.isspace():
        return "space"
    return "letter" if mark.isalnum() else "line" if mark == "_" else "mark"


def _cuts_a_word(text: str, place: int) -> bool:
    """Say whether a place in a text is inside of a word, where a word that is looked for cannot end."""
    before, after = text[place - 1 : place] if place else "", text[place : place + 1]
    if not before or not after:
        return False
    if not _kind(after):  # a mark above, or below, belongs to what it is on
        return _kind(before) != "space"
    return (
        _kind(before) in ("", "letter", "line")
        and _kind(after) in ("letter", "line")
        and not _UNSPACED.search(before + after)
    )


def _typed(mark: str) -> str:
    """Return the pattern of a character in all the ways that it is typed."""
    family = next((one for one in (_APOSTROPHES, _HYPHENS) if mark in one), mark)
    return f"[{re.escape(family)}]" if len(family) > 1 else re.escape(mark)
