"""Write triplets through the Batch API: thousands of requests a file, answered within a day at a lower price.

Answers come in any order and in two files, and a batch that expires answers a part: they are joined to their
prompts by `custom_id`, and what is missing goes into the next batch.

Law: a batch is written down before it is ordered and found again by its mark, so that a killed job orders no
batch twice; an answer is in the ledger once, however often its file is read.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from dataset_builder.errors import UnreadableDataset, WriterStopped
from dataset_builder.shards.storage import append_line, canonical_json, hash_json, read_lines
from dataset_builder.write.job import WriteJob
from dataset_builder.write.ledger import Ledger, Line
from dataset_builder.write.messages import Level, Reply
from dataset_builder.write.openai_client import Failure, Server, named_failure
from dataset_builder.write.pace import Spending, backoff_wait, wait_of
from dataset_builder.write.refusals import Refusal, refusal_in
from dataset_builder.write.requests import Request, Requests

STATE_FILE: Final = "batches.jsonl"
MARK: Final = "wordbrush"
MOST_REQUESTS: Final = 50_000
MOST_BYTES: Final = 200_000_000
"""What one batch may hold, by the API's rules."""
ENDED: Final = frozenset({"completed", "expired", "cancelled"})


@dataclass(frozen=True, kw_only=True, slots=True)
class Order:
    """A batch.

    Attributes:
        mark: Its name, made of what it asks.
        level: How the form of its answers is asked for.
        asked: Number and attempt of each request.
        taken_up: Whether an earlier run wrote it down, and may have ordered it.
        id: What the server calls it, once it said so.
    """

    mark: str
    level: Level
    asked: tuple[tuple[int, int], ...]
    taken_up: bool = False
    id: str | None = None


class BatchWriter:
    """Asks a server for thousands of triplets at a time."""

    def __init__(self, job: WriteJob, prompts: Sequence[str], ledger: Ledger, spending: Spending) -> None:
        """Prepare to write; nothing is sent.

        Raises:
            InvalidJob: The key is missing, or the examples cannot be read.
        """
        self._job = job
        self._ledger = ledger
        self._spending = spending
        self._server = Server(job)
        self._requests = Requests(job, prompts, ledger)
        self._state = job.out / STATE_FILE

    def write(self, numbers: Sequence[int]) -> Iterator[Line]:
        """Order batches until each prompt is settled, or the budget is spent; yield the ledger's new lines.

        Raises:
            WriterStopped: The server cannot be used, or refused a batch.
            StorageFailed: The ledger cannot be written to.
        """
        with asyncio.Runner() as runner:
            try:
                order = self._unfinished()
                while True:
                    if order is None:
                        yield from runner.run(self._moderated(numbers))
                        order = self._next_order(numbers)
                    if order is None:
                        return
                    found = runner.run(self._answers(order))
                    is_alive = any(_is_good(body) for _, body in found)
                    stuck: list[Line] = []
                    for request, body in found:
                        reply = self._requests.counted(request, self._reply(request, body))
                        flagged = runner.run(self._objects(reply))
                        line = self._requests.line(
                            request, reply, flagged=flagged, others_fare_better=is_alive
                        )
                        if not line.final and self._requests.is_exhausted(line.number, line.outcome):
                            stuck.append(line)
                        self._ledger.record(line)
                        self._spending.spent += self._spending.cost(
                            line.prompt_tokens, line.completion_tokens
                        )
                        yield line
                    append_line(self._state, {"mark": order.mark, "done": True})
                    order = None
                    if found and len(stuck) == len(found):  # another batch would come out the same
                        raise WriterStopped(
                            f"{self._server.address} answered none of the {len(stuck)} requests of a batch "
                            f"({stuck[0].outcome}: {stuck[0].said[:120]!r}); see to that, then run again: "
                            "nothing is lost."
                        )
            finally:
                runner.run(self._server.client.close())

    def _unfinished(self) -> Order | None:
        """Return the batch that an earlier run ordered, or was about to, and did not read to its end."""
        orders: dict[str, Order] = {}
        try:
            for entry in read_lines(self._state):
                mark = entry["mark"]
                if "asked" in entry:
                    asked = tuple((number, attempt) for number, attempt in entry["asked"])
                    orders[mark] = Order(mark=mark, level=entry["level"], asked=asked, taken_up=True)
                elif "id" in entry:
                    orders[mark] = replace(orders[mark], id=entry["id"])
                else:
                    del orders[mark]
        except (ValueError, KeyError, TypeError) as error:
            raise UnreadableDataset(
                f"{self._state} is damaged ({error}); mend it, or remove it: what it tells of is then "
                "ordered again."
            ) from error
        return next(iter(orders.values()), None)

    def _next_order(self, numbers: Sequence[int]) -> Order | None:
        """Write down the next batch: all prompts that are not settled, as far as rules and budget allow."""
        chosen: list[Request] = []
        size, cost = 0, 0.0
        for number in numbers:
            if self._ledger.is_final(number):
                continue
            request = self._requests.next(number)
            size += len(_line_of(request))
            most = self._spending.cost(request.guess, request.room)
            if len(chosen) == MOST_REQUESTS or size > MOST_BYTES or not self._spending.allows(cost, most):
                break
            cost += most
            chosen.append(request)
        if not chosen:
            return None
        asked = tuple((request.number, request.attempt) for request in chosen)
        order = Order(mark=hash_json([one.id for one in chosen])[:24], level=chosen[0].level, asked=asked)
        append_line(self._state, {"asked": asked, "level": order.level, "mark": order.mark})
        return order

    async def _answers(self, order: Order) -> list[tuple[Request, object]]:
        """Order a batch unless it was, wait for its end, and return what came back for each request."""
        requests = [
            replace(self._requests.next(number), level=order.level)
            for number, attempt in order.asked
            if len(self._ledger.of(number)) == attempt
        ]
        name = order.id or (await self._found_again(order) if order.taken_up else None)
        batch = await self._ended(name or await self._ordered(order, requests))
        answers: dict[str, object] = {}
        for kind in ("output_file_id", "error_file_id"):
            if file := batch.get(kind):
                answers |= _by_id(await self._content(file))
        # Good answers first: they show that a refusal beside them is of a prompt, not of the form of answer.
        requests.sort(key=lambda request: not _is_good(answers.get(request.id)))
        return [(request, answers.get(request.id)) for request in requests]

    async def _content(self, file: str) -> str:
        """Return the content of a file at the server."""
        return await self._patiently(lambda: self._server.client.files.with_raw_response.content(file))

    async def _found_again(self, order: Order) -> str | None:
        """Look for a batch of our mark: an earlier run may have been killed just after ordering it."""
        client = self._server.client
        listed = await self._told(lambda: client.batches.with_raw_response.list(limit=100))
        for batch in listed.get("data") or []:
            if (batch.get("metadata") or {}).get(MARK) == order.mark:
                append_line(self._state, {"id": batch["id"], "mark": order.mark})
                return str(batch["id"])
        return None

    async def _ordered(self, order: Order, requests: Sequence[Request]) -> str:
        """Send a batch's file, order the batch, and write its id down."""
        client = self._server.client
        content = "".join(map(_line_of, requests)).encode()
        file = await self._told(
            lambda: client.files.with_raw_response.create(
                file=(f"{order.mark}.jsonl", content), purpose="batch"
            )
        )
        batch = await self._told(
            lambda: client.batches.with_raw_response.create(
                input_file_id=str(file.get("id")),
                endpoint="/v1/chat/completions",
                completion_window="24h",
                metadata={MARK: order.mark},
            )
        )
        if not isinstance(batch.get("id"), str):
            raise WriterStopped(f"{self._server.address} does not take batches; choose another transport.")
        append_line(self._state, {"id": batch["id"], "mark": order.mark})
        return str(batch["id"])

    async def _ended(self, name: str) -> Mapping[str, Any]:
        """Look at a batch until it has ended.

        Raises:
            WriterStopped: The server refused it.
        """
        client = self._server.client
        while True:
            batch = await self._told(lambda: client.batches.with_raw_response.retrieve(name))
            if batch.get("status") == "failed":
                errors = (batch.get("errors") or {}).get("data") or [{}]
                self._state.unlink(missing_ok=True)
                raise WriterStopped(
                    f"{self._server.address} refused batch {name} "
                    f"({errors[0].get('message', 'no reason given')}); mend that, then run again."
                )
            if str(batch.get("status")) in ENDED:
                return batch
            await asyncio.sleep(self._job.poll)

    async def _told(self, send: Callable[[], Awaitable[Any]]) -> Mapping[str, Any]:
        """Send a request about a batch; return the JSON object that came back.

        Raises:
            WriterStopped: Something else came back.
        """
        try:
            value = json.loads(await self._patiently(send))
        except ValueError:
            value = None
        if isinstance(value, dict):
            return value
        raise WriterStopped(
            f"base_url: {self._server.address} does not speak the OpenAI API; give the address of one "
            "with a Batch API, or choose another transport."
        )

    async def _patiently(self, send: Callable[[], Awaitable[Any]]) -> str:
        """Send a request about a batch, again if the server is in trouble.

        Raises:
            WriterStopped: It stays in trouble.
        """
        failure = Failure(outcome="server_error")
        for tries in range(self._job.max_attempts):
            found = await self._server.fetch(send)
            if isinstance(found, str):
                return found
            failure = found
            wait = backoff_wait(self._job.backoff, tries, self._job.max_wait, "batch", tries)
            await asyncio.sleep(wait_of(failure.wait, wait))
        raise WriterStopped(
            f"{self._server.address} does not take batches now ({failure.outcome}: {failure.said[:120]!r}); "
            "run again later, or with another transport."
        )

    def _reply(self, request: Request, entry: object) -> Reply:
        """Read a batch's line for a request."""
        response = entry.get("response") if isinstance(entry, Mapping) else None
        if not isinstance(response, Mapping):
            return Reply(outcome="missing")
        if _is_good(entry):
            return self._requests.read(response.get("body"))
        refused = refusal_in(response.get("body")) or Refusal(
            status=500, said=str(response.get("body"))[:200]
        )
        status = int(response.get("status_code") or refused.status)
        failure = named_failure(replace(refused, status=status), request.body)
        return Reply(outcome=failure.outcome, said=failure.said, part=failure.part)

    async def _moderated(self, numbers: Sequence[int]) -> list[Line]:
        """Settle the prompts that moderation objects to, before anything is paid for them."""
        lines = []
        for number in numbers if self._job.moderate else ():
            if not self._ledger.of(number) and await self._flagged([self._requests.prompt(number)]):
                request = self._requests.next(number)
                lines.append(self._requests.line(request, Reply(outcome="flagged_prompt")))
                self._ledger.record(lines[-1])
        return lines

    async def _objects(self, reply: Reply) -> bool:
        """Say whether moderation objects to an answer."""
        if not self._job.moderate or reply.answer is None:
            return False
        return await self._flagged([reply.answer.edit_prompt, reply.answer.edited_prompt])

    async def _flagged(self, texts: Sequence[str]) -> bool:
        """Ask the server's moderation.

        Raises:
            WriterStopped: It does not answer.
        """
        found = await self._server.flagged(texts)
        if isinstance(found, Failure):
            raise WriterStopped(
                f"moderate is on, but {self._server.address} does not moderate ({found.outcome}); run "
                "again later."
            )
        return found


def _is_good(entry: object) -> bool:
    """Say whether a batch's line is an answer."""
    response = entry.get("response") if isinstance(entry, Mapping) else None
    return isinstance(response, Mapping) and response.get("status_code") == 200


def _line_of(request: Request) -> str:
    """Return a request as a line of a batch's file."""
    line = {"custom_id": request.id, "method": "POST", "url": "/v1/chat/completions", "body": request.body}
    return f"{canonical_json(line)}\n"


def _by_id(text: str) -> dict[str, object]:
    """Return the lines of a batch's file by their `custom_id`; what cannot be read counts as missing."""
    found: dict[str, object] = {}
    for line in text.split("\n"):
        try:
            entry = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(entry, Mapping) and isinstance(entry.get("custom_id"), str):
            found.setdefault(entry["custom_id"], entry)
    return found
