"""The pairs of a job with what became of each: kept, or left out for a reason.

Law: every pair that was rendered is there, with the outcome that the filter wrote down; none is judged anew.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from dataset_builder.pairs.browse import AS_WRITTEN, Catalogue
from dataset_builder.render.filter_pairs import DECISIONS_FILE
from dataset_builder.render.filters import KEPT
from dataset_builder.shards.dataset import INDEX_FILE, read_index
from editors.below import folder_below, found_below
from editors.files import user_path
from evaluation.stats import PairStats, decisions, job_folders, pair_stats

ALL: Final = "all"


@dataclass(frozen=True, kw_only=True, slots=True)
class JobPairs:
    """Pairs to look through.

    Attributes:
        catalogue: All pairs that were rendered, where they are at hand; else those of the dataset.
        outcomes: Pair -> "kept", "surplus" or the score it fails by; empty where nothing was filtered.
        thresholds: Score -> the least that a kept pair has; empty where nothing was filtered.
        stats: What became of everything that was asked for; None where nothing was filtered.
    """

    catalogue: Catalogue
    outcomes: Mapping[str, str]
    thresholds: Mapping[str, float]
    stats: PairStats | None

    @property
    def counts(self) -> Mapping[str, int]:
        """Outcome -> pairs that have it: all of them, the kept ones, then reasons, the commonest first."""
        found = Counter(self.outcomes.values())
        kept = {KEPT: found.pop(KEPT, 0)} if self.outcomes else {}
        return {ALL: len(self.catalogue.entries), **kept, **dict(found.most_common())}

    def ordered(
        self, *, order: str = AS_WRITTEN, descending: bool = False, outcome: str = ALL, search: str = ""
    ) -> list[str]:
        """Return the names of pairs with an outcome and some words, in an order of `browse.ORDERS`."""
        words, entries = search.strip(), self.catalogue.entries
        return [
            key
            for key in self.catalogue.ordered(order=order, descending=descending)
            if (outcome == ALL or self.outcomes[key] == outcome) and (not words or entries[key].says(words))
        ]


def read_job_pairs(folder: Path | str) -> JobPairs:
    """Open a dataset of pairs, or the folder of a whole job.

    Raises:
        UnreadableDataset: There is none, or its samples are no pairs.
    """
    places = job_folders(folder)
    if not (places.filtered / DECISIONS_FILE).is_file():
        return JobPairs(catalogue=Catalogue(folder), outcomes={}, thresholds={}, stats=None)
    catalogue = Catalogue(places.rendered or places.filtered)
    decided = {line["key"]: str(line["outcome"]) for line in decisions(places.filtered)}
    return JobPairs(
        catalogue=catalogue,
        outcomes={key: decided.get(key, KEPT) for key in catalogue.entries},
        thresholds=(read_index(places.filtered) or {}).get("config", {}).get("thresholds", {}),
        stats=pair_stats(folder),
    )


def dataset_below(folder: Path | str, name: str | None) -> Path | None:
    """Return the folder of a dataset that `datasets_below` names; None where the name is no such one."""
    return folder_below(folder, name, lambda place: (place / INDEX_FILE).is_file())


def datasets_below(folder: Path | str) -> list[str]:
    """Return the datasets at and below a folder, as paths from there; "." is the folder itself."""
    root = user_path(folder)
    # What was filtered first: it tells of what was rendered, too.
    return sorted(
        found_below(root, INDEX_FILE), key=lambda name: not (root / name / DECISIONS_FILE).is_file()
    )
