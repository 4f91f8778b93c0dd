"""The tab to look through a dataset: what became of all that was asked for, the pairs, their scores, reasons.

Law: it only reads, and only below the folder that it was given; `wordbrush data browse` decides.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import gradio as gr
from PIL import Image

from dataset_builder import records
from dataset_builder.errors import DatasetError
from dataset_builder.pairs.browse import AS_WRITTEN
from dataset_builder.render.filter_pairs import DECISIONS_FILE
from dataset_builder.shards.dataset import INDEX_FILE
from evaluation.job_pairs import ALL, JobPairs, dataset_below, datasets_below, read_job_pairs
from ui.components.browse_page import enlarged
from ui.components.compare import Compare
from ui.components.literal import literal
from ui.components.pair_words import (
    FACTS_STYLE,
    FUNNEL_STYLE,
    card,
    drawn_funnel,
    facts_of,
    order_choices,
    said,
)
from ui.components.parts import told_at
from ui.components.screen import QUIET
from ui.components.sheet import laid_out, sheet
from ui.tabs.runs import SHOW_RESULT
from ui.tabs.tab import Frame

PAGE = 12
"""Pairs that are shown at once."""
OPEN = 4
"""Datasets whose words and scores stay in memory."""
Update = dict[Any, Any]
NOTHING = "There is no dataset below {}; make one with `wordbrush data build`."
GONE = "This dataset is no longer there, or has changed; reload the page."


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class DataTab:
    """Components and states, and what they do.

    Attributes:
        root: The folder below which datasets are read.
        dataset: Which of them.
        order: What the pairs are sorted by.
        descending: Highest first?
        outcome: Which are shown.
        search: Words that they say.
        page_number: Which page is shown, counted from 1; another one can be written there.
        status: One line.
        funnel: What became of everything that was asked for.
        pairs: One page of them, small.
        previous: Button.
        following: Button.
        compare: The chosen pair, large.
        facts: What is known of it.
        keys: State: names of the pairs that are shown, in order.
        place: State: number of the page.
        opened: Returns a dataset by its folder and when it was written.
    """

    root: Path
    dataset: Any
    order: Any
    descending: Any
    outcome: Any
    search: Any
    page_number: Any
    status: Any
    funnel: Any
    pairs: Any
    previous: Any
    following: Any
    compare: Any
    facts: Any
    keys: Any
    place: Any
    opened: Any

    @property
    def choice(self) -> list[Any]:
        """What decides about the pairs that are shown."""
        return [self.dataset, self.order, self.descending, self.outcome, self.search]

    @property
    def page(self) -> list[Any]:
        """What shows a page."""
        turns = [self.previous, self.following, self.page_number]
        return [self.status, self.pairs, *turns, self.keys, self.place]

    def look_around(self, chosen: str | None) -> Update:
        """Find the datasets there are now; the first one is opened where none is yet."""
        names = datasets_below(self.root)
        if not names:
            return {
                self.dataset: gr.Dropdown(choices=[], value=None),
                self.status: NOTHING.format(literal(str(self.root))),
            }
        return {self.dataset: gr.Dropdown(choices=names, value=chosen if chosen in names else names[0])}

    def open(self, name: str | None, order: str, descending: bool) -> Update:
        """Show the funnel of a dataset, and its first pairs; the chosen pair of another one goes."""
        gone = {self.compare: gr.update(value=None), self.facts: ""}
        try:
            job = self._job(name)
        except DatasetError as error:
            return {
                **gone,
                self.funnel: "",
                self.outcome: gr.Dropdown(choices=[ALL], value=ALL),
                **self._nothing(literal(str(error))),
            }
        choices = [(f"{said(outcome)}: {number}", outcome) for outcome, number in job.counts.items()]
        return {
            **gone,
            self.funnel: drawn_funnel(job),
            self.outcome: gr.Dropdown(choices=choices, value=ALL),
            self.search: "",
            **self._shown(job, job.ordered(order=order, descending=descending), 0),
        }

    def arrange(self, name: str | None, order: str, descending: bool, outcome: str, search: str) -> Update:
        """Show the first pairs of another choice or order."""
        try:
            job = self._job(name)
            outcome = outcome if outcome in job.counts else ALL
            keys = job.ordered(order=order, descending=descending, outcome=outcome, search=search)
            return self._shown(job, keys, 0)
        except DatasetError as error:
            return self._nothing(literal(str(error)))

    def turn(self, by: int, name: str | None, keys: Sequence[str], place: int) -> Update:
        """Turn to another page."""
        try:
            return self._shown(self._job(name), keys, place + by)
        except DatasetError as error:
            return self._nothing(literal(str(error)))

    def jump(self, name: str | None, keys: Sequence[str], place: int, wanted: str) -> Update:
        """Turn to the page of a number that somebody wrote."""
        last = max(1, math.ceil(len(keys) / PAGE))
        number = int(wanted) if wanted.strip().isdecimal() else 0
        if not 1 <= number <= last:
            said = f"There is no page {literal(repr(wanted.strip()))}: give a number from 1 to {last}."
            return {self.status: said, self.page_number: str(place + 1)}
        return self.turn(number - 1 - place, name, keys, place)

    def choose(self, name: str | None, keys: Sequence[str], place: int, event: gr.EventData) -> Update:
        """Show a pair large."""
        try:
            job, key = self._job(name), keys[place * PAGE + int(event.index)]
            before, after = (Image.fromarray(enlarged(one)) for one in job.catalogue.pictures([key])[key])
        except DatasetError as error:
            return {self.status: literal(str(error))}
        except (IndexError, KeyError):
            return {self.status: GONE}
        words = str(job.catalogue.entries[key].facts.get(records.EDIT_PROMPT, ""))
        return {self.compare: (before, after, words), self.facts: facts_of(job, key)}

    def _job(self, name: str | None) -> JobPairs:
        """Open a dataset below the root; a name that is none of them opens nothing.

        Raises:
            DatasetError: It is not there any more, or holds no pairs.
        """
        folder = dataset_below(self.root, name)
        if folder is None:
            raise DatasetError(GONE)
        stamps = [
            path.stat().st_mtime_ns
            for path in (folder / INDEX_FILE, folder / DECISIONS_FILE)
            if path.exists()
        ]
        opened: JobPairs = self.opened(folder, *stamps)
        return opened

    def _shown(self, job: JobPairs, keys: Sequence[str], place: int) -> Update:
        """Show a page."""
        try:
            here = keys[place * PAGE : (place + 1) * PAGE]
            pictures = job.catalogue.pictures(here)
        except KeyError:
            return self._nothing(GONE)
        span = f"{place * PAGE + 1} to {place * PAGE + len(here)} of {len(keys)} pairs"
        return {
            self.status: f"{span}. Click one to see it large." if here else "No pair is to be shown.",
            self.pairs: laid_out([card(job, key, pictures[key]) for key in here]),
            self.previous: gr.Button(interactive=place > 0),
            self.following: gr.Button(interactive=(place + 1) * PAGE < len(keys)),
            self.page_number: gr.Textbox(
                value=str(place + 1), label=f"Page, of {max(1, math.ceil(len(keys) / PAGE))}"
            ),
            self.keys: list(keys),
            self.place: place,
        }

    def _nothing(self, words: str) -> Update:
        return {
            self.status: words,
            self.pairs: [],
            self.previous: gr.Button(interactive=False),
            self.following: gr.Button(interactive=False),
            self.page_number: gr.Textbox(value="1", label="Page, of 1"),
            self.keys: [],
            self.place: 0,
        }

    def wire(self, tab: Any) -> None:
        """Connect the opening of the tab and the events of its parts."""
        told = partial(told_at, self.status)
        tab.select(told(self.look_around), self.dataset, [self.dataset, self.status], **QUIET)
        all_of = [self.funnel, self.outcome, self.search, self.compare, self.facts, *self.page]
        self.dataset.change(told(self.open), [self.dataset, self.order, self.descending], all_of, **QUIET)
        arranged = [self.order.input, self.descending.input, self.outcome.input, self.search.submit]
        gr.on(arranged, told(self.arrange), self.choice, self.page, **QUIET)
        place = [self.dataset, self.keys, self.place]
        for button, by in ((self.previous, -1), (self.following, 1)):
            button.click(told(partial(self.turn, by)), place, self.page, **QUIET)
        self.page_number.submit(told(self.jump), [*place, self.page_number], self.page, **QUIET)
        chosen = self.pairs.select(told(self.choose), place, [self.compare, self.facts, self.status], **QUIET)
        chosen.success(None, js=SHOW_RESULT)


@dataclass(frozen=True, kw_only=True, slots=True)
class Data:
    """The tab to look through datasets; see `ui.tabs.tab.Tab`.

    Attributes:
        root: The folder below which datasets are read.
    """

    root: Path
    name: str = "Data"

    def lay_out(self, frame: Frame, tab: gr.Tab) -> None:
        """Lay it out, and wire it."""
        data_tab(self.root, tab)


def data_tab(root: Path, tab: Any) -> DataTab:
    """Lay out the tab and wire it.

    Args:
        root: The folder below which datasets are read.
        tab: The `gr.Tab` that it is laid out in: datasets are looked for when it is opened.

    Returns:
        What it is made of.
    """
    here = _laid_out(root)
    here.wire(tab)
    return here


def _laid_out(root: Path) -> DataTab:
    """Lay out the tab: what is looked for, then a pair beside all of them."""
    with gr.Row():
        dataset = gr.Dropdown([], label="Dataset", min_width=200)
        outcome = gr.Dropdown([ALL], value=ALL, label="Show", min_width=200)
        order = gr.Dropdown(order_choices(), value=AS_WRITTEN, label="Sort by", min_width=200)
        search = gr.Textbox(label="Search", placeholder="words", lines=1, max_lines=1, min_width=200)
        descending = gr.Checkbox(value=False, label="Highest first", min_width=120)
    status = gr.Markdown(elem_id="data-status", elem_classes="status", latex_delimiters=[])
    with gr.Row(equal_height=False):
        with gr.Column(scale=1, min_width=260):
            funnel = gr.HTML(css_template=FUNNEL_STYLE)
            compare = Compare()
            facts = gr.HTML(css_template=FACTS_STYLE)
        with gr.Column(scale=2, min_width=300):
            pairs = sheet("data-pairs")
            with gr.Row():
                previous = gr.Button("Previous", size="sm", interactive=False, min_width=100)
                following = gr.Button("Next", size="sm", interactive=False, min_width=100)
                page_number = gr.Textbox("1", label="Page, of 1", lines=1, max_lines=1, min_width=100)
    return DataTab(
        root=root,
        dataset=dataset,
        order=order,
        descending=descending,
        outcome=outcome,
        search=search,
        page_number=page_number,
        status=status,
        funnel=funnel,
        pairs=pairs,
        previous=previous,
        following=following,
        compare=compare,
        facts=facts,
        keys=gr.State([]),
        place=gr.State(0),
        opened=lru_cache(OPEN)(lambda folder, *_: read_job_pairs(folder)),
    )
