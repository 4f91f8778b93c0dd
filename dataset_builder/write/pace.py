"""The pace of requests, the wait after a failure, and the money of a job.

Law: no more is sent in a minute than was asked for, a server's `Retry-After` is never undercut, and a budget
is overrun by one request at most: a second one starts only if both fit at their largest.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

from dataset_builder.shards.storage import hash_json
from dataset_builder.write.job import Prices

BYTES_PER_TOKEN: Final = 4.0
"""Of English in the usual vocabularies; where a server counts, its count is taken instead."""
TOKENS_PER_MESSAGE: Final = 5


def guessed_tokens(texts: Iterable[str]) -> int:
    """Return about how many tokens the texts of a conversation have."""
    return sum(math.ceil(len(text.encode()) / BYTES_PER_TOKEN) + TOKENS_PER_MESSAGE for text in texts)


def backoff_wait(base: float, failures: int, most: float, *seed: object) -> float:
    """Return the seconds to wait after failures: doubled for each, spread so that not all come at once."""
    spread = 0.5 + int(hash_json(list(map(str, seed)))[:8], 16) / 2**33  # [0.5, 1)
    return min(most, base * 2.0 ** min(failures, 30) * spread)


def wait_of(asked: float | None, backoff: float) -> float:
    """Return the seconds to wait: no less than a server asked for, and never none, whatever it asked for.

    Some ask for none, or for a moment that has passed where clocks differ.
    """
    return backoff if asked is None else max(asked, backoff)


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the seconds that a server asks to wait, or None if it does not say."""
    for name, unit in (("retry-after-ms", 1e-3), ("retry-after", 1.0)):
        value = headers.get(name, "")
        try:
            seconds = float(value) * unit
        except ValueError:
            continue
        return max(0.0, seconds) if math.isfinite(seconds) else None
    try:
        date = parsedate_to_datetime(headers.get("retry-after", ""))
    except (ValueError, TypeError, OverflowError):
        return None
    now = datetime.now(UTC)
    return max(0.0, ((date if date.tzinfo else date.replace(tzinfo=UTC)) - now).total_seconds())


class Pace:
    """Spreads requests evenly over the minute."""

    def __init__(
        self,
        requests_per_minute: float | None,
        tokens_per_minute: float | None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._per_request = 60.0 / requests_per_minute if requests_per_minute else 0.0
        self._per_token = 60.0 / tokens_per_minute if tokens_per_minute else 0.0
        self._clock = clock
        self._next_request = self._next_token = clock()

    def reserve(self, tokens: float) -> float:
        """Take the next place for a request of so many tokens; return the seconds until then."""
        now = self._clock()
        start = max(now, self._next_request, self._next_token)
        self._next_request = start + self._per_request
        self._next_token = start + tokens * self._per_token
        return start - now

    def correct(self, tokens: float) -> None:
        """Take note of tokens that a request used beyond (below: negative) those it was reserved for."""
        self._next_token += tokens * self._per_token

    def hold(self, seconds: float) -> None:
        """Send nothing more for so long: the server asked for it."""
        self._next_request = max(self._next_request, self._clock() + seconds)


class Spending:
    """The money of a job: spent, and promised to requests under way."""

    def __init__(self, budget: float | None, prices: Prices | None, spent: float = 0.0) -> None:
        self._budget = budget
        self._prices = prices
        self.spent = spent
        self._promised: list[float] = []

    @property
    def busy(self) -> bool:
        """Whether requests are under way."""
        return bool(self._promised)

    def cost(self, prompt_tokens: float, completion_tokens: float) -> float:
        """Return what tokens cost; nothing where nobody said."""
        return self._prices.of(prompt_tokens, completion_tokens) if self._prices else 0.0

    def admits(self, cost: float) -> bool:
        """Say whether a request of at most this cost may start now."""
        return self.allows(sum(self._promised), cost)

    def allows(self, promised: float, cost: float) -> bool:
        """Say whether a request of at most `cost` may join others of `promised` that go out together."""
        if self._budget is None:
            return True
        return self.spent + promised + cost <= self._budget or (not promised and self.spent < self._budget)

    def promise(self, cost: float) -> None:
        """Set the cost of a request aside."""
        self._promised.append(cost)

    def settle(self, promised: float, cost: float) -> None:
        """Pay for a request that was promised for."""
        self._promised.remove(promised)
        self.spent += cost
