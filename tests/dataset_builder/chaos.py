"""A server that speaks the OpenAI API on 127.0.0.1 and misbehaves: the same request gets the same treatment.

What it does to a request follows from the request's idempotency key alone (prompt and attempt), so that a job
that was killed and taken up again meets the same weather as one that was left in peace.
"""

from __future__ import annotations

import hashlib
import json
import re
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

FAULTS = (
    *("rate_limited", "server_error", "timeout", "html", "gateway", "dropped", "broken", "fenced", "prose"),
    *("refusal", "sorry", "cut_off", "empty", "null", "duplicate", "unchanged", "several", "echo"),
)
USAGE = {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120}
PAGE = b"<html><body><h1>It works!</h1></body></html>"


@dataclass
class Chaos:
    """What a server does, and what was asked of it.

    Attributes:
        share: Share of requests that meet a fault.
        faults: Which faults.
        forms: Forms of answers that the server can be asked for.
        slowness: Seconds that a "timeout" takes.
        pause: Seconds that any answer takes.
        counts: Whether answers say how many tokens they took.
        flagged: Word that moderation objects to.
        always: What every request meets instead, if anything.
        instead: What single prompts meet instead.
        lacks: Parts of a request that it does not know; "system" is the role.
    """

    share: float = 0.3
    faults: tuple[str, ...] = FAULTS
    forms: tuple[str, ...] = ("json_schema", "json_object", "text")
    slowness: float = 1.5
    pause: float = 0.0
    counts: bool = True
    flagged: str = "forbidden"
    always: Callable[[Any], None] | None = None
    instead: dict[str, Callable[[Any], None]] = field(default_factory=dict)
    lacks: tuple[str, ...] = ()
    asked: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    keys: set[str] = field(default_factory=set)
    busy: int = 0
    busiest: int = 0
    files: dict[str, bytes] = field(default_factory=dict)
    batches: dict[str, dict[str, Any]] = field(default_factory=dict)
    url: str = ""
    lock: threading.Lock = field(default_factory=threading.Lock)

    def fault(self, name: str) -> str | None:
        """Return what happens to a request of this name."""
        draw = int(hashlib.sha256(name.encode()).hexdigest()[:8], 16) / 2**32
        if draw >= self.share or not self.faults:
            return None
        return self.faults[int(draw / self.share * len(self.faults))]

    def count(self, path: str) -> int:
        """Return how often a path was asked for."""
        return sum(asked == path for asked, _ in self.asked)

    def prompts(self) -> Counter[str]:
        """Return how often each prompt was asked for."""
        return Counter(body["messages"][-1]["content"] for _, body in self.asked if "messages" in body)


def honest(prompt: str) -> str:
    """Return a good answer."""
    mark = hashlib.sha256(prompt.encode()).hexdigest()[:6]
    return json.dumps(
        {"edit_prompt": f"paint it in shade {mark}", "edited_prompt": f"{prompt} in shade {mark}"}
    )


def content_of(prompt: str, fault: str | None, key: str) -> dict[str, Any]:
    """Return a message and how it ended, good or spoilt."""
    good = honest(prompt)
    spoilt: dict[str, Any] = {
        "broken": good[:-9],
        "fenced": f"Sure!\n```json\n{good}\n```",
        "prose": f"Here is one: {good} Enjoy.",
        "sorry": "I'm sorry, but I can't help with that.",
        "cut_off": good[:20],
        "empty": "",
        "null": None,
        "refusal": None,
        "duplicate": json.dumps({"edit_prompt": "make it snow", "edited_prompt": "a snowy field"}),
        "unchanged": json.dumps({"edit_prompt": "make it better", "edited_prompt": f" {prompt.upper()}. "}),
        "several": json.dumps({"edit_prompt": "1. make it red\n2. add a dog", "edited_prompt": "a red dog"}),
        "echo": f"your key is {key}, and no more",
    }
    message = {"role": "assistant", "content": spoilt.get(fault or "", good), "refusal": None}
    if fault == "refusal":
        message["refusal"] = "I will not edit that."
    return {"message": message, "finish_reason": "length" if fault == "cut_off" else "stop", "index": 0}


def completion(prompt: str, fault: str | None, key: str = "") -> dict[str, Any]:
    """Return the body of a chat completion."""
    choices = [content_of(prompt, fault, key)]
    return {
        "id": "c",
        "object": "chat.completion",
        "created": 0,
        "model": "m",
        "choices": choices,
        "usage": USAGE,
    }


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    chaos: Chaos

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def send(self, status: int, body: object, headers: Mapping[str, str] | None = None) -> None:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        kind = "text/html" if content.startswith(b"<") else "application/json"
        self.send_response(status)
        for name, value in {"content-type": kind, **(headers or {})}.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def do_GET(self) -> None:
        self._answer(b"")

    def do_POST(self) -> None:
        self._answer(self.rfile.read(int(self.headers.get("content-length", 0))))

    def _answer(self, content: bytes) -> None:
        chaos = self.chaos
        self.left = False
        with chaos.lock:
            chaos.busy += 1
            chaos.busiest = max(chaos.busiest, chaos.busy)
            chaos.keys.add(self.headers.get("authorization", ""))
        try:
            time.sleep(chaos.pause)
            self._route(content)
        except (BrokenPipeError, ConnectionResetError):
            pass
        finally:
            self._leave()

    def _leave(self) -> None:
        """Count this request as served, once."""
        with self.chaos.lock:
            self.chaos.busy -= not self.left
            self.left = True

    def _route(self, content: bytes) -> None:
        chaos, path = self.chaos, self.path.split("?")[0].removeprefix("/v1")
        is_json = self.headers.get("content-type", "").startswith("application/json")
        body = json.loads(content) if content and is_json else {}
        with chaos.lock:
            chaos.asked.append((path, body))
        if chaos.always is not None:
            chaos.always(self)
        elif path == "/chat/completions":
            self._chat(body)
        elif path == "/responses":
            self._respond(body)
        elif path == "/moderations":
            texts = body["input"]
            self.send(200, {"results": [{"flagged": chaos.flagged in text} for text in texts]})
        else:
            self._batch(path, content, body)

    def _refuses_form(self, form: Mapping[str, Any] | None) -> bool:
        kind = (form or {}).get("type", "text")
        if kind in self.chaos.forms:
            return False
        self.send(400, {"error": {"message": f"response_format {kind} is not supported", "code": None}})
        return True

    def _spoils(self, fault: str | None) -> bool:
        """Spoil the answer below the level of messages; say whether that was done."""
        key = self.headers.get("authorization", "")
        if fault == "rate_limited":
            self.send(429, {"error": {"message": f"slow down, {key}"}}, {"retry-after-ms": "5"})
        elif fault == "server_error":
            self.send(500, {"error": {"message": f"oh no, {key}"}})
        elif fault == "timeout":
            self._leave()  # whom it keeps waiting soon gives up, and asks again
            time.sleep(self.chaos.slowness)
            self.send(200, completion("late", None))
        elif fault == "html":
            self.send(200, PAGE)
        elif fault == "gateway":
            self.send(502, PAGE)
        elif fault == "dropped":
            self.close_connection = True
        else:
            return False
        return True

    def _chat(self, body: dict[str, Any]) -> None:
        if self._refuses_form(body.get("response_format")):
            return
        roles = {message["role"] for message in body["messages"]}
        if (part := next((part for part in self.chaos.lacks if part in {*body, *roles}), None)) is not None:
            self.send(400, {"error": {"message": f"{part} role is not supported", "param": part}})
            return
        if (send := self.chaos.instead.get(body["messages"][-1]["content"])) is not None:
            send(self)
            return
        fault = self.chaos.fault(self.headers.get("idempotency-key", ""))
        if not self._spoils(fault):
            key = self.headers.get("authorization", "").removeprefix("Bearer ")
            answer = completion(body["messages"][-1]["content"], fault, key)
            self.send(200, answer if self.chaos.counts else {**answer, "usage": None})

    def _respond(self, body: dict[str, Any]) -> None:
        if self._refuses_form(body.get("text", {}).get("format")):
            return
        fault = self.chaos.fault(self.headers.get("idempotency-key", ""))
        if self._spoils(fault):
            return
        choice = content_of(body["input"][-1]["content"], fault, "")
        text, refusal = choice["message"]["content"] or "", choice["message"]["refusal"]
        part = {"type": "refusal", "refusal": refusal} if refusal else {"type": "output_text", "text": text}
        cut = {"reason": "max_output_tokens"} if choice["finish_reason"] == "length" else None
        output = [{"type": "reasoning"}, {"type": "message", "role": "assistant", "content": [part]}]
        usage = {"input_tokens": 100, "output_tokens": 20}
        self.send(200, {"id": "r", "output": output, "incomplete_details": cut, "usage": usage})

    def _batch(self, path: str, content: bytes, body: dict[str, Any]) -> None:
        """Take files and batches; half-way through its second look a batch has ended, in part."""
        chaos = self.chaos
        if path == "/files" and self.command == "POST":
            name = f"file-{len(chaos.files)}"
            found = re.search(rb"\r\n\r\n(\{.*\}\n)\r\n", content, re.DOTALL)
            assert found is not None, content[:200]
            chaos.files[name] = found[1]
            self.send(200, {"id": name, "object": "file"})
        elif path.startswith("/files/"):
            self.send(200, chaos.files[path.split("/")[2]])
        elif path == "/batches" and self.command == "POST":
            name = f"batch-{len(chaos.batches)}"
            chaos.batches[name] = {"id": name, "status": "validating", **body}
            self.send(200, chaos.batches[name])
        elif path == "/batches":
            self.send(200, {"object": "list", "data": list(chaos.batches.values()), "has_more": False})
        elif path.startswith("/batches/"):
            batch = chaos.batches[path.split("/")[2]]
            if batch["status"] == "validating":
                batch["status"] = "in_progress"
            elif batch["status"] == "in_progress":
                batch.update(self._run(chaos.files[batch["input_file_id"]]))
            self.send(200, batch)
        else:
            self.send(404, {"error": {"message": f"no such path {path}"}})

    def _run(self, content: bytes) -> dict[str, Any]:
        """Answer a batch's requests, last one first: some well, some with an error, some not at all."""
        good, bad = [], []
        for line in reversed(content.splitlines()):
            asked = json.loads(line)
            fault = self.chaos.fault(asked["custom_id"])
            entry = {"id": "x", "custom_id": asked["custom_id"], "error": None}
            if fault in ("timeout", "dropped"):
                continue
            kind = asked["body"].get("response_format", {}).get("type", "text")
            if kind not in self.chaos.forms:
                bad.append({**entry, "response": {"status_code": 400, "body": f"no response_format {kind}"}})
            elif fault in ("rate_limited", "server_error", "html", "gateway"):
                status = 429 if fault == "rate_limited" else 500
                bad.append(
                    {**entry, "response": {"status_code": status, "body": {"error": {"message": "oh"}}}}
                )
            else:
                body = completion(asked["body"]["messages"][-1]["content"], fault)
                good.append({**entry, "response": {"status_code": 200, "body": body}})
        names = {}
        for name, entries in (("output_file_id", good), ("error_file_id", bad)):
            if entries:
                names[name] = f"file-{len(self.chaos.files)}"
                self.chaos.files[names[name]] = "\n".join(map(json.dumps, entries)).encode()
        return {"status": "completed", **names}


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of clients that hang up."""


@contextmanager
def serving(chaos: Chaos) -> Iterator[Chaos]:
    """Run a server for the length of a block."""
    handler = type("Handler", (_Handler,), {"chaos": chaos})
    with _Server(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        chaos.url = f"http://127.0.0.1:{server.server_address[1]}/v1"
        try:
            yield chaos
        finally:
            server.shutdown()
            thread.join()
