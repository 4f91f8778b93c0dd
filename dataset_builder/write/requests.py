"""One prompt on its way to a triplet: the request that asks next, and what an answer to it means.

The rules of attempts stand here once, for every transport: a busy or failing server is asked again, a
malformed answer is asked for anew a few times (a cut one with more room), a refusal or a rejected answer is
final; a server that refuses a part of the request's form is asked without it, or for a lesser form of answer.

Law: what is asked next depends on the prompt, the job and the lines in the ledger alone, so that a killed job
goes on as if it had never stopped. What fails uses up a prompt only where the server answers others that
were asked for afterwards: else it is the server that failed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from dataset_builder.shards.storage import hash_json
from dataset_builder.write.job import WriteJob
from dataset_builder.write.ledger import ACCEPTED, Ledger, Line
from dataset_builder.write.meaning import SentenceMeaning, packaged_sentences
from dataset_builder.write.messages import (
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
from dataset_builder.write.pace import guessed_tokens
from dataset_builder.write.refusals import SYSTEM_ROLE
from dataset_builder.write.rules import doubt, plain, rejection

FAILED: Final = frozenset(
    {"rate_limited", "server_error", "timeout", "connection_lost", "not_an_answer", "missing"}
)
"""Outcomes of a server in trouble: asked again, up to `max_attempts` times."""
REFUSED: Final = "bad_request"
"""A request that a server takes from nobody, or not with this prompt: that shows when others are answered."""
BLAMED: Final = FAILED | {REFUSED}
"""Outcomes that are a prompt's fault only if the server answers others."""
RATE_LIMITED: Final = "rate_limited"
"""Of the failures the one that never comes of a prompt."""
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
        refused: Parts of the form that the server had refused before.
        body: The request, as JSON, for chat completions or for responses.
        guess: About how many tokens it has, without the answer.
        room: Most tokens of the answer.
        heard: How many answers this run had heard when it was made.
    """

    number: int
    attempt: int
    id: str
    level: Level
    refused: frozenset[str]
    body: dict[str, Any]
    guess: int
    room: int
    heard: int


class Requests:
    """The requests of a job: which comes next for a prompt, and which line its answer makes."""

    def __init__(self, job: WriteJob, prompts: Sequence[str], ledger: Ledger) -> None:
        self._job = job
        self._prompts = prompts
        self._ledger = ledger
        self._examples = job.read_examples()
        self._meaning = SentenceMeaning(packaged_sentences) if job.check == "meaning" else None
        self._name = hash_json([job.config(), list(prompts)])[:12]
        self._tokens_per_guess = 1.0
        self._refused: set[str] = set()
        self.proven = self.answered = False
        self._heard = 0
        self._failed: dict[int, int] = {}  # by prompt: how many answers were heard when it failed first
        self._proofs: dict[
            int, int
        ] = {}  # by prompt, the two asked last: `Request.heard` of one that was answered
        for line in reversed(list(ledger.latest())):
            self._learn(line)
            if line.outcome in BLAMED:
                self._failed[line.number] = 0
        if not self.proven:  # where nothing was ever answered, it was not the form that the server refused
            self._refused.clear()

    @property
    def level(self) -> Level:
        """The strictest form of answer that the server has not refused."""
        return next(level for level in LEVELS if level not in self._refused or level == LEVELS[-1])

    def prompt(self, number: int) -> str:
        """Return the text of a prompt."""
        return self._prompts[number]

    def next(self, number: int) -> Request:
        """Return what to ask for a prompt now."""
        earlier = self._ledger.of(number)
        prompt = self._prompts[number]
        talk = messages(
            prompt,
            drawn_examples(self._examples, self._job.shots, self._job.seed, prompt),
            system_role=SYSTEM_ROLE not in self._refused,
        )
        room = self._job.max_tokens * 2 ** sum(line.outcome == "cut_off" for line in earlier)
        guess = guessed_tokens(turn["content"] for turn in talk)
        return Request(
            number=number,
            attempt=len(earlier),
            id=f"{self._name}-{number:08d}-{len(earlier)}",
            level=self.level,
            refused=frozenset(self._refused),
            body=self._body(talk, room, [line.outcome for line in earlier]),
            guess=round(guess * self._tokens_per_guess),
            room=room,
            heard=self._heard,
        )

    def _body(self, talk: list[dict[str, str]], room: int, earlier: Sequence[str]) -> dict[str, Any]:
        """Return the JSON body of a request."""
        body: dict[str, Any] = {"model": self._job.model}
        if self._job.temperature is not None:
            body["temperature"] = self._job.temperature
        if self._job.transport == "responses":
            body |= {"max_output_tokens": room, "store": False}
            body = {name: value for name, value in body.items() if name not in self._refused}
            return {**body, "input": talk, **responses_format(self.level)}
        # OpenAI's newer models know only the newer name; other servers may know only the older one.
        limits = ["max_tokens", "max_completion_tokens"]
        limits.sort(key=lambda name: (name in self._refused, name == "max_tokens" and not self._job.base_url))
        body[limits[0]] = room
        if ILL_FORMED.intersection(earlier):
            # Some servers draw the same answer to the same request for ever; not all know the field.
            body["seed"] = len(earlier)
        body = {name: value for name, value in body.items() if name not in self._refused}
        return {**body, "messages": talk, **chat_format(self.level)}

    def read(self, body: object) -> Reply:
        """Read the JSON body of an answer."""
        return read_response(body) if self._job.transport == "responses" else read_chat(body)

    def counted(self, request: Request, reply: Reply) -> Reply:
        """Return a reply with its tokens, guessed where a server counts none: a budget ends all the same."""
        unpaid = reply.outcome in FAILED or reply.outcome in (FORM_REFUSED, REFUSED, "flagged_prompt")
        if unpaid or reply.prompt_tokens or reply.completion_tokens:
            return reply
        return replace(reply, prompt_tokens=request.guess, completion_tokens=guessed_tokens([reply.said]))

    def others_fare_better(self, number: int) -> bool:
        """Say whether the server answered others that were asked for after it first failed a prompt.

        What was under way already may have been answered before the server failed, and only be read later.
        """
        if number not in self._failed:
            return False
        return any(heard >= self._failed[number] for other, heard in self._proofs.items() if other != number)

    def line(
        self, request: Request, reply: Reply, *, flagged: bool = False, others_fare_better: bool | None = None
    ) -> Line:
        """Return the ledger's line for an answer.

        Args:
            request: What was asked.
            reply: What came back.
            flagged: Whether moderation objected to the answer.
            others_fare_better: Whether the server answers others while it fails this prompt; None asks the
                ledger.
        """
        outcome, answer = reply.outcome, reply.answer
        if answer is not None:
            texts = (self._prompts[request.number], answer.edit_prompt, answer.edited_prompt)
            outcome = rejection(*texts) or doubt(*texts, self._meaning) or ACCEPTED
            if outcome == ACCEPTED and flagged:
                outcome = "flagged_answer"
        part = reply.part or request.level
        if outcome == REFUSED and not self.proven and request.level != LEVELS[-1]:
            # Some servers say no more than "400" of a form that they do not know.
            outcome = FORM_REFUSED
        elif outcome == FORM_REFUSED and (part == LEVELS[-1] or part in request.refused):
            outcome = REFUSED  # there is no lesser form
        if reply.prompt_tokens:
            self._tokens_per_guess = max(
                self._tokens_per_guess, self._tokens_per_guess * reply.prompt_tokens / max(1, request.guess)
            )
        self._heard += 1
        if outcome in BLAMED:
            self._failed.setdefault(request.number, self._heard)
        line = Line(
            number=request.number,
            attempt=request.attempt,
            outcome=outcome,
            final=self._is_final(request.number, outcome, others_fare_better=others_fare_better),
            prompt_tokens=reply.prompt_tokens,
            completion_tokens=reply.completion_tokens,
            edit_prompt=plain(answer.edit_prompt)[: 2 * MAX_SAID] if answer else "",
            edited_prompt=plain(answer.edited_prompt)[: 2 * MAX_SAID] if answer else "",
            said="" if answer else (part if outcome == FORM_REFUSED else plain(reply.said)[:MAX_SAID]),
        )
        self._learn(line)
        if self._proves(line):
            self._proofs[request.number] = request.heard
            if len(self._proofs) > 2:  # of two, one is another prompt than the one in question
                del self._proofs[min(self._proofs, key=lambda number: self._proofs[number])]
        return line

    def _learn(self, line: Line) -> None:
        """Take note of what a line says of the server and its model."""
        if line.outcome == FORM_REFUSED:
            self._refused.add(line.said)
        elif line.outcome == REFUSED and not self.proven:
            self._refused.difference_update(LEVELS)  # it was not the form that was refused
        self.proven = self.proven or self._proves(line)
        self.answered = self.answered or bool(line.edited_prompt)

    def _is_final(self, number: int, outcome: str, *, others_fare_better: bool | None) -> bool:
        """Say whether a prompt is settled by an outcome."""
        if outcome in (FORM_REFUSED, RATE_LIMITED):
            return False
        if outcome in BLAMED:
            if not self.is_exhausted(number, outcome):
                return False
            return self.others_fare_better(number) if others_fare_better is None else others_fare_better
        if outcome in ILL_FORMED:
            return self.answered and self.is_exhausted(number, outcome)
        return True

    def is_exhausted(self, number: int, outcome: str) -> bool:
        """Say whether asking for a prompt once more makes no sense for a while, after an outcome."""
        earlier = [line.outcome for line in self._ledger.of(number)]
        if outcome in FAILED:
            return 1 + sum(one in FAILED for one in earlier) >= self._job.max_attempts
        if outcome in ILL_FORMED:
            return 1 + sum(one in ILL_FORMED for one in earlier) >= MAX_ASKS
        return outcome == REFUSED

    @staticmethod
    def _proves(line: Line) -> bool:
        """Say whether a line shows that the server gives answers of the API."""
        return line.outcome not in FAILED and line.outcome not in (
            FORM_REFUSED,
            REFUSED,
            "flagged_prompt",
            "filtered",
        )
