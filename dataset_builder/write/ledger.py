"""The ledger of a writing job: a line for every request to a writer, with its outcome and what it cost.

While a job runs, lines are added as answers arrive, each on the disk before anything is built on it. When it
ends, `settled` puts them in the order of the prompts and finds repetitions, so that the finished ledger
depends on the answers alone, not on when they came.

Law: exactly one line of a prompt is final; a kill loses no line that was added.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final

from dataset_builder.errors import StorageFailed, UnreadableDataset
from dataset_builder.shards.storage import append_line, canonical_json, read_lines
from dataset_builder.write.rules import same_words

ACCEPTED: Final = "accepted"
DUPLICATE: Final = "duplicate"


@dataclass(frozen=True, kw_only=True, slots=True)
class Line:
    """One request and what became of it.

    Attributes:
        number: Number of the prompt among those of the job.
        attempt: How many requests for this prompt came before.
        outcome: "accepted", or the reason why there is no triplet.
        final: Whether this settles the prompt; otherwise it was asked again.
        prompt_tokens: As the server counted, or our guess where it did not.
        completion_tokens: The same.
        edit_prompt: The instruction, where one came back.
        edited_prompt: The caption, where one came back.
        said: What came back instead, cut short.
    """

    number: int
    attempt: int
    outcome: str
    final: bool
    prompt_tokens: int = 0
    completion_tokens: int = 0
    edit_prompt: str = ""
    edited_prompt: str = ""
    said: str = ""


class Ledger:
    """The lines of a job, in memory and on the disk."""

    def __init__(self, path: Path, *, read: Callable[[Path], list[Any]] = read_lines) -> None:
        """Open a ledger, begun now or by an earlier run.

        Args:
            path: Its file.
            read: How to read it: `read_lines` cuts off what a kill left of a last line, `peek` leaves it.

        Raises:
            UnreadableDataset: A line is damaged.
        """
        self._path = path
        self._full = False
        self._lines: dict[int, list[Line]] = defaultdict(list)
        self._order: list[Line] = []
        try:
            for fields in read(path):
                self.keep(Line(**fields))
        except (ValueError, TypeError) as error:
            raise UnreadableDataset(
                f"{path} is damaged ({error}); remove the damaged line, and its request is made again."
            ) from error

    def keep(self, line: Line) -> None:
        """Add a line that costs nothing to make again: it is on the disk once the job is finished."""
        self._lines[line.number].append(line)
        self._order.append(line)

    def record(self, line: Line) -> None:
        """Add a line; it is on the disk when this returns.

        Raises:
            StorageFailed: The system refused to write.
        """
        if self._full:
            # What follows half a line would be lost with it.
            raise StorageFailed(f"{self._path} could not be written; free space, then run again.")
        try:
            append_line(self._path, asdict(line))
        except StorageFailed:
            self._full = True
            raise
        self.keep(line)

    def of(self, number: int) -> tuple[Line, ...]:
        """Return the lines of a prompt, in the order in which they were added."""
        return tuple(self._lines.get(number, ()))

    def latest(self) -> Iterator[Line]:
        """Yield all lines, the one that was added last first."""
        return reversed(self._order)

    def is_final(self, number: int) -> bool:
        """Say whether a prompt is settled."""
        return any(line.final for line in self._lines.get(number, ()))

    def lines(self) -> Iterator[Line]:
        """Yield all lines, by prompt and attempt."""
        for number in sorted(self._lines):
            yield from sorted(self._lines[number], key=lambda line: line.attempt)


def settled(ledger: Ledger) -> list[Line]:
    """Return the lines by prompt and attempt, of equal answers only the first one accepted.

    Two answers are equal if both texts have the same words: a model that says the same to everything is not
    believed twice.
    """
    seen: set[tuple[str, str]] = set()
    lines = []
    for line in ledger.lines():
        if line.outcome in (ACCEPTED, DUPLICATE):
            words = (same_words(line.edit_prompt), same_words(line.edited_prompt))
            line = replace(line, outcome=DUPLICATE if words in seen else ACCEPTED)
            seen.add(words)
        lines.append(line)
    return lines


def to_bytes(lines: list[Line]) -> bytes:
    """Return a finished ledger as a file's content."""
    return "".join(f"{canonical_json(asdict(line))}\n" for line in lines).encode()


def outcomes(lines: list[Line], *, final: bool) -> Mapping[str, int]:
    """Count lines by outcome: those that settle a prompt, or all requests."""
    counts = Counter(line.outcome for line in lines if line.final or not final)
    return dict(sorted(counts.items()))
