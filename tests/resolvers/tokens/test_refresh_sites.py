"""Refreshing and issuing tokens of connections at the sites of a provider."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from msgspec import structs

from resolvers.errors import ProviderNotFound
from resolvers.tokens.ahead import due, refresh_ahead
from tests.resolvers.tokens.services import issue, problem, service
from tests.resolvers.world import World


async def expired(world: World, site: str) -> Any:
    world.provider.tokens = {"expires_in": 0}
    connection = await world.connect("alice", "regional", site)
    world.provider.tokens = {}
    return connection


def refreshes(world: World, site: str) -> list[str]:
    """The refresh tokens that the site was asked with."""
    forms = [asked.form for asked in world.provider.asked(f"/{site}/token")]
    return [form["refresh_token"][0] for form in forms if "refresh_token" in form]


async def test_each_is_refreshed_at_its_own_site(world: World) -> None:
    connections = {site: await expired(world, site) for site in ("us", "eu")}
    first = {site: tokens["refresh_token"] for site, tokens in zip(connections, world.provider.issued, strict=True)}
    issued = await asyncio.gather(*(issue(world, connection) for connection in connections.values()))
    assert [one.api_base for one in issued] == [f"{world.provider.server.origin}/{site}/api" for site in connections]
    for site, one in zip(connections, issued, strict=True):
        assert refreshes(world, site) == [first[site]]
        assert one.access_token in [tokens["access_token"] for tokens in world.provider.issued]
    assert len({one.access_token for one in issued}) == len(issued)
    # From the row, which has its new tokens sealed for the site.
    again = [(await issue(world, connection)).access_token for connection in connections.values()]
    assert again == [one.access_token for one in issued]


async def test_a_worker_shares_its_time_among_sites(world: World) -> None:
    connections = [await expired(world, site) for site in ("us", "eu")]
    await world.outside.fetch("UPDATE connection SET due_at = '2020-01-01 00:00:00+00:00'")
    found = await due(service(world), 10)
    assert {work.provider for work in found} == {"regional/us", "regional/eu"}
    for work in found:
        await refresh_ahead(world.context(None), work.id)
    assert [len(refreshes(world, site)) for site in ("us", "eu")] == [1, 1]
    assert len(found) == len(connections)


@pytest.mark.parametrize("names_sites", [True, False])
async def test_a_site_that_is_gone_from_the_catalogue(world: World, *, names_sites: bool) -> None:
    """Nothing is sent anywhere else."""
    connection = await expired(world, "eu")
    entry = world.resources.catalogue["regional"]
    left = {"us": entry.at_sites["us"]} if names_sites else {}
    sites = {"us": entry.sites["us"]} if names_sites else {}
    catalogue = {**world.resources.catalogue, "regional": structs.replace(entry, sites=sites, at_sites=left)}
    registrations = {key: one for key, one in world.resources.registrations.items() if key != "regional/eu"}
    context = service(world, catalogue=catalogue, registrations=registrations)
    assert isinstance(await problem(issue(world, connection, context=context)), ProviderNotFound)
    assert refreshes(world, "us") == refreshes(world, "eu") == []
    # It is as good as before when the site is back.
    assert (await issue(world, connection)).api_base is not None


async def test_a_site_that_is_no_longer_offered_is_refreshed(world: World) -> None:
    connection = await expired(world, "eu")
    entry = world.resources.catalogue["regional"]
    sites = {id_: structs.replace(site, offered=False) for id_, site in entry.sites.items()}
    catalogue = {**world.resources.catalogue, "regional": structs.replace(entry, sites=sites)}
    assert await issue(world, connection, context=service(world, catalogue=catalogue))
    assert len(world.provider.asked("/eu/token")) == len(["exchange", "refresh"])


async def test_tokens_of_one_site_do_not_open_for_another(world: World) -> None:
    """Whoever can write to the database can't have them sent to another server."""
    connection = await expired(world, "us")
    await world.outside.fetch("UPDATE connection SET site = 'eu'")
    assert (await problem(issue(world, connection))).code == "SERVICE_UNAVAILABLE"
    assert world.provider.asked("/eu/token") == []


async def test_the_log_says_at_which_site_a_refresh_fails(world: World) -> None:
    connection = await expired(world, "eu")
    world.provider.refuse("invalid_client", "401 Unauthorized")
    assert (await problem(issue(world, connection))).code == "PROVIDER_MISCONFIGURED"
    assert [line["provider"] for line in world.said("refresh.misconfigured")] == ["regional/eu"]
