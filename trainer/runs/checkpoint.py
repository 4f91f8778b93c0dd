"""Checkpoints: folders that are there whole or not at all, and the newest that can be trusted.

Law: a kill at any moment, also while one is written, leaves the newest complete one in place; a damaged one
is passed over with a warning and the next older one is taken.
"""

from __future__ import annotations

import json
import logging
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dataset_builder.shards.storage import hash_file
from editors.files import TEMPORARY_MARK, sync_file, sync_folder, temporary_beside

if TYPE_CHECKING:
    from torch import Tensor  # torch only where tensors are read: who watches a run needs none

_NAME = re.compile(r"checkpoint-(\d{8})")
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class State:
    """All that a run needs to go on.

    Attributes:
        step: Optimizer steps done.
        weights: Of the model.
        average: Of the moving average.
        optimizer: Its state dict.
        extra: Plain values: length of the log, seconds spent, hashes.
    """

    step: int
    weights: dict[str, Tensor]
    average: dict[str, Tensor]
    optimizer: dict[str, Any]
    extra: dict[str, Any]


def save(run: Path, state: State, *, keep: int) -> Path:
    """Write a checkpoint under a temporary name, flush, rename; then drop all but the newest `keep`.

    What killed runs left half-written goes first: on a full disk it would be in the way for ever.

    Raises:
        OSError, RuntimeError, SafetensorError: The system refused, as told by itself, torch or safetensors;
            nothing is left of the new checkpoint.
    """
    import torch
    from safetensors.torch import save_file

    final = _folder(run, state.step)
    for abandoned in final.parent.glob(f"*{TEMPORARY_MARK}*"):
        shutil.rmtree(abandoned, ignore_errors=True)
    partial = temporary_beside(final)
    try:
        partial.mkdir(parents=True)
        save_file({name: t.contiguous() for name, t in state.weights.items()}, partial / "model.safetensors")
        save_file(state.average, partial / "ema.safetensors")
        torch.save(state.optimizer, partial / "optimizer.pt")
        files = {path.name: hash_file(path) for path in sorted(partial.iterdir())}
        (partial / "state.json").write_text(
            json.dumps({"step": state.step, "files": files, "extra": state.extra})
        )
        for path in partial.iterdir():
            sync_file(path)
        if final.exists():  # a damaged one of the same step, or it would have been resumed from
            shutil.rmtree(final)
        partial.replace(final)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    sync_folder(final.parent)
    for old in _folders(run)[:-keep]:
        shutil.rmtree(old)
    return final


def newest(run: Path) -> State | None:
    """Return the newest checkpoint whose files are what its state file says, or None where there is none."""
    import torch
    from safetensors.torch import load_file

    for folder in reversed(_folders(run)):
        try:
            record = _whole_record(folder)
            return State(
                step=record["step"],
                weights=load_file(folder / "model.safetensors"),
                average=load_file(folder / "ema.safetensors"),
                optimizer=torch.load(folder / "optimizer.pt", map_location="cpu", weights_only=True),
                extra=record["extra"],
            )
        except MemoryError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever damaged files make of readers
            _log.warning("%s is damaged (%s); taking the one before it.", folder, error)
    return None


def average_at(run: Path, step: int) -> dict[str, Tensor] | None:
    """Return the moving average of one checkpoint, or None where that is gone or damaged."""
    from safetensors.torch import load_file

    folder = _folder(run, step)
    try:
        _whole_record(folder, "ema.safetensors")
        return load_file(folder / "ema.safetensors")
    except MemoryError:
        raise
    except Exception:  # noqa: BLE001 - whatever damaged files make of readers
        return None


def reached(run: Path) -> int:
    """Return the step of the newest checkpoint there is, 0 where there is none."""
    return max((int(folder.name.rpartition("-")[2]) for folder in _folders(run)), default=0)


def seconds_at(run: Path, step: int) -> float | None:
    """Return how long a run had trained at a checkpoint, in seconds; None where that is not known."""
    try:
        return float(_record(_folder(run, step))["extra"]["seconds"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _folder(run: Path, step: int) -> Path:
    return run / "checkpoints" / f"checkpoint-{step:08d}"


def _record(folder: Path) -> Mapping[str, Any]:
    record: Mapping[str, Any] = json.loads((folder / "state.json").read_text())
    return record


def _whole_record(folder: Path, *names: str) -> Mapping[str, Any]:
    """Return what the state file says, if the files are as they were written; all of them, or those named.

    Raises:
        OSError, ValueError, KeyError: They are not.
    """
    record = _record(folder)
    written: Mapping[str, str] = record["files"]
    damaged = [name for name in names or written if hash_file(folder / name) != written[name]]
    if damaged:
        raise ValueError(f"{', '.join(damaged)} changed since it was written")
    return record


def _folders(run: Path) -> list[Path]:
    root = run / "checkpoints"
    return sorted(path for path in root.iterdir() if _NAME.fullmatch(path.name)) if root.is_dir() else []
