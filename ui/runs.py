"""What every button that makes a picture has in common: it waits in line, is watched, and can be stopped.

Law: whatever way a run ends (done, refused, failed, stopped, left), what was finished before stays, and
no preview passes for a result; closing the generator ends the edit in hand within a step.
"""

from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic

import gradio as gr

from editors import EditorError, EditResult
from editors.edits import Editor, EditT
from ui.api import LANE
from ui.form import refusal
from ui.history import Entry, History, keep
from ui.line import ahead, words
from ui.literal import literal
from ui.screen import QUIET, Screen
from ui.watch import watched

IN_LINE = "In line ..."
SHOW_RESULT = """() => {
  const one = [...document.querySelectorAll('.compare')].find(one => one.offsetParent);
  if (innerWidth <= 640) one?.scrollIntoView({behavior: 'smooth', block: 'center'});
}"""
"""On a phone the result is below the form: it is brought into view."""
Update = dict[Any, Any]
Ending = Generator[Update, None, tuple[str, EditResult]]
"""What shows its progress, and returns what to say at the end and the last result."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Runs(Generic[EditT]):
    """How edits of one tab are run.

    Attributes:
        page: The page, whose line is waited in.
        editor: Returns what edits, by the name of its model; loads it if need be.
        root: Folder below which sessions keep their results.
        screen: What is shown.
        check: Judges the form's values, one verdict an input.
    """

    page: gr.Blocks
    editor: Callable[[str], Editor[EditT]]
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
        }

    def tell_place(self, request: gr.Request) -> str | dict[str, Any]:
        """Say how many edits come before one's own, while there are any."""
        number = self._ahead(request)
        return gr.skip() if number is None else words(number)

    def left_the_line(self, status: str, request: gr.Request) -> Update:
        """Say that an edit which waited did not come about: the line is full, as gradio says.

        gradio comes here too when an edit was cancelled for another, which may be in line by now.
        """
        waited = status.startswith("In line") and self._ahead(request) is None
        return self.screen.ended("Not edited.") if waited else {self.screen.stop: gr.skip()}

    def guarded(
        self, run: Callable[[History], Ending], history: History, shown: int | None
    ) -> Iterator[Update]:
        """Run something that edits: errors for people become the status line."""
        history = history.opened(self.root)
        there: Update = {self.screen.history: history, self.screen.shown: shown}
        try:
            yield {**self.screen.started(), self.screen.history: history}
            said, result = yield from _noting(run(history), there)
            yield self.screen.ended(" ".join((said, *map(literal, result.notes))))
        except EditorError as error:
            yield self.screen.given_up(refusal(error), there[self.screen.history], there[self.screen.shown])

    def watched(self, model: str, request: EditT, prefix: str = "") -> Generator[Update, None, EditResult]:
        """Carry out one edit, and show how it comes about."""
        stream = watched(self.editor(model), request)
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
        line = ready.success(self.line_up, inputs, ending, **QUIET)
        edit = line.success(
            handler,
            inputs=[*inputs, *states],
            outputs=[*screen.outputs, *outputs],
            api_name=name,
            validator=self.check,
            api_visibility="private",  # programs have `api`
            show_progress="hidden",  # the status line says it; gradio would grey it out while one waits
            trigger_mode="multiple",  # the one before is cancelled, but gradio still counts it for a moment
            **LANE,
        )
        edit.failure(self.left_the_line, screen.status, ending, **QUIET)
        edit.success(None, js=SHOW_RESULT)
        return edit

    def wire_ends(self, starts: list[Any], running: list[Any]) -> None:
        """Connect Stop, the clock, and that who asks again wants the new one.

        Args:
            starts: The listeners that begin an edit.
            running: The events that `wire` has returned.
        """
        screen = self.screen
        screen.clock.tick(self.tell_place, None, screen.status, **QUIET)
        gr.on(starts, None, cancels=running)
        screen.stop.click(
            lambda history, shown: screen.given_up("Stopped.", history, shown),
            inputs=[screen.history, screen.shown],
            outputs=[screen.status, screen.stop, screen.clock, screen.compare],
            cancels=running,
            queue=False,
            api_visibility="private",
        )

    def _ahead(self, request: gr.Request) -> int | None:
        return ahead(self.page, LANE["concurrency_id"], request.session_hash)


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
