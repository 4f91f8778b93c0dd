"""Edits that the buttons of the Edit tab start: one, four variations, or the guidance grid.

Law: all of them are made of the same whole edits, one after the other; what was finished before stays.
"""

import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import gradio as gr
from PIL import Image

from editors import EditorError, EditResult, InstructionEdit
from editors.requests.rules import NUM_SEEDS
from editors.requests.settings import on_several_noises, resolve
from ui.components.form import LABELS, refusal, request_of
from ui.components.history import Entry, History, delete
from ui.components.history_panel import Panel
from ui.components.holding import held_to, keep_held
from ui.components.literal import literal
from ui.components.screen import told
from ui.components.shade import shaded, small
from ui.components.strength import Strength
from ui.tabs.runs import Ending, Runs, Update

VARIATIONS = 4
MOVED = "Nothing was drawn again; the rest is the picture as it was."


def region_of(result: EditResult) -> Any:
    """Return the update that shows the picture with all in shade that an edit was held away from."""
    reach, only = result.reach, getattr(result.edit, "only", None)
    if reach is None or not only:
        return gr.Image(visible=False)
    shown = shaded(small(reach.original), Image.fromarray(reach.share(only)))
    return gr.Image(value=shown, visible=True)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Edits:
    """The handlers; their inputs are the form's, then the states of `states`.

    Attributes:
        runs: How they are run.
        held: State: the seed of the next edit where the form names none, or None.
        cells: State: the entries of the guidance grid.
        model: State: the name of the model.
        show_cells: Returns the updates that show cells.
        panel: What remembers where one was.
    """

    runs: Runs[InstructionEdit]
    held: Any
    cells: Any
    model: Any
    show_cells: Callable[[tuple[Entry, ...]], Update]
    panel: Panel

    @property
    def states(self) -> list[Any]:
        """The inputs after the form's: what the panel reads, then what is read here."""
        return [*self.panel.inputs[len(LABELS) :], self.held, self.cells, self.model]

    def one(self, *values: Any) -> Iterator[Update]:
        """Edit the picture."""
        yield from self._run(values, partial(self._several, number=1))

    def again(self, *values: Any) -> Iterator[Update]:
        """Edit the picture as a step has changed the form: with the result it is one step."""
        yield from self._run(values, partial(self._several, number=1), is_step=False)

    def variations(self, *values: Any) -> Iterator[Update]:
        """Edit the picture on several noises."""
        yield from self._run(values, partial(self._several, number=VARIATIONS))

    def grid(self, *values: Any) -> Iterator[Update]:
        """Edit the picture at all strengths around the present one, on one noise."""
        yield from self._run(values, self._grid)

    @property
    def holding(self) -> list[Any]:
        """What `hold` changes."""
        return [*self.runs.screen.outputs, self.panel.before]

    def hold(self, *values: Any) -> Update:
        """Hold the result that is shown to where its words act; nothing is drawn again.

        The slider may go on: the result that it makes is held otherwise, and no further one is made.
        """
        now, screen = self.panel.now(values), self.runs.screen
        _, cells, _ = values[len(self.panel.inputs) :]
        entry, place, only, folder = now.entry, now.shown, now.form["only"], now.history.folder
        if entry is None or place is None or folder is None or only == entry.settings.get("only"):
            return screen.unchanged
        try:
            result = held_to(entry, only)
            if result is None:  # it was made where nobody asked
                return screen.unchanged
            held = keep_held(entry, result, folder)
        except EditorError as error:
            return {screen.status: refusal(error)}
        if entry.is_held:
            history = now.history.with_other(place, held, but=cells)
        else:
            history, place = now.history.with_entry(held, but=cells), 0
        return {
            **screen.with_new(history, place),
            screen.status: " ".join((told(history.entries[place]), MOVED, *map(literal, result.notes))),
            **({} if entry.is_held else {self.panel.before: now.moment.marked()}),
            screen.region: region_of(result),
        }

    def _run(
        self,
        values: tuple[Any, ...],
        run: Callable[[str, InstructionEdit, History, tuple[Entry, ...]], Ending],
        *,
        is_step: bool = True,
    ) -> Iterator[Update]:
        now = self.panel.now(values)
        held, cells, model = values[len(self.panel.inputs) :]

        def begun(history: History) -> Ending:
            request = request_of(values, seed=held)
            yield {self.held: None, self.panel.before: now.moment.marked() if is_step else None}
            return (yield from run(model, request, history, cells))

        yield from self.runs.guarded(begun, now.history, now.shown)

    def _several(
        self, model: str, request: InstructionEdit, history: History, cells: tuple[Entry, ...], number: int
    ) -> Ending:
        requests = [request] if number == 1 else on_several_noises(request, number)
        for index, one in enumerate(requests):
            prefix = f"Variation {index + 1} of {number}. " if number > 1 else ""
            result = yield from self.runs.watched(model, one, prefix)
            entry = yield from self.runs.kept(result, history)
            history = history.with_entry(entry, but=cells)
            yield self.runs.screen.with_new(history)
        words = told(history.entries[0])
        if number > 1:
            words = f"{number} variations, the newest first in the history. Click one to see it large."
        return words, result

    def _grid(
        self, model: str, request: InstructionEdit, history: History, cells: tuple[Entry, ...]
    ) -> Ending:
        delete(cells, but=history.entries)
        made: tuple[Entry, ...] = ()
        yield self.show_cells(made)
        seed = secrets.randbelow(NUM_SEEDS) if request.seed is None else request.seed
        asked = resolve(request, self.runs.editors(model)).settings
        for scales in (strengths := Strength(asked.guidance_scale, asked.image_guidance_scale).around()):
            prefix = f"Cell {len(made) + 1} of {len(strengths)}. "
            cell = replace(request, seed=seed, **scales._asdict())
            result = yield from self.runs.watched(model, cell, prefix)
            made = (*made, (yield from self.runs.kept(result, history)))
            yield self.show_cells(made)
        return "Click the cell you like best: it is shown large, and its strength is taken.", result
