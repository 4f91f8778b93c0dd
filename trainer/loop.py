"""The one training loop: a generator of `TrainStep`, resumable to the same bytes.

The step itself is the usual one (forward, backward, clip, AdamW, average); what is unusual is that nothing
in it remembers: the samples, noise and dropout of a step are functions of the seed and the step
(`trainer.draws`), the learning rate is a function of the step, and all else is in the checkpoint.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from accelerate import Accelerator, PartialState
from PIL import Image
from torch import Tensor, nn

from dataset_builder.storage import write_json
from trainer import checkpoint
from trainer.config import TrainConfig, read_config
from trainer.draws import Schedule
from trainer.ema import Average
from trainer.errors import ConfigChanged, CorruptRun, TrainingDiverged


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainStep:
    """Where a run is.

    Attributes:
        step: Optimizer steps done.
        steps: In all.
        loss: Mean since the last record.
        learning_rate: Of this step.
        images_per_second: Since the last record, over all processes.
        seconds_left: At that rate.
    """

    step: int
    steps: int
    loss: float
    learning_rate: float
    images_per_second: float
    seconds_left: float


class Task(Protocol):
    """What the loop does not know: the model, its data and its loss."""

    model: nn.Module
    num_samples: int
    fingerprint: dict[str, str]
    """Hashes of the data and of all frozen models: what a run must not change between its sessions."""

    def to(self, device: torch.device) -> None:
        """Move the frozen models and what else `loss` needs."""

    def loss(self, model: nn.Module, indices: Any, positions: range) -> Tensor:
        """Return the mean loss over some samples; `model` is `self.model` as the accelerator wrapped it."""

    def sample_grid(self) -> Image.Image:
        """Draw pictures that show what the model can do by now; the same ones each time."""

    def export(self, folder: Path, card: dict[str, Any]) -> None:
        """Write the model as others load it, with a card."""


def train(config: TrainConfig) -> Generator[TrainStep, None, Path]:
    """Start a run, or continue the one of the same configuration in `config.out`.

    Yields:
        A record every `config.log_every` steps, in the first process of several.

    Returns:
        The folder of the exported model.

    Raises:
        TrainerError: See `trainer.errors`.
    """
    model_folder = config.out / "model"
    # The first process reads and encodes the data; the others then find it in the cache.
    with PartialState(cpu=config.device == "cpu").main_process_first():
        _claim(config)
        if (config.out / "done.json").exists():
            return model_folder
        task = _task(config)
        _check_fingerprint(config, task)
    yield from _Run(config, task).steps()
    return model_folder


def resume(run: Path | str) -> Generator[TrainStep, None, Path]:
    """Continue the run in a folder, with the configuration written there."""
    return (yield from train(read_config(Path(run))))


class _Run:
    """A run in progress: the pieces that a step touches."""

    def __init__(self, config: TrainConfig, task: Task) -> None:
        self.config, self.task = config, task
        self.accelerator = Accelerator(cpu=config.device == "cpu", mixed_precision=config.mixed_precision)
        task.to(self.accelerator.device)
        self.optimizer: Any = torch.optim.AdamW(
            [parameter for parameter in task.model.parameters() if parameter.requires_grad],
            lr=config.learning_rate,
            betas=(0.9, config.adam_beta2),
            weight_decay=config.weight_decay,
            fused=self.accelerator.device.type in ("cpu", "cuda"),
        )
        self.schedule = Schedule(config.seed, task.num_samples)
        self.seconds, self.done, self.log_bytes = 0.0, 0, 0
        state = checkpoint.newest(config.out)
        if state is not None:
            task.model.load_state_dict(state.weights)
        self.model, self.optimizer = self.accelerator.prepare(task.model, self.optimizer)
        self.average = Average(task.model, config.ema_decay)
        if state is not None:
            self._restore(state)

    def _restore(self, state: checkpoint.State) -> None:
        device = self.accelerator.device
        self.average.shadow = {name: state.average[name].to(device) for name in self.average.shadow}
        self.optimizer.load_state_dict(state.optimizer)
        self.done, self.seconds = state.step, state.extra["seconds"]
        self.log_bytes = state.extra["log_bytes"]

    def steps(self) -> Generator[TrainStep, None, None]:
        config = self.config
        log = config.out / "log.jsonl"
        main = self.accelerator.is_main_process
        if main:
            log.touch()
            with log.open(
                "r+b"
            ) as file:  # what a killed session logged after its last checkpoint is drawn again
                file.truncate(self.log_bytes)
        losses: list[Tensor] = []
        since = started = time.perf_counter()
        while self.done < config.steps:
            rate = learning_rate(config, self.done)
            losses.append(self._step(rate))
            self.done += 1
            if self.done % config.log_every == 0 or self.done == config.steps:
                now = time.perf_counter()
                record = self._record(losses, rate, now - since)
                if main:
                    line = {"step": record.step, "loss": record.loss, "learning_rate": record.learning_rate}
                    with log.open("a") as file:
                        file.write(json.dumps(line) + "\n")
                losses, since = [], now
                if main:
                    yield record
            if main and (self.done % config.sample_every == 0 or self.done == config.steps):
                self._sample()
                since = time.perf_counter()
            if self.done % config.checkpoint_every == 0 or self.done == config.steps:
                self.seconds += time.perf_counter() - started
                started = time.perf_counter()
                if main:
                    self._save(log)
        if main:
            self._finish()
        self.accelerator.wait_for_everyone()

    def _step(self, rate: float) -> Tensor:
        config = self.config
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        total = torch.zeros((), device=self.accelerator.device)
        for micro in range(config.gradient_accumulation_steps):
            positions = self._positions(micro)
            with self.accelerator.autocast():
                loss = self.task.loss(self.model, self.schedule.indices(positions), positions)
            self.accelerator.backward(loss / config.gradient_accumulation_steps)
            total += loss.detach() / config.gradient_accumulation_steps
        self.accelerator.clip_grad_norm_(self.model.parameters(), config.max_grad_norm)
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.average.update(self.task.model, self.done + 1)
        return total

    def _positions(self, micro: int) -> range:
        """Return the positions of this process's rows in one forward pass of the step."""
        rows, world = self.config.batch_size, self.accelerator.num_processes
        passed = (self.done * self.config.gradient_accumulation_steps + micro) * world
        start = (passed + self.accelerator.process_index) * rows
        return range(start, start + rows)

    def _record(self, losses: list[Tensor], rate: float, seconds: float) -> TrainStep:
        config = self.config
        loss = float(self.accelerator.gather(torch.stack(losses).mean().reshape(1)).mean())
        if not math.isfinite(loss):
            raise TrainingDiverged(
                f"the loss is {loss} within steps {self.done - len(losses) + 1} to {self.done}; start again "
                "with a lower learning_rate."
            )
        images = (
            len(losses)
            * config.batch_size
            * config.gradient_accumulation_steps
            * self.accelerator.num_processes
        )
        return TrainStep(
            step=self.done,
            steps=config.steps,
            loss=loss,
            learning_rate=rate,
            images_per_second=images / seconds,
            seconds_left=(config.steps - self.done) * seconds / len(losses),
        )

    def _sample(self) -> None:
        folder = self.config.out / "samples"
        folder.mkdir(exist_ok=True)
        with self.average.applied(self.task.model), torch.no_grad():
            self.task.sample_grid().save(folder / f"step-{self.done:08d}.png")

    def _save(self, log: Path) -> None:
        state = checkpoint.State(
            step=self.done,
            weights=self.task.model.state_dict(),
            average=self.average.shadow,
            optimizer=self.optimizer.state_dict(),
            extra={"seconds": self.seconds, "log_bytes": log.stat().st_size},
        )
        checkpoint.save(self.config.out, state, keep=self.config.keep_checkpoints)

    def _finish(self) -> None:
        card = {
            "config": self.config.to_dict(),
            "fingerprint": self.task.fingerprint,
            "seconds": round(self.seconds),
            "samples": self.done
            * self.config.batch_size
            * self.config.gradient_accumulation_steps
            * self.accelerator.num_processes,
        }
        with self.average.applied(self.task.model), torch.no_grad():
            self.task.export(self.config.out / "model", card)
        write_json(self.config.out / "done.json", card)


def learning_rate(config: TrainConfig, step: int) -> float:
    """Return the rate of a step (from 0): a linear rise, then the schedule's fall to 0 at `config.steps`."""
    if step < config.lr_warmup_steps:
        return config.learning_rate * (step + 1) / config.lr_warmup_steps
    rest = max(1, config.steps - config.lr_warmup_steps)
    progress = (step - config.lr_warmup_steps) / rest
    falls = {"constant": 1.0, "linear": 1 - progress, "cosine": (1 + math.cos(math.pi * progress)) / 2}
    return config.learning_rate * falls[config.lr_schedule]


def _task(config: TrainConfig) -> Task:
    """Make the task of a configuration: imported here because each module brings its models along."""
    import importlib

    task: Task = importlib.import_module(f"trainer.{config.task.replace('-', '_')}").make_task(config)
    return task


def _claim(config: TrainConfig) -> None:
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
    if changed:
        raise ConfigChanged(
            f"out: {config.out} holds a run with other settings: {', '.join(changed)}; choose a new "
            "folder or the old settings."
        )


def _check_fingerprint(config: TrainConfig, task: Task) -> None:
    """Refuse to continue on other data or other frozen models.

    Raises:
        ConfigChanged: A hash differs from the one the run began with.
    """
    path = config.out / "fingerprint.json"
    if not path.exists():
        write_json(path, task.fingerprint)
        return
    old = json.loads(path.read_text())
    changed = [
        f"{name} ({str(old.get(name))[:12]} → {value[:12]})"
        for name, value in task.fingerprint.items()
        if old.get(name) != value
    ]
    if changed:
        raise ConfigChanged(
            f"out: {config.out} began with other inputs: {', '.join(changed)}; give the old ones "
            "or choose a new folder."
        )
