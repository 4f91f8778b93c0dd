"""The Batch API: answers in any order and in parts, joined by name; a killed job orders nothing twice."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dataset_builder.errors import BudgetSpent, UnreadableDataset, WriterStopped
from dataset_builder.write.writer import write_triplets
from tests.dataset_builder.chaos import FAULTS, PAGE, Chaos, serving
from tests.dataset_builder.test_writer_openai import assert_adds_up, content, finish, job_of

KEY = "sk-a-secret-that-nobody-may-see"


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_WRITER_KEY", KEY)


def test_a_batch_makes_the_triplets_of_single_requests(tmp_path: Path) -> None:
    with serving(Chaos(share=0.0)) as chaos:
        chat = job_of(tmp_path, chaos)
        batch = replace(chat, out=tmp_path / "batch", transport="batch", poll=0.0)
        finish(chat)
        report = finish(batch)
    assert report.outcomes == {"accepted": 40} and len(chaos.batches) == 1
    assert content(chat)["triplets.jsonl"] == content(batch)["triplets.jsonl"]


def test_what_a_batch_leaves_out_goes_into_the_next(tmp_path: Path) -> None:
    with serving(Chaos(share=0.6, faults=(*FAULTS, "missing"))) as chaos:
        job = job_of(tmp_path, chaos, transport="batch", poll=0.0)
        report = finish(job)
        assert_adds_up(job, report, 40)
        assert report.requests["missing"] and len(chaos.batches) > 1
        assert finish(job).requests_now == 0
    assert all(KEY.encode() not in data for data in content(job).values())


def test_a_batch_is_asked_in_the_form_that_its_server_knows(tmp_path: Path) -> None:
    with serving(Chaos(share=0.0, forms=("text",))) as chaos:
        report = finish(job_of(tmp_path, chaos, num=5, transport="batch", poll=0.0))
    assert report.outcomes == {"accepted": 5} and len(chaos.batches) == 3


@pytest.mark.parametrize("kept", [1, 2], ids=["before its id was written", "while it ran"])
def test_a_killed_job_takes_its_batch_up_again(tmp_path: Path, kept: int) -> None:
    """The state that a kill leaves: the order is written down, its id perhaps not, the ledger in part."""
    with serving(Chaos(share=0.0)) as chaos:
        job = job_of(tmp_path, chaos, transport="batch", poll=0.0)
        run = write_triplets(job)
        for _ in range(3):
            next(run)
        run.close()  # type: ignore[attr-defined]
        state = job.out / "batches.jsonl"
        state.write_text("".join(state.read_text().splitlines(keepends=True)[:kept]))
        report = finish(job)
        assert report.outcomes == {"accepted": 40} and len(chaos.batches) == 1
        assert report.requests_now == 37


@pytest.mark.parametrize("line", ["{", "7", "{}", pytest.param(9999 * "[", id="deep")])
def test_a_damaged_state_is_a_sentence_and_orders_nothing(tmp_path: Path, line: str) -> None:
    with serving(Chaos(share=0.0)) as chaos:
        job = job_of(tmp_path, chaos, transport="batch", poll=0.0)
        job.out.mkdir(parents=True, exist_ok=True)
        (job.out / "batches.jsonl").write_text(f"{line}\n")
        with pytest.raises(UnreadableDataset, match=r"batches.jsonl is damaged .*; mend it, or remove it"):
            finish(job)
        assert not chaos.batches


def test_a_batch_holds_no_more_than_the_budget(tmp_path: Path) -> None:
    with serving(Chaos(share=0.0)) as chaos:
        prices: dict[str, Any] = {"input_price": 1.0, "output_price": 1.0, "budget": 1e-3}
        job = job_of(tmp_path, chaos, transport="batch", poll=0.0, **prices)
        with pytest.raises(BudgetSpent):
            finish(job)
    manifest = json.loads((job.out / "triplets.json").read_text())
    assert 0 < manifest["triplets"] < 40 and manifest["money"] <= 1e-3 + 120e-6


def test_a_page_where_a_batch_should_be_is_one_sentence(tmp_path: Path) -> None:
    with serving(Chaos(share=0.0)) as chaos:
        chaos.always = lambda to: to.send(200, PAGE)
        with pytest.raises(WriterStopped, match="does not speak the OpenAI API"):
            finish(job_of(tmp_path, chaos, transport="batch", poll=0.0))


def test_a_refused_batch_is_one_sentence(tmp_path: Path) -> None:
    with serving(Chaos(share=0.0)) as chaos:
        chaos.always = lambda to: to.send(
            200,
            {"id": "b", "status": "failed", "errors": {"data": [{"message": "no such model"}]}, "data": []},
        )
        with pytest.raises(WriterStopped, match="refused batch b"):
            finish(job_of(tmp_path, chaos, transport="batch", poll=0.0))


@pytest.mark.parametrize("fault", ["dropped", "server_error", "rate_limited"])
def test_a_batch_that_answers_nobody_uses_up_no_prompt(tmp_path: Path, fault: str) -> None:
    with serving(Chaos(share=1.0, faults=(fault,))) as chaos:
        job = job_of(tmp_path, chaos, num=5, transport="batch", poll=0.0, max_attempts=2)
        with pytest.raises(WriterStopped, match="answered none of the 5 requests of a batch"):
            finish(job)
        assert len(chaos.batches) == 2
        chaos.share = 0.0
        assert finish(job).outcomes == {"accepted": 5}
