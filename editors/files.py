"""Paths that people gave, and files that are there whole or not at all.

Law: after a kill or a power cut a path holds its old content or its new content, never a part of either. This
module imports nothing heavy, for every package writes files.
"""

import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Final

TEMPORARY_MARK: Final = ".tmp-"
_NAME_BYTES: Final = 150
"""Of a file's own name in that of its temporary file: with the mark it stays below every system's 255."""


def user_path(given: str | Path) -> Path:
    """Return a path as its user means it: `~` is the home folder wherever it comes from.

    A shell replaces it in `--out ~/x` but not in `--out=~/x`, and nobody does in a configuration file.
    """
    path = Path(given)
    try:
        return path.expanduser()
    except RuntimeError:  # the home of somebody who is unknown here: then it is a name like any other
        return path


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """Write a file beside `path`, and put it there when the block has ended well.

    Yields:
        The file to write to.

    Raises:
        OSError: The system refused; what was there is as it was, and nothing else is left.
    """
    name = os.fsdecode(os.fsencode(path.name)[:_NAME_BYTES])
    temporary = path.with_name(f"{name}{TEMPORARY_MARK}{uuid.uuid4().hex}")
    try:
        with temporary.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        sync_folder(path.parent)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


@contextmanager
def replacing_folder(folder: Path) -> Iterator[Path]:
    """Fill a folder beside `folder`, and put it there when the block has ended well.

    Yields:
        The folder to fill.

    Raises:
        OSError: The system refused; what was there is as it was, and nothing else is left.
    """
    mark = f"{TEMPORARY_MARK}{uuid.uuid4().hex}"
    filled, old = (folder.with_name(f"{folder.name}{kind}{mark}") for kind in ("", ".old"))
    try:
        filled.mkdir(parents=True)
        yield filled
        for path in filled.rglob("*"):
            if path.is_file():
                sync_file(path)
        if folder.exists():
            folder.rename(old)
        try:
            filled.rename(folder)
        except BaseException:
            if old.exists():
                old.rename(folder)
            raise
        sync_folder(folder.parent)
    finally:
        shutil.rmtree(filled, ignore_errors=True)
        if folder.exists():  # else the old one is all there is
            shutil.rmtree(old, ignore_errors=True)


def sync_file(path: Path) -> None:
    """Make a file's content survive a power cut."""
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Make a rename survive a power cut, where the system can (Windows cannot open folders)."""
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
