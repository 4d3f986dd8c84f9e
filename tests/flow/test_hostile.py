"""What a hostile caller sends costs next to nothing, gets a clear error, and steers nobody anywhere."""

from __future__ import annotations

import asyncio
import http.client
import json
from collections.abc import Generator
from contextlib import suppress

import httpx
import pytest

from gateway.http11.head import HEAD_LIMIT
from tests.conftest import REDIRECT_URI, Person, begin, start_gateway
from tests.databases import Database
from tests.interfaces import Rest, bearer
from tests.processes import Process
from tests.sandbox_control import Sandbox

JSON = {"Content-Type": "application/json"}
# Without a token, most of these are refused before they are read.
KNOWN = {"Authorization": "Bearer dev:mallory"}
BLANKS = " " * 30_000


@pytest.fixture(params=["dev", "closed"])
def asked(request: pytest.FixtureRequest, any_gateway: Process, closed: Process) -> Process:
    return any_gateway if request.param == "dev" else closed


@pytest.fixture
def graphql(asked: Process) -> str:
    return f"{asked.origin}/graphql"


@pytest.fixture(scope="module")
def closed(tmp_path_factory: pytest.TempPathFactory, settings: dict[str, str]) -> Generator[Process]:
    """A gateway that keeps its schema to itself, as in production."""
    process = start_gateway(tmp_path_factory.mktemp("closed"), settings | {"TENDON_EXPLORE": "0"})
    yield process
    process.kill()


async def test_blanks_in_a_header(client: httpx.AsyncClient, any_gateway: Process) -> None:
    for path in ("/graphql", "/v1/connections/callback"):
        headers = KNOWN | {"Content-Type": f"application/json{BLANKS}x"}
        before = any_gateway.cpu_ms
        response = await client.post(any_gateway.origin + path, content="{}", headers=headers)
        assert response.status_code == 415
        assert any_gateway.cpu_ms - before < 500


DOCUMENTS = {
    "blanks in a literal": f'{{ provider(slug: ["{BLANKS * 2}"]) {{ slug }} }}',
    "a long name in many errors": f"query Q{'Q' * 58_000} {{ provider(slug: [{'$a ' * 450}]) {{ slug }} }}",
    "an unreached fragment": "{ __typename } fragment F on Connection { %s }" % ("provider { slug } " * 240),
    "a pairwise comparison": '{ connections(userId: "x") { %s } }' % ("provider { slug } " * 240),
    "an unreached fragment that is wide": "{ __typename } fragment F on Provider { %s }" % ("slug " * 900),
}


@pytest.mark.parametrize("name", DOCUMENTS)
async def test_a_document_that_would_cost(client: httpx.AsyncClient, asked: Process, name: str) -> None:
    before = asked.cpu_ms
    response = await client.post(f"{asked.origin}/graphql", json={"query": DOCUMENTS[name]}, headers=KNOWN)
    assert response.json()["errors"][0]["extensions"] == {"code": "VALIDATION_ERROR"}
    assert asked.cpu_ms - before < 1000
    assert len(response.content) < 100_000


async def test_a_default_that_is_no_moment_is_the_clients_mistake(client: httpx.AsyncClient, graphql: str) -> None:
    response = await client.post(graphql, json={"query": 'query($x: DateTime = "CANARY") { __typename }'})
    assert {error["extensions"]["code"] for error in response.json()["errors"]} == {"VALIDATION_ERROR"}
    assert "CANARY" not in response.text


async def test_which_of_several_operations_is_said(client: httpx.AsyncClient, graphql: str) -> None:
    both = "query A { __typename } mutation B { __typename }"
    response = await client.post(graphql, json={"query": both})
    assert response.json()["errors"][0]["message"] == "operationName is required: the document has several operations."
    assert (await client.post(graphql, json={"query": both, "operationName": "A"})).json()["data"]


async def test_the_host_header_sends_nobody_away(client: httpx.AsyncClient, any_gateway: Process) -> None:
    for path in ("/graphql/", "/v1/connections/callback/", "/connect/", "//connect"):
        for method in ("GET", "POST"):
            response = await client.request(
                method, any_gateway.origin + path, headers={"Host": "evil.example", **JSON}, content="{}"
            )
            assert response.status_code == 404
            assert "location" not in response.headers


async def test_two_tokens_are_none(client: httpx.AsyncClient, any_gateway: Process, someone: Person) -> None:
    headers = [("Authorization", "Bearer dev:mallory"), ("Authorization", f"Bearer {someone.token}")]
    response = await client.get(f"{any_gateway.origin}/v1/connections?userId={someone.id}", headers=headers)
    assert (response.status_code, response.json()["error"]) == (401, "invalid_token")


async def test_a_head_without_end(any_gateway: Process) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", any_gateway.port)
    writer.write(b"GET / HTTP/1.1\r\nHost: x\r\nX-Long: ")
    # Not a byte more than it takes: what the server has not read when it hangs up may cost us its answer.
    for _ in range(HEAD_LIMIT // 1024):
        writer.write(b"a" * 1024)
        await writer.drain()
    assert (await reader.readline()).startswith(b"HTTP/1.1 431")
    writer.close()
    with suppress(ConnectionError):
        await writer.wait_closed()


def test_many_short_requests_on_one_connection_are_no_long_head(any_gateway: Process) -> None:
    line = http.client.HTTPConnection("127.0.0.1", any_gateway.port)
    line.connect()
    socket = line.sock
    for _ in range(60):
        line.request("GET", "/nothing", headers={"X-Pad": "a" * 2000})
        answer = line.getresponse()
        assert (answer.status, answer.read()[:8]) == (404, b'{"error"')
    assert line.sock is socket
    line.close()


async def test_a_large_body_in_one_piece_is_no_long_head(any_gateway: Process) -> None:
    body = b'{"query": "{ __typename }"}'.ljust(64 * 1024)
    head = b"POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
    reader, writer = await asyncio.open_connection("127.0.0.1", any_gateway.port)
    for _ in range(10):
        writer.write(head % len(body) + body)
        answer = await reader.readuntil(b'{"data":{"__typename":"Query"}}')
        assert answer.startswith(b"HTTP/1.1 200")
    writer.close()
    await writer.wait_closed()


async def test_a_state_that_was_given_back_expires_all_the_same(
    client: httpx.AsyncClient, gateway: Process, someone: Person, shared_database: Database
) -> None:
    api = Rest(client, gateway.origin)
    members = {"provider": "unreachable", "redirectUri": REDIRECT_URI}
    state = (await api.authorize(someone.token, **members)).data["state"]
    unspent = await api.complete(someone.token, **members, code="c", state=state)
    assert (unspent.code, unspent.headers["retry-after"]) == ("PROVIDER_UNAVAILABLE", "5")
    await shared_database.fetch(
        "UPDATE authorization_request SET expires_at = '2020-01-01 00:00:00.000000+00:00' WHERE user_id = $1",
        someone.id,
    )
    assert (await api.complete(someone.token, **members, code="c", state=state)).code == "INVALID_STATE"


async def test_a_retry_is_told_to_graphql_too(client: httpx.AsyncClient, gateway: Process, someone: Person) -> None:
    api = Rest(client, gateway.origin)
    members = {"provider": "unreachable", "redirectUri": REDIRECT_URI}
    state = (await api.authorize(someone.token, **members)).data["state"]
    mutation = "mutation($i: CompleteConnectionInput!) { completeConnection(input: $i) { connection { id } } }"
    body = {"query": mutation, "variables": {"i": {**members, "code": "c", "state": state}}}
    response = await client.post(
        f"{gateway.origin}/graphql", content=json.dumps(body), headers=JSON | bearer(someone.token)
    )
    assert response.json()["errors"][0]["extensions"] == {"code": "PROVIDER_UNAVAILABLE", "retryAfter": 5}


async def test_the_log_says_what_callers_are_not_told(
    client: httpx.AsyncClient, gateway: Process, sandbox: Sandbox, someone: Person, another: Person
) -> None:
    api = Rest(client, gateway.origin)
    callback = await begin(api, sandbox, someone)
    said = {
        (await api.complete(another.token, **callback)).headers["x-request-id"]: "another user_id",
        (await api.complete(someone.token, **callback | {"state": "0" * 40})).headers["x-request-id"]: "unknown",
        (await api.connections("nonsense", userId="x")).headers["x-request-id"]: "not a dev token",
    }
    for request_id, reason in said.items():
        lines = [line for line in gateway.logged() if line.get("request_id") == request_id]
        assert reason in [line.get("reason") for line in lines]
        assert not [line for line in lines if None in line.values()]


async def test_the_log_leaves_out_what_a_repetition_does_not_have(
    client: httpx.AsyncClient, gateway: Process, sandbox: Sandbox, someone: Person
) -> None:
    api = Rest(client, gateway.origin)
    callback = await begin(api, sandbox, someone)
    await api.complete(someone.token, **callback)
    again = (await api.complete(someone.token, **callback)).headers["x-request-id"]
    (line,) = [line for line in gateway.logged("callback.repeated") if line["request_id"] == again]
    assert line["status"] == "completed"
    assert "error" not in line
