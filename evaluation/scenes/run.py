"""One evaluation on held-out scenes, from data to report, in steps that can be cut anywhere.

Law: an evaluation that was cut writes the same report as one that was not, byte for byte.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from typing import Any, Final, TypeAlias

from dataset_builder.build_scenes import build_scenes
from dataset_builder.shards.dataset import read_dataset
from dataset_builder.shards.shards import ShardReport
from dataset_builder.shards.storage import locked, remove_leftovers, require_own
from evaluation.benchmark import Benchmark, Measured, PictureFolder, measured
from evaluation.judge import require_world, world_hash
from evaluation.report import publish
from evaluation.scenes.base import BaseSection
from evaluation.scenes.curve import CurveSection
from evaluation.scenes.data import Pixels, build_sources, left_out, read_captions, read_sources
from evaluation.scenes.instruction_edits import EditSection
from evaluation.scenes.job import ScenesJob
from evaluation.scenes.pictures import CAPTIONS, plots, shown
from evaluation.scenes.prompt_edits import PromptSection
from evaluation.scenes.report import page
from evaluation.scenes.summary import ScenesReport, lines_of
from evaluation.scenes.tools import ScenesTools, Toolbox
from evaluation.sizes import sized
from evaluation.summary import BenchmarkReport

_Edited: TypeAlias = type[PromptSection] | type[EditSection] | type[CurveSection]
_EDITED: Final[Mapping[str, _Edited]] = {"p2p": PromptSection, "edit": EditSection, "curve": CurveSection}
"""The sections that are measured on sources with edits, in their order."""


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
    report, sections = yield from sections_measured(job, tools or ScenesTools(job))
    with locked(job.out):
        pictures = _pictures(job, report, sections)
        publish(
            job.out,
            report,
            page(report, [(section, CAPTIONS[name], f"{name}.png") for section, name in pictures]),
            {name: picture for (_, name), picture in pictures.items()},
        )
    yield report


def sections_measured(
    job: ScenesJob, tools: Toolbox
) -> Generator[ShardReport | Measured, None, tuple[ScenesReport, list[Benchmark[Any]]]]:
    """Measure what no earlier run has; return what all rows add up to, and the sections."""
    _require_tools(job, tools)
    if job.size is None:
        job = sized(job, (tools.base if {"base", "p2p"} & set(job.only) else tools.edit).model)
    sections = yield from _sections(job, tools)
    with locked(job.out):
        remove_leftovers(job.out)
        found = []
        for section in sections:
            rows = yield from measured(section, job.out)
            found.append(BenchmarkReport.of(section, job.model, lines_of(section.name, rows)))
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
    for name in job.only:
        (BaseSection if name == "base" else _EDITED[name]).load(tools)
    if job.baselines:
        _ = tools.base
    if set(job.only) != {"curve"}:
        require_world(tools.judge, job.world)


def _sections(job: ScenesJob, tools: Toolbox) -> Generator[ShardReport, None, list[Benchmark[Any]]]:
    """Draw what is missing of the data, and return the sections in their order."""
    sections: list[Benchmark[Any]] = []
    if "base" in job.only:
        yield from build_scenes(job.scenes())
        info = read_dataset(job.scenes().out)
        sections.append(BaseSection(job, tools, read_captions(info), info.data_hash))
    if any(name in job.only for name in _EDITED):
        yield from build_sources(job.sources())
        info = read_dataset(job.sources().out)
        sources = read_sources(info)
        sections += [
            section(job, tools, sources, info.data_hash)
            for name, section in _EDITED.items()
            if name in job.only
        ]
    return sections


def _pictures(
    job: ScenesJob, report: ScenesReport, sections: Sequence[Benchmark[Any]]
) -> dict[tuple[str, str], Pixels]:
    """Return the plots and grids of the report, by section and name."""
    return {
        (found.name, name): picture
        for section, found in zip(sections, report.sections, strict=True)
        for name, picture in {**plots(found), **shown(section, PictureFolder(job.out, found.run))}.items()
    }
