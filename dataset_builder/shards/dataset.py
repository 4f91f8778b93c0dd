"""A folder of shards as a dataset: its index, its manifests, reading it, and checking it byte for byte.

`dataset.json` names the configuration and the shards; beside each tar lies its manifest, the only mark of
"done" (see `shards`). Nothing is read with pickle.

Law: what is read is what was written: one flipped byte is found, and named by its shard.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from dataset_builder.errors import DatasetError, UnreadableDataset
from dataset_builder.shards.shards import ShardReport
from dataset_builder.shards.storage import hash_file, hash_json, locked
from dataset_builder.shards.tars import read_columns
from editors.files import user_path

INDEX_FILE: Final = "dataset.json"
_SHARD_NAME: Final = re.compile(r"[a-z_]{1,40}-\d{5,9}")


@dataclass(frozen=True, kw_only=True, slots=True)
class DatasetInfo:
    """A finished dataset: what it was made from, what it holds, and a way to walk through it.

    Attributes:
        folder: Where it lies.
        config: The configuration, as written.
        config_hash: Hash of the configuration.
        data_hash: Hash over all shards: equal hashes mean equal samples.
        num_samples: Samples in all shards.
        shards: One report a shard, in order.
    """

    folder: Path
    config: Mapping[str, Any]
    config_hash: str
    data_hash: str
    num_samples: int
    shards: tuple[ShardReport, ...]

    def samples(self, columns: Iterable[str] | None = None) -> Iterator[dict[str, Any]]:
        """Walk through all samples in order.

        Args:
            columns: Columns to decode (the others cost nothing), or None for all.

        Yields:
            Column to value: pictures as uint8 arrays ((H, W, 3), masks (H, W) of 0 and 255), text as str; and
            "__key__", the name of the sample.

        Raises:
            UnreadableDataset: A shard is missing or is no shard of ours.
        """
        for _, samples in self.samples_by_shard(columns):
            yield from samples

    def samples_by_shard(
        self, columns: Iterable[str] | None = None
    ) -> Iterator[tuple[str, Iterator[dict[str, Any]]]]:
        """Walk through the shards in order: the name of each, and its samples as `samples` yields them."""
        wanted = None if columns is None else frozenset(columns)
        for shard in self.shards:
            yield shard.name, read_columns(self.folder / f"{shard.name}.tar", wanted)


def read_manifest(folder: Path, name: str) -> ShardReport | None:
    """Return a shard's report if its manifest is whole and its tar has the size written there, else None."""
    try:
        report = ShardReport.from_manifest(json.loads((folder / f"{name}.json").read_bytes()))
        size = (folder / f"{name}.tar").stat().st_size
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None
    return report if report.name == name and report.num_bytes == size else None


def data_hash(shards: Iterable[ShardReport]) -> str:
    """Return one hash over the content of all shards."""
    return hash_json([[shard.name, shard.count, shard.sha256] for shard in shards])


def read_dataset(folder: Path | str) -> DatasetInfo:
    """Open a finished dataset. Reads manifests only; `DatasetInfo.samples` reads the tars.

    Raises:
        UnreadableDataset: There is no dataset here, it is not finished, or a manifest is damaged.
    """
    folder = user_path(folder)
    index = read_index(folder)
    if index is None:
        raise UnreadableDataset(
            f"{folder} holds no {INDEX_FILE}; make a dataset with `wordbrush data scenes`."
        )
    if index.get("data_hash") is None:
        raise UnreadableDataset(
            f"the dataset in {folder} is not finished; run the command that began it again."
        )
    shards = []
    for name in index["shards"]:
        report = read_manifest(folder, name)
        if report is None:
            raise UnreadableDataset(
                f"shard {name} of {folder} is missing or damaged; run the command that made it again."
            )
        shards.append(report)
    return DatasetInfo(
        folder=folder,
        config=index["config"],
        config_hash=index["config_hash"],
        data_hash=index["data_hash"],
        num_samples=sum(shard.count for shard in shards),
        shards=tuple(shards),
    )


def is_finished(folder: Path) -> bool:
    """Say whether a folder holds a dataset that can be read: then nothing is left to draw."""
    try:
        read_dataset(folder)
    except DatasetError:
        return False
    return True


def read_index(folder: Path) -> dict[str, Any] | None:
    """Return the content of a folder's `dataset.json`, or None where there is none.

    Raises:
        UnreadableDataset: There is one, and it is damaged.
    """
    try:
        index = json.loads((folder / INDEX_FILE).read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise UnreadableDataset(
            f"{folder / INDEX_FILE} cannot be read ({error}); remove it and run again."
        ) from error
    ours = isinstance(index, dict) and {"config", "config_hash", "shards"} <= index.keys()
    # Names become paths: one that leads out of the folder, or to a command, is none of ours.
    if not ours or not all(isinstance(name, str) and _SHARD_NAME.fullmatch(name) for name in index["shards"]):
        raise UnreadableDataset(f"{folder / INDEX_FILE} is no index of ours; choose another folder.")
    return index


@dataclass(frozen=True, kw_only=True, slots=True)
class ShardCheck:
    """Outcome of verifying one shard: `problem` is None where every byte is as it was written."""

    name: str
    problem: str | None


def verify_dataset(folder: Path | str, *, discard: bool = False) -> Iterator[ShardCheck]:
    """Hash every shard anew and say which are not what was written.

    Args:
        folder: The dataset.
        discard: Remove the damaged shards, so that the command that made the dataset draws them again.

    Yields:
        One outcome a shard, in order.

    Raises:
        UnreadableDataset: There is no dataset here.
        FolderBusy: A run is writing to the folder, and `discard` would disturb it.
    """
    folder = user_path(folder)
    index = read_index(folder)
    if index is None:
        raise UnreadableDataset(
            f"{folder} holds no {INDEX_FILE}; make a dataset with `wordbrush data scenes`."
        )
    with locked(folder) if discard else nullcontext():
        for name in index["shards"]:
            problem = _problem_of(folder, name, index["config_hash"])
            if problem is not None and discard:
                (folder / f"{name}.json").unlink(missing_ok=True)
                (folder / f"{name}.tar").unlink(missing_ok=True)
            yield ShardCheck(name=name, problem=problem)


def _problem_of(folder: Path, name: str, config_hash: str) -> str | None:
    """Return what is wrong with a shard, or None."""
    report = read_manifest(folder, name)
    if report is None:
        return "its tar or manifest is missing, or their sizes differ"
    if report.config_hash != config_hash:
        return f"it was drawn from configuration {report.config_hash[:12]}, not {config_hash[:12]}"
    found = hash_file(folder / f"{name}.tar")
    return None if found == report.sha256 else f"its sha256 is {found[:12]}, not {report.sha256[:12]}"
