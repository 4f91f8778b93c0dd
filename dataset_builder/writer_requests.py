"""One prompt on its way to a triplet: the request that asks next, and what an answer to it means.

The rules of attempts stand here once, for every transport: a busy or failing server is asked again, a
malformed answer is asked for anew a few times (a cut one with more room), a refusal or a rejected answer is
final; a server that cannot be asked for a form of answer is asked for the next lesser one.

Law: what is asked next depends on the prompt, the job and the lines in the ledger alone, so that a killed job
goes on as if it had never stopped.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from dataset_builder.ledger import ACCEPTED, Ledger, Line
from dataset_builder.storage import hash_json
from dataset_builder.write_job import WriteJob
from dataset_builder.writer_messages import (
    LEVELS,
    Level,
    Reply,
    chat_format,
    drawn_examples,
    messages,
    read_chat,
    read_response,
    responses_format,
)
from dataset_builder.writer_pace import guessed_tokens
from dataset_builder.writer_rules import doubt, plain, rejection

FAILED: Final = frozenset(
    {"rate_limited", "server_error", "timeout", "connection_lost", "not_an_answer", "missing"}
)
"""Outcomes of a server in trouble: asked again, up to `max_attempts` times."""
ILL_FORMED: Final = frozenset({"malformed", "empty", "cut_off"})
"""Outcomes of a model in trouble: asked again, up to `MAX_ASKS` times in all."""
MAX_ASKS: Final = 3
FORM_REFUSED: Final = "form_refused"
MAX_SAID: Final = 200


@dataclass(frozen=True, kw_only=True, slots=True)
class Request:
    """What to send for a prompt now.

    Attributes:
        number: Number of the prompt.
        attempt: How many requests for it came before.
        id: Its name, the same in every run of the job: servers may use it to answer once.
        level: How the form of the answer is asked for.
        body: The request, as JSON, for chat completions or for responses.
        guess: About how many tokens it has, without the answer.
        room: Most tokens of the answer.
    """

    number: int
    attempt: int
    id: str
    level: Level
    body: dict[str, Any]
    guess: int
    room: int


class Requests:
    """The requests of a job: which comes next for a prompt, and which line its answer makes."""

    def __init__(self, job: WriteJob, prompts: Sequence[str], ledger: Ledger) -> None:
        self._job = job
        self._prompts = prompts
        self._ledger = ledger
        self._examples = job.read_examples()
        self._name = hash_json([job.config(), list(prompts)])[:12]
        known = list(ledger.lines())
        self._refused = {line.said for line in known if line.outcome == FORM_REFUSED}
        self._tokens_per_guess = 1.0
        self.proven = any(self._proves(line) for line in known)

    @property
    def level(self) -> Level:
        """The strictest form of answer that the server has not refused."""
        return LEVELS[min(len(self._refused), len(LEVELS) - 1)]

    def prompt(self, number: int) -> str:
        """Return the text of a prompt."""
        return self._prompts[number]

    def next(self, number: int) -> Request:
        """Return what to ask for a prompt now."""
        earlier = self._ledger.of(number)
        prompt = self._prompts[number]
        talk = messages(prompt, drawn_examples(self._examples, self._job.shots, self._job.seed, prompt))
        room = self._job.max_tokens * (2 if any(line.outcome == "cut_off" for line in earlier) else 1)
        guess = guessed_tokens(turn["content"] for turn in talk)
        return Request(
            number=number,
            attempt=len(earlier),
            id=f"{self._name}-{number:08d}-{len(earlier)}",
            level=self.level,
            body=self._body(talk, room, [line.outcome for line in earlier]),
            guess=round(guess * self._tokens_per_guess),
            room=room,
        )

    def _body(self, talk: list[dict[str, str]], room: int, earlier: Sequence[str]) -> dict[str, Any]:
        """Return the JSON body of a request."""
        body: dict[str, Any] = {"model": self._job.model}
        if self._job.temperature is not None:
            body["temperature"] = self._job.temperature
        if self._job.transport == "responses":
            return {
                **body,
                "input": talk,
                "max_output_tokens": room,
                "store": False,
                **responses_format(self.level),
            }
        # OpenAI's newer models know only the newer name; other servers may know only the older one.
        limit = "max_completion_tokens" if self._job.base_url is None else "max_tokens"
        if ILL_FORMED.intersection(earlier):
            # Some servers draw the same answer to the same request for ever; not all know the field.
            body["seed"] = len(earlier)
        return {**body, "messages": talk, limit: room, **chat_format(self.level)}

    def read(self, body: object) -> Reply:
        """Read the JSON body of an answer."""
        return read_response(body) if self._job.transport == "responses" else read_chat(body)

    def counted(self, request: Request, reply: Reply) -> Reply:
        """Return a reply with its tokens, guessed where a server counts none: a budget ends all the same."""
        unpaid = reply.outcome in FAILED or reply.outcome in (FORM_REFUSED, "bad_request", "flagged_prompt")
        if unpaid or reply.prompt_tokens or reply.completion_tokens:
            return reply
        return replace(reply, prompt_tokens=request.guess, completion_tokens=guessed_tokens([reply.said]))

    def line(self, request: Request, reply: Reply, *, flagged: bool = False) -> Line:
        """Return the ledger's line for an answer.

        Args:
            request: What was asked.
            reply: What came back.
            flagged: Whether moderation objected to the answer.
        """
        outcome, answer = reply.outcome, reply.answer
        if answer is not None:
            texts = (self._prompts[request.number], answer.edit_prompt, answer.edited_prompt)
            outcome = rejection(*texts) or doubt(*texts) or ACCEPTED
            if outcome == ACCEPTED and flagged:
                outcome = "flagged_answer"
        if outcome == "bad_request" and not self.proven and request.level != LEVELS[-1]:
            # Some servers say no more than "400" of a form that they do not know.
            outcome = FORM_REFUSED
        if reply.prompt_tokens:
            self._tokens_per_guess = max(
                self._tokens_per_guess, self._tokens_per_guess * reply.prompt_tokens / max(1, request.guess)
            )
        line = Line(
            number=request.number,
            attempt=request.attempt,
            outcome=outcome,
            final=self._is_final(request.number, outcome),
            prompt_tokens=reply.prompt_tokens,
            completion_tokens=reply.completion_tokens,
            edit_prompt=plain(answer.edit_prompt)[: 2 * MAX_SAID] if answer else "",
            edited_prompt=plain(answer.edited_prompt)[: 2 * MAX_SAID] if answer else "",
            said=""
            if answer
            else (request.level if outcome == FORM_REFUSED else plain(reply.said)[:MAX_SAID]),
        )
        if outcome == FORM_REFUSED:
            self._refused.add(request.level)
        self.proven = self.proven or self._proves(line)
        return line

    def _is_final(self, number: int, outcome: str) -> bool:
        """Say whether a prompt is settled by an outcome."""
        earlier = [line.outcome for line in self._ledger.of(number)]
        if outcome in FAILED:
            return 1 + sum(one in FAILED for one in earlier) >= self._job.max_attempts
        if outcome in ILL_FORMED:
            return 1 + sum(one in ILL_FORMED for one in earlier) >= MAX_ASKS
        return outcome != FORM_REFUSED or earlier.count(FORM_REFUSED) >= len(LEVELS)

    @staticmethod
    def _proves(line: Line) -> bool:
        """Say whether a line shows that the server gives answers of the API."""
        return line.outcome not in FAILED and line.outcome not in (
            FORM_REFUSED,
            "bad_request",
            "flagged_prompt",
        )
