"""Decisions of a person about single pairs, in a file beside the shards, which stay as they are.

Law: the last word on a pair counts; taking it back leaves the dataset as if nothing had been said.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Literal, get_args

from dataset_builder.errors import UnreadableDataset
from dataset_builder.shards.checks import CHECKS
from dataset_builder.shards.storage import append_line, read_lines

Verdict = Literal["keep", "reject", "open"]
OVERLAY_FILE: Final = "overlay.jsonl"
BY_HAND: Final = "rejected_by_hand"


def add_verdict(folder: Path | str, key: str, verdict: Verdict) -> None:
    """Write down what a person thinks of a pair; "open" takes back what was said before.

    Raises:
        InvalidJob: There is no such verdict.
        StorageFailed: The system refused.
    """
    CHECKS.choice("verdict", verdict, get_args(Verdict))
    append_line(Path(folder) / OVERLAY_FILE, {"key": key, "verdict": verdict})


def read_overlay(folder: Path | str) -> Mapping[str, Verdict]:
    """Return what was decided, by the name of the pair; empty where nobody looked.

    Raises:
        UnreadableDataset: The file is there and no overlay of ours.
    """
    path = Path(folder) / OVERLAY_FILE
    found: dict[str, Verdict] = {}
    try:
        lines: list[Any] = read_lines(path)
        for line in lines:
            if line["verdict"] not in get_args(Verdict):
                raise ValueError(line["verdict"])
            found[str(line["key"])] = line["verdict"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UnreadableDataset(f"{path} cannot be read ({error}); remove it, or mend it.") from error
    return {key: verdict for key, verdict in found.items() if verdict != "open"}
