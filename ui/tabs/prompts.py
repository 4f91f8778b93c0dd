"""The tab that draws a picture and its edit from two prompts (Prompt-to-Prompt).

The noise stays from one drawing to the next, so that a changed word or slider changes what it says and
nothing else; once there is a picture, each change is drawn at once.
"""

import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import gradio as gr

from editors import EditorError, PromptEdit
from editors.requests.edits import WordWindows
from editors.requests.rules import NUM_SEEDS
from editors.requests.settings import Settings
from ui.components.board import BoardState
from ui.components.form import (
    MOST_PICTURES,
    PROMPT_LABELS,
    picture_problem,
    refusal,
    wire_problem,
    with_picture,
)
from ui.components.history import History
from ui.components.history_panel import Panel
from ui.components.prompt_form import PHOTO, VALID, PromptForm, check, lay_out_prompts, request_of
from ui.components.screen import QUIET, Screen, lay_out_screen, told
from ui.server.loaded_by_name import LoadedByName
from ui.tabs.runs import Ending, Runs, Update
from ui.tabs.tab import Frame

if TYPE_CHECKING:
    from editors.prompt_to_prompt.editor import PromptToPromptEditor

BEGIN = "Write what the picture shows, and what its edit shows; press Enter."


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Drawings:
    """The handlers; their inputs are the form's, then the states: history, shown result.

    Attributes:
        editors: Give what draws, by the name of its model.
        runs: How drawings are run.
        form: What is asked for.
        model: The name of the model.
        ready: State: whether the form has what the model recommends.
    """

    editors: LoadedByName["PromptToPromptEditor"]
    runs: Runs[PromptEdit]
    form: PromptForm
    model: str
    ready: Any

    def prepare(self, ready: bool, original: str, edited: str) -> Update:
        """Take what the model recommends, when the tab is opened: once, or until it could be loaded."""
        if ready:
            return {self.ready: True}
        try:
            settings = self.editors(self.model).recommended
        except EditorError as error:
            return {self.runs.screen.status: refusal(error, "This tab has no model.")}
        state = BoardState(**_advice(settings))
        return {
            self.ready: True,
            self.form.guidance_scale: settings.guidance_scale,
            self.form.num_inference_steps: settings.num_inference_steps,
            self.form.board: state.told(),
            **self._linked(state, original, edited),
        }

    def prepare_aloud(self, ready: bool, original: str, edited: str) -> Iterator[Update]:
        """Do so for somebody who wants a drawing, and sees what it is waiting for."""
        yield from self.runs.loading(self.model)
        yield self.prepare(ready, original, edited)

    def align(self, original: str, edited: str, told: Any) -> Update:
        """Draw which word goes to which, as soon as both prompts say something."""
        state, screen = BoardState.read(told), self.runs.screen
        try:
            if not state.advised:
                state = replace(state, **_advice(self.editors(self.model).recommended))
        except EditorError as error:
            return {screen.status: refusal(error, "This tab has no model.")}
        linked = self._linked(state, original, edited)
        if self.form.board in linked:
            return {**linked, screen.status: "Press Draw or Enter."}
        return {screen.status: BEGIN, **linked}

    def relink(self, original: str, edited: str, told: Any) -> Update:
        """Draw the words again that were written while the model was loaded."""
        return {self.form.board: gr.skip(), **self._linked(BoardState.read(told), original, edited)}

    def _linked(self, state: BoardState, original: str, edited: str) -> Update:
        """Return the board with two prompts linked, or why it is not; nothing unless both say something."""
        if not original.strip() or not edited.strip():
            return {}
        try:
            model = self.editors(self.model).model
            prompts = [
                model.tokenize(name, words) for name, words in zip(VALID, (original, edited), strict=True)
            ]
        except EditorError as error:
            return {self.runs.screen.status: refusal(error, "Too much.")}
        return {self.form.board: state.with_prompts(*prompts).told()}

    def draw(self, *values: Any) -> Iterator[Update]:
        """Draw the picture and its edit."""
        history, shown = values[len(PROMPT_LABELS) + 1 :]

        def begun(history: History) -> Ending:
            result = yield from self.runs.watched(self.model, request_of(values))
            entry = yield from self.runs.kept(result, history)
            history = history.with_entry(entry)
            yield {**self.runs.screen.with_new(history), self.form.seed: str(result.seed)}
            return told(entry), result

        yield from self.runs.guarded(begun, history, shown)

    def wire_board(self, tab: gr.Tab) -> None:
        """Connect the opening of the tab, and what changes the board without a drawing."""
        form, status = self.form, self.runs.screen.status
        opened = tab.select(self.prepare, [self.ready, *form.prompts], self._settled, **QUIET)
        linked = {"inputs": [*form.prompts, form.board], "outputs": [form.board, status]}
        opened.success(self.relink, **linked, **QUIET)
        gr.on(
            [one.change for one in form.prompts],
            self.align,
            **linked,
            trigger_mode="always_last",
            **QUIET,
        )
        form.num_inference_steps.input(
            lambda state, steps: {**state, "steps": steps},
            [form.board, form.num_inference_steps],
            form.board,
            **QUIET,
        )

    def wire_drawing(self, go: Any, another: Any) -> None:
        """Connect all that asks for a drawing: Draw and Enter, a change of the board, another picture."""
        form, runs, screen = self.form, self.runs, self.runs.screen
        starts = [go.click, *(one.submit for one in form.prompts)]
        aloud = {**QUIET, "queue": True, "concurrency_limit": None}  # it says something on its way
        asked = gr.on(starts, self.prepare_aloud, [self.ready, *form.prompts], self._settled, **aloud)
        dials = (form.guidance_scale, form.only, form.num_inference_steps)
        changed = [form.board.input, *(one.release for one in dials)]
        again = gr.on(changed, _require_shown, screen.shown, trigger_mode="always_last", **QUIET)
        rolled = another.click(lambda: str(secrets.randbelow(NUM_SEEDS)), None, form.seed, **QUIET)
        states = [screen.history, screen.shown]
        running = [
            runs.wire(self.draw, ready, inputs=form.inputs, states=states, outputs=[form.seed], name=name)
            for ready, name in ((asked, "page_draw"), (again, None), (rolled, None))
        ]
        runs.wire_ends([*starts, another.click, *changed], running)

    @property
    def _settled(self) -> list[Any]:
        """What a model that is ready fills in."""
        form = self.form
        return [
            self.ready,
            form.guidance_scale,
            form.num_inference_steps,
            form.board,
            self.runs.screen.status,
        ]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Prompts:
    """The tab of Prompt-to-Prompt; see `ui.tabs.tab.Tab`.

    Attributes:
        editors: Give what draws, by the name of its model; asked when the tab is first opened.
        model: The name of the model.
    """

    editors: LoadedByName["PromptToPromptEditor"]
    model: str
    name: str = "Prompts"

    def lay_out(self, frame: Frame, tab: gr.Tab) -> None:
        """Lay the form out beside the screen, and wire both."""
        with gr.Row(equal_height=False):
            with gr.Column(min_width=300):
                form, go, stop, another, examples = lay_out_prompts()
            with gr.Column(min_width=300):
                screen = lay_out_screen(stop, BEGIN, actions=("Edit this picture further",), name="prompts")
        problems = LoadedByName(picture_problem, room=MOST_PICTURES)
        runs = Runs(
            page=frame.page,
            editors=self.editors,
            edit_thread=frame.edit_thread,
            root=frame.results,
            screen=screen,
            check=with_picture(check, PHOTO, problems),
        )
        drawings = Drawings(
            editors=self.editors, runs=runs, form=form, model=self.model, ready=gr.State(False)
        )
        wire_problem(form.original_image, problems)
        examples.click(lambda chosen: tuple(chosen), examples, form.prompts, **QUIET)
        drawings.wire_board(tab)
        drawings.wire_drawing(go, another)
        _wire_further(screen, frame.panel, frame.tabs)


def _wire_further(screen: Screen, panel: Panel, tabs: gr.Tabs) -> None:
    """Connect the button that takes a picture to the Edit tab."""
    states = [screen.history, screen.shown]

    def go_on(history: History, shown: int | None, *values: Any) -> Update:
        if shown is None:
            return {tabs: gr.skip()}
        there = panel.now(values)
        filled = panel.fill(there, {"original_image": str(history.entries[shown].edited)})
        words = "This is now the picture. What should change next?"
        return {
            **filled,
            **panel.screen.cleared(there.history),
            panel.screen.status: words,
            tabs: gr.Tabs(selected="edit"),
        }

    beside = [one for one in panel.screen.outputs if one not in panel.outputs]
    screen.actions[0].click(go_on, [*states, *panel.inputs], [*panel.outputs, *beside, tabs], **QUIET)


def _require_shown(shown: int | None) -> None:
    """Let a change be drawn where there is a picture already."""
    if shown is None:
        raise gr.Error("Nothing is drawn yet.", visible=False, print_exception=False)


def _advice(settings: Settings) -> dict[str, Any]:
    """Return the fields of the board that a model recommends."""
    return {
        "cross_replace_steps": _pair(settings.cross_replace_steps),
        "self_replace_steps": _pair(settings.self_replace_steps),
        "steps": settings.num_inference_steps,
        "advised": True,
    }


def _pair(window: WordWindows) -> tuple[float, float]:
    """Return a window as the timeline shows it, which has one for all words."""
    if isinstance(window, Mapping):
        return _pair(window.get("default", 1.0))
    return window if isinstance(window, tuple) else (0.0, window)
