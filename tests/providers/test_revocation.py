"""Revocation of tokens: for each entry of the catalogue at the sandbox, and what can go wrong."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncGenerator
from dataclasses import replace

import pytest

from providers.authorization import authorization_url, challenge, new_state, new_verifier
from providers.catalogue import Credentials, Provider, read_catalogue
from providers.errors import ErrorAnswer, RequestFailed, TimedOut, TransportFailure, Unreachable, UnreadableResponse
from providers.oauth_client import exchange_code
from providers.revocation import RevocationOutcome, Tokens, revoke
from tests.conftest import REDIRECT_URI, SECRET, SLUGS, catalogue_entry
from tests.processes import Process
from tests.providers.entries import CREDENTIALS, provider
from tests.sandbox_control import Sandbox
from tests.wire.http.loopback import Asked, Respond, answering, loopback
from wire.http.client import Client, open_client

REVOKING = [slug for slug in SLUGS if "revoke" in catalogue_entry(slug)]
CONFIRMED, IMPOSSIBLE = RevocationOutcome.CONFIRMED, RevocationOutcome.IMPOSSIBLE
TOKENS = Tokens("CANARY-access", "CANARY-refresh")


@pytest.fixture
async def ours() -> AsyncGenerator[Client]:
    async with open_client(allow_private=True, timeout=5) as client:
        yield client


def soon(seconds: float = 5) -> float:
    return asyncio.get_running_loop().time() + seconds


def entry(origin: str, *lines: str) -> Provider:
    return provider(origin=origin, tables="\n".join(["[revoke]", f"url = '{origin}/revoke'", *lines]))


# The catalogue's entries, at the sandbox


def of_sandbox(process: Process, slug: str) -> tuple[Provider, Credentials]:
    catalogue = read_catalogue(process.folder / "catalogue", variables={}, allow_private=True)
    return catalogue[slug], Credentials(f"client-{slug}", SECRET)


async def connected(client: Client, sandbox: Sandbox, entry: Provider, credentials: Credentials) -> Tokens:
    verifier = new_verifier() if entry.authorize.pkce == "S256" else None
    url = authorization_url(
        entry,
        credentials,
        redirect_uri=REDIRECT_URI,
        state=new_state(),
        code_challenge=challenge(verifier) if verifier else None,
    )
    code = (await sandbox.approve(url))["code"]
    answer = await exchange_code(
        client, entry, credentials, code=code, redirect_uri=REDIRECT_URI, code_verifier=verifier, deadline=soon()
    )
    return Tokens(answer.access_token, answer.refresh_token)


@pytest.mark.parametrize("slug", REVOKING)
async def test_revoked_tokens_are_refused_by_the_sandbox(
    ours: Client, sandbox: Sandbox, sandbox_process: Process, slug: str
) -> None:
    entry, credentials = of_sandbox(sandbox_process, slug)
    tokens = await connected(ours, sandbox, entry, credentials)
    assert await sandbox.accepts(tokens.access_token)
    assert await revoke(ours, entry, credentials, tokens, deadline=soon()) is CONFIRMED
    assert not await sandbox.accepts(tokens.access_token)
    assert (await sandbox.calls(slug, "revoke"))[-1]["outcome"] == "revoked"


@pytest.mark.parametrize("slug", sorted({*SLUGS} - {*REVOKING}))
async def test_an_entry_without_revocation_sends_no_request(
    ours: Client, sandbox: Sandbox, sandbox_process: Process, slug: str
) -> None:
    entry, credentials = of_sandbox(sandbox_process, slug)
    tokens = await connected(ours, sandbox, entry, credentials)
    assert await revoke(ours, entry, credentials, tokens, deadline=soon()) is IMPOSSIBLE
    assert await sandbox.accepts(tokens.access_token)


# What is sent


async def sent(client: Client, *lines: str, credentials: Credentials = CREDENTIALS) -> Asked:
    async with loopback(answering(b"")) as server:
        assert await revoke(client, entry(server.origin, *lines), credentials, TOKENS, deadline=soon()) is CONFIRMED
    (asked,) = server.asked
    assert "CANARY" not in asked.line
    assert "secret" not in asked.line
    return asked


@pytest.mark.parametrize(("token", "value"), [("access_token", "CANARY-access"), ("refresh_token", "CANARY-refresh")])
async def test_the_named_token_is_in_the_form(ours: Client, token: str, value: str) -> None:
    asked = await sent(ours, f"token = '{token}'", f"params = {{ token_type_hint = '{token}' }}")
    assert asked.line == "POST /revoke HTTP/1.1"
    assert asked.form == {"token": [value], "token_type_hint": [token]}
    assert asked.headers["content-type"] == "application/x-www-form-urlencoded"
    assert base64.b64decode(asked.headers["authorization"].removeprefix("Basic ")) == b"client:secret"


async def test_with_client_secret_post_the_credentials_are_in_the_form(ours: Client) -> None:
    asked = await sent(ours, "auth = 'client_secret_post'", "token = 'refresh_token'", "method = 'DELETE'")
    assert asked.line == "DELETE /revoke HTTP/1.1"
    assert asked.form == {"token": ["CANARY-refresh"], "client_id": ["client"], "client_secret": ["secret"]}
    assert "authorization" not in asked.headers


async def test_a_public_client_sends_its_client_id_only(ours: Client) -> None:
    asked = await sent(ours, "auth = 'none'", "token = 'access_token'", credentials=Credentials("client", None))
    assert asked.form == {"token": ["CANARY-access"], "client_id": ["client"]}
    assert "authorization" not in asked.headers


@pytest.mark.parametrize("method", ["GET", "DELETE", "POST"])
async def test_a_bearer_token_is_in_the_header_only(ours: Client, method: str) -> None:
    asked = await sent(ours, "auth = 'bearer'", f"method = '{method}'")
    assert asked.line == f"{method} /revoke HTTP/1.1"
    assert asked.headers["authorization"] == "Bearer CANARY-access"
    assert asked.body == b""
    assert "content-type" not in asked.headers


async def test_a_bearer_token_may_come_with_a_form(ours: Client) -> None:
    asked = await sent(ours, "auth = 'bearer'", "token = 'refresh_token'", "params = { all = 'yes' }")
    assert asked.headers["authorization"] == "Bearer CANARY-access"
    assert asked.headers["content-type"] == "application/x-www-form-urlencoded"
    assert asked.form == {"all": ["yes"], "token": ["CANARY-refresh"]}


async def test_without_the_named_token_no_request_is_sent(ours: Client) -> None:
    tokens = replace(TOKENS, refresh_token=None)
    async with loopback(answering(b"")) as server:
        wanting = entry(server.origin, "token = 'refresh_token'")
        assert await revoke(ours, wanting, CREDENTIALS, tokens, deadline=soon()) is IMPOSSIBLE
    assert server.connections == 0


# What comes back


@pytest.mark.parametrize("status", ["200 OK", "204 No Content"])
async def test_a_success_needs_no_body(ours: Client, status: str) -> None:
    async with loopback(answering(b"", status=status)) as server:
        wanting = entry(server.origin, "token = 'access_token'")
        assert await revoke(ours, wanting, CREDENTIALS, TOKENS, deadline=soon()) is CONFIRMED


async def silence(_asked: Asked, _writer: asyncio.StreamWriter) -> None:
    await asyncio.Event().wait()


async def hang_up(_asked: Asked, writer: asyncio.StreamWriter) -> None:
    writer.close()


@pytest.mark.parametrize(
    ("respond", "fault", "text"),
    [
        (answering(b'{"error": "invalid_client"}', status="401 No"), ErrorAnswer, "401: invalid_client"),
        (answering(b'{"error": "CANARY"}', status="400 No"), ErrorAnswer, "400: no registered error code"),
        (answering(b"CANARY", status="503 Busy"), ErrorAnswer, "503: no registered error code"),
        (answering(b"", status="302 Found", headers=("Location: /other",)), UnreadableResponse, "neither"),
        (silence, TimedOut, "no answer"),
        (hang_up, TransportFailure, "broke"),
    ],
    ids=["401", "400", "503", "redirect", "silence", "hang up"],
)
async def test_any_other_answer_is_a_fault(
    ours: Client, respond: Respond, fault: type[RequestFailed], text: str
) -> None:
    async with loopback(respond) as server:
        wanting = entry(server.origin, "token = 'access_token'")
        with pytest.raises(fault, match=text) as raised:
            await revoke(ours, wanting, CREDENTIALS, TOKENS, deadline=soon(0.5))
    assert len(server.asked) == 1
    assert "CANARY" not in str(raised.value)


async def test_a_refused_connection_is_a_fault(ours: Client) -> None:
    with pytest.raises(Unreachable):
        await revoke(ours, entry("http://127.0.0.1:1", "token = 'access_token'"), CREDENTIALS, TOKENS, deadline=soon())
