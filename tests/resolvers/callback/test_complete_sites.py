"""Callbacks of providers that have several sites: the state says which one a callback is for."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from msgspec import structs

from models.connection import token_field
from models.revocation import open_material
from resolvers.ending.disconnect import disconnect_connection
from resolvers.errors import AccountTaken, InvalidState, ProviderNotFound, ServiceUnavailable
from tests.resolvers.world import World


async def rows(world: World) -> dict[str, tuple[Any, ...]]:
    """Version and access token of the connections, by site."""
    found = await world.outside.fetch("SELECT site, user_id, provider, version, access_token FROM connection")
    opened: dict[str, tuple[Any, ...]] = {}
    for site, user, provider, version, sealed in found:
        field = token_field(user, provider, version, "access_token", site)
        opened[site] = version, world.resources.vault.open(bytes(sealed), **field)
    return opened


@pytest.mark.parametrize("slug", ["regional", "regional-token", "regional-account"])
async def test_two_sites_are_two_connections(world: World, slug: str) -> None:
    first: dict[str, str] = {}
    for site in ("us", "eu"):
        connection = await world.connect("alice", slug, site)
        assert connection.site == site
        first[site] = connection.id
    assert first["us"] != first["eu"]
    assert len(world.provider.asked("/us/token")) == len(world.provider.asked("/eu/token")) == 1
    before = await rows(world)
    again = await world.connect("alice", slug, "us")
    assert again.id == first["us"]
    after = await rows(world)
    assert after == {"us": (2, world.provider.last[0]), "eu": before["eu"]}
    if slug == "regional-account":
        assert [len(world.provider.asked(f"/{site}/me")) for site in ("us", "eu")] == [2, 1]


async def test_a_repeated_callback_gets_the_connection_of_its_site(world: World) -> None:
    callbacks = {site: await world.begin("alice", "regional", site=site) for site in ("us", "eu")}
    first = {site: await world.complete("alice", callback) for site, callback in callbacks.items()}
    again = {site: await world.complete("alice", callback) for site, callback in callbacks.items()}
    assert {site: one.id for site, one in again.items()} == {site: one.id for site, one in first.items()}
    # Also when the requests are cleared away.
    await world.turn_back(3600)
    await world.clear()
    assert await world.outside.value("SELECT count(*) FROM ended_request") == 2
    again = {site: await world.complete("alice", callback) for site, callback in callbacks.items()}
    assert {site: one.id for site, one in again.items()} == {site: one.id for site, one in first.items()}
    assert len(world.provider.asked("/us/token")) == len(world.provider.asked("/eu/token")) == 1


async def test_a_state_is_good_for_its_own_site_only(world: World) -> None:
    """Whatever a front end makes of it: nothing is sent, and the state is as good as before."""
    us = await world.begin("alice", "regional", site="us")
    eu = await world.begin("alice", "regional", site="eu")
    lab = world.resources.registration("regional", "lab")
    assert lab.provider.site == "lab"
    moved = [
        us.state[:40] + eu.state[40:],
        us.state[:40],
        us.state + "0",
        us.state[:40] + us.state[40:].upper(),
        us.state[:40] + "0" * 8,
        "x" * 48,
    ]
    for state in moved:
        assert await world.code("alice", structs.replace(us, state=state)) == InvalidState.code
    # As with any other state that is refused.
    assert {line["reason"] for line in world.said("state.refused")} == {"unknown"}
    assert len(world.said("state.refused")) == len(moved)
    await world.drained()
    assert [event for event in await world.events() if event[0] == "complete"]
    assert world.provider.asked("/us/token") == world.provider.asked("/eu/token") == []
    assert (await world.complete("alice", us)).site == "us"
    assert (await world.complete("alice", eu)).site == "eu"


@pytest.mark.parametrize("column", ["site", "registration"])
async def test_a_row_that_was_moved_to_another_site_is_refused(world: World, column: str) -> None:
    callback = await world.begin("alice", "regional", site="us")
    value = {"site": "eu", "registration": world.resources.registration("regional", "eu").fingerprint}[column]
    await world.change_requests(f"{column} = '{value}'")
    assert await world.code("alice", callback) == InvalidState.code
    assert [line["reason"] for line in world.said("state.refused")] == [f"another {column}"]


async def test_a_flow_from_before_the_provider_had_sites(world: World) -> None:
    """Its connection stays one of its own, without a site."""
    entry = structs.replace(world.resources.catalogue["regional"], sites={}, at_sites={})
    before = world.context("alice", catalogue={**world.resources.catalogue, "regional": entry})
    callback = await world.begin("alice", "regional", before)
    connection = await world.complete("alice", callback)
    assert connection.site == ""
    assert (await world.connect("alice", "regional", "us")).id != connection.id
    # A state without a site can't be ours if only sites have credentials.
    only = {"regional/eu": world.resources.registrations["regional/eu"]}
    at_sites = world.context("alice", registrations=only)
    assert (await world.problem("alice", callback, at_sites)).code == InvalidState.code
    nowhere = world.context("alice", registrations={})
    assert (await world.problem("alice", callback, nowhere)).code == ProviderNotFound.code


async def test_a_site_that_is_no_longer_offered_completes_what_has_begun(world: World) -> None:
    callback = await world.begin("alice", "regional", site="us")
    entry = world.resources.catalogue["regional"]
    sites = {id_: structs.replace(site, offered=False) for id_, site in entry.sites.items()}
    changed = {**world.resources.catalogue, "regional": structs.replace(entry, sites=sites)}
    context = world.context("alice", catalogue=changed)
    assert (await world.complete("alice", callback, context)).site == "us"


async def test_all_at_once(world: World) -> None:
    """Two flows at each of two sites."""
    callbacks = [await world.begin("alice", "regional", site=site) for site in ("us", "eu", "us", "eu")]
    connections = await asyncio.gather(*(world.complete("alice", callback) for callback in callbacks))
    ids = {site: {one.id for one in connections if one.site == site} for site in ("us", "eu")}
    assert [len(found) for found in ids.values()] == [1, 1]
    assert {site: version for site, (version, _) in (await rows(world)).items()} == {"us": 2, "eu": 2}


async def test_an_account_belongs_to_a_user_at_each_site(world: World) -> None:
    """The same id at another site is another account."""
    world.provider.tokens = {"user": "sam"}
    await world.connect("alice", "regional", "us")
    rejecting = world.context("bob", account_policy="reject")
    eu = await world.begin("bob", "regional", rejecting, "eu")
    assert (await world.complete("bob", eu, rejecting)).account == "sam"
    us = await world.begin("bob", "regional", rejecting, "us")
    assert (await world.problem("bob", us, rejecting)).code == AccountTaken.code
    owners = await world.outside.fetch("SELECT site, account, user_id FROM account_owner ORDER BY site")
    assert owners == [("eu", "sam", "bob"), ("us", "sam", "alice")]
    assert not world.said("account.shared")
    shared = await world.begin("carol", "regional", site="us")
    await world.complete("carol", shared)
    assert len(world.said("account.shared")) == 1


async def revocations(world: World) -> list[tuple[str, str]]:
    """Site and access token of each, opened for its own site."""
    found = await world.outside.fetch("SELECT id, provider, site, material FROM revocation ORDER BY id")
    vault = world.resources.vault
    return [
        (site, open_material(vault, str(id_), bytes(sealed), provider, site).access_token)
        for id_, provider, site, sealed in found
    ]


async def test_replaced_tokens_are_those_of_the_site(world: World) -> None:
    """Where a revocation ends nothing but the token."""
    replaced: list[tuple[str, str]] = []
    for site in ("us", "eu"):
        await world.connect("alice", "regional-token", site)
        replaced.append((site, str(world.provider.last[0])))
    for site in ("us", "eu"):
        await world.connect("alice", "regional-token", site)
    assert await revocations(world) == replaced


async def test_tokens_that_come_too_late_are_revoked_at_their_site(world: World) -> None:
    connection = await world.connect("alice", "regional-token", "eu")
    callback = await world.begin("alice", "regional-token", site="eu")

    async def end() -> None:
        await disconnect_connection(world.context("alice"), connection.id, "alice")

    world.provider.meanwhile["/token"] = end
    assert (await world.complete("alice", callback)).status == "disconnected"
    issued = [tokens["access_token"] for tokens in world.provider.issued]
    assert await revocations(world) == [("eu", token) for token in issued]


async def test_tokens_of_a_taken_account_are_revoked_at_their_site(world: World) -> None:
    world.provider.tokens = {"user": "sam"}
    await world.connect("alice", "regional-token", "eu")
    rejecting = world.context("bob", account_policy="reject")
    callback = await world.begin("bob", "regional-token", rejecting, "eu")
    assert (await world.problem("bob", callback, rejecting)).code == AccountTaken.code
    await world.drained()
    assert await revocations(world) == [("eu", world.provider.last[0])]


async def test_a_site_that_hangs_holds_up_no_other(any_world: World) -> None:
    limit = any_world.resources.provider_limits.of("regional/us")
    while limit.permit_now() is not None:
        """All exchanges that there may be at once are in progress."""
    us, eu = [await any_world.begin("alice", "regional", site=site) for site in ("us", "eu")]
    assert (await any_world.complete("alice", eu)).site == "eu"
    with any_world.clock() as clock:
        waiting = asyncio.create_task(any_world.code("alice", us))
        await clock.until(waiting.done)
    assert await waiting == ServiceUnavailable.code
