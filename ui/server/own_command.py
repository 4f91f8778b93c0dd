"""The command by which others call this Wordbrush: by its place, so that no environment need be activated."""

import shlex
import shutil
import sys
from pathlib import Path


def own_command() -> list[str]:
    """Return the words that start this Wordbrush from anywhere on this machine."""
    script = Path(sys.executable).with_name("wordbrush")
    if script.is_file():
        return [str(script)]
    # -P: a folder of the user's that is called as one of our packages is not taken for it.
    return [sys.executable, "-P", "-m", "ui.cli"]


def as_called(sentence: str) -> str:
    """Return a sentence whose commands, in backticks, work where this one was called."""
    found = shutil.which("wordbrush")
    (first, *rest) = own_command()
    if found is not None and not rest and Path(found).resolve() == Path(first).resolve():
        return sentence
    return sentence.replace("`wordbrush ", f"`{shlex.join([first, *rest])} ")
