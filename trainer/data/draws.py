"""Draws of a step: its samples and their random numbers, as pure functions of seed and position.

A position counts the samples a run has drawn: step, accumulation, process and row in one number. So the
draws of a step do not depend on how many processes share it, and a run that continues needs no generator's
state.

Law: equal (seed, position) give equal draws, everywhere and always; in each epoch every sample is seen once.
"""

from __future__ import annotations

import hashlib

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


class Schedule:
    """The order of samples: of one epoch after another, each a permutation of its own.

    Samples of one group (a size of pictures) come together in forward passes as far as their numbers allow:
    only what is left over of the groups at the end of an epoch shares one.
    """

    def __init__(
        self,
        seed: int,
        num_samples: int,
        groups: NDArray[np.int64] | None = None,
        batch_size: int = 1,
    ) -> None:
        """Begin at position 0.

        Args:
            seed: Of the run.
            num_samples: In the dataset.
            groups: (N,) group of each sample; None where they are all alike.
            batch_size: Rows of a forward pass, which should be of one group.
        """
        self.seed, self.num_samples, self.batch_size = seed, num_samples, batch_size
        self.groups = None if groups is None or len(np.unique(groups)) < 2 else groups
        self._orders: dict[int, NDArray[np.int64]] = {}

    def indices(self, positions: range) -> NDArray[np.int64]:
        """Return the dataset's indices at some positions, (B,)."""
        places = [divmod(position, self.num_samples) for position in positions]
        return np.array([self._order(epoch)[place] for epoch, place in places], np.int64)

    def _order(self, epoch: int) -> NDArray[np.int64]:
        if epoch not in self._orders:
            drawn = np.random.default_rng(_number(self.seed, "epoch", epoch))
            order = drawn.permutation(self.num_samples)
            if self.groups is not None:
                before = (
                    -epoch * self.num_samples % self.batch_size
                )  # rows of a pass that the last epoch began
                order = _together(order, self.groups, self.batch_size, before, drawn)
            self._orders = {old: self._orders[old] for old in list(self._orders)[-3:]} | {epoch: order}
        return self._orders[epoch]


def _together(
    order: NDArray[np.int64],
    groups: NDArray[np.int64],
    size: int,
    before: int,
    drawn: np.random.Generator,
) -> NDArray[np.int64]:
    """Rearrange an order into runs of `size` samples of one group, after `before` samples of any."""
    runs: list[NDArray[np.int64]] = []
    rest: list[NDArray[np.int64]] = []
    for group in np.unique(groups):
        members = order[groups[order] == group]
        whole = len(members) // size * size
        runs += np.split(members[:whole], whole // size) if whole else []
        rest.append(members[whole:])
    while runs and sum(map(len, rest)) < before:
        rest.append(runs.pop())
    left = np.concatenate(rest)
    runs = [runs[place] for place in drawn.permutation(len(runs))]
    return np.concatenate([left[:before], *runs, left[before:]])


def generators(seed: int, positions: range) -> list[torch.Generator]:
    """Return one generator for each sample's own draws, on the CPU."""
    return [torch.Generator().manual_seed(_number(seed, "sample", position)) for position in positions]


def normal(rows: list[torch.Generator], shape: tuple[int, ...]) -> Tensor:
    """Draw unit Gaussian noise, float32 (B, *shape)."""
    return torch.stack([torch.randn(shape, generator=row) for row in rows])


def uniform(rows: list[torch.Generator]) -> Tensor:
    """Draw numbers in [0, 1), float32 (B,)."""
    return torch.cat([torch.rand(1, generator=row) for row in rows])


def timesteps(rows: list[torch.Generator], num_train_timesteps: int) -> Tensor:
    """Draw timesteps uniformly, int64 (B,) in [0, num_train_timesteps)."""
    return torch.cat([torch.randint(num_train_timesteps, (1,), generator=row) for row in rows])


def _number(seed: int, purpose: str, count: int) -> int:
    """Return 63 well-mixed bits: neighbouring seeds and positions must not give related streams."""
    digest = hashlib.blake2b(f"{seed}/{purpose}/{count}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") >> 1
