"""Shards: the unit of work, of storage and of resuming. Written whole or not at all.

A dataset is a folder of WebDataset tars (Aizman, Maltby, Breuel, "High Performance I/O For Large Scale Deep
Learning", 2019, arXiv:2001.01858): `scenes-00000.tar`, beside each its manifest `scenes-00000.json`, and one
`dataset.json`. A tar is written under a temporary name, flushed to disk, renamed, and only then does its
manifest follow the same way: the manifest is the only mark of "done", so a kill at any moment leaves nothing
half-believed.

Law: equal specs give equal bytes, whoever draws them and however often they were interrupted.
"""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from dataset_builder.errors import InvalidJob
from dataset_builder.shards.storage import hash_bytes, write_atomically, write_json
from dataset_builder.shards.tars import MEMBER_NAME


@dataclass(frozen=True, kw_only=True, slots=True)
class ShardSpec:
    """The samples of a shard: pure data, so any worker can draw it at any time.

    Attributes:
        index: Number of the shard, from 0.
        start: First sample.
        stop: One past the last sample.
        config_hash: Configuration that the samples are drawn from.
        prefix: Beginning of the file names.
    """

    index: int
    start: int
    stop: int
    config_hash: str
    prefix: str = "scenes"

    def __post_init__(self) -> None:
        if not 0 <= self.start < self.stop:
            raise InvalidJob(f"shard has start {self.start} and stop {self.stop}: take 0 <= start < stop.")

    @property
    def name(self) -> str:
        """Return the name of the shard's files, without their ending."""
        return f"{self.prefix}-{self.index:05d}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Sample:
    """One sample on its way into a shard: `parts` maps a file ending ("image.png", "json") to its bytes."""

    key: str
    parts: Mapping[str, bytes]


@dataclass(frozen=True, kw_only=True, slots=True)
class ShardReport:
    """The manifest of a shard, and whether this run drew it.

    Attributes:
        name: Name of the shard.
        count: Samples in it.
        num_bytes: Size of the tar.
        sha256: Hash of the tar.
        config_hash: Configuration that drew it.
        start: First sample number asked for.
        stop: One past the last.
        rejects: How many samples were left out, by reason; `count` and these add up to `stop - start`.
        drawn: False where an earlier run had already drawn it.
    """

    name: str
    count: int
    num_bytes: int
    sha256: str
    config_hash: str
    start: int
    stop: int
    rejects: Mapping[str, int] = field(default_factory=dict)
    drawn: bool = True

    def manifest(self) -> dict[str, Any]:
        """Return what is written beside the tar: nothing in it depends on when or where it was drawn."""
        fields = asdict(self)
        del fields["drawn"]
        fields["bytes"] = fields.pop("num_bytes")
        return fields

    @classmethod
    def from_manifest(cls, fields: Mapping[str, Any]) -> ShardReport:
        """Return the report that `manifest` wrote, as one drawn earlier."""
        known = dict(fields)
        return cls(num_bytes=known.pop("bytes"), drawn=False, **known)


def png_bytes(picture: NDArray[Any]) -> bytes:
    """Encode a picture.

    Args:
        picture: (H, W, 3) uint8, or (H, W) bool, which becomes 0 and 255.

    Returns:
        A PNG file: no time, no text, equal for equal pictures.
    """
    pixels = picture.astype(np.uint8) * 255 if picture.dtype == np.bool_ else picture
    buffer = io.BytesIO()
    # Level 3 writes twice as fast as the default here, and the files are 4 % larger.
    Image.fromarray(pixels).save(buffer, format="PNG", compress_level=3)
    return buffer.getvalue()


def commit_shard(folder: Path, spec: ShardSpec, samples: Iterable[Sample | str]) -> ShardReport:
    """Write a shard, then its manifest.

    Args:
        folder: Where to.
        spec: What the shard is called.
        samples: The samples in order; a str in place of one is the reason why it was left out.

    Returns:
        The report that the manifest holds.

    Raises:
        StorageFailed: The system refused; nothing half-written stays.
    """
    rejects: dict[str, int] = {}
    count = 0
    # Drawn in memory first: what is then written is known to be whole, and its hash costs no second reading.
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for sample in samples:
            if isinstance(sample, str):
                rejects[sample] = rejects.get(sample, 0) + 1
            else:
                _add_sample(tar, sample)
                count += 1
    content = buffer.getvalue()
    report = ShardReport(
        name=spec.name,
        count=count,
        num_bytes=len(content),
        sha256=hash_bytes(content),
        config_hash=spec.config_hash,
        start=spec.start,
        stop=spec.stop,
        rejects=dict(sorted(rejects.items())),
    )
    write_atomically(folder / f"{spec.name}.tar", content)
    write_json(folder / f"{spec.name}.json", report.manifest())
    return report


def _add_sample(tar: tarfile.TarFile, sample: Sample) -> None:
    """Append a sample's parts, with headers that say nothing of time, user or machine."""
    for ending, content in sorted(sample.parts.items()):
        member = tarfile.TarInfo(f"{sample.key}.{ending}")
        if MEMBER_NAME.fullmatch(member.name) is None:
            raise InvalidJob(
                f"sample {member.name!r} needs a name of letters, digits, - and _, then an ending."
            )
        member.size = len(content)
        member.mode = 0o644
        tar.addfile(member, io.BytesIO(content))
