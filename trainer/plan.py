"""A trial step on the first samples that says what a run would take, before anything is written.

Law: nothing of a plan stays on the disk, and a run afterwards begins as if there had been none.
"""

from __future__ import annotations

import resource
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from accelerate import PartialState

from trainer.config import InstructPix2PixConfig, TrainConfig
from trainer.data.pairs import read_pairs
from trainer.runs.arithmetic import autocast, resolved
from trainer.runs.launch import process_state
from trainer.tasks.task import Task, make_task

STATE_BYTES = 12
"""Of each trained weight: two moments of Adam and the average, in float32; a trial has the rest in memory."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """Time and memory that a run would take, on this machine and at its present load.

    Attributes:
        rows: Samples that would be trained on.
        skipped: Rows of the data that are not usable, by reason.
        steps: Of the optimizer.
        epochs: How often each sample would be seen.
        trained_weights: Numbers that would be learnt.
        memory_gb: Peak of a process, on the device that computes.
        cache_gb: Disk that latents would take.
        hours: Of the steps, and of encoding what is encoded once.
        device: Where.
    """

    rows: int
    skipped: Mapping[str, int] = field(default_factory=dict)
    steps: int
    epochs: float
    trained_weights: int
    memory_gb: float
    cache_gb: float
    hours: float
    device: str


def plan(config: TrainConfig) -> Plan:
    """Try a step and say what all would take.

    Raises:
        TrainerError: What `train` would raise before its first step.
    """
    config = resolved(config)
    with tempfile.TemporaryDirectory() as folder:
        trial = replace(config, out=Path(folder))
        skipped: Mapping[str, int] = {}
        cache_bytes = encoding = 0.0
        if isinstance(trial, InstructPix2PixConfig):
            from trainer.tasks.instruct_pix2pix import InstructPix2PixTask

            pairs = read_pairs(config.data)
            began = time.perf_counter()
            few = InstructPix2PixTask(trial, pairs.head(config.batch_size))
            encoding = (time.perf_counter() - began) * len(pairs) / len(few.pairs)
            cache_bytes = sum(file.stat().st_size for file in Path(folder).rglob("*.npy"))
            cache_bytes *= len(pairs) / len(few.pairs)
            task: Task = few
            rows, skipped = len(pairs), pairs.skipped
        else:
            task = make_task(trial)
            rows = task.num_samples
        device = process_state(config).device
        seconds, peak = _trial(config, task, device)
    weights = sum(p.numel() for p in task.model.parameters() if p.requires_grad)
    seen = config.batch_size * config.gradient_accumulation_steps * PartialState().num_processes
    return Plan(
        rows=rows,
        skipped=skipped,
        steps=config.steps,
        epochs=config.steps * seen / rows,
        trained_weights=weights,
        memory_gb=(peak + STATE_BYTES * weights) / 1e9,
        cache_gb=cache_bytes / 1e9,
        hours=(config.steps * config.gradient_accumulation_steps * seconds + encoding) / 3600,
        device=device.type,
    )


def _trial(config: TrainConfig, task: Task, device: torch.device) -> tuple[float, int]:
    """Return the seconds of the second of two passes there and back, and the peak of memory in bytes."""
    task.to(device)
    task.model.to(device)
    seconds = 0.0
    for _ in range(2):  # the first one warms up
        began = time.perf_counter()
        indices = np.arange(config.batch_size) % task.num_samples
        with autocast(config, device):
            loss = task.loss(task.model, task.batch(indices, range(config.batch_size)))
        loss.backward()
        seconds = (
            time.perf_counter() - began if torch.isfinite(loss) else float("nan")
        )  # waits for the device
    if device.type == "cuda":
        return seconds, torch.cuda.max_memory_allocated(device)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return seconds, peak if sys.platform == "darwin" else peak * 1024
