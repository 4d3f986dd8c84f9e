"""A provider with several sites, such as regions: each is a connection of its own, through both interfaces."""

from __future__ import annotations

import asyncio
import json
from asyncio import StreamWriter
from collections.abc import AsyncGenerator, Generator
from itertools import count
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.conftest import REDIRECT_URI, Person, new_database, start_gateway
from tests.databases import ENGINES, Database
from tests.interfaces import Interface, Rest, bearer
from tests.processes import Process
from tests.wire.http.loopback import Asked, Loopback, answering, loopback

ENTRY = """
slug = "regional"
name = "Regional"
docs = "https://regional.example/docs"
[variables]
site = "us"
[authorize]
url = "{origin}/{{site}}/authorize"
[token]
url = "{origin}/{{site}}/token"
account = "user"
[api]
base = "{origin}/{{site}}/api"
[sites.us]
name = "United States"
[sites.eu]
name = "Europe"
variables = {{ site = "eu" }}
[sites.lab]
name = "Simulated users"
variables = {{ site = "lab" }}
offered = false
"""
SERVICE = "dev-service:etl"
TOKENS = count(1)
SHOWN = "query($user: ID!) { connections(userId: $user) { id site providerSlug status } }"
SITES = '{ provider(slug: "regional") { available sites { id name } } }'


class Vendor:
    """Says in each token at which site it was issued. All have expired when they arrive, but those of a refresh."""

    def __init__(self) -> None:
        self.server = Loopback()

    async def respond(self, asked: Asked, writer: StreamWriter) -> None:
        site = asked.line.split("/")[1]
        is_refresh = asked.form["grant_type"] == ["refresh_token"]
        number = next(TOKENS)
        tokens = {"access_token": f"{site}-{number}", "refresh_token": f"{site}-refresh-{number}", "user": "sam"}
        body = json.dumps(tokens | {"expires_in": 3600 if is_refresh else 0}).encode()
        await answering(body)(asked, writer)

    def asked(self, code: str) -> list[str]:
        """The sites that were asked with this code."""
        return [asked.line.split("/")[1] for asked in self.server.asked if asked.form.get("code") == [code]]


@pytest.fixture(scope="module")
async def vendor() -> AsyncGenerator[Vendor]:
    vendor = Vendor()
    async with loopback(vendor.respond) as vendor.server:
        yield vendor


@pytest.fixture(scope="module", params=ENGINES)
async def database(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Database:
    return await new_database(request, tmp_path_factory.mktemp("database"), request.param)


@pytest.fixture(scope="module")
def connecting(
    tmp_path_factory: pytest.TempPathFactory, settings: dict[str, str], vendor: Vendor, database: Database
) -> Generator[Process]:
    folder: Path = tmp_path_factory.mktemp("regional")
    (folder / "regional.toml").write_text(ENTRY.format(origin=vendor.server.origin), encoding="utf-8")
    credentials = {
        "REGIONAL_CLIENT_ID": "client",
        "REGIONAL_CLIENT_SECRET": "secret",
        "REGIONAL_EU_CLIENT_ID": "client-eu",
        "REGIONAL_EU_CLIENT_SECRET": "secret",
    }
    process = start_gateway(folder, settings | credentials | {"TENDON_CATALOGUE": str(folder)}, database)
    yield process
    process.kill()


@pytest.fixture
def regional(connecting: Process, interface: type[Interface], client: httpx.AsyncClient) -> Interface:
    return interface(client, connecting.origin)


async def begin(api: Interface, person: Person, site: str) -> dict[str, Any]:
    begun = await api.authorize(person.token, provider="regional", redirectUri=REDIRECT_URI, site=site)
    assert f"/{site}/authorize?" in begun.data["url"]
    return {
        "provider": "regional",
        "redirectUri": REDIRECT_URI,
        "code": uuid4().hex,
        "state": begun.data["state"],
    }


async def connect(api: Interface, person: Person, site: str) -> str:
    callback = await begin(api, person, site)
    return (await api.complete(person.token, **callback)).connection["id"]


async def query(client: httpx.AsyncClient, origin: str, token: str, text: str, **variables: str) -> Any:
    body = {"query": text, "variables": variables}
    response = await client.post(f"{origin}/graphql", json=body, headers=bearer(token))
    assert "errors" not in response.json(), response.text
    return response.json()["data"]


async def shown(client: httpx.AsyncClient, api: Interface, person: Person) -> dict[str, tuple[str, str]]:
    """Id and status of the connections, by site."""
    found = await query(client, api.origin, person.token, SHOWN, user=person.id)
    return {one["site"]: (one["id"], one["status"]) for one in found["connections"]}


async def test_two_sites_are_two_connections(
    regional: Interface, client: httpx.AsyncClient, vendor: Vendor, someone: Person
) -> None:
    us = await begin(regional, someone, "us")
    eu = await begin(regional, someone, "eu")
    answers = await asyncio.gather(*(regional.complete(someone.token, **callback) for callback in (us, eu)))
    ids = {site: answer.connection["id"] for site, answer in zip(("us", "eu"), answers, strict=True)}
    assert (vendor.asked(us["code"]), vendor.asked(eu["code"])) == (["us"], ["eu"])
    assert await shown(client, regional, someone) == {site: (id_, "connected") for site, id_ in ids.items()}
    assert await connect(regional, someone, "eu") == ids["eu"]
    assert set(await shown(client, regional, someone)) == {"us", "eu"}
    # What REST shows is the same for all providers.
    assert "site" not in answers[0].connection


async def test_states_are_not_moved_between_sites(regional: Interface, vendor: Vendor, someone: Person) -> None:
    us, eu = await begin(regional, someone, "us"), await begin(regional, someone, "eu")
    for state in (us["state"][:40] + eu["state"][40:], us["state"][:40]):
        answer = await regional.complete(someone.token, **us | {"state": state})
        assert answer.code == "INVALID_STATE"
    assert vendor.asked(us["code"]) == []
    assert (await regional.complete(someone.token, **us)).connection["status"] == "connected"


async def test_each_site_has_its_own_life(
    regional: Interface, client: httpx.AsyncClient, vendor: Vendor, someone: Person
) -> None:
    ids = {site: await connect(regional, someone, site) for site in ("us", "eu")}
    for site, id_ in ids.items():
        token = (await regional.issue(SERVICE, id_)).data
        assert token["accessToken"].startswith(f"{site}-")
        assert token["apiBase"] == f"{vendor.server.origin}/{site}/api"
    assert (await regional.disconnect(someone.token, ids["us"], userId=someone.id)).code is None
    assert await shown(client, regional, someone) == {
        "us": (ids["us"], "disconnected"),
        "eu": (ids["eu"], "connected"),
    }
    assert (await regional.issue(SERVICE, ids["us"])).code == "REAUTHORIZATION_REQUIRED"
    assert (await regional.issue(SERVICE, ids["eu"])).data["accessToken"].startswith("eu-")
    erased = (await regional.erase(SERVICE, userId=someone.id)).data
    assert erased["removed"]["connections"] == len(ids)
    assert await shown(client, regional, someone) == {}


async def test_a_site_has_its_own_client(regional: Interface, someone: Person) -> None:
    for site, client_id in (("us", "client"), ("eu", "client-eu")):
        members = {"provider": "regional", "redirectUri": REDIRECT_URI, "site": site}
        url = (await regional.authorize(someone.token, **members)).data["url"]
        assert httpx.URL(url).params["client_id"] == client_id


@pytest.mark.parametrize(
    ("provider", "site", "message"),
    [
        ("regional", None, "site is required for this provider. It must be one of: us, eu"),
        ("regional", "", "site is required for this provider. It must be one of: us, eu"),
        ("regional", "lab", "site must be one of: us, eu"),
        ("unlisted", "us", "The provider is not in the catalogue of this service."),
        ("oura", "us", "site must be left out: this provider has no sites."),
    ],
)
async def test_what_is_no_site(
    regional: Interface, someone: Person, provider: str, site: str | None, message: str
) -> None:
    members = {"provider": provider, "redirectUri": REDIRECT_URI, "site": site}
    answer = await regional.authorize(someone.token, **members)
    code = "PROVIDER_NOT_FOUND" if provider == "unlisted" else "VALIDATION_ERROR"
    assert (answer.code, answer.message) == (code, message)
    if isinstance(regional, Rest):
        assert answer.status == (404 if provider == "unlisted" else 400)


async def test_front_ends_see_the_sites(connecting: Process, client: httpx.AsyncClient, someone: Person) -> None:
    found = await query(client, connecting.origin, someone.token, SITES)
    assert found["provider"] == {
        "available": True,
        "sites": [{"id": "us", "name": "United States"}, {"id": "eu", "name": "Europe"}],
    }
