"""Watch a generator of small records from a terminal: progress on stderr, results to the caller.

Law: stdout carries results only, and leaving the watcher (an error, Ctrl-C) closes the generator.
"""

from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from editors.requests.results import Step

Outcome = TypeVar("Outcome")
Advance = Callable[[int, str], None]
"""(units of work done since the last call, text beside the bar)."""


def _bar(console: Console) -> Progress:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
    )
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)


@contextmanager
def progress_bar(label: str, total: int | None) -> Iterator[Advance]:
    """Show a bar on stderr while the block runs; where stderr is no terminal, nothing is drawn."""
    with _bar(Console(stderr=True)) as bar:
        task = bar.add_task(label, total=total, note="")
        yield lambda done, note: bar.update(task, advance=done, note=note)


def watch(steps: Generator[Step, None, Outcome], *, label: str) -> Outcome:
    """Take the steps of an edit under a bar, and return the result; an inversion counts for itself."""
    try:
        with _bar(Console(stderr=True)) as bar:
            task = bar.add_task(label, total=None, note="")
            while True:
                try:
                    step = next(steps)
                except StopIteration as end:
                    outcome: Outcome = end.value
                    return outcome
                bar.update(task, completed=step.index + 1, total=step.num_steps)
    finally:
        steps.close()
