"""Requests that a web page of another site could send. The control API and the user's page refuse them."""

from __future__ import annotations

from starlette.requests import Request

# A web page could give this machine a host name of its own (DNS rebinding).
_LOOPBACK_NAMES = ("127.0.0.1", "localhost", "::1")


def cross_site(request: Request) -> str | None:
    """What shows that the request could come from a page of another site: the `host` that it names, or its `origin`."""
    if request.url.hostname not in _LOOPBACK_NAMES:
        return "host"
    origin = request.headers.get("origin")
    own = f"{request.url.scheme}://{request.headers.get('host')}"
    return None if origin in (None, own) else "origin"
