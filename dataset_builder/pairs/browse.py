"""Look through the pairs of a dataset: in the order of a score, and what a person decided about each.

Law: looking changes nothing; a verdict changes the overlay alone.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from dataset_builder import records
from dataset_builder.errors import UnreadableDataset
from dataset_builder.pairs.overlay import Verdict, add_verdict, read_overlay
from dataset_builder.render.scores import SCORES
from dataset_builder.shards.dataset import read_dataset
from dataset_builder.shards.tars import read_columns
from editors.files import user_path

Pictures = tuple[NDArray[np.uint8], NDArray[np.uint8]]
"""Original and edited, (H, W, 3) uint8."""
Shown = Literal["all", "open", "keep", "reject"]
AS_WRITTEN: Final = "as written"
ORDERS: Final = (AS_WRITTEN, *SCORES, records.SELF_REPLACE_STEPS)
_FACTS: Final = (
    *(records.ORIGINAL_PROMPT, records.EDIT_PROMPT, records.EDITED_PROMPT),
    *(records.KIND, records.SCORES, records.SEED, records.GUIDANCE_SCALE, records.SELF_REPLACE_STEPS),
)
_CAPTIONS: Final = (records.ORIGINAL_PROMPT, records.EDITED_PROMPT)
_PICTURES: Final = (records.ORIGINAL_IMAGE, records.EDITED_IMAGE)


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """A pair without its pictures: its name, its shard, and what is known of it."""

    key: str
    shard: str
    facts: Mapping[str, Any]

    def says(self, words: str) -> bool:
        """Say whether its instruction or a caption holds some words, in any case."""
        texts = (self.facts.get(name) for name in (records.EDIT_PROMPT, *_CAPTIONS))
        return any(words.casefold() in text.casefold() for text in texts if isinstance(text, str))

    def rank(self, order: str) -> float:
        """Return what the pair is sorted by; what has no such score comes last."""
        scores = self.facts.get(records.SCORES) or {}
        value = scores.get(order, self.facts.get(order))
        return float(value) if isinstance(value, int | float) else float("-inf")


class Catalogue:
    """The pairs of a dataset.

    Args:
        folder: A finished dataset of pairs.

    Raises:
        UnreadableDataset: There is none, or its samples are no pairs.
    """

    def __init__(self, folder: Path | str) -> None:
        self.folder = user_path(folder)
        self.entries: dict[str, Entry] = {}
        for shard, samples in read_dataset(self.folder).samples_by_shard(_FACTS):
            for facts in samples:
                key = facts.pop("__key__")
                self.entries[key] = Entry(key=key, shard=shard, facts=facts)
        if not self.entries or records.EDIT_PROMPT not in next(iter(self.entries.values())).facts:
            raise UnreadableDataset(f"{folder} holds no pairs; name a dataset that has an edit_prompt.")

    def ordered(
        self, *, order: str = AS_WRITTEN, descending: bool = False, shown: Shown = "all"
    ) -> list[str]:
        """Return the names of pairs in an order: those shown that a person decided so about."""
        entries = list(self.entries.values())
        if shown != "all":
            overlay = read_overlay(self.folder)
            entries = [one for one in entries if overlay.get(one.key, "open") == shown]
        if order != AS_WRITTEN:
            entries.sort(key=lambda one: one.rank(order), reverse=descending)
        elif descending:
            entries.reverse()
        return [one.key for one in entries]

    def pictures(self, keys: Iterable[str]) -> dict[str, Pictures]:
        """Return the two pictures of some pairs, by their names; no other picture is decoded.

        Raises:
            UnreadableDataset: One of them is not there.
        """
        wanted: dict[str, set[str]] = defaultdict(set)
        for key in keys:
            wanted[self.entries[key].shard].add(key)
        found: dict[str, Pictures] = {}
        for shard, names in wanted.items():
            path = self.folder / f"{shard}.tar"
            for sample in read_columns(path, frozenset(_PICTURES), keys=names):
                if all(name in sample for name in _PICTURES):
                    found[sample["__key__"]] = sample[records.ORIGINAL_IMAGE], sample[records.EDITED_IMAGE]
            if lacking := min(names - found.keys(), default=None):
                raise UnreadableDataset(
                    f"{path} lacks a picture of {lacking}; run the command that made it again."
                )
        return found

    def verdict(self, key: str) -> Verdict:
        """Return what was decided about a pair."""
        return read_overlay(self.folder).get(key, "open")

    def decide(self, key: str, verdict: Verdict) -> None:
        """Write down what a person decides; exports honour it."""
        add_verdict(self.folder, key, verdict)
