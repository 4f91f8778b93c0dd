"""Finding the data files of a folder: their split, their parts, and what is no data.

Law: a split is named by a whole part of a path, never by letters within one; hidden files are no data; links
are followed; and whatever else is left out, or missing, is told in a sentence.
"""

from __future__ import annotations

import os
import re
import unicodedata
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from dataset_builder.errors import UnreadableDataset
from editors.files import reason_of

TRAIN: Final = "train"
SPLITS: Final = {
    **dict.fromkeys(("train", "training"), TRAIN),
    **dict.fromkeys(("validation", "valid", "val", "dev"), "validation"),
    **dict.fromkeys(("test", "testing", "eval", "evaluation"), "test"),
}
"""Name of a folder or file -> the split that it stands for, as the library `datasets` reads them."""
_NO_DATA: Final = frozenset({"__MACOSX", "@eaDir", "$RECYCLE.BIN", "System Volume Information", "lost+found"})
"""Folders that systems leave behind."""
_NUMBERED: Final = re.compile(
    r"(?P<stem>.*?)[-_.]?(?P<number>\d{1,8})[-_]of[-_](?P<total>\d{1,8})(?P<rest>\D.*)?", re.ASCII
)


@dataclass(frozen=True, slots=True)
class FileBytes:
    """A picture in a file of its own."""

    path: Path

    def read(self) -> bytes:
        """Return its bytes."""
        return self.path.read_bytes()


@dataclass(frozen=True, slots=True)
class Chosen:
    """Files to read.

    Attributes:
        files: In order.
        notes: What people should know of it, a sentence each.
    """

    files: tuple[Path, ...]
    notes: tuple[str, ...] = ()


def visible_files(folder: Path) -> Iterator[Path]:
    """Yield the files at and below a folder, in order, links followed; hidden files and folders are none.

    Raises:
        UnreadableDataset: A folder cannot be looked into.
    """

    def fail(error: OSError) -> None:
        raise UnreadableDataset(
            f"data: {error.filename} cannot be looked into ({reason_of(error)}); mend that, or move it away."
        ) from error

    seen: set[str] = set()
    for place, folders, files in os.walk(folder, onerror=fail, followlinks=True):
        real = os.path.realpath(place)
        if real in seen:  # links in a ring
            folders.clear()
            continue
        seen.add(real)
        folders[:] = sorted(name for name in folders if not (name.startswith(".") or name in _NO_DATA))
        yield from (
            path for name in sorted(files) if _is_data(name) and (path := Path(place, name)).is_file()
        )


def _is_data(name: str) -> bool:
    return not name.startswith((".", "~$"))


def training_files(folder: Path, files: Iterable[Path]) -> Chosen:
    """Choose the files of the split "train" where splits are named, or else all.

    Args:
        folder: Of the dataset.
        files: Below it, of one form.

    Raises:
        UnreadableDataset: Several splits are named, and none of them is "train".
    """
    found = sorted(files)
    splits = {path: split_of(path.relative_to(folder)) for path in found}
    names = sorted({split for split in splits.values() if split})
    if TRAIN in names:
        wanted: str | None = TRAIN
    elif None in splits.values() or not names:
        wanted = None
    elif len(names) == 1:
        wanted = names[0]
    else:
        raise UnreadableDataset(
            f'data: {folder} has no split "train" (found: {", ".join(names)}); name the folder of one.'
        )
    chosen = [path for path in found if splits[path] == wanted]
    notes = [*_left_out(folder, splits, wanted), *missing_parts(chosen)]
    if wanted not in (None, TRAIN):
        notes.append(f'{folder} has no split "train"; its split "{wanted}" is read.')
    return Chosen(tuple(chosen), tuple(notes))


def split_of(path: Path) -> str | None:
    """Return the split that a path names by one of its parts; None where it names none.

    Args:
        path: From the folder of the dataset.
    """
    *folders, name = path.parts
    stem = re.split(r"[-_.]\d|\.", name.lower(), maxsplit=1)[0]  # without numbers and endings
    found = [SPLITS[part] for part in (*map(str.lower, folders), stem) if part in SPLITS]
    return found[-1] if found else None


def _left_out(folder: Path, splits: dict[Path, str | None], wanted: str | None) -> Iterator[str]:
    counts = Counter(split for split in splits.values() if split != wanted)
    for split, count in sorted(counts.items(), key=lambda item: str(item[0])):
        first = next(path for path in splits if splits[path] == split).relative_to(folder)
        of = f'of split "{split}"' if split else "of no split"
        yield f"{folder}: left out {count} files {of} ({first}{', ...' if count > 1 else ''})."


def missing_parts(files: Collection[Path]) -> Iterator[str]:
    """Tell of files that name how many there are, and of which some are not there."""
    parts: dict[tuple[Path, str, int, str], set[int]] = {}
    for path in files:
        if match := _NUMBERED.fullmatch(path.name):
            key = (path.parent, match["stem"], int(match["total"]), match["rest"] or "")
            parts.setdefault(key, set()).add(int(match["number"]))
    for (folder, stem, total, rest), numbers in sorted(parts.items()):
        first = 1 if total in numbers and 0 not in numbers else 0
        lost = sorted(set(range(first, first + total)) - numbers)
        if lost:
            named = ", ".join(map(str, lost[:8])) + (", ..." if len(lost) > 8 else "")
            yield (
                f"{folder / f'{stem}*-of-{total}{rest}'}: {len(lost)} of {total} files are missing "
                f"(number {named}); fetch them, or train without."
            )


def file_beside(folder: Path, given: Any) -> FileBytes | None:
    """Return a file of a folder by the name that a list gives; one that leads out of the folder is none.

    Where it leads is read off the name: links below the folder are its owner's, as in a cache of the Hub.

    Args:
        folder: Of the list.
        given: Its name, as Windows writes it, too, and in composed or decomposed letters.
    """
    text, top = str(given), folder.absolute()
    if not text or "\0" in text:
        return None
    slashes = (text, text.replace("\\", "/"))
    forms = (*slashes, *(unicodedata.normalize(form, name) for form in ("NFC", "NFD") for name in slashes))
    places = [Path(os.path.normpath(top / form)) for form in forms]
    inside = [place for place in places if top != place and place.is_relative_to(os.path.normpath(top))]
    try:
        found = next((place for place in inside if os.path.lexists(place)), None)
    except ValueError:  # letters that no name of a file has
        return None
    chosen = found or (inside[0] if inside else None)
    return None if chosen is None else FileBytes(chosen)
