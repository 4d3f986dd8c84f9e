"""How long a provider asks us to wait."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from email.utils import format_datetime

import pytest

from providers.error_answer import LONGEST_WAIT
from providers.errors import Meaning
from tests.providers.error_answers import entry, said


@pytest.mark.parametrize(
    ("value", "wait"),
    [
        ("7", 7),
        ("0", 1),
        ("007", 7),
        ("86400", 86_400),
        ("86401", 86_400),
        ("86399.5", 86_400),
        ("999999999999", LONGEST_WAIT),
        ("9" * 21, LONGEST_WAIT),
        ("9" * 5000, LONGEST_WAIT),
        ("-1", None),
        ("1.5", 2),
        ("120.5", 121),
        ("120.", None),
        (".5", None),
        ("1e3", None),
        ("soon", None),
        ("", None),
        ("\u00b2", None),
        ("Mon, 23 Nov 2026", None),
        ("Sun, 06 Nov 1994 08:49:37 GMT", 1),
        ("Sun, 06 Nov 1994 08:49:37 -0000", 1),
        ("Sun, 06 Nov 1994 08:49:37 GMT".ljust(40), 1),
        ("Sun, 06 Nov 1994 08:49:37 GMT".ljust(41), None),
        ("Fri, 31 Dec 9999 23:59:59 GMT", LONGEST_WAIT),
        ("Fri, 31 Dec 99999 23:59:59 GMT", None),
        ("x" * 100_000, None),
    ],
)
@pytest.mark.parametrize("status", [429, 503])
def test_retry_after(status: int, value: str, wait: int | None) -> None:
    assert said(entry(), {}, status, retry_after=value).retry_after == wait


@pytest.mark.parametrize("zone", ["GMT", "-0000", "+0000"])
def test_retry_after_a_date(zone: str) -> None:
    date = format_datetime(datetime.now(UTC) + timedelta(hours=10), usegmt=True).replace("GMT", zone)
    wait = said(entry(), {}, 503, retry_after=date).retry_after
    assert wait is not None
    # Most of an hour may pass in this test.
    assert 9 * 3600 < wait <= 10 * 3600


def test_retry_after_a_date_in_another_zone() -> None:
    date = format_datetime(datetime.now(UTC).astimezone(timezone(timedelta(hours=-8))) + timedelta(hours=10))
    wait = said(entry(), {}, 503, retry_after=date).retry_after
    assert wait is not None
    assert 9 * 3600 < wait <= 10 * 3600


@pytest.mark.parametrize("status", [200, 400, 401, 403])
def test_a_refusal_with_retry_after_decides_nothing(status: int) -> None:
    body = {"errors": ["made up"]}
    assert said(entry(), body, status, retry_after="7").meaning == Meaning.SLOW_DOWN
    assert said(entry(), body, status, retry_after="soon").meaning in (Meaning.UNCLEAR, Meaning.MISCONFIGURED)


def test_retry_after_is_ignored_if_waiting_does_not_help() -> None:
    assert said(entry(), {"error": "invalid_grant"}, retry_after="7").retry_after is None
    assert said(entry(), {"error": "invalid_client"}, 401, retry_after="7").retry_after is None
    assert said(entry(), {"error": "temporarily_unavailable"}, retry_after="7").retry_after == 7


@pytest.mark.parametrize(
    ("told", "wait"),
    [(68, 68), (0.2, 1), (67.1, 68), ("68", 68), (10**30, LONGEST_WAIT), (-1, 5), (True, 5), (None, 5), ([68], 5)],
)
def test_a_wait_in_the_body(told: object, wait: int) -> None:
    rule = entry("field = 'status'\nequals = 601\nmeaning = 'slow_down'\nwait = 'body.wait_seconds'")
    # If the body doesn't say it, the header may.
    found = said(rule, {"status": 601, "body": {"wait_seconds": told}}, retry_after="5")
    assert (found.meaning, found.retry_after) == (Meaning.SLOW_DOWN, wait)


def test_a_wait_in_a_vendor_specific_header() -> None:
    rule = entry("status = 429\nmeaning = 'slow_down'\nwait_header = 'X-RateLimit-Reset'")
    assert said(rule, {}, 429, **{"x-ratelimit-reset": "30", "retry-after": "5"}).retry_after == 30
    assert said(rule, {}, 429, **{"x-ratelimit-reset": "soon", "retry-after": "5"}).retry_after == 5
