"""The tab that draws a picture and its edit from two prompts (Prompt-to-Prompt).

The noise stays from one drawing to the next, so that a changed word or slider changes what it says and
nothing else; once there is a picture, each change is drawn at once.
"""

import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gradio as gr

from editors import EditorError, PromptEdit
from editors.pictures.images import read_picture
from editors.requests.edits import WordWindows
from editors.requests.rules import NUM_SEEDS
from editors.requests.settings import Settings
from ui.components.board import BoardState, board
from ui.components.dial import Dial
from ui.components.form import (
    MOST_PICTURES,
    PROMPT_LABELS,
    SLIDERS,
    picture_problem,
    plain,
    refusal,
    verdict,
    wire_problem,
    with_picture,
)
from ui.components.history import History
from ui.components.history_panel import Panel
from ui.components.photo import Photo
from ui.components.screen import QUIET, lay_out_screen, told
from ui.server.edit_thread import EditThread
from ui.server.loaded_by_name import LoadedByName
from ui.tabs.runs import Ending, Runs, Update

if TYPE_CHECKING:
    from editors.prompt_to_prompt.editor import PromptToPromptEditor

BEGIN = "Write what the picture shows, and what its edit shows; press Enter."
EXAMPLES = (
    ("a red elephant in the desert", "a blue elephant in the desert"),
    ("a cat in a meadow", "a dog in a meadow"),
    ("a house on a beach", "a house on a beach at night"),
)
PHOTO = list(PROMPT_LABELS).index("original_image")
"""Its place among the inputs."""
VALID = {"original_prompt": "a cat", "edited_prompt": "a dog"}
"""Stands in for the prompts while another field is checked alone."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class PromptForm:
    """The components that ask for the fields of `PROMPT_LABELS`, and the board."""

    original_prompt: Any
    edited_prompt: Any
    original_image: Any
    guidance_scale: Any
    num_inference_steps: Any
    seed: Any
    board: Any

    @property
    def inputs(self) -> list[Any]:
        """The components, the board last."""
        return [*(getattr(self, name) for name in PROMPT_LABELS), self.board]


def check(*values: Any) -> list[dict[str, Any]]:
    """Judge each input alone, by `PromptEdit`; the board and the states pass."""
    named = zip(PROMPT_LABELS, values, strict=False)
    verdicts = [verdict(PromptEdit, VALID, name, plain(name, value)) for name, value in named]
    return [*verdicts, *(gr.validate(True, "") for _ in values[len(verdicts) :])]


def request_of(values: tuple[Any, ...]) -> PromptEdit:
    """Build the request.

    Raises:
        InvalidEdit: A field is wrong, or the photo cannot be read.
    """
    asked = {name: plain(name, value) for name, value in zip(PROMPT_LABELS, values, strict=False)}
    asked |= BoardState.read(values[len(PROMPT_LABELS)]).fields
    PromptEdit(**asked)  # before a photo is read: refusing is cheap, reading is not
    if asked["original_image"] is not None:
        asked["original_image"] = read_picture("original_image", asked["original_image"])
    return PromptEdit(**asked)


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
            text = self.editors(self.model).model.text
            prompts = [
                text.tokenize(name, words) for name, words in zip(VALID, (original, edited), strict=True)
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


def prompts_tab(
    page: gr.Blocks,
    editors: LoadedByName["PromptToPromptEditor"],
    model: str,
    edit_thread: EditThread,
    root: Path,
    *,
    tab: gr.Tab,
    tabs: gr.Tabs,
    panel: Panel,
) -> None:
    """Lay out the tab inside the page and wire it.

    Args:
        page: The `gr.Blocks` that is being laid out.
        editors: Give what draws, by the name of its model; asked when the tab is first opened.
        model: The name of the model.
        edit_thread: Where edits are computed.
        root: Folder below which sessions keep their results.
        tab: The tab itself.
        tabs: All of them.
        panel: Of the Edit tab, which results can go to.
    """
    with gr.Row(equal_height=False):
        with gr.Column(min_width=300):
            form, go, stop, another, examples = _form()
        with gr.Column(min_width=300):
            screen = lay_out_screen(stop, BEGIN, actions=("Edit this picture further",), name="prompts")
    problems = LoadedByName(picture_problem, room=MOST_PICTURES)
    runs = Runs(
        page=page,
        editors=editors,
        edit_thread=edit_thread,
        root=root,
        screen=screen,
        check=with_picture(check, PHOTO, problems),
    )
    drawings = Drawings(editors=editors, runs=runs, form=form, model=model, ready=gr.State(False))
    states = [screen.history, screen.shown]
    settled = [drawings.ready, form.guidance_scale, form.num_inference_steps, form.board, screen.status]
    prompts = [form.original_prompt, form.edited_prompt]
    wire_problem(form.original_image, problems)
    opened = tab.select(drawings.prepare, [drawings.ready, *prompts], settled, **QUIET)
    opened.success(drawings.relink, [*prompts, form.board], [form.board, screen.status], **QUIET)
    gr.on(
        [one.change for one in prompts],
        drawings.align,
        [*prompts, form.board],
        [form.board, screen.status],
        trigger_mode="always_last",
        **QUIET,
    )
    examples.click(lambda chosen: tuple(chosen), examples, prompts, **QUIET)
    form.num_inference_steps.input(
        lambda told, steps: {**told, "steps": steps},
        [form.board, form.num_inference_steps],
        form.board,
        **QUIET,
    )
    starts = [go.click, *(one.submit for one in prompts)]
    aloud = {**QUIET, "queue": True, "concurrency_limit": None}  # it says something on its way
    asked = gr.on(starts, drawings.prepare_aloud, [drawings.ready, *prompts], settled, **aloud)
    changed = [form.board.input, form.guidance_scale.release, form.num_inference_steps.release]
    again = gr.on(changed, _require_shown, screen.shown, trigger_mode="always_last", **QUIET)
    rolled = another.click(lambda: str(secrets.randbelow(NUM_SEEDS)), None, form.seed, **QUIET)
    running = [
        runs.wire(drawings.draw, ready_, inputs=form.inputs, states=states, outputs=[form.seed], name=name)
        for ready_, name in ((asked, "page_draw"), (again, None), (rolled, None))
    ]
    runs.wire_ends([*starts, another.click, *changed], running)

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


def _form() -> tuple[PromptForm, Any, Any, Any, Any]:
    """Lay out the left column; return the form, Draw, Stop, the button for another picture, the examples."""
    prompts = [
        gr.Textbox(label=PROMPT_LABELS[name], placeholder=words, lines=1, max_lines=1)
        for name, words in zip(VALID, EXAMPLES[0], strict=True)
    ]
    examples = gr.Dataset(
        label="For example",
        components=prompts,
        samples=[list(one) for one in EXAMPLES],
        type="values",
        layout="table",
        headers=["Picture", "Edit"],
    )
    with gr.Row():
        go = gr.Button("Draw", variant="primary", min_width=100)
        stop = gr.Button("Stop", variant="stop", interactive=False, min_width=100)
    another = gr.Button("Another picture", size="sm")
    words = board(
        BoardState(cross_replace_steps=(0, 0.8), self_replace_steps=(0, 0.4), steps=50)  # until it is known
    )
    guidance = Dial(*SLIDERS["guidance_scale"], value=7.5, step=0.1, label=PROMPT_LABELS["guidance_scale"])
    with gr.Accordion(PROMPT_LABELS["original_image"], open=False):
        gr.Markdown("The first prompt then says what the photo shows.")
        photo = Photo(
            label=PROMPT_LABELS["original_image"],
            type="filepath",
            image_mode=None,
            sources=["upload", "clipboard"],
            height=240,
        )
    with gr.Accordion("Fine-tune", open=False):
        steps = Dial(
            *SLIDERS["num_inference_steps"], value=50, step=1, label=PROMPT_LABELS["num_inference_steps"]
        )
        seed = gr.Textbox(
            lines=1,
            max_lines=1,
            label=PROMPT_LABELS["seed"],
            placeholder="drawn at random",
            info="Stays from one drawing to the next, so that only what you change changes.",
        )
    form = PromptForm(
        original_prompt=prompts[0],
        edited_prompt=prompts[1],
        original_image=photo,
        guidance_scale=guidance,
        num_inference_steps=steps,
        seed=seed,
        board=words,
    )
    return form, go, stop, another, examples
