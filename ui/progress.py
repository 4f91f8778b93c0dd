"""Watch a generator of small records from a terminal: progress on stderr, results to the caller.

Law: stdout carries results only, and leaving the watcher (an error, Ctrl-C) closes the generator.
"""

from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

Record = TypeVar("Record")
Outcome = TypeVar("Outcome")
Advance = Callable[[int, str], None]
"""(units of work done since the last call, text beside the bar)."""


@contextmanager
def progress_bar(label: str, total: int | None) -> Iterator[Advance]:
    """Show a bar on stderr while the block runs; where stderr is no terminal, nothing is drawn."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
    )
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(label, total=total, note="")
        yield lambda done, note: bar.update(task, advance=done, note=note)


def watch(records: Generator[Record, None, Outcome], *, total: int | None, label: str) -> Outcome:
    """Drain a generator under a bar, one unit a record, and return what it returns."""
    try:
        with progress_bar(label, total) as advance:
            while True:
                try:
                    next(records)
                except StopIteration as end:
                    outcome: Outcome = end.value
                    return outcome
                advance(1, "")
    finally:
        records.close()
