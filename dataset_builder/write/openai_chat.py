"""Write triplets request by request: chat completions or responses, many under way at a time.

Law: an answer is in the ledger before anything else happens to it; however the run ends, what was paid for is
kept. One request goes first and alone, until the server has shown that it gives answers at all. A prompt
whose requests fail is set aside, and asked again once others were answered: only then the prompt is at fault.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, Final

from dataset_builder.errors import WriterStopped
from dataset_builder.write.job import WriteJob
from dataset_builder.write.ledger import Ledger, Line
from dataset_builder.write.messages import Reply, TripletAnswer
from dataset_builder.write.openai_client import Failure, Server
from dataset_builder.write.pace import Pace, Spending, backoff_wait, wait_of
from dataset_builder.write.requests import FAILED, ILL_FORMED, Request, Requests

MAX_ASIDE_IN_A_ROW: Final = 10
"""Prompts set aside one after another, before a run stops to look for the fault at the server."""


WITNESS: Final = "witness"
"""A line of a prompt that was settled before, and was answered once more."""


class ChatWriter:
    """Asks a server for one triplet a request."""

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
        self._pace = Pace(job.requests_per_minute, job.tokens_per_minute)
        self._room = asyncio.Condition()
        self._lines: asyncio.Queue[Line | None] = asyncio.Queue()
        self._harmless: set[int] = set()
        self._stopped: WriterStopped | None = None
        self._aside: dict[int, Line] = {}
        self._is_spent = False
        self._in_a_row = 0

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
            await self._ask_again()
        if self._stopped is None and self._aside and not self._is_spent:
            self._stopped = self._failing(next(reversed(self._aside.values())))
        if self._stopped is not None:
            raise self._stopped

    async def _ask_again(self) -> None:
        """Ask for prompts that were set aside, now that more is known of the server."""
        if not all(map(self._may_be_at_fault, self._aside.values())):
            await self._hear_a_witness()
        again = iter([line.number for line in self._aside.values() if self._may_be_at_fault(line)])
        self._in_a_row = 0
        await asyncio.gather(*(self._work(again) for _ in range(self._job.concurrency)))

    def _may_be_at_fault(self, line: Line) -> bool:
        """Say whether it may be the prompt that fails."""
        if line.outcome in ILL_FORMED:
            return self._requests.answered
        return self._requests.others_fare_better(line.number)

    async def _hear_a_witness(self) -> None:
        """Ask once more for a prompt that was answered: nothing else says whether the server still works."""
        number = next((line.number for line in self._ledger.latest() if line.edited_prompt), None)
        if number is None or self._stopped is not None:
            return
        request = self._requests.next(number)
        cost = self._spending.cost(request.guess, request.room)
        if not await self._admitted(cost):
            return
        reply = Reply(outcome="missing")
        try:
            reply = self._requests.counted(request, (await self._ask(request))[0])
            if reply.answer is not None:
                line = self._requests.line(request, reply)
                self._ledger.record(replace(line, outcome=WITNESS, final=False))
        except WriterStopped as stop:
            self._stopped = self._stopped or stop
        finally:
            await self._settle_cost(request, reply, cost)

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
            cost = self._spending.cost(request.guess, request.room)
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
            if line.final or number in self._aside:
                return True
            await asyncio.sleep(pause)
        return False

    async def _admitted(self, cost: float) -> bool:
        """Wait until the budget has room for a request; say no if it never will."""
        async with self._room:
            while not self._spending.admits(cost):
                if not self._spending.busy:
                    self._is_spent = True
                    return False
                await self._room.wait()
            self._spending.promise(cost)
            return True

    async def _settle_cost(self, request: Request, reply: Reply, promised: float) -> None:
        """Pay for what a request really used."""
        self._pace.correct(reply.prompt_tokens + reply.completion_tokens - request.guess - request.room)
        async with self._room:
            self._spending.settle(promised, self._spending.cost(reply.prompt_tokens, reply.completion_tokens))
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
        found = await self._server.call(lambda: self._send(request), request.body)
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
        if line.outcome not in FAILED and asked is None:
            return 0.0
        failures = sum(one.outcome in FAILED for one in self._ledger.of(line.number))
        backoff = backoff_wait(self._job.backoff, failures, self._job.max_wait, request.id)
        if asked is not None:
            self._pace.hold(asked)
        return wait_of(asked, backoff)

    def _keep(self, line: Line) -> None:
        """Write a line down, and stop the run where the server shows no sign of working.

        Raises:
            WriterStopped: It does not.
        """
        is_aside = not line.final and self._requests.is_exhausted(line.number, line.outcome)
        if is_aside and line.outcome == "not_an_answer" and not self._requests.proven:
            raise WriterStopped(
                f"base_url: {self._server.address} does not speak the OpenAI API (it said "
                f"{line.said[:60]!r}); give the address of a compatible server, which usually ends in /v1."
            )
        self._ledger.record(line)
        self._lines.put_nowait(line)
        self._aside.pop(line.number, None)
        if is_aside:
            self._aside[line.number] = line
            self._in_a_row += 1
        elif line.final:
            self._in_a_row = 0
        if self._in_a_row >= MAX_ASIDE_IN_A_ROW:
            raise self._failing(line)

    def _failing(self, line: Line) -> WriterStopped:
        """Return the sentence that ends a run whose server, or model, does not do its work."""
        reason = f"{line.outcome}: {line.said[:120]!r}"
        many = f"the last {len(self._aside)} prompts all" if len(self._aside) > 1 else "a prompt"
        if line.outcome in ILL_FORMED:
            remedy = (
                "raise --max-tokens, which must hold what a reasoning model thinks, too"
                if line.outcome == "cut_off"
                else "choose another model"
            )
            return WriterStopped(
                f"{self._job.model} gave {many.removesuffix(' all')} no answer that can be read ({reason}); "
                f"{remedy}, and run again into a new folder."
            )
        return WriterStopped(
            f"{many} failed at {self._server.address} ({reason}); see to the server, then run again: nothing "
            "is lost."
        )


def _without_answer(reply: Reply, failure: Failure) -> Reply:
    """Return a reply, what it cost included, that a failure made useless."""
    return replace(reply, outcome=failure.outcome, said=failure.said, part=failure.part, answer=None)


async def _result(task: asyncio.Task[None]) -> None:
    """Raise what ended a task, if anything did."""
    await task
