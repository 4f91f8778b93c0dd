"""The dataset in memory as arrays, and what is computed from it once: latents and text states."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dataset_builder.errors import DatasetError
from dataset_builder.shards.dataset import read_dataset
from dataset_builder.shards.storage import hash_json
from editors.pictures.batches import to_tensor
from trainer.data.tables import Half, Table, cached, half
from trainer.errors import UnusableData


@dataclass(frozen=True, slots=True)
class Examples:
    """Aligned columns of a dataset.

    Attributes:
        pictures: Column name to uint8 (N, H, W, 3).
        texts: Column name to N strings.
        data_hash: Of the dataset.
    """

    pictures: dict[str, NDArray[np.uint8]]
    texts: dict[str, tuple[str, ...]]
    data_hash: str

    def __len__(self) -> int:
        return next(iter(self.pictures.values())).shape[0]


def read_examples(folder: Path, *, pictures: Sequence[str], texts: Sequence[str]) -> Examples:
    """Read the named columns of a finished dataset.

    Raises:
        UnusableData: The folder holds no finished dataset, a column is not there, or the pictures differ in
        size.
    """
    wanted = [*pictures, *texts]
    columns: dict[str, list[Any]] = {name: [] for name in wanted}
    try:
        dataset = read_dataset(folder)
        for sample in dataset.samples(wanted):
            missing = [name for name in wanted if name not in sample]
            if missing:
                found = (
                    ", ".join(sorted(name for name in sample if not name.startswith("__"))) or "none of them"
                )
                raise UnusableData(
                    f"data: {folder} has no column {', '.join(missing)} (found: {found}); name a dataset of "
                    f"{'exact pairs' if 'edited_image' in wanted else 'captioned pictures'}."
                )
            for name in wanted:
                columns[name].append(sample[name])
    except DatasetError as error:
        raise UnusableData(f"data: {error}") from error
    if not columns[wanted[0]]:
        raise UnusableData(f"data: {folder} holds no sample; make a larger dataset.")
    sizes = {picture.shape for name in pictures for picture in columns[name]}
    if len(sizes) > 1:
        raise UnusableData(f"data: {folder} has pictures of {len(sizes)} sizes; render them all at one size.")
    return Examples(
        pictures={name: np.stack(columns[name]) for name in pictures},
        texts={name: tuple(columns[name]) for name in texts},
        data_hash=dataset.data_hash,
    )


def state_hash(module: torch.nn.Module) -> str:
    """Return a hash of a model's weights."""
    import hashlib

    digest = hashlib.sha256()
    for name, tensor in sorted(module.state_dict().items()):
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def encoder_hash(vae: Any) -> str:
    """Return a hash of what decides an autoencoder's latents: its decoder may be trained on without harm."""
    return state_hash(torch.nn.ModuleList([vae.encoder, vae.quant_conv]))


def encode_pictures(vae: Any, examples: Examples, column: str, cache: Path, *, batch_size: int = 32) -> Table:
    """Return the posteriors of a column: means and standard deviations, (N, 2, C, h, w), unscaled."""
    pictures = examples.pictures[column]
    with torch.no_grad():
        one = vae.encode(to_tensor(pictures[:1]).to(vae.device)).latent_dist.mean
    shape = (len(pictures), 2, *one.shape[1:])

    @torch.no_grad()
    def compute() -> Iterator[Half]:
        for start in range(0, len(pictures), batch_size):
            pixels = to_tensor(pictures[start : start + batch_size]).to(vae.device)
            posterior = vae.encode(pixels).latent_dist
            yield half(torch.stack([posterior.mean, posterior.std], dim=1))

    key = {"what": "posterior", "data": examples.data_hash, "column": column, "encoder": encoder_hash(vae)}
    return Table(cached(cache, key, shape, compute))


class TextStates:
    """Text states of distinct strings, and where each sample finds its own.

    Attributes:
        table: (U, T, D), the states.
        rows: (N,) index into them.
        empty: (T, D), those of the empty prompt.
    """

    def __init__(self, table: Table, rows: NDArray[np.int64], empty: Tensor) -> None:
        self.table, self.rows, self.empty = table, rows, empty

    def to(self, device: torch.device) -> None:
        """Bring the states to a device; see `Table.to`."""
        self.table.to(device)
        self.empty = self.empty.to(device)

    def pick(self, indices: NDArray[np.int64]) -> Tensor:
        """Take out the states of some samples; see `Table.pick`."""
        return self.table.pick(self.rows[indices])

    def read(self, picked: Tensor, keep: Tensor) -> Tensor:
        """Return states that were picked, (B, T, D), those of the empty prompt where `keep`, (B,), is not."""
        return torch.where(keep[:, None, None], self.table.read(picked), self.empty)


def encode_texts(
    encode: Callable[[list[str]], Tensor],
    texts: Sequence[str],
    cache: Path,
    *,
    model: str,
    batch_size: int = 64,
) -> TextStates:
    """Encode each distinct text once.

    Args:
        encode: Texts to states, (B, T, D).
        texts: One per sample.
        cache: Folder of the cache.
        model: Hash of the encoder.
        batch_size: Texts per forward pass.
    """
    distinct = sorted(set(texts))
    place = {text: row for row, text in enumerate(distinct)}
    with torch.no_grad():
        empty = torch.from_numpy(half(encode([""]))[0]).float()

    @torch.no_grad()
    def compute() -> Iterator[Half]:
        for start in range(0, len(distinct), batch_size):
            yield half(encode(distinct[start : start + batch_size]))

    key = {"what": "text states", "texts": hash_json(distinct), "model": model, "window": len(empty)}
    states = Table(cached(cache, key, (len(distinct), *empty.shape), compute))
    return TextStates(states, np.array([place[text] for text in texts], np.int64), empty)


class Wordings:
    """Samples that can be said in one or several ways, as one list of texts.

    Attributes:
        texts: Of all samples, one after another.
    """

    def __init__(self, said: Sequence[Sequence[str]]) -> None:
        self.texts = tuple(text for texts in said for text in texts)
        self.counts = np.array([len(texts) for texts in said], np.int64)
        self.starts = np.cumsum(self.counts) - self.counts

    def choose(self, indices: NDArray[np.int64], u: NDArray[np.float32]) -> NDArray[np.int64]:
        """Return one place in `texts` for each sample, by numbers in [0, 1)."""
        counts = self.counts[indices]
        return self.starts[indices] + np.minimum((u * counts).astype(np.int64), counts - 1)
