"""Writing jobs: what they refuse, what they leave behind, and that a finished one does nothing more."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from dataset_builder.errors import ConfigChanged, FolderBusy, InvalidJob, StorageFailed, UnreadableDataset
from dataset_builder.render.triplets import read_triplets
from dataset_builder.scenes import Scene, caption
from dataset_builder.shards.storage import hash_file, locked, peek
from dataset_builder.write.estimate import estimate
from dataset_builder.write.job import WriteJob
from dataset_builder.write.ledger import Ledger, Line, settled
from dataset_builder.write.writer import WriteReport, write_finetune_file, write_triplets


def finish(job: WriteJob) -> WriteReport:
    *_, report = write_triplets(job)
    assert isinstance(report, WriteReport)
    return report


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


@pytest.fixture(scope="module")
def scenes_job(tmp_path_factory: pytest.TempPathFactory) -> WriteJob:
    job = WriteJob(out=tmp_path_factory.mktemp("scenes"), num=40, world="offline")
    finish(job)
    return job


def prompts_file(folder: Path, *lines: str) -> str:
    path = folder / "prompts.txt"
    path.write_text("\n".join(lines))
    return str(path)


def test_triplets_of_scenes_say_what_their_scenes_say(scenes_job: WriteJob) -> None:
    rows = read_triplets(scenes_job.out / "triplets.jsonl")
    for row in rows:
        assert row.triplet.original_prompt == caption(Scene.from_json(row.known["original_scene"]))
        assert row.triplet.edited_prompt == caption(Scene.from_json(row.known["edited_scene"]))


def test_counts_and_hashes_of_the_manifest_are_those_of_the_files(scenes_job: WriteJob) -> None:
    manifest = json.loads((scenes_job.out / "triplets.json").read_text())
    rows = read_triplets(scenes_job.out / "triplets.jsonl")
    assert len(rows) == manifest["triplets"] == manifest["outcomes"]["accepted"]
    assert sum(manifest["outcomes"].values()) == manifest["prompts"] == 40
    assert manifest["sha256"] == hash_file(scenes_job.out / "triplets.jsonl")
    assert manifest["ledger_sha256"] == hash_file(scenes_job.out / "ledger.jsonl")


def test_a_finished_job_does_nothing_and_a_lost_file_is_made_again(
    scenes_job: WriteJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = content(scenes_job.out)
    (scenes_job.out / "triplets.jsonl").write_bytes(b"damaged")
    assert finish(scenes_job).requests_now == 0
    assert content(scenes_job.out) == before
    times = {path.name: path.stat().st_mtime_ns for path in scenes_job.out.iterdir()}
    monkeypatch.setattr(
        "dataset_builder.write.writer.read_prompts", None
    )  # whatever asked for them would raise
    assert finish(scenes_job).requests_now == 0
    assert {path.name: path.stat().st_mtime_ns for path in scenes_job.out.iterdir()} == times


def test_a_changed_configuration_is_refused_naming_both_hashes(scenes_job: WriteJob) -> None:
    before = content(scenes_job.out)
    old = json.loads(before["write.json"])["config_hash"]
    with pytest.raises(ConfigChanged, match="num was 40, is 41") as caught:
        finish(WriteJob(out=scenes_job.out, num=41, world="offline"))
    assert old[:12] in str(caught.value)
    assert content(scenes_job.out) == before


def test_two_drivers_do_not_share_a_folder(tmp_path: Path) -> None:
    job = WriteJob(out=tmp_path, num=2, world="offline")
    with locked(tmp_path), pytest.raises(FolderBusy, match="another run"):
        finish(job)
    assert finish(job).prompts == 2


def test_a_file_where_the_folder_should_be_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("")
    with pytest.raises(StorageFailed, match="choose another folder"):
        finish(WriteJob(out=tmp_path / "out", num=2, world="offline"))


def test_a_damaged_ledger_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "ledger.jsonl").write_text('{"number": 1}\n')
    with pytest.raises(UnreadableDataset, match="damaged line"):
        finish(WriteJob(out=tmp_path, num=2, world="offline"))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({}, "num is None"),
        ({"num": 0}, "num: 0 is not allowed"),
        ({"num": 2.5}, "num: 2.5 is not allowed"),
        ({"num": 5, "world": "nowhere"}, "world: 'nowhere' is not allowed"),
        ({"num": 5, "split": "test"}, "split: 'test' is not allowed"),
        ({"num": 5, "writer": "monkeys"}, "writer: 'monkeys' is not allowed"),
        ({"prompts": ""}, "prompts is ''"),
        ({"prompts": "captions.txt"}, "writer is 'scenes'"),
        ({"num": 5, "writer": "openai"}, "model is None"),
        (
            {"num": 5, "writer": "openai", "model": "m", "transport": "pigeon"},
            "transport: 'pigeon' is not",
        ),
        ({"num": 5, "writer": "openai", "model": "m", "check": "feelings"}, "check: 'feelings' is not"),
        ({"num": 5, "writer": "openai", "model": "m", "base_url": "localhost:8000"}, "base_url must be"),
        ({"num": 5, "writer": "openai", "model": "m", "base_url": "http://u:p@host/v1"}, "base_url must be"),
        ({"num": 5, "writer": "openai", "model": "m", "temperature": float("nan")}, "temperature: NaN"),
        ({"num": 5, "writer": "openai", "model": "m", "concurrency": 0}, "concurrency: 0 is not allowed"),
        ({"num": 5, "writer": "openai", "model": "m", "budget": 1.0}, "nobody says what tokens cost"),
        ({"num": 5, "writer": "openai", "model": "m", "budget": 0}, "budget is 0, but must be above 0"),
        ({"num": 5, "writer": "openai", "model": "m", "input_price": 1.0}, "belong together"),
        ({"num": 5, "writer": "openai", "model": "m", "timeout": None}, "timeout: None is not allowed"),
    ],
)
def test_a_job_that_cannot_be_done_is_refused_in_one_sentence(tmp_path: Path, fields, message) -> None:
    with pytest.raises(InvalidJob, match=message) as caught:
        WriteJob(out=tmp_path / "out", **fields)
    assert str(caught.value).endswith(".") and "\n" not in str(caught.value)


def test_a_missing_key_is_named_and_nothing_is_written(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.delenv("A_KEY", raising=False)
    file = prompts_file(tmp_path, "a cat")
    job = WriteJob(out=tmp_path / "out", prompts=file, writer="openai", model="m", key_variable="A_KEY")
    with pytest.raises(InvalidJob, match="environment variable A_KEY is not set"):
        finish(job)
    assert not (tmp_path / "out").exists()


def test_prices_come_from_a_file_that_names_the_model(tmp_path: Path) -> None:
    path = tmp_path / "prices.json"
    path.write_text('{"m": {"input": 1.5, "output": 6}}')
    file = prompts_file(tmp_path, "a cat", "a dog")
    known: dict[str, Any] = {"out": tmp_path / "out", "prompts": file, "writer": "openai", "prices": path}
    found = estimate(WriteJob(model="m", budget=1.0, **known))
    most = (found.prompt_tokens * 1.5 + found.most_completion_tokens * 6) / 1e6
    assert found.requests == 2 and found.most_money == pytest.approx(most)
    with pytest.raises(InvalidJob, match="says nothing of 'n'"):
        WriteJob(model="n", budget=1.0, **known)
    path.write_text("nonsense")
    with pytest.raises(InvalidJob, match="cannot be read"):
        WriteJob(model="m", budget=1.0, **known)


def test_an_estimate_keeps_to_the_slowest_limit_and_writes_nothing(tmp_path: Path) -> None:
    file = prompts_file(tmp_path, *(f"picture {number}" for number in range(120)))
    known: dict[str, Any] = {
        "out": tmp_path / "out",
        "prompts": file,
        "writer": "openai",
        "model": "m",
        "concurrency": 1000,
    }
    free = estimate(WriteJob(**known))
    assert free.requests == 120 and free.money is None
    by_requests = estimate(WriteJob(requests_per_minute=60, **known))
    assert by_requests.seconds == pytest.approx(120)
    tokens = free.prompt_tokens + free.completion_tokens
    assert estimate(WriteJob(tokens_per_minute=tokens / 10, **known)).seconds == pytest.approx(600)
    assert estimate(WriteJob(transport="batch", **known)).seconds is None
    assert not (tmp_path / "out").exists()


def test_a_finetune_file_is_the_conversation_that_a_writer_has(tmp_path: Path, scenes_job: WriteJob) -> None:
    assert write_finetune_file(scenes_job.out, tmp_path / "tune.jsonl") == 40
    rows = read_triplets(scenes_job.out / "triplets.jsonl")
    lines = (tmp_path / "tune.jsonl").read_text().splitlines()
    for row, line in zip(rows, lines, strict=True):
        system, user, assistant = json.loads(line)["messages"]
        assert [turn["role"] for turn in (system, user, assistant)] == ["system", "user", "assistant"]
        assert user["content"] == row.triplet.original_prompt
        assert json.loads(assistant["content"])["edited_prompt"] == row.triplet.edited_prompt


def test_the_examples_that_come_with_the_project_pass_its_own_rules(tmp_path: Path) -> None:
    from dataset_builder.write.rules import doubt, rejection

    job = WriteJob(out=tmp_path, num=1, writer="openai", model="m")
    for example in job.read_examples():
        texts = (example.original_prompt, example.edit_prompt, example.edited_prompt)
        assert rejection(*texts) is None and doubt(*texts) is None


def test_a_ledger_is_settled_in_the_order_of_the_prompts_not_of_arrival(tmp_path: Path) -> None:
    def line(number: int, edited: str) -> Line:
        return Line(
            number=number, attempt=0, outcome="accepted", final=True, edit_prompt="go", edited_prompt=edited
        )

    lines = [line(2, "A dog."), line(0, "a cat"), line(1, "a dog"), line(3, "a cat")]
    one, two = Ledger(tmp_path / "one"), Ledger(tmp_path / "two")
    for entry in lines:
        one.record(entry)
    for entry in reversed(lines):
        two.record(entry)
    found = settled(one)
    assert [entry.outcome for entry in found] == ["accepted", "accepted", "duplicate", "duplicate"]
    assert found == settled(two) == settled(Ledger(tmp_path / "one"))


def test_a_line_that_a_kill_cut_short_is_asked_again(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger")
    ledger.record(Line(number=0, attempt=0, outcome="refused", final=True))
    with (tmp_path / "ledger").open("ab") as file:
        file.write(b'{"number": 1, "attempt": 0, "outco')
    before = (tmp_path / "ledger").read_bytes()
    assert Ledger(tmp_path / "ledger", read=peek).is_final(0)
    assert (tmp_path / "ledger").read_bytes() == before, "a look changes nothing: another run may be writing"
    again = Ledger(tmp_path / "ledger")
    assert again.is_final(0) and not again.of(1)
