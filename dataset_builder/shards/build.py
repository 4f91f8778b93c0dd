"""Fill a folder with shards: what is there stays, what is missing is drawn, and nothing is drawn twice.

Law: the bytes depend on the configuration alone: not on the number of jobs, nor on kills and resumes. A
finished job run again does nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Final

from dataset_builder.errors import DatasetError
from dataset_builder.shards.fill import FAULT, Running, cut, fill_folder
from dataset_builder.shards.shards import Sample, ShardReport, ShardSpec

# A night of work is not lost to one odd sample; a shard with over 2 % of them has a bug worth stopping for.
MAX_FAULTS: Final = 0.02
_LOGGER: Final = logging.getLogger(__name__)
Draw = Callable[[int], Sample | str]


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
    yield from fill_folder(
        folder,
        config=config,
        specs=cut(config, num, samples_per_shard),
        fill=lambda spec: partial(_draw_samples, spec, draw),
        running=Running(jobs=jobs),
    )


def _draw_samples(spec: ShardSpec, draw: Draw) -> Iterator[Sample | str]:
    """Draw the samples of a shard; a few that fail for no known reason are counted, many end the run."""
    start, stop = spec.start, spec.stop
    faults = 0
    for number in range(start, stop):
        try:
            drawn = draw(number)
        except DatasetError:
            raise
        except Exception as error:
            faults += 1
            error.add_note(f"while drawing sample {number} of {spec.name}")
            if faults > max(1, MAX_FAULTS * (stop - start)):
                raise
            _LOGGER.warning(
                "sample %d of %s was left out: %r", number, spec.name, error, exc_info=faults == 1
            )
            drawn = f"{FAULT} {type(error).__name__}"
        yield drawn
