"""The cache of verdicts: for how long, how many, and which are evicted first."""

from __future__ import annotations

import pytest

from gateway.bearer.verdicts import MAX_CACHED, SIZE, Verdict, VerdictCache
from resolvers.caller import Caller
from resolvers.errors import InvalidToken
from tests.gateway.bearer.standing_clock import Clock

ALICE = Caller("alice", "app", frozenset())


def test_a_verdict_lasts_its_seconds(clock: Clock) -> None:
    cache = VerdictCache(clock.monotonic)
    cache.put("short", Verdict(ALICE, 5))
    cache.put("long", Verdict(ALICE, 30))
    clock.advance(4.9)
    assert cache.get("short") == Verdict(ALICE, 5)
    clock.advance(0.1)
    assert cache.get("short") is None
    assert cache.get("long") == Verdict(ALICE, 30)
    assert cache.get("other") is None


def test_the_least_recently_used_is_evicted_first(clock: Clock) -> None:
    assert (SIZE, MAX_CACHED) == (10_000, 30)
    cache = VerdictCache(clock.monotonic)
    for number in range(SIZE):
        cache.put(str(number), Verdict(ALICE, 30))
    assert cache.get("0") is not None
    cache.put("one more", Verdict(ALICE, 30))
    assert cache.get("0") is not None
    assert cache.get("1") is None
    assert cache.get("2") is not None


def test_no_token_is_kept(clock: Clock) -> None:
    cache = VerdictCache(clock.monotonic)
    cache.put("CANARY", Verdict(ALICE, 30))
    assert "CANARY" not in repr(list(cache._cache.items()))


def test_a_refusal_is_raised_with_what_is_known() -> None:
    refusal = InvalidToken("expired", subject="alice", client_id="app")
    with pytest.raises(InvalidToken) as raised:
        Verdict(refusal, 5).caller()
    assert raised.value is not refusal
    assert (raised.value.reason, raised.value.subject, raised.value.client_id) == ("expired", "alice", "app")
    assert Verdict(ALICE, 5).caller() == ALICE
