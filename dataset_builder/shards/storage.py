"""Files that are there whole or not at all, hashes, and the lock on a folder.

Law: after a kill or a power cut a path holds its old content or its new content, never a part of either.
"""

from __future__ import annotations

import errno
import hashlib
import json
import logging
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from dataset_builder.errors import FolderBusy, StorageFailed
from editors.files import TEMPORARY_MARK, reason_of, replacing, sync
from editors.requests.spelling import as_json

LOCK_FILE: Final = ".lock"
_HELD: Final = frozenset({errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES, errno.EDEADLK})
"""How systems say that somebody else holds a lock: POSIX, Windows."""
_log = logging.getLogger(__name__)


def canonical_json(value: Any) -> str:
    """Return the one spelling of a JSON value that is hashed and stored."""
    return as_json(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def hash_json(value: Any) -> str:
    """Return the sha256 of a JSON value's canonical spelling."""
    return hash_bytes(canonical_json(value).encode())


def hash_bytes(content: bytes) -> str:
    """Return the sha256 of some bytes, in hex."""
    return hashlib.sha256(content).hexdigest()


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file so that it is there whole or not at all, also after a power cut.

    Raises:
        StorageFailed: The system refused; the old file, if any, is as it was.
    """
    with writing(path), replacing(path) as file:
        file.write(content)


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Say in one sentence that the system refused to write a file.

    Raises:
        StorageFailed: It did.
    """
    try:
        yield
    except OSError as error:
        raise StorageFailed(
            f"{path} could not be written ({reason_of(error)}); free space or choose another folder."
        ) from error


def make_folder(folder: Path) -> None:
    """Make a folder, if it is missing, and see that files can be written there.

    Raises:
        StorageFailed: They cannot.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        reason = "a file is there" if isinstance(error, FileExistsError) else reason_of(error)
        raise StorageFailed(f"{folder} cannot be written to ({reason}); choose another folder.") from error


def require_own(folder: Path, *names: str) -> None:
    """Require of a folder of results, there or not, that no file but ours will be written over.

    Args:
        folder: Where; one that an earlier run has held is ours.
        names: Of the files that will be written.

    Raises:
        StorageFailed: It holds a file of such a name that is not ours.
    """
    taken = next((name for name in names if (folder / name).exists()), None)
    if taken is not None and not (folder / LOCK_FILE).exists():
        raise StorageFailed(f"{folder} holds {taken}, which no run of ours wrote; choose another folder.")


def write_json(path: Path, value: Any) -> None:
    """Write a JSON file atomically, in its canonical spelling."""
    write_atomically(path, f"{canonical_json(value)}\n".encode())


def append_line(path: Path, value: Any) -> None:
    """Add a JSON value as a line to a file, on the disk when this returns.

    Raises:
        StorageFailed: The system refused.
    """
    with writing(path), path.open("ab") as file:
        file.write(f"{as_json(value)}\n".encode())
        file.flush()
        sync(file.fileno())


def read_lines(path: Path) -> list[Any]:
    """Return the JSON values that `append_line` wrote; a line that a kill cut short is cut off the file."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return []
    whole = content[: content.rfind(b"\n") + 1]
    if whole != content:
        write_atomically(path, whole)
    return _objects(whole)


def peek(path: Path) -> list[Any]:
    """Return the whole lines of a file that another run may be writing to, and change nothing."""
    content = path.read_bytes() if path.exists() else b""
    return _objects(content[: content.rfind(b"\n") + 1])


def _objects(lines: bytes) -> list[Any]:
    """Read JSON, a value a line; what is none is a ValueError, however it is none."""
    try:
        return [json.loads(line) for line in lines.splitlines()]
    except RecursionError as error:
        raise ValueError(str(error)) from error


def hash_file(path: Path) -> str:
    """Return the sha256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def remove_leftovers(folder: Path, names: Sequence[str] | None = None) -> None:
    """Remove temporary files of killed runs. Call it under the lock only.

    Args:
        folder: Where.
        names: Beginnings of the files that are ours to remove; None means all.
    """
    for name in [""] if names is None else [f"{name}." for name in names]:
        for leftover in folder.glob(f"{name}*{TEMPORARY_MARK}*"):
            leftover.unlink(missing_ok=True)


@contextmanager
def locked(folder: Path, *, name: str = LOCK_FILE, shared: bool = False) -> Iterator[None]:
    """Hold a folder for one run. The system lets go of it when the process ends, however it ends.

    Args:
        folder: What to hold; made if missing.
        name: File that stands for what is held.
        shared: Hold it beside others that share it, but never beside one that does not.

    Raises:
        FolderBusy: Another run holds it.
        StorageFailed: The folder cannot be made or written to.
    """
    make_folder(folder)
    with writing(folder / name):
        file = (folder / name).open("a+b")  # NFS shares a lock among those alone who may read
    with file:
        try:
            _lock(file.fileno(), shared=shared)
        except OSError as error:
            if error.errno in _HELD:
                raise FolderBusy(
                    f"another run is writing to {folder}; wait for it, end it, or choose another folder."
                ) from None
            _log.warning(
                "%s lies on a filesystem without locks (%s): see to it that no other run writes there.",
                folder,
                reason_of(error),
            )
        yield


def _lock(handle: int, *, shared: bool) -> None:
    """Take the system's lock on an open file.

    Raises:
        OSError: Somebody holds it, by `_HELD`; or there are no locks here, as on some network filesystems.
    """
    if sys.platform == "win32":
        import msvcrt

        # Windows knows no shared lock: parts run one after another there.
        msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
    else:
        import fcntl

        fcntl.flock(handle, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
