"""Measure what many edits in a row leave of a picture.

From a held-out scene, edits follow one after the other, each on the result of the one before, and the exact
picture after each is known. Four pictures get the same figure beside it: the same edit of the exact picture
before it (what a single edit loses), all instructions at once on the first picture, the first picture as it
was, and the exact one once through the autoencoder. Apart from that, edits of the first picture are each
undone by the opposite instruction.

Law: a chain is a pure function of world, seed and number, and once measured it is not measured again for the
same model and settings.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import count, islice
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from dataset_builder.build_scenes import sample_seed
from dataset_builder.scenes import WORLDS, Scene, SceneEdit, render_scene, sample_scene
from dataset_builder.scenes.chains import opposite_of, sample_chain
from dataset_builder.scenes.worlds import world_version
from dataset_builder.shards.storage import locked, remove_leftovers, require_own
from editors import InstructPix2PixEditor
from editors.requests.rules import NUM_SEEDS
from editors.requests.words import together
from evaluation.asking import request, settings_of
from evaluation.benchmark import Measured, PictureFolder, Row, measured
from evaluation.figures import psnr
from evaluation.jobs import ChainsJob
from evaluation.report import (
    Column,
    Grid,
    GridRow,
    decibels,
    draw_grid,
    publish,
    settings_line,
    table_by_kind,
)
from evaluation.sampling import model_hash, through_autoencoder
from evaluation.sizes import named, sized
from evaluation.summary import BenchmarkReport, lines_of

IN_A_ROW: Final = "in a row"
SINGLE: Final = "single"
AT_ONCE: Final = "at once"
UNCHANGED: Final = "unchanged"
CEILING: Final = "ceiling"
UNDONE: Final = "undone"
EXACT: Final = "-exact"
SHOWN: Final = 4
_TRIES: Final = 30
"""How many edits are looked at for one that has an opposite, for each that is wanted."""
_COLUMNS: Final = (
    Column(method=IN_A_ROW, name="psnr", figure=decibels("in a row, dB")),
    Column(method=SINGLE, name="psnr", figure=decibels("single"), spread=False),
    Column(method=AT_ONCE, name="psnr", figure=decibels("at once"), spread=False),
    Column(method=AT_ONCE, name="gain", figure=decibels("gain by it")),
    Column(method=UNCHANGED, name="psnr", figure=decibels("unchanged"), spread=False),
    Column(method=CEILING, name="psnr", figure=decibels("ceiling"), spread=False),
    Column(method=UNDONE, name="psnr", figure=decibels("undone")),
)
_LEGEND: Final = """\
PSNR to the exact picture after so many edits. *In a row*: each edit on the result of the one before.
*Single*: the last edit alone, on the exact picture before it. *At once*: all instructions together, on the
first picture, as far as the model reads so many words; *gain by it*: against the same pictures in a row.
*Unchanged*: the first picture as it was. *Ceiling*: the exact picture once through the autoencoder. *Undone*:
so many edits of the first picture, each undone by the opposite instruction, against the first picture.
Brackets: 95 % bootstrap intervals."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Chain:
    """Edits in a row from one scene, and edits of it that can be undone by words.

    Attributes:
        number: Which, from 0.
        scene: The first.
        edits: Each begins where the one before ends.
        undone: (edit of the first scene, its opposite).
    """

    number: int
    scene: Scene
    edits: tuple[SceneEdit, ...]
    undone: tuple[tuple[SceneEdit, SceneEdit], ...]


ChainsStep: TypeAlias = Measured | BenchmarkReport


def evaluate_chains(job: ChainsJob, editor: InstructPix2PixEditor | None = None) -> Iterator[ChainsStep]:
    """Edit held-out scenes many times, and compare with the exact pictures.

    Writes `scores.jsonl`, `pictures/`, `report.json`, `report.md` and `grid.png` into `job.out`. Close the
    generator to stop; run it again to go on. `tables` draws the report for a terminal.

    Args:
        job: What to measure.
        editor: The editor, where one is at hand; else `job.model` is loaded.

    Yields:
        Each chain as it is measured; and last the report.

    Raises:
        DatasetError: The scenes cannot be drawn, or the results not be written.
        EditorError: The model cannot be loaded, or an edit failed.
    """
    editor = editor or InstructPix2PixEditor.from_pretrained(job.model, device=job.device)
    job = sized(job, editor.model)
    benchmark = ChainsBenchmark(job, editor)
    require_own(job.out, "grid.png", "report.md", "report.json")
    with locked(job.out):
        remove_leftovers(job.out)
        rows = yield from measured(benchmark, job.out)
        report = BenchmarkReport.of(benchmark, job.model, lines_of(rows))
        _publish(job, report)
    yield report


class ChainsBenchmark:
    """Edits in a row, beside what one edit loses, what all at once make, and what undoing leaves."""

    name = "chains"

    def __init__(self, job: ChainsJob, editor: InstructPix2PixEditor) -> None:
        self.job, self.editor, self.num_batches = job, editor, job.num
        self.settings: dict[str, Any] = {
            **settings_of(job, editor),
            "model": model_hash(editor.model),
            "world": job.world,
            "world_version": world_version(job.world, pairs=True),
            "size": job.size,
            "length": job.length,
        }

    def batches(self) -> Iterable[Chain]:
        """Return the chains."""
        return map(self._chain, range(self.job.num))

    def measure(self, chain: Chain, pictures: PictureFolder) -> list[Row]:
        """Carry out one chain, keep the pictures after each edit, and compare."""
        targets = [self._drawn(edit.edited) for edit in chain.edits]
        first = self._drawn(chain.scene)
        row = partial(self._row, chain)
        rows, in_a_row, made = [], first, []
        for place, (edit, target) in enumerate(zip(chain.edits, targets, strict=True)):
            in_a_row = self._edited(chain, in_a_row, edit.edit_prompt, place)
            made.append(in_a_row)
            # The first edit in the row is a single one.
            single = self._edited(chain, targets[place - 1], edit.edit_prompt, place) if place else in_a_row
            rows += [
                row(IN_A_ROW, place, psnr(in_a_row, target)),
                row(SINGLE, place, psnr(single, target)),
                row(UNCHANGED, place, psnr(first, target)),
                row(CEILING, place, psnr(through_autoencoder(self.editor.model, target), target)),
            ]
            words = together([one.edit_prompt for one in chain.edits[: place + 1]])
            if place and not self.editor.model.text.cut_off(words):
                at_once = psnr(self._edited(chain, first, words, place), target)
                rows.append(row(AT_ONCE, place, at_once, gain=at_once - psnr(in_a_row, target)))
        if made:
            pictures.keep(f"{chain.number:04d}", (first, *made))
            pictures.keep(f"{chain.number:04d}{EXACT}", (first, *targets))
        return [*rows, *self._undone(chain, first)]

    def _undone(self, chain: Chain, first: NDArray[np.uint8]) -> list[Row]:
        picture, rows = first, []
        for place, (edit, opposite) in enumerate(chain.undone):
            picture = self._edited(chain, picture, edit.edit_prompt, place)
            picture = self._edited(chain, picture, opposite.edit_prompt, place)
            rows.append(self._row(chain, UNDONE, place, psnr(picture, first)))
        return rows

    def _chain(self, number: int) -> Chain:
        job = self.job
        seed, world = sample_seed(job.scenes(), number), WORLDS[job.world]
        scene = sample_scene(seed, world=world, split="held_out")
        edits = sample_chain(scene, job.length, seed, world=world)
        single = (sample_chain(scene, 1, other, world=world) for other in count(seed + 1))
        looked_at = [edit for found in islice(single, _TRIES * job.length) for edit in found]
        both = ((edit, opposite_of(edit, world=world)) for edit in dict.fromkeys(looked_at))
        undone = ((edit, opposite) for edit, opposite in both if opposite is not None)
        return Chain(number=number, scene=scene, edits=edits, undone=tuple(islice(undone, job.length)))

    def _edited(self, chain: Chain, picture: NDArray[np.uint8], words: str, place: int) -> NDArray[np.uint8]:
        number = self.job.length * chain.number + place
        asked = request(self.job, Image.fromarray(picture), words, number % NUM_SEEDS)
        return np.array(self.editor.edit(asked).edited_image.convert("RGB"))

    def _drawn(self, scene: Scene) -> NDArray[np.uint8]:
        return render_scene(scene, named(self.job.size)).image

    def _row(self, chain: Chain, method: str, place: int, value: float, **more: float) -> Row:
        figures = {"psnr": value, **more}
        return Row(
            section=self.name,
            method=method,
            kind=f"{place + 1:2d}",
            key=f"{chain.number:04d}",
            figures=figures,
        )


def tables(report: BenchmarkReport) -> tuple[Grid, ...]:
    """Return the report for a terminal: the intervals take more room than it has."""
    return (_table(report, [replace(column, spread=False) for column in _COLUMNS]),)


def _table(report: BenchmarkReport, columns: Sequence[Column]) -> Grid:
    line = report.line(IN_A_ROW)
    title = f"{line.num if line else 0} edits in rows, {report.model}"
    return table_by_kind(report, columns, title=title, first="edits", counted="chains")


def _publish(job: ChainsJob, report: BenchmarkReport) -> None:
    """Write the report in its three forms; the pictures are the first chains, as they came."""
    kept = PictureFolder(job.out, report.run)
    names = [f"{number:04d}{mark}" for number in range(min(job.num, SHOWN)) for mark in ("", EXACT)]
    side = named(job.size)
    nothing = np.full((side, side, 3), 255, np.uint8)
    drawn = [
        GridRow(
            label="exact" if name.endswith(EXACT) else f"chain {int(name) + 1}",
            pictures=(*(made := kept.squares(name)), *[nothing] * (job.length + 1 - len(made))),
        )
        for name in names
        if kept.has(name)
    ]
    page = (
        _table(report, _COLUMNS).markdown(),
        settings_line(report.settings, report.run),
        _LEGEND,
        "The first chains, as they came, above the exact pictures:",
        "![edits in a row above the exact pictures](grid.png)",
    )
    headings = ("first", *(str(place + 1) for place in range(job.length)))
    publish(job.out, report, page, {"grid": draw_grid(headings, drawn)})
