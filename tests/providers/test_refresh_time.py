"""When tokens are refreshed: margin, spread, short lives, and refreshing ahead."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.refresh_time import needs_refresh, refresh_ahead_at, refresh_at
from tests.providers.entries import provider

ISSUED = datetime(2026, 11, 23, 12, tzinfo=UTC)
KEYS = st.text(max_size=60)
MINUTE = provider().token
AHEAD = provider(token="refresh_ahead = true").token


def left_at_refresh(seconds: float, key: str = "a:1", margin: int = 60) -> float:
    """The seconds that a token with this life has left when it is refreshed."""
    expires_at = ISSUED + timedelta(seconds=seconds)
    token = provider(token=f"margin = {margin}").token
    due = refresh_at(token, expires_at=expires_at, issued_at=ISSUED, key=key)
    assert due is not None
    return (expires_at - due).total_seconds()


@given(margin=st.integers(1, 86_400), key=KEYS)
def test_a_token_with_less_than_the_margin_left_is_refreshed_and_earlier_by_half_at_most(margin: int, key: str) -> None:
    assert margin <= left_at_refresh(3 * margin, key, margin) < 1.5 * margin + 1e-5


@given(life=st.floats(0, 180, allow_nan=False), key=KEYS)
def test_a_token_with_a_short_life_is_used_for_half_of_it_at_least(life: float, key: str) -> None:
    assert life / 3 - 1e-5 <= left_at_refresh(life, key) <= life / 2 + 1e-5


def test_the_same_key_has_the_same_time_and_many_keys_are_spread() -> None:
    found = [left_at_refresh(3600, f"connection:{number}") for number in range(1000)]
    assert found == [left_at_refresh(3600, f"connection:{number}") for number in range(1000)]
    tenths = [sum(60 + 3 * tenth <= left < 63 + 3 * tenth for left in found) for tenth in range(10)]
    assert min(tenths) > 50


@given(key=KEYS)
def test_a_token_needs_a_refresh_from_that_time_on(key: str) -> None:
    expires_at = ISSUED + timedelta(hours=1)
    due = refresh_at(MINUTE, expires_at=expires_at, issued_at=ISSUED, key=key)
    assert due is not None
    for now, expected in ((due - timedelta(microseconds=1), False), (due, True), (expires_at, True)):
        assert needs_refresh(MINUTE, expires_at=expires_at, issued_at=ISSUED, now=now, key=key) is expected


def test_a_token_that_does_not_expire_needs_no_refresh() -> None:
    assert refresh_at(MINUTE, expires_at=None, issued_at=ISSUED, key="a:1") is None
    later = ISSUED + timedelta(days=400)
    assert not needs_refresh(MINUTE, expires_at=None, issued_at=ISSUED, now=later, key="a:1")


def test_a_token_that_has_expired_when_it_is_issued_needs_one() -> None:
    assert needs_refresh(MINUTE, expires_at=ISSUED, issued_at=ISSUED, now=ISSUED, key="a:1")
    expired = ISSUED - timedelta(seconds=5)
    assert needs_refresh(MINUTE, expires_at=expired, issued_at=ISSUED, now=ISSUED, key="a:1")


@given(key=KEYS)
def test_refreshing_ahead_happens_within_a_day_if_the_life_of_a_refresh_token_is_not_known(key: str) -> None:
    due = refresh_ahead_at(AHEAD, issued_at=ISSUED, key=key)
    assert due is not None
    assert timedelta(hours=12) <= due - ISSUED <= timedelta(days=1)
    assert due == refresh_ahead_at(AHEAD, issued_at=ISSUED, key=key)


@pytest.mark.parametrize(
    ("life", "most"),
    [
        (timedelta(seconds=1), timedelta(seconds=0.25)),
        (timedelta(hours=1), timedelta(minutes=15)),
        (timedelta(days=7), timedelta(days=1.75)),
        (timedelta(days=120), timedelta(days=30)),
        (timedelta(days=365), timedelta(days=30)),
        (timedelta(days=36_525), timedelta(days=30)),
    ],
)
@given(key=KEYS)
def test_refreshing_ahead_happens_within_a_quarter_of_the_life_or_a_month(
    life: timedelta, most: timedelta, key: str
) -> None:
    token = provider(token=f"refresh_ahead = true\nrefresh_expires = {life // timedelta(seconds=1)}").token
    due = refresh_ahead_at(token, issued_at=ISSUED, key=key)
    assert due is not None
    assert most / 2 <= due - ISSUED <= most


def test_the_life_of_a_refresh_token_alone_is_no_reason_to_refresh() -> None:
    token = provider(token="refresh_expires = 3600").token
    assert refresh_ahead_at(token, issued_at=ISSUED, key="a:1") is None


def test_there_is_no_refreshing_ahead_unless_the_entry_says_so() -> None:
    assert refresh_ahead_at(MINUTE, issued_at=ISSUED, key="a:1") is None
