"""Wordings of instructions: several ways to say each, a few of them never trained on.

Law: the held-out phrasings of an edit are none of its training phrasings.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from dataset_builder.scenes.vocabulary.tables import table


@dataclass(frozen=True, kw_only=True, slots=True)
class Phrasings:
    """The ways to ask for one edit: those trained on, and those kept for testing."""

    train: tuple[str, ...]
    held_out: tuple[str, ...]


PHRASINGS: Mapping[str, Phrasings] = MappingProxyType(
    {ask: Phrasings(**ways) for ask, ways in table("instructions").items()}
)
"""What is asked for -> templates; how they are filled is explained in `instructions.toml`."""
