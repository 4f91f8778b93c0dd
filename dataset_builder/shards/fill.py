"""Fill a folder with shards, each drawn as a whole: what every stage of a dataset is built on.

Law: the bytes depend on the configuration alone: not on the executor, nor on kills and resumes. A finished
folder filled again is not touched.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, Protocol, get_args

from dataset_builder.errors import ConfigChanged, InvalidJob, TooManyErrors
from dataset_builder.shards import executors
from dataset_builder.shards.checks import CHECKS, MAX_JOBS
from dataset_builder.shards.dataset import INDEX_FILE, data_hash, read_index, read_manifest
from dataset_builder.shards.executors import Executor
from dataset_builder.shards.shards import Sample, ShardReport, ShardSpec, commit_shard
from dataset_builder.shards.storage import hash_json, locked, remove_leftovers, write_atomically, write_json

Fill = Callable[[], Iterable[Sample | str]]
"""Draws a whole shard: its samples in order, for each that is missing the reason. Pure and picklable."""
FAULT: Final = "fault"
UNDRAWABLE: Final = "undrawable"
_ERRORS: Final = (FAULT, UNDRAWABLE)
_PART: Final = re.compile(r"(\d+)/(\d+)")


class Runnable(Protocol):
    """A job that says how it is run."""

    @property
    def executor(self) -> Executor: ...  # noqa: D102 - see Running
    @property
    def jobs(self) -> int | None: ...  # noqa: D102
    @property
    def part(self) -> str | None: ...  # noqa: D102
    @property
    def max_error_rate(self) -> float: ...  # noqa: D102


@dataclass(frozen=True, kw_only=True, slots=True)
class Running:
    """Settings of drawing shards, of which none changes a byte.

    Attributes:
        executor: "process" takes a process for each job, "serial" none, "ray" a Ray cluster.
        jobs: Number of processes, or tasks at a time; None takes every core.
        part: Every n-th shard only, written k/n with k from 0.
        max_error_rate: Largest share of all samples that may fail without a known reason.
    """

    executor: Executor = "process"
    jobs: int | None = None
    part: str | None = None
    max_error_rate: float = 1.0

    def __post_init__(self) -> None:
        CHECKS.choice("executor", self.executor, get_args(Executor))
        if self.jobs is not None:
            CHECKS.whole_number("jobs", self.jobs, 1, MAX_JOBS)
        CHECKS.share("max_error_rate", self.max_error_rate)
        index, count = self.share
        if index >= count:
            raise InvalidJob(f"part is {self.part!r}, but of {count} parts the last is {count - 1}/{count}.")

    @classmethod
    def of(cls, job: Runnable) -> Running:
        """Return how a job is run, checked."""
        return cls(executor=job.executor, jobs=job.jobs, part=job.part, max_error_rate=job.max_error_rate)

    @property
    def share(self) -> tuple[int, int]:
        """Return the part as numbers; (0, 1) is everything."""
        found = _PART.fullmatch("0/1" if self.part is None else str(self.part))
        if found is None:
            raise InvalidJob(
                f"part is {self.part!r}, but is written k/n, as 0/8 for the first of 8; change it."
            )
        return int(found[1]), int(found[2])


@dataclass(frozen=True, kw_only=True, slots=True)
class _Task:
    """All that a worker needs to draw one shard."""

    folder: Path
    spec: ShardSpec
    fill: Fill


def cut(config: Mapping[str, Any], num: int, per_shard: int, *, prefix: str = "scenes") -> list[ShardSpec]:
    """Cut a number of samples, or of what samples come from, into shards of one configuration."""
    config_hash = hash_json(config)
    return [
        ShardSpec(
            index=index,
            start=start,
            stop=min(start + per_shard, num),
            config_hash=config_hash,
            prefix=prefix,
        )
        for index, start in enumerate(range(0, num, per_shard))
    ]


def fill_folder(
    folder: Path,
    *,
    config: Mapping[str, Any],
    specs: Sequence[ShardSpec],
    fill: Callable[[ShardSpec], Fill],
    running: Running,
    beside: Mapping[str, bytes] = MappingProxyType({}),
) -> Iterator[ShardReport]:
    """Draw the shards that a folder lacks; when all are there the dataset can be read.

    Args:
        folder: Where to; made if missing.
        config: All that the samples depend on, as JSON values.
        specs: The shards, as `cut` gives them.
        fill: What draws a shard, given its spec; asked for those only that the folder lacks.
        running: How to draw.
        beside: Files that belong to the dataset beside its shards: name to content.

    Yields:
        One report a shard: first those of earlier runs (`drawn` is False), then the others as they finish.

    Raises:
        ConfigChanged: The folder holds a dataset of another configuration.
        FolderBusy: Another run is writing to the folder.
        StorageFailed: The system refused to write.
        TooManyErrors: More samples failed than the run accepts.
        UnreadableDataset: The folder holds a `dataset.json` that is damaged or not ours.
        WorkerLost: Worker processes were killed again and again.
    """
    config_hash = hash_json(config)
    index, count = running.share
    mine = specs[index::count]
    errors = _ErrorCount(running.max_error_rate, mine)
    with _held(folder, running):
        found = _open_index(folder, config, config_hash, specs)
        remove_leftovers(folder, None if count == 1 else [spec.name for spec in mine])
        tasks = []
        for spec in mine:
            report = read_manifest(folder, spec.name)
            if report is None or report.config_hash != config_hash:
                tasks.append(_Task(folder=folder, spec=spec, fill=fill(spec)))
                continue
            yield report
            errors.add(report)
        jobs = running.jobs or os.cpu_count() or 1
        for report in executors.run(_draw_shard, tasks, jobs=jobs, executor=running.executor):
            yield report
            errors.add(report)
        _finish(folder, found, specs, beside)


def _finish(
    folder: Path, found: Mapping[str, Any], specs: Sequence[ShardSpec], beside: Mapping[str, bytes]
) -> None:
    """Mark the dataset as finished, if other parts have nothing left to draw."""
    reports = [read_manifest(folder, spec.name) for spec in specs]
    whole = [report for report in reports if report and report.config_hash == found["config_hash"]]
    if len(whole) < len(specs):
        return
    for name, content in beside.items():
        if not (folder / name).is_file() or (folder / name).read_bytes() != content:
            write_atomically(folder / name, content)
    finished = {**found, "data_hash": data_hash(whole)}
    if finished != found:
        write_json(folder / INDEX_FILE, finished)


@contextmanager
def _held(folder: Path, running: Running) -> Iterator[None]:
    """Hold a folder alone, or a part of it beside the runs of other parts."""
    index, count = running.share
    if count == 1:
        with locked(folder):
            yield
        return
    with locked(folder, shared=True), locked(folder, name=f".lock-{index}-of-{count}"):
        yield


class _ErrorCount:
    """Counts samples that failed, and ends a run that has too many."""

    def __init__(self, most: float, specs: Sequence[ShardSpec]) -> None:
        self._most, self._shards = most, len(specs)
        self._found: Counter[str] = Counter()
        self._asked = 0
        self._seen = 0

    def add(self, report: ShardReport) -> None:
        """Count a shard.

        Raises:
            TooManyErrors: The run cannot stay below its rate any more, or has not.
        """
        self._seen += 1
        self._asked += report.count + sum(report.rejects.values())
        self._found.update(
            {reason: n for reason, n in report.rejects.items() if reason.split()[0] in _ERRORS}
        )
        failed = self._found.total()
        # Shards are alike: the first tell how many samples all of them will ask for.
        if failed > self._most * self._asked * self._shards / self._seen:
            reasons = ", ".join(f"{reason} {number}" for reason, number in self._found.most_common())
            raise TooManyErrors(
                f"{failed} of {self._asked} samples so far could not be drawn ({reasons}), more than "
                f"max_error_rate {self._most:g} allows of all; mend their cause, or raise it."
            )


def _draw_shard(task: _Task) -> ShardReport:
    """Draw a shard and publish it; the work of one worker."""
    return commit_shard(task.folder, task.spec, task.fill())


def _open_index(
    folder: Path, config: Mapping[str, Any], config_hash: str, specs: Sequence[ShardSpec]
) -> dict[str, Any]:
    """Return the folder's index, begun now if it has none; refuse one of another configuration."""
    found = read_index(folder)
    if found is None:
        found = {
            "config": dict(config),
            "config_hash": config_hash,
            "data_hash": None,
            "shards": [spec.name for spec in specs],
        }
        write_json(folder / INDEX_FILE, found)
    if found["config_hash"] == config_hash:
        return found
    old = found["config"]
    fields = sorted(name for name in old.keys() | config.keys() if old.get(name) != config.get(name))
    changes = "; ".join(
        f"{name} was {_short(old.get(name))}, is {_short(config.get(name))}" for name in fields
    )
    raise ConfigChanged(
        f"{folder} holds a dataset of configuration {found['config_hash'][:12]}, but this run's is "
        f"{config_hash[:12]} ({changes}); choose another folder, or the old values."
    )


def _short(value: Any) -> str:
    """Return a value as a person wants to read it: hashes by their beginning."""
    return value[:12] if isinstance(value, str) else str(value)
