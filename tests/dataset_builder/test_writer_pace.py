"""The pace is kept, `Retry-After` is not undercut, and a budget is overrun by one request at most."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataset_builder.write.job import Prices
from dataset_builder.write.pace import Pace, Spending, backoff_wait, retry_after


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


@pytest.mark.parametrize(("requests", "tokens"), [(60, None), (None, 6000), (60, 6000), (600, 600)])
def test_no_minute_has_more_than_was_asked_for(requests, tokens):
    clock = Clock()
    pace = Pace(requests, tokens, clock)
    starts = []
    for _ in range(200):
        clock.now += pace.reserve(50)
        starts.append(clock.now)
    for start in starts:
        within = sum(start <= other < start + 60 for other in starts)
        assert requests is None or within <= requests
        assert tokens is None or within * 50 <= tokens + 50


def test_tokens_used_beyond_the_guess_slow_the_next_request():
    clock = Clock()
    pace = Pace(None, 60.0, clock)
    assert pace.reserve(10) == 0
    pace.correct(20)
    assert pace.reserve(10) == pytest.approx(30)


def test_nothing_starts_while_the_server_asked_to_wait():
    clock = Clock()
    pace = Pace(None, None, clock)
    pace.hold(7)
    assert pace.reserve(1) == pytest.approx(7)
    clock.now += 8
    assert pace.reserve(1) == 0


def test_a_server_says_how_long_to_wait_in_three_ways():
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=30), usegmt=True)
    assert retry_after({"retry-after": "2"}) == 2
    assert retry_after({"retry-after-ms": "250", "retry-after": "2"}) == 0.25
    assert 25 < (retry_after({"retry-after": date}) or 0) <= 30
    for silent in ({}, {"retry-after": "soon"}, {"retry-after": "nan"}):
        assert retry_after(silent) is None
    assert retry_after({"retry-after": "-5"}) == 0


@given(st.integers(0, 100), st.text())
def test_waits_grow_within_their_bounds(failures, seed):
    wait = backoff_wait(1.0, failures, 120.0, seed)
    assert min(120.0, 0.5 * 2.0 ** min(failures, 30)) <= wait <= 120.0
    assert wait == backoff_wait(1.0, failures, 120.0, seed)


@given(
    budget=st.floats(0.0, 50.0),
    requests=st.lists(st.tuples(st.floats(0.0, 5.0), st.booleans()), max_size=60),
    share=st.floats(0.0, 1.0),
)
def test_the_purse_is_overrun_by_one_request_at_most(budget, requests, share):
    """Requests start and end in any order; each costs up to what was promised."""
    spending = Spending(budget, Prices(input=1.0, output=1.0))
    under_way: list[float] = []
    dearest = 0.0
    for most, ends_one in requests:
        if ends_one and under_way:
            promised = under_way.pop()
            spending.settle(promised, promised * share)
        if spending.admits(most):
            spending.promise(most)
            under_way.append(most)
            dearest = max(dearest, most)
    for promised in under_way:
        spending.settle(promised, promised)
    assert spending.spent <= budget + dearest + 1e-9


def test_a_purse_without_a_budget_admits_all():
    spending = Spending(None, None)
    assert spending.admits(1e9) and spending.cost(1e9, 1e9) == 0
