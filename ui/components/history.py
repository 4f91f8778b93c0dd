"""The history of a session: pictures in a folder of its own, and how each was asked for.

Law: a history is a value. Adding to one gives another, so that an edit that ends while a person looks at an
earlier one loses neither; and no session is ever told of another's folder.
"""

import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from editors import EditFailed, EditResult, OutpaintEdit, PromptEdit
from editors.files import linked, reason_of
from editors.pictures.images import read_picture
from editors.requests.recipe import enlarged, save_png
from editors.requests.rules import reference

LIMIT = 24
"""Results that are kept; the oldest that is no favourite goes when another comes."""
MOST_FAVOURITES = 16
MOST_OUTDATED = 24
"""Files of results that others have taken the place of."""
DRAWN_SIDE = 512
"""Pixels that pictures which were drawn smaller are enlarged to, by a whole number."""
THUMBNAIL = 192
"""Longest side of what the strip shows, in pixels."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """One result.

    Attributes:
        original: File of the picture as the edit saw it.
        edited: File of the result, with its recipe.
        thumbnail: File of the result, small.
        size: (width, height) of the result.
        settings: The fields of the request but for its pictures, the seed filled in.
        mask: File of the mask; None where everything might change.
        relevance: File of where the words act, (h, w); None where nobody asked.
        everywhere: File of the edit of all of the picture, where that was asked.
        original_reference: Names the picture that was edited by its pixels.
        edited_reference: Names the result by its pixels.
        number: Which of the session's results it is, from 1; 0 where it is none of them yet.
        parent: Number of the result that it was made from; None where that is a picture from elsewhere.
        is_held: Whether it is another one that was held to where its words act, and may be held otherwise.
        is_favourite: Whether it stays, however many results come.
        is_extension: Whether it is a picture and what may lie around it, which no words have changed.
        outdated: Files of what stood in its place before, which a browser may still be asking for.
    """

    original: Path
    edited: Path
    thumbnail: Path
    size: tuple[int, int]
    settings: Mapping[str, Any]
    mask: Path | None = None
    relevance: Path | None = None
    everywhere: Path | None = None
    original_reference: str = ""
    edited_reference: str = ""
    number: int = 0
    parent: int | None = None
    is_held: bool = False
    is_favourite: bool = False
    is_extension: bool = False
    outdated: tuple[Path, ...] = ()

    @property
    def words(self) -> str:
        """What it was asked for with: the instruction, the edited prompt, or the size it was extended to."""
        if self.is_extension:
            return f"{self.size[0]} × {self.size[1]}"
        return str(self.settings.get("edit_prompt") or self.settings["edited_prompt"])

    @property
    def caption(self) -> str:
        """What the strip says below it: first what differs between results of one instruction."""
        return f"{self.scales}, seed {self.settings['seed']}: {self.words}"

    @property
    def label(self) -> str:
        """Its caption with its number, that of the result it was made from, and the star of a favourite."""
        origin = "" if self.parent is None else f" from {self.parent}"
        return f"{'★ ' if self.is_favourite else ''}{self.number}{origin}: {self.caption}"

    @property
    def scales(self) -> str:
        """How strong the edit was, and which words counted for more or less."""
        if self.is_extension:
            return "extended"
        keep, weights = self.settings.get("image_guidance_scale"), self.settings.get("word_weights") or {}
        parts = [
            f"follow {self.settings['guidance_scale']:g}",
            *([f"keep {keep:g}"] if keep is not None else []),
            *([f"only {only:g}"] if (only := self.settings.get("only")) else []),
        ]
        return ", ".join(
            [*parts, *(f"{word} × {weight:g}" for word, weight in weights.items() if weight != 1)]
        )

    @property
    def files(self) -> frozenset[Path]:
        """All that it keeps on disk."""
        files = {
            *(self.original, self.edited, self.thumbnail),
            *(self.mask, self.relevance, self.everywhere),
            *self.outdated,
        }
        return frozenset(path for path in files if path is not None)

    def copied(self, folder: Path) -> "Entry":
        """Return it with files of its own in a folder."""
        place = Path(tempfile.mkdtemp(dir=folder))
        links = {path: place / path.name for path in replace(self, outdated=()).files}
        for path, link in links.items():
            linked(path, link)
        return replace(
            self,
            original=links[self.original],
            edited=links[self.edited],
            thumbnail=links[self.thumbnail],
            mask=None if self.mask is None else links[self.mask],
            relevance=None if self.relevance is None else links[self.relevance],
            everywhere=None if self.everywhere is None else links[self.everywhere],
            outdated=(),
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class History:
    """The results of one session, the newest first.

    Attributes:
        entries: At most `LIMIT` of them.
        folder: Where their files are; None until there is one.
    """

    entries: tuple[Entry, ...] = ()
    folder: Path | None = field(default=None)

    def opened(self, root: Path) -> "History":
        """Return this history with a folder, made below `root` if it has none yet."""
        if self.folder is not None:
            return self
        return replace(self, folder=Path(tempfile.mkdtemp(prefix="session-", dir=root)))

    def with_entry(self, entry: Entry, *, but: Iterable[Entry] = ()) -> "History":
        """Return the history with one more result; what no longer fits is deleted.

        Args:
            entry: The result.
            but: Results that are in use elsewhere; their files stay.
        """
        entries = (self._placed(entry), *self.entries)
        going = [one for one in reversed(entries) if not one.is_favourite][: max(0, len(entries) - LIMIT)]
        staying = tuple(one for one in entries if one not in going)
        delete(going, but=(*staying, *but))
        return replace(self, entries=staying)

    def with_favourite(self, place: int) -> "History | None":
        """Return the history with a result made a favourite, or none any more; None if there are too many."""
        entry = self.entries[place]
        others = sum(one.is_favourite for one in self.entries if one is not entry)
        if not entry.is_favourite and others >= MOST_FAVOURITES:
            return None
        changed = replace(entry, is_favourite=not entry.is_favourite)
        return replace(self, entries=(*self.entries[:place], changed, *self.entries[place + 1 :]))

    def with_other(self, place: int, entry: Entry, *, but: Iterable[Entry] = ()) -> "History":
        """Return the history with another result in the place of one, as `with_entry` says.

        Files of the newest that stood there stay: a browser may still be on its way to them.
        """
        old = self.entries[place]
        outdated = (*old.outdated, old.edited, old.thumbnail)[-MOST_OUTDATED:]
        new = replace(
            entry, number=old.number, parent=old.parent, outdated=outdated, is_favourite=old.is_favourite
        )
        entries = (*self.entries[:place], new, *self.entries[place + 1 :])
        delete([old], but=(*entries, *but))
        return replace(self, entries=entries)

    def _placed(self, entry: Entry) -> Entry:
        """Return an entry with its number, and that of the newest result that shows what it was made from."""
        of_it = (one.number for one in self.entries if one.edited_reference == entry.original_reference)
        number = 1 + max((one.number for one in self.entries), default=0)
        return replace(entry, number=number, parent=next(of_it, None))

    def place(self, number: int | None) -> int | None:
        """Return the place of a result among the entries; None where it is no longer kept."""
        places = (place for place, entry in enumerate(self.entries) if entry.number == number)
        return next(places, None)

    def line_of(self, entry: Entry) -> tuple[Entry, ...]:
        """Return what a result came from, step by step, from the first that is kept to itself."""
        place = self.place(entry.parent)
        return (entry,) if place is None else (*self.line_of(self.entries[place]), entry)

    def copied(self, root: Path) -> "History":
        """Return the same results as another history, with files of its own: links, which take no room."""
        copy = History().opened(root)
        assert copy.folder is not None
        return replace(copy, entries=tuple(entry.copied(copy.folder) for entry in self.entries))

    def discard(self) -> None:
        """Delete all that the session has made; it is over."""
        if self.folder is not None:
            shutil.rmtree(self.folder, ignore_errors=True)


def delete(entries: Iterable[Entry], *, but: Iterable[Entry]) -> None:
    """Delete the files of entries, except those that others use too."""
    used = frozenset[Path]().union(*(entry.files for entry in but))
    for entry in entries:
        for path in entry.files - used:
            path.unlink(missing_ok=True)


def keep(result: EditResult, folder: Path) -> Entry:
    """Write a result into a session's folder.

    Raises:
        EditFailed: It cannot be written.
    """
    with writing():
        return _kept(result, Path(tempfile.mkdtemp(dir=folder)))


@contextmanager
def writing() -> Iterator[None]:
    """Say what the system refuses in a sentence."""
    try:
        yield
    except OSError as error:
        raise EditFailed(f"The result cannot be kept ({reason_of(error)}); make room on the disk.") from error


def enlargement(result: EditResult) -> int:
    """Return the whole number that a result is enlarged by: what was drawn is, and by small models small."""
    is_drawn = isinstance(result.edit, PromptEdit) and result.edit.original_image is None
    return max(1, DRAWN_SIDE // max(result.edited_image.size)) if is_drawn else 1


def _kept(result: EditResult, place: Path) -> Entry:
    """Write a result into a folder of its own."""
    edit = result.edit
    assert result.original_image is not None  # both kinds of edit tell it
    original, edited = place / "original.png", place / f"wordbrush-{result.seed}.png"
    thumbnail, mask = place / "thumbnail.png", None
    times = enlargement(result)
    enlarged(result.original_image, times).save(original, compress_level=1)
    source = result.original_image if edit.original_image is None else edit.original_image
    save_png(result, edited, times=times)
    save_small(result.edited_image, thumbnail)
    painted = None if isinstance(edit, OutpaintEdit) else edit.mask
    if painted is not None:
        mask = place / "mask.png"
        read_picture("mask", painted).with_alpha().save(mask)
    relevance = everywhere = None
    if result.reach is not None:
        relevance, everywhere = place / "relevance.npy", place / "everywhere.png"
        np.save(relevance, result.reach.relevance)
        if result.edited_image is result.reach.everywhere:  # writing it once is enough
            linked(edited, everywhere)
        else:
            result.reach.everywhere.save(everywhere, compress_level=1)
    pictures = ("original_image", "mask")
    names = [name for name in type(edit).__dataclass_fields__ if name not in pictures]
    return Entry(
        original=original,
        edited=edited,
        thumbnail=thumbnail,
        size=(times * result.edited_image.width, times * result.edited_image.height),
        settings={name: getattr(edit, name) for name in names},
        mask=mask,
        relevance=relevance,
        everywhere=everywhere,
        is_extension=isinstance(edit, OutpaintEdit),
        original_reference=reference(read_picture("original_image", source)),
        edited_reference=reference(enlarged(result.edited_image, times)),
    )


def save_small(picture: Image.Image, place: Path) -> None:
    """Write what the strip shows of a picture."""
    small = picture.copy()
    small.thumbnail((THUMBNAIL, THUMBNAIL))
    small.save(place)
