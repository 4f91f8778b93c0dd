"""The arithmetic that a network is computed in on the CPU: chosen by measurement, once a machine.

What a processor says of itself is not enough: bfloat16 is several times as fast as float32 where it is
native, hundreds of times slower where it is emulated, and a library may have a slow case on the best of
processors. So a 3×3 convolution and a linear layer of the network's width are timed, in float32 and in
bfloat16, with the channels first and last.

Laws: float32 is kept unless another format is clearly faster; what was measured once is read again, so a
machine goes on choosing as it chose; what is emulated is found out on a small operation, so that finding out
costs less than a second.
"""

import json
import platform
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

import torch
from torch.nn.functional import conv2d, linear

from editors.files import cache_folder, replacing
from editors.model.dtypes import DTYPE_NAMES

DTYPES: Final[dict[str, torch.dtype]] = {name: getattr(torch, name) for name in DTYPE_NAMES}
CLEARLY: Final = 1.2
"""Gain in speed from which rounding to fewer digits is worth it."""
EMULATED: Final = 4.0
"""Times as long as float32 takes, from which a format is taken to be emulated."""
_LAID_OUT_ANEW = 1.05
"""Gain from which weights are laid out with their channels last."""
_SIDE = 64
"""Places on a side that the timed operations work on, at most: those of Stable Diffusion at 512 pixels."""
_SMALL = 4
"""Part of the width and the side at which it is looked whether a format is emulated."""
_ROUNDS = 3


@dataclass(frozen=True, slots=True)
class Arithmetic:
    """What a network is computed in.

    Attributes:
        dtype: Number format of the weights.
        channels_last: Whether weights and latents are laid out with their channels last.
        gain: Speed of the timed operations, as a multiple of float32's with the channels first.
    """

    dtype: torch.dtype = torch.float32
    channels_last: bool = False
    gain: float = 1.0

    @classmethod
    def best(cls, seconds: "Seconds") -> Self:
        """Return the fastest, with float32 and channels first where nothing else clearly is."""
        plain = seconds["float32", False]
        choices = [
            (took * (CLEARLY if name != "float32" else 1) * (_LAID_OUT_ANEW if last else 1), name, last)
            for (name, last), took in seconds.items()
        ]
        _, name, last = min(choices)
        return cls(DTYPES[name], last, plain / seconds[name, last])

    def laid_out(self, module: torch.nn.Module) -> None:
        """Lay out a module's weights."""
        if self.channels_last:
            module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]


Seconds = dict[tuple[str, bool], float]
"""(number format, whether the channels are last) -> seconds of the timed operations."""


def fastest_on_cpu(channels: int, side: int, *, folder: Path | None = None) -> Arithmetic:
    """Return the arithmetic that is fastest for networks of a width, measured or as it was measured before.

    Args:
        channels: Of the network's widest places.
        side: Places on a side there.
        folder: Where it is written down; None takes the cache folder.
    """
    side = min(side, _SIDE)
    place = (folder or cache_folder()) / "arithmetic.json"
    key = f"{processor()}, torch {torch.__version__}, {torch.get_num_threads()} threads, {channels}×{side}²"
    known = _read(place)
    seconds = known.get(key)
    if seconds is None:
        seconds = measured(channels, side)
        with suppress(OSError):  # a machine that keeps nothing measures again
            _write(place, {**known, key: seconds})
    return Arithmetic.best(seconds)


def measured(channels: int, side: int) -> Seconds:
    """Time a convolution and a linear layer of a width in each format that is not emulated."""
    names = ["float32", *(["bfloat16"] if slowness("bfloat16") < EMULATED else [])]
    return {
        (name, last): _time(DTYPES[name], channels, side, last=last)
        for name in names
        for last in (False, True)
    }


def slowness(name: str) -> float:
    """Return how many times as long as in float32 small operations take in a format, on the CPU."""
    channels, side = 320 // _SMALL, _SIDE // _SMALL
    return _time(DTYPES[name], channels, side) / _time(torch.float32, channels, side)


def _time(dtype: torch.dtype, channels: int, side: int, *, last: bool = False) -> float:
    """Return the least seconds of a convolution 3×3 and a linear layer to four times the width."""
    form = torch.channels_last if last else torch.contiguous_format
    picture = torch.ones(1, channels, side, side, dtype=dtype).to(memory_format=form)
    kernel = torch.full((channels, channels, 3, 3), 1e-3, dtype=dtype).to(memory_format=form)
    tokens = torch.ones(side * side, channels, dtype=dtype)
    weight = torch.full((4 * channels, channels), 1e-3, dtype=dtype)
    with torch.no_grad():
        return _least(lambda: conv2d(picture, kernel, padding=1)) + _least(lambda: linear(tokens, weight))


def _least(work: Callable[[], object]) -> float:
    work()  # kernels are chosen at the first call
    taken = []
    for _ in range(_ROUNDS):
        began = time.perf_counter()
        work()
        taken.append(time.perf_counter() - began)
    return min(taken)


def processor() -> str:
    """Return the processor's name, as the system tells it."""
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith(("model name", "Model")):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _read(place: Path) -> dict[str, Seconds]:
    """Return what was measured before; nothing where that cannot be read."""
    try:
        return {
            str(key): {(name, bool(last)): float(took) for name, last, took in rows}
            for key, rows in json.loads(place.read_text(encoding="utf-8")).items()
        }
    except (OSError, ValueError, TypeError, AttributeError):
        return {}


def _write(place: Path, known: dict[str, Seconds]) -> None:
    rows = {key: [[*form, took] for form, took in seconds.items()] for key, seconds in known.items()}
    place.parent.mkdir(parents=True, exist_ok=True)
    with replacing(place) as file:
        file.write(json.dumps(rows, indent=1).encode())
