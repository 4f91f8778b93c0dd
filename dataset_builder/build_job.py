"""A whole dataset from one file: write triplets, render pairs, filter and pack them, export them if asked.

Each stage is the job of its own command with its own folder below `out`: `triplets`, `rendered`, `pairs`,
`export`. What a stage made stays when a later one changes.

Law: run again after a kill it goes on; run again when done it does nothing. An unknown key is an error.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, get_args, get_type_hints

from dataset_builder.errors import InvalidJob
from dataset_builder.pairs.export import ExportJob, ExportReport, export_pairs
from dataset_builder.render.filter_pairs import FilterJob, filter_pairs
from dataset_builder.render.plan import RenderJob
from dataset_builder.render.render import render_pairs
from dataset_builder.render.tools import RenderTools, load_tools
from dataset_builder.render.triplets import read_triplets
from dataset_builder.shards.dataset import read_dataset
from dataset_builder.shards.shards import ShardReport
from dataset_builder.write.job import WriteJob
from dataset_builder.write.writer import PromptReport, WriteReport, write_triplets
from editors.files import read_text, user_path

STAGES: Final[Mapping[str, type]] = MappingProxyType(
    {"write": WriteJob, "render": RenderJob, "filter": FilterJob, "export": ExportJob}
)
# Fields that the stages before and `out` decide.
_DECIDED: Final[Mapping[str, frozenset[str]]] = MappingProxyType(
    {
        "write": frozenset({"out"}),
        "render": frozenset({"triplets", "out"}),
        "filter": frozenset({"rendered", "out"}),
        "export": frozenset({"dataset", "out"}),
    }
)


@dataclass(frozen=True, kw_only=True, slots=True)
class BuildJob:
    """All stages of a dataset.

    Attributes:
        write: Triplets to write.
        render: Pairs to draw of them.
        filter: Which of these to keep.
        export: How to write them for others, if at all; its folder is new, so it is made when its time comes.
    """

    write: WriteJob
    render: RenderJob
    filter: FilterJob
    export: Mapping[str, Any] | None = None

    @property
    def folders(self) -> Mapping[str, Path]:
        """Return the folder of each stage."""
        folders = {"write": self.write.out, "render": self.render.out, "filter": self.filter.out}
        return folders if self.export is None else {**folders, "export": self.export["out"]}


@dataclass(frozen=True, kw_only=True, slots=True)
class StageReport:
    """How far a stage is.

    Attributes:
        stage: Its name.
        done: Units of work done: prompts, triplets, shards, pairs.
        total: Of so many; None where nobody knows.
        facts: What it made, once it is over; None before.
    """

    stage: str
    done: int
    total: int | None
    facts: Mapping[str, Any] | None = None


def read_build_job(path: Path | str, *, out: Path | None = None) -> BuildJob:
    """Read a file of the form of `scripts/example_job.toml`.

    Args:
        path: A TOML file: `out`, and a table for each stage with the fields of its job.
        out: Folder in place of the file's; a folder in the file is taken from where the file lies.

    Raises:
        InvalidJob: The file cannot be read, or says something that no stage knows.
    """
    path = user_path(path)
    try:
        tables = tomllib.loads(read_text(path))
    except (OSError, ValueError) as error:
        raise InvalidJob(f"config: {path} cannot be read ({error}); mend it.") from error
    named = tables.pop("out", None)
    if out is None:
        if not isinstance(named, str):
            raise InvalidJob(f"config: {path} has no out; name the folder of the dataset there.")
        out = path.parent / user_path(named)
    for name, table in tables.items():
        if name not in STAGES or not isinstance(table, dict):
            raise InvalidJob(
                f"config: {path} has {name!r}, but may hold out and the tables {', '.join(STAGES)}; "
                "remove it."
            )
    settings = {name: _settings(path, name, tables.get(name, {})) for name in STAGES}
    folders = {"write": out / "triplets", "render": out / "rendered", "filter": out / "pairs"}
    export = None
    if "export" in tables:
        export = {**settings["export"], "dataset": folders["filter"], "out": out / "export"}
    return BuildJob(
        write=WriteJob(out=folders["write"], **settings["write"]),
        render=RenderJob(triplets=folders["write"], out=folders["render"], **settings["render"]),
        filter=FilterJob(rendered=folders["render"], out=folders["filter"], **settings["filter"]),
        export=export,
    )


def _settings(path: Path, stage: str, table: Mapping[str, Any]) -> dict[str, Any]:
    """Return a stage's table, checked for keys and with paths as paths."""
    kind = STAGES[stage]
    known = [field.name for field in fields(kind) if field.name not in _DECIDED[stage]]
    unknown = sorted(set(table) - set(known))
    if unknown:
        raise InvalidJob(
            f"config: {path} has {unknown[0]!r} in [{stage}], but that table knows {', '.join(known)}; "
            "remove it."
        )
    hints = get_type_hints(kind)
    return {
        name: path.parent / user_path(value) if isinstance(value, str) and _is_path(hints[name]) else value
        for name, value in table.items()
    }


def _is_path(hint: Any) -> bool:
    """Say whether a field takes a path."""
    return hint is Path or Path in get_args(hint)


def build_dataset(
    job: BuildJob, *, open_tools: Callable[[RenderJob], RenderTools] = load_tools
) -> Iterator[StageReport]:
    """Go through the stages that are not done.

    Args:
        job: What to make.
        open_tools: Gives each process its editor and scorer; a function of a module.

    Yields:
        How far each stage is, and what it made.

    Raises:
        DatasetError, EditorError: As the stages say.
    """
    yield from _write(job.write)
    total = len(read_triplets(job.render.triplets))
    yield from _fill("render", render_pairs(job.render, open_tools=open_tools), total)
    yield from _fill("filter", filter_pairs(job.filter), None)
    if job.export is not None:
        yield from _export(job.filter.out, job.export)


def _write(job: WriteJob) -> Iterator[StageReport]:
    """Write triplets."""
    report: WriteReport | None = None
    for record in write_triplets(job):
        if isinstance(record, PromptReport):
            yield StageReport(stage="write", done=record.settled, total=record.prompts)
        else:
            report = record
    assert report is not None
    yield StageReport(stage="write", done=report.prompts, total=report.prompts, facts=asdict(report))


def _fill(stage: str, shards: Iterator[ShardReport], total: int | None) -> Iterator[StageReport]:
    """Follow a stage that fills a folder with shards."""
    done = samples = drawn = 0
    rejects: dict[str, int] = {}
    for shard in shards:
        done += shard.stop - shard.start
        samples, drawn = samples + shard.count, drawn + shard.count * shard.drawn
        for reason, number in shard.rejects.items():
            rejects[reason] = rejects.get(reason, 0) + number
        yield StageReport(stage=stage, done=done, total=total)
    facts = {"samples": samples, "drawn_now": drawn, "rejects": rejects}
    yield StageReport(stage=stage, done=done, total=total, facts=facts)


def _export(pairs: Path, settings: Mapping[str, Any]) -> Iterator[StageReport]:
    """Export the pairs, unless these very pairs are exported already."""
    info = read_dataset(pairs)
    card = Path(settings["out"]) / "README.md"
    if card.is_file() and info.data_hash in card.read_text(encoding="utf-8"):
        yield StageReport(stage="export", done=info.num_samples, total=info.num_samples, facts={"count": 0})
        return
    for record in export_pairs(ExportJob(**settings)):
        if isinstance(record, ExportReport):
            facts = asdict(record)
            yield StageReport(stage="export", done=record.count, total=info.num_samples, facts=facts)
        else:
            yield StageReport(stage="export", done=record, total=info.num_samples)


def with_jobs(job: BuildJob, jobs: int) -> BuildJob:
    """Return a job of which each stage runs in so many processes."""
    return replace(job, render=replace(job.render, jobs=jobs), filter=replace(job.filter, jobs=jobs))
