"""A server that speaks the OpenAI API: one client, its errors as named outcomes, its key kept to itself.

Reference: the OpenAI Python library, version 3 (chat completions, responses, moderations, batches), which
most servers of language models imitate.

Law: the key is read from the environment and goes into the client only: it is taken out of whatever a server
says before that is read, logged or written. Every failure is an outcome with a name, or ends the run with one
sentence.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Any, Final, Protocol, Self
from urllib.parse import urlsplit

from dataset_builder.errors import InvalidJob, WriterStopped
from dataset_builder.write.pace import backoff_wait, retry_after, wait_of
from dataset_builder.write.refusals import Concern, Refusal, concern, refusal_in

SHORTEST_SECRET: Final = 8
"""What is shorter is no key, but a word that servers without keys are given."""
NO_KEY: Final = "none"
FIRST_TRIES: Final = 3
"""Tries to connect to a server that was never reached."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Failure:
    """A request without an answer.

    Attributes:
        outcome: "rate_limited", "server_error", "timeout", "connection_lost", "not_an_answer", "bad_request",
            "filtered" (the prompt is objected to), "malformed" (the model failed to give the form),
            "form_refused" (the request's form, or a part of it, cannot be had).
        said: What the server said.
        part: Of the form, what it refused; "" is the form of answers.
        wait: Seconds that it asked to wait.
    """

    outcome: str
    said: str = ""
    part: str = ""
    wait: float | None = None


class Settings(Protocol):
    """How a server is reached; `WriteJob` says what each is."""

    @property
    def base_url(self) -> str | None:
        """Its address."""

    @property
    def model(self) -> str | None:
        """Name of its model."""

    @property
    def key_variable(self) -> str:
        """Name of the environment variable that holds its key, or ""."""

    @property
    def timeout(self) -> float:
        """Seconds to wait for an answer."""

    @property
    def max_attempts(self) -> int:
        """How often to try."""

    @property
    def backoff(self) -> float:
        """Seconds before the second time."""

    @property
    def max_wait(self) -> float:
        """Most seconds to wait for it."""


def key_of(job: Settings) -> str:
    """Return the key for the job's server.

    Raises:
        InvalidJob: The environment variable that should hold it is not set.
    """
    if not job.key_variable:
        return NO_KEY
    key = os.environ.get(job.key_variable, "").strip()
    if not key:
        raise InvalidJob(
            f"key_variable: the environment variable {job.key_variable} is not set; put the server's key "
            "there, or give an empty --key-variable for a server that needs none."
        )
    if not (key.isascii() and key.isprintable()):
        raise InvalidJob(
            f"key_variable: the environment variable {job.key_variable} holds no key: keys are plain letters "
            "and marks on one line; set it anew."
        )
    return key


class Server:
    """A connection to a server; use it as an asynchronous context."""

    def __init__(self, job: Settings) -> None:
        """Prepare a connection; nothing is sent.

        Raises:
            InvalidJob: The key is missing.
        """
        import openai

        self._job = job
        self._key = key_of(job)
        self._reached = False
        # Our own attempts are counted, priced and written down; the library's would not be.
        try:
            self.client = openai.AsyncOpenAI(
                api_key=self._key,
                base_url=job.base_url,
                timeout=job.timeout,
                max_retries=0,
                # A server on this machine is reached as it is; a proxy would look for it on its own.
                http_client=openai.DefaultAsyncHttpxClient(trust_env=not _is_here(job.base_url)),
            )
        except ImportError as error:
            raise WriterStopped(
                f"the proxy of this shell cannot be used ({str(error).partition('.')[0]}); pip install "
                '"httpx[socks]", or take ALL_PROXY out of the environment.'
            ) from None

    @property
    def address(self) -> str:
        """Where the server is."""
        return str(self.client.base_url).rstrip("/")

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.client.close()

    def redact(self, text: str) -> str:
        """Return a server's text without our key."""
        return text.replace(self._key, "[key]") if len(self._key) >= SHORTEST_SECRET else text

    async def call(self, send: Callable[[], Awaitable[Any]], sent: Collection[str] = ()) -> object | Failure:
        """Send a request; return the JSON object that came back, or a failure.

        Args:
            send: Sends it by a method of the client that gives the raw response.
            sent: Names of its fields, of which the server may refuse one.

        Raises:
            WriterStopped: No further request makes sense now: no connection, a refused key, an empty account,
                a server of another kind.
        """
        text = await self.fetch(send, sent)
        if isinstance(text, Failure):
            return text
        try:
            value = json.loads(text)
        except (ValueError, RecursionError):
            value = None
        if (refused := refusal_in(value)) is not None:
            return self._failure(refused, None, sent)
        return value if isinstance(value, dict) else Failure(outcome="not_an_answer", said=text)

    async def fetch(self, send: Callable[[], Awaitable[Any]], sent: Collection[str] = ()) -> str | Failure:
        """Send a request; return the text that came back, or a failure. Raises as `call` does."""
        import openai

        # A server that never answered is more likely a wrong address than a short failure.
        patience = self._job.max_attempts if self._reached else min(FIRST_TRIES, self._job.max_attempts)
        for tries in range(patience):
            try:
                raw = await send()
            except openai.APIConnectionError as error:
                if not _never_connected(error):
                    self._reached = True
                    kind = "timeout" if isinstance(error, openai.APITimeoutError) else "connection_lost"
                    return Failure(outcome=kind, said=type(error.__cause__ or error).__name__)
                wait = backoff_wait(self._job.backoff, tries, self._job.max_wait, "connect", tries)
                await asyncio.sleep(wait)
            except openai.APIStatusError as error:
                self._reached = True
                refused = Refusal(
                    status=int(error.status_code),
                    said=self.redact(_message(error)),
                    code=f"{error.code or ''} {error.type or ''}".strip(),
                    param=str(error.param or ""),
                )
                return self._failure(refused, retry_after(error.response.headers), sent)
            else:
                self._reached = True
                return self.redact(_body_text(raw))
        raise WriterStopped(
            f"base_url: no server answers at {self.address}; start it or correct the address, then run again."
        )

    def _failure(self, refused: Refusal, wait: float | None, sent: Collection[str]) -> Failure:
        """Name what a refusal means; raise where no other request would fare better."""
        said = refused.said
        whom, part = concern(refused, sent)
        if whom == "key":
            raise WriterStopped(
                f"{self.address} refused the key in {self._job.key_variable or 'use (none)'} ({said}); "
                "set another one."
            )
        if whom == "account":
            raise WriterStopped(
                f"{self.address} says that the account is empty or closed ({said}); see to it, then run "
                "again: nothing is lost."
            )
        if whom == "model":
            raise WriterStopped(
                f"base_url: {self.address} knows no such request or no model {self._job.model!r} "
                f"({refused.status}: {said}); give the address of an OpenAI-compatible server, which usually "
                "ends in /v1, and a model it has."
            )
        if wait is not None and wait > self._job.max_wait:
            raise WriterStopped(
                f"{self.address} asks to wait {wait:.0f} s, more than max_wait {self._job.max_wait:g}; "
                "run again then."
            )
        return replace(_named(whom, refused, part), wait=wait)

    async def flagged(self, texts: Sequence[str]) -> bool | Failure:
        """Ask the server's moderation about texts; the same patience as for any request, kept to itself."""
        failure = Failure(outcome="server_error")
        for tries in range(self._job.max_attempts):
            try:
                found = await self.call(
                    lambda: self.client.moderations.with_raw_response.create(input=list(texts))
                )
            except WriterStopped as error:
                raise WriterStopped(f"moderate is on, but {error}") from error
            results = found.get("results") if isinstance(found, Mapping) else None
            if isinstance(results, list) and len(results) == len(texts):
                return any(isinstance(one, Mapping) and one.get("flagged") is True for one in results)
            failure = found if isinstance(found, Failure) else Failure(outcome="not_an_answer")
            if failure.outcome in ("bad_request", "form_refused", "filtered"):
                break
            backoff = backoff_wait(self._job.backoff, tries, self._job.max_wait, "moderation", *texts)
            await asyncio.sleep(wait_of(failure.wait, backoff))
        return failure


def named_failure(refused: Refusal, sent: Collection[str] = ()) -> Failure:
    """Return what a refusal means for one request of a batch, whomever it concerns."""
    whom, part = concern(refused, sent)
    return _named(whom, refused, part)


def _named(whom: Concern, refused: Refusal, part: str) -> Failure:
    outcomes = {
        "prompt": "filtered",
        "form": "form_refused",
        "answer": "malformed",
        "busy": "rate_limited",
        "trouble": "server_error",
    }
    outcome = outcomes.get(whom, "bad_request")
    said = refused.said if outcome == "form_refused" else f"{refused.status}: {refused.said}"
    return Failure(outcome=outcome, said=said, part=part)


def _never_connected(error: BaseException) -> bool:
    """Say whether a connection failed before anything was sent: a name, an address, a handshake."""
    cause: BaseException | None = error
    while cause is not None:
        if type(cause).__name__ in ("ConnectError", "ConnectTimeout", "UnsupportedProtocol"):
            return True
        cause = cause.__cause__
    return False


def _body_text(raw: Any) -> str:
    """Return the body of a raw response."""
    content: bytes = raw.content
    return content.decode("utf-8", errors="replace")


def _message(error: Any) -> str:
    """Return a server's own words about an error, or the beginning of what it sent instead."""
    body = error.body if isinstance(error.body, Mapping) else {}
    reason = (body.get(name) for name in ("message", "detail", "error"))
    words = next((text for text in reason if isinstance(text, str)), error.response.text)
    if words.lstrip().startswith("<"):
        return "a web page"
    return " ".join(words.split())[:200]


def _is_here(base_url: str | None) -> bool:
    """Say whether a server's address is one of this machine."""
    host = urlsplit(base_url or "").hostname or ""
    return host in ("localhost", "::1") or host.startswith("127.")
