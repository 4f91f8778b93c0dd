"""Helpers that run an edit to its end, and say in a sentence what failed.

Law: an edit that cannot be finished ends as `EditFailed`, with a remedy; a bug keeps its traceback.
"""

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import torch
from torch import Tensor

from editors.errors import EditFailed

ResultT = TypeVar("ResultT")

_ALLOCATORS = ("DefaultCPUAllocator", "not enough memory", "could not create a memory object")
"""Words in which torch, on any system, and oneDNN say so: theirs is a plain RuntimeError."""


def run_to_end(steps: Generator[Any, None, ResultT]) -> ResultT:
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
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        if isinstance(error, torch.OutOfMemoryError):
            sentence = "The device ran out of memory; choose a smaller picture, or device cpu."
        else:
            sentence = "The computer ran out of memory; choose a smaller picture or resolution."
        raise EditFailed(sentence) from None


def is_out_of_memory(error: BaseException) -> bool:
    """Say whether an error of torch, oneDNN, numpy or Python is that memory ran out, of any device."""
    known = isinstance(error, torch.OutOfMemoryError | MemoryError)
    return known or (isinstance(error, RuntimeError) and any(words in str(error) for words in _ALLOCATORS))


def require_finite(*tensors: Tensor) -> None:
    """Require numbers that can be a picture.

    Raises:
        EditFailed: Some are infinite or NaN.
    """
    if not all(bool(torch.isfinite(tensor).all()) for tensor in tensors):
        raise EditFailed(
            "The model gave numbers that are no picture; lower guidance_scale, or load it in float32."
        )
