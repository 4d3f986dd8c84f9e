"""The end of connections at the sites of a provider: each is revoked at its own, and no other is touched."""

from __future__ import annotations

from typing import Any

import pytest

from resolvers.caller import WRITE_ERASURE
from resolvers.erasure import erase_user
from tests.resolvers.ending.endings import deliver_due, disconnect, revocations
from tests.resolvers.fake_provider import SITES
from tests.resolvers.world import World


async def statuses(world: World) -> dict[str, str]:
    return dict(await world.outside.fetch("SELECT site, status FROM connection"))


def revoked_at(world: World) -> dict[str, list[str]]:
    """The tokens that were revoked, by site."""
    sent = {site: [asked.form["token"][0] for asked in world.provider.asked(f"/{site}/revoke")] for site in SITES}
    return {site: tokens for site, tokens in sent.items() if tokens}


async def both(world: World, slug: str = "regional") -> dict[str, Any]:
    world.provider.tokens = {"user": "sam"}
    return {site: await world.connect("alice", slug, site) for site in ("us", "eu")}


@pytest.mark.parametrize("slug", ["regional", "regional-token"])
async def test_one_is_disconnected_and_the_other_stays(world: World, slug: str) -> None:
    """Though both have the same id at the provider: it is another account at another site."""
    connections = await both(world, slug)
    tokens = {site: one["refresh_token"] for site, one in zip(connections, world.provider.issued, strict=True)}
    await disconnect(world, "alice", connections["us"])
    assert await statuses(world) == {"us": "disconnected", "eu": "connected"}
    assert await revocations(world, "site, status") == [("us", "pending")]
    assert await deliver_due(world) == 1
    assert revoked_at(world) == {"us": [tokens["us"]]}
    assert await revocations(world, "site, status") == [("us", "delivered")]
    await disconnect(world, "alice", connections["eu"])
    await deliver_due(world)
    assert revoked_at(world) == {site: [token] for site, token in tokens.items()}


async def test_connecting_again_at_another_site_leaves_the_revocation_needed(world: World) -> None:
    connections = await both(world)
    for connection in connections.values():
        await disconnect(world, "alice", connection)
    await world.connect("alice", "regional", "eu")
    await deliver_due(world)
    assert sorted(await revocations(world, "site, status")) == [("eu", "not_needed"), ("us", "delivered")]


async def test_a_callback_waits_for_a_delivery_at_its_own_site_only(world: World) -> None:
    connections = await both(world)
    await disconnect(world, "alice", connections["us"])
    during: dict[str, str | None] = {}

    async def call_back() -> None:
        for site in ("eu", "us"):
            during[site] = await world.code("alice", await world.begin("alice", "regional", site=site))

    world.provider.meanwhile["/revoke"] = call_back
    await deliver_due(world)
    assert during == {"eu": None, "us": "SERVICE_UNAVAILABLE"}


async def test_a_callback_waits_for_a_delivery_to_its_account_at_its_site(world: World) -> None:
    """Of another user, who had the same account there."""
    for user in ("alice", "bob"):
        world.provider.tokens = {"user": "sam"}
        await disconnect(world, user, await world.connect(user, "regional", "eu"))
        if user == "alice":
            await deliver_due(world)
    during: list[str | None] = []

    async def call_back() -> None:
        during.append(await world.code("alice", await world.begin("alice", "regional", site="eu")))

    world.provider.meanwhile["/revoke"] = call_back
    await deliver_due(world)
    assert during == ["SERVICE_UNAVAILABLE"]


async def test_a_site_without_credentials_waits_for_them(world: World) -> None:
    connections = await both(world)
    for connection in connections.values():
        await disconnect(world, "alice", connection)
    only = {key: one for key, one in world.resources.registrations.items() if key != "regional/us"}
    await deliver_due(world, world.context(None, registrations=only))
    assert sorted(await revocations(world, "site, status")) == [("eu", "delivered"), ("us", "pending")]
    assert list(revoked_at(world)) == ["eu"]


async def test_material_does_not_open_for_another_site(world: World) -> None:
    connections = await both(world)
    await disconnect(world, "alice", connections["us"])
    await world.outside.fetch("UPDATE revocation SET site = 'eu'")
    await deliver_due(world)
    assert revoked_at(world) == {}
    assert await revocations(world, "status") == [("pending",)]


async def test_a_user_with_several_sites_is_forgotten(world: World) -> None:
    await both(world)
    service = world.context(None, scopes=frozenset({WRITE_ERASURE}))
    receipt = await erase_user(service, "alice")
    assert (receipt.removed.connections, receipt.removed.accounts, receipt.pending) == (2, 2, 2)
    assert await statuses(world) == {}
    assert await world.outside.value("SELECT count(*) FROM account_owner") == 0
    await deliver_due(world)
    assert set(revoked_at(world)) == {"us", "eu"}


async def test_an_account_is_asked_for_at_its_site(world: World) -> None:
    """By a worker, for a grant that is pending meanwhile."""
    rejecting: dict[str, Any] = {"account_policy": "reject"}
    world.provider.tokens = {"user": None}
    world.provider.account_status = "503 Down"
    context = world.context("alice", **rejecting)
    callback = await world.begin("alice", "regional-account", context, "eu")
    assert (await world.complete("alice", callback, context)).status == "pending"
    world.provider.account_status = "200 OK"
    await world.turn_back(60)
    await deliver_due(world, world.context(None, **rejecting))
    assert await world.outside.fetch("SELECT site, status, account FROM connection") == [("eu", "connected", "sam")]
    assert len(world.provider.asked("/eu/me")) == 2
    assert world.provider.asked("/us/me") == []
