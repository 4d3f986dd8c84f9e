"""Forms that we prove ourselves with: how the client's credentials go into a request (RFC 6749 2.3.1)."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from urllib.parse import quote, urlencode

import httpx

from providers.credentials import Credentials
from providers.provider import ClientAuth


def form_request(
    client: httpx.AsyncClient,
    url: str,
    form: Mapping[str, str],
    credentials: Credentials,
    auth: ClientAuth,
    *,
    method: str = "POST",
) -> httpx.Request:
    """The form with the client's authentication. Secrets go into the body or a header, never the URL."""
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    ours: dict[str, str] = {}
    secret = credentials.client_secret or ""
    match auth:
        case "client_secret_basic":
            pair = f"{_encoded(credentials.client_id)}:{_encoded(secret)}"
            headers["Authorization"] = f"Basic {base64.b64encode(pair.encode('ascii')).decode('ascii')}"
        case "client_secret_post":
            ours = {"client_id": credentials.client_id, "client_secret": secret}
        case "none":
            ours = {"client_id": credentials.client_id}
    return client.build_request(method, url, content=urlencode({**form, **ours}).encode("ascii"), headers=headers)


def _encoded(text: str) -> str:
    """Form-encoded (RFC 6749 2.3.1), a space as `%20`: servers that should read `+` don't all do so."""
    return quote(text, safe="")
