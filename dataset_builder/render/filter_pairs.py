"""Pick the good ones of rendered pairs and pack them into a dataset that training reads; nothing is rendered.

Beside the shards lie `decisions.jsonl`, one line for every pair that was rendered with its outcome, and
`funnel.json`, what they add up to from the triplets on.

Law: the outcome of a pair depends on the scores of its prompt's pairs alone; kept pairs are copied byte for
byte. Every pair that was asked for is counted once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from io import BytesIO
from itertools import groupby, islice
from pathlib import Path
from typing import Any, Final

from dataset_builder import records
from dataset_builder.errors import InvalidJob, UnreadableDataset
from dataset_builder.records import ClipScores
from dataset_builder.render.filters import (
    AUTO,
    KEPT,
    POCKET,
    PRESETS,
    ThresholdChoice,
    Thresholds,
    outcomes,
    quantile_thresholds,
)
from dataset_builder.render.tools import NO_SCORER, one_thread, scorer_fingerprint, scoring
from dataset_builder.shards.checks import CHECKS
from dataset_builder.shards.dataset import DatasetInfo, read_dataset
from dataset_builder.shards.fill import Running, cut, fill_folder
from dataset_builder.shards.shards import Sample, ShardReport
from dataset_builder.shards.storage import canonical_json
from dataset_builder.shards.tars import read_parts
from editors.files import user_path

PREFIX: Final = "pairs"
DECISIONS_FILE: Final = "decisions.jsonl"
FUNNEL_FILE: Final = "funnel.json"
_CALIBRATION_BATCH: Final = 64


@dataclass(frozen=True, kw_only=True, slots=True)
class FilterJob(ThresholdChoice):
    """A job that keeps the good ones of rendered pairs.

    Attributes:
        rendered: Folder that `wordbrush data render` filled.
        out: Folder for the pairs that are kept; made if missing.
        keep: Most pairs of a prompt; the best by direction are kept.
        calibrate_on: A dataset of exact pairs, whose scores give the thresholds in place of the preset.
        quantile: Share of the exact pairs that may fail each threshold.
        scorer: What scores the exact pairs: the one that the rendered pairs were scored with.
        samples_per_shard: Pairs in one file.
        jobs: Number of processes; None takes every core. Does not change a byte.
    """

    rendered: Path
    out: Path
    keep: int = 4
    calibrate_on: Path | None = None
    quantile: float = 0.05
    scorer: str = "pocket"
    samples_per_shard: int = 500
    jobs: int | None = None

    def __post_init__(self) -> None:
        for name in ("rendered", "out"):
            object.__setattr__(self, name, user_path(getattr(self, name)))
        super(FilterJob, self).__post_init__()
        CHECKS.whole_number("keep", self.keep, 1, 100_000)
        CHECKS.whole_number("samples_per_shard", self.samples_per_shard, 1, 100_000)
        Running(jobs=self.jobs)
        if self.out.resolve() == self.rendered.resolve():
            raise InvalidJob(f"out is {str(self.out)!r}, where the rendered pairs are; name another folder.")


@dataclass(frozen=True, slots=True)
class _Kept:
    """Where a kept pair lies."""

    shard: str
    key: str


@dataclass(slots=True)
class _Decided:
    """What became of rendered pairs, as small as it is written: there may be millions.

    Attributes:
        lines: Of the file of decisions.
        kept: Where the kept pairs lie, in order.
        outcomes: Outcome to number of pairs.
        triplets_kept: Triplets of which a pair is kept.
    """

    lines: BytesIO = field(default_factory=BytesIO)
    kept: list[_Kept] = field(default_factory=list)
    outcomes: Counter[str] = field(default_factory=Counter)
    triplets_kept: int = 0


def filter_pairs(job: FilterJob) -> Iterator[ShardReport]:
    """Copy the pairs that pass into a dataset of their own.

    Args:
        job: Which, from where, and where to.

    Yields:
        One report a shard, as `build.build_shards` does.

    Raises:
        InvalidJob: No pair passes, or the exact pairs were scored with another scorer.
        UnreadableDataset: There are no rendered pairs, or they have no scores.
        DatasetError: As `build.build_shards` says.
    """
    source = read_dataset(job.rendered)
    thresholds = _thresholds(job, source)
    decided = _decide(source, thresholds, job.keep)
    kept, funnel = decided.kept, _funnel(source, decided)
    if not kept:
        reasons = ", ".join(
            f"{reason} {number}" for reason, number in Counter(funnel["rejects"]).most_common()
        )
        raise InvalidJob(f"none of {source.num_samples} pairs passes ({reasons}); lower the thresholds.")
    config = {
        "kind": "filtered",
        "keep": job.keep,
        "rendered": source.data_hash,
        "samples_per_shard": job.samples_per_shard,
        "thresholds": asdict(thresholds),
    }
    yield from fill_folder(
        job.out,
        config=config,
        specs=cut(config, len(kept), job.samples_per_shard, prefix=PREFIX),
        fill=lambda spec: partial(_copy, job.rendered, kept[spec.start : spec.stop]),
        running=Running(jobs=job.jobs),
        beside={
            DECISIONS_FILE: decided.lines.getvalue(),
            FUNNEL_FILE: f"{canonical_json(funnel)}\n".encode(),
        },
    )


def calibrated_thresholds(exact: Path | str, *, scorer: str, quantile: float, num: int = 2000) -> Thresholds:
    """Return the thresholds that a share of exact pairs fails, score by score.

    Args:
        exact: A dataset of exact pairs.
        scorer: What scores them.
        quantile: Share of them that may fail each threshold.
        num: How many to look at.

    Raises:
        UnreadableDataset: There is no such dataset.
    """
    score = scoring(scorer, None)
    names = (
        records.ORIGINAL_IMAGE,
        records.EDITED_IMAGE,
        records.ORIGINAL_PROMPT,
        records.EDITED_PROMPT,
    )
    samples = islice(read_dataset(exact).samples(names), num)
    scores: list[ClipScores] = []
    with one_thread():
        while batch := list(islice(samples, _CALIBRATION_BATCH)):
            scores += score(*([sample[name] for sample in batch] for name in names))
    return quantile_thresholds(scores, quantile)


def _thresholds(job: FilterJob, source: DatasetInfo) -> Thresholds:
    """Return the preset's thresholds, or those that exact pairs give."""
    if job.calibrate_on is None:
        if job.preset == AUTO and _is_unscored(source):
            return job.changed(PRESETS["none"])
        return job.thresholds(by_pocket=_by_pocket(source))
    known, mine = source.config.get("scorer"), scorer_fingerprint(job.scorer)
    if known != mine:
        raise InvalidJob(
            f"scorer is {job.scorer!r} ({mine[:12]}), but the rendered pairs were scored by "
            f"{str(known)[:12]}; name the one that they were rendered with."
        )
    return job.changed(calibrated_thresholds(job.calibrate_on, scorer=job.scorer, quantile=job.quantile))


def _is_unscored(source: DatasetInfo) -> bool:
    """Say whether the pairs were rendered with the scorer "none"."""
    return bool(source.config.get("scorer") == NO_SCORER)


def _by_pocket(source: DatasetInfo) -> bool:
    """Say whether pocket's own scorer scored the pairs."""
    try:
        return bool(source.config.get("scorer") == scorer_fingerprint(POCKET))
    except InvalidJob:  # its weights are not on this machine: then it was another
        return False


def _decide(source: DatasetInfo, thresholds: Thresholds, keep: int) -> _Decided:
    """Decide over each rendered pair."""
    found = _Decided()
    wanted = (records.TRIPLET, records.SCORES, records.KIND, records.SELF_REPLACE_STEPS)
    for shard, samples in source.samples_by_shard(wanted):
        for _, group in groupby(samples, key=lambda sample: sample.get(records.TRIPLET)):
            candidates = list(group)
            scores = [_scores(source, one, thresholds) for one in candidates]
            verdicts = outcomes(scores, thresholds, keep=keep)
            for one, verdict in zip(candidates, verdicts, strict=True):
                key = one.pop("__key__")
                line = canonical_json({"key": key, "outcome": verdict, **one})
                found.lines.write(f"{line}\n".encode())
                if verdict == KEPT:
                    found.kept.append(_Kept(shard, key))
            found.outcomes.update(verdicts)
            found.triplets_kept += KEPT in verdicts
    return found


def _scores(source: DatasetInfo, sample: Mapping[str, Any], thresholds: Thresholds) -> ClipScores:
    """Return the scores of a rendered pair; where none are asked for, all without them are equal."""
    if records.SCORES not in sample and thresholds == PRESETS["none"]:
        return ClipScores(image_image=0, original_image_text=0, edited_image_text=0, direction=0)
    try:
        return ClipScores(**sample[records.SCORES])
    except (KeyError, TypeError) as error:
        raise UnreadableDataset(
            f"{source.folder} holds pairs without scores ({sample['__key__']}); render them with a scorer, "
            'or take them all with the preset "none".'
        ) from error


def _funnel(source: DatasetInfo, decided: _Decided) -> dict[str, Any]:
    """Count what became of everything that was asked for, from the triplets to the pairs that are kept."""
    rejects = decided.outcomes - Counter({KEPT: len(decided.kept)})
    for shard in source.shards:
        rejects.update(shard.rejects)
    triplets = sum(shard.stop - shard.start for shard in source.shards)
    return {
        "triplets": triplets,
        "asked": triplets * int(source.config.get("samples_per_triplet", 1)),
        "rendered": decided.outcomes.total(),
        "kept": len(decided.kept),
        "triplets_kept": decided.triplets_kept,
        "rejects": dict(sorted(rejects.items())),
    }


def _copy(folder: Path, kept: Sequence[_Kept]) -> Iterator[Sample]:
    """Copy pairs as they are."""
    for shard, group in groupby(kept, key=lambda one: one.shard):
        wanted = {one.key for one in group}
        for key, parts in read_parts(folder / f"{shard}.tar"):
            if key in wanted:
                yield Sample(key=key, parts=parts)
