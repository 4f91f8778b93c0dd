"""`wordbrush data write`: triplets and counts, an estimate that asks nothing, mistakes in one sentence."""

import json

import pytest

from tests.dataset_builder.chaos import Chaos, serving
from ui.cli import main

KEY = "sk-a-secret-that-nobody-may-see"


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("A_KEY", KEY)
    (tmp_path / "prompts.txt").write_text("a cat in the snow\na red car\na cat in the snow\n")
    (tmp_path / "prompts.jsonl").write_text('{"text": "a cat"}\n')
    (tmp_path / "empty.txt").write_text("\n")
    return tmp_path


def asking(url, *more):
    address = ["--writer", "openai", "--model", "m", "--base-url", url, "--key-variable", "A_KEY"]
    return ["data", "write", "--out", "out", "--prompts", "prompts.txt", *address, *more]


def test_triplets_of_a_text_file_through_a_server(here, capsys):
    with serving(Chaos(share=0.0)) as chaos:
        prices = ["--input-price", "1", "--output-price", "2"]
        assert main([*asking(chaos.url, *prices, "--dry-run")]) == 0
        assert "requests: 2 " in capsys.readouterr().out and not chaos.asked
        assert main([*asking(chaos.url, *prices, "--json")]) == 0
        shown = capsys.readouterr()
        facts = json.loads(shown.out)
        assert facts["outcomes"] == {"accepted": 2} and facts["dropped"] == {"duplicate": 1}
        assert facts["money"] == pytest.approx((200 + 2 * 40) / 1e6)
        assert main(asking(chaos.url, *prices)) == 0
        shown = capsys.readouterr()
        assert shown.out == "out/triplets.jsonl\n" and "2 triplets of 2 prompts" in shown.err
        assert chaos.count("/chat/completions") == 2
    assert main(["data", "write", "--finetune-file", "tune.jsonl", "--triplets", "out"]) == 0
    assert len((here / "tune.jsonl").read_text().splitlines()) == 2


def test_a_temperature_can_be_left_to_the_server(here):
    with serving(Chaos(share=0.0)) as chaos:
        assert main(asking(chaos.url, "--temperature", "server")) == 0
        assert main(asking(chaos.url, "--temperature", "0.2", "--out", "colder")) == 0
    assert [body.get("temperature") for _, body in chaos.asked] == [None, None, 0.2, 0.2]


def test_a_spent_budget_says_so_after_what_was_made(here, capsys):
    with serving(Chaos(share=0.0)) as chaos:
        limits = ["--input-price", "1", "--output-price", "1", "--budget", "0.0001", "--concurrency", "1"]
        assert main(asking(chaos.url, *limits)) == 1
    shown = capsys.readouterr()
    assert shown.out == "out/triplets.jsonl\n" and "1 triplets of 2 prompts" in shown.err
    assert shown.err.splitlines()[-1].startswith("wordbrush: the budget of 0.0001 is spent")


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--num", "5"], "--out"),
        (["--out", "out"], "num is None"),
        (["--out", "out", "--prompts", "prompts.txt"], "writer is 'scenes'"),
        (["--out", "out", "--prompts", "prompts.txt", "--writer", "openai"], "model is None"),
        (["--out", "out", "--num", "5", "--triplets", "x"], "--finetune-file"),
        (["--finetune-file", "tune.jsonl"], "--triplets"),
        (["--finetune-file", "tune.jsonl", "--triplets", "none.jsonl"], "none.jsonl"),
        (asking("http://127.0.0.1:9/v1", "--prompts", "empty.txt")[2:], "holds no prompt"),
        (asking("http://127.0.0.1:9/v1", "--prompts", "none.txt")[2:], "none.txt cannot be read"),
        (asking("http://127.0.0.1:9/v1", "--prompts", "prompts.jsonl")[2:], "column is 'caption'"),
        (asking("http://127.0.0.1:9/v1", "--key-variable", "NO_KEY")[2:], "NO_KEY is not set"),
        (asking("http://127.0.0.1:9/v1", "--budget", "1")[2:], "nobody says what tokens cost"),
    ],
)
def test_a_mistake_is_one_sentence_and_makes_no_folder(here, capsys, monkeypatch, arguments, named):
    monkeypatch.delenv("NO_KEY", raising=False)
    assert main(["data", "write", *arguments]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("wordbrush: ") and line.endswith(".") and named in line
    assert not (here / "out").exists() and not (here / "tune.jsonl").exists()


def test_a_server_that_is_not_there_is_one_sentence(here, capsys):
    with serving(Chaos()) as gone:
        pass
    assert main(asking(gone.url, "--backoff", "0")) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "no server answers" in line and KEY not in line
