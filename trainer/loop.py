"""The one training loop: a generator of `TrainStep`, resumable to the same bytes.

The step itself is the usual one (forward, backward, clip, AdamW, average); what is unusual is that nothing
in it remembers: the samples, noise and dropout of a step are functions of the seed and the step
(`trainer.data.draws`), the learning rate is a function of the step, and all else is in the checkpoint.
"""

from __future__ import annotations

import json
import time
from collections.abc import Generator, Iterator
from contextlib import closing, nullcontext
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from torch import Tensor

from dataset_builder.shards.storage import locked, make_folder, write_atomically, write_json, writing
from editors.running import is_out_of_memory
from trainer.config import TrainConfig, read_config
from trainer.config_base import ValidatedConfig
from trainer.data import draws
from trainer.data.ahead import made_ahead
from trainer.data.draws import Schedule
from trainer.errors import OutOfMemory, TrainingDiverged
from trainer.runs import checkpoint
from trainer.runs.arithmetic import autocast, compiled, resolved
from trainer.runs.curve import Curve
from trainer.runs.ema import EMA
from trainer.runs.folder import (
    check_fingerprint,
    claim,
    finished,
    remove_abandoned,
    require_spellable,
    safely,
    size_of,
)
from trainer.runs.launch import process_state
from trainer.runs.rate import learning_rate
from trainer.runs.stopping import StopSignal
from trainer.tasks.task import Grouped, Task, Validated, make_task


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainStep:
    """The state of a run after a step.

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


def train(config: TrainConfig) -> Generator[TrainStep, None, Path]:
    """Start a run, or continue the one of the same configuration in `config.out`.

    Yields:
        A record every `config.log_every` steps, in the first process of several.

    Returns:
        The folder of the exported model. A run that was told to stop (SIGTERM) has saved a checkpoint and
        exported nothing: `finished` tells. So has one whose `stop_after` is over.

    Raises:
        TrainerError: See `trainer.errors`.
        StorageFailed: The run folder cannot be written to, or its disk is full; the last checkpoint is safe.
        FolderBusy: Another run writes to it.
    """
    began = time.monotonic()
    config = resolved(config)
    require_spellable(config.out)
    model_folder = config.out / "model"
    # The first process reads and encodes the data; the others then find it in the cache.
    state = process_state(config)
    with locked(config.out) if state.is_main_process else nullcontext():
        if state.is_main_process:
            remove_abandoned(config.out)
        with state.main_process_first():
            claim(config)
            if finished(config.out):
                return model_folder
            task = make_task(config)
            check_fingerprint(config, task.fingerprint | {"draws": draws.LAW})
        deadline = None if config.stop_after is None else began + 60 * config.stop_after
        with StopSignal(deadline) as stop:
            yield from _Run(config, task).steps(stop)
    return model_folder


def resume(run: Path | str) -> Generator[TrainStep, None, Path]:
    """Continue the run in a folder, with the configuration written there."""
    return (yield from train(read_config(Path(run))))


class _Run:
    """A run in progress: the pieces that a step touches."""

    def __init__(self, config: TrainConfig, task: Task) -> None:
        self.config, self.task = config, task
        self.accelerator = Accelerator(
            cpu=config.device == "cpu",
            # Only fp16 needs its help, a scaler; and what it is told holds for all runs of a process.
            mixed_precision="fp16" if config.mixed_precision == "fp16" else "no",
            log_with=None if config.tracker == "none" else config.tracker,
            project_dir=config.out,
        )
        if config.tracker != "none":
            self.accelerator.init_trackers("curves")
        task.to(self.accelerator.device)
        self.optimizer: Any = torch.optim.AdamW(
            [parameter for parameter in task.model.parameters() if parameter.requires_grad],
            lr=config.learning_rate,
            betas=(0.9, config.adam_beta2),
            weight_decay=config.weight_decay,
            fused=self.accelerator.device.type in ("cpu", "cuda"),
        )
        groups = task.groups if isinstance(task, Grouped) else None
        self.schedule = Schedule(config.seed, task.num_samples, groups, config.batch_size)
        self.seconds, self.done, self.log_bytes = 0.0, 0, 0
        self.losses: list[Tensor] = []  # of the steps since the last line of the log
        state = checkpoint.newest(config.out)
        if state is not None:
            task.model.load_state_dict(state.weights)
        self.model, self.optimizer = self.accelerator.prepare(task.model, self.optimizer)
        if config.compile:
            self.model = compiled(self.model)
        self.validation = Curve(config.out) if isinstance(task, Validated) and task.held_out else None
        if self.validation is not None and self.accelerator.is_main_process:
            self.validation.forget_after(0 if state is None else state.step)
        self.ema = EMA(task.model, config.ema_decay)
        if state is not None:
            self._restore(state)

    def _restore(self, state: checkpoint.State) -> None:
        device = self.accelerator.device
        self.ema.shadow = {name: state.average[name].to(device) for name in self.ema.shadow}
        self.optimizer.load_state_dict(state.optimizer)
        self.done, self.seconds = state.step, state.extra["seconds"]
        self.log_bytes = state.extra["log_bytes"]
        pending = torch.tensor(state.extra.get("losses", []), device=device)  # (processes, steps)
        if len(pending) == self.accelerator.num_processes:
            self.losses = list(pending[self.accelerator.process_index])

    def steps(self, stop: StopSignal) -> Generator[TrainStep, None, None]:
        log = self.config.out / "log.jsonl"
        if self.accelerator.is_main_process:
            with writing(log):
                log.touch()
                with log.open("r+b") as file:  # what was logged after the last checkpoint is drawn again
                    file.truncate(self.log_bytes)
        with closing(self._batches()) as batches:
            yield from self._steps(batches, stop, log)
        self.accelerator.wait_for_everyone()
        for tracker in self.accelerator.trackers:
            tracker.finish()

    def _steps(self, batches: Iterator[Any], stop: StopSignal, log: Path) -> Generator[TrainStep, None, None]:
        config, saved = self.config, self.done
        main = self.accelerator.is_main_process
        since = started = time.perf_counter()
        while self.done < config.steps and not stop.asked(self.accelerator):
            rate = learning_rate(config, self.done)
            try:
                self.losses.append(self._step(rate, batches))
            except (MemoryError, RuntimeError) as error:
                if not is_out_of_memory(error):
                    raise
                raise OutOfMemory(
                    f"memory ran out in step {self.done + 1}; start again with smaller pictures or a smaller "
                    "batch_size, with more gradient_accumulation_steps for as many samples a step."
                ) from None
            self.done += 1
            if self.done % config.log_every == 0 or self.done == config.steps:
                now = time.perf_counter()
                record = self._record(rate, now - since)
                if main:
                    line = {"step": record.step, "loss": record.loss, "learning_rate": record.learning_rate}
                    with writing(log), log.open("a") as file:
                        file.write(json.dumps(line) + "\n")
                    self.accelerator.log({k: v for k, v in line.items() if k != "step"}, step=self.done)
                self.losses, since = [], now
                if main:
                    yield record
            if main and (self.done % config.sample_every == 0 or self.done == config.steps):
                self._sample()
                since = time.perf_counter()
            if main and self._is_to_validate():
                self._validate()
                since = time.perf_counter()
            if self.done % config.checkpoint_every == 0 or self.done == config.steps:
                self.seconds += time.perf_counter() - started
                started = time.perf_counter()
                self._save(log)
                saved = self.done
        if self.done == config.steps:
            if main:
                self._finish()
        elif saved != self.done:
            self.seconds += time.perf_counter() - started
            self._save(log)

    def _batches(self) -> Generator[Any, None, None]:
        """Yield what each forward pass from here to the end takes of the data, made ahead of it."""
        accumulated = self.config.gradient_accumulation_steps

        def make(passed: int) -> Any:
            positions = self._positions(passed)
            return self.task.batch(self.schedule.indices(positions), positions)

        return made_ahead(make, range(self.done * accumulated, self.config.steps * accumulated))

    def _step(self, rate: float, batches: Iterator[Any]) -> Tensor:
        config = self.config
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        total = torch.zeros((), device=self.accelerator.device)
        for batch in islice(batches, config.gradient_accumulation_steps):
            with autocast(config, self.accelerator.device):
                loss = self.task.loss(self.model, batch)
            self.accelerator.backward(loss / config.gradient_accumulation_steps)
            total += loss.detach() / config.gradient_accumulation_steps
        self.accelerator.clip_grad_norm_(self.model.parameters(), config.max_grad_norm)
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.ema.update(self.task.model, self.done + 1)
        return total

    def _positions(self, passed: int) -> range:
        """Return the positions of this process's rows in a forward pass, after so many others of the run."""
        rows, world = self.config.batch_size, self.accelerator.num_processes
        start = (passed * world + self.accelerator.process_index) * rows
        return range(start, start + rows)

    def _gathered(self) -> Tensor:
        """Return the losses since the last line of the log, (processes, steps), when all are numbers.

        Raises:
            TrainingDiverged: One is not; which samples it was of follows from the seed.
        """
        processes = self.accelerator.num_processes
        own = torch.stack(self.losses) if self.losses else torch.zeros(0, device=self.accelerator.device)
        losses = self.accelerator.gather(own).reshape(processes, -1)
        broken = (~losses.isfinite().all(0)).nonzero()
        if len(broken):
            step = self.done - losses.shape[1] + int(broken[0])
            rows = processes * self.config.batch_size * self.config.gradient_accumulation_steps
            samples = self.schedule.indices(range(step * rows, (step + 1) * rows)).tolist()
            named = ", ".join(map(str, samples[:64])) + (", …" if len(samples) > 64 else "")
            raise TrainingDiverged(
                f"the loss of step {step + 1} is no finite number, on samples {named}; look at these, or "
                "start again with a lower learning_rate (the last checkpoint is from before)."
            )
        return losses

    def _record(self, rate: float, seconds: float) -> TrainStep:
        config, losses = self.config, self.losses
        loss = float(self._gathered().mean(1).mean())
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
        make_folder(folder)
        with self.ema.applied(self.task.model), torch.no_grad():
            grid = self.task.sample_grid()
        write_atomically(folder / f"step-{self.done:08d}.png", grid.to_png())

    def _is_to_validate(self) -> bool:
        if self.validation is None or not isinstance(self.config, ValidatedConfig):
            return False
        return self.done % self.config.validate_every == 0 or self.done == self.config.steps

    def _validate(self) -> None:
        assert self.validation is not None and isinstance(self.task, Validated) and self.task.held_out
        with self.ema.applied(self.task.model), torch.no_grad():
            self.validation.add(self.done, self.task.held_out.measure())

    def _save(self, log: Path) -> None:
        losses = self._gathered().tolist()
        if not self.accelerator.is_main_process:
            return
        state = checkpoint.State(
            step=self.done,
            weights=self.task.model.state_dict(),
            average=self.ema.shadow,
            optimizer=self.optimizer.state_dict(),
            extra={"seconds": self.seconds, "log_bytes": log.stat().st_size, "losses": losses},
        )
        # Weights, their average, and the optimizer's two moments.
        with safely(self.config.out, f"the checkpoint ({size_of(self.ema.shadow, 4)})", self.done):
            checkpoint.save(self.config.out, state, keep=self.config.keep_checkpoints)

    def _finish(self) -> None:
        card = {
            "config": self.config.card(),
            "fingerprint": self.task.fingerprint,
            "seconds": round(self.seconds),
            "samples": self.done
            * self.config.batch_size
            * self.config.gradient_accumulation_steps
            * self.accelerator.num_processes,
        }
        with (
            self.ema.applied(self.task.model),
            torch.no_grad(),
            safely(self.config.out, f"the trained model (over {size_of(self.ema.shadow)})", self.done),
        ):
            self.task.export(self.config.out / "model", card)
        write_json(self.config.out / "done.json", card)
