"""PROVIDER_NOT_FOUND says whether the slug is unknown, or the provider has no credentials here."""

from __future__ import annotations

from collections.abc import Generator

import httpx
import pytest

from tests.conftest import REDIRECT_URI, Person, start_gateway
from tests.interfaces import Interface
from tests.processes import Process

NOT_LISTED = "The provider is not in the catalogue of this service."
NO_CREDENTIALS = "The provider is in the catalogue, but this service has no credentials for it."
SETTINGS = {"TENDON_AUTH": "dev", "TENDON_REDIRECT_URIS": REDIRECT_URI}


@pytest.fixture(scope="module")
def registering_few(tmp_path_factory: pytest.TempPathFactory) -> Generator[Process]:
    process = start_gateway(tmp_path_factory.mktemp("gateway"), SETTINGS)
    yield process
    process.kill()


@pytest.mark.parametrize(
    ("slug", "message"),
    [("nobody", NOT_LISTED), ("oura", NO_CREDENTIALS)],
)
async def test_the_message_says_which(
    interface: type[Interface],
    client: httpx.AsyncClient,
    registering_few: Process,
    someone: Person,
    slug: str,
    message: str,
) -> None:
    api = interface(client, registering_few.origin)
    callback = {"provider": slug, "redirectUri": REDIRECT_URI, "code": "c", "state": "s"}
    begun = await api.authorize(someone.token, provider=slug, redirectUri=REDIRECT_URI)
    ended = await api.complete(someone.token, **callback)
    status = 404 if api.name == "rest" else 200
    for answer in (begun, ended):
        assert (answer.status, answer.code, answer.message) == (status, "PROVIDER_NOT_FOUND", message)


async def test_providers_tells_anybody_the_same(client: httpx.AsyncClient, registering_few: Process) -> None:
    """The message about a listed provider reveals nothing new: `available` is public."""

    async def ask(query: str) -> httpx.Response:
        return await client.post(f"{registering_few.origin}/graphql", json={"query": query})

    listed = (await ask("{ providers { slug available } }")).json()["data"]["providers"]
    available = {provider["slug"]: provider["available"] for provider in listed}
    assert available.items() >= {"oura": False, "sandbox": True}.items()
    assert (await ask('{ provider(slug: "oura") { available } }')).json()["data"] == {"provider": {"available": False}}
    (error,) = (await ask('{ provider(slug: "nobody") { available } }')).json()["errors"]
    assert (error["extensions"]["code"], error["message"]) == ("PROVIDER_NOT_FOUND", NOT_LISTED)
