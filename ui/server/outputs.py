"""Outputs of commands: a checked place before the work; the written paths, or one JSON object, after it.

Law: nothing is computed for a place that cannot be written to, and an unasked name overwrites nothing.
"""

import os
from collections.abc import Callable, Mapping
from itertools import chain, count
from pathlib import Path
from typing import Annotated, Any

import typer

from editors.files import named_after
from ui.errors import UnusablePlace
from ui.server import terminal

_KINDS = {".png": "pictures are written as PNG", ".json": "figures are written as JSON"}

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")]


def file_place(place: Path, *, suffix: str, option: str = "--out") -> Path:
    """Return where a file will be written, having checked that it can be; a file there is replaced.

    Args:
        place: What the user asked for.
        suffix: What its name must end in.
        option: The option's name, for the sentence.

    Raises:
        UnusablePlace: It has another ending, or its folder is missing or closed to us.
    """
    if place.is_dir():
        raise UnusablePlace(f"{option}: {str(place)!r} is a folder; give the name of a file.")
    if place.suffix.lower() != suffix:
        raise UnusablePlace(f"{option}: {place.name!r} does not end in {suffix}; {_KINDS[suffix]} only.")
    if not place.parent.is_dir():
        raise UnusablePlace(
            f"{option}: there is no folder {str(place.parent)!r}; make it, or choose another."
        )
    if not os.access(place.parent, os.W_OK):
        raise UnusablePlace(f"{option}: the folder {str(place.parent)!r} is closed to us; choose another.")
    return place


def png_place(place: Path, *, option: str = "--out") -> Path:
    """Return where a PNG will be written; see `file_place`."""
    return file_place(place, suffix=".png", option=option)


def require_apart(places: Mapping[str, Path]) -> None:
    """Require that no two results go to one file.

    Args:
        places: Option -> its place.

    Raises:
        UnusablePlace: Two do.
    """
    seen: dict[Path, str] = {}
    for option, place in places.items():
        other = seen.setdefault(place.resolve(), option)
        if other != option:
            raise UnusablePlace(f"{option}: {str(place)!r} is that of {other}, too; give another name.")


def free_name(wanted: Path, is_taken: Callable[[Path], bool] = os.path.lexists) -> Path:
    """Return `wanted`, or the first of `wanted-2`, `wanted-3`, ... that is not taken."""
    numbered = (named_after(wanted, f"-{index}") for index in count(2))
    return next(path for path in chain([wanted], numbered) if not is_taken(path))


def report(paths: Mapping[str, Path], facts: Mapping[str, Any], *, as_json: bool, summary: str) -> None:
    """Say what was made: paths on stdout and a summary on stderr, or all as one object on stdout."""
    if as_json:
        written = {name: str(path) for name, path in paths.items()}
        typer.echo(terminal.as_json({**written, **facts}))
        return
    for path in paths.values():
        typer.echo(path)
    if summary:
        typer.echo(summary, err=True)
