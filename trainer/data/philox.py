"""Philox4x64-10: random numbers as a function of a key and a counter, with no state to carry along.

Reference: John K. Salmon, Mark A. Moraes, Ron O. Dror, David E. Shaw, "Parallel Random Numbers: As Easy as
1, 2, 3" (SC 2011), §4.3 and Table 2; the constants are theirs.

Law: whole numbers all the way, so every device gives the same bits for the same key and counter. On the CPU
numpy computes them, in C; elsewhere tensors do, in as many calls for one counter as for a million.
"""

from __future__ import annotations

from typing import Final, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

ROUNDS: Final = 10
_MULTIPLIERS: Final = (0xD2E7470EE14C6C93, 0xCA5A826395121157)
_WEYL: Final = (0x9E3779B97F4A7C15, 0xBB67AE8584CAA73B)
"""What the key grows by in each round: the golden ratio, and √3 − 1."""
_LOW: Final = 0xFFFFFFFF

Key: TypeAlias = tuple[int, int]
"""Two numbers of 64 bits."""
Counter: TypeAlias = tuple[Tensor, Tensor, Tensor, Tensor]
"""Four numbers of 64 bits each, as int64 tensors of one shape."""


def philox(key: Key, counter: Counter) -> Tensor:
    """Return four numbers for each counter, on its device.

    Args:
        key: Equal for all.
        counter: (…) each; left as it is.

    Returns:
        (…, 4), 64 bits each, as int64.
    """
    # The rounds treat (c0, c2) alike, and (c1, c3): as one tensor each, (2, …), they take half as many calls.
    pairs = counter[0].dim() * (1,)
    multipliers, steps, keys = (
        torch.tensor([_signed(word) for word in words], device=counter[0].device).reshape(2, *pairs)
        for words in (_MULTIPLIERS, _WEYL, key)
    )
    even, odd = torch.stack(counter[::2]), torch.stack(counter[1::2])
    for _ in range(ROUNDS):
        high, low = _product(even, multipliers)
        even, odd = high.flip(0) ^ odd ^ keys, low.flip(0)
        keys = keys + steps
    return torch.stack((even[0], odd[0], even[1], odd[1]), dim=-1)


def philox_on_cpu(key: Key, first: int, rest: NDArray[np.uint64], blocks: int) -> NDArray[np.uint64]:
    """Return the numbers of counters (first, *row), (first + 1, *row), … of each row.

    Args:
        key: Equal for all.
        first: First number of the counters.
        rest: (B, 3), their other numbers.
        blocks: Counters a row.

    Returns:
        (B, 4 · blocks).
    """
    source = np.random.Philox(key=key[0] | key[1] << 64)
    state = source.state
    found = np.empty((len(rest), 4 * blocks), np.uint64)
    for row, numbers in enumerate(rest):
        # numpy counts before it computes.
        state["state"]["counter"] = np.array([first - 1, *numbers], np.uint64)
        source.state = state
        found[row] = source.random_raw(4 * blocks)
    return found


def _product(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """Return the high and low 64 bits of unsigned products of 64 by 64 bits.

    Int64 multiplies as if unsigned, and drops what is above 64 bits; the high half is put together from the
    products of halves, each of which fits. Read as signed, so what is shifted down is masked.
    """
    a0, a1, b0, b1 = a & _LOW, _high(a), b & _LOW, _high(b)
    p01, p10 = a0 * b1, a1 * b0
    middle = _high(a0 * b0) + (p01 & _LOW) + (p10 & _LOW)
    return a1 * b1 + _high(p01) + _high(p10) + (middle >> 32), a * b


def _high(numbers: Tensor) -> Tensor:
    """Return the upper half of numbers of 64 bits."""
    return (numbers >> 32) & _LOW


def _signed(word: int) -> int:
    """Return the int64 that has the lowest 64 bits of a number."""
    return (word + 2**63) % 2**64 - 2**63
