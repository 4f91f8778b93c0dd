"""Read a WebDataset tar that may come from a stranger: plain files of known kinds, or a refusal.

Format: Aizman, Maltby, Breuel, "High Performance I/O For Large Scale Deep Learning" (2019, arXiv:2001.01858):
members `key.ending`, those of one sample side by side.

Law: nothing is ever unpickled, followed, unpacked to disk or run; a member that is no sample of ours (a link,
a pickle, a path out of the folder, a bomb) ends the reading with its name.
"""

from __future__ import annotations

import io
import json
import re
import tarfile
import warnings
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
from PIL import Image

from dataset_builder.errors import UnreadableDataset

MAX_MEMBER_BYTES: Final = 64 * 2**20
MAX_PIXELS: Final = 64 * 2**20
MEMBER_NAME: Final = re.compile(r"(?P<key>[0-9A-Za-z_-]{1,80})\.(?P<column>[0-9a-z_.]{1,40})")
PICTURE_FORMATS: Final = {"png": "PNG", "jpg": "JPEG"}
WORDS: Final = "json"
_BOMBS: Final = (Image.DecompressionBombError, Image.DecompressionBombWarning)


def read_parts(path: Path) -> Iterator[tuple[str, dict[str, bytes]]]:
    """Walk through a tar without decoding: name of each sample, and its parts by their ending.

    Raises:
        UnreadableDataset: It is missing, damaged, or holds what is no sample of ours.
    """
    key, parts = "", dict[str, bytes]()
    for name, ending, read in _members(path):
        if parts and name != key:
            yield key, parts
            parts = {}
        if ending in parts:
            raise UnreadableDataset(
                f"{path} holds {name}.{ending} twice; run the command that made it again."
            )
        key = name
        parts[ending] = read()
    if parts:
        yield key, parts


def read_both(path: Path) -> Iterator[tuple[str, dict[str, bytes], dict[str, Any]]]:
    """Walk through a tar: name of each sample, its parts as they are, and what they hold, decoded.

    Raises:
        UnreadableDataset: It is missing, damaged, or holds what is no sample of ours.
    """
    for key, parts in read_parts(path):
        columns: dict[str, Any] = {}
        for ending, content in parts.items():
            columns.update(_decode(path, key, ending, content, None))
        yield key, parts, columns


def read_columns(
    path: Path, columns: frozenset[str] | None = None, *, keys: Collection[str] | None = None
) -> Iterator[dict[str, Any]]:
    """Walk through a tar, decoded: see `dataset.DatasetInfo.samples`.

    Args:
        path: The tar.
        columns: Columns to decode, or None for all.
        keys: Names of the samples to read (the others cost nothing), or None for all.

    Raises:
        UnreadableDataset: It is missing, damaged, or holds what is no sample of ours.
    """
    sample: dict[str, Any] = {}
    for name, ending, read in _members(path):
        if keys is not None and name not in keys:
            continue
        if sample and sample["__key__"] != name:
            yield sample
            sample = {}
        sample.setdefault("__key__", name)
        if ending == WORDS or columns is None or ending.rpartition(".")[0] in columns:
            sample.update(_decode(path, name, ending, read(), columns))
    if sample:
        yield sample


def _members(path: Path) -> Iterator[tuple[str, str, Callable[[], bytes]]]:
    """Walk through the members: sample, ending, and what reads the content before the walk goes on."""
    with _told(path), tarfile.open(path, mode="r:") as tar:
        for member in tar:
            name = MEMBER_NAME.fullmatch(member.name)
            if name is None or not member.isreg() or member.issparse() or not _known(name["column"]):
                raise UnreadableDataset(f"{path} holds {member.name!r}, no sample of ours; remove it.")
            if member.size > MAX_MEMBER_BYTES:
                raise UnreadableDataset(
                    f"{path} holds {member.name!r} of {member.size} bytes, more than "
                    f"{MAX_MEMBER_BYTES}; remove it."
                )
            yield name["key"], name["column"], partial(_content, path, tar, member)
            # A TarFile remembers every member it passed, which is a leak in a long walk.
            tar.members = []  # type: ignore[attr-defined]


def _content(path: Path, tar: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    with _told(path):  # the caller reads: the walk, which stands still meanwhile, would not tell
        file = tar.extractfile(member)
        assert file is not None
        return file.read()


@contextmanager
def _told(path: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, tarfile.TarError) as error:
        raise UnreadableDataset(
            f"{path} cannot be read ({error}); run the command that made it again."
        ) from error


def _known(ending: str) -> bool:
    """Say whether an ending is one that we write."""
    return ending == WORDS or ending.rpartition(".")[2] in PICTURE_FORMATS


def _open_picture(content: bytes, form: str) -> Image.Image:
    """Open a picture of one format; one of very many pixels is an error, not a warning."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        return Image.open(io.BytesIO(content), formats=(PICTURE_FORMATS[form],))


def _decode(
    path: Path, key: str, ending: str, content: bytes, columns: frozenset[str] | None
) -> dict[str, Any]:
    """Return the columns that one member holds: a picture is one, a JSON object has several."""
    column, _, form = ending.rpartition(".")
    try:
        if ending == WORDS:
            fields = json.loads(content)
            return {name: value for name, value in fields.items() if columns is None or name in columns}
        with _open_picture(content, form) as picture:
            if picture.width * picture.height > MAX_PIXELS:
                raise ValueError(f"{picture.width} x {picture.height} pixels are more than {MAX_PIXELS}")
            return {column: np.array(picture)}
    except (OSError, ValueError, AttributeError, RecursionError, *_BOMBS) as error:
        raise UnreadableDataset(
            f"{path}: {key}.{ending} cannot be read ({error}); run the command that made it again."
        ) from error
