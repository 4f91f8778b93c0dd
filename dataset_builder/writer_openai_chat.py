"""Write triplets request by request: chat completions or responses, many under way at a time.

Law: an answer is in the ledger before anything else happens to it; however the run ends, what was paid for is
kept. One request goes first and alone, until the server has shown that it gives answers at all.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, Final

from dataset_builder.errors import WriterStopped
from dataset_builder.ledger import Ledger, Line
from dataset_builder.write_job import WriteJob
from dataset_builder.writer_messages import Reply, TripletAnswer
from dataset_builder.writer_openai import Failure, Server
from dataset_builder.writer_pace import Pace, Purse, backoff_wait
from dataset_builder.writer_requests import FAILED, Request, Requests

MAX_LOST_IN_A_ROW: Final = 10
"""Prompts given up one after another, before a run stops to look for the fault at the server."""


class ChatWriter:
    """Asks a server for one triplet a request."""

    def __init__(self, job: WriteJob, prompts: Sequence[str], ledger: Ledger, purse: Purse) -> None:
        """Prepare to write; nothing is sent.

        Raises:
            InvalidJob: The key is missing, or the examples cannot be read.
        """
        self._job = job
        self._ledger = ledger
        self._purse = purse
        self._server = Server(job)
        self._requests = Requests(job, prompts, ledger)
        self._pace = Pace(job.requests_per_minute, job.tokens_per_minute)
        self._room = asyncio.Condition()
        self._lines: asyncio.Queue[Line | None] = asyncio.Queue()
        self._harmless: set[int] = set()
        self._stopped: WriterStopped | None = None
        self._lost = 0

    def write(self, numbers: Sequence[int]) -> Iterator[Line]:
        """Ask for some prompts until each is settled, or the budget is spent; yield the ledger's new lines.

        Raises:
            WriterStopped: The server cannot be used, or no longer.
            StorageFailed: The ledger cannot be written to.
        """
        with asyncio.Runner() as runner:
            task = runner.get_loop().create_task(self._settle_all(iter(numbers)))
            task.add_done_callback(lambda _: self._lines.put_nowait(None))
            try:
                while (line := runner.run(self._lines.get())) is not None:
                    yield line
                runner.run(_result(task))
            finally:
                task.cancel()
                runner.run(self._server.client.close())

    async def _settle_all(self, numbers: Iterator[int]) -> None:
        """Settle the prompts, one by one until the server has answered once, then many at a time."""
        while not self._requests.proven and self._stopped is None:
            number = next(numbers, None)
            if number is None or not await self._settle(number):
                break
        else:
            await asyncio.gather(*(self._work(numbers) for _ in range(self._job.concurrency)))
        if self._stopped is not None:
            raise self._stopped

    async def _work(self, numbers: Iterator[int]) -> None:
        """Settle one prompt after another; one of several at this."""
        for number in numbers:
            if self._stopped is not None or not await self._settle(number):
                return

    async def _settle(self, number: int) -> bool:
        """Ask for a prompt until it is settled; say no where the run must end first.

        What stops the run is remembered, not raised: requests under way are paid for, and are waited for.
        """
        while self._stopped is None:
            request = self._requests.next(number)
            cost = self._purse.cost(request.guess, request.room)
            if not await self._admitted(cost):
                return False
            reply = Reply(outcome="missing")
            try:
                await asyncio.sleep(self._pace.reserve(request.guess + request.room))
                if self._stopped is not None:
                    return False
                reply, wait, flagged = await self._ask(request)
                reply = self._requests.counted(request, reply)
                line = self._requests.line(request, reply, flagged=flagged)
                pause = self._pause(line, request, wait)
                self._keep(line)
            except WriterStopped as stop:
                self._stopped = self._stopped or stop
                return False
            finally:
                await self._settle_cost(request, reply, cost)
            if line.final:
                return True
            await asyncio.sleep(pause)
        return False

    async def _admitted(self, cost: float) -> bool:
        """Wait until the budget has room for a request; say no if it never will."""
        async with self._room:
            while not self._purse.admits(cost):
                if not self._purse.busy:
                    return False
                await self._room.wait()
            self._purse.promise(cost)
            return True

    async def _settle_cost(self, request: Request, reply: Reply, promised: float) -> None:
        """Pay for what a request really used."""
        self._pace.correct(reply.prompt_tokens + reply.completion_tokens - request.guess - request.room)
        async with self._room:
            self._purse.settle(promised, self._purse.cost(reply.prompt_tokens, reply.completion_tokens))
            self._room.notify_all()

    async def _ask(self, request: Request) -> tuple[Reply, float | None, bool]:
        """Send a request, with moderation before and after it where the job wants it.

        Returns:
            What came back, the seconds that the server asked to wait, whether moderation objects to it.
        """
        if self._job.moderate and request.number not in self._harmless:
            flagged = await self._server.flagged([self._requests.prompt(request.number)])
            if isinstance(flagged, Failure):
                return _without_answer(Reply(outcome=""), flagged), flagged.wait, False
            if flagged:
                return Reply(outcome="flagged_prompt"), None, False
            self._harmless.add(request.number)
        found = await self._server.call(lambda: self._send(request))
        if isinstance(found, Failure):
            return _without_answer(Reply(outcome=""), found), found.wait, False
        reply = self._requests.read(found)
        if not self._job.moderate or reply.answer is None:
            return reply, None, False
        flagged = await self._server.flagged([reply.answer.edit_prompt, reply.answer.edited_prompt])
        if isinstance(flagged, Failure):
            return _without_answer(reply, flagged), flagged.wait, False
        return reply, None, flagged

    async def _send(self, request: Request) -> Any:
        """Send a request and return the raw response."""
        client = self._server.client
        # Servers that know the header answer a repeated request once; the others pass over it.
        headers = {"Idempotency-Key": request.id}
        if self._job.transport == "responses":
            return await client.responses.with_raw_response.create(**request.body, extra_headers=headers)
        chat = client.chat.completions.with_raw_response
        if request.level == "json_schema":
            body = {**request.body, "response_format": TripletAnswer}
            return await chat.parse(**body, extra_headers=headers)
        return await chat.create(**request.body, extra_headers=headers)

    def _pause(self, line: Line, request: Request, asked: float | None) -> float:
        """Return the seconds until a prompt is asked again; what a server asks for holds for all."""
        if asked is not None:
            self._pace.hold(asked)
            return asked
        if line.outcome not in FAILED:
            return 0.0
        failures = sum(one.outcome in FAILED for one in self._ledger.of(line.number))
        return backoff_wait(self._job.backoff, failures, self._job.max_wait, request.id)

    def _keep(self, line: Line) -> None:
        """Write a line down, and stop the run where the server shows no sign of working.

        Raises:
            WriterStopped: It does not.
        """
        lost = line.final and (line.outcome in FAILED or line.outcome == "bad_request")
        if lost and line.outcome == "not_an_answer" and not self._requests.proven:
            raise WriterStopped(
                f"base_url: {self._server.address} does not speak the OpenAI API (it said "
                f"{line.said[:60]!r}); give the address of a compatible server, which usually ends in /v1."
            )
        self._ledger.record(line)
        self._lines.put_nowait(line)
        self._lost = self._lost + 1 if lost else 0 if line.final else self._lost
        if self._lost >= MAX_LOST_IN_A_ROW:
            raise WriterStopped(
                f"the last {self._lost} prompts all failed at {self._server.address} ({line.outcome}: "
                f"{line.said[:120]!r}); see to the server, then run again."
            )


def _without_answer(reply: Reply, failure: Failure) -> Reply:
    """Return a reply, what it cost included, that a failure made useless."""
    return replace(reply, outcome=failure.outcome, said=failure.said, answer=None)


async def _result(task: asyncio.Task[None]) -> None:
    """Raise what ended a task, if anything did."""
    await task
