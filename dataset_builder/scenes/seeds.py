"""All randomness of the scene world: one stream a layer of a scene, and draws from it.

Law: a layer that is not edited draws the same numbers before and after an edit.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TypeVar

import numpy as np

T = TypeVar("T")


def generator(seed: int, layer: str) -> np.random.Generator:
    """Return the random stream of one layer of one scene: H(seed, layer)."""
    digest = hashlib.blake2b(f"{seed}/{layer}".encode(), digest_size=16).digest()
    return np.random.Generator(np.random.PCG64(int.from_bytes(digest, "little")))


def choose(random: np.random.Generator, items: Sequence[T], weights: Sequence[float] | None = None) -> T:
    """Draw one item, by weight."""
    if weights is None:
        return items[int(random.integers(len(items)))]
    total = np.cumsum(np.asarray(weights, np.float64))
    index = int(np.searchsorted(total, random.random() * total[-1], side="right"))
    return items[min(index, len(items) - 1)]
