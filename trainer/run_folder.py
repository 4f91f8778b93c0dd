"""The folder of a run: which configuration and inputs it belongs to, and whether it is finished.

Law: a run goes on with the settings, data and frozen models it began with, or is refused with what differs.
Its length alone may change, while nothing done so far depends on it.
"""

from __future__ import annotations

import json
from pathlib import Path

from dataset_builder.storage import write_json
from trainer import checkpoint
from trainer.config import TrainConfig, read_config
from trainer.errors import ConfigChanged, CorruptRun


def finished(run: Path) -> bool:
    """Say whether a run has done all its steps and exported its model."""
    return (run / "done.json").exists()


def claim(config: TrainConfig) -> None:
    """Write the configuration into a new run folder, or see that the old one is the same.

    Raises:
        ConfigChanged: The folder belongs to a run of another configuration.
        CorruptRun: The folder's configuration cannot be read.
    """
    path = config.out / "config.json"
    config.out.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        write_json(path, {"config": config.to_dict()})
        return
    try:
        old = read_config(config.out)
    except ValueError as error:
        raise CorruptRun(f"out: {path} cannot be read; choose a new folder.") from error
    theirs, ours = old.identity(), config.identity()
    changed = [
        f"{name} ({theirs.get(name)!r} → {value!r})"
        for name, value in ours.items()
        if theirs.get(name) != value
    ]
    if _may_change_length(old, config):
        changed = [one for one in changed if not one.startswith(("steps ", "lr_decay_steps "))]
        if not changed:
            write_json(path, {"config": config.to_dict()})
    if changed:
        raise ConfigChanged(
            f"out: {config.out} holds a run with other settings: {', '.join(changed)}; choose a new "
            "folder or the old settings."
        )


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
    if not path.exists():
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
