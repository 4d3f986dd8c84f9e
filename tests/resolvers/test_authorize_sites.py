"""Sending a user to one of the sites of a provider that has several."""

from __future__ import annotations

import re
from typing import Any

import pytest
from msgspec import structs

from models.authorization_request import state_hash
from providers.authorization import site_of
from resolvers.directory import UnavailableReason, sites_of, unavailable_because
from resolvers.errors import Problem
from tests.resolvers.failing_database import ADD
from tests.resolvers.world import World, parameters


async def refused(world: World, slug: str, site: str | None, **changes: Any) -> tuple[str, str]:
    """The code and the message. Nothing is stored."""
    before = world.database.count(ADD)
    try:
        await world.authorize("alice", slug, world.context("alice", **changes), site)
    except Problem as problem:
        assert world.database.count(ADD) == before
        return problem.code, problem.message
    raise AssertionError("it was not refused")


@pytest.mark.parametrize("site", ["us", "eu"])
async def test_the_user_is_sent_to_the_site(world: World, site: str) -> None:
    authorization = await world.authorize("alice", "regional", site=site)
    assert authorization.url.startswith(f"{world.provider.server.origin}/{site}/authorize?")
    assert parameters(authorization.url)["state"] == authorization.state
    assert re.fullmatch(r"[a-z0-9]{48}", authorization.state)
    assert site_of(world.resources.catalogue["regional"], authorization.state) == site
    ((hashed, *bound),) = await world.outside.fetch(
        "SELECT state_hash, provider, site, registration FROM authorization_request"
    )
    assert hashed == state_hash(authorization.state)
    assert bound == ["regional", site, world.resources.registration("regional", site).fingerprint]


async def test_registrations_of_sites_differ_from_each_other(any_world: World) -> None:
    """And that of a provider without sites is what it was before there were any."""
    resources = any_world.resources
    places = ["", "us", "eu", "lab"]
    assert len({resources.registration("regional", site).fingerprint for site in places}) == len(places)
    entry = resources.catalogue["regional"]
    same_urls = structs.replace(resources.registration("regional").provider, site="us")
    assert entry.authorize == same_urls.authorize


@pytest.mark.parametrize(
    ("slug", "site", "message"),
    [
        ("regional", None, "site is required for this provider. It must be one of: us, eu"),
        ("regional", "asia", "site must be one of: us, eu"),
        ("regional", "US", "site must be one of: us, eu"),
        ("regional", "lab", "site must be one of: us, eu"),
        ("regional", " ", "site must not be empty."),
        ("regional", "x" * 64, "site must have at most 63 characters."),
        ("regional", "us\n", "site must not hold control characters."),
        ("acme", "us", "site must be left out: this provider has no sites."),
    ],
)
async def test_what_is_no_site_to_connect_to(any_world: World, slug: str, site: str | None, message: str) -> None:
    assert await refused(any_world, slug, site) == ("VALIDATION_ERROR", message)


async def test_an_unknown_provider_comes_first(any_world: World) -> None:
    assert (await refused(any_world, "nobody", "us"))[0] == "PROVIDER_NOT_FOUND"


def offering(world: World, *ids: str) -> dict[str, Any]:
    """A catalogue in which these sites are offered."""
    entry = world.resources.catalogue["regional"]
    sites = {id_: structs.replace(site, offered=id_ in ids) for id_, site in entry.sites.items()}
    changed = structs.replace(entry, sites=sites)
    return {"catalogue": {**world.resources.catalogue, "regional": changed}}


async def test_the_only_site_need_not_be_named(any_world: World) -> None:
    context = any_world.context("alice", **offering(any_world, "eu"))
    for site in (None, "eu"):
        authorization = await any_world.authorize("alice", "regional", context, site)
        assert authorization.url.startswith(f"{any_world.provider.server.origin}/eu/authorize?")
    assert await refused(any_world, "regional", "us", **offering(any_world, "eu")) == (
        "VALIDATION_ERROR",
        "site must be one of: eu",
    )


async def test_a_provider_that_is_offered_nowhere(any_world: World) -> None:
    changes = offering(any_world)
    assert await refused(any_world, "regional", "us", **changes) == (
        "PROVIDER_NOT_FOUND",
        "The provider is in the catalogue, but this service offers none of its sites.",
    )
    context = any_world.context("alice", **changes)
    entry = context.resources.catalogue["regional"]
    assert unavailable_because(context, entry) is UnavailableReason.NO_SITES
    assert list(sites_of(context, entry)) == []


async def test_a_provider_whose_sites_nobody_has_named(any_world: World) -> None:
    """Credentials alone are not enough, since its entry leads to no provider."""
    entry = structs.replace(any_world.resources.catalogue["regional"], open_sites=True, sites={}, at_sites={})
    changes: dict[str, Any] = {"catalogue": {**any_world.resources.catalogue, "regional": entry}}
    context = any_world.context("alice", **changes)
    assert "regional" in context.resources.registrations
    assert unavailable_because(context, entry) is UnavailableReason.NO_SITES
    for site in (None, "mgh"):
        assert await refused(any_world, "regional", site, **changes) == (
            "PROVIDER_NOT_FOUND",
            "The provider is in the catalogue, but this service offers none of its sites.",
        )


async def test_sites_without_credentials_are_not_shown(any_world: World) -> None:
    only = {"regional/eu": any_world.resources.registrations["regional/eu"]}
    context = any_world.context("alice", registrations=only)
    entry = any_world.resources.catalogue["regional"]
    assert unavailable_because(context, entry) is None
    assert list(sites_of(context, entry)) == ["eu"]
    assert (await any_world.authorize("alice", "regional", context)).url.split("?")[0].endswith("/eu/authorize")


async def test_a_provider_without_any_credentials_shows_what_it_would_offer(any_world: World) -> None:
    context = any_world.context("alice", registrations={})
    entry = any_world.resources.catalogue["regional"]
    assert unavailable_because(context, entry) is UnavailableReason.NO_CREDENTIALS
    assert {id_: site.name for id_, site in sites_of(context, entry).items()} == {"us": "United States", "eu": "Europe"}
    assert await refused(any_world, "regional", None, registrations={}) == (
        "PROVIDER_NOT_FOUND",
        "The provider is in the catalogue, but this service has no credentials for it.",
    )


async def test_a_message_names_so_many_sites_at_most(any_world: World) -> None:
    entry = any_world.resources.catalogue["regional"]
    ids = [f"s{number}" for number in range(60)]
    many = structs.replace(entry, sites=dict.fromkeys(ids, entry.sites["us"]))
    registration = any_world.resources.registration("regional", "us")
    changes = {
        "catalogue": {"regional": many},
        "registrations": {f"regional/{id_}": registration for id_ in ids},
    }
    assert await refused(any_world, "regional", "other", **changes) == (
        "VALIDATION_ERROR",
        f"site must be one of: {', '.join(ids[:50])}, …",
    )
