"""When a token expires, in each of the ways in which providers say so."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from providers.errors import UnreadableResponse
from providers.token_answer import read_token_answer
from tests.providers.token_answers import EPOCH, GOOD, JWT, NEVER, NOW, PLAIN, fault, jwt, read
from wire.http.response import Response


def test_expiry_as_a_timestamp() -> None:
    assert read(GOOD | {"expires_at": 0}, EPOCH).expires_at == datetime(1970, 1, 1, tzinfo=UTC)
    assert read(GOOD, EPOCH).expires_at is None
    assert read(GOOD | {"expires_at": 1.9}, EPOCH).expires_at == datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC)
    for bad in (-1, "0", True, 10**11):
        assert isinstance(fault(GOOD | {"expires_at": bad}, EPOCH), UnreadableResponse)


def test_the_longest_lifetime_as_a_timestamp() -> None:
    latest = NOW + timedelta(days=36_525)
    assert read(GOOD | {"expires_at": latest.timestamp()}, EPOCH).expires_at == latest
    assert isinstance(fault(GOOD | {"expires_at": latest.timestamp() + 1}, EPOCH), UnreadableResponse)


def test_expiries_are_in_utc_whatever_the_zone_of_now() -> None:
    now = NOW.astimezone(timezone(timedelta(hours=9)))
    answer = read_token_answer(PLAIN, Response(200, b'{"access_token": "abc", "expires_in": 60}'), now)
    assert answer.expires_at is not None
    assert answer.expires_at == NOW + timedelta(seconds=60)
    assert answer.expires_at.tzinfo is UTC


def test_an_answer_says_when_it_was_asked_for() -> None:
    assert read_token_answer(PLAIN, Response(200, b'{"access_token": "abc"}', sent_at=7.5), NOW).sent_at == 7.5


@pytest.mark.parametrize("filler", ["", "a", "ab", "abc", "~~~", "???"])
def test_the_payload_of_a_jwt_has_no_padding(filler: str) -> None:
    token = jwt({"exp": 60, "x": filler})
    assert "=" not in token
    assert read({"access_token": token}, JWT).expires_at == datetime(1970, 1, 1, 0, 1, tzinfo=UTC)


def test_expiry_in_a_jwt() -> None:
    assert read({"access_token": jwt({"exp": 60})}, JWT).expires_at == datetime(1970, 1, 1, 0, 1, tzinfo=UTC)
    assert read({"access_token": jwt({"exp": 60.9})}, JWT).expires_at == datetime(1970, 1, 1, 0, 1, tzinfo=UTC)
    assert read({"access_token": jwt(b'{"exp": 0, "name": "\\ud800"}')}, JWT).expires_at is not None
    assert read({"access_token": jwt({})}, JWT).expires_at is None
    for bad in (
        "abc",
        "a.b",
        "a.b.c.d",
        "e30.$$$.x",
        "e30.e3.x",
        jwt([]),
        jwt(b"{}{}"),
        jwt({"exp": "60"}),
        jwt({"exp": -1}),
        jwt(b'{"exp": 1, "exp": 2}'),
    ):
        assert isinstance(fault({"access_token": bad}, JWT), UnreadableResponse)


def test_tokens_that_never_expire() -> None:
    assert read(GOOD | {"expires_in": "soon"}, NEVER).expires_at is None


def test_the_longest_lifetime() -> None:
    century = 36_525 * 24 * 60 * 60
    assert read(GOOD | {"expires_in": century}).expires_at == NOW + timedelta(days=36_525)
    assert isinstance(fault(GOOD | {"expires_in": century + 1}), UnreadableResponse)


@pytest.mark.parametrize(("told", "seconds"), [(3600.0, 3600), (3599.7, 3599), (0.5, 0)])
def test_fractions_of_a_lifetime_are_dropped(told: float, seconds: int) -> None:
    assert read(GOOD | {"expires_in": told}).expires_at == NOW + timedelta(seconds=seconds)
