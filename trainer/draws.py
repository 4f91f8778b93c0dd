"""Which samples a step sees and which random numbers they get, as pure functions of seed and position.

A position counts the samples a run has drawn: step, accumulation, process and row in one number. So the
draws of a step do not depend on how many processes share it, and a run that continues needs no generator's
state.

Law: equal (seed, position) give equal draws, everywhere and always; in each epoch every sample is seen once.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Schedule:
    """The order of samples: of one epoch after another, each a permutation of its own.

    Attributes:
        seed: Of the run.
        num_samples: In the dataset.
    """

    seed: int
    num_samples: int

    def indices(self, positions: range) -> NDArray[np.int64]:
        """Return the dataset's indices at some positions, (B,)."""
        places = [divmod(position, self.num_samples) for position in positions]
        return np.array(
            [_order(self.seed, epoch, self.num_samples)[place] for epoch, place in places], np.int64
        )


@lru_cache(maxsize=4)
def _order(seed: int, epoch: int, num_samples: int) -> NDArray[np.int64]:
    return np.random.default_rng(_number(seed, "epoch", epoch)).permutation(num_samples)


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
