"""The number of threads that a call of the network on a CPU is worth.

A call is a few hundred small operations, and after each the threads wait for each other. Whoever shares the
machine has them sleep meanwhile (`OMP_WAIT_POLICY=PASSIVE`, as the command does), and waking one takes longer
than an operation of a small model. Calls of *pocket*'s UNet at 8 × 8 latents, in ms, on two cores (AMD EPYC
with AVX-512), waiting asleep (median of 25 calls, mean of two series):

    rows         1    4    8   16   24
    1 thread    20   39   66  119  163
    2 threads   31   55   78  122  146

At 32 × 32 latents one row takes 123 and 110. Where the lines cross is `WORTH_WAKING`.

Where threads spin while they wait, as OpenMP has them do unless it is told otherwise, two always pay on an
idle machine (three rows at 16 × 16: 56 and 34 ms, asleep 57 and 67), and beside one that is busy never do
(57 and 99). Whoever has them spin wants all of them, and gets them.

Law: never more threads than the user has given torch, whose count is left as it was; on other devices, and
where waiting threads spin, nothing is done.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

WORTH_WAKING = 1e10
"""Multiplications of a call from which all threads pay."""
FEW = 2
"""Threads for smaller calls, and half of what there is at most: where there are more cores, two still pay."""


def threads_for(work: float, available: int) -> int:
    """Say how many threads to compute a call with.

    Args:
        work: Multiplications of the call.
        available: Threads that there are, from 1.

    Returns:
        From 1 to `available`.
    """
    return available if work >= WORTH_WAKING else max(1, min(FEW, available // 2))


@contextmanager
def threads_that_pay(network: torch.nn.Module, latents: Tensor) -> Iterator[None]:
    """Compute a call of a network with as many threads as it is worth, and leave torch's count as it was.

    Args:
        network: Each of its weights is taken to meet each place of the latents, as in its top level it does.
        latents: What it is called with, (B, C, h, w).
    """
    available = torch.get_num_threads()
    if latents.device.type != "cpu" or available == 1 or not _asleep_while_waiting():
        yield
        return
    places = latents.shape[0] * latents.shape[-2] * latents.shape[-1]
    weights = sum(weight.numel() for weight in network.parameters())
    torch.set_num_threads(threads_for(weights * places, available))
    try:
        yield
    finally:
        torch.set_num_threads(available)


def _asleep_while_waiting() -> bool:
    return os.environ.get("OMP_WAIT_POLICY", "").upper() == "PASSIVE"
