"""The screen beside the form: the comparison, the status line, the strip of earlier results.

Law: a picture is shown from the session's own record, by its place in the strip; no path comes back from the
browser.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import gradio as gr

from ui.components.compare import Compare
from ui.components.history import MOST_FAVOURITES, Entry, History
from ui.components.lineage import STYLE, lineage
from ui.components.literal import literal
from ui.components.shade import overlay

ITS_ORIGINAL = "its original"
FAVOURITE = "★ Favourite"
NO_FAVOURITE = "☆ Favourite"
QUIET: Mapping[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}
"""Of events that are over at once."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Screen:
    """Components and states.

    Attributes:
        compare: Before and after, one over the other.
        status: One line.
        download: Saves the result that is shown.
        stop: Stops what runs.
        clock: Ticks while one waits in line.
        strip: Earlier results, small.
        tree: What came from what.
        region: Where the words of the result act that was held to it; hidden where none was just now.
        versus: With what the shown result is compared.
        favourite: Keeps the result that is shown, however many come.
        earlier: Shows the result before.
        later: Shows the result after.
        actions: Buttons that make sense once there is a result.
        history: State: the session's `History`.
        shown: State: place of the result that is shown in the history, or None.
        halted: State: the edits that Stop has ended since one was last asked for, None if it was not pressed.
    """

    compare: Any
    status: Any
    download: Any
    stop: Any
    clock: Any
    strip: Any
    tree: Any
    region: Any
    versus: Any
    favourite: Any
    earlier: Any
    later: Any
    actions: tuple[Any, ...]
    history: Any
    shown: Any
    halted: Any

    @property
    def outputs(self) -> list[Any]:
        """All that an edit may change."""
        parts = [
            self.compare,
            self.status,
            self.download,
            self.stop,
            self.clock,
            self.strip,
            self.tree,
            self.region,
            self.versus,
            *self.moves,
        ]
        return [*parts, *self.actions, self.history, self.shown, self.halted]

    @property
    def result(self) -> list[Any]:
        """What is shown, and what acts on it."""
        parts = [self.compare, self.shown, self.download, self.strip, self.tree, self.region, self.versus]
        return [*parts, *self.moves, *self.actions]

    @property
    def moves(self) -> list[Any]:
        """Buttons that keep a result, and go from one to the next."""
        return [self.favourite, self.earlier, self.later]

    @property
    def unchanged(self) -> dict[Any, Any]:
        """The updates that change nothing; gradio takes none at all for too few."""
        return {self.status: gr.skip()}

    def started(self) -> dict[Any, Any]:
        """Return the updates for an edit that begins."""
        return {
            self.status: "Starting ...",
            self.stop: gr.Button(interactive=True),
            self.clock: gr.Timer(active=False),
            **self._without_result(),
        }

    def previewing(self, pictures: Any) -> dict[Any, Any]:
        """Return the updates that show how an edit comes about: there is nothing yet to act on."""
        return {self.compare: pictures, **self._without_result()}

    def _without_result(self) -> dict[Any, Any]:
        return {
            self.download: gr.DownloadButton(interactive=False),
            self.region: gr.Image(visible=False),
            self.versus: gr.Dropdown(visible=False),
            self.favourite: gr.Button(NO_FAVOURITE, interactive=False),
            **{button: gr.Button(interactive=False) for button in self.actions},
        }

    def ended(self, words: str) -> dict[Any, Any]:
        """Return the updates for an edit that is over, with what to say of it."""
        return {
            self.status: words,
            self.stop: gr.Button(interactive=False),
            self.clock: gr.Timer(active=False),
        }

    def given_up(self, words: str, history: History, shown: int | None) -> dict[Any, Any]:
        """Return the updates for an edit without a result: its previews give way to what was there before."""
        return {**self.ended(words), **self.settled(history, shown)}

    def settled(self, history: History, shown: int | None) -> dict[Any, Any]:
        """Return the updates that show all results, and one of them large: what the buttons act on."""
        large = self.cleared(history) if shown is None else self.showing(history, shown)
        return {**large, **self._all(history)}

    def cleared(self, history: History) -> dict[Any, Any]:
        """Return the updates for a new picture: an earlier result beside it would pass for its own."""
        return {
            **self._without_result(),
            **self._ways(history, None),
            self.tree: lineage(history, None),
            self.compare: gr.update(value=None),
            self.shown: None,
            self.download: gr.DownloadButton(value=None, interactive=False),
        }

    def with_new(self, history: History, place: int = 0) -> dict[Any, Any]:
        """Return the updates for a history that has grown, and show one result of it: the newest."""
        return {self.history: history, **self.settled(history, place)}

    def _all(self, history: History) -> dict[Any, Any]:
        strip = [(entry.thumbnail, entry.label) for entry in history.entries]
        return {self.strip: gr.Gallery(value=strip, selected_index=None, visible=True)} if strip else {}

    def showing(self, history: History, place: int) -> dict[Any, Any]:
        """Return the updates that show one result beside its original."""
        entry = history.entries[place]
        others = [(ITS_ORIGINAL, -1)]
        others += [(other.label, there) for there, other in enumerate(history.entries) if there != place]
        return {
            self.shown: place,
            self.compare: (entry.original, entry.edited, entry.caption),
            self.download: gr.DownloadButton(value=entry.edited, interactive=True),
            self.tree: lineage(history, place),
            self.region: gr.Image(visible=False),
            self.versus: gr.Dropdown(choices=others, value=-1, visible=True),
            self.favourite: gr.Button(FAVOURITE if entry.is_favourite else NO_FAVOURITE, interactive=True),
            **self._ways(history, place),
            **{button: gr.Button(interactive=True) for button in self.actions},
        }

    def _ways(self, history: History, place: int | None) -> dict[Any, Any]:
        """Return the updates of the buttons that go on from a place: earlier results stand further behind."""
        last = len(history.entries) - 1
        return {
            self.earlier: gr.Button(interactive=last >= 0 and place != last),
            self.later: gr.Button(interactive=place is not None and place > 0),
        }

    def step(self, history: History, shown: int | None, further: int) -> dict[Any, Any]:
        """Show the result before the one that is shown, or after it."""
        place = 0 if shown is None else shown + further
        if not 0 <= place < len(history.entries):
            return self.unchanged
        return {**self.showing(history, place), self.status: told(history.entries[place])}

    def favour(self, history: History, shown: int | None) -> dict[Any, Any]:
        """Make the result that is shown a favourite, or none any more."""
        if shown is None:
            return self.unchanged
        changed = history.with_favourite(shown)
        if changed is None:
            words = f"{MOST_FAVOURITES} favourites are kept at most: take the star from another one first."
            return {self.status: words}
        is_one = changed.entries[shown].is_favourite
        words = "A favourite: it stays, however many results come." if is_one else "No favourite any more."
        return {self.history: changed, **self.settled(changed, shown), self.status: words}

    def choose(self, history: History, event: gr.SelectData) -> dict[Any, Any]:
        """Show an earlier result."""
        place = int(event.index)
        return {**self.showing(history, place), self.status: told(history.entries[place])}

    def against(self, history: History, shown: int | None, versus: int | None) -> Any:
        """Compare the result that is shown with another one, or with its original."""
        if shown is None or versus is None:
            return gr.skip()
        entry = history.entries[shown]
        if versus < 0:
            return (entry.original, entry.edited, entry.caption)
        other = history.entries[versus]
        return (
            other.edited,
            entry.edited,
            entry.caption,
            (f"Result {other.number}", f"Result {entry.number}"),
        )


def lay_out_screen(stop: Any, begin: str, *, actions: Sequence[str], name: str) -> Screen:
    """Lay out the right column and wire what only looks at results.

    Args:
        stop: The button that stops what runs.
        begin: What the status line says at first.
        actions: Buttons for what can be done with a result.
        name: Of the tab, for what is found by its id.
    """
    compare = Compare()
    status = gr.Markdown(begin, elem_id=f"{name}-status", elem_classes="status", latex_delimiters=[])
    region = overlay("Bright: where the words act", f"{name}-region")
    versus = gr.Dropdown(label="Compare with", visible=False)
    with gr.Row():
        buttons = [_button(one, 100) for one in actions]
        download = gr.DownloadButton(
            "Download PNG", size="sm", interactive=False, min_width=100, elem_classes="does-download"
        )
    with gr.Row(visible=bool(actions)):
        earlier, later, favourite = (_button(one, 60) for one in ("Earlier", "Later", NO_FAVOURITE))
    tree = gr.HTML(lineage(History(), None), css_template=STYLE, elem_id=f"{name}-tree")
    strip = gr.Gallery(
        label="History",
        elem_id=f"{name}-history",
        elem_classes="strip",
        format="png",
        columns=4,
        fit_columns=False,
        show_label=False,
        object_fit="contain",
        allow_preview=False,
        buttons=[],
        interactive=False,
        visible=False,
    )
    screen = Screen(
        compare=compare,
        status=status,
        download=download,
        stop=stop,
        clock=gr.Timer(1, active=False),
        strip=strip,
        tree=tree,
        region=region,
        versus=versus,
        favourite=favourite,
        earlier=earlier,
        later=later,
        actions=tuple(buttons),
        history=gr.State(History(), delete_callback=History.discard),
        shown=gr.State(None),
        halted=gr.State(None),
    )
    screen.strip.select(screen.choose, screen.history, screen.outputs, **QUIET)
    for button, further in ((earlier, 1), (later, -1)):
        step = partial(screen.step, further=further)
        button.click(step, [screen.history, screen.shown], screen.outputs, **QUIET)
    screen.versus.input(screen.against, [screen.history, screen.shown, screen.versus], compare, **QUIET)
    return screen


def _button(words: str, width: int) -> Any:
    """Lay out a small button that a key can find by its words."""
    name = "favourite" if words == NO_FAVOURITE else words.lower().replace(" ", "-")
    return gr.Button(words, size="sm", interactive=False, min_width=width, elem_classes=f"does-{name}")


def told(entry: Entry) -> str:
    """Say how a result was made, in Markdown."""
    asked = entry.settings
    how = f"{entry.scales}, {asked['num_inference_steps']} steps, seed {asked['seed']}"
    return f"“{literal(entry.words)}”: {how}."
