"""Statistics of a job: the funnel of its triplets, their scores, and what p does to the direction.

Law: everything is counted from what the stages wrote: `triplets.json` says what became of every prompt,
`decisions.jsonl` what became of every rendered pair. Each stage's losses add up to what came in.
"""

from __future__ import annotations

import json
from array import array
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from dataset_builder import records
from dataset_builder.errors import DatasetError, UnreadableDataset
from dataset_builder.render.filter_pairs import DECISIONS_FILE, FUNNEL_FILE
from dataset_builder.render.filters import KEPT
from dataset_builder.render.scores import SCORES
from dataset_builder.render.triplets import read_triplets
from dataset_builder.shards.dataset import read_dataset, read_index
from dataset_builder.shards.storage import hash_json
from dataset_builder.write.ledger import ACCEPTED
from dataset_builder.write.writer import read_manifest
from editors.files import user_path
from evaluation.plot import Series, line_plot

STAGES: Final = ("prompts", "triplets", "asked", "rendered", "kept", "triplets_kept")
"""Of the funnel, in their order; the last one counts what has a kept pair."""
BINS: Final = 24
P_BINS: Final = 8


@dataclass(frozen=True, kw_only=True, slots=True)
class JobFolders:
    """Where the stages of a job lie: what was filtered, and what came before, where it is at hand."""

    filtered: Path
    rendered: Path | None
    triplets: Path | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Spread:
    """How one score is spread over some pairs: their number, and the 5 %, 50 % and 95 % quantile."""

    num: int
    low: float
    middle: float
    high: float


@dataclass(frozen=True, kw_only=True, slots=True)
class PairStats:
    """Figures of a job.

    Attributes:
        funnel: From prompts, where it is known how the triplets were written, to kept pairs: stage to number.
        not_written: Prompts without a triplet, by reason.
        rejects: Pairs left out, by reason.
        kinds: Kind of edit to (rendered, kept).
        rendered: Score to its spread over all rendered pairs; empty where they were not scored.
        kept: Score to its spread over kept pairs.
        by_p: (middle of a range of p, rendered pairs, mean direction, mean similarity of the pictures, share
            kept).
    """

    funnel: Mapping[str, int]
    not_written: Mapping[str, int]
    rejects: Mapping[str, int]
    kinds: Mapping[str, tuple[int, int]]
    rendered: Mapping[str, Spread]
    kept: Mapping[str, Spread]
    by_p: tuple[tuple[float, int, float, float, float], ...]


def job_folders(folder: Path | str) -> JobFolders:
    """Find the stages of a job.

    Args:
        folder: What `wordbrush data filter` filled, or the folder of a whole job, as `wordbrush data build`
            makes it. What was rendered and written is looked for beside the filtered pairs, and taken where
            these were made of it.
    """
    folder = user_path(folder)
    filtered = folder / "pairs" if (folder / "pairs" / DECISIONS_FILE).is_file() else folder
    rendered, triplets = filtered.parent / "rendered", filtered.parent / "triplets"
    try:
        made_of = (read_index(filtered) or {})["config"]["rendered"]
        info = read_dataset(rendered)
        words = hash_json([row.to_json() for row in read_triplets(triplets)])
    except (DatasetError, KeyError, TypeError):
        info, words, made_of = None, "", None
    if info is None or info.data_hash != made_of:
        return JobFolders(filtered=filtered, rendered=None, triplets=None)
    same = info.config.get("triplets") == words
    return JobFolders(filtered=filtered, rendered=rendered, triplets=triplets if same else None)


def decisions(filtered: Path) -> Iterator[dict[str, Any]]:
    """Walk through what became of every rendered pair, in the order of the samples.

    Args:
        filtered: As `job_folders` found it, which takes a while.

    Yields:
        A line of the file of decisions: "key", "outcome", and what the pair was drawn with and scored.

    Raises:
        UnreadableDataset: There is nothing filtered here.
    """
    with _readable(filtered), (filtered / DECISIONS_FILE).open(encoding="utf-8") as lines:
        for line in lines:
            found = json.loads(line)
            if not {"key", "outcome"} <= found.keys():
                raise ValueError(f"a line without key or outcome: {line[:80]!r}")
            yield found


def pair_stats(folder: Path | str) -> PairStats:
    """Count what became of everything that a job asked for.

    Args:
        folder: What `wordbrush data filter` filled, or the folder of a whole job.

    Raises:
        UnreadableDataset: There is nothing filtered here.
    """
    places = job_folders(folder)
    with _readable(places.filtered):
        funnel: dict[str, Any] = json.loads((places.filtered / FUNNEL_FILE).read_bytes())
    table = _read_table(places.filtered)
    written = read_manifest(places.triplets) if places.triplets is not None else None
    not_written: dict[str, int] = {}
    if written is not None:
        funnel = {"prompts": written["prompts"], **funnel}
        not_written = {reason: n for reason, n in written["outcomes"].items() if reason != ACCEPTED}
    rejects = Counter(funnel.pop("rejects"))
    funnel = {stage: funnel[stage] for stage in STAGES if stage in funnel}
    return PairStats(
        funnel=funnel,
        not_written=not_written,
        rejects=dict(rejects.most_common()),
        kinds={kind: (number, table.kinds_kept[kind]) for kind, number in sorted(table.kinds.items())},
        rendered={name: _spread(values) for name, values in table.scores.items()},
        kept={name: _spread(values[table.kept]) for name, values in table.scores.items()},
        by_p=_by_p(table),
    )


def stats_plot(folder: Path | str) -> NDArray[np.uint8]:
    """Draw the histograms of the four scores, and direction and similarity against p, (H, W, 3) uint8.

    Raises:
        UnreadableDataset: There is nothing filtered here, or its pairs have no scores.
    """
    table = _read_table(job_folders(folder).filtered)
    if not table.scores:
        raise UnreadableDataset(
            f"{folder}: its pairs were rendered without a scorer, so there are no scores to draw; render "
            "them with one."
        )
    plots = [_histogram(name, values, table.kept) for name, values in table.scores.items()]
    rows = _by_p(table)
    curves = (
        Series(name="directional similarity", points=tuple((row[0], row[2]) for row in rows)),
        Series(name="similarity of the pictures", points=tuple((row[0], row[3]) for row in rows)),
        Series(name="share kept", points=tuple((row[0], row[4]) for row in rows)),
    )
    plots.append(line_plot(curves, x_label="p", y_label="mean", title="p against the scores"))
    return _stacked(plots)


@contextmanager
def _readable(folder: Path) -> Iterator[None]:
    """Say in a sentence that what the filter writes is not there, or damaged."""
    try:
        yield
    except (OSError, ValueError, RecursionError, KeyError, TypeError, AttributeError) as error:
        raise UnreadableDataset(
            f"{folder} holds no filtered pairs ({error}); name a folder that `wordbrush data filter` filled."
        ) from error


@dataclass(frozen=True, kw_only=True, slots=True)
class _Table:
    """Decisions as columns, a few bytes a pair.

    Attributes:
        kept: (N,) bool.
        p: What each pair was drawn with, (N,); empty where scores are.
        scores: Score to its values, (N,); empty where pairs were rendered without a scorer.
        kinds: Kind of edit to rendered pairs.
        kinds_kept: Kind of edit to kept pairs.
    """

    kept: NDArray[np.bool_]
    p: NDArray[np.float64]
    scores: Mapping[str, NDArray[np.float64]]
    kinds: Counter[str]
    kinds_kept: Counter[str]


def _read_table(filtered: Path) -> _Table:
    """Read the decisions of a job."""
    kept, p, scores = array("b"), array("d"), {name: array("d") for name in SCORES}
    kinds: Counter[str] = Counter()
    kinds_kept: Counter[str] = Counter()
    with _readable(filtered):
        for line in decisions(filtered):
            kept.append(line["outcome"] == KEPT)
            kind = str(line.get(records.KIND, ""))
            kinds[kind] += 1
            kinds_kept[kind] += kept[-1]
            if records.SCORES in line:
                p.append(line[records.SELF_REPLACE_STEPS])
                for name, values in scores.items():
                    values.append(line[records.SCORES][name])
    are_scored = len(p) == len(kept)  # a pair without is one that was rendered without a scorer
    return _Table(
        kept=np.array(kept, bool),
        p=np.array(p if are_scored else ()),
        scores={name: np.array(values) for name, values in scores.items()} if are_scored else {},
        kinds=kinds,
        kinds_kept=kinds_kept,
    )


def _spread(values: NDArray[np.float64]) -> Spread:
    """Return how a score is spread."""
    low, middle, high = (float(value) for value in np.quantile(values, (0.05, 0.5, 0.95)))
    return Spread(num=len(values), low=round(low, 4), middle=round(middle, 4), high=round(high, 4))


def _by_p(table: _Table) -> tuple[tuple[float, int, float, float, float], ...]:
    """Return means over equal ranges of p; ranges without a pair are left out."""
    places = np.minimum(P_BINS - 1, (table.p * P_BINS).astype(int))
    rows = []
    for place in np.unique(places):
        here = places == place
        direction, same = (float(table.scores[name][here].mean()) for name in ("direction", "image_image"))
        kept = float(table.kept[here].mean())
        number = int(here.sum())
        rows.append(
            (float(place + 0.5) / P_BINS, number, round(direction, 4), round(same, 4), round(kept, 4))
        )
    return tuple(rows)


def _histogram(name: str, everything: NDArray[np.float64], kept: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Draw how many pairs score how much, of all rendered and of the kept ones."""
    edges = np.histogram_bin_edges(everything, bins=BINS)
    series = []
    for label, values in (("rendered", everything), ("kept", everything[kept])):
        counts, _ = np.histogram(values, bins=edges)
        middles = (edges[:-1] + edges[1:]) / 2
        points = tuple((float(x), float(y)) for x, y in zip(middles, counts, strict=True))
        series.append(Series(name=label, points=points))
    title = name.replace("_", " ")
    return line_plot(series, x_label="cosine", y_label="pairs", title=title)


def _stacked(plots: Sequence[NDArray[np.uint8]]) -> NDArray[np.uint8]:
    """Put plots into two columns on white."""
    height = max(plot.shape[0] for plot in plots)
    width = max(plot.shape[1] for plot in plots)
    sheet = np.full((-(-len(plots) // 2) * height, 2 * width, 3), 255, np.uint8)
    for place, plot in enumerate(plots):
        y, x = place // 2 * height, place % 2 * width
        sheet[y : y + plot.shape[0], x : x + plot.shape[1]] = plot
    return sheet
