"""Parameters in paths, over a real server: how they are decoded, what takes precedence, and what the log shows."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Any, cast

import httpx
import pytest
from structlog.testing import capture_logs

from rest.openapi import openapi_document
from rest.routes import ROUTES
from tests.conftest import REDIRECT_URI, Person, begin
from tests.interfaces import Rest, bearer
from tests.rest.parameter_routes import READ, ROWS, serve
from tests.sandbox_control import Sandbox


@pytest.fixture(scope="module")
async def origin(tmp_path_factory: pytest.TempPathFactory, settings: dict[str, str]) -> AsyncGenerator[str]:
    folder = tmp_path_factory.mktemp("parameters")
    patch = pytest.MonkeyPatch()
    patch.chdir(folder)
    async with serve(settings, f"sqlite://{folder}/tendon.db") as served:
        yield served
    patch.undo()


@pytest.fixture
async def connection(client: httpx.AsyncClient, origin: str, sandbox: Sandbox, someone: Person) -> dict[str, Any]:
    api = Rest(client, origin)
    return (await api.complete(someone.token, **await begin(api, sandbox, someone))).connection


async def send(
    client: httpx.AsyncClient, origin: str, target: str, person: Person, method: str = "GET", **options: Any
) -> httpx.Response:
    """Without httpx's own normalization of the path."""
    url = httpx.URL(origin).copy_with(raw_path=target.encode())
    return await client.request(method, url, headers=bearer(person.token), **options)


async def test_a_parameter_becomes_the_variable_of_its_name(
    client: httpx.AsyncClient, origin: str, someone: Person, connection: dict[str, Any]
) -> None:
    by_rest = await send(client, origin, f"/v1/reads/{connection['id']}", someone)
    by_graphql = await client.post(
        f"{origin}/graphql",
        json={"query": READ, "variables": {"id": connection["id"]}},
        headers=bearer(someone.token),
    )
    assert (by_rest.status_code, by_rest.json()) == (200, {"connection": connection})
    assert by_graphql.content == b'{"data":' + by_rest.content + b"}"


async def test_failures_are_those_of_graphql(
    client: httpx.AsyncClient, origin: str, someone: Person, another: Person, connection: dict[str, Any]
) -> None:
    other = await send(client, origin, f"/v1/reads/{connection['id']}", another)
    assert (other.status_code, other.json()["error"]) == (404, "connection_not_found")
    anonymous = await client.get(f"{origin}/v1/reads/{connection['id']}")
    assert (anonymous.status_code, anonymous.json()["error"]) == (401, "unauthenticated")


async def test_percent_encoding_is_decoded_once(
    client: httpx.AsyncClient, origin: str, someone: Person, connection: dict[str, Any]
) -> None:
    first, rest = connection["id"][0], connection["id"][1:]
    once = await send(client, origin, f"/v1/reads/%{ord(first):02X}{rest}", someone)
    assert once.status_code == 200
    twice = await send(client, origin, f"/v1/reads/%25{ord(first):02X}{rest}", someone)
    assert (twice.status_code, twice.json()["error"]) == (404, "connection_not_found")
    fixed = await send(client, origin, f"/v1/re%61ds/{connection['id']}", someone)
    assert fixed.status_code == 200


async def test_an_encoded_slash_belongs_to_the_parameter(
    client: httpx.AsyncClient, origin: str, someone: Person, connection: dict[str, Any]
) -> None:
    for value in (f"a%2F{connection['id']}", "..%2Fcallback", "%FF", "%00", "{id}"):
        response = await send(client, origin, f"/v1/reads/{value}", someone)
        assert (response.status_code, response.json()["error"]) == (404, "connection_not_found"), value
    joined = await send(client, origin, f"/v1/reads%2F{connection['id']}", someone)
    assert (joined.status_code, joined.json()["error"]) == (404, "not_found")


@pytest.mark.parametrize("target", ["/v1/reads/", "/v1/reads//", "/v1/connections/", "/v1//x", "/v1/providers//start"])
async def test_an_empty_parameter_is_not_found(
    client: httpx.AsyncClient, origin: str, someone: Person, target: str
) -> None:
    for method in ("GET", "POST"):
        response = await send(client, origin, target, someone, method)
        assert (response.status_code, response.json()["error"]) == (404, "not_found")


async def test_a_trailing_slash_or_segment_is_not_found(
    client: httpx.AsyncClient, origin: str, someone: Person, connection: dict[str, Any]
) -> None:
    for suffix in ("/", "/x", "%2F/"):
        response = await send(client, origin, f"/v1/reads/{connection['id']}{suffix}", someone)
        assert (response.status_code, response.json()["error"]) == (404, "not_found")


@pytest.mark.parametrize(
    ("method", "target", "allow"),
    [
        ("DELETE", "/v1/reads/x", "GET, HEAD"),
        ("POST", "/v1/reads/x", "GET, HEAD"),
        ("GET", "/v1/connections/x", "DELETE"),
        ("GET", "/v1/providers/oura/start", "POST"),
        # A path without parameters takes precedence over one with parameters that it also matches.
        ("GET", "/v1/connections/callback", "POST"),
        ("GET", "/v1/connections/c%61llback", "POST"),
        ("POST", "/v1/connections", "GET, HEAD"),
    ],
)
async def test_another_method_is_not_allowed(
    client: httpx.AsyncClient, origin: str, someone: Person, method: str, target: str, allow: str
) -> None:
    response = await send(client, origin, target, someone, method)
    assert (response.status_code, response.json()["error"]) == (405, "method_not_allowed")
    assert response.headers["allow"] == allow


async def test_the_path_wins_over_body_and_query(
    client: httpx.AsyncClient, origin: str, someone: Person, connection: dict[str, Any]
) -> None:
    read = await send(client, origin, f"/v1/reads/{connection['id']}?id=other&more=x", someone)
    assert read.json()["connection"]["id"] == connection["id"]
    body = {"provider": "nobody", "redirectUri": REDIRECT_URI}
    started = await send(client, origin, "/v1/providers/sandbox/start", someone, "POST", json=body)
    assert (started.status_code, started.json().keys()) == (200, {"url", "state"})
    body["provider"] = "oura"
    unknown = await send(client, origin, "/v1/providers/nobody/start", someone, "POST", json=body)
    assert (unknown.status_code, unknown.json()["error"]) == (404, "provider_not_found")


async def test_the_log_shows_the_template_and_never_the_value(
    client: httpx.AsyncClient, origin: str, someone: Person
) -> None:
    with capture_logs() as events:
        await send(client, origin, "/v1/reads/CANARY", someone)
        await send(client, origin, "/v1/reads/CANARY", someone, "DELETE")
        await send(client, origin, "/v1/providers/CANARY/start", someone, "POST")
        await send(client, origin, "/v1/CANARY", someone)
    shown = [event["path"] for event in cast("list[dict[str, Any]]", events) if event["event"] == "request"]
    assert shown == ["/v1/reads/{id}"] * 2 + ["/v1/providers/{provider}/start", "?"]
    assert "CANARY" not in str(events)


async def test_the_openapi_document_has_the_parameters(client: httpx.AsyncClient, origin: str) -> None:
    document = (await client.get(f"{origin}/openapi.json")).json()
    assert document == openapi_document((*ROUTES, *ROWS))
    operation = document["paths"]["/v1/reads/{id}"]["get"]
    assert [(parameter["name"], parameter["in"]) for parameter in operation["parameters"]] == [("id", "path")]
    assert list(operation["responses"]) == ["200", "400", "401", "403", "404", "429", "500", "503"]


async def test_a_refusal_does_not_wait_for_the_body(origin: str) -> None:
    """As for every REST route, 401 is sent before the body has arrived."""
    reader, writer = await asyncio.open_connection("127.0.0.1", int(origin.rpartition(":")[2]))
    writer.write(b"POST /v1/providers/oura/start HTTP/1.1\r\nHost: t\r\nContent-Length: 100\r\n\r\n")
    async with asyncio.timeout(30):
        assert (await reader.readline()).split()[1] == b"401"
    writer.close()
