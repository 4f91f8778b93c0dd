"""Texts for files and for other programs: what no encoding can spell goes out as an escape.

A file's name may hold bytes that are no text, which Python keeps as lone surrogates; JSON may hold such
escapes without any file. Law: neither is lost and neither ends a finished job with an error; a text that can
be spelled is written as it is.
"""

import json
from typing import Any


def is_spellable(text: str) -> bool:
    """Say whether UTF-8 can spell a text: it holds no lone surrogate."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def as_json(value: Any, **options: Any) -> str:
    """Write a value as JSON, with letters as they are where UTF-8 can spell them all.

    Args:
        value: Anything that JSON holds.
        options: Of `json.dumps`, but for `ensure_ascii`.
    """
    text = json.dumps(value, ensure_ascii=False, **options)
    return text if is_spellable(text) else json.dumps(value, ensure_ascii=True, **options)


def spelled(text: str) -> str:
    r"""Write a text for people: the byte E9 of a file's name becomes `\xe9`."""
    try:
        return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    except UnicodeEncodeError:  # halves of letters from JSON, which stand for no byte
        return text.encode("utf-8", "backslashreplace").decode()
