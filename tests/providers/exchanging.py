"""Exchanges codes, with a distant deadline by default."""

from __future__ import annotations

from datetime import UTC, datetime

from providers.credentials import Credentials
from providers.entry.provider import Provider
from providers.oauth_client import exchange_code
from providers.token_answer import TokenAnswer
from tests.providers.entries import CREDENTIALS
from tests.wire.http.fetching import soon
from wire.http.client import Client


async def exchange(
    client: Client, entry: Provider, credentials: Credentials = CREDENTIALS, *, seconds: float = 20
) -> TokenAnswer:
    return await exchange_code(
        client,
        entry,
        credentials,
        code="CANARY-code",
        redirect_uri="https://us.example/done?a=b",
        code_verifier="CANARY-verifier",
        now=datetime.now(UTC),
        deadline=soon(seconds),
    )
