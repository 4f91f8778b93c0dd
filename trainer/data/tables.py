"""Arrays that a step picks rows from: in a file of the cache, or on the device where there is room.

Rows are kept in half precision: what rounding does to them, 0.05 %, is far below what is drawn on top of
latents, and what text encoders agree on among themselves. A cache is half as large, and read twice as fast.

Law: a cache is found by the hash of everything it was computed from, or it is made anew; it is never stale.
Rows from the file and rows from the device are the same.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dataset_builder.shards.storage import hash_json, make_folder, writing
from editors.files import UNSUPPORTED, temporary_beside
from trainer.errors import UnusableData

HELD_SHARE: Final = 0.25
"""Of the memory that is free on a device, what a table may take: the network and its gradients come after."""

Half: TypeAlias = NDArray[np.float16]


class Table:
    """Rows that steps pick from.

    Attributes:
        array: (N, …), in memory or in a file.
        held: The same on the device, where there was room.
    """

    def __init__(self, array: Half) -> None:
        self.array = array
        self.held: Tensor | None = None
        self.device = torch.device("cpu")

    def to(self, device: torch.device) -> None:
        """Bring the rows to a device, all at once where they fit, else as they are picked."""
        self.device = device
        if device.type == "cuda":
            free, _ = torch.cuda.mem_get_info(device)
            if self.array.nbytes <= HELD_SHARE * free:
                self.hold()

    def hold(self) -> None:
        """Keep all rows on the device."""
        self.held = torch.from_numpy(np.array(self.array)).to(self.device)

    def pick(self, rows: NDArray[np.int64]) -> Tensor:
        """Take rows out, ahead of the step and in any thread: what `read` makes rows of."""
        picked = torch.from_numpy(self.array[rows] if self.held is None else rows)
        return picked.pin_memory() if self.device.type == "cuda" else picked

    def read(self, picked: Tensor) -> Tensor:
        """Return picked rows on the device, float32 (B, …)."""
        picked = picked.to(self.device, non_blocking=True)
        return (picked if self.held is None else self.held[picked]).float()


def half(values: Tensor) -> Half:
    """Round values to half precision.

    Raises:
        UnusableData: One is beyond what it can say: no latent of a sane autoencoder is.
    """
    rounded: Half = values.half().cpu().numpy()
    if not np.isfinite(rounded).all():
        raise UnusableData(
            "data: for a picture or text the encoder gives what is no number, or one beyond 65504; "
            "use another autoencoder or text encoder."
        )
    return rounded


def cached(
    folder: Path, key: dict[str, Any], shape: tuple[int, ...], compute: Callable[[], Iterator[Half]]
) -> Half:
    """Return an array from the cache, or compute it there row block by row block.

    Args:
        folder: Of the cache.
        key: All that decides the content; its hash names the file.
        shape: Of the whole array.
        compute: Yields consecutive blocks of rows.

    Returns:
        A read-only memory map of `shape`.
    """
    path = folder / f"{hash_json({**key, 'dtype': 'float16'})[:32]}.npy"
    if not path.exists():
        make_folder(folder)
        partial = temporary_beside(path)
        try:
            with writing(path):
                array = np.lib.format.open_memmap(partial, mode="w+", dtype=np.float16, shape=shape)
                _take_room(partial)
            row = 0
            for block in compute():
                array[row : row + len(block)] = block
                row += len(block)
            array.flush()
            partial.replace(path)
        except BaseException:
            partial.unlink(missing_ok=True)
            raise
    return np.load(path, mmap_mode="r")


def _take_room(path: Path) -> None:
    """Take the whole of a file's room on the disk, where its filesystem can.

    A mapped file is full of holes at first, and a disk that fills up while they are filled kills the process.

    Raises:
        OSError: There is not so much room.
    """
    if hasattr(os, "posix_fallocate"):
        with path.open("rb+") as file:
            try:
                os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
            except OSError as error:
                if error.errno not in UNSUPPORTED:  # musl says so where glibc would write zeros instead
                    raise
