"""How we authenticate with a key: an assertion in the form of every request, and nothing else about us."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from datetime import UTC, datetime
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import import_key

from providers.client_keys import new_key
from providers.credentials import Credentials
from providers.oauth_client import refresh_tokens
from providers.revocation import RevocationOutcome, Tokens, revoke
from tests.providers.entries import provider
from tests.providers.exchanging import exchange
from tests.wire.http.fetching import TOKENS, soon
from tests.wire.http.loopback import Asked, answering, loopback
from wire.http.client import Client, open_client

KEY = new_key("ES384")
OURS = Credentials("the client", None, key=KEY, algorithm="ES384")
SIGNED = "auth = 'private_key_jwt'\nalgorithm = 'ES384'"
REVOKE = "[revoke]\nurl = '{}/revoke'\nauth = 'private_key_jwt'\ntoken = 'refresh_token'"


@pytest.fixture
async def client() -> AsyncGenerator[Client]:
    async with open_client(allow_private=True, timeout=5) as client:
        yield client


def claims(asked: Asked) -> dict[str, Any]:
    """Of the assertion, whose signature must be ours."""
    assert asked.form["client_assertion_type"] == ["urn:ietf:params:oauth:client-assertion-type:jwt-bearer"]
    (assertion,) = asked.form["client_assertion"]
    assert {"client_id", "client_secret"}.isdisjoint(asked.form)
    assert "authorization" not in asked.headers
    return jwt.decode(assertion, import_key(dict(KEY.public)), algorithms=["ES384"]).claims


async def test_an_assertion_is_for_the_token_endpoint_and_used_once(client: Client) -> None:
    """Also one that is used at another endpoint."""
    async with loopback(answering(TOKENS)) as server:
        refresh_url = f"refresh_url = '{server.origin}/refresh'"
        entry = provider(origin=server.origin, token=f"{SIGNED}\n{refresh_url}", tables=REVOKE.format(server.origin))
        await exchange(client, entry, OURS)
        await exchange(client, entry, OURS)
        await refresh_tokens(client, entry, OURS, "old", now=datetime.now(UTC), deadline=soon())
        outcome = await revoke(client, entry, OURS, Tokens("a", "r"), deadline=soon())
    assert outcome is RevocationOutcome.CONFIRMED
    assert [asked.line.split()[1] for asked in server.asked] == ["/token", "/token", "/refresh", "/revoke"]
    found = [claims(asked) for asked in server.asked]
    assert {(each["iss"], each["sub"], each["aud"]) for each in found} == {
        ("the client", "the client", f"{server.origin}/token")
    }
    assert len({each["jti"] for each in found}) == 4


async def test_without_a_key_nothing_is_sent(client: Client) -> None:
    async with loopback(answering(TOKENS)) as server:
        with pytest.raises(ValueError, match="needs a key"):
            await exchange(client, provider(origin=server.origin, token=SIGNED), Credentials("the client", None))
    assert server.asked == []
