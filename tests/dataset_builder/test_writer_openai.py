"""A language model's server in all weathers: each request has its outcome, nothing is lost or leaks."""

from __future__ import annotations

import json
import logging
import multiprocessing
import resource
import signal
import time
from collections.abc import Iterator
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from dataset_builder.errors import BudgetSpent, ConfigChanged, InvalidJob, StorageFailed, WriterStopped
from dataset_builder.render.triplets import read_triplets
from dataset_builder.write.estimate import estimate
from dataset_builder.write.job import WriteJob
from dataset_builder.write.ledger import Ledger, Line
from dataset_builder.write.messages import Reply, TripletAnswer
from dataset_builder.write.openai_client import Server
from dataset_builder.write.requests import Requests
from dataset_builder.write.rules import same_words
from dataset_builder.write.writer import WriteReport, write_triplets
from tests.dataset_builder.chaos import FAULTS, PAGE, Chaos, serving

KEY = "sk-a-secret-that-nobody-may-see"
SHIFTY = tuple(fault for fault in FAULTS if fault != "timeout")
"""What does not depend on how busy this machine is."""


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_WRITER_KEY", KEY)


@pytest.fixture
def calm() -> Iterator[Chaos]:
    with serving(Chaos(share=0.0)) as chaos:
        yield chaos


@pytest.fixture
def wild() -> Iterator[Chaos]:
    with serving(Chaos(faults=SHIFTY)) as chaos:
        yield chaos


def job_of(folder: Path, chaos: Chaos, *, num: int = 40, **fields) -> WriteJob:
    path = folder / "prompts.txt"
    path.write_text("\n".join(f"a picture of thing {number}" for number in range(num)))
    known = {
        "out": folder / "out",
        "prompts": str(path),
        "writer": "openai",
        "model": "m",
        "base_url": chaos.url,
        "key_variable": "TEST_WRITER_KEY",
        "check": "words",
        "shots": 1,
        "backoff": 0.001,
        "concurrency": 4,
    }
    return WriteJob(**{**known, **fields})


def finish(job: WriteJob) -> WriteReport:
    *_, report = write_triplets(job)
    assert isinstance(report, WriteReport)
    return report


def ledger(job: WriteJob) -> list[Line]:
    return [Line(**json.loads(line)) for line in (job.out / "ledger.jsonl").read_text().splitlines()]


def content(job: WriteJob) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(job.out.iterdir())}


def assert_adds_up(job: WriteJob, report: WriteReport, num: int) -> None:
    lines = ledger(job)
    assert sorted(line.number for line in lines if line.final) == list(range(num))
    assert sum(report.outcomes.values()) == report.prompts == num
    assert sum(report.requests.values()) == len(lines)
    rows = read_triplets(job.out / "triplets.jsonl")
    assert len(rows) == report.triplets == report.outcomes["accepted"]
    answers = {(same_words(row.triplet.edit_prompt), same_words(row.triplet.edited_prompt)) for row in rows}
    assert len(answers) == len(rows) == len({row.triplet.original_prompt for row in rows})
    assert [int(row.id) for row in rows] == sorted(int(row.id) for row in rows)


def test_a_calm_server_is_asked_once_a_prompt(tmp_path: Path, calm: Chaos) -> None:
    report = finish(job_of(tmp_path, calm))
    assert (
        report.outcomes == {"accepted": 40} and report.requests_now == calm.count("/chat/completions") == 40
    )
    assert set(calm.prompts().values()) == {1}
    assert (report.prompt_tokens, report.completion_tokens) == (4000, 800)


def test_in_chaos_the_job_finishes_and_everything_adds_up(tmp_path: Path, caplog) -> None:
    caplog.set_level(logging.DEBUG)
    with serving(Chaos(share=0.6)) as chaos:
        job = job_of(tmp_path, chaos, num=60, timeout=1.0)
        report = finish(job)
        asked = chaos.count("/chat/completions")
        assert chaos.keys == {f"Bearer {KEY}"} and chaos.busiest <= 4
        assert_adds_up(job, report, 60)
        assert {"refused", "unchanged", "duplicate", "several_instructions"} & set(report.outcomes)
        assert {"rate_limited", "server_error", "malformed"} <= set(report.requests)
        assert finish(job).requests_now == 0 and chaos.count("/chat/completions") == asked
    for name, data in content(job).items():
        assert KEY.encode() not in data, name
    assert KEY not in caplog.text


def _run(job: WriteJob) -> None:
    finish(job)


def test_killed_again_and_again_it_ends_in_the_same_bytes(tmp_path: Path, wild: Chaos) -> None:
    (tmp_path / "peace").mkdir()
    peace = job_of(tmp_path / "peace", wild)
    finish(peace)
    war = replace(peace, out=tmp_path / "war")
    path = war.out / "ledger.jsonl"
    wild.pause = 0.02
    for lines in range(1, 40, 4):  # ten kills
        child = multiprocessing.get_context("fork").Process(target=_run, args=(war,))
        child.start()
        deadline = time.monotonic() + 60
        while child.is_alive() and time.monotonic() < deadline:
            if path.exists() and path.read_bytes().count(b"\n") >= lines:
                break
            time.sleep(0.001)
        child.kill()
        child.join()
        assert not (war.out / "triplets.json").exists()
    wild.pause = 0.0
    assert finish(war).requests_now < finish(replace(peace, out=tmp_path / "third")).requests_now
    assert content(war) == content(peace)


def _run_on_a_small_disk(job: WriteJob) -> None:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))
    with pytest.raises(StorageFailed, match="free space"):
        finish(job)


def test_a_full_disk_is_one_sentence_and_the_job_goes_on_later(tmp_path: Path, wild: Chaos) -> None:
    (tmp_path / "roomy").mkdir()
    roomy = job_of(tmp_path / "roomy", wild)
    small = replace(roomy, out=tmp_path / "small")
    child = multiprocessing.get_context("fork").Process(target=_run_on_a_small_disk, args=(small,))
    child.start()
    child.join(timeout=120)
    assert child.exitcode == 0 and not (small.out / "triplets.json").exists()
    assert finish(small).requests_now < finish(roomy).requests_now
    assert content(small) == content(roomy)


@pytest.mark.slow
def test_two_hundred_prompts_in_chaos_end_in_the_same_bytes_however_they_are_asked(tmp_path: Path) -> None:
    with serving(Chaos(faults=SHIFTY)) as chaos:
        jobs = []
        for concurrency in (1, 8, 32):
            job = job_of(tmp_path, chaos, num=200, concurrency=concurrency, out=tmp_path / str(concurrency))
            assert_adds_up(job, finish(job), 200)
            jobs.append(job)
    assert content(jobs[0]) == content(jobs[1]) == content(jobs[2])


def test_a_closed_generator_keeps_what_was_paid_for(tmp_path: Path, calm: Chaos) -> None:
    job = job_of(tmp_path, calm)
    run = write_triplets(job)
    for _ in range(5):
        next(run)
    run.close()  # type: ignore[attr-defined]
    kept = len((job.out / "ledger.jsonl").read_text().splitlines())
    assert 5 <= kept < 40
    assert finish(job).requests_now == 40 - kept


@pytest.mark.parametrize("transport", ["chat", "responses"])
@pytest.mark.parametrize(
    "forms",
    [("json_schema", "json_object", "text"), ("json_object", "text"), ("text",)],
    ids=["schema", "object", "text"],
)
def test_a_lesser_server_is_asked_in_the_form_it_knows(tmp_path: Path, calm: Chaos, transport, forms) -> None:
    calm.forms = forms
    job = job_of(tmp_path, calm, num=6, transport=transport)
    report = finish(job)
    assert report.outcomes == {"accepted": 6}
    # What it refused once it is never asked again, neither in this run nor in a later one.
    assert report.requests.get("form_refused", 0) == 3 - len(forms)
    path = "/chat/completions" if transport == "chat" else "/responses"
    assert calm.count(path) == 6 + 3 - len(forms)
    lines = ledger(job)
    job.out.joinpath("triplets.json").unlink()
    job.out.joinpath("ledger.jsonl").write_text(
        "".join(
            json.dumps({name: getattr(line, name) for name in Line.__slots__}) + "\n" for line in lines[:-1]
        )
    )
    assert finish(job).requests_now == 1


def test_responses_and_chat_make_the_same_triplets(tmp_path: Path, wild: Chaos) -> None:
    chat = job_of(tmp_path, wild, num=30)
    responses = replace(chat, out=tmp_path / "responses", transport="responses")
    one, two = finish(chat), finish(responses)
    assert one.outcomes == two.outcomes
    assert content(chat)["triplets.jsonl"] == content(responses)["triplets.jsonl"]


@pytest.mark.parametrize(
    ("fault", "outcome", "requests"),
    [
        ("refusal", "refused", 1),
        ("sorry", "refused", 1),
        ("unchanged", "unchanged", 1),
        ("several", "several_instructions", 1),
        ("fenced", "accepted", 1),
        ("prose", "accepted", 1),
    ],
)
def test_each_fault_has_its_outcome_and_its_number_of_requests(
    tmp_path, calm, fault, outcome, requests
) -> None:
    calm.share, calm.faults = 1.0, (fault,)
    report = finish(job_of(tmp_path, calm, num=1, max_attempts=3))
    assert report.outcomes == {outcome: 1}
    assert calm.count("/chat/completions") == sum(report.requests.values()) == requests


@pytest.mark.parametrize(
    ("fault", "outcome"),
    [
        ("rate_limited", "rate_limited"),
        ("server_error", "server_error"),
        ("gateway", "server_error"),
        ("dropped", "connection_lost"),
        ("broken", "malformed"),
        ("empty", "empty"),
        ("null", "empty"),
        ("cut_off", "cut_off"),
    ],
)
@pytest.mark.parametrize("num", [1, 18])
def test_what_a_server_does_to_everybody_uses_up_no_prompt(tmp_path, calm, fault, outcome, num) -> None:
    calm.share, calm.faults = 1.0, (fault,)
    job = job_of(tmp_path, calm, num=num, max_attempts=3)
    with pytest.raises(WriterStopped, match=outcome):
        finish(job)
    assert calm.count("/chat/completions") <= 3 * min(num, 14)
    assert {(line.outcome, line.final) for line in ledger(job)} == {(outcome, False)}
    calm.share = 0.0
    assert finish(job).outcomes == {"accepted": num}


@pytest.mark.parametrize(
    ("send", "outcome"),
    [
        (lambda to: to.send(500, {"error": {"message": "the runner has died"}}), "server_error"),
        (lambda to: to.send(400, {"error": {"message": "of this I know nothing"}}), "bad_request"),
        (lambda to: to.send(200, PAGE), "not_an_answer"),
        (lambda to: to.send(400, {"error": {"message": "x", "code": "content_filter"}}), "filtered"),
        (lambda to: to.send(403, {"error": {"message": "Your input was flagged by moderation"}}), "filtered"),
    ],
)
@pytest.mark.parametrize("bad", [0, 8, 14])
@pytest.mark.parametrize("concurrency", [1, 4])
def test_a_prompt_that_alone_fails_is_used_up(tmp_path, calm, send, outcome, bad, concurrency) -> None:
    calm.instead = {f"a picture of thing {bad}": send}
    job = job_of(tmp_path, calm, num=15, max_attempts=3, concurrency=concurrency)
    if bad == 0 and outcome == "not_an_answer":
        with pytest.raises(WriterStopped, match="does not speak the OpenAI API"):
            finish(job)
        return
    report = finish(job)
    assert report.outcomes == {"accepted": 14, outcome: 1}
    assert report.requests.get("witness", 0) <= 1  # where nobody is left to be asked after it


def test_the_last_prompts_are_not_used_up_by_a_server_that_dies(tmp_path, calm) -> None:
    down = {f"a picture of thing {number}": None for number in range(36, 40)}
    job = job_of(tmp_path, calm, max_attempts=2)

    def send(to):
        calm.always = lambda to: to.send(400, {"error": {"message": "who are you?"}})
        calm.always(to)

    calm.instead = dict.fromkeys(down, send)
    with pytest.raises(WriterStopped, match="nothing is lost"):
        finish(job)
    assert 30 <= len(read_triplets(job.out / "triplets.jsonl")) < 40
    calm.always, calm.instead = None, {}
    assert finish(job).outcomes == {"accepted": 40}


def test_an_answer_that_was_under_way_already_says_nothing_of_a_later_failure(tmp_path, calm) -> None:
    job = job_of(tmp_path, calm)
    requests = Requests(
        job, [f"a picture of thing {number}" for number in range(4)], Ledger(tmp_path / "lines")
    )
    answered = Reply(
        outcome="answered", answer=TripletAnswer(edit_prompt="make it red", edited_prompt="a red one")
    )
    requests.line(requests.next(3), answered)
    under_way, failing = requests.next(0), requests.next(1)
    assert not requests.line(failing, Reply(outcome="bad_request", said="who are you?")).final
    requests.line(under_way, answered)
    assert not requests.others_fare_better(1)
    asked_later = requests.next(2)
    assert not requests.line(requests.next(1), Reply(outcome="bad_request")).final
    requests.line(asked_later, answered)
    assert requests.others_fare_better(1) and not requests.others_fare_better(2)
    assert requests.line(requests.next(1), Reply(outcome="bad_request")).final


def test_a_cut_answer_is_asked_for_again_with_more_room(tmp_path: Path, calm: Chaos) -> None:
    calm.share, calm.faults = 1.0, ("cut_off",)
    with pytest.raises(WriterStopped, match="raise --max-tokens"):
        finish(job_of(tmp_path, calm, num=1, max_tokens=64))
    assert [body["max_tokens"] for _, body in calm.asked] == [64, 128, 256]
    assert len({body.get("seed") for _, body in calm.asked}) == 3, "or a server may cut the same answer again"


def test_moderation_keeps_prompts_and_answers_out(tmp_path: Path, calm: Chaos) -> None:
    file = tmp_path / "some.txt"
    file.write_text("a forbidden thing\na good thing\n")
    report = finish(job_of(tmp_path, calm, prompts=str(file), moderate=True))
    assert report.outcomes == {"accepted": 1, "flagged_prompt": 1}
    assert calm.count("/chat/completions") == 1 and calm.count("/moderations") == 3
    calm.flagged = "shade"
    report = finish(job_of(tmp_path, calm, prompts=str(file), moderate=True, out=tmp_path / "two"))
    assert report.outcomes == {"flagged_answer": 2}


def test_a_budget_is_overrun_by_one_request_at_most_and_can_be_raised(tmp_path: Path, calm: Chaos) -> None:
    price = 120 / 1e6  # of one answer of the server
    prices: dict[str, Any] = {"input_price": 1.0, "output_price": 1.0}
    job = job_of(tmp_path, calm, budget=9.5 * price, **prices)
    with pytest.raises(BudgetSpent, match="raise --budget"):
        finish(job)
    asked = calm.count("/chat/completions")
    assert asked * price <= job.budget + price  # type: ignore[operator]
    manifest = json.loads((job.out / "triplets.json").read_text())
    assert not manifest["complete"] and manifest["triplets"] == asked
    assert manifest["outcomes"]["not_asked"] == 40 - asked
    assert estimate(job).requests == 40 - asked
    with pytest.raises(BudgetSpent):
        finish(job)
    assert calm.count("/chat/completions") <= asked + 1
    report = finish(replace(job, budget=1.0))
    assert report.complete and calm.count("/chat/completions") == 40
    assert report.money == pytest.approx(40 * price)


def test_a_server_that_does_not_count_cannot_overrun_a_budget(tmp_path: Path, calm: Chaos) -> None:
    calm.counts = False
    job = job_of(tmp_path, calm, input_price=1.0, output_price=0.0, concurrency=1)
    cost = estimate(job).money or 0.0
    with pytest.raises(BudgetSpent):
        finish(replace(job, budget=cost / 2))
    assert 18 <= calm.count("/chat/completions") <= 22


def test_a_dry_run_asks_nothing(tmp_path: Path, calm: Chaos, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TEST_WRITER_KEY")
    assert estimate(job_of(tmp_path, calm)).requests == 40
    assert not calm.asked


@pytest.mark.parametrize(
    ("send", "message"),
    [
        (lambda to: to.send(200, PAGE), "does not speak the OpenAI API"),
        (lambda to: to.send(200, {"hello": "world"}), "does not speak the OpenAI API"),
        (lambda to: to.send(404, PAGE), "knows no such request or no model 'm'"),
        (lambda to: to.send(501, PAGE), "OpenAI-compatible server"),
        (lambda to: to.send(401, {"error": {"message": f"bad key {KEY}"}}), r"refused the key .*\[key\]"),
        (
            lambda to: to.send(429, {"error": {"message": "pay", "code": "insufficient_quota"}}),
            "account is empty",
        ),
        (lambda to: to.send(402, {"error": {"message": "Insufficient Balance"}}), "account is empty"),
        (lambda to: to.send(200, {"error": {"code": 402, "message": "more credits"}}), "account is empty"),
        (lambda to: to.send(400, {"error": {"message": "x is not a valid model ID"}}), "no model 'm'"),
        (lambda to: to.send(400, {"error": "No models loaded. Please load a model."}), "no model 'm'"),
        (lambda to: to.send(429, {"error": {}}, {"retry-after": "3600"}), "asks to wait 3600 s"),
    ],
)
def test_a_server_that_cannot_be_used_ends_the_run_in_one_sentence(tmp_path, calm, send, message) -> None:
    calm.always = send
    with pytest.raises(WriterStopped, match=message) as caught:
        finish(job_of(tmp_path, calm, max_attempts=3))
    said = str(caught.value)
    assert said.endswith(".") and "\n" not in said and KEY not in said
    assert len(calm.asked) <= 3
    # Nothing was lost: with a better server the same job is done in full.
    calm.always = None
    assert finish(job_of(tmp_path, calm, max_attempts=3)).outcomes == {"accepted": 40}


def test_a_server_that_fails_everything_is_not_asked_for_everything(tmp_path: Path, calm: Chaos) -> None:
    calm.always = lambda to: to.send(500, {"error": {"message": "down"}})
    with pytest.raises(WriterStopped, match="last 10 prompts all failed"):
        finish(job_of(tmp_path, calm, max_attempts=2))
    assert len(calm.asked) == 20


def test_an_unreachable_server_is_one_sentence(tmp_path: Path) -> None:
    with serving(Chaos()) as gone:
        pass
    with pytest.raises(WriterStopped, match="no server answers at http://127"):
        finish(job_of(tmp_path, gone))


def test_changed_prompts_or_examples_are_refused(tmp_path: Path, calm: Chaos) -> None:
    job = job_of(tmp_path, calm, num=3)
    finish(job)
    with pytest.raises(ConfigChanged, match="shots was 1, is 0"):
        finish(replace(job, shots=0))
    with pytest.raises(ConfigChanged, match="prompts was"):
        finish(job_of(tmp_path, calm, num=4))
    with pytest.raises(InvalidJob, match="cannot be read"):
        finish(replace(job, examples=tmp_path / "none.jsonl"))


def test_speed_and_address_may_change_between_runs(tmp_path: Path, calm: Chaos) -> None:
    job = job_of(tmp_path, calm, num=3)
    finish(job)
    other = replace(job, concurrency=1, timeout=5.0, base_url="http://127.0.0.1:9/v1", transport="responses")
    assert finish(other).requests_now == 0


def test_what_the_check_makes_of_an_answer_stands_in_the_ledger_and_the_job(tmp_path, calm):
    reply = Reply(
        outcome="answer",
        answer=TripletAnswer(
            edit_prompt="make it a knight", edited_prompt="a knight in a forest with a balloon"
        ),
    )
    jobs = {check: job_of(tmp_path, calm, check=check) for check in ("words", "meaning")}
    found = {}
    for check, job in jobs.items():
        requests = Requests(job, ["a robot in a forest"], Ledger(tmp_path / check))
        found[check] = requests.line(requests.next(0), reply).outcome
    assert found == {"words": "accepted", "meaning": "untold"}
    finish(replace(jobs["meaning"], num=2))
    with pytest.raises(ConfigChanged, match="check was meaning, is words"):
        finish(replace(jobs["words"], num=2))


def test_a_server_on_this_machine_is_asked_without_a_proxy(tmp_path, monkeypatch):
    monkeypatch.setenv("ALL_PROXY", "socks5://127.0.0.1:9")
    for host in ("127.0.0.1:8000", "localhost:1234", "[::1]:9"):
        job = WriteJob(
            out=tmp_path, num=1, writer="openai", model="m", key_variable="", base_url=f"http://{host}/v1"
        )
        Server(job)  # a client that minded the proxy could not even be made


@pytest.mark.skipif(find_spec("socksio") is not None, reason="SOCKS can be spoken here")
def test_a_proxy_that_cannot_be_used_is_one_sentence(tmp_path, monkeypatch):
    monkeypatch.setenv("ALL_PROXY", "socks5://127.0.0.1:9")
    job = WriteJob(
        out=tmp_path, num=1, writer="openai", model="m", key_variable="", base_url="http://example.org/v1"
    )
    with pytest.raises(WriterStopped, match=r"proxy of this shell .*; pip install"):
        Server(job)
