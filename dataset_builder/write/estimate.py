"""An estimate of a writing job, before its first request: requests, tokens, money, time.

Law: an estimate asks nothing and writes nothing; it counts what is left to do, earlier runs taken off.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from dataset_builder.records import EditTriplet
from dataset_builder.shards.storage import peek
from dataset_builder.write.captions import read_prompts
from dataset_builder.write.job import WriteJob
from dataset_builder.write.ledger import Ledger, Line
from dataset_builder.write.messages import drawn_examples, messages
from dataset_builder.write.pace import guessed_tokens
from dataset_builder.write.writer import LEDGER_FILE

ANSWER_TOKENS: Final = 50
"""Of a usual answer, until the ledger knows better."""
SECONDS_PER_ANSWER: Final = 2.0
"""Of a usual server, where no limit of requests or tokens says more."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Estimate:
    """An estimate of what is left of a job.

    Attributes:
        requests: Requests to make, if each is answered at once.
        moderations: Requests to the moderation besides.
        prompt_tokens: Tokens that they send.
        completion_tokens: Tokens that usual answers have.
        most_completion_tokens: Tokens that they have at most.
        money: Price of the usual, or None where nobody said what tokens cost.
        most_money: Price of the most.
        seconds: Time, or None for batches, which take up to a day.
        settled: Prompts that earlier runs settled.
    """

    requests: int
    moderations: int
    prompt_tokens: int
    completion_tokens: int
    most_completion_tokens: int
    money: float | None
    most_money: float | None
    seconds: float | None
    settled: int


def estimate(job: WriteJob) -> Estimate:
    """Estimate what is left of a job.

    Raises:
        InvalidJob: Prompts, examples or prices cannot be read.
    """
    prompts = read_prompts(job.source).texts
    ledger = Ledger(job.out / LEDGER_FILE, read=peek)
    waiting = [number for number in range(len(prompts)) if not ledger.is_final(number)]
    settled = len(prompts) - len(waiting)
    if job.writer == "scenes":
        return Estimate(
            requests=0,
            moderations=0,
            prompt_tokens=0,
            completion_tokens=0,
            most_completion_tokens=0,
            money=0.0,
            most_money=0.0,
            seconds=0.0,
            settled=settled,
        )
    examples = job.read_examples()
    sent = sum(_guess(job, examples, prompts[number]) for number in waiting)
    known = [line for line in ledger.lines() if line.completion_tokens]
    usual = round(len(waiting) * _mean_answer(known))
    most = len(waiting) * job.max_tokens
    prices = job.known_prices()
    return Estimate(
        requests=len(waiting),
        moderations=2 * len(waiting) * job.moderate,
        prompt_tokens=sent,
        completion_tokens=usual,
        most_completion_tokens=most,
        money=prices.of(sent, usual) if prices else None,
        most_money=prices.of(sent, most) if prices else None,
        seconds=None if job.transport == "batch" else _seconds(job, len(waiting), sent + usual),
        settled=settled,
    )


def _guess(job: WriteJob, examples: Sequence[EditTriplet], prompt: str) -> int:
    """Return about how many tokens a request has."""
    talk = messages(prompt, drawn_examples(examples, job.shots, job.seed, prompt))
    return guessed_tokens(turn["content"] for turn in talk)


def _mean_answer(known: Sequence[Line]) -> float:
    """Return how many tokens an answer has: of those there are, or else a usual one."""
    return sum(line.completion_tokens for line in known) / len(known) if known else ANSWER_TOKENS


def _seconds(job: WriteJob, requests: int, tokens: int) -> float:
    """Return how long requests take: as the limits say, and no less than a usual server needs."""
    limits = [requests * SECONDS_PER_ANSWER / job.concurrency]
    if job.requests_per_minute:
        limits.append(60 * requests / job.requests_per_minute)
    if job.tokens_per_minute:
        limits.append(60 * tokens / job.tokens_per_minute)
    return max(limits)
