#!/usr/bin/env python
"""What matrices in eight bits cost and lose: a linear layer as it is, and one held so, in the same run.

    scripts/measure_int8.py               # a few seconds

Rounds alternate between the two, and the median counts.
"""

import statistics
import time
from typing import Final

import torch

from editors.model.int8 import hold_in_int8

WIDTH: Final = 3072
"""Of FLUX's transformers."""
ROUNDS: Final = 5


def seconds(layer: torch.nn.Module, given: torch.Tensor) -> float:
    """Return how long a call takes."""
    began = time.perf_counter()
    layer(given)
    return time.perf_counter() - began


@torch.no_grad()
def main() -> None:
    """Print times, their ratio, and how far the output is off."""
    torch.manual_seed(0)
    plain, held = torch.nn.Linear(WIDTH, WIDTH), torch.nn.Linear(WIDTH, WIDTH)
    held.load_state_dict(plain.state_dict())
    hold_in_int8(held)
    for num_tokens in (16, 256, 1024, 4096):
        given = torch.randn(num_tokens, WIDTH)
        exact, found = plain(given), held(given)  # the first calls warm up
        rounds = [(seconds(plain, given), seconds(held, given)) for _ in range(ROUNDS)]
        whole, eight = map(statistics.median, zip(*rounds, strict=True))
        off = float((found - exact).norm() / exact.norm())
        print(
            f"{num_tokens:5} tokens: {1000 * whole:6.1f} ms in float32, {1000 * eight:6.1f} ms in int8, "
            f"{eight / whole:.2f} times, output off by {100 * off:.2f} %"
        )


if __name__ == "__main__":
    main()
