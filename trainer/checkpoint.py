"""Checkpoints: folders that are there whole or not at all, and the newest that can be trusted.

Law: a kill at any moment, also while one is written, leaves the newest complete one in place; a damaged one
is passed over with a warning and the next older one is taken.
"""

from __future__ import annotations

import json
import logging
import re
import shutil
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from dataset_builder.storage import hash_file
from editors.files import TEMPORARY_MARK, sync_file, sync_folder

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
    final = run / "checkpoints" / f"checkpoint-{state.step:08d}"
    for abandoned in final.parent.glob(f"*{TEMPORARY_MARK}*"):
        shutil.rmtree(abandoned, ignore_errors=True)
    partial = final.with_name(f"{final.name}{TEMPORARY_MARK}{uuid.uuid4().hex}")
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
    for folder in reversed(_folders(run)):
        try:
            record = json.loads((folder / "state.json").read_text())
            damaged = [name for name, digest in record["files"].items() if hash_file(folder / name) != digest]
            if damaged:
                raise ValueError(f"{', '.join(damaged)} changed since it was written")
            return State(
                step=record["step"],
                weights=load_file(folder / "model.safetensors"),
                average=load_file(folder / "ema.safetensors"),
                optimizer=torch.load(folder / "optimizer.pt", map_location="cpu", weights_only=True),
                extra=record["extra"],
            )
        except (OSError, ValueError, KeyError, RuntimeError) as error:
            _log.warning("%s is damaged (%s); taking the one before it.", folder, error)
    return None


def reached(run: Path) -> int:
    """Return the step of the newest checkpoint there is, 0 where there is none."""
    return max((int(folder.name.rpartition("-")[2]) for folder in _folders(run)), default=0)


def _folders(run: Path) -> list[Path]:
    root = run / "checkpoints"
    return sorted(path for path in root.iterdir() if _NAME.fullmatch(path.name)) if root.is_dir() else []
