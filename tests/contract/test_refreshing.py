"""Tokens are refreshed in the way that the entry says, and a grant that is over is noticed."""

from __future__ import annotations

import asyncio

import pytest
from msgspec.structs import replace

from providers.errors import ErrorAnswer, Meaning
from tests.contract.flow import Flow
from tests.contract.places import Place, those
from tests.contract.tokens import Registered
from tests.sandbox_control import token_id

refreshing = those(lambda place: place.refresh != "none" and place.token.get("expires") != "never")


async def connect_and_expire(flow: Flow) -> str:
    """A connection whose access token has expired. What a refresh gets lives for an hour."""
    await flow.sandbox.settings(flow.place.slug, account=flow.account, access_life=0)
    connection = await flow.connect()
    await flow.sandbox.settings(flow.place.slug, account=flow.account, access_life=3600)
    return connection


# What is extended lives as long as it first did, which here is no time at all.
@those(lambda place: place.refresh in ("rotating", "reusable") and place.token.get("expires") != "never")
async def test_an_expired_token_is_refreshed(flow: Flow, place: Place) -> None:
    issued = (await flow.issue(await connect_and_expire(flow))).data
    assert await flow.sandbox.accepts(issued["accessToken"])
    (family,) = await flow.sandbox.families(flow.account, place.slug)
    (call,) = await flow.sandbox.refreshes(flow.account, place.slug)
    assert (family["ended"], family["refreshes"], family["reuses"]) == (None, 1, 0)
    assert family["access_tokens"][-1] == token_id(issued["accessToken"])
    replaced = call["sent"] not in family["refresh_tokens"]
    assert replaced == (place.refresh == "rotating")
    assert call["outcome"] == "issued"
    # Where the granted scopes are asked for, the token had expired by then.
    assert issued["scopes"] == place.requested


@those(lambda place: place.refresh == "extending")
async def test_an_expired_token_is_extended(flow: Flow, place: Place) -> None:
    await flow.sandbox.settings(place.slug, account=flow.account, access_life=2)
    connection = await flow.connect()
    await asyncio.sleep(2)
    issued = (await flow.issue(connection)).data
    assert await flow.sandbox.accepts(issued["accessToken"])
    (family,) = await flow.sandbox.families(flow.account, place.slug)
    assert (family["ended"], family["refreshes"]) == (None, 1)
    assert family["access_tokens"] == [token_id(issued["accessToken"])]
    assert await flow.outcomes("token") == ["issued", "extended"]


@refreshing
async def test_each_refresh_token_leads_to_the_next(registration: Registered, place: Place) -> None:
    tokens = await registration.tokens()
    for _ in range(3):
        answer = await registration.refresh(tokens)
        has_changed = answer.refresh_token not in (None, tokens.refresh_token)
        assert has_changed == (place.refresh == "rotating")
        assert (answer.access_token == tokens.access_token) == (place.refresh == "extending")
        assert await registration.sandbox.accepts(answer.access_token)
        refresh_token = answer.refresh_token or tokens.refresh_token
        tokens = replace(tokens, access_token=answer.access_token, refresh_token=refresh_token)


@those(lambda place: place.refresh == "rotating")
async def test_a_refresh_token_that_was_replaced(registration: Registered, place: Place) -> None:
    """It works on for its grace. Afterwards, the provider's refusal is understood, in its own words."""
    tokens = await registration.tokens()
    await registration.refresh(tokens)
    if place.token.get("refresh_grace"):
        assert (await registration.refresh(tokens)).access_token
        tokens = await registration.tokens(refresh_grace="0")
        await registration.refresh(tokens)
    with pytest.raises(ErrorAnswer) as raised:
        await registration.refresh(tokens)
    assert raised.value.meaning is (Meaning.GRANT_OVER if place.tells_dead_tokens else Meaning.UNCLEAR)
    (family,) = await registration.families(tokens)
    assert family["ended"] == (None if place.token.get("reuse") == "refused" else "reuse")


@refreshing
async def test_a_refresh_token_that_the_provider_has_ended(flow: Flow, place: Place) -> None:
    connection = await connect_and_expire(flow)
    await flow.sandbox.end(flow.account, place.slug)
    code, status = (await flow.issue(connection)).code, (await flow.shown())["status"]
    if place.tells_dead_tokens:
        assert (code, status) == ("REAUTHORIZATION_REQUIRED", "error")
    else:
        assert (code, status) == ("PROVIDER_UNAVAILABLE", "connected")


@refreshing
async def test_too_many_refreshes_change_nothing(flow: Flow, place: Place) -> None:
    connection = await connect_and_expire(flow)
    await flow.sandbox.fault(place.slug, "slow_down", seconds=90, account=flow.account, grant_type="refresh_token")
    answer = await flow.issue(connection)
    assert (answer.code, answer.retry_after is not None) == ("PROVIDER_UNAVAILABLE", True)
    assert (await flow.shown())["status"] == "connected"


@those(lambda place: place.refresh == "none")
async def test_without_refresh_tokens_none_is_sent(flow: Flow, place: Place) -> None:
    connection = await flow.connect()
    assert await flow.sandbox.accepts((await flow.issue(connection)).data["accessToken"])
    assert await flow.sandbox.refreshes(flow.account, place.slug) == []
