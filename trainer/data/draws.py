"""Draws of a step: its samples and their random numbers, as pure functions of seed and position.

A position counts the samples a run has drawn: step, accumulation, process and row in one number. So the
draws of a step do not depend on how many processes share it, and a run that continues needs no generator's
state.

Law: equal (seed, position) give equal draws, everywhere and always; in each epoch every sample is seen once.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from trainer.data.philox import philox, philox_on_cpu

LAW: Final = "philox4x64"
"""Says how the numbers of a run are drawn: a run goes on with those that it began with."""
_WORD: Final = 0xFFFFFFFF
_WORDS: Final = 8
"""Words of 32 bits that a counter gives."""


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
        epochs, places = np.divmod(np.array(positions, np.int64), self.num_samples)
        found = np.empty(len(places), np.int64)
        for epoch in np.unique(epochs):
            chosen = epochs == epoch
            found[chosen] = self._order(int(epoch))[places[chosen]]
        return found

    def _order(self, epoch: int) -> NDArray[np.int64]:
        order = self._orders.get(epoch)
        if order is None:
            drawn = np.random.default_rng(_number(self.seed, "epoch", epoch))
            order = drawn.permutation(self.num_samples)
            if self.groups is not None:
                before = (
                    -epoch * self.num_samples % self.batch_size
                )  # rows of a pass that the last epoch began
                order = _together(order, self.groups, self.batch_size, before, drawn)
            # A new one each time: batches are prepared in a thread of their own.
            self._orders = dict([*self._orders.items()][-3:]) | {epoch: order}
        return order


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


class Rows:
    """Random numbers of some samples: each a function of the seed, the sample's position and its purpose.

    A purpose is a name, such as "noise". What is drawn for one changes nothing about another, in whatever
    order they are asked for, so what a step draws besides can change without changing the rest.
    """

    def __init__(self, seed: int, positions: Sequence[int], device: torch.device | str = "cpu") -> None:
        """Name the samples; nothing is drawn yet.

        Args:
            seed: Of the run.
            positions: Of the samples, from 0.
            device: Where the numbers are computed, and where they stay.
        """
        self.seed, self.positions, self.device = seed, positions, torch.device(device)
        self._key = (_number(seed, "samples", 0), 0)

    def __len__(self) -> int:
        return len(self.positions)

    def to(self, device: torch.device | str) -> Rows:
        """Return the same numbers, computed on another device."""
        return Rows(self.seed, self.positions, device)

    def of(self, places: Sequence[int]) -> Rows:
        """Return those of some rows alone."""
        return Rows(self.seed, [self.positions[place] for place in places], self.device)

    def bits(self, purpose: str, count: int, wide: int) -> Tensor:
        """Draw whole numbers of so many bits, up to 31: int32 (B, count)."""
        words = self._words_on_cpu if self.device.type == "cpu" else self._words
        return words(purpose, count, 32 - wide)

    def _words_on_cpu(self, purpose: str, count: int, dropped: int) -> Tensor:
        """Return words of 32 bits without their lowest, as int32 (B, count)."""
        rest = [[_purpose(purpose), position, 0] for position in self.positions]
        blocks = -(-count // _WORDS)
        numbers = philox_on_cpu(self._key, 1, np.array(rest, np.uint64).reshape(-1, 3), blocks)
        words = numbers.astype("<u8", copy=False).view("<u4")[:, :count] >> np.uint32(dropped)
        return torch.from_numpy(words.view(np.int32))

    def _words(self, purpose: str, count: int, dropped: int) -> Tensor:
        """Return the same from any device, by tensors that never leave it."""
        blocks = -(-count // _WORDS)
        numbers = self._numbers(torch.arange(1, blocks + 1, device=self.device), [_purpose(purpose)])
        words = torch.stack((numbers & _WORD, (numbers >> 32) & _WORD), dim=-1)
        return (words.flatten(1)[:, :count] >> dropped).int()

    def _numbers(self, blocks: Tensor, purposes: Sequence[int]) -> Tensor:
        """Return what Philox makes of (block, purpose, position, 0), (B, N, 4): N blocks, or N purposes."""
        shape = (len(self), max(len(blocks), len(purposes)))

        def whole(numbers: Sequence[int]) -> Tensor:
            return torch.tensor(numbers, dtype=torch.int64, device=self.device)

        counter = (blocks, whole(purposes), whole(self.positions)[:, None], whole([0]))
        c0, c1, c2, c3 = (numbers.expand(shape) for numbers in counter)
        return philox(self._key, (c0, c1, c2, c3))

    def uniform(self, *purposes: str) -> Tensor:
        """Draw one number in [0, 1) a row and purpose, float32 (B,) for one purpose, (N, B) for several."""
        first = torch.ones(1, dtype=torch.int64, device=self.device)
        numbers = self._numbers(first, [_purpose(one) for one in purposes])[..., 0]  # (B, N)
        drawn = ((numbers & _WORD) >> 8).float() * 2**-24
        return drawn[:, 0] if len(purposes) == 1 else drawn.T

    def timesteps(self, num_train_timesteps: int) -> Tensor:
        """Draw a timestep a row, uniformly, int64 (B,) in [0, num_train_timesteps)."""
        first = torch.ones(1, dtype=torch.int64, device=self.device)
        words = self._numbers(first, [_purpose("timestep")])[:, 0, 0] & _WORD
        return (words * num_train_timesteps) >> 32

    def normal(self, purpose: str, shape: tuple[int, ...]) -> Tensor:
        """Draw unit Gaussian noise, float32 (B, *shape), by the inverse of its distribution: z = √2 erf⁻¹(u).

        u are the middles of 2²³ equal parts of (-1, 1), as fine as float32 can tell them apart, so |z| < 5.3.
        Devices compute erf⁻¹ to within rounding of each other; u is the same on all.
        """
        parts = self.bits(purpose, math.prod(shape), 23)
        u = parts.float().add_(0.5).mul_(2**-22).sub_(1)
        return u.erfinv_().mul_(math.sqrt(2)).reshape(len(self), *shape)


def _purpose(name: str) -> int:
    """Return the number of a purpose, of 32 bits."""
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=4).digest(), "little")


def _number(seed: int, purpose: str, count: int) -> int:
    """Return 63 well-mixed bits: neighbouring seeds and epochs must not give related draws."""
    digest = hashlib.blake2b(f"{seed}/{purpose}/{count}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") >> 1
