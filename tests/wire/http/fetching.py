"""Requests for tests, with a distant deadline by default."""

from __future__ import annotations

import asyncio
import json
import ssl

import pytest

from providers.errors import TransportFailure
from wire.http.addresses import unscreened
from wire.http.client import Client, request
from wire.http.response import Response

TOKENS = json.dumps({"access_token": "abc", "refresh_token": "def", "expires_in": 60}).encode()


def private_client() -> Client:
    """A client as `open_client` makes it, without the time that loading the certificate authorities takes."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    return Client(unscreened, tls, https_only=False, connect_timeout=7)


def soon(seconds: float = 20) -> float:
    return asyncio.get_running_loop().time() + seconds


async def fetch(client: Client, url: str, *, seconds: float = 20) -> Response:
    return await client.send(request("GET", url), deadline=soon(seconds))


async def failed(client: Client, url: str, *, seconds: float = 20) -> TransportFailure:
    with pytest.raises(TransportFailure) as raised:
        await fetch(client, url, seconds=seconds)
    return raised.value
