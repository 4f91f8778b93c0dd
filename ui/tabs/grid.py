"""The guidance grid: one picture at nine strengths, to see at a glance where the sweet spot is.

Law: every cell is a whole edit on the same noise, differing in its two scales alone; choosing one shows it
and puts its scales into the form, and nothing is computed again.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import gradio as gr

from ui.components.history import Entry
from ui.components.history_panel import Panel, Update
from ui.components.screen import QUIET, told
from ui.components.strength import Strength

COLUMNS = 3
WHAT = "Nine edits, further down follows the words more, further right keeps more."
BUSY = "An edit is under way: take a cell when it is done."


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Grid:
    """The cells, and what choosing one does.

    Attributes:
        words: What the cells are, or why none was taken; the status line would be written over by the edit.
        button: Starts the grid.
        gallery: Shows the cells, row by row.
        cells: State: their entries.
    """

    words: Any
    button: Any
    gallery: Any
    cells: Any

    @property
    def outputs(self) -> list[Any]:
        """All that `showing` changes."""
        return [self.words, self.gallery, self.cells]

    def showing(self, cells: tuple[Entry, ...]) -> Update:
        """Return the updates that show the cells there are."""
        pictures = [(cell.thumbnail, cell.scales) for cell in cells]
        gallery = gr.Gallery(value=pictures, visible=bool(cells), selected_index=None)
        return {self.words: WHAT, self.cells: cells, self.gallery: gallery}


def lay_out_grid(*, has_scales: bool) -> Grid:
    """Lay out the grid, closed."""
    with gr.Accordion("Find the right strength", open=False):
        words = gr.Markdown(WHAT, elem_classes="spoken")
        button = gr.Button("Draw the grid", size="sm", interactive=has_scales)
        gallery = gr.Gallery(
            label="Strengths",
            show_label=False,
            elem_id="grid",
            format="png",
            columns=COLUMNS,
            fit_columns=False,
            object_fit="contain",
            allow_preview=False,
            buttons=[],
            interactive=False,
            visible=False,
        )
    return Grid(words=words, button=button, gallery=gallery, cells=gr.State(()))


def wire_choice(grid: Grid, panel: Panel, is_idle: Callable[[gr.Request], bool]) -> None:
    """Connect a click on a cell, which is taken while no edit is under way."""
    screen = panel.screen

    def choose(event: gr.SelectData, request: gr.Request, *values: Any) -> Update:
        if not is_idle(request):
            return {grid.words: BUSY}
        now, cells = panel.now(values), values[-1]
        cell, history = cells[int(event.index)], now.history
        places = {entry.edited: place for place, entry in enumerate(history.entries)}
        if cell.edited not in places:
            history = history.with_entry(cell, but=cells)
        scales = Strength(*(cell.settings[name] for name in Strength._fields))
        return {
            **screen.with_new(history, places.get(cell.edited, 0)),
            **panel.adjusted(now, scales),
            screen.status: f"Taken: {told(cell)}",
            grid.words: WHAT,
        }

    outputs = [grid.words, *screen.outputs, *(one for one in panel.outputs if one is not screen.status)]
    grid.gallery.select(choose, [*panel.inputs, grid.cells], outputs, **QUIET)
