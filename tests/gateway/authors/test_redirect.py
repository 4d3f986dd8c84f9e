"""What comes of a redirect: a code, or the reason why there is none."""

from __future__ import annotations

import asyncio
import re

import pytest

from gateway.authors.redaction import Redactor
from gateway.authors.redirect import Arrivals, Authorized, Stopped, authorize
from gateway.authors.report import Report
from tests.providers.entries import CREDENTIALS, provider

STATE_ONLY = "denied = 'state_only'"
ISS = "iss = 'https://acme.example'"


class Attempt:
    def __init__(self, lines: str = "") -> None:
        self.entry = provider(authorize=lines)
        self.said: list[str] = []
        self.report = Report(self.entry, Redactor(self.entry), self.said.append)

    async def authorize(self, **redirect: str) -> Authorized:
        arrivals = Arrivals(asyncio.Queue(), asyncio.Queue())
        uri = "https://app.example/done"
        authorizing = asyncio.create_task(authorize(self.entry, CREDENTIALS, uri, self.report, arrivals, browser=False))
        # It has said all that it has to say when it waits for the first time.
        await asyncio.sleep(0)
        (state,) = re.findall(r"&state=(\w+)", "\n".join(self.said))
        arrivals.redirects.put_nowait({"state": state, **redirect})
        return await authorizing


async def test_a_code() -> None:
    attempt = Attempt(ISS)
    authorized = await attempt.authorize(code="c", iss="https://acme.example")
    assert authorized.redirect["code"] == "c"
    assert authorized.verifier
    assert attempt.report.differences == []


async def test_no_verifier_without_pkce() -> None:
    assert (await Attempt("pkce = 'none'").authorize(code="c")).verifier is None


@pytest.mark.parametrize(
    ("lines", "redirect", "reason", "difference"),
    [
        ("", {"error": "access_denied"}, "The provider says `access_denied`", None),
        (STATE_ONLY, {}, "access was denied, as the entry says", None),
        ("", {}, "Neither code nor error", "a redirect has neither code nor error"),
    ],
)
async def test_no_code(lines: str, redirect: dict[str, str], reason: str, difference: str | None) -> None:
    attempt = Attempt(lines)
    with pytest.raises(Stopped, match=reason):
        await attempt.authorize(**redirect)
    assert len(attempt.report.differences) == (difference is not None)
    assert all(found.startswith(str(difference)) for found in attempt.report.differences)


@pytest.mark.parametrize(
    ("redirect", "what"),
    [({}, "is missing from the redirect"), ({"iss": "https://other.example"}, "is not the `iss` of the redirect")],
)
async def test_another_issuer(redirect: dict[str, str], what: str) -> None:
    attempt = Attempt(ISS)
    await attempt.authorize(code="c", **redirect)
    assert attempt.report.differences == [f"authorize.iss {what}, so Tendon refuses it (RFC 9207)"]
