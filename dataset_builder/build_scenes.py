"""Draw scenes, or exact edit pairs, into the shards of a dataset.

The pairs are exact by construction: both pictures of a pair come from two scenes that differ in one field,
and every layer draws from its own generator (see `dataset_builder.scenes`). That gives what InstructPix2Pix
(Brooks, Holynski, Efros, 2023, arXiv:2211.09800) had to generate, with a known target and a mask of what may
change.

Law: the bytes depend on the configuration alone: not on the number of jobs, nor on kills and resumes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final, Literal, get_args

import numpy as np

from dataset_builder import records, scenes
from dataset_builder.errors import InvalidJob
from dataset_builder.scenes.artwork.store import require_artwork
from dataset_builder.scenes.worlds import world_version
from dataset_builder.shards.build import build_shards
from dataset_builder.shards.checks import CHECKS, MAX_JOBS, MAX_SEED
from dataset_builder.shards.dataset import is_finished
from dataset_builder.shards.shards import Sample, ShardReport, png_bytes
from dataset_builder.shards.storage import canonical_json, hash_json
from editors.files import user_path

Split = Literal["train", "held_out"]
Kinds = Literal["allowed", "difficult"]
_ACCESSORIES: Final = "twemoji"
"""The set that draws what is worn, wherever the wearer's own has none."""
MAX_SAMPLES: Final = 10_000_000
# A scene may allow no edit, or one that nobody can see: then the sample's next scene is tried.
ATTEMPTS: Final = 16


@dataclass(frozen=True, kw_only=True, slots=True)
class SceneJob:
    """A dataset to draw.

    Attributes:
        out: Folder for the shards; made if missing.
        world: Name of the world that the scenes come from.
        num: Number of samples.
        size: Side of the pictures in pixels; every world is drawn at 128, which is what pocket draws.
        seed: Start of all randomness.
        split: Which part of the world: the trained one, or the combinations held out from it.
        pairs: Draw edit pairs instead of single scenes.
        paraphrase: Word the instructions in ways that are never trained on; pairs of split "held_out" only.
        kinds: Of pairs: what a random scene happens to allow, or what is difficult to learn more often than
            what is easy, 5 % that ask for what is already so, and a fifth of photographs as they are.
        jobs: Number of processes; None takes every core. Does not change a byte.
        samples_per_shard: Samples in one file, and lost work at most when a run is killed, per job.
    """

    out: Path
    world: str = "pocket-photos"
    num: int = 1000
    size: int = 128
    seed: int = 0
    split: Split = "train"
    pairs: bool = False
    paraphrase: bool = False
    kinds: Kinds = "allowed"
    jobs: int | None = None
    samples_per_shard: int = 500

    def __post_init__(self) -> None:
        object.__setattr__(self, "out", user_path(self.out))
        CHECKS.choice("world", self.world, scenes.WORLDS)
        sizes = scenes.WORLDS[self.world].sizes
        allowed = f"a side that world {self.world} is drawn at: {', '.join(map(str, sizes))}"
        CHECKS.require("size", self.size, self.size in sizes, allowed)
        CHECKS.choice("split", self.split, get_args(Split))
        if self.paraphrase and (not self.pairs or self.split != "held_out"):
            raise InvalidJob(
                "paraphrase is True, but only held-out pairs may be worded so; set pairs and split held_out."
            )
        CHECKS.choice("kinds", self.kinds, get_args(Kinds))
        if self.kinds != "allowed" and not self.pairs:
            raise InvalidJob(f"kinds is {self.kinds!r}, but single scenes have no kind of edit; set pairs.")
        CHECKS.whole_number("num", self.num, 1, MAX_SAMPLES)
        CHECKS.whole_number("seed", self.seed, 0, MAX_SEED)
        CHECKS.whole_number("samples_per_shard", self.samples_per_shard, 1, 100_000)
        if self.jobs is not None:
            CHECKS.whole_number("jobs", self.jobs, 1, MAX_JOBS)

    def config(self) -> dict[str, Any]:
        """Return what the bytes depend on: neither folder nor jobs, but the version of the world."""
        # Only where it is chosen: datasets that were begun before there was a choice go on.
        chosen = {"kinds": self.kinds, "shares": scenes.shares()} if self.kinds != "allowed" else {}
        return chosen | {
            "kind": "pairs" if self.pairs else "scenes",
            "num": self.num,
            "paraphrase": self.paraphrase,
            "samples_per_shard": self.samples_per_shard,
            "seed": self.seed,
            "size": self.size,
            "split": self.split,
            "world": self.world,
            "world_version": world_version(self.world, pairs=self.pairs),
        }


def build_scenes(job: SceneJob) -> Iterator[ShardReport]:
    """Draw what is missing of a dataset.

    Run it again after a kill and it goes on; run it on a finished dataset and it does nothing. Close the
    generator to stop. The dataset can be read (`shards.read_dataset`) when the generator is exhausted.

    Args:
        job: What to draw, and where.

    Yields:
        One report a shard: first those of earlier runs (`drawn` is False), then the others as they finish.

    Raises:
        ConfigChanged: The folder holds a dataset of another configuration.
        FolderBusy: Another run is writing to the folder.
        StorageFailed: The system refused to write.
        MissingArtwork: The world needs artwork that is not on this machine.
        WorkerLost: Worker processes were killed again and again.
    """
    if not is_finished(job.out):  # else nothing is drawn
        # All at once, and before there is anything that the next try would have to go on with.
        require_artwork([*scenes.WORLDS[job.world].artwork_sets, _ACCESSORIES])
    yield from build_shards(
        job.out,
        config=job.config(),
        draw=partial(_draw_pair if job.pairs else _draw_scene, job),
        num=job.num,
        samples_per_shard=job.samples_per_shard,
        jobs=job.jobs,
    )


def sample_seed(job: SceneJob, number: int, attempt: int = 0) -> int:
    """Return the seed of a sample: H(run seed, split, sample number, attempt), in 48 bits."""
    return int(hash_json([job.seed, job.split, number, attempt])[:12], 16)


def _key(number: int) -> str:
    """Return the name of a sample."""
    return f"{number:08d}"


def _draw_scene(job: SceneJob, number: int) -> Sample:
    """Draw one captioned scene."""
    scene = scenes.sample_scene(sample_seed(job, number), world=scenes.WORLDS[job.world], split=job.split)
    picture = scenes.render_scene(scene, job.size).image  # (H, W, 3) uint8
    words = {
        records.CAPTION: scenes.caption(scene),
        records.SCENE: scene.to_json(),
        records.SPLIT: job.split,
    }
    parts = {f"{records.IMAGE}.png": png_bytes(picture), "json": canonical_json(words).encode()}
    return Sample(key=_key(number), parts=parts)


def _draw_pair(job: SceneJob, number: int) -> Sample | str:
    """Draw one exact edit pair, or say why none came out in sixteen attempts."""
    reason = "no_edit"
    for attempt in range(ATTEMPTS):
        edit = _plan(job, sample_seed(job, number, attempt))
        if edit is None:
            continue
        drawn = scenes.render_edit(edit, job.size)
        changed = np.any(drawn.original_image != drawn.edited_image, axis=-1)  # (H, W)
        if not changed.any() and not scenes.changes_nothing(edit):
            reason = "no_visible_change"
        elif np.any(changed & ~drawn.mask):
            reason = "change_outside_mask"
        else:
            return _pair_sample(job, number, edit, drawn)
    return reason


def _plan(job: SceneJob, seed: int) -> scenes.SceneEdit | None:
    """Draw a scene and an edit of it, or None where there is none."""
    world = scenes.WORLDS[job.world]
    if job.kinds == "difficult":
        return scenes.planned_edit(seed, world=world, split=job.split, paraphrase=job.paraphrase)
    scene = scenes.sample_scene(seed, world=world, split=job.split)
    return scenes.sample_edit(scene, seed, paraphrase=job.paraphrase)


def _pair_sample(job: SceneJob, number: int, edit: scenes.SceneEdit, drawn: scenes.RenderedEdit) -> Sample:
    """Put a drawn edit pair into columns."""
    words = {
        records.ORIGINAL_PROMPT: scenes.caption(edit.original),
        records.EDIT_PROMPT: edit.edit_prompt,
        records.EDITED_PROMPT: scenes.caption(edit.edited),
        records.KIND: edit.kind,
        records.ORIGINAL_SCENE: edit.original.to_json(),
        records.EDITED_SCENE: edit.edited.to_json(),
        records.SPLIT: job.split,
    }
    parts = {
        f"{records.ORIGINAL_IMAGE}.png": png_bytes(drawn.original_image),
        f"{records.EDITED_IMAGE}.png": png_bytes(drawn.edited_image),
        f"{records.MASK}.png": png_bytes(drawn.mask),
        "json": canonical_json(words).encode(),
    }
    return Sample(key=_key(number), parts=parts)
