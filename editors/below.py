"""Folders that may be opened by name: those below one folder that its owner has named, and no others.

Law: a name leads to a folder that `found_below` lists or could list; nothing above the root is reached,
whatever the name. Names are for people and for browsers: they tell nothing of where the root lies.
"""

from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import Final

from editors.files import user_path

DEPTH: Final = 3
"""How far below the root is looked: a job among others has its stages two folders below."""


def found_below(root: Path | str, marker: str, *, depth: int = DEPTH) -> list[str]:
    """Return the folders at and below a root that hold a file, in order; "." is the root itself.

    Hidden folders, of caches and of notebooks, are left out.

    Args:
        root: Where to look.
        marker: Name of the file.
        depth: Levels of folders that are looked through.

    Returns:
        Paths from the root, with slashes.
    """
    top = user_path(root)
    return sorted(
        path.parent.relative_to(top).as_posix()
        for level in range(depth + 1)
        for path in top.glob("*/" * level + marker)
        if not any(part.startswith(".") for part in path.relative_to(top).parts)
    )


def files_below(root: Path | str, pattern: str, *, depth: int = DEPTH) -> list[str]:
    """Return the files at and below a root whose names match a pattern, as `found_below` does folders."""
    top = user_path(root)
    return sorted(
        path.relative_to(top).as_posix()
        for level in range(depth + 1)
        for path in top.glob("*/" * level + pattern)
        if path.is_file() and not any(part.startswith(".") for part in path.relative_to(top).parts)
    )


def folder_below(root: Path | str, name: str | None, is_one: Callable[[Path], bool]) -> Path | None:
    """Return the folder that a name from `found_below` means; None where it is no such name or folder.

    Args:
        root: As for `found_below`.
        name: A path from there, as it comes from who must not be trusted.
        is_one: Says whether a folder is one of those that may be opened.
    """
    if not name or PurePosixPath(name).as_posix() != name:
        return None
    if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts:
        return None
    place = user_path(root) / name
    return place if is_one(place) else None
