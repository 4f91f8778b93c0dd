"""The held-out data of an evaluation: captions, and source scenes with one exact edit of every kind.

Law: the bytes depend on the configuration alone. Instructions come twice, worded as in training and as never
trained on, and lead to the same picture.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from dataset_builder import records, scenes
from dataset_builder.build_scenes import SceneJob, sample_seed
from dataset_builder.scenes import EDIT_KINDS, Scene, SceneEdit
from dataset_builder.scenes.worlds import world_version
from dataset_builder.shards.build import build_shards
from dataset_builder.shards.dataset import DatasetInfo
from dataset_builder.shards.shards import Sample, ShardReport, png_bytes
from dataset_builder.shards.storage import canonical_json

_EDITS: Final = "edits"
_LEFT_OUT: Final = "left_out"
Pixels = NDArray[np.uint8]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class HeldOutEdit:
    """One exact edit of a source: pictures (H, W, 3) uint8 and the mask (H, W) bool of what may differ."""

    edit: SceneEdit
    paraphrase: str
    original_prompt: str
    edited_prompt: str
    target: Pixels
    mask: NDArray[np.bool_]

    @property
    def kind(self) -> str:
        """Kind of the edit."""
        return self.edit.kind

    @property
    def rest(self) -> NDArray[np.bool_]:
        """Where nothing should change; the whole picture, where the edit is one of the whole picture."""
        return ~self.mask if not self.mask.all() else self.mask


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Source:
    """A held-out scene, its picture, and its edits, in the order of `EDIT_KINDS`."""

    number: int
    key: str
    scene: Scene
    caption: str
    picture: Pixels
    edits: tuple[HeldOutEdit, ...] = field(default=())


def build_sources(job: SceneJob) -> Iterator[ShardReport]:
    """Draw what is missing of the sources; see `build_scenes`.

    Args:
        job: World, number, size, seed and folder; its split is "held_out".
    """
    yield from build_shards(
        job.out,
        config=job.config() | {"kind": "sources", "world_version": world_version(job.world, pairs=True)},
        draw=partial(_draw_source, job),
        num=job.num,
        samples_per_shard=job.samples_per_shard,
        jobs=job.jobs,
    )


def _draw_source(job: SceneJob, number: int) -> Sample:
    """Draw one scene and an edit of every kind that it allows."""
    seed = sample_seed(job, number)
    scene = scenes.sample_scene(seed, world=scenes.WORLDS[job.world], split=job.split)
    left_out: dict[str, str] = {}
    edits: list[dict[str, Any]] = []
    parts = {f"{records.ORIGINAL_IMAGE}.png": png_bytes(scenes.render_scene(scene, job.size).image)}
    for kind in EDIT_KINDS:
        edit = scenes.make_edit(scene, kind, seed)
        other = scenes.make_edit(scene, kind, seed, paraphrase=True)
        if edit is None or other is None:
            left_out[kind] = "no_edit"
            continue
        drawn = scenes.render_edit(edit, job.size)
        if (drawn.original_image == drawn.edited_image).all():
            left_out[kind] = "no_visible_change"
            continue
        assert edit.edited == other.edited  # the phrasing is drawn last
        parts[f"{kind}.png"] = png_bytes(drawn.edited_image)
        parts[f"{kind}_{records.MASK}.png"] = png_bytes(drawn.mask)
        edits.append(
            {
                records.KIND: kind,
                records.EDIT_PROMPT: edit.edit_prompt,
                "paraphrase": other.edit_prompt,
                records.EDITED_PROMPT: scenes.caption(edit.edited),
                records.EDITED_SCENE: edit.edited.to_json(),
            }
        )
    words = {
        records.CAPTION: scenes.caption(scene),
        records.SCENE: scene.to_json(),
        _EDITS: edits,
        _LEFT_OUT: left_out,
    }
    return Sample(key=f"{number:08d}", parts=parts | {"json": canonical_json(words).encode()})


def read_sources(info: DatasetInfo) -> list[Source]:
    """Return the sources of a dataset, in order."""
    return [_source(number, sample) for number, sample in enumerate(info.samples())]


def _source(number: int, sample: dict[str, Any]) -> Source:
    scene = Scene.from_json(sample[records.SCENE])
    edits = [
        HeldOutEdit(
            edit=SceneEdit(
                kind=words[records.KIND],
                edit_prompt=words[records.EDIT_PROMPT],
                original=scene,
                edited=Scene.from_json(words[records.EDITED_SCENE]),
            ),
            paraphrase=words["paraphrase"],
            original_prompt=sample[records.CAPTION],
            edited_prompt=words[records.EDITED_PROMPT],
            target=sample[words[records.KIND]],
            mask=sample[f"{words[records.KIND]}_{records.MASK}"] > 127,
        )
        for words in sample[_EDITS]
    ]
    return Source(
        number=number,
        key=sample["__key__"],
        scene=scene,
        caption=sample[records.CAPTION],
        picture=sample[records.ORIGINAL_IMAGE],
        edits=tuple(edits),
    )


def read_captions(info: DatasetInfo) -> list[Source]:
    """Return the scenes of a dataset, in order: sources without edits."""
    return [
        Source(
            number=number,
            key=sample["__key__"],
            scene=Scene.from_json(sample[records.SCENE]),
            caption=sample[records.CAPTION],
            picture=sample[records.IMAGE],
        )
        for number, sample in enumerate(info.samples())
    ]


def left_out(info: DatasetInfo) -> dict[str, int]:
    """Count the edits that sources do not have, by "kind: reason"."""
    counts: dict[str, int] = {}
    for sample in info.samples((_LEFT_OUT,)):
        for kind, reason in sample[_LEFT_OUT].items():
            counts[f"{kind}: {reason}"] = counts.get(f"{kind}: {reason}", 0) + 1
    return dict(sorted(counts.items()))
