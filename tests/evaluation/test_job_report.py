"""The page of a job shows what is in it: kept pairs as packed, others with the score that they failed."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from dataset_builder import records
from dataset_builder.shards.dataset import read_dataset
from evaluation.job_report import job_report, shown_pairs
from evaluation.stats import job_folders, pair_stats


@pytest.fixture
def job(filtered_job) -> Path:
    return filtered_job


def test_kept_pairs_are_shown_as_they_were_packed(job):
    packed = {
        (sample[records.ORIGINAL_IMAGE].tobytes(), sample[records.EDITED_IMAGE].tobytes()): sample
        for sample in read_dataset(job / "pairs").samples()
    }
    shown = shown_pairs(job, 100, kept=True)
    assert len(shown) == len(packed)
    for pair in shown:
        sample = packed[pair.original_image.tobytes(), pair.edited_image.tobytes()]
        assert pair.words.startswith(f"{sample[records.EDIT_PROMPT]}\n")
    assert len(shown_pairs(job, 2, kept=True)) == 2


def test_pairs_that_were_left_out_say_which_score_they_failed_and_by_what(job):
    threshold = json.loads((job / "pairs" / "dataset.json").read_text())["config"]["thresholds"]["direction"]
    shown = shown_pairs(job, 100, kept=False)
    assert len(shown) == pair_stats(job).rejects["direction"] > 0
    for pair in shown:
        words, _, score = pair.words.rpartition(" ")
        assert words.endswith("\ndirection") and float(score) <= threshold + 0.005


def test_the_page_is_the_same_again_and_poorer_without_what_was_rendered(job, tmp_path):
    page = job_report(job)
    assert np.array_equal(page, job_report(job / "pairs"))
    alone = tmp_path / "pairs"
    alone.mkdir()
    for path in (job / "pairs").iterdir():
        (alone / path.name).write_bytes(path.read_bytes())
    assert job_folders(alone).rendered is None
    assert job_report(alone).shape[0] < page.shape[0]


def test_the_funnel_begins_with_the_prompts_and_loses_none(job):
    found = pair_stats(job)
    assert found.funnel["prompts"] == found.funnel["triplets"] + sum(found.not_written.values()) == 9
    assert found.funnel["asked"] == found.funnel["kept"] + sum(found.rejects.values())
