"""Records come back equal from JSON, refuse nonsense in one sentence, and import nothing heavy."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from dataset_builder.errors import InvalidJob
from dataset_builder.records import ClipScores, EditPair, EditTriplet

TRIPLET = EditTriplet(original_prompt="a cat", edit_prompt="make it a dög", edited_prompt="a dög")
SCORES = ClipScores(image_image=0.9, original_image_text=0.2, edited_image_text=0.25, direction=0.3)


@pytest.mark.parametrize("scores", [None, SCORES])
def test_records_come_back_equal(scores: ClipScores | None) -> None:
    assert EditTriplet.from_json(TRIPLET.to_json()) == TRIPLET
    pair = EditPair(key="00000001", triplet=TRIPLET, kind="swap", seed=7, scores=scores)
    assert EditPair.from_json(pair.to_json()) == pair


def test_an_empty_prompt_is_refused() -> None:
    with pytest.raises(InvalidJob, match="edit_prompt"):
        EditTriplet(original_prompt="a", edit_prompt=" ", edited_prompt="b")


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1.5, -2.0])
def test_a_score_that_is_no_cosine_is_refused(value: float) -> None:
    with pytest.raises(InvalidJob, match="direction"):
        ClipScores(image_image=1, original_image_text=0, edited_image_text=0, direction=value)


def test_records_need_the_standard_library_only() -> None:
    code = "import sys, dataset_builder.records; assert not {'numpy', 'torch', 'PIL'} & sys.modules.keys()"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[2])
