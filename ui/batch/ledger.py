"""Which result of a folder is whose: lines of `edits.jsonl`, each written before its picture.

Law: a name is claimed before anything is written under it, and none is claimed that is taken, so no file of
another's is lost; a picture is there whole or not at all. So whatever cuts a run, the next one knows what is
done: what is claimed, and there.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from dataset_builder.shards.storage import append_line, hash_json, read_lines
from editors.files import named_after
from ui.errors import UnusablePlace
from ui.server.outputs import free_name

LEDGER: Final = "edits.jsonl"
_VERSION: Final = 1


@dataclass(frozen=True, kw_only=True, slots=True)
class Wanted:
    """A result that is wanted.

    Attributes:
        of: What it is made from and how it is asked for: the same, the next time.
        state: What may have changed of it since: a file's size and time.
        name: What it would best be called, below the folder.
        marks: Ends of the names of all that is written of it: "" and "-original".
    """

    of: Mapping[str, Any]
    state: Mapping[str, Any]
    name: Path
    marks: tuple[str, ...] = ("",)

    @property
    def key(self) -> str:
        """Names what is wanted."""
        return hash_json(dict(self.of))


class Ledger:
    """The claims of one folder, which its owner holds.

    Args:
        folder: Of the results.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self.path = folder, folder / LEDGER
        lines = read_lines(self.path)
        self.settings: Mapping[str, Any] | None = lines[0]["settings"] if lines else None
        self._claims = {line["key"]: line for line in lines[1:]}
        self._names = {
            _marked(line["file"], mark).casefold() for line in self._claims.values() for mark in line["marks"]
        }

    def begin(self, settings: Mapping[str, Any]) -> None:
        """Write down, once, what all edits of the folder share.

        Raises:
            UnusablePlace: It was begun with others.
            StorageFailed: It cannot be written.
        """
        if self.settings is None:
            append_line(self.path, {"version": _VERSION, "settings": settings})
            self.settings = settings
        for name, value in settings.items():
            if self.settings.get(name) != value:
                raise UnusablePlace(
                    f"--out: {self.folder} was begun with {name} {self.settings.get(name)!r}, not {value!r}; "
                    "ask for the same, or choose another folder."
                )

    def done(self, wanted: Wanted) -> Path | None:
        """Return the result that is there already, made of what is there now; None where there is none."""
        claim = self._claims.get(wanted.key)
        if claim is None or claim["state"] != dict(wanted.state):
            return None
        place = self.folder / claim["file"]
        return place if place.is_file() else None

    def is_result(self, path: Path) -> bool:
        """Say whether a file is one that the folder's edits have made."""
        try:
            name = path.resolve().relative_to(self.folder.resolve())
        except ValueError:
            return False
        return name.as_posix().casefold() in self._names

    def claim(self, wanted: Wanted) -> Path:
        """Return where a result goes; what stood there of an earlier state is removed.

        Raises:
            StorageFailed: The claim cannot be written.
        """
        known = self._claims.get(wanted.key)
        file = self._free(wanted) if known is None else known["file"]
        place = self.folder / file
        if known is not None:
            place.unlink(missing_ok=True)
        line = {
            "key": wanted.key,
            "file": file,
            "marks": list(wanted.marks),
            "of": dict(wanted.of),
            "state": dict(wanted.state),
        }
        if known != line:
            append_line(self.path, line)
        self._claims[wanted.key] = line
        self._names.update(_marked(file, mark).casefold() for mark in wanted.marks)
        return place

    @property
    def folders(self) -> frozenset[Path]:
        """The folders of its results."""
        return frozenset((self.folder / claim["file"]).parent for claim in self._claims.values())

    def _free(self, wanted: Wanted) -> str:
        """Return a name that nobody has, on systems too that take capitals for small letters."""

        def is_taken(name: Path) -> bool:
            files = [_marked(name.as_posix(), mark) for mark in wanted.marks]
            return any(file.casefold() in self._names or (self.folder / file).exists() for file in files)

        return free_name(wanted.name, is_taken).as_posix()


def _marked(file: str, mark: str) -> str:
    """Return the name of what is written beside a file."""
    return named_after(Path(file), mark).as_posix() if mark else file
