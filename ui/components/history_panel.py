"""The panel of earlier results: look again, compare, take as input, ask again, take back.

Law: whatever fills the form for you, and each result that comes, is a step: *Undo* leads back to the form and
the result that stood there, *Redo* forth again; nothing is lost by looking around.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import gradio as gr

from editors import InvalidEdit
from editors.requests.recipe import read_recipe
from editors.requests.words import together
from ui.components.form import DEFAULTS, LABELS, Form, named, wire_problem
from ui.components.history import Entry, History
from ui.components.masking import Masking
from ui.components.screen import QUIET, Screen, told
from ui.components.strength import Strength
from ui.components.trail import Moment, Trail

Update = dict[Any, Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class Now:
    """Where a person is: the values of `Panel.inputs`.

    Attributes:
        form: What stands in the form, by the fields' names.
        trail: The steps up to here.
        before: Where one was when an edit was asked for, last; None where asking was a step already.
        history: The results there are.
        shown: Place of the one that is shown, or None.
    """

    form: Mapping[str, Any]
    trail: Trail
    before: Moment | None
    history: History
    shown: int | None

    @property
    def entry(self) -> Entry | None:
        """The result that is shown, if one is."""
        is_there = self.shown is not None and self.shown < len(self.history.entries)
        return self.history.entries[self.shown] if self.shown is not None and is_there else None

    @property
    def moment(self) -> Moment:
        """What a step remembers of it."""
        return Moment(form=self.form, result=None if self.entry is None else self.entry.number)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Panel:
    """Fills the form from what was made before, and takes that back.

    Attributes:
        form: The form.
        screen: What stands beside it.
        masking: Where one paints what may change.
        held: State: the seed of the next edit where the form names none, or None.
        trail: State: the steps that can be taken back, and again.
        before: State: where one was when the edit that runs, or ran last, was asked for, or None.
        undo: Its button.
        redo: Its button.
        problem: Says what is wrong with an uploaded picture, nothing if it is sound.
    """

    form: Form
    screen: Screen
    masking: Masking
    held: Any
    trail: Any
    before: Any
    undo: Any
    redo: Any
    problem: Callable[[str], str]

    @property
    def inputs(self) -> list[Any]:
        """What `now` is told."""
        return [*self.form.inputs, self.trail, self.before, self.screen.history, self.screen.shown]

    @property
    def steps(self) -> list[Any]:
        """What a step changes, besides what it is made for."""
        return [self.trail, self.undo, self.redo]

    @property
    def outputs(self) -> list[Any]:
        """All that filling the form changes."""
        return [*self.form.inputs, *self.masking.outputs, *self.steps, self.screen.status]

    def now(self, values: tuple[Any, ...]) -> Now:
        """Return where a person is, from the values of `inputs`; what follows them is no business of this.

        A result that has come is a step, also where that was not yet written down.
        """
        trail, before, history, shown = values[len(LABELS) : len(self.inputs)]
        now = Now(form=named(values), trail=trail, before=before, history=history, shown=shown)
        has_come = before is not None and now.moment.result not in (None, before.result)
        return replace(now, trail=trail.stepped(before)) if has_come and before not in trail.past else now

    def stepped(self, trail: Trail) -> Update:
        """Return the updates for another trail."""
        return {
            self.trail: trail,
            self.undo: gr.Button(interactive=bool(trail.past)),
            self.redo: gr.Button(interactive=bool(trail.ahead)),
        }

    def fill(self, now: Now, settings: Mapping[str, Any]) -> Update:
        """Return the updates that put settings into the form, remembering what stood there."""
        return {
            **self._filled({"original_image": now.form["original_image"], "mask": None, **settings}),
            **self.stepped(now.trail.stepped(now.moment)),
        }

    def _filled(self, settings: Mapping[str, Any]) -> Update:
        photo, mask = settings["original_image"], settings["mask"]
        return {**self.form.filled(settings), **self.masking.filled(photo, mask)}

    def adjusted(self, now: Now, scales: Strength) -> Update:
        """Return the updates that change how strong the edit is, and nothing else."""
        filled = self.fill(now, {**scales._asdict(), "mask": now.form["mask"]})
        # The strokes stay as they are.
        return {one: update for one, update in filled.items() if one not in self.masking.outputs}

    def use(self, *values: Any) -> Update:
        """Take the result that is shown as the picture to edit next; the words are yours to write."""
        now = self.now(values)
        if now.entry is None:
            return self.screen.unchanged
        filled = self.fill(now, {"original_image": str(now.entry.edited)})
        return {**filled, self.screen.status: "This is now the picture. What should change next?"}

    def reuse(self, *values: Any) -> Update:
        """Ask as the result that is shown was asked for, of the picture it was made from."""
        now = self.now(values)
        entry = now.entry
        if entry is None:
            return self.screen.unchanged
        if entry.is_extension:
            return {self.screen.status: "This picture was extended: no words have changed it."}
        mask = None if entry.mask is None else str(entry.mask)
        settings = {**entry.settings, "original_image": str(entry.original), "mask": mask}
        return {**self.fill(now, settings), self.screen.status: f"As it was asked: {told(entry)}"}

    def at_once(self, *values: Any) -> Update:
        """Ask for all that led to the result that is shown at once, of the picture that it began with.

        What is drawn in steps loses a little in each; see `wordbrush eval chains`.
        """
        now = self.now(values)
        if now.entry is None:
            return self.screen.unchanged
        line = now.history.line_of(now.entry)
        if len(line) == 1:
            return {self.screen.status: "This result was made in one step: there is nothing to put together."}
        if any(entry.is_extension for entry in line):
            return {
                self.screen.status: "One of the steps has extended the picture: the others follow from it."
            }
        words = together([entry.words for entry in line])
        settings = {**now.entry.settings, "edit_prompt": words, "original_image": str(line[0].original)}
        said = f"{len(line)} steps at once, from the first picture: press Edit, or change the words first."
        if any(entry.mask is not None for entry in line):
            said += " What was painted is left out: paint again what may change."
        return {**self.fill(now, settings), self.screen.status: said}

    def take_back(self, *values: Any) -> Update:
        """Lead back to where one was before the newest step."""
        now = self.now(values)
        return self._led(now, now.trail.back(now.moment), "Undone.")

    def take_again(self, *values: Any) -> Update:
        """Lead forth to where one was before the newest step was taken back."""
        now = self.now(values)
        return self._led(now, now.trail.forth(now.moment), "Done again.")

    def _led(self, now: Now, way: tuple[Trail, Moment] | None, words: str) -> Update:
        if way is None:
            return self.screen.unchanged
        trail, then = way
        place = now.history.place(then.result)
        if place is not None:
            words += f" Shown: {told(now.history.entries[place])}"
        elif then.result is not None:
            words += " The form is as it was; the result that was shown then is no longer kept."
        else:
            words += " The form is as it was."
        return {
            **self._filled(then.form),
            **self.stepped(trail),
            **({self.before: None} if now.before in now.trail.past else {}),  # it is undone, not yet to come
            **self.screen.settled(now.history, place),
            self.screen.status: words,
        }

    def came(self, *values: Any) -> Update:
        """Write the step down that a result is, if one came."""
        return self.stepped(self.now(values).trail)

    def dropped(self, *values: Any) -> Update:
        """Look at a picture that came: say if it cannot be read; take its settings if it was made here."""
        now = self.now(values)
        photo = now.form["original_image"]
        if photo is not None and self.problem(photo):  # which then stands at the picture
            return {**self._fresh(now, None), self.screen.status: "This picture cannot be edited."}
        try:
            settings = read_recipe(photo).settings
        except InvalidEdit:
            settings = {}
        if "edit_prompt" not in settings:  # any other picture, or one that words alone have made
            return {**self._fresh(now, photo), self.screen.status: "What should change?"}
        absent = [k for k, v in settings.items() if k not in (*LABELS, "edit") and v != DEFAULTS.get(k)]
        words = "This picture was made here: its words and settings are back."
        if absent:
            words += f" Not on this page, so left out: {', '.join(absent)}."
        return {**self.screen.cleared(now.history), **self.fill(now, settings), self.screen.status: words}

    def emptied(self, *values: Any) -> Update:
        """Take everything away that belonged to the picture that went."""
        return self._fresh(self.now(values), None)

    def _fresh(self, now: Now, photo: str | None) -> Update:
        """Return the updates that give a new picture a surface without strokes, and nothing beside it."""
        return {**self.masking.filled(photo), self.form.mask: None, **self.screen.cleared(now.history)}

    def nudge(self, towards: Callable[[Strength], Strength]) -> Callable[..., Update]:
        """Return what a button does that makes the next edit stronger or weaker, on the same noise."""

        def nudged(*values: Any) -> Update:
            now = self.now(values)
            scales = Strength(now.form["guidance_scale"], now.form["image_guidance_scale"])
            seed = None if now.entry is None else now.entry.settings["seed"]
            return {**self.adjusted(now, towards(scales)), self.held: seed}

        return nudged


def wire_panel(panel: Panel, *, use: Any, reuse: Any, at_once: Any) -> None:
    """Connect the strip, its buttons, and pictures that are dropped back."""
    form, screen = panel.form, panel.screen
    use.click(panel.use, panel.inputs, panel.outputs, **QUIET)
    reuse.click(panel.reuse, panel.inputs, panel.outputs, **QUIET)
    at_once.click(panel.at_once, panel.inputs, panel.outputs, **QUIET)
    everything = [*panel.outputs, panel.before, *screen.result]
    panel.undo.click(panel.take_back, panel.inputs, everything, **QUIET)
    panel.redo.click(panel.take_again, panel.inputs, everything, **QUIET)
    beside = [one for one in screen.outputs if one not in panel.outputs]
    form.original_image.upload(panel.dropped, panel.inputs, [*panel.outputs, *beside], **QUIET)
    wire_problem(form.original_image, panel.problem)
    form.original_image.clear(
        panel.emptied, panel.inputs, [*panel.masking.outputs, form.mask, *beside], **QUIET
    )


def wire_nudges(panel: Panel, *, weaker: Any, stronger: Any) -> list[Any]:
    """Connect the two buttons; return the events after which the edit is to be made again."""
    outputs = [*panel.outputs, panel.held]
    return [
        button.click(panel.nudge(towards), panel.inputs, outputs, **QUIET)
        for button, towards in ((weaker, Strength.weaker), (stronger, Strength.stronger))
    ]


def wire_steps(panel: Panel, running: Sequence[Any]) -> None:
    """Make a step of each result that an edit brings, however the edit ends."""
    for edit in running:
        edit.then(panel.came, panel.inputs, panel.steps, **QUIET)
