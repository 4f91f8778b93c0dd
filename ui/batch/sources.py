"""Pictures to edit: files, folders, and patterns of names, as a person gives them.

Law: each picture is taken once, however often it is named; of folders, what is visible and named like a
picture; and what is given but not there is an error, never nothing.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from glob import has_magic
from pathlib import Path

from dataset_builder.pairs.files import visible_files
from editors.files import user_path
from editors.pictures.files import SUFFIXES
from ui.errors import InvalidOption


@dataclass(frozen=True, kw_only=True, slots=True)
class Source:
    """A picture.

    Attributes:
        path: Its file.
        name: What its results are named after: its path below the folder that was given, or its name.
    """

    path: Path
    name: Path


@dataclass(frozen=True, kw_only=True, slots=True)
class Looked:
    """A folder, or a pattern of names, that pictures were looked for in.

    Attributes:
        folders: Where; whole paths.
        below: Whether with all below them.
        names: Pattern of the names, as the system's shell writes it.
        found: Names that were found.
    """

    folders: frozenset[Path]
    below: bool
    names: str
    found: tuple[Path, ...]

    def would_find(self, place: Path) -> bool:
        """Say whether a result of what was found would be found in a folder."""
        inside = place in self.folders or (self.below and not self.folders.isdisjoint(place.parents))
        return inside and any(fnmatch(f"{one.stem}-edited.png", self.names) for one in self.found)


@dataclass(frozen=True, kw_only=True, slots=True)
class Sources:
    """What was found.

    Attributes:
        pictures: In the order in which they were given, those of a folder by name.
        looked: Where they were looked for.
    """

    pictures: tuple[Source, ...]
    looked: tuple[Looked, ...]

    def would_find(self, folder: Path) -> bool:
        """Say whether results in a folder would be found as pictures the next time."""
        place = folder.resolve()
        return any(one.would_find(place) for one in self.looked)


def is_there(given: str) -> bool:
    """Say whether an argument names pictures: a file or folder that is there, or a pattern of names."""
    return user_path(given).exists() or has_magic(given)


def is_one_file(given: str) -> bool:
    """Say whether an argument stands for a single file, there or not."""
    path = user_path(given)
    return not path.is_dir() and (path.exists() or not has_magic(given))


def find(given: Sequence[str]) -> Sources:
    """Find pictures.

    Args:
        given: Files, folders that are looked through with all below them, or patterns: `holiday/**/*.jpg`.

    Raises:
        InvalidOption: One of them is not there, or holds no picture.
        DatasetError: A folder cannot be looked into.
    """
    found: dict[str, Source] = {}
    looked: list[Looked] = []
    for one in given:
        for source in _of(one, looked):
            found.setdefault(os.path.realpath(source.path), source)
    return Sources(pictures=tuple(found.values()), looked=tuple(looked))


def _of(given: str, looked: list[Looked]) -> tuple[Source, ...]:
    """Return the pictures of one argument; add where it looks for them."""
    path = user_path(given)
    if path.is_dir():
        sources, names, below, tops = _in_folder(path), "*", True, {path}
    elif path.exists():
        return (Source(path=path, name=Path(path.name)),)
    elif has_magic(given):
        sources, names, below = _matching(str(path), given), Path(given).name, "**" in given
        tops = {_folder_of(str(path))} if below else {source.path.parent for source in sources}
    else:
        raise InvalidOption(f"PHOTO: there is no file or folder {given!r}; check the path.")
    folders = frozenset(top.resolve() for top in tops)
    found = tuple(source.name for source in sources)
    looked.append(Looked(folders=folders, below=below, names=names, found=found))
    return sources


def _in_folder(folder: Path) -> tuple[Source, ...]:
    paths = [path for path in visible_files(folder) if path.suffix.lower() in SUFFIXES]
    if not paths:
        kinds = ", ".join(sorted(suffix[1:] for suffix in SUFFIXES))
        raise InvalidOption(f"PHOTO: {str(folder)!r} holds no picture ({kinds}); name another folder.")
    return tuple(Source(path=path, name=path.relative_to(folder)) for path in paths)


def _matching(pattern: str, given: str) -> tuple[Source, ...]:
    top = _folder_of(pattern)
    names = sorted(path.relative_to(top) for path in top.glob(str(Path(pattern).relative_to(top))))
    found = [name for name in names if not any(part.startswith(".") for part in name.parts)]
    sources = tuple(Source(path=top / name, name=name) for name in found if (top / name).is_file())
    if not sources:
        raise InvalidOption(f"PHOTO: nothing matches {given!r}; check the path.")
    return sources


def _folder_of(pattern: str) -> Path:
    """Return the folder in which all that matches a pattern lies."""
    parts = Path(pattern).parts
    fixed = next(place for place, part in enumerate(parts) if has_magic(part))
    return Path(*parts[:fixed]) if fixed else Path()
