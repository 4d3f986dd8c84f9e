"""Exchanges as tests make them, with a deadline that is far away unless they say otherwise."""

from __future__ import annotations

import asyncio
import json
import ssl

import pytest
from provider_entries import CREDENTIALS

from providers.credentials import Credentials
from providers.errors import TransportFailure
from providers.exchange import exchange_code
from providers.provider import Provider
from providers.token_answer import TokenAnswer
from wire.http.client import ProviderClient, send
from wire.http.request import request
from wire.http.resolution import as_written
from wire.http.response import Response
from wire.http.transport import ProviderTransport

TOKENS = json.dumps({"access_token": "abc", "refresh_token": "def", "expires_in": 60}).encode()


def private_client() -> ProviderClient:
    """As `open_client` makes it, but without the time that it takes to read all the certificates we trust."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    return ProviderClient(ProviderTransport(as_written, tls, https_only=False, patience=7), timeout=20)


def soon(seconds: float = 20) -> float:
    return asyncio.get_running_loop().time() + seconds


async def exchange(
    client: ProviderClient, entry: Provider, credentials: Credentials = CREDENTIALS, *, seconds: float = 20
) -> TokenAnswer:
    return await exchange_code(
        client,
        entry,
        credentials,
        code="CANARY-code",
        redirect_uri="https://us.example/done?a=b",
        code_verifier="CANARY-verifier",
        deadline=soon(seconds),
    )


async def fetch(client: ProviderClient, url: str, *, seconds: float = 20) -> Response:
    return await send(client, request("GET", url), deadline=soon(seconds))


async def failed(client: ProviderClient, url: str, *, seconds: float = 20) -> TransportFailure:
    with pytest.raises(TransportFailure) as raised:
        await fetch(client, url, seconds=seconds)
    return raised.value
