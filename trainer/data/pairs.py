"""Pairs for the edit model: checked once, seen through views, encoded once or at every look.

Law: a row that cannot be used is counted by reason; the hash of the data is that of the pictures' bytes and
the instructions in order; latents from the cache are the latents of a fresh look, bit for bit, because both
encode one pair at a time.
"""

from __future__ import annotations

import json
import logging
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any, Final, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dataset_builder.errors import UnreadableDataset
from dataset_builder.pairs.files import visible_files
from dataset_builder.pairs.pictures import contents_of, decode, shape_of
from dataset_builder.pairs.sources import PairRef, Skipped, open_pairs
from dataset_builder.shards.storage import hash_bytes, hash_json, make_folder, write_json
from editors.pictures.batches import to_tensor
from trainer.data.ahead import cores, made_ahead
from trainer.data.augment import Size, View, bucket_sizes, look, names_a_side, nearest_bucket, view
from trainer.data.examples import encoder_hash
from trainer.data.tables import Half, Table, cached, half
from trainer.errors import UnusableData

_CHUNK: Final = 64
_LOOKED_AT: Final = 16
"""Pairs that are decoded together for the cache, 25 MB of pictures at 512 pixels: enough for all cores."""
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Pairs:
    """All usable pairs of a dataset.

    Attributes:
        refs: In order.
        shapes: (N, 2), height and width of each original.
        skipped: Rows that are no pairs, by reason.
        data_hash: Of the pictures' bytes and the instructions.
        form: What the dataset was read as.
        notes: What of it was left out or is missing, a sentence each.
    """

    refs: tuple[PairRef, ...]
    shapes: NDArray[np.int64]
    skipped: Mapping[str, int]
    data_hash: str
    form: str
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.refs)

    def head(self, number: int) -> Pairs:
        """Return the first pairs alone."""
        return replace(self, refs=self.refs[:number], shapes=self.shapes[:number])

    def facts(self) -> dict[str, Any]:
        """Return what a log and a model card say of the data."""
        return {
            "form": self.form,
            "pairs": len(self),
            "skipped": dict(self.skipped),
            "notes": list(self.notes),
            "hash": self.data_hash,
        }


def read_pairs(folder: Path, cache: Path | None = None) -> Pairs:
    """Look at every row of a dataset once.

    Args:
        folder: Of the dataset.
        cache: Where to note what was seen, so that unchanged files are not decoded again only to be checked.

    Raises:
        UnusableData: The folder holds no pairs that can be read.
    """
    try:
        source = open_pairs(folder)
        for said in source.notes:
            _log.warning("data: %s", said)
        note = None if cache is None else cache / f"rows-{_listing(folder)[:32]}.json"
        if note is not None and note.exists():
            seen = json.loads(note.read_text(encoding="utf-8"))
        else:
            seen = _look_at(source.rows())
            if note is not None:
                make_folder(note.parent)
                write_json(note, seen)
    except UnreadableDataset as error:
        raise UnusableData(str(error)) from error
    rows = list(zip(source.rows(), seen["rows"], strict=True))
    skipped = Counter(verdict for _, verdict in rows if isinstance(verdict, str))
    kept = [
        (ref, verdict) for ref, verdict in rows if isinstance(ref, PairRef) and not isinstance(verdict, str)
    ]
    counts = ", ".join(f"{count} {reason}" for reason, count in sorted(skipped.items()))
    if not kept:
        raise UnusableData(
            f"data: {folder} holds no usable pair ({counts or 'no row'}); name another dataset."
        )
    if skipped:
        _log.warning("data: %d pairs of %s; skipped %d rows: %s.", len(kept), folder, skipped.total(), counts)
    return Pairs(
        refs=tuple(ref for ref, _ in kept),
        shapes=np.array([shape for _, shape in kept], np.int64),
        skipped=dict(sorted(skipped.items())),
        data_hash=seen["hash"],
        form=source.form,
        notes=source.notes,
    )


def _look_at(rows: Iterator[PairRef | Skipped]) -> dict[str, Any]:
    """Return what each row is, its shape or why it is no pair, and the hash of all pairs."""
    verdicts: list[Any] = []
    content: list[Any] = []
    with ThreadPoolExecutor(max_workers=4) as pool:  # decoders let go of the interpreter's lock
        while chunk := list(islice(rows, _CHUNK)):
            loaded = [contents_of(ref) for ref in chunk]
            for ref, parts, verdict in zip(chunk, loaded, pool.map(shape_of, loaded), strict=True):
                verdicts.append(verdict)
                if isinstance(ref, PairRef) and not isinstance(verdict, str):
                    content.append([*map(hash_bytes, cast(tuple[bytes, bytes], parts)), *ref.instructions])
    return {"rows": verdicts, "hash": hash_json(content)}


def _listing(folder: Path) -> str:
    """Return a hash of the names, sizes and times of all files: it changes when they do."""
    stats = [(path.relative_to(folder).as_posix(), path.stat()) for path in visible_files(folder)]
    return hash_json([[name, stat.st_size, stat.st_mtime_ns] for name, stat in stats])


class PairLatents:
    """The views of pairs as latents.

    Attributes:
        sizes: (N,) number of each sample's bucket.
        buckets: Height and width of each bucket, in pixels.
        may_flip: (N,) whether a sample may be mirrored at all.
    """

    def __init__(
        self,
        vae: Any,
        pairs: Pairs,
        *,
        seed: int,
        resolution: int,
        step: int,
        max_aspect: float,
        crops: int,
        flips: bool,
        cache: Path | None,
    ) -> None:
        self.vae, self.pairs, self.seed, self.crops, self.cache = vae, pairs, seed, crops, cache
        possible = bucket_sizes(resolution, step, max_aspect)
        wanted = [nearest_bucket(int(height), int(width), possible) for height, width in pairs.shapes]
        self.buckets: tuple[Size, ...] = tuple(sorted(set(wanted)))
        number = {size: place for place, size in enumerate(self.buckets)}
        self.sizes = np.array([number[size] for size in wanted], np.int64)
        sided = [any(map(names_a_side, ref.instructions)) for ref in pairs.refs]
        self.may_flip = ~np.array(sided) if flips else np.zeros(len(pairs), bool)
        self.views = crops * (2 if self.may_flip.any() else 1)
        self.row = np.zeros(len(pairs), np.int64)  # of each sample in its bucket's cache
        for bucket in range(len(self.buckets)):
            members = np.flatnonzero(self.sizes == bucket)
            self.row[members] = np.arange(len(members))
        self.pool = ThreadPoolExecutor(cores(), "decoding")  # decoders let go of the interpreter's lock
        self.tables: list[Table] | None = None
        if cache is not None:
            self.tables = [Table(self._cached(bucket, cache)) for bucket in range(len(self.buckets))]

    def to(self, device: torch.device) -> None:
        """Bring the cache to a device; see `Table.to`."""
        for table in self.tables or ():
            table.to(device)

    def shape(self, bucket: int) -> tuple[int, int, int]:
        """Return (C, h, w) of a bucket's latents."""
        factor = 2 ** (len(self.vae.config.block_out_channels) - 1)
        height, width = self.buckets[bucket]
        return self.vae.config.latent_channels, height // factor, width // factor

    def pick(
        self, indices: NDArray[np.int64], crops: NDArray[np.int64], flipped: NDArray[np.bool_]
    ) -> Tensor:
        """Take out samples, ahead of the step and in any thread: what `read` makes latents of.

        Args:
            indices: Samples of one bucket, (B,).
            crops: Which crop of each, (B,).
            flipped: Whether mirrored, (B,); only where `may_flip`.
        """
        if self.tables is None:
            return torch.from_numpy(np.stack(list(self._looks(indices, crops, flipped))))
        table = self.tables[int(self.sizes[indices[0]])]
        return table.pick(self.row[indices] * self.views + crops + self.crops * flipped)

    def read(self, picked: Tensor, bucket: int) -> Tensor:
        """Return unscaled latents, (B, 3, C, h, w): the original's mode, the edited's mean and deviation."""
        if self.tables is None:
            encoded = np.stack([self._encoded(pictures.numpy()) for pictures in picked])
            return torch.from_numpy(encoded).to(self.vae.device).float()
        return self.tables[bucket].read(picked)

    def of(self, indices: NDArray[np.int64], crops: NDArray[np.int64], flipped: NDArray[np.bool_]) -> Tensor:
        """Return the latents of samples of one bucket; see `pick` and `read`."""
        return self.read(self.pick(indices, crops, flipped), int(self.sizes[indices[0]]))

    def pixels(self, index: int, crop: int = 0, *, flipped: bool = False) -> NDArray[np.uint8]:
        """Return both pictures of a pair through one view, uint8 (2, H, W, 3)."""
        looks = self._looks(np.array([index]), np.array([crop]), np.array([flipped]))
        return next(iter(looks))

    def _looks(
        self, indices: NDArray[np.int64], crops: NDArray[np.int64], flipped: NDArray[np.bool_]
    ) -> Iterator[NDArray[np.uint8]]:
        """Return both pictures of pairs through a view each, uint8 (2, H, W, 3), decoded by all cores.

        Files are read by one thread, in order: some forms keep what lies beside what was read last.
        """
        contents, sizes, views = [], [], []
        for index, crop, flip in zip(indices.tolist(), crops.tolist(), flipped.tolist(), strict=True):
            ref = self.pairs.refs[index]
            contents.append((ref.original.read(), ref.edited.read()))
            sizes.append(self.buckets[int(self.sizes[index])])
            views.append(view(self.seed, index, crop, flipped=flip))
        return self.pool.map(_seen, contents, sizes, views)

    @torch.no_grad()
    def _encoded(self, pictures: NDArray[np.uint8]) -> Half:
        """Encode one pair alone: what else is in a batch may change the last bits of a result."""
        pixels = to_tensor(pictures).to(self.vae.device)
        with torch.autocast(self.vae.device.type, enabled=False):
            posterior = self.vae.encode(pixels).latent_dist
        return half(torch.stack([posterior.mean[0], posterior.mean[1], posterior.std[1]]))

    def _cached(self, bucket: int, cache: Path) -> Half:
        members = np.flatnonzero(self.sizes == bucket)
        key = {
            "what": "views of pairs",
            "data": self.pairs.data_hash,
            "bucket": self.buckets[bucket],
            "members": hash_bytes(members.tobytes()),
            "crops": self.crops,
            "seed": self.seed if self.crops > 1 else None,
            "flips": hash_bytes(self.may_flip.tobytes()),
            "encoder": encoder_hash(self.vae),
        }

        def looks(indices: NDArray[np.int64]) -> NDArray[np.uint8]:
            """Return every crop of some pairs, unmirrored, (B, crops, 2, H, W, 3)."""
            crops = np.tile(np.arange(self.crops), len(indices))
            seen = np.stack(list(self._looks(indices.repeat(self.crops), crops, crops < 0)))
            return seen.reshape(len(indices), self.crops, *seen.shape[1:])

        def compute() -> Iterator[Half]:
            chunks = [members[start : start + _LOOKED_AT] for start in range(0, len(members), _LOOKED_AT)]
            for indices, chunk in zip(chunks, made_ahead(looks, chunks, depth=1), strict=True):
                for index, seen in zip(indices, chunk, strict=True):
                    views = [self._encoded(pictures) for pictures in seen]
                    if self.may_flip[index]:
                        views += [self._encoded(pictures[:, :, ::-1]) for pictures in seen]
                    # What is never asked for keeps its place, and costs nothing.
                    yield np.tile(np.stack(views), (self.views // len(views), 1, 1, 1, 1))

        return cached(cache, key, (len(members) * self.views, 3, *self.shape(bucket)), compute)


def _seen(contents: tuple[bytes, bytes], size: Size, seen: View) -> NDArray[np.uint8]:
    """Decode both pictures of a pair and return what a view shows of them."""
    return np.stack([look(decode(content), size, seen) for content in contents])
