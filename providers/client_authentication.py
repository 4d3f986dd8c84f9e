"""Forms that we prove ourselves with: how the client's credentials go into a request (RFC 6749 2.3.1)."""

from __future__ import annotations

import base64
from functools import lru_cache
from urllib.parse import quote, urlencode

from providers.credentials import Credentials
from providers.provider import ClientAuth
from wire.http.request import Request, request


def form_request(url: str, form: str, credentials: Credentials, auth: ClientAuth, *, method: str = "POST") -> Request:
    """The form, encoded already and not empty, with the client's authentication. Secrets go into the body or a header,
    never the URL."""
    if auth == "client_secret_basic":
        return request(method, url, authorization=_basic(credentials), form=form)
    return request(method, url, form=f"{form}&{_in_form(credentials, auth)}")


# Both are the same for every request of a registration.


@lru_cache(maxsize=256)
def _basic(credentials: Credentials) -> str:
    pair = f"{_encoded(credentials.client_id)}:{_encoded(credentials.client_secret or '')}"
    return f"Basic {base64.b64encode(pair.encode('ascii')).decode('ascii')}"


@lru_cache(maxsize=256)
def _in_form(credentials: Credentials, auth: ClientAuth) -> str:
    ours = {"client_id": credentials.client_id}
    if auth == "client_secret_post":
        ours["client_secret"] = credentials.client_secret or ""
    return urlencode(ours)


def _encoded(text: str) -> str:
    """Form-encoded (RFC 6749 2.3.1), a space as `%20`: servers that should read `+` don't all do so."""
    return quote(text, safe="")
