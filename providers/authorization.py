"""The authorization request: the URL that sends a user to the provider (RFC 6749 4.1.1, RFC 7636 4.3)."""

from __future__ import annotations

import base64
import hashlib
import secrets
from urllib.parse import quote, urlencode

from providers.credentials import Credentials
from providers.provider import Provider


def new_state() -> str:
    """160 random bits as 40 letters and digits, as some providers accept no other characters."""
    return secrets.token_hex(20)


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
    params = {"response_type": "code", "client_id": credentials.client_id, "redirect_uri": redirect_uri}
    if authorize.scopes:
        params["scope"] = authorize.scope_separator.join(authorize.scopes)
    params["state"] = state
    if code_challenge is not None:
        params |= {"code_challenge": code_challenge, "code_challenge_method": "S256"}
    return _with_query(authorize.url, params | dict(authorize.params))


def _with_query(url: str, params: dict[str, str]) -> str:
    """Append the parameters to the query of the URL. If the URL has a `#/`, the provider reads the query after it."""
    tail = url.partition("#")[2] or url
    separator = "&" if "?" in tail else "?"
    # Spaces become %20, as scripts of a page may not decode `+`.
    return url + separator + urlencode(params, quote_via=quote)
