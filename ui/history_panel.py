"""What earlier results are good for: look again, compare, take as input, ask again, take back.

Law: whatever fills the form for you first remembers what stood there, so *Undo* brings it back; nothing is
lost by looking around.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import gradio as gr

from editors import InvalidEdit
from editors.recipe import read_recipe
from ui.form import DEFAULTS, LABELS, Form, named, wire_problem
from ui.history import Entry
from ui.masking import Masking
from ui.screen import QUIET, Screen, told
from ui.strength import Strength

MAX_PAST = 50
"""Forms that Undo can bring back."""
Update = dict[Any, Any]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Panel:
    """Fills the form from what was made before, and takes that back.

    Attributes:
        form: The form.
        screen: What stands beside it.
        masking: Where one paints what may change.
        held: State: the seed of the next edit where the form names none, or None.
        past: State: the forms that Undo brings back, the newest last.
        undo: Its button.
        problem: Says what is wrong with an uploaded picture, nothing if it is sound.
    """

    form: Form
    screen: Screen
    masking: Masking
    held: Any
    past: Any
    undo: Any
    problem: Callable[[str], str]

    @property
    def outputs(self) -> list[Any]:
        """All that filling the form changes."""
        return [*self.form.inputs, *self.masking.outputs, self.past, self.undo, self.screen.status]

    def fill(self, values: tuple[Any, ...], past: tuple[Any, ...], settings: Mapping[str, Any]) -> Update:
        """Return the updates that put settings into the form, remembering what stood there."""
        now = named(values)
        photo = settings.get("original_image", now["original_image"])
        return {
            **self.form.filled({**settings, "mask": settings.get("mask")}),
            **self.masking.filled(photo, settings.get("mask")),
            self.past: (*past, now)[-MAX_PAST:],
            self.undo: gr.Button(interactive=True),
        }

    def adjusted(self, values: tuple[Any, ...], past: tuple[Any, ...], scales: Strength) -> Update:
        """Return the updates that change how strong the edit is, and nothing else."""
        filled = self.fill(values, past, {**scales._asdict(), "mask": named(values)["mask"]})
        # The strokes stay as they are.
        return {one: update for one, update in filled.items() if one not in self.masking.outputs}

    def use(self, *values: Any) -> Update:
        """Take the result that is shown as the picture to edit next; the words are yours to write."""
        entry, form, past = self._shown(values)
        if entry is None:
            return {}
        filled = self.fill(form, past, {"original_image": str(entry.edited)})
        return {**filled, self.screen.status: "This is now the picture. What should change next?"}

    def reuse(self, *values: Any) -> Update:
        """Ask as the result that is shown was asked for, of the picture it was made from."""
        entry, form, past = self._shown(values)
        if entry is None:
            return {}
        mask = None if entry.mask is None else str(entry.mask)
        settings = {**entry.settings, "original_image": str(entry.original), "mask": mask}
        return {**self.fill(form, past, settings), self.screen.status: f"As it was asked: {told(entry)}"}

    def take_back(self, past: tuple[Any, ...]) -> Update:
        """Bring back the form as it was before something filled it."""
        if not past:
            return {}
        then = past[-1]
        return {
            **self.form.filled(then),
            **self.masking.filled(then["original_image"], then["mask"]),
            self.past: past[:-1],
            self.undo: gr.Button(interactive=len(past) > 1),
            self.screen.status: "The form is as it was before.",
        }

    def dropped(self, *values: Any) -> Update:
        """Look at a picture that came: say if it cannot be read; take its settings if it was made here."""
        form, past = values[: len(LABELS)], values[len(LABELS)]
        photo = form[0]
        if photo is not None and self.problem(photo):  # which then stands at the picture
            return {**self._fresh(None), self.screen.status: "This picture cannot be edited."}
        try:
            settings = read_recipe(photo).settings
        except InvalidEdit:
            settings = {}
        if "edit_prompt" not in settings:  # any other picture, or one that words alone have made
            return {**self._fresh(photo), self.screen.status: "What should change?"}
        absent = [k for k, v in settings.items() if k not in (*LABELS, "edit") and v != DEFAULTS.get(k)]
        words = "This picture was made here: its words and settings are back."
        if absent:
            words += f" Not on this page, so left out: {', '.join(absent)}."
        return {**self.screen.cleared(), **self.fill(form, past, settings), self.screen.status: words}

    def _fresh(self, photo: str | None) -> Update:
        """Return the updates that give a new picture a surface without strokes, and nothing beside it."""
        return {**self.masking.filled(photo), self.form.mask: None, **self.screen.cleared()}

    def nudge(self, towards: Callable[[Strength], Strength]) -> Callable[..., Update]:
        """Return what a button does that makes the next edit stronger or weaker, on the same noise."""

        def nudged(*values: Any) -> Update:
            entry, form, past = self._shown(values)
            asked = named(form)
            scales = Strength(asked["guidance_scale"], asked["image_guidance_scale"])
            seed = None if entry is None else entry.settings["seed"]
            return {**self.adjusted(form, past, towards(scales)), self.held: seed}

        return nudged

    def _shown(self, values: tuple[Any, ...]) -> tuple[Entry | None, tuple[Any, ...], tuple[Any, ...]]:
        """Split the inputs of a button: the result that is shown, the form's values, the past."""
        form, (past, history, shown) = values[: len(LABELS)], values[len(LABELS) :]
        entry = None if shown is None or shown >= len(history.entries) else history.entries[shown]
        return entry, form, past


def wire_panel(panel: Panel, *, use: Any, reuse: Any) -> None:
    """Connect the strip, its buttons, and pictures that are dropped back."""
    form, screen = panel.form, panel.screen
    inputs = [*form.inputs, panel.past, screen.history, screen.shown]
    use.click(panel.use, inputs, panel.outputs, **QUIET)
    reuse.click(panel.reuse, inputs, panel.outputs, **QUIET)
    panel.undo.click(panel.take_back, panel.past, panel.outputs, **QUIET)
    beside = [one for one in screen.outputs if one not in panel.outputs]
    form.original_image.upload(panel.dropped, [*form.inputs, panel.past], [*panel.outputs, *beside], **QUIET)
    wire_problem(form.original_image, panel.problem)
    form.original_image.clear(
        lambda: {**panel.masking.filled(None), form.mask: None, **screen.cleared()},
        None,
        [*panel.masking.outputs, form.mask, *beside],
        **QUIET,
    )


def wire_nudges(panel: Panel, *, weaker: Any, stronger: Any) -> list[Any]:
    """Connect the two buttons; return the events after which the edit is to be made again."""
    inputs = [*panel.form.inputs, panel.past, panel.screen.history, panel.screen.shown]
    outputs = [*panel.outputs, panel.held]
    return [
        button.click(panel.nudge(towards), inputs, outputs, **QUIET)
        for button, towards in ((weaker, Strength.weaker), (stronger, Strength.stronger))
    ]
