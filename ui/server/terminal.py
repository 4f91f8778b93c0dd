"""Spelling for terminals: words go out as they are where one can, and in escapes where it cannot.

Law: no name and no recipe, in whatever writing, ends a finished job with an error, and none is lost: an
escape says which character is meant.
"""

import json
import sys
from collections.abc import Mapping
from typing import Any, TextIO

from editors.requests import spelling

BYTES_KEPT = "surrogateescape"
"""How Python keeps bytes of a file's name that are no text; written so, they are the same bytes again."""


def spell_everything() -> None:
    """Let standard output and error take every character."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:  # a replaced stream, as in a notebook, looks after itself
            reconfigure(errors=BYTES_KEPT if _is_utf8(stream) else "backslashreplace")


def as_json(value: Mapping[str, Any]) -> str:
    """Write an object on one line, in ASCII unless the terminal reads UTF-8 and the text is all of it."""
    return spelling.as_json(value) if _is_utf8(sys.stdout) else json.dumps(value)


def _is_utf8(stream: TextIO) -> bool:
    return (getattr(stream, "encoding", None) or "").lower().replace("-", "").startswith("utf8")
