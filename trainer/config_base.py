"""The configuration that all training runs share; see `trainer.config`.

Law: everything that decides the trained bytes is a field, and is part of `TrainConfig.identity`; a field that
decides none bears a `Mark`.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from enum import Enum
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from types import NoneType
from typing import Annotated, Any, ClassVar, Final, Literal, Self, get_args, get_type_hints

from editors.checks import Checks
from editors.files import user_path
from editors.requests.rules import SEED
from trainer.errors import InvalidConfig

CHECKS: Final = Checks(InvalidConfig.of)


class Mark(Enum):
    """Why a field decides none of the trained bytes: a run may go on with another value."""

    PLACE = "where something lies; what lies there is part of the run by its hash"
    NEUTRAL = "how the run is watched or kept"


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainConfig:
    """Fields that all tasks share.

    Attributes:
        data: Folder of a finished dataset.
        out: The run folder: checkpoints, log, sample grids, and at the end the model.
        steps: Optimizer steps.
        batch_size: Pictures per process and forward pass.
        gradient_accumulation_steps: Forward passes per optimizer step.
        learning_rate: Peak rate of AdamW.
        lr_warmup_steps: Steps of linear rise from 0.
        lr_schedule: What follows the rise: `constant`, or `linear` or `cosine` fall to 0 at the last step.
        lr_decay_steps: Last steps of a constant schedule in which the rate falls to 0 after all. Until they
            begin, `steps` may be changed: nothing before depends on it.
        adam_beta2: Second moment's decay of AdamW.
        weight_decay: Of AdamW.
        max_grad_norm: Gradients are scaled down to this norm.
        ema_decay: Highest decay of the averaged weights, which are what is exported.
        mixed_precision: `no`, `bf16` or `fp16` autocast, or `auto`: bf16 where it is measured to
            be faster, and what the run began with where it goes on.
        compile: Let torch compile the model first: minutes once, then faster steps. Needs a C++ compiler.
        device: `cuda`, `mps` or `cpu`; `auto` takes the first of these that is there.
        seed: Of all draws.
        checkpoint_every: Steps between checkpoints.
        keep_checkpoints: How many checkpoints stay.
        sample_every: Steps between sample grids.
        stop_after: Minutes after which the run saves a checkpoint and leaves, to be gone on with later; it
            runs to its end where none are given.
        log_every: Steps between log lines; the loss of a line is their mean.
        tracker: Draws curves besides the log: `tensorboard`, which the extra `train` installs, or `none`.
    """

    task: ClassVar[str] = ""
    new_only: ClassVar[tuple[str, ...]] = ()
    """Fields that lay out a new model: none of them says anything about one that goes on by `init`."""

    data: Annotated[Path, Mark.PLACE]
    out: Annotated[Path, Mark.PLACE]
    steps: int = 10_000
    batch_size: int = 16
    gradient_accumulation_steps: int = 1
    learning_rate: float = 1e-4
    lr_warmup_steps: int = 100
    lr_schedule: Literal["constant", "linear", "cosine"] = "constant"
    lr_decay_steps: int = 0
    adam_beta2: float = 0.999
    weight_decay: float = 0.01
    max_grad_norm: float = 1.0
    ema_decay: float = 0.9999
    mixed_precision: Literal["auto", "no", "bf16", "fp16"] = "auto"
    compile: bool = False
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    seed: int = 0
    checkpoint_every: Annotated[int, Mark.NEUTRAL] = 500
    keep_checkpoints: Annotated[int, Mark.NEUTRAL] = 2
    sample_every: Annotated[int, Mark.NEUTRAL] = 1000
    log_every: int = 20
    stop_after: Annotated[float | None, Mark.NEUTRAL] = None
    tracker: Annotated[Literal["none", "tensorboard"], Mark.NEUTRAL] = "none"

    def __post_init__(self) -> None:
        self._require_kinds()
        self._paths("data", "out")
        for name in (
            "steps",
            "batch_size",
            "gradient_accumulation_steps",
            "checkpoint_every",
            "keep_checkpoints",
            "sample_every",
            "log_every",
        ):
            self._require_whole(name)
        self._require("lr_warmup_steps", self.lr_warmup_steps >= 0, "a whole number from 0")
        self._require(
            "lr_decay_steps",
            0 <= self.lr_decay_steps <= (self.steps - self.lr_warmup_steps if self.lr_decay_steps else 0),
            "a whole number from 0 to the steps after the warm-up",
        )
        self._require(
            "lr_decay_steps",
            self.lr_decay_steps == 0 or self.lr_schedule == "constant",
            f"0 with lr_schedule {self.lr_schedule}, which falls by itself",
        )
        self._require("learning_rate", 0 < self.learning_rate < 1, "a number above 0 and below 1")
        self._require("weight_decay", 0 <= self.weight_decay < 1, "a number from 0 and below 1")
        self._require("max_grad_norm", 0 < self.max_grad_norm < float("inf"), "a number above 0")
        for name in ("ema_decay", "adam_beta2"):
            self._require(name, 0 <= getattr(self, name) < 1, "a number from 0 and below 1")
        CHECKS.whole_number("seed", self.seed, *SEED)
        self._require(
            "stop_after",
            self.stop_after is None or 0 < self.stop_after < float("inf"),
            "a number of minutes above 0, or none",
        )
        self._choice("lr_schedule", "constant", "linear", "cosine")
        self._choice("mixed_precision", "auto", "no", "bf16", "fp16")
        self._choice("device", "auto", "cpu", "cuda", "mps")
        self._choice("tracker", "none", "tensorboard")
        if self.tracker == "tensorboard" and find_spec("tensorboard") is None:
            raise InvalidConfig(
                'tracker: tensorboard is not installed; pip install "wordbrush[train]", or take none.'
            )

    def _require(self, name: str, valid: bool, allowed: str) -> None:
        CHECKS.require(name, getattr(self, name), valid, allowed)

    def _require_whole(self, name: str) -> None:
        CHECKS.whole_number(name, getattr(self, name), 1)

    def _require_kinds(self) -> None:
        """Require whole numbers where they are meant, and numbers where those are: no 1.5 steps, no "1"."""
        hints = get_type_hints(type(self))
        for name in (field.name for field in fields(self)):
            kinds = get_args(hints[name]) or (hints[name],)
            value = getattr(self, name)
            for one in value if isinstance(value, tuple | list) else (value,):
                if (one is None and NoneType in kinds) or not {int, float}.intersection(kinds):
                    continue
                allowed, words = (int, "a whole number") if int in kinds else (int | float, "a number")
                self._require(name, isinstance(one, allowed) and not isinstance(one, bool), words)

    def _require_defaults(self, *names: str, because: str) -> None:
        """Refuse fields that something else decides: one that was set would be passed over in silence."""
        defaults = {field.name: field.default for field in fields(self)}
        for name in names:
            self._require(name, getattr(self, name) == defaults[name], f"none, {because}")

    def _paths(self, *names: str) -> None:
        """Turn fields that may be text into paths."""
        for name in names:
            value = getattr(self, name)
            object.__setattr__(self, name, None if value is None else user_path(value))

    def _choice(self, name: str, *choices: str) -> None:
        CHECKS.choice(name, getattr(self, name), choices)

    @classmethod
    @cache
    def marked(cls, *marks: Mark) -> frozenset[str]:
        """Return the fields that bear one of some marks."""
        hints = get_type_hints(cls, include_extras=True)
        return frozenset(
            field.name
            for field in fields(cls)
            if set(marks).intersection(getattr(hints[field.name], "__metadata__", ()))
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as plain JSON values, with the task's name."""
        idle = self.new_only if getattr(self, "init", None) is not None else ()
        values = {field.name: getattr(self, field.name) for field in fields(self) if field.name not in idle}
        return {"task": self.task} | {
            name: str(value)
            if isinstance(value, Path)
            else list(value)
            if isinstance(value, tuple)
            else value
            for name, value in values.items()
        }

    def identity(self) -> dict[str, Any]:
        """Return the fields that decide the trained bytes: not where they lie, nor how often is looked."""
        neutral = self.marked(*Mark)
        return {name: value for name, value in self.to_dict().items() if name not in neutral}

    def card(self) -> dict[str, Any]:
        """Return the fields as others may see them: without places, which tell of a user's folders."""
        return {name: value for name, value in self.to_dict().items() if not self._is_place(name)}

    def with_whole_paths(self) -> Self:
        """Return the configuration with its paths from the root on: they hold wherever it is read."""
        places = {name: getattr(self, name) for name in self.marked(Mark.PLACE) if self._is_place(name)}
        whole = {name: type(place)(user_path(place).absolute()) for name, place in places.items()}
        return replace(self, **whole)

    def _is_place(self, name: str) -> bool:
        """Say whether a field holds a path, rather than the name of a shipped or published model."""
        value: str | Path | None = getattr(self, name, None)
        if name not in self.marked(Mark.PLACE) or not value:
            return False
        return isinstance(value, Path) or user_path(value).exists()


@dataclass(frozen=True, kw_only=True, slots=True)
class ValidatedConfig(TrainConfig):
    """Fields of the tasks that look, while they train, at what they do not train on.

    Attributes:
        validation_data: Dataset like `data`, of other samples, to measure the averaged weights on. An
            autoencoder is told by how well pictures come back, a diffusion model by its loss; a base also by
            how often the judge, if it knows their world, sees what captions say, an edit model by how often
            it comes nearer to a target than doing nothing.
        validate_every: Steps between two measurements, which `validation.jsonl` and `validation.png` show.
    """

    validation_data: Annotated[Path | None, Mark.PLACE] = None
    validate_every: Annotated[int, Mark.NEUTRAL] = 1000

    def __post_init__(self) -> None:
        super(ValidatedConfig, self).__post_init__()
        self._paths("validation_data")
        self._require_whole("validate_every")
