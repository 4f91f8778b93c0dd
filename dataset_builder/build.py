"""Fill a folder with shards: what is there stays, what is missing is drawn, and nothing is drawn twice.

Law: the bytes depend on the configuration alone: not on the number of jobs, nor on kills and resumes. A
finished job run again does nothing.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from dataset_builder import executors
from dataset_builder.errors import ConfigChanged, DatasetError
from dataset_builder.shards import (
    INDEX_FILE,
    Sample,
    ShardReport,
    ShardSpec,
    commit_shard,
    data_hash,
    read_index,
    read_manifest,
)
from dataset_builder.storage import hash_json, locked, remove_leftovers, write_json

# A night of work is not lost to one odd sample; a shard with over 2 % of them has a bug worth stopping for.
MAX_FAULTS: Final = 0.02
_LOGGER: Final = logging.getLogger(__name__)
Draw = Callable[[int], Sample | str]


@dataclass(frozen=True, kw_only=True, slots=True)
class _Task:
    """All that a worker needs to draw one shard."""

    folder: Path
    spec: ShardSpec
    draw: Draw


def build_shards(
    folder: Path,
    *,
    config: Mapping[str, Any],
    draw: Draw,
    num: int,
    samples_per_shard: int,
    jobs: int | None = None,
) -> Iterator[ShardReport]:
    """Draw the shards that a folder lacks; when the generator is exhausted the dataset can be read.

    Args:
        folder: Where to; made if missing.
        config: All that the samples depend on, as JSON values.
        draw: Pure function of the sample number: a sample, or the reason why there is none. Picklable.
        num: Number of samples.
        samples_per_shard: Samples in one shard.
        jobs: Number of processes; None takes every core.

    Yields:
        One report a shard: first those of earlier runs (`drawn` is False), then the others as they finish.

    Raises:
        ConfigChanged: The folder holds a dataset of another configuration.
        FolderBusy: Another run is writing to the folder.
        StorageFailed: The system refused to write.
        UnreadableDataset: The folder holds a `dataset.json` that is damaged or not ours.
        WorkerLost: Worker processes were killed again and again.
    """
    config_hash = hash_json(config)
    specs = [
        ShardSpec(index=index, start=start, stop=min(start + samples_per_shard, num), config_hash=config_hash)
        for index, start in enumerate(range(0, num, samples_per_shard))
    ]
    with locked(folder):
        found = _open_index(folder, config, config_hash, specs)
        remove_leftovers(folder)
        reports: dict[str, ShardReport] = {}
        tasks = []
        for spec in specs:
            report = read_manifest(folder, spec.name)
            if report is None or report.config_hash != config_hash:
                tasks.append(_Task(folder=folder, spec=spec, draw=draw))
                continue
            reports[spec.name] = report
            yield report
        for report in executors.run(_draw_shard, tasks, jobs=jobs or os.cpu_count() or 1):
            reports[report.name] = report
            yield report
        finished = {**found, "data_hash": data_hash(reports[spec.name] for spec in specs)}
        if finished != found:
            write_json(folder / INDEX_FILE, finished)


def _draw_shard(task: _Task) -> ShardReport:
    """Draw a shard and publish it; the work of one worker."""
    return commit_shard(task.folder, task.spec, _draw_samples(task))


def _draw_samples(task: _Task) -> Iterator[Sample | str]:
    """Draw the samples of a shard; a few that fail for no known reason are counted, many end the run."""
    start, stop = task.spec.start, task.spec.stop
    faults = 0
    for number in range(start, stop):
        try:
            drawn = task.draw(number)
        except DatasetError:
            raise
        except Exception as error:
            faults += 1
            error.add_note(f"while drawing sample {number} of {task.spec.name}")
            if faults > max(1, MAX_FAULTS * (stop - start)):
                raise
            _LOGGER.warning(
                "sample %d of %s was left out: %r", number, task.spec.name, error, exc_info=faults == 1
            )
            drawn = f"fault {type(error).__name__}"
        yield drawn


def _open_index(
    folder: Path, config: Mapping[str, Any], config_hash: str, specs: list[ShardSpec]
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
