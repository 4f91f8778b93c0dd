"""Reading a run from outside: its steps, losses, measurements and grids.

Law: it only reads, and a run may be writing at that moment: what is told is what stood there in whole lines
and whole files. Importing this imports no torch.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Final

from dataset_builder.shards.storage import peek
from editors.below import folder_below, found_below
from editors.files import user_path
from editors.model.loading.kinds import task_of
from trainer.config import TrainConfig, read_config
from trainer.runs import checkpoint
from trainer.runs.folder import finished

_SAMPLE: Final = re.compile(r"step-(\d{8})\.png")
_WRITTEN: Final = ("config.json", "log.jsonl", "validation.jsonl", "done.json", "samples", "checkpoints")


@dataclass(frozen=True, kw_only=True, slots=True)
class RunFacts:
    """Facts of a run, read from its folder.

    Attributes:
        folder: Of the run.
        config: Its settings.
        step: The last step that it told of.
        saved: The step of its newest checkpoint, 0 where there is none.
        is_finished: Whether it has exported its model.
        losses: (step, mean loss since the line before), in order.
        figures: What it measured on held-out samples: `step`, and figures by name, in order.
        samples: Steps at which it drew a grid, in order.
    """

    folder: Path
    config: TrainConfig
    step: int
    saved: int
    is_finished: bool
    losses: Sequence[tuple[int, float]]
    figures: Sequence[Mapping[str, float]]
    samples: Sequence[int]

    @property
    def seconds_left(self) -> float | None:
        """How long the rest takes at the rate so far; None before the first checkpoint, which knows it."""
        seconds = checkpoint.seconds_at(self.folder, self.saved) if self.saved else None
        return None if seconds is None else seconds / self.saved * (self.config.steps - self.step)

    def sample(self, step: int) -> Path:
        """Return the file of the grid that was drawn at a step."""
        return self.folder / "samples" / f"step-{step:08d}.png"


def watch(run: Path) -> RunFacts:
    """Read how a run is getting on.

    Raises:
        InvalidConfig: The folder is no run.
        OSError, ValueError: What lies there cannot be read.
    """
    config = read_config(run)
    lines = peek(run / "log.jsonl")
    losses = [(int(line["step"]), float(line["loss"])) for line in lines]
    saved = checkpoint.reached(run)
    return RunFacts(
        folder=run,
        config=config,
        step=max(saved, losses[-1][0] if losses else 0),
        saved=saved,
        is_finished=finished(run),
        losses=losses,
        figures=peek(run / "validation.jsonl"),
        samples=sorted(int(found[1]) for found in map(_SAMPLE.fullmatch, _names(run / "samples")) if found),
    )


def _names(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()] if folder.is_dir() else []


def heard_of(run: Path) -> tuple[tuple[str, int], ...]:
    """Return when each thing that a run writes was last written, in ns: it changes whenever the run does."""
    return tuple((name, (run / name).stat().st_mtime_ns) for name in _WRITTEN if (run / name).exists())


def thinned(losses: Sequence[tuple[int, float]], most: int) -> list[tuple[int, float]]:
    """Return at most so many points: means of as many neighbours each, at the step of the last of them."""
    width = max(1, math.ceil(len(losses) / most))
    parts = (losses[start : start + width] for start in range(0, len(losses), width))
    return [(part[-1][0], fmean(loss for _, loss in part)) for part in parts]


def runs_below(root: Path | str) -> list[str]:
    """Return the runs at and below a folder, as paths from there, what changed last first."""
    top = user_path(root)
    runs = [name for name in found_below(top, "config.json") if task_of(top / name) is not None]
    return sorted(runs, key=lambda name: -max((when for _, when in heard_of(top / name)), default=0))


def run_below(root: Path | str, name: str | None) -> Path | None:
    """Return the folder of a run that `runs_below` names; None where the name is no such one."""
    return folder_below(root, name, lambda place: task_of(place) is not None)
