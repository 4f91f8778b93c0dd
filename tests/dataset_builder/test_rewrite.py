"""A wish becomes one line in the model's words; whatever a server says, it is a line or a sentence."""

import json
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest

from dataset_builder.errors import InvalidJob, WriterStopped
from dataset_builder.scenes import WORLDS, all_edits, sample_scene
from dataset_builder.scenes.phrases import phrases_of
from dataset_builder.write.rewrite import Rewriter, instruction_in
from editors.model.loading.checkpoints import POCKET, read_advice

PHRASES = ("make it night", "add snow")


@contextmanager
def answering(text, status=200):
    """A server that gives one answer, and notes what it was asked."""
    asked: list[Any] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            asked.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            asked[-1]["key"] = self.headers["Authorization"]
            message = {"role": "assistant", "content": text}
            body = {"choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}
            content = json.dumps(body if status == 200 else {"error": {"message": text}}).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1", asked
    finally:
        server.shutdown()
        server.server_close()


def test_a_wish_is_asked_beside_what_the_model_was_taught(monkeypatch):
    monkeypatch.setenv("REWRITER_KEY", "a-secret-key")
    with answering("“make it night”.") as (url, asked):
        rewriter = Rewriter(base_url=url, model="m", key_variable="REWRITER_KEY", backoff=0.001)
        assert rewriter.rewritten("mache es zur Nacht", PHRASES) == "make it night"
    (request,) = asked
    system, user = request["messages"]
    assert user == {"role": "user", "content": "mache es zur Nacht"}
    assert all(phrase in system["content"] for phrase in PHRASES)
    assert (request["model"], request["key"]) == ("m", "Bearer a-secret-key")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("make it night", "make it night"),
        ('"make it night."\n', "make it night"),
        ("Sure! Here it is:\n\n**make it night**", "make it night"),
        ("make the car's roof red", "make the car's roof red"),
        ("", ""),
        ("...\n***", ""),
        ("x" * 300, ""),
    ],
)
def test_an_instruction_is_the_last_line_without_its_quotes(text, said):
    assert instruction_in(text) == said


@pytest.mark.parametrize(
    ("text", "status", "says"),
    [
        ("", 200, "gave no instruction"),
        ("<think>night, perhaps", 200, "gave no instruction"),
        ("the model is overloaded", 500, "gave no instruction"),
        ("wrong key", 401, "refused the key"),
        ("no such model", 404, "knows no such request or no model"),
    ],
)
def test_a_server_that_gives_none_is_one_sentence(text, status, says):
    with answering(text, status) as (url, _), pytest.raises(WriterStopped, match=says):
        Rewriter(base_url=url, model="m", max_attempts=1, backoff=0.001).rewritten("night", PHRASES)


def test_what_a_model_thinks_aloud_is_no_instruction():
    with answering("<think>snow? no.</think>\nmake it night") as (url, _):
        assert Rewriter(base_url=url, model="m").rewritten("night") == "make it night"


@pytest.mark.parametrize(
    "nonsense",
    ["Yes", "I'm sorry for your trouble. Could you please give me a favor?", "in any form and words"],
)
def test_what_is_like_nothing_that_the_model_was_taught_is_no_instruction(nonsense):
    *_, taught = read_advice(POCKET)
    with answering(nonsense) as (url, _), pytest.raises(WriterStopped, match="your own words stay"):
        Rewriter(base_url=url, model="m").rewritten("mache es zur Nacht", taught)


@pytest.mark.parametrize("said", ["make it a gloomy evening", "make the cup blue", "add a hat to the cat"])
def test_what_is_near_to_what_the_model_was_taught_is_an_instruction(said):
    *_, taught = read_advice(POCKET)
    with answering(said) as (url, _):
        assert Rewriter(base_url=url, model="m").rewritten("mach mal", taught) == said


def test_no_server_is_one_sentence():
    rewriter = Rewriter(base_url="http://127.0.0.1:9/v1", model="m", max_attempts=1, backoff=0.001)
    with pytest.raises(WriterStopped, match=r"^no server answers"):
        rewriter.rewritten("night")


@pytest.mark.parametrize(
    "fields",
    [
        {"base_url": "ftp://x", "model": "m"},
        {"base_url": "127.0.0.1", "model": "m"},
        {"base_url": "http://me:secret@x/v1", "model": "m"},
        {"base_url": "http://x/v1", "model": " "},
        {"base_url": "http://x/v1", "model": "m", "timeout": 0},
    ],
)
def test_a_rewriter_that_cannot_be_is_refused(fields):
    with pytest.raises(InvalidJob):
        Rewriter(**fields)


def test_pocket_suggests_what_its_world_asks_for():
    *_, taught = read_advice(POCKET)
    assert taught == phrases_of(WORLDS["pocket-photos"])


def test_phrases_are_what_scenes_are_edited_by():
    world = WORLDS["pocket-photos"]
    phrases, asked = set(phrases_of(world)), set()
    for seed in range(150):
        scene = sample_scene(seed, world=world, split="train")
        asked |= {edit.edit_prompt for edit in all_edits(scene, seed, world=world)}
    assert len(phrases & asked) > 40
