"""Measure the judge itself, on composed scenes that it never saw, where the truth is known.

Law: a head is measured on every scene where it can be seen (`judge.visible`), and on no other; what was left
out is counted.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Final, TypeAlias

import numpy as np

from dataset_builder import records
from dataset_builder.build_scenes import SceneJob, build_scenes
from dataset_builder.errors import UnreadableDataset
from dataset_builder.scenes import Scene
from dataset_builder.shards.dataset import DatasetInfo, read_dataset
from dataset_builder.shards.shards import ShardReport
from dataset_builder.shards.storage import make_folder, write_json
from evaluation.figures import Interval, interval
from evaluation.jobs import JudgeJob
from evaluation.judge import HEADS, Judge, Reading, truth, visible
from evaluation.report import Grid, share

REPORT_FILE: Final = "judge.json"
_BATCH: Final = 128
_CONFUSIONS: Final = 3


@dataclass(frozen=True, kw_only=True, slots=True)
class Marks:
    """Marks of one reading against the scene's truth.

    Attributes:
        key: Name of the scene.
        right: Head to whether each of its labels was read right, for heads that can be seen. `noun` is one
            label, the exact set; `count`, `colour` and `material` have one a thing.
        mistakes: (head, truth, reading) of each label read wrong.
    """

    key: str
    right: Mapping[str, tuple[bool, ...]]
    mistakes: tuple[tuple[str, str, str], ...]

    @property
    def note(self) -> str:
        """Name of the scene."""
        return self.key


@dataclass(frozen=True, kw_only=True, slots=True)
class JudgeReport:
    """A report of how often the judge is right.

    Attributes:
        world: Its world.
        world_hash: Of the world it was trained on.
        data_hash: Of the scenes.
        num: Scenes.
        heads: Head to the share of labels read right.
        hidden: Head to the number of scenes that do not show it.
        confusions: Head to its most frequent mistakes, as (truth, reading, number).
    """

    world: str
    world_hash: str
    data_hash: str
    num: int
    heads: Mapping[str, Interval]
    hidden: Mapping[str, int]
    confusions: Mapping[str, tuple[tuple[str, str, int], ...]]


JudgeStep: TypeAlias = ShardReport | Marks | JudgeReport


def evaluate_judge(job: JudgeJob, judge: Judge | None = None) -> Iterator[JudgeStep]:
    """Let a judge read held-out scenes; writes `judge.json`.

    Args:
        job: What to measure.
        judge: The judge, where one is at hand; else the job's is loaded.

    Yields:
        The shards of the scenes, where they are drawn here; the marks of each scene; and last the report.

    Raises:
        JudgeMissing: There is no judge.
        ChangedWorld: Its world is drawn differently by now.
        UnreadableDataset: `job.data` holds no scenes of its world, or scenes that it was trained on.
    """
    judge = judge or Judge.from_pretrained(job.judge)
    info = yield from held_out_scenes(job, judge)
    columns = (records.IMAGE, records.SCENE)
    marks: list[Marks] = []
    for batch in _batches(itertools.islice(info.samples(columns), job.num)):
        readings = judge.read(np.stack([sample[records.IMAGE] for sample in batch]))
        for sample, reading in zip(batch, readings, strict=True):
            marks.append(mark(sample["__key__"], Scene.from_json(sample[records.SCENE]), reading))
            yield marks[-1]
    report = summarise(judge, info.data_hash, marks)
    make_folder(job.out)
    write_json(job.out / REPORT_FILE, asdict(report))
    yield report


def held_out_scenes(job: JudgeJob, judge: Judge) -> Generator[ShardReport, None, DatasetInfo]:
    """Draw the scenes if no folder was named, and return the dataset."""
    folder = job.data or job.out / "scenes"
    if job.data is None:
        yield from build_scenes(
            SceneJob(
                out=folder,
                world=judge.world,
                num=job.num,
                size=judge.size,
                seed=job.seed,
                split="held_out",
                jobs=job.jobs,
            )
        )
    info = read_dataset(folder)
    if info.config.get("kind") != "scenes" or info.config.get("world") != judge.world:
        raise UnreadableDataset(
            f"{folder} holds no scenes of world '{judge.world}'; draw some with `wordbrush data scenes`."
        )
    if {"seed": info.config["seed"], "split": info.config["split"]} in judge.card.get("trained_on", []):
        raise UnreadableDataset(
            f"{folder} holds scenes that the judge was trained on; draw some of another seed."
        )
    return info


def mark(key: str, scene: Scene, reading: Reading) -> Marks:
    """Compare a reading with the truth of its scene, head by head.

    Looks are compared for things that are there and were found; a missed one is a mistake of `noun`.
    """
    true, seen = truth(scene), visible(scene)
    compared: dict[str, list[tuple[Any, Any]]] = {"noun": [(sorted(true.things), sorted(reading.things))]}
    for head in ("background", "time_of_day", "weather", "style"):
        compared[head] = [(getattr(true, head), getattr(reading, head))]
    found = [(thing, reading.things[noun]) for noun, thing in true.things.items() if noun in reading.things]
    for head in ("count", "material"):
        compared[head] = [(getattr(thing, head), getattr(read, head)) for thing, read in found]
    compared["colour"] = [(thing.colour, read.colour) for thing, read in found if thing.colour]
    compared = {head: pairs for head, pairs in compared.items() if head in seen}
    return Marks(
        key=key,
        right={head: tuple(was == said for was, said in pairs) for head, pairs in compared.items()},
        mistakes=tuple(
            (head, _word(was), _word(said))
            for head, pairs in compared.items()
            for was, said in pairs
            if was != said
        ),
    )


def _word(value: Any) -> str:
    return ", ".join(value) or "nothing" if isinstance(value, list) else str(value)


def summarise(judge: Judge, data_hash: str, marks: Sequence[Marks]) -> JudgeReport:
    """Put the marks of all scenes into one report; a head that no scene shows is left out."""
    right = {head: [hit for one in marks for hit in one.right.get(head, ())] for head in HEADS}
    mistakes: dict[str, Counter[tuple[str, str]]] = {head: Counter() for head in HEADS}
    for one in marks:
        for head, was, said in one.mistakes:
            mistakes[head][was, said] += 1
    return JudgeReport(
        world=judge.world,
        world_hash=judge.world_hash,
        data_hash=data_hash,
        num=len(marks),
        heads={head: interval([float(hit) for hit in hits]) for head, hits in right.items() if hits},
        hidden={head: sum(head not in one.right for one in marks) for head in HEADS},
        confusions={
            head: tuple((was, said, num) for (was, said), num in counted.most_common(_CONFUSIONS))
            for head, counted in mistakes.items()
        },
    )


def tables(report: JudgeReport) -> tuple[Grid, ...]:
    """Return the report for the terminal."""
    right = replace(share("right"), digits=1)
    rows = tuple(
        (
            head,
            right.cell(value),
            str(value.num),
            str(report.hidden[head]),
            "; ".join(f"{was} → {said} ({num})" for was, said, num in report.confusions[head]),
        )
        for head, value in report.heads.items()
    )
    headings = ("right", "labels", "scenes that hide it", "most frequent mistakes")
    title = f"judge of world '{report.world}', {report.num} held-out scenes"
    return (Grid(title=title, first="head", headings=headings, rows=rows),)


def _batches(samples: Iterable[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    """Yield samples 128 at a time."""
    waiting = iter(samples)
    while batch := list(itertools.islice(waiting, _BATCH)):
        yield batch
