"""Paths that people gave, and files that are there whole or not at all.

Law: after a kill or a power cut a path holds its old content or its new content, never a part of either. A
link stays one: what it leads to is written. What a filesystem cannot do, as network and FUSE ones, is done
without; what it refuses is told. This module imports nothing heavy, for every package writes files.
"""

import codecs
import errno
import os
import shutil
import stat
import unicodedata
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, Final

TEMPORARY_MARK: Final = ".tmp-"
_NAME_BYTES: Final = 255
"""Of a name, where the system does not say."""
_NUMBER_BYTES: Final = 8
UNSUPPORTED: Final = frozenset(
    {errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOTTY, errno.EISDIR, errno.EBADF}
)
"""How filesystems say that they lack a call: network ones, FUSE, ZFS, musl's C library."""


def user_path(given: str | Path) -> Path:
    """Return a path as its user means it: `~` is the home folder wherever it comes from.

    A shell replaces it in `--out ~/x` but not in `--out=~/x`, and nobody does in a configuration file.
    """
    path = Path(given)
    try:
        return path.expanduser()
    except RuntimeError:  # the home of somebody who is unknown here: then it is a name like any other
        return path


def cache_folder() -> Path:
    """Return the folder for what is fetched or measured: `WORDBRUSH_CACHE`, or the platform's own."""
    from platformdirs import user_cache_path

    named = os.environ.get("WORDBRUSH_CACHE")
    return user_path(named) if named else user_cache_path("wordbrush", appauthor=False)


def reason_of(error: BaseException) -> str:
    """Return why the system refused, in its own words and without the path."""
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def named_after(path: Path, mark: str, suffix: str | None = None) -> Path:
    """Return a path beside another, named after it: of `photo.jpg`, `photo-edited.png`.

    Where the system takes no name so long, as with photos that are called by a whole prompt, the end of the
    old name is left out, never the mark.

    Args:
        path: What to name it after.
        mark: Follows the name: "-edited".
        suffix: Takes the place of the old one; None keeps that.
    """
    ending = mark + (path.suffix if suffix is None else suffix)
    room = name_room(path.parent) - len(os.fsencode(ending))
    return path.with_name(_beginning(path.stem, room) + ending)


def temporary_beside(path: Path, kind: str = "") -> Path:
    """Return the path of what will take another's place, or has given way to it.

    Args:
        path: The place.
        kind: Follows the name, to tell several apart.
    """
    ending = f"{kind}{TEMPORARY_MARK}{uuid.uuid4().hex}"
    return path.with_name(_beginning(path.name, name_room(path.parent) - len(ending)) + ending)


def name_room(folder: Path) -> int:
    """Return how many bytes a name in a folder may have: mostly 255, and 143 where names are encrypted."""
    try:
        return os.pathconf(folder, "PC_NAME_MAX")
    except (AttributeError, OSError, ValueError):
        return _NAME_BYTES  # Windows; a folder that is not there yet; a system without this word


def _beginning(name: str, room: int) -> str:
    """Return a name, or where it has more bytes than that, its beginning: whole letters with all their marks.

    A beginning leaves room for a number, by which several of them can be told apart.
    """
    if len(os.fsencode(name)) <= room:
        return name
    while name and len(os.fsencode(name)) > room - _NUMBER_BYTES:
        last = len(name) - 1
        while last > 0 and unicodedata.combining(name[last]):
            last -= 1
        name = name[:last]
    return name.rstrip(". ")


def where_written(path: Path) -> Path:
    """Return the file or folder that is written when a path is: links are followed, also to nothing yet."""
    return Path(os.path.realpath(path)) if path.is_symlink() else path


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """Write a file beside `path`, and put it there when the block has ended well.

    A file that is replaced keeps who may read it; a link stays, and what it leads to is replaced.

    Yields:
        The file to write to.

    Raises:
        OSError: The system refused; what was there is as it was, and nothing else is left.
    """
    path = where_written(path)
    temporary = temporary_beside(path)
    try:
        with temporary.open("xb") as file:
            yield file
            file.flush()
            sync(file.fileno())
        with suppress(OSError):  # nothing was there, or rights are not for us to give
            temporary.chmod(stat.S_IMODE(path.stat().st_mode))
        temporary.replace(path)
        sync_folder(path.parent)
    except BaseException:
        with suppress(OSError):  # the first error is the one to tell
            temporary.unlink(missing_ok=True)
        raise


@contextmanager
def replacing_folder(folder: Path) -> Iterator[Path]:
    """Fill a folder beside `folder`, and put it there when the block has ended well; a link stays.

    Yields:
        The folder to fill.

    Raises:
        OSError: The system refused; what was there is as it was, and nothing else is left.
    """
    folder = where_written(folder)
    filled, old = temporary_beside(folder), temporary_beside(folder, ".old")
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


def sync(handle: int) -> None:
    """Make an open file's content survive a power cut, where its filesystem can.

    Raises:
        OSError: The content is not on the disk: it is full, or fails.
    """
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in UNSUPPORTED:
            raise


def sync_file(path: Path) -> None:
    """Make a file's content survive a power cut, where its filesystem can; it may be closed to writers.

    Raises:
        OSError: The content is not on the disk: it is full, or fails.
    """
    with path.open("rb" if os.name == "posix" else "rb+") as file:
        sync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Make a rename survive a power cut, where the system can.

    Windows cannot open folders, CIFS and many FUSE filesystems cannot flush them, and a folder may be closed
    to readers.

    Raises:
        OSError: The disk fails.
    """
    if os.name != "posix":
        return
    try:
        handle = os.open(folder, os.O_RDONLY)
    except PermissionError:
        return
    try:
        sync(handle)
    finally:
        os.close(handle)


def linked(path: Path, place: Path) -> None:
    """Put a file at a second place without taking room, where the filesystem has hard links; else a copy.

    Raises:
        OSError: The system refused the copy, too.
    """
    try:
        os.link(path, place)
    except OSError:  # none on FAT, some network filesystems, across two of them, or for files of others
        shutil.copyfile(path, place)


def text_encoding(path: Path) -> str:
    """Return how a text file is encoded: UTF-8, with or without a byte order mark, or UTF-16 by its mark.

    Excel, Notepad and PowerShell put these marks before what they save.

    Raises:
        OSError: The file cannot be read.
    """
    with path.open("rb") as file:
        head = file.read(2)
    return "utf-16" if head in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE) else "utf-8-sig"


def read_text(path: Path) -> str:
    """Read a text file that a person may have saved with any editor; see `text_encoding`.

    Raises:
        OSError: The file cannot be read.
        UnicodeError: It is in another encoding.
    """
    return path.read_text(encoding=text_encoding(path))
