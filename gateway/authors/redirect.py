"""The first half of a flow: the user is sent to the provider, and comes back with a code."""

from __future__ import annotations

import asyncio
import webbrowser
from collections.abc import Mapping
from typing import Final
from urllib.parse import parse_qsl, urlsplit

import msgspec

from gateway.authors.loopback import Redirects
from gateway.authors.report import Report
from gateway.authors.shown import hidden, url_lines
from providers.authorization import authorization_url, challenge, new_state, new_verifier
from providers.credentials import Credentials
from providers.entry.provider import Provider

_LONGEST_ERROR: Final = 100
# Parameters of a redirect that contain no secret.
_PUBLIC: Final = ("scope", "iss")


class Stopped(Exception):
    """The flow can't go on. The message says why."""


class Authorized(msgspec.Struct, frozen=True):
    """`redirect` has the parameters of the redirect, with a code."""

    redirect: Mapping[str, str]
    verifier: str | None

    def __repr__(self) -> str:
        return "Authorized()"


class Arrivals(msgspec.Struct, frozen=True):
    """Redirects that arrive at the server, and lines that are typed, which may be addresses of redirects."""

    redirects: Redirects
    typed: asyncio.Queue[str]

    async def next(self) -> Mapping[str, str]:
        """The parameters of whatever redirect comes first."""
        waiting = [asyncio.ensure_future(self.redirects.get()), asyncio.ensure_future(self.typed.get())]
        done, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        for each in waiting:
            each.cancel()
        found = next(iter(done)).result()
        if not isinstance(found, str):
            return found
        parts = urlsplit(found)
        return dict(parse_qsl(parts.query or parts.fragment, keep_blank_values=True))


async def authorize(
    entry: Provider, credentials: Credentials, redirect_uri: str, report: Report, arrivals: Arrivals, *, browser: bool
) -> Authorized:
    """Waits until the user comes back. Raises Stopped if it is without a code."""
    state = new_state(entry.site)
    verifier = new_verifier() if entry.authorize.pkce == "S256" else None
    code_challenge = None if verifier is None else challenge(verifier)
    url = authorization_url(entry, credentials, redirect_uri=redirect_uri, state=state, code_challenge=code_challenge)
    report.begin("Authorization request")
    report.show(url_lines(url, entry))
    if browser and webbrowser.open(url):
        report.say("   Your browser opens it. If it doesn't, open this address:")
    else:
        report.say("   Open this address in a browser:")
    report.say(f"\n{url}\n")
    report.say("   If the browser can't open the page that it is sent back to, paste the address of that page here.")
    redirect = await arrivals.next()
    while redirect.get("state") != state:
        report.say("   A redirect without the state of this flow has arrived. It is ignored, as Tendon ignores it.")
        redirect = await arrivals.next()
    report.begin("Redirect")
    report.show(f"{name}={value if name in _PUBLIC else hidden(value)}" for name, value in redirect.items())
    _check(entry, redirect, report)
    return Authorized(redirect, verifier)


def _check(entry: Provider, redirect: Mapping[str, str], report: Report) -> None:
    expected, given = entry.authorize.iss, redirect.get("iss")
    if expected is not None and given != expected:
        what = "is missing from the redirect" if given is None else "is not the `iss` of the redirect"
        report.differences.append(f"authorize.iss {what}, so Tendon refuses it (RFC 9207)")
    if error := redirect.get("error"):
        raise Stopped(
            f"The provider says `{error[:_LONGEST_ERROR]}`: access was denied, or something in the request is wrong."
        )
    if redirect.get("code"):
        return
    if entry.authorize.denied == "state_only":
        raise Stopped('Neither code nor error: access was denied, as the entry says (denied = "state_only").')
    report.differences.append('a redirect has neither code nor error: if you refused, write denied = "state_only"')
    raise Stopped("Neither code nor error.")
