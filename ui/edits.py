"""What the buttons of the Edit tab start: one edit, four variations, or the guidance grid.

Law: all of them are made of the same whole edits, one after the other; closing the generator ends the one in
hand within a step, and what was finished before stays.
"""

import secrets
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import gradio as gr

from editors import EditorError, EditResult, InstructionEdit
from editors.edits import InstructionEditor
from editors.settings import resolve
from ui.api import LANE
from ui.form import LABELS, check, refusal, request_of
from ui.history import Entry, History, delete, keep
from ui.line import ahead, words
from ui.literal import literal
from ui.screen import Screen, told
from ui.strength import Strength
from ui.watch import watched

VARIATIONS = 4
IN_LINE = "In line ..."
MAX_SEED = 2**32
Update = dict[Any, Any]
Ending = Generator[Update, None, tuple[str, EditResult]]
"""What shows its progress, and returns what to say at the end and the last result."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Edits:
    """The handlers; their inputs are the form's, then the states: history, held seed, cells, shown result.

    Attributes:
        page: The page, whose line is waited in.
        editor: What edits.
        root: Folder below which sessions keep their results.
        screen: What is shown.
        held: State: the seed of the next edit where the form names none, or None.
        cells: State: the entries of the guidance grid.
        show_cells: Returns the updates that show them.
    """

    page: gr.Blocks
    editor: InstructionEditor
    root: Path
    screen: Screen
    held: Any
    cells: Any
    show_cells: Callable[[tuple[Entry, ...]], Update]

    def line_up(self, *values: Any) -> Update:
        """Say that an edit waits, and let it be stopped; what is not valid is not sent, and says so."""
        if not all(verdict["is_valid"] for verdict in check(*values)):
            return {self.screen.stop: gr.skip()}
        return {
            self.screen.status: IN_LINE,
            self.screen.stop: gr.Button(interactive=True),
            self.screen.clock: gr.Timer(active=True),
        }

    def tell_place(self, request: gr.Request) -> str | dict[str, Any]:
        """Say how many edits come before one's own, while there are any."""
        number = self._ahead(request)
        return gr.skip() if number is None else words(number)

    def _ahead(self, request: gr.Request) -> int | None:
        return ahead(self.page, LANE["concurrency_id"], request.session_hash)

    def left_the_line(self, status: str, request: gr.Request) -> Update:
        """Say that an edit which waited did not come about: the line is full, as gradio says.

        gradio comes here too when an edit was cancelled for another, which may be in line by now.
        """
        waited = status.startswith("In line") and self._ahead(request) is None
        return self.screen.ended("Not edited.") if waited else {self.screen.stop: gr.skip()}

    def one(self, *values: Any) -> Iterator[Update]:
        """Edit the picture."""
        yield from self._guarded(self._several, values, 1)

    def variations(self, *values: Any) -> Iterator[Update]:
        """Edit the picture on several noises."""
        yield from self._guarded(self._several, values, VARIATIONS)

    def grid(self, *values: Any) -> Iterator[Update]:
        """Edit the picture at all strengths around the present one, on one noise."""
        yield from self._guarded(self._grid, values)

    def _guarded(self, run: Callable[..., Ending], values: tuple[Any, ...], *more: Any) -> Iterator[Update]:
        """Run a handler: first its request is read, and errors for people become the status line."""
        history, held, cells, shown = values[len(LABELS) :]
        history = history.opened(self.root)
        there = {self.screen.history: history, self.screen.shown: shown}
        try:
            request = request_of(values, seed=held)
            yield {**self.screen.started(), self.held: None, self.screen.history: history}
            words, result = yield from _noting(run(request, history, cells, *more), there)
            yield self.screen.ended(" ".join((words, *map(literal, result.notes))))
        except EditorError as error:
            yield self.screen.given_up(refusal(error), there[self.screen.history], there[self.screen.shown])

    def _several(
        self, request: InstructionEdit, history: History, cells: tuple[Entry, ...], number: int
    ) -> Ending:
        requests = [request] if number == 1 else _on_several_noises(request, number)
        for index, one in enumerate(requests):
            prefix = f"Variation {index + 1} of {number}. " if number > 1 else ""
            result = yield from self._watched(one, prefix)
            yield self._writing(result)
            history = history.with_entry(_kept(result, history), but=cells)
            yield self.screen.with_new(history)
        words = f"Done in {result.seconds:.1f} s. {told(history.entries[0])}"
        if number > 1:
            words = f"{number} variations, the newest first in the history. Click one to see it large."
        return words, result

    def _grid(self, request: InstructionEdit, history: History, cells: tuple[Entry, ...]) -> Ending:
        delete(cells, but=history.entries)
        made: tuple[Entry, ...] = ()
        yield self.show_cells(made)
        seed = secrets.randbelow(MAX_SEED) if request.seed is None else request.seed
        asked = resolve(request, self.editor).settings
        for scales in (strengths := Strength(asked.guidance_scale, asked.image_guidance_scale).around()):
            prefix = f"Cell {len(made) + 1} of {len(strengths)}. "
            cell = replace(request, seed=seed, **scales._asdict())
            result = yield from self._watched(cell, prefix)
            yield self._writing(result)
            made = (*made, _kept(result, history))
            yield self.show_cells(made)
        return "Click the cell you like best: it is shown large, and its strength is taken.", result

    def _writing(self, result: EditResult) -> Update:
        """Say what comes after the last step: with a large picture, it takes as long as all of them."""
        width, height = result.edited_image.size
        return {self.screen.status: f"Writing the picture, {width} × {height} ..."}

    def _watched(self, request: InstructionEdit, prefix: str) -> Generator[Update, None, EditResult]:
        stream = watched(self.editor, request)
        try:
            while True:
                try:
                    frame = next(stream)
                except StopIteration as end:
                    result: EditResult = end.value
                    return result
                update: Update = {self.screen.status: prefix + frame.words}
                if frame.pictures is not None:
                    update[self.screen.compare] = frame.pictures
                yield update
        finally:
            stream.close()


def _noting(running: Ending, there: Update) -> Ending:
    """Pass on what a run shows, and note in `there` what it leaves there."""
    try:
        while True:
            try:
                update = next(running)
            except StopIteration as end:
                said: tuple[str, EditResult] = end.value
                return said
            there.update({state: update[state] for state in there if state in update})
            yield update
    finally:
        running.close()


def _on_several_noises(request: InstructionEdit, number: int) -> Sequence[InstructionEdit]:
    """Return the request with as many seeds in a row, from its own or a drawn one."""
    first = secrets.randbelow(MAX_SEED) if request.seed is None else request.seed
    return [replace(request, seed=(first + index) % MAX_SEED) for index in range(number)]


def _kept(result: EditResult, history: History) -> Entry:
    assert history.folder is not None  # opened before the first edit
    return keep(result, history.folder)
