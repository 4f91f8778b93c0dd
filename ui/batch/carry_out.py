"""Edits of many pictures into one folder, one after the other, gone on with where they were cut.

Law: what is done is not done again, what fails is told with its reason and stops nothing, each result is that
of its edit alone to rounding, and a run that was cut ends with the same pictures as one that was not: what
goes through the network together never depends on what was done before.
"""

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Final, Generic, Protocol, Self

from editors import EditorError, EditResult
from editors.errors import InvalidEdit
from editors.files import named_after
from editors.requests.recipe import save_picture, save_png
from editors.requests.results import EditT, EditT_contra
from ui.batch.ledger import Ledger, Wanted

ORIGINAL: Final = "-original"
"""Ends the name of an original that was drawn."""
_WINDOW: Final = 4
"""Batches that are made of edits which follow each other: pictures of one size find together."""


class ManyEdits(Protocol[EditT_contra]):
    """Carries out any number of edits, each by itself.

    Attributes:
        batch_size: Edits that go through the network together where nobody says how many.
    """

    batch_size: ClassVar[int]

    def edit_each(
        self, edits: Iterable[EditT_contra], *, batch_size: int | None = None
    ) -> Iterator[tuple[int, EditResult | EditorError]]:
        """Yield each place with its result, or with why there is none."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Asked(Generic[EditT]):
    """An edit that is asked for.

    Attributes:
        label: What people call it: the name of its picture.
        wanted: Its result.
        request: Makes the edit; raises an `EditorError` where there is none.
    """

    label: str
    wanted: Wanted
    request: Callable[[], EditT]


@dataclass(frozen=True, kw_only=True, slots=True)
class Ended:
    """An edit that has come to its end.

    Attributes:
        label: What people call it.
        places: What is written of it, by its name: "edited_image", and "original_image" where that was drawn.
        failed: Why there is nothing, or None.
        notes: What people should know of it.
    """

    label: str
    places: Mapping[str, Path]
    failed: str | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan(Generic[EditT]):
    """What is to be done in a folder.

    Attributes:
        ledger: Of the folder.
        asked: All that is asked for.
        to_do: What is not done of it.
    """

    ledger: Ledger
    asked: tuple[Asked[EditT], ...]
    to_do: tuple[Asked[EditT], ...]

    @classmethod
    def of(cls, asked: Sequence[Asked[EditT]], ledger: Ledger) -> Self:
        """Tell what is done of what is asked for, and what is not."""
        to_do = tuple(one for one in asked if ledger.done(one.wanted) is None)
        return cls(ledger=ledger, asked=tuple(asked), to_do=to_do)

    @property
    def done(self) -> int:
        """How many were done before."""
        return len(self.asked) - len(self.to_do)


def carried_out(plan: Plan[EditT], editor: ManyEdits[EditT], batch_size: int | None) -> Iterator[Ended]:
    """Carry out a plan; the folder is held by the caller.

    Args:
        plan: What is to be done.
        editor: Does it.
        batch_size: Edits that go through the network together; None takes the editor's own.

    Yields:
        Each edit as it ends.

    Raises:
        InvalidEdit: The batch size is none.
        EditFailed: A result cannot be written.
        StorageFailed: A claim cannot be written.
    """
    missing = set(plan.to_do)
    size = _WINDOW * (batch_size or editor.batch_size)
    for start in range(0, len(plan.asked), size):
        window = plan.asked[start : start + size]
        own = missing.intersection(window)
        if own and len(own) < len(window):  # what cannot even be asked for is no reason to draw the others
            hopeless = [(one, failed) for one in window if one in own and (failed := _hopeless(one))]
            own -= {one for one, _ in hopeless}
            yield from (failed for _, failed in hopeless)
        if own:
            yield from _window(window, own, plan.ledger, editor, batch_size)


def _hopeless(one: Asked[EditT]) -> Ended | None:
    """Return how an edit ends that cannot be asked for; None where it can."""
    try:
        one.request()
    except EditorError as error:
        return Ended(label=one.label, places={}, failed=reason_of_failure(error))
    return None


def _window(
    window: Sequence[Asked[EditT]],
    missing: Collection[Asked[EditT]],
    ledger: Ledger,
    editor: ManyEdits[EditT],
    batch_size: int | None,
) -> Iterator[Ended]:
    """Carry out edits that may share batches, and write those that are missing."""
    begun: list[Asked[EditT]] = []
    failed: list[Ended] = []

    def requests() -> Iterator[EditT]:
        for one in window:
            try:
                request = one.request()
            except EditorError as error:
                if one in missing:
                    failed.append(Ended(label=one.label, places={}, failed=reason_of_failure(error)))
                continue
            begun.append(one)
            yield request

    for place, outcome in editor.edit_each(requests(), batch_size=batch_size):
        yield from _taken(failed)
        one = begun[place]
        if one not in missing:
            continue
        if isinstance(outcome, EditorError):
            yield Ended(label=one.label, places={}, failed=reason_of_failure(outcome))
        else:
            yield Ended(label=one.label, places=_written(ledger, one.wanted, outcome), notes=outcome.notes)
    yield from _taken(failed)


def _taken(waiting: list[Ended]) -> Iterator[Ended]:
    while waiting:
        yield waiting.pop(0)


def _written(ledger: Ledger, wanted: Wanted, result: EditResult) -> dict[str, Path]:
    """Write a result under its claim; the original first, for the edited picture says that all is done."""
    place = ledger.claim(wanted)
    place.parent.mkdir(parents=True, exist_ok=True)
    places = {"edited_image": place}
    if result.edit.original_image is None and result.original_image is not None:
        places["original_image"] = named_after(place, ORIGINAL)
        save_picture(result.original_image, places["original_image"])
    save_png(result, place)
    return places


def reason_of_failure(error: EditorError) -> str:
    """Return why an edit failed, the same for all that fail for it: no names, no sizes of one picture."""
    text = error.problem if isinstance(error, InvalidEdit) else str(error)
    text = re.sub(r" ?(?:'(?:[^'\\]|\\.)*'|\"[^\"]*\") ?", " ", text).strip().split("; ")[0]
    if isinstance(error, InvalidEdit) and error.field != "original_image":
        text = f"{error.field}: {text}"
    return re.sub(r"\d+×\d+ pixels(?: \(\d+ million\))?", "of another size", text).rstrip(".")
