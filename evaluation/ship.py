"""Put a trained and measured judge or scorer where the package carries it.

    python -m evaluation.ship --judge RUN/model --report OUT/judge.json
    python -m evaluation.ship --scorer RUN/model --report OUT/scorer.json

Law: what is shipped was measured: the card beside the weights holds the figures, and on which data they were
taken.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dataset_builder.errors import UnreadableDataset
from dataset_builder.render import clip
from dataset_builder.render.clip import PocketTowers
from evaluation import judge
from evaluation.judge import Judge


def ship_judge(folder: Path, report: Path, out: Path = judge.SHIPPED) -> None:
    """Write a judge with its figures.

    Args:
        folder: Of the trained judge.
        report: What `evaluate_judge` wrote about it.
        out: Where to.

    Raises:
        UnreadableDataset: The report cannot be read, or is of a judge of another world.
        JudgeMissing: The folder holds no judge.
    """
    trained, figures = Judge.from_pretrained(folder), _read(report)
    if figures.get("world_hash") != trained.world_hash:
        raise UnreadableDataset(f"{report} is no report on {folder}; measure it with `wordbrush eval judge`.")
    Judge(trained.model, {**trained.card, "figures": figures}).save(out)


def ship_scorer(folder: Path, report: Path, out: Path = clip.SHIPPED) -> None:
    """Write a scorer with its figures.

    Args:
        folder: Of the trained scorer.
        report: What `evaluate_scorer` wrote about it.
        out: Where to.

    Raises:
        UnreadableDataset: The report cannot be read, or is of another scorer.
        ScorerMissing: The folder holds no scorer.
    """
    trained, figures = PocketTowers.load(folder, "cpu"), _read(report)
    if figures.pop("scorer", None) != str(folder):
        raise UnreadableDataset(
            f"{report} is no report on {folder}; measure it with `wordbrush eval scorer`."
        )
    PocketTowers(trained.model, {**trained.card, "figures": figures}).save(out)


def _read(report: Path) -> dict[str, Any]:
    try:
        figures: dict[str, Any] = json.loads(report.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UnreadableDataset(f"{report} cannot be read ({error}); measure again.") from error
    return figures


def main(arguments: Sequence[str] | None = None) -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(prog="python -m evaluation.ship", description=main.__doc__)
    kinds = parser.add_mutually_exclusive_group(required=True)
    kinds.add_argument("--judge", type=Path)
    kinds.add_argument("--scorer", type=Path)
    parser.add_argument("--report", type=Path, required=True)
    given = parser.parse_args(arguments)
    if given.judge is not None:
        ship_judge(given.judge, given.report)
    else:
        ship_scorer(given.scorer, given.report)


if __name__ == "__main__":
    main()
