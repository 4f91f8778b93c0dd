"""One evaluation from data to report, in steps that can be cut anywhere.

Law: a batch once measured is not measured again for the same models, judge, data and settings, whatever cut
the run; an evaluation that was cut writes the same report as one that was not, byte for byte.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from dataclasses import asdict, dataclass
from typing import Final, TypeAlias

from dataset_builder.build_scenes import build_scenes
from dataset_builder.shards.dataset import read_dataset
from dataset_builder.shards.shards import ShardReport, png_bytes
from dataset_builder.shards.storage import locked, remove_leftovers, require_own, write_atomically, write_json
from evaluation.judge import require_world, world_hash
from evaluation.scenes.base import BaseSection
from evaluation.scenes.curve import CurveSection
from evaluation.scenes.data import build_sources, left_out, read_captions, read_sources
from evaluation.scenes.instruction_edits import EditSection
from evaluation.scenes.job import ScenesJob
from evaluation.scenes.pictures import CAPTIONS, plots, shown
from evaluation.scenes.prompt_edits import PromptSection
from evaluation.scenes.report import markdown
from evaluation.scenes.rows import Ledger, PictureFolder, Row, Section, run_of
from evaluation.scenes.summary import ScenesReport, SectionReport, lines_of
from evaluation.scenes.tools import Toolbox, Tools
from evaluation.sizes import sized

_NEEDS: Final = {
    "base": ("base", "judge"),
    "p2p": ("base", "judge", "scorer"),
    "edit": ("edit", "judge"),
    "curve": ("edit", "scorer"),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Measured:
    """A batch that is measured, now or by an earlier run.

    Attributes:
        section: Its section.
        batch: How many batches of the section are done.
        num_batches: How many there are.
        fresh: Whether this run measured it.
    """

    section: str
    batch: int
    num_batches: int
    fresh: bool


ScenesStep: TypeAlias = ShardReport | Measured | ScenesReport


def evaluate_scenes(job: ScenesJob, tools: Toolbox | None = None) -> Iterator[ScenesStep]:
    """Measure a base model and an edit model on held-out scenes.

    Writes `scores.jsonl`, `pictures/`, `report.json`, `report.md` and its plots into `job.out`. Close the
    generator to stop; run it again to go on. `report.grids` draws the report for a terminal.

    Args:
        job: What to measure.
        tools: Models, judge and scorer, where they are at hand; else those the job names are loaded.

    Yields:
        The shards of the data as they are drawn, then the batches as they are measured, and last the report.

    Raises:
        DatasetError: Judge or scorer is missing or of another world; the data cannot be drawn or read, or the
            results not be written.
        EditorError: A model cannot be loaded, or an edit failed.
    """
    require_own(job.out, "report.md", "report.json")
    report, sections = yield from measured(job, tools or Tools(job))
    with locked(job.out):
        _publish(job, report, sections)
    yield report


def measured(
    job: ScenesJob, tools: Toolbox
) -> Generator[ShardReport | Measured, None, tuple[ScenesReport, list[Section]]]:
    """Measure what no earlier run has; return what all rows add up to, and the sections."""
    _require_tools(job, tools)
    if job.size is None:
        job = sized(job, (tools.base if {"base", "p2p"} & set(job.only) else tools.edit).model)
    sections = yield from _sections(job, tools)
    with locked(job.out):
        remove_leftovers(job.out)
        ledger = Ledger(job.out)
        found = []
        for section in sections:
            rows = yield from _measure(job, section, ledger)
            found.append(
                SectionReport(
                    name=section.name,
                    run=run_of(section),
                    settings=section.settings,
                    lines=lines_of(section.name, rows),
                )
            )
    report = ScenesReport(
        model=job.model,
        base=job.base or job.model,
        world=job.world,
        world_hash=world_hash(job.world),
        left_out=left_out(read_dataset(job.sources().out)) if set(job.only) != {"base"} else {},
        sections=tuple(found),
    )
    return report, sections


def _require_tools(job: ScenesJob, tools: Toolbox) -> None:
    """Load all that will be needed: what is missing is said before anything is drawn."""
    for name in dict.fromkeys(need for section in job.only for need in _NEEDS[section]):
        getattr(tools, name)
    if job.baselines:
        _ = tools.base
    if set(job.only) != {"curve"}:
        require_world(tools.judge, job.world)


def _sections(job: ScenesJob, tools: Toolbox) -> Generator[ShardReport, None, list[Section]]:
    """Draw what is missing of the data, and return the sections in their order."""
    sections: list[Section] = []
    if "base" in job.only:
        yield from build_scenes(job.scenes())
        info = read_dataset(job.scenes().out)
        sections.append(BaseSection(job, tools, read_captions(info), info.data_hash))
    edited: dict[str, Callable[..., Section]] = {
        "p2p": PromptSection,
        "edit": EditSection,
        "curve": CurveSection,
    }
    if any(name in job.only for name in edited):
        yield from build_sources(job.sources())
        info = read_dataset(job.sources().out)
        sources = read_sources(info)
        sections += [
            section(job, tools, sources, info.data_hash)
            for name, section in edited.items()
            if name in job.only
        ]
    return sections


def _measure(job: ScenesJob, section: Section, ledger: Ledger) -> Generator[Measured, None, list[Row]]:
    """Measure the batches that no earlier run has; return the rows of all."""
    run, rows = run_of(section), []
    folder = PictureFolder(job.out, run)
    for batch in range(section.num_batches):
        known = ledger.rows(run, batch)
        if known is None:
            measured = section.measure(batch, folder)
            ledger.add(run, batch, measured)
        rows += measured if known is None else known
        yield Measured(
            section=section.name, batch=batch + 1, num_batches=section.num_batches, fresh=known is None
        )
    return rows


def _publish(job: ScenesJob, report: ScenesReport, sections: list[Section]) -> None:
    """Write the report, its plots and its grids."""
    listed = []
    for section, found in zip(sections, report.sections, strict=True):
        folder = PictureFolder(job.out, found.run)
        for name, picture in {**plots(found), **shown(section, folder)}.items():
            write_atomically(job.out / f"{name}.png", png_bytes(picture))
            listed.append((found.name, CAPTIONS[name], f"{name}.png"))
    write_atomically(job.out / "report.md", markdown(report, listed).encode())
    write_json(job.out / "report.json", asdict(report))
