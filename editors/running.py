"""What all editors share about carrying an edit out: run it to the end, and say in a sentence what failed.

Law: an edit that cannot be finished ends as `EditFailed`, with a remedy; a bug keeps its traceback.
"""

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import torch
from torch import Tensor

from .errors import EditFailed

ResultT = TypeVar("ResultT")

_NO_MEMORY = "The computer ran out of memory; choose a smaller picture or resolution."
_CPU_ALLOCATORS = ("DefaultCPUAllocator", "not enough memory", "could not create a memory object")
"""Words in which torch, on any system, and oneDNN say so: theirs is a plain RuntimeError."""


def drained(steps: Generator[Any, None, ResultT]) -> ResultT:
    """Run a generator to its end for its return value."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value


@contextmanager
def failures_explained() -> Iterator[None]:
    """Turn a device or a computer that ran out of memory into an `EditFailed`."""
    try:
        yield
    except torch.OutOfMemoryError:
        raise EditFailed("The device ran out of memory; choose a smaller picture, or device cpu.") from None
    except MemoryError:
        raise EditFailed(_NO_MEMORY) from None
    except RuntimeError as error:
        if not any(words in str(error) for words in _CPU_ALLOCATORS):
            raise
        raise EditFailed(_NO_MEMORY) from None


def require_finite(*tensors: Tensor) -> None:
    """Require numbers that can be a picture.

    Raises:
        EditFailed: Some are infinite or NaN.
    """
    if not all(bool(torch.isfinite(tensor).all()) for tensor in tensors):
        raise EditFailed(
            "The model gave numbers that are no picture; lower guidance_scale, or load it in float32."
        )
