"""The folder of a run: which configuration and inputs it belongs to, and whether it is finished.

Law: a run goes on with the settings, data and frozen models it began with, or is refused with what differs.
Its length alone may change, while nothing done so far depends on it; and where nothing is done so far, all
may. What cannot be written is one sentence, and loses no step that was saved.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from safetensors import SafetensorError

from dataset_builder.errors import StorageFailed
from dataset_builder.shards.storage import make_folder, write_json
from editors.files import TEMPORARY_MARK
from editors.requests.spelling import is_spellable, spelled
from trainer.config import TrainConfig, read_config
from trainer.errors import ConfigChanged, CorruptRun, InvalidConfig
from trainer.runs import checkpoint

if TYPE_CHECKING:
    from torch import Tensor

_NAMES = (
    "model",
    "checkpoints",
    "samples",
    "curves",
    "done.json",
    "fingerprint.json",
    "log.jsonl",
    "validation.jsonl",
    "validation.png",
)
"""What a run writes besides its configuration and its cache, whose files are named by their content."""
_REFUSALS = (
    "no space",
    "file too large",
    "file write failed",
    "os error",
    "unexpected pos",
    "inline_container",
)
"""Words in which torch and safetensors say that a file could not be written: theirs are no OSErrors."""


def finished(run: Path) -> bool:
    """Say whether a run has done all its steps and exported its model."""
    return (run / "done.json").exists()


def is_begun(run: Path) -> bool:
    """Say whether a run has anything to lose: a checkpoint, or a model."""
    return finished(run) or checkpoint.reached(run) > 0


def size_of(tensors: Mapping[str, Tensor], copies: int = 1) -> str:
    """Say how much room weights take, kept so many times."""
    return f"{copies * sum(tensor.nbytes for tensor in tensors.values()) / 1e6:.0f} MB"


@contextmanager
def safely(run: Path, what: str, step: int) -> Iterator[None]:
    """Say in one sentence that something could not be written, and from where the run can go on.

    Args:
        run: Its folder.
        what: Is written.
        step: That was reached.

    Raises:
        StorageFailed: The system refused.
    """
    try:
        yield
    except (OSError, SafetensorError, RuntimeError) as error:
        refused = error if isinstance(error, OSError) else error.__cause__ or error.__context__
        words = str(error).lower()
        if not isinstance(refused, OSError) and not any(sign in words for sign in _REFUSALS):
            raise
        reason = getattr(refused, "strerror", None) or "the disk is full, or closed to us"
        saved = checkpoint.reached(run)
        safe = f"step {saved} is safe" if saved else "no step is saved yet"
        raise StorageFailed(
            f"{run} at step {step}: {what} could not be written ({reason}); free space and go on with "
            f"--resume, {safe}."
        ) from error


def remove_abandoned(run: Path) -> None:
    """Remove what killed runs left half-written, but for checkpoints, which look after themselves."""
    for place in (run, run / "cache"):
        for left in place.glob(f"*{TEMPORARY_MARK}*"):
            if left.is_dir():
                shutil.rmtree(left, ignore_errors=True)
            else:
                left.unlink(missing_ok=True)


def claim(config: TrainConfig) -> None:
    """Write the configuration into a folder in which nothing is done, or see that the old one is the same.

    Raises:
        ConfigChanged: The folder belongs to a run of another configuration.
        CorruptRun: The folder's configuration cannot be read, or it holds other things than a run.
        StorageFailed: The folder cannot be written to.
    """
    make_folder(config.out)
    path, written = config.out / "config.json", {"config": config.with_whole_paths().to_dict()}
    if not path.exists():
        _require_ours(config.out)
        write_json(path, written)
        return
    try:
        old = read_config(config.out)
    except ValueError as error:
        raise CorruptRun(f"out: {path} cannot be read; choose a new folder.") from error
    if not is_begun(config.out):
        write_json(path, written)
        return
    theirs, ours = old.identity(), config.identity()
    changed = [
        f"{name} ({theirs.get(name)!r} → {value!r})"
        for name, value in ours.items()
        if theirs.get(name) != value
    ]
    if _may_change_length(old, config):
        changed = [one for one in changed if not one.startswith(("steps ", "lr_decay_steps "))]
    if not changed and (old.to_dict() != written["config"]):
        write_json(path, written)  # its length, and where things lie now
    if changed:
        raise ConfigChanged(
            f"out: {config.out} holds a run with other settings: {', '.join(changed)}; choose a new "
            "folder or the old settings."
        )


def require_spellable(folder: Path) -> None:
    """Require a folder whose path is text: the library that writes weights takes no other.

    Raises:
        InvalidConfig: It holds bytes that are none.
    """
    if not is_spellable(str(folder.absolute())):
        raise InvalidConfig(
            f"out: {spelled(str(folder))} holds bytes that are no text, and weights cannot be written there; "
            "name another folder."
        )


def _require_ours(run: Path) -> None:
    """Require that nothing in a folder without a run has a name that a run would write over."""
    taken = next((name for name in _NAMES if (run / name).exists()), None)
    if taken is not None:
        raise CorruptRun(f"out: {run} holds {taken}, which no run of ours wrote; choose a new folder.")


def _may_change_length(old: TrainConfig, new: TrainConfig) -> bool:
    """Say whether what a run has done would have been the same under another number of steps.

    So it is while its rate is constant, before it falls under the old length and under the new one.
    """
    done = checkpoint.reached(new.out)
    return all(
        one.lr_schedule == "constant" and done <= one.steps - max(1, one.lr_decay_steps) for one in (old, new)
    )


def check_fingerprint(config: TrainConfig, fingerprint: dict[str, str]) -> None:
    """Refuse to continue on other data or other frozen models.

    Raises:
        ConfigChanged: A hash differs from the one the run began with.
    """
    path = config.out / "fingerprint.json"
    if not path.exists() or not is_begun(config.out):
        write_json(path, fingerprint)
        return
    old = json.loads(path.read_text())
    changed = [
        f"{name} ({str(old.get(name))[:12]} → {value[:12]})"
        for name, value in fingerprint.items()
        if old.get(name) != value
    ]
    if changed:
        raise ConfigChanged(
            f"out: {config.out} began with other inputs: {', '.join(changed)}; give the old ones "
            "or choose a new folder."
        )
