"""The run behind every button that makes a picture: it waits in line, is watched, and can be stopped.

Law: whatever way a run ends (done, refused, failed, stopped, left), what was finished before stays, and
no preview passes for a result; closing the generator ends the edit in hand within a step. What must stay on
the page is said again at the end: gradio's browser side writes each message of a run into the one before, so
that of two that come at once only the second is seen.
"""

import asyncio
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Protocol

import gradio as gr

from editors import EditorError, EditResult
from editors.requests.results import Editor, EditT, EditT_contra
from ui.components.elements import asset
from ui.components.form import refusal
from ui.components.history import Entry, History, keep
from ui.components.literal import literal
from ui.components.screen import QUIET, Screen
from ui.server.edit_thread import DEVICE_QUEUE, EditThread
from ui.server.line import ahead, in_hand, words
from ui.server.watch import watched

IN_LINE = "In line ..."
STOPPED = "Stopped."
ROUNDS = 50
"""How often in a second it is looked whether an edit has ended."""
LONGEST_STOP = 30 * ROUNDS
"""Rounds; it is a matter of a few unless the network is bad."""
BUSY = "An edit is under way: choose a favourite when it is done."
SHOW_RESULT = asset("show_result.js")
"""On a phone the result is below the form: it is brought into view."""
Update = dict[Any, Any]
Ending = Generator[Update, None, tuple[str, EditResult]]
"""What shows its progress, and returns what to say at the end and the last result."""


class Editors(Protocol[EditT_contra]):
    """Gives editors by the names of their models."""

    def __call__(self, name: str) -> Editor[EditT_contra]:
        """Return an editor; load its model if need be."""
        ...

    def is_ready(self, name: str) -> bool:
        """Say whether its model is loaded."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Runs(Generic[EditT]):
    """The runs of one tab.

    Attributes:
        page: The page, whose line is waited in.
        editors: Give what edits, by the name of its model, and load it if need be.
        edit_thread: Where edits are computed.
        root: Folder below which sessions keep their results.
        screen: What is shown.
        check: Judges the form's values, one verdict an input.
    """

    page: gr.Blocks
    editors: Editors[EditT]
    edit_thread: EditThread
    root: Path
    screen: Screen
    check: Callable[..., list[dict[str, Any]]]

    def line_up(self, *values: Any) -> Update:
        """Say that an edit waits, and let it be stopped; what is not valid is not sent, and says so."""
        if not all(verdict["is_valid"] for verdict in self.check(*values)):
            return {self.screen.stop: gr.skip()}
        return {
            self.screen.status: IN_LINE,
            self.screen.stop: gr.Button(interactive=True),
            self.screen.clock: gr.Timer(active=True),
            self.screen.halted: None,
        }

    def tell_place(self, request: gr.Request) -> str | dict[str, Any]:
        """Say how many edits come before one's own, while there are any."""
        number = self._ahead(request)
        return gr.skip() if number is None else words(number)

    def left_the_line(self, status: str, halted: Sequence[str] | None, request: gr.Request) -> Update:
        """Say that an edit which waited did not come about: the line is full, as gradio says.

        gradio comes here too when an edit was stopped, or cancelled for another, which may be in line by now.
        """
        waited = halted is None and status.startswith("In line") and self._ahead(request) is None
        return self.screen.ended("Not edited.") if waited else {self.screen.stop: gr.skip()}

    def still_halted(
        self, halted: Sequence[str] | None, status: str, history: History, shown: int | None
    ) -> Update:
        """Say so again where the last steps of a stopped edit were on their way for longer than that."""
        if halted is None or status == STOPPED:
            return {self.screen.stop: gr.skip()}
        return self.screen.given_up(STOPPED, history, shown)

    def guarded(
        self, run: Callable[[History], Ending], history: History, shown: int | None
    ) -> Iterator[Update]:
        """Run something that edits: errors for people become the status line."""
        began = time.monotonic()
        history = history.opened(self.root)
        there: Update = {self.screen.history: history, self.screen.shown: shown}
        try:
            yield {**self.screen.started(), self.screen.history: history}
            said, result = yield from _noting(run(history), there)  # `there`: all that it has said
            # Reading and writing included, as one waits.
            seconds = f"Done in {time.monotonic() - began:.1f} s."
            yield {
                **there,
                **self.screen.ended(" ".join((seconds, said, *map(literal, result.notes)))),
                **self.screen.settled(there[self.screen.history], there[self.screen.shown]),
            }
        except EditorError as error:
            history, shown = there[self.screen.history], there[self.screen.shown]
            yield {**there, **self.screen.given_up(refusal(error), history, shown)}

    def loading(self, model: str) -> Iterator[Update]:
        """Say that a model is being loaded, unless it is there."""
        if not self.editors.is_ready(model):
            yield {self.screen.status: f"Loading {literal(model)} ..."}

    def watched(self, model: str, request: EditT, prefix: str = "") -> Generator[Update, None, EditResult]:
        """Carry out one edit, and show how it comes about."""
        yield from self.loading(model)
        stream = watched(self.editors(model), request)
        try:
            while True:
                try:
                    frame = self.edit_thread.run(next, stream)
                except StopIteration as end:
                    result: EditResult = end.value
                    return result
                update: Update = {self.screen.status: prefix + frame.words}
                if frame.pictures is not None:
                    update |= self.screen.previewing(frame.pictures)
                yield update
        finally:
            stream.close()

    def kept(self, result: EditResult, history: History) -> Generator[Update, None, Entry]:
        """Write a result; with a large picture, that takes as long as all the steps."""
        width, height = result.edited_image.size
        yield {self.screen.status: f"Writing the picture, {width} × {height} ..."}
        assert history.folder is not None  # opened before the first edit
        return keep(result, history.folder)

    def wire(
        self,
        handler: Callable[..., Iterator[Update]],
        ready: Any,
        *,
        inputs: list[Any],
        states: list[Any],
        outputs: list[Any],
        name: str | None = None,
    ) -> Any:
        """Connect a handler to the event after which its edit is checked and waits in line.

        Args:
            handler: One of the tab's.
            ready: The event.
            inputs: Components of the form.
            states: What it takes besides.
            outputs: What it changes besides the screen.
            name: What the log of the browser calls it.
        """
        screen = self.screen
        ending = [screen.status, screen.stop, screen.clock]
        line = ready.success(self.line_up, inputs, [*ending, screen.halted], **QUIET)

        def unless_halted(*values: Any) -> Iterator[Update]:
            if values[-1] is not None:  # Stop came before this edit was in line
                yield screen.ended(STOPPED)
            else:
                yield from handler(*values[:-1])

        edit = line.success(
            unless_halted,
            inputs=[*inputs, *states, screen.halted],
            outputs=[*screen.outputs, *outputs],
            api_name=name,
            validator=self.check,
            api_visibility="private",  # programs have `api`
            show_progress="hidden",  # the status line says it; gradio would grey it out while one waits
            trigger_mode="multiple",  # the one before is cancelled, but gradio still counts it for a moment
            **DEVICE_QUEUE,
        )
        edit.failure(self.left_the_line, [screen.status, screen.halted], ending, **QUIET)
        edit.success(None, js=SHOW_RESULT)
        left = [screen.halted, screen.status, screen.history, screen.shown]
        edit.then(self.still_halted, left, [*ending, *screen.result], **QUIET)
        return edit

    def wire_ends(self, starts: list[Any], running: list[Any]) -> None:
        """Connect Stop, the clock, favourites, and that who asks again wants the new one.

        Args:
            starts: The listeners that begin an edit.
            running: The events that `wire` has returned.
        """
        screen = self.screen
        screen.clock.tick(self.tell_place, None, screen.status, **QUIET)
        gr.on(starts, None, cancels=running)
        is_idle = self.idle(running)

        def favour(history: History, shown: int | None, request: gr.Request) -> Update:
            if is_idle(request):
                return screen.favour(history, shown)
            gr.Info(BUSY)  # the line of what runs is written over with its next step
            return screen.unchanged

        screen.favourite.click(favour, [screen.history, screen.shown], screen.outputs, **QUIET)
        listeners = frozenset(one["id"] for one in running)

        def halt(request: gr.Request) -> Update:
            edits = in_hand(self.page, request.session_hash, listeners)
            return {screen.status: "Stopping ...", screen.halted: edits}

        async def halted(
            edits: Sequence[str], history: History, shown: int | None, request: gr.Request
        ) -> Update:
            for _ in range(LONGEST_STOP):
                left = in_hand(self.page, request.session_hash, listeners)
                if not set(left) & set(edits):
                    break
                await asyncio.sleep(1 / ROUNDS)
            else:
                return {screen.status: "It could not be stopped yet; press Stop again."}
            # Who has asked for another edit meanwhile is shown that one.
            return {screen.stop: gr.skip()} if left else screen.given_up(STOPPED, history, shown)

        # Two listeners: the first answers at once, the second when no step comes any more.
        told = screen.stop.click(halt, None, [screen.status, screen.halted], cancels=running, **QUIET)
        told.then(
            halted,
            [screen.halted, screen.history, screen.shown],
            [screen.status, screen.stop, screen.clock, *screen.result],
            **QUIET,
        )

    def idle(self, running: Sequence[Any]) -> Callable[[gr.Request], bool]:
        """Return what says whether no edit of a session waits or runs.

        An edit ends with the history that it began with: what another adds to it in between would be lost.

        Args:
            running: The events that `wire` has returned.
        """
        listeners = frozenset(one["id"] for one in running)
        return lambda request: not in_hand(self.page, request.session_hash, listeners)

    def _ahead(self, request: gr.Request) -> int | None:
        return ahead(self.page, DEVICE_QUEUE["concurrency_id"], request.session_hash)


def _noting(running: Ending, there: Update) -> Ending:
    """Pass on what a run shows, and note it in `there`."""
    try:
        while True:
            try:
                update = next(running)
            except StopIteration as end:
                said: tuple[str, EditResult] = end.value
                return said
            there.update(update)
            yield update
    finally:
        running.close()
