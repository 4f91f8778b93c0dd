"""The tab to watch training runs: losses, what was measured on held-out samples, the grids over time.

Law: it only reads, and only below the folder that it was given; a run that is going on does not notice.
"""

import logging
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import gradio as gr
from PIL import Image

from editors import EditorError
from trainer.runs.curve import grouped, series_name
from trainer.tasks.grids import columns_of
from trainer.watching import RunFacts, heard_of, run_below, runs_below, watch
from ui.components.curves import LOSS, loss_table, table
from ui.components.form import refusal
from ui.components.heads import STYLE, heads
from ui.components.literal import literal
from ui.components.parts import Parts, Update, told_at
from ui.components.run_words import ROWS, TRY, progress_of, trial_words
from ui.components.screen import QUIET
from ui.components.switch import DEVICE_QUEUE, Switch
from ui.server.models import name_of_run
from ui.tabs.tab import Frame

LOOK_SECONDS = 3
NOTHING = "There is no training run below {}; start one with `wordbrush train`."
DAMAGED = "{}: its settings or figures cannot be read; look at the files of the run."
GONE = "This run is no longer there; reload the page."
_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class TrainTab:
    """Components and states, and what they do.

    Attributes:
        root: The folder below which runs are read.
        run: Which of them.
        status: One line.
        losses: Plot.
        figure: Which figures the second plot shows.
        figures: Plot.
        heads: What stands above the columns of the grid.
        grid: Pictures that the model drew.
        caption: What is seen in them.
        step: When it drew them.
        trial: Button: edit with what the run has come to.
        settings: Of the run.
        clock: Looks again.
        seen: State: what stood there when it was last read.
        newest: State: the step of the newest grid then; who looks at that one follows the run.
    """

    root: Path
    run: Any
    status: Any
    losses: Any
    figure: Any
    figures: Any
    heads: Any
    grid: Any
    caption: Any
    step: Any
    trial: Any
    settings: Any
    clock: Any
    seen: Any
    newest: Any

    @property
    def outputs(self) -> list[Any]:
        """All that a run changes."""
        plots = [self.losses, self.figure, self.figures]
        grids = [self.heads, self.grid, self.caption, self.step, self.trial]
        return [self.status, *plots, *grids, self.settings, self.clock, self.seen, self.newest]

    def look_around(self, chosen: str | None) -> Update:
        """Find the runs there are now; what changed last is opened where none is yet."""
        names = runs_below(self.root)
        if not names:
            return {
                self.run: gr.Dropdown(choices=[], value=None),
                self.status: NOTHING.format(literal(str(self.root))),
            }
        return {self.run: gr.Dropdown(choices=names, value=chosen if chosen in names else names[0])}

    def open(self, name: str | None) -> Update:
        """Show a run: its newest grid first."""
        return self._read(name, None, None, None)

    def look_again(
        self, name: str | None, figure: str | None, step: float, seen: Any, newest: int | None
    ) -> Update:
        """Show what has changed since it was last read."""
        folder = run_below(self.root, name)
        if folder is None or heard_of(folder) != seen:
            return self._read(name, figure, step, newest)
        facts = _facts(folder)
        return {self.status: gr.skip() if facts is None else progress_of(facts)}

    def plot(self, name: str | None, figure: str | None) -> Update:
        """Show other figures."""
        facts = _facts(run_below(self.root, name))
        shown = gr.skip() if facts is None else self._figures(facts, figure)[self.figures]
        return {self.figures: shown}

    def scrub(self, name: str | None, step: float) -> Update:
        """Show the grid that was drawn at a step, or last before it."""
        facts = _facts(run_below(self.root, name))
        return {self.grid: gr.skip()} if facts is None else self._grid(facts, step)

    def try_out(self, switch: Switch, tabs: Any, name: str | None, model: str) -> Iterator[Update]:
        """Open the Edit tab with what a run has come to: its model, or its newest checkpoint."""
        folder = run_below(self.root, name)
        wanted = None if folder is None else name_of_run(folder, str(name))
        if wanted is None:
            yield {self.status: GONE}
            return
        yield {self.status: f"Loading {literal(wanted)} ..."}
        try:
            editor = switch.models(wanted)
        except EditorError as error:
            yield {self.status: refusal(error, f"{literal(model)} stays.")}
            return
        words = f"{literal(wanted)} edits from now on."
        yield {
            **switch.taken(wanted, editor),
            switch.words: words,
            self.status: words,
            tabs: gr.Tabs(selected="edit"),
        }

    def _read(self, name: str | None, figure: str | None, step: float | None, newest: int | None) -> Update:
        folder = run_below(self.root, name)
        if folder is None:
            return self._nothing(GONE if name else "")
        seen = heard_of(folder)  # before it is read: what comes in between is read again
        facts = _facts(folder)
        if facts is None:
            return self._nothing(DAMAGED.format(literal(str(name))))
        follows = step is None or newest is None or step >= newest
        there = facts.samples
        last = there[-1] if there else None
        parts = Parts(self._nothing(progress_of(facts)))
        with parts.tried("curves of the losses"):
            parts.show({self.losses: gr.LinePlot(value=loss_table(facts), visible=bool(facts.losses))})
        with parts.tried("figures"):
            parts.show(self._figures(facts, figure))
        with parts.tried("grid"):
            parts.show(self._grid(facts, last or 0) if follows else {self.grid: gr.skip()}, self.caption)
        with parts.tried("choice of a step"):
            parts.show({self.step: _steps(there, last if follows else None)})
        with parts.tried("trial"):
            can_be_tried = name_of_run(folder, str(name)) is not None
            parts.show({self.trial: gr.Button(trial_words(facts), interactive=can_be_tried)})
        with parts.tried("settings"):
            parts.show({self.settings: facts.config.card()})
        parts.show({self.clock: gr.Timer(active=not facts.is_finished), self.seen: seen, self.newest: last})
        return parts.with_words(self.status)

    def _figures(self, facts: RunFacts, chosen: str | None) -> Update:
        """Return the plot of what was measured besides losses, and the choice of what it shows."""
        names = {name: None for line in facts.figures for name in line if not name.startswith(LOSS)}
        groups = grouped(names)
        if not groups:
            return {self.figure: gr.Dropdown(visible=False), self.figures: gr.LinePlot(visible=False)}
        chosen = chosen if chosen in groups else next(iter(groups))
        rows = [
            (line["step"], line[name], series_name(name))
            for name in groups[chosen]
            for line in facts.figures
            if name in line
        ]
        return {
            self.figure: gr.Dropdown(choices=list(groups), value=chosen, visible=len(groups) > 1),
            self.figures: gr.LinePlot(value=table(rows), y_title=chosen, visible=True),
        }

    def _grid(self, facts: RunFacts, step: float) -> Update:
        """Return the grid of a step, or the last one before it."""
        drawn = [one for one in facts.samples if one <= step]
        if not drawn:
            return {self.heads: "", self.grid: gr.Image(value=None, visible=False), self.caption: ""}
        try:
            picture = Image.open(facts.sample(drawn[-1]))
            picture.load()
        except OSError:  # it went while it was looked for
            return {self.grid: gr.skip()}
        rows = ROWS.get(facts.config.task, "")
        return {
            self.heads: heads(columns_of(picture)),
            self.grid: gr.Image(value=picture, label=f"Grid of step {drawn[-1]}", visible=True),
            self.caption: f"Drawn at step {drawn[-1]}. {rows}",
        }

    def _nothing(self, words: str) -> Update:
        return {
            self.status: words,
            self.losses: gr.LinePlot(visible=False),
            self.figure: gr.Dropdown(visible=False),
            self.figures: gr.LinePlot(visible=False),
            self.heads: "",
            self.grid: gr.Image(value=None, visible=False),
            self.caption: "",
            self.step: gr.Slider(visible=False),
            self.trial: gr.Button(TRY, interactive=False),
            self.settings: None,
            self.clock: gr.Timer(active=False),
            self.seen: None,
            self.newest: None,
        }

    def wire(self, tab: Any, *, switch: Switch, tabs: Any) -> None:
        """Connect the opening of the tab and the events of its parts."""
        told = partial(told_at, self.status)
        tab.select(told(self.look_around), self.run, [self.run, self.status], **QUIET)
        self.run.change(told(self.open), self.run, self.outputs, **QUIET)
        looked = [self.run, self.figure, self.step, self.seen, self.newest]
        self.clock.tick(told(self.look_again), looked, self.outputs, **QUIET)
        self.figure.input(told(self.plot), [self.run, self.figure], [self.figures, self.status], **QUIET)
        self.trial.click(
            partial(self.try_out, switch, tabs),
            [self.run, switch.model],
            [self.status, *switch.outputs, switch.words, tabs],
            show_progress="hidden",
            api_visibility="private",
            **DEVICE_QUEUE,
        )
        scrubbed = [self.heads, self.grid, self.caption, self.status]
        self.step.input(
            told(self.scrub), [self.run, self.step], scrubbed, trigger_mode="always_last", **QUIET
        )


def _steps(there: Sequence[int], value: int | None) -> Any:
    """Return the slider of the steps that have grids; where there is one alone, there is nothing to choose.

    gradio takes no slider whose ends are one.
    """
    if len(there) < 2:
        return gr.Slider(visible=False)
    chosen = {} if value is None else {"value": value}
    return gr.Slider(minimum=there[0], maximum=there[-1], step=math.gcd(*there), visible=True, **chosen)


def _facts(folder: Path | None) -> RunFacts | None:
    """Read a run; None where it is damaged, or gone."""
    try:
        return None if folder is None else watch(folder)
    except Exception:  # noqa: BLE001 - whatever a damaged run makes of its readers
        _log.warning("%s cannot be read", folder, exc_info=True)
        return None


@dataclass(frozen=True, kw_only=True, slots=True)
class Train:
    """The tab to watch training runs; see `ui.tabs.tab.Tab`.

    Attributes:
        root: The folder below which runs are read.
    """

    root: Path
    name: str = "Train"

    def lay_out(self, frame: Frame, tab: gr.Tab) -> None:
        """Lay it out, and wire it."""
        train_tab(self.root, tab, switch=frame.switch, tabs=frame.tabs)


def train_tab(root: Path, tab: Any, *, switch: Switch, tabs: Any) -> TrainTab:
    """Lay out the tab and wire it.

    Args:
        root: The folder below which runs are read.
        tab: The `gr.Tab` that it is laid out in: runs are looked for when it is opened.
        switch: Changes the model of the Edit tab.
        tabs: All tabs.

    Returns:
        What it is made of.
    """
    here = _laid_out(root)
    here.wire(tab, switch=switch, tabs=tabs)
    return here


def _laid_out(root: Path) -> TrainTab:
    """Lay out the tab: curves beside what the model drew."""
    with gr.Row():
        run = gr.Dropdown([], label="Run", min_width=200)
        figure = gr.Dropdown([], label="Measured on held-out samples", min_width=200, visible=False)
    status = gr.Markdown(elem_id="train-status", elem_classes="status", latex_delimiters=[])
    with gr.Row(equal_height=False):
        with gr.Column(min_width=300):
            losses, figures = (
                gr.LinePlot(
                    x="step",
                    y="value",
                    color="of",
                    color_title=" ",
                    y_title=name,
                    show_label=False,
                    height=260,
                    visible=False,
                )
                for name in (LOSS, "figures")
            )
        with gr.Column(min_width=300):
            caption = gr.Markdown(latex_delimiters=[])
            above = gr.HTML(css_template=STYLE, elem_id="train-heads")
            grid = gr.Image(
                elem_id="train-grid",
                format="png",
                interactive=False,
                show_label=False,
                buttons=["fullscreen", "download"],
                visible=False,
            )
            step = gr.Slider(0, 1, label="Step", visible=False)
            trial = gr.Button(TRY, interactive=False)
    with gr.Accordion("Settings of this run", open=False):
        settings = gr.JSON(show_label=False)
    return TrainTab(
        root=root,
        run=run,
        status=status,
        losses=losses,
        figure=figure,
        figures=figures,
        heads=above,
        grid=grid,
        caption=caption,
        step=step,
        trial=trial,
        settings=settings,
        clock=gr.Timer(LOOK_SECONDS, active=False),
        seen=gr.State(None),
        newest=gr.State(None),
    )
