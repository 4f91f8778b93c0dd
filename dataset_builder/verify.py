"""Check a dataset byte for byte against its manifests, and make damaged shards ready to be drawn again.

Law: one flipped byte is found, and named by its shard.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

from dataset_builder.errors import UnreadableDataset
from dataset_builder.shards import INDEX_FILE, read_index, read_manifest
from dataset_builder.storage import hash_file, locked


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
    folder = Path(folder)
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
