"""The arithmetic of a step: its type of numbers and its attention kernel.

Law: neither changes what is learnt from, nor what an exported file looks like; both are resolved before the
first step and written down, so that a run goes on as it began.
"""

from __future__ import annotations

import json
import warnings
from contextlib import suppress
from dataclasses import replace
from typing import Any, TypeVar

import torch
from diffusers.models.attention_processor import AttnProcessor, AttnProcessor2_0

from editors.model.arithmetic import fastest_on_cpu, slowness
from trainer.config import TrainConfig
from trainer.errors import InvalidConfig
from trainer.runs.folder import is_begun
from trainer.runs.launch import process_state

MAX_EXPLICIT_TOKENS = 256
"""On a CPU, up to as many places attention is faster written out than fused: the fused kernel's way back
works in tiles that so few do not fill. `scripts/benchmark_train.py` measures both."""

_USUAL = (320, 32)
"""Channels and places on a side that bf16 is measured at: of Stable Diffusion, 256 pixels."""

Config = TypeVar("Config", bound=TrainConfig)


def resolved(config: Config) -> Config:
    """Return the configuration with its `mixed_precision` decided: a run keeps the one it began with.

    Warns:
        UserWarning: bf16 was asked for where the processor has no arithmetic of its own for it.
    """
    device = process_state(config).device
    if config.mixed_precision == "auto":
        chosen: Any = "bf16" if computes_bf16(device) else "no"
        if is_begun(config.out):
            # One that cannot be read, `claim` refuses in words.
            with suppress(OSError, ValueError, KeyError, TypeError):
                chosen = json.loads((config.out / "config.json").read_text())["config"]["mixed_precision"]
        return replace(config, mixed_precision=chosen)
    if config.mixed_precision == "bf16" and not computes_bf16(device):
        speed = ""
        if device.type == "cpu":
            speed = f", and computes in it at {1 / slowness('bfloat16'):.2g} times the speed of float32"
        warnings.warn(
            f"mixed_precision: this {device.type} has no bf16 arithmetic that pays{speed}; take no or auto.",
            stacklevel=2,
        )
    return config


def autocast(config: TrainConfig, device: torch.device) -> Any:
    """Return the context that forward passes of a resolved configuration are computed in."""
    half = torch.float16 if config.mixed_precision == "fp16" else torch.bfloat16
    return torch.autocast(device.type, dtype=half, enabled=config.mixed_precision != "no")


def computes_bf16(device: torch.device) -> bool:
    """Say whether a device computes in bf16 itself, and faster, rather than turning it into float32 first."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return device.type == "cpu" and fastest_on_cpu(*_USUAL).dtype == torch.bfloat16


def attention_processor(device: torch.device, tokens: int) -> Any:
    """Return the faster of diffusers' two plain softmax attentions, for training.

    Args:
        device: Where the network computes.
        tokens: Places of the finest attention, h · w.
    """
    explicit = device.type == "cpu" and tokens <= MAX_EXPLICIT_TOKENS
    return AttnProcessor() if explicit else AttnProcessor2_0()


def compiled(model: Any) -> Any:
    """Return a model that torch compiles at its first call; it shares its weights with the one given.

    Raises:
        InvalidConfig: There is no C++ compiler, which torch needs for the CPU.
    """
    try:
        from torch._inductor.cpp_builder import get_cpp_compiler

        get_cpp_compiler()
    except Exception as error:
        raise InvalidConfig(
            "compile: torch finds no C++ compiler here; install g++ or clang, or leave compile out."
        ) from error
    return torch.compile(model)
