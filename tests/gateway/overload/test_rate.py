"""The rate limit: a bucket for each caller, exact over any period, in bounded memory."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from gateway.overload.rate import Rate, read_rate
from resolvers.caller import Caller
from resolvers.errors import RateLimited


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


ALICE = Caller("alice", "app", frozenset())


def test_a_burst_and_then_evenly() -> None:
    clock = Clock()
    rate = Rate(10, 1, clock=clock)
    assert [rate.wait("alice") for _ in range(11)] == [0] * 10 + [1]
    clock.now += 0.1
    assert [rate.wait("alice") for _ in range(2)] == [0, 1]
    assert rate.wait("bob") == 0


def test_the_wait_is_exact() -> None:
    clock = Clock()
    rate = Rate(2, 60, clock=clock)
    assert [rate.wait("alice") for _ in range(3)] == [0, 0, 30]
    clock.now += 29
    assert rate.wait("alice") == 1
    clock.now += 1
    assert rate.wait("alice") == 0


def test_rejected_operations_are_not_counted() -> None:
    clock = Clock()
    rate = Rate(1, 1, clock=clock)
    assert [bool(rate.wait("alice")) for _ in range(1000)] == [False] + [True] * 999
    clock.now += 1
    assert rate.wait("alice") == 0


def test_more_operations_than_the_bucket_holds() -> None:
    clock = Clock()
    rate = Rate(3, 1, clock=clock)
    assert rate.wait("alice", 5) == 0
    assert rate.wait("alice") == 1


Steps = st.lists(st.tuples(st.integers(0, 3000), st.integers(1, 5)), max_size=60)


@given(st.integers(1, 20), st.sampled_from([1, 60]), Steps)
def test_like_an_exact_bucket(count: int, seconds: int, steps: list[tuple[int, int]]) -> None:
    """Compared with a bucket in exact fractions. The times are binary fractions, which floats represent exactly."""
    clock = Clock()
    clock.now = 0.0
    rate = Rate(count, seconds, clock=clock)
    level, moment = Fraction(count), Fraction(0)
    for gap, operations in steps:
        clock.now += gap / 1024
        now = Fraction(clock.now)
        level = min(level + (now - moment) * count / seconds, Fraction(count))
        moment = now
        cost = min(operations, count)
        missing = (cost - level) * seconds / count
        waiting = rate.wait("alice", operations)
        # Right at the limit, a float may fall on either side.
        assert abs(missing) < 1e-6 or (waiting == 0) == (missing <= 0)
        if waiting == 0:
            level -= cost
        else:
            assert waiting - 1 < missing + Fraction(1, 10**6)
            assert missing < waiting + Fraction(1, 10**6)


def test_callers_are_forgotten() -> None:
    clock = Clock()
    rate = Rate(10, 1, remembered=100, clock=clock)
    for number in range(1000):
        rate.wait(f"caller {number}")
    assert len(rate._full_again) == 100
    for _ in range(100):
        clock.now += 1
        rate.wait("alice")
    assert len(rate._full_again) == 1


def test_a_user_and_an_app_with_the_same_id() -> None:
    rate = Rate(1, 3600)
    rate.spend(Caller("x", "app", frozenset()))
    rate.spend(Caller(None, "x", frozenset()))
    for caller in (Caller("x", "another app", frozenset()), Caller(None, "x", frozenset())):
        with pytest.raises(RateLimited) as refusal:
            rate.spend(caller)
        assert refusal.value.retry_after == 3600


def test_requests_without_a_token_are_one_caller() -> None:
    rate = Rate(2, 3600)
    for _ in range(2):
        rate.spend(None)
    with pytest.raises(RateLimited) as refusal:
        rate.spend(None)
    assert refusal.value.retry_after == 1800
    for caller in (ALICE, Caller("anonymous", "app", frozenset()), Caller(None, "anonymous", frozenset())):
        rate.spend(caller)


def test_off() -> None:
    assert read_rate("off") is None


@pytest.mark.parametrize(("text", "seconds"), [("5/second", 1), ("5/minute", 12), ("5 / hour", 720)])
def test_valid_rates(text: str, seconds: int) -> None:
    rate = read_rate(text)
    assert rate
    assert [rate.wait("alice") for _ in range(6)] == [0] * 5 + [seconds]


@pytest.mark.parametrize(
    "text", ["", "0/second", "-1/second", "5", "5/day", "1.5/second", "99999999/second", "on", "5/seconds", "x5/second"]
)
def test_invalid_rates(text: str) -> None:
    with pytest.raises(ValueError, match=r"^must be off or a rate such as"):
        read_rate(text)


def test_several_operations_at_once() -> None:
    rate = Rate(3, 3600)
    rate.spend(ALICE, 2)
    with capture_logs() as logged, pytest.raises(RateLimited) as refusal:
        rate.spend(ALICE, 2)
    assert refusal.value.retry_after == 1200
    assert logged == [{"event": "caller.limited", "log_level": "info", "seconds": 1200}]
    # What was rejected was not counted.
    rate.spend(ALICE)
    with pytest.raises(RateLimited):
        rate.spend(ALICE)


def test_the_least_recent_caller_is_forgotten_first() -> None:
    rate = Rate(2, 3600, remembered=2)
    assert [rate.wait(name) for name in ("alice", "bob", "alice", "carol")] == [0] * 4
    assert rate.wait("alice") > 0
    assert rate.wait("bob", 2) == 0


def test_a_caller_whose_bucket_is_not_full_is_remembered() -> None:
    clock = Clock()
    rate = Rate(10, 10, clock=clock)
    rate.wait("alice", 10)
    clock.now += 9.5
    for number in range(10):
        rate.wait(f"caller {number}")
    assert rate.wait("alice", 10) > 0
    clock.now += 0.5
    assert rate.wait("alice", 10) == 0


def test_the_callers_that_are_remembered() -> None:
    """Fifty thousand."""
    rate = Rate(1, 3600)
    for number in range(50_001):
        rate.wait(f"caller {number}")
    assert rate.wait("caller 1") > 0
    assert rate.wait("caller 0") == 0
