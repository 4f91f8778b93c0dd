"""Measure a scorer on held-out exact pairs: does it find a picture's caption, and an edit's direction?

Law: chance is known (one caption in the group; one half), so a figure says how much better than blind it is.
"""

from __future__ import annotations

import itertools
from collections.abc import Generator, Iterator
from dataclasses import asdict, dataclass
from typing import Any, Final, TypeAlias

import numpy as np
import torch
from torch import Tensor

from dataset_builder import records, scenes
from dataset_builder.build_scenes import SceneJob, build_scenes
from dataset_builder.errors import UnreadableDataset
from dataset_builder.render.clip import Scorer
from dataset_builder.render.scores import directions
from dataset_builder.shards.dataset import DatasetInfo, read_dataset
from dataset_builder.shards.shards import ShardReport
from dataset_builder.shards.storage import make_folder, write_json
from evaluation.figures import Interval, interval
from evaluation.jobs import ScorerJob
from evaluation.report import Grid, similarity

REPORT_FILE: Final = "scorer.json"
GROUP: Final = 64
"""Captions that a picture's own is looked for among."""
BATCH: Final = 64
"""Pairs that are looked at together."""
_IMAGES: Final = (records.ORIGINAL_IMAGE, records.EDITED_IMAGE)
_TEXTS: Final = (records.ORIGINAL_PROMPT, records.EDITED_PROMPT)


@dataclass(frozen=True, kw_only=True, slots=True)
class ScoredPairs:
    """How many pairs have been looked at."""

    num: int

    @property
    def note(self) -> str:
        """How many, in words."""
        return f"{self.num} pairs"


@dataclass(frozen=True, kw_only=True, slots=True)
class ScorerReport:
    """A report of what a scorer can tell.

    Attributes:
        scorer: Its name.
        data_hash: Of the pairs.
        group: Captions that a picture's own was looked for among.
        retrieval: Share of pictures whose own caption fits best.
        separation: Share of other edits' words that fit a pair's change of picture less than its own do.
        direction: Directional similarity of true pairs.
        direction_mismatched: Of pairs with the words of another.
        image_text: Cosine of pictures and their captions.
    """

    scorer: str
    data_hash: str
    group: int
    retrieval: Interval
    separation: Interval
    direction: Interval
    direction_mismatched: Interval
    image_text: Interval


ScorerStep: TypeAlias = ShardReport | ScoredPairs | ScorerReport


def evaluate_scorer(job: ScorerJob, scorer: Scorer | None = None) -> Iterator[ScorerStep]:
    """Let a scorer look at held-out pairs; writes `scorer.json`.

    Args:
        job: What to measure.
        scorer: The scorer, where one is at hand; else `job.scorer` is loaded.

    Yields:
        The shards of the pairs, where they are drawn here; how many were looked at; and last the report.

    Raises:
        ScorerMissing: There is no such scorer.
        UnreadableDataset: `job.data` holds no pairs.
    """
    scorer = scorer or Scorer.from_pretrained(job.scorer)
    info = yield from _held_out_pairs(job)
    samples = itertools.islice(info.samples((*_IMAGES, *_TEXTS)), job.num)
    blocks: list[list[Tensor]] = []
    captions: list[str] = []
    while batch := list(itertools.islice(samples, BATCH)):
        captions += [sample[records.ORIGINAL_PROMPT] for sample in batch]
        blocks.append(_features(scorer, batch))
        yield ScoredPairs(num=len(captions))
    original, edited, before, after = (torch.cat(rows) for rows in zip(*blocks, strict=True))  # (N, D)
    first = [captions.index(caption) == row for row, caption in enumerate(captions)]  # each caption once
    image_changes, text_changes = edited - original, after - before
    report = ScorerReport(
        scorer=scorer.name,
        data_hash=info.data_hash,
        group=min(GROUP, sum(first)),
        retrieval=interval(retrieval_accuracy(original[first], before[first], group=GROUP)),
        separation=interval(direction_separation(image_changes, text_changes)),
        direction=interval(directions(image_changes, text_changes).tolist()),
        direction_mismatched=interval(directions(image_changes, text_changes.roll(1, 0)).tolist()),
        image_text=interval((original * before).sum(-1).tolist()),
    )
    make_folder(job.out)
    write_json(job.out / REPORT_FILE, asdict(report))
    yield report


def _held_out_pairs(job: ScorerJob) -> Generator[ShardReport, None, DatasetInfo]:
    """Draw the pairs if no folder was named, and return the dataset."""
    folder = job.data or job.out / "pairs"
    if job.data is None:
        size = scenes.WORLDS[job.world].sizes[0]
        options: dict[str, Any] = {"world": job.world, "num": job.num, "size": size, "seed": job.seed}
        yield from build_scenes(SceneJob(out=folder, split="held_out", pairs=True, jobs=job.jobs, **options))
    info = read_dataset(folder)
    if info.config.get("kind") != "pairs" or info.num_samples < 2:
        raise UnreadableDataset(f"{folder} holds no pairs; draw some with `wordbrush data scenes --pairs`.")
    return info


def _features(scorer: Scorer, batch: list[dict[str, Any]]) -> list[Tensor]:
    """Return the features of a batch's four columns, each (B, D)."""
    images = [np.stack([sample[column] for sample in batch]) for column in _IMAGES]
    texts = [[sample[column] for sample in batch] for column in _TEXTS]
    return [*map(scorer.image_features, images), *map(scorer.text_features, texts)]


def retrieval_accuracy(images: Tensor, texts: Tensor, *, group: int) -> list[float]:
    """Say of each picture whether its own caption fits best among its group's, 1 or 0.

    Args:
        images: (N, D), unit length.
        texts: (N, D), unit length, of N different captions.
        group: Neighbours that compete; what is left over after the last whole group is not asked.
    """
    whole = max(len(images) // group, 1) * group
    hits = []
    for own_images, own_texts in zip(images[:whole].split(group), texts[:whole].split(group), strict=True):
        best = (own_images @ own_texts.T).argmax(-1)
        hits += (best == torch.arange(len(best))).float().tolist()
    return hits


def direction_separation(image_changes: Tensor, text_changes: Tensor) -> list[float]:
    """Say of each pair how many of the others' changes of words fit its picture less than its own, in [0, 1].

    One half is chance; a change of words that fits equally well counts half.

    Args:
        image_changes: (N, D).
        text_changes: (N, D).
    """
    units = [torch.nn.functional.normalize(changes, dim=-1) for changes in (image_changes, text_changes)]
    fits = units[0] @ units[1].T  # (N, N)
    own = fits.diagonal()[:, None]
    beaten = (fits < own).float().sum(-1) + ((fits == own).float().sum(-1) - 1) / 2
    return (beaten / (len(fits) - 1)).tolist()


def tables(report: ScorerReport) -> tuple[Grid, ...]:
    """Return the report for the terminal."""
    rows = {
        f"own caption first of {report.group}": report.retrieval,
        "own edit's words before another's": report.separation,
        "directional similarity": report.direction,
        "same, words of another edit": report.direction_mismatched,
        "picture and caption": report.image_text,
    }
    mean = similarity("mean")
    title = f"scorer {report.scorer}, {report.separation.num} held-out pairs"
    cells = tuple((name, mean.cell(value)) for name, value in rows.items())
    return (Grid(title=title, first="figure", headings=(mean.heading,), rows=cells),)
