"""The authorization request: the URL that sends a user to the provider (RFC 6749 4.1.1, RFC 7636 4.3)."""

from __future__ import annotations

import base64
import hashlib
import secrets
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Final
from urllib.parse import quote, urlencode

from providers.credentials import Credentials
from providers.entry.provider import Provider

_RANDOM_BYTES: Final = 20
_SITE_DIGITS: Final = 8


def new_state(site: str = "") -> str:
    """160 random bits as 40 letters and digits, as some providers accept no other characters. A digest of the site
    follows if the provider has several, so that a callback shows which one it is for."""
    return secrets.token_hex(_RANDOM_BYTES) + _site_digest(site)


def site_of(provider: Provider, state: str) -> str | None:
    """The site that the state was made for, which is empty if it was made for none. None if the provider has no such
    site."""
    digest = state[2 * _RANDOM_BYTES :]
    return next((site for site in ("", *provider.sites) if _site_digest(site) == digest), None)


def alike(sites: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Sites that a state can't tell apart, each with the first one that is like it."""
    first: dict[str, str] = {}
    return ((site, other) for site in sites if (other := first.setdefault(_site_digest(site), site)) != site)


# A provider may have hundreds of sites.
@lru_cache(maxsize=4096)
def _site_digest(site: str) -> str:
    return hashlib.sha256(site.encode()).hexdigest()[:_SITE_DIGITS] if site else ""


def new_verifier() -> str:
    """A code_verifier (RFC 7636 4.1) of 64 characters, 384 random bits."""
    return secrets.token_urlsafe(48)


def challenge(verifier: str) -> str:
    """The S256 code_challenge of a verifier (RFC 7636 4.2)."""
    digest = hashlib.sha256(verifier.encode("ascii")).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode("ascii")


def authorization_url(
    provider: Provider, credentials: Credentials, *, redirect_uri: str, state: str, code_challenge: str | None
) -> str:
    """The URL to send the user to. `code_challenge` is None only for a provider without PKCE."""
    authorize = provider.authorize
    if authorize.pkce == "S256" and code_challenge is None:
        raise ValueError("this provider needs a code_challenge")
    scope = authorize.scope_separator.join(authorize.scopes)
    url = f"{_for_anybody(authorize.url, credentials.client_id, redirect_uri, scope)}&state={quote(state, safe='')}"
    if code_challenge is not None:
        url = f"{url}&code_challenge={quote(code_challenge, safe='')}&code_challenge_method=S256"
    return f"{url}&{_encoded(authorize.params)}" if authorize.params else url


# Encoding takes longer than all the rest, and few clients have more than a handful of redirect URIs.
@lru_cache(maxsize=256)
def _for_anybody(url: str, client_id: str, redirect_uri: str, scope: str) -> str:
    """The URL with the parameters that don't depend on the user, in its query. If it has a `#/`, the provider reads the
    query after it."""
    tail = url.partition("#")[2] or url
    params = {"response_type": "code", "client_id": client_id, "redirect_uri": redirect_uri}
    if scope:
        params["scope"] = scope
    return f"{url}{'&' if '?' in tail else '?'}{_encoded(params)}"


def _encoded(params: Mapping[str, str]) -> str:
    # Spaces become %20, as scripts of a page may not decode `+`.
    return urlencode(params, quote_via=quote)
