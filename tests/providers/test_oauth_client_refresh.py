"""Refreshing tokens: what is sent, what comes back, and that a refresh token is never sent twice."""

from __future__ import annotations

import asyncio
import base64
import json
from datetime import UTC, datetime

import pytest

from providers.catalogue import read_catalogue
from providers.credentials import Credentials
from providers.entry.provider import Provider
from providers.errors import (
    Effect,
    ErrorAnswer,
    RequestFailed,
    TimedOut,
    TransportFailure,
    Unreachable,
    UnreadableResponse,
    effect_of,
)
from providers.oauth_client import refresh_tokens
from providers.token_answer import TokenAnswer
from tests.processes import free_port
from tests.providers.entries import CREDENTIALS, provider
from tests.wire.http.event_loops import on_a_leaping_clock
from tests.wire.http.fetching import TOKENS, private_client, soon
from tests.wire.http.loopback import Asked, Respond, answering, loopback
from wire.http.client import Client

CATALOGUE = read_catalogue(variables={}, allow_private=True)
REFRESHING = [slug for slug, entry in CATALOGUE.items() if entry.token.refresh != "none"]


async def refresh(
    client: Client,
    entry: Provider,
    refresh_token: str = "CANARY-refresh",
    credentials: Credentials = CREDENTIALS,
    *,
    seconds: float = 20,
) -> TokenAnswer:
    return await refresh_tokens(
        client, entry, credentials, refresh_token, now=datetime.now(UTC), deadline=soon(seconds)
    )


async def sent(client: Client, *, token: str = "", refresh_token: str = "CANARY-refresh") -> Asked:
    async with loopback(answering(TOKENS)) as server:
        await refresh(client, provider(origin=server.origin, token=token.format(server.origin)), refresh_token)
    (asked,) = server.asked
    assert "CANARY" not in asked.line
    return asked


# What is sent


async def test_a_refresh_token_is_in_the_form(ours: Client) -> None:
    asked = await sent(ours, refresh_token="a b&c=/+é")
    assert asked.line == "POST /token HTTP/1.1"
    assert asked.form == {"grant_type": ["refresh_token"], "refresh_token": ["a b&c=/+é"]}
    assert base64.b64decode(asked.headers["authorization"].removeprefix("Basic ")) == b"client:secret"


async def test_parameters_of_the_entry_and_of_its_refreshes_are_added(ours: Client) -> None:
    lines = "auth = 'client_secret_post'\nparams = {{action = 'a'}}\nrefresh_params = {{scope = 'x y'}}"
    asked = await sent(ours, token=lines)
    assert asked.form == {
        "grant_type": ["refresh_token"],
        "refresh_token": ["CANARY-refresh"],
        "action": ["a"],
        "scope": ["x y"],
        "client_id": ["client"],
        "client_secret": ["secret"],
    }
    assert "authorization" not in asked.headers


async def test_a_refresh_url_replaces_the_url(ours: Client) -> None:
    asked = await sent(ours, token="refresh_url = '{}/renew'")
    assert asked.line == "POST /renew HTTP/1.1"


# What comes back


async def read(client: Client, body: object) -> TokenAnswer:
    async with loopback(answering(json.dumps(body).encode())) as server:
        return await refresh(client, provider(origin=server.origin))


@pytest.mark.parametrize("left_out", [{}, {"refresh_token": None}, {"refresh_token": ""}])
async def test_a_refresh_token_may_be_left_out(ours: Client, left_out: dict[str, object]) -> None:
    answer = await read(ours, {"access_token": "abc", **left_out})
    assert (answer.access_token, answer.refresh_token, answer.scopes) == ("abc", None, None)


async def test_a_refresh_token_that_comes_back_is_in_the_answer(ours: Client) -> None:
    answer = await read(ours, {"access_token": "abc", "refresh_token": "CANARY-refresh"})
    assert answer.refresh_token == "CANARY-refresh"
    assert "CANARY" not in repr(answer)


async def test_scopes_are_those_of_the_answer(ours: Client) -> None:
    answer = await read(ours, {"access_token": "abc", "scope": "sleep"})
    assert answer.scopes == ("sleep",)


# What goes wrong


async def silence(_asked: Asked, _writer: asyncio.StreamWriter) -> None:
    await asyncio.Event().wait()


async def hang_up(_asked: Asked, writer: asyncio.StreamWriter) -> None:
    writer.close()


def refusing(body: str, status: str = "400 Bad Request") -> Respond:
    return answering(body.encode(), status=status)


@pytest.mark.parametrize(
    ("respond", "fault", "effect"),
    [
        (refusing('{"error": "invalid_grant"}'), ErrorAnswer, Effect.REFUSED),
        (refusing('{"error": "invalid_client"}', "401 Unauthorized"), ErrorAnswer, Effect.MISCONFIGURED),
        (refusing('{"error": "CANARY"}'), ErrorAnswer, Effect.NOT_DONE),
        (refusing("CANARY", "429 Slow Down"), ErrorAnswer, Effect.NOT_DONE),
        (refusing('{"error": "invalid_grant"}', "503 Busy"), ErrorAnswer, Effect.UNKNOWN),
        (refusing("", "302 Found"), UnreadableResponse, Effect.UNKNOWN),
        (refusing('{"access_token": "CANARY CANARY"}', "200 OK"), UnreadableResponse, Effect.UNKNOWN),
        (silence, TimedOut, Effect.UNKNOWN),
        (hang_up, TransportFailure, Effect.UNKNOWN),
    ],
    ids=["dead", "wrong client", "opaque", "429", "503", "redirect", "unreadable", "silence", "hang up"],
)
async def test_a_refresh_token_is_sent_once_whatever_happens(
    ours: Client, respond: Respond, fault: type[RequestFailed], effect: Effect
) -> None:
    async with loopback(respond) as server:
        with pytest.raises(fault) as raised:
            await refresh(ours, provider(origin=server.origin), seconds=0.5)
        assert len(server.asked) == 1
    assert effect_of(raised.value) is effect
    assert "CANARY" not in str(raised.value)


@on_a_leaping_clock
async def test_a_refused_connection_is_tried_again_and_then_nothing_was_sent() -> None:
    async with private_client() as client:
        began = soon(0)
        with pytest.raises(Unreachable) as raised:
            await refresh(client, provider(origin=f"http://127.0.0.1:{free_port()}"))
        assert soon(0) > began
    assert effect_of(raised.value) is Effect.NOT_SENT


async def test_nothing_is_sent_after_the_deadline(ours: Client) -> None:
    async with loopback(answering(TOKENS)) as server:
        with pytest.raises(TimedOut) as raised:
            await refresh(ours, provider(origin=server.origin), seconds=0)
        assert server.connections == 0
    assert effect_of(raised.value) is Effect.NOT_SENT
