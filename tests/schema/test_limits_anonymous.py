"""Callers without a bearer token: public data is served within small limits, and little work is done for anything
else."""

from __future__ import annotations

import json
from collections.abc import Generator
from pathlib import Path

import httpx
import pytest
from graphql import get_introspection_query

from schema.documents import Document
from schema.execution import Executor
from schema.limits import ANONYMOUS
from tests.conftest import Person, start_gateway
from tests.interfaces import Interface, bearer
from tests.processes import Process

GRAPHQL = "application/graphql-response+json"
BOTH = pytest.mark.parametrize("explore", [False, True], ids=["closed", "open"])


@pytest.fixture(scope="module")
def closed(tmp_path_factory: pytest.TempPathFactory, settings: dict[str, str]) -> Generator[Process]:
    """A gateway that hides its schema, as in production."""
    process = start_gateway(tmp_path_factory.mktemp("closed"), settings | {"TENDON_EXPLORE": "0"})
    yield process
    process.kill()


def tokens(count: int) -> str:
    """The curly brackets and `providers` are five tokens."""
    return "{ providers { " + "slug " * (count - 5) + "} }"


def size(length: int) -> str:
    document = "{ providers { slug } } #"
    return document + "é" * ((length - len(document)) // 2) + "x" * ((length - len(document)) % 2)


def aliases(count: int) -> str:
    return "{ providers { slug %s } }" % " ".join(f"a{number}: slug" for number in range(count))


def depth(levels: int) -> str:
    """No public field is that deep, so a document within the limit is refused for another reason."""
    return "{ " + "providers { " * (levels - 1) + "slug" + " }" * levels


async def ask(client: httpx.AsyncClient, process: Process, document: str, token: str | None = None) -> httpx.Response:
    headers = bearer(token) | {"Accept": GRAPHQL}
    return await client.post(f"{process.origin}/graphql", json={"query": document}, headers=headers)


@pytest.mark.parametrize(
    ("fits", "exceeds"),
    [
        (tokens(ANONYMOUS.tokens), tokens(ANONYMOUS.tokens + 1)),
        (size(ANONYMOUS.size or 0), size((ANONYMOUS.size or 0) + 1)),
        (aliases(ANONYMOUS.aliases), aliases(ANONYMOUS.aliases + 1)),
    ],
    ids=["tokens", "bytes", "aliases"],
)
async def test_one_more_is_refused(
    client: httpx.AsyncClient, any_gateway: Process, closed: Process, someone: Person, fits: str, exceeds: str
) -> None:
    for process in (any_gateway, closed):
        assert (await ask(client, process, fits)).json()["data"]["providers"]
        refused = await ask(client, process, exceeds)
        assert refused.status_code == 400
        assert refused.json()["errors"][0]["extensions"] == {"code": "VALIDATION_ERROR"}
        assert refused.json()["errors"][0]["message"].endswith("without a bearer token.")
        assert (await ask(client, process, exceeds, someone.token)).json()["data"]["providers"]


@BOTH
def test_the_limits_are_those(explore: bool) -> None:
    assert (ANONYMOUS.tokens, ANONYMOUS.size, ANONYMOUS.depth, ANONYMOUS.aliases) == (100, 6144, 5, 5)
    documents = Executor(explore=explore)._documents
    too_deep = f"The operation is deeper than {ANONYMOUS.depth} levels without a bearer token."
    assert documents.read(depth(ANONYMOUS.depth + 1), anonymous=True).errors[0].message == too_deep
    assert documents.read(depth(ANONYMOUS.depth), anonymous=True).errors[0].message != too_deep
    assert documents.read(depth(ANONYMOUS.depth + 1)).errors[0].message != too_deep


async def test_editors_and_generators_need_no_token(client: httpx.AsyncClient, any_gateway: Process) -> None:
    """If exploring is on. Their query has more than 100 tokens."""
    query = get_introspection_query(
        specified_by_url=True, directive_is_repeatable=True, schema_description=True, input_value_deprecation=True
    )
    assert (await ask(client, any_gateway, query)).json()["data"]["__schema"]["types"]
    beside = query.replace("__schema {", "providers { slug } __schema {")
    assert "without a bearer token" in (await ask(client, any_gateway, beside)).text


async def test_introspection_where_exploring_is_off(client: httpx.AsyncClient, closed: Process) -> None:
    for document in ("{ __schema { types { name } } }", get_introspection_query()):
        assert (await ask(client, closed, document)).status_code == 400
    assert (await ask(client, closed, "{ __typename }")).json() == {"data": {"__typename": "Query"}}


PRIVATE = [
    "{ connections(userId: 1) { id } }",
    "{ connections { nothing } }",
    "{ providers { slug } connection(id: 1) { id } }",
    "{ ...F } fragment F on Query { ... { connection { id } } }",
    "mutation { completeConnection(input: {%s}) { url } }" % " ".join(f"k{number}: 1" for number in range(20)),
    "query A { connection(id: 1) { id } } mutation B { authorizeConnection(input: 1) { url } }",
]


@BOTH
@pytest.mark.parametrize("document", PRIVATE)
def test_what_is_not_public_is_not_validated(document: str, explore: bool) -> None:
    read = Executor(explore=explore)._documents.read(document, anonymous=True)
    assert isinstance(read, Document)
    assert (read.closed, list(read.errors)) == (True, [])


@pytest.mark.parametrize("document", PRIVATE[:-1])
async def test_what_is_not_public_wants_a_token(client: httpx.AsyncClient, any_gateway: Process, document: str) -> None:
    refused = await ask(client, any_gateway, document)
    assert refused.status_code == 401
    assert refused.headers["www-authenticate"] == 'Bearer realm="tendon"'
    assert refused.json()["errors"][0]["extensions"] == {"code": "UNAUTHENTICATED"}


async def test_an_operation_that_is_public_beside_one_that_is_not(
    client: httpx.AsyncClient, any_gateway: Process
) -> None:
    query = "query Open { providers { slug } } query Closed { connection(id: 1) { id } }"
    for name, status in {"Open": 200, "Closed": 401}.items():
        response = await client.post(f"{any_gateway.origin}/graphql", json={"query": query, "operationName": name})
        assert response.status_code == status


async def test_a_bad_token_is_said_before_anything_is_read(client: httpx.AsyncClient, any_gateway: Process) -> None:
    for body in ("not json", '{"query": "{"}', json.dumps({"query": tokens(900)}), "[" * 60_000):
        headers = bearer("nonsense") | {"Content-Type": "application/json"}
        response = await client.post(f"{any_gateway.origin}/graphql", content=body, headers=headers)
        assert response.status_code == 401
        assert response.json()["errors"][0]["extensions"] == {"code": "INVALID_TOKEN"}


@pytest.mark.parametrize("path", ["/v1/connections/callback", "/v1/connections/authorize"])
@pytest.mark.parametrize("body", ["", "not json", "{}", "[" * 60_000])
async def test_rest_reads_nothing_without_a_token(
    client: httpx.AsyncClient, any_gateway: Process, path: str, body: str
) -> None:
    response = await client.post(any_gateway.origin + path, content=body, headers={"Content-Type": "text/plain"})
    assert (response.status_code, response.json()["error"]) == (401, "unauthenticated")


async def test_both_interfaces_want_a_token_first(any_api: Interface) -> None:
    for answer in (
        await any_api.authorize(None, provider=1),
        await any_api.complete(None),
        await any_api.connections(None),
    ):
        assert (answer.status, answer.code) == (401, "UNAUTHENTICATED")


async def test_less_of_a_body_is_read(client: httpx.AsyncClient, any_gateway: Process, someone: Person) -> None:
    def body(length: int) -> str:
        return json.dumps({"query": "{ __typename }", "variables": {"unused": "x" * length}})

    async def status(content: str, token: str | None = None) -> int:
        headers = bearer(token) | {"Content-Type": "application/json"}
        return (await client.post(f"{any_gateway.origin}/graphql", content=content, headers=headers)).status_code

    assert await status(body(15_000)) == 200
    assert await status(body(15_000) + " " * 40_000) == 200
    assert await status(body(17_000)) == 413
    assert await status(body(17_000), someone.token) == 200
    long = f"{any_gateway.origin}/graphql?query={{__typename}}&variables=" + "%20" * 6000
    assert (await client.get(long)).status_code == 414


def test_the_readme_has_these_limits() -> None:
    security = Path(__file__).parents[2].joinpath("docs", "security.md").read_text(encoding="utf-8")
    size = f"{ANONYMOUS.tokens} tokens, {(ANONYMOUS.size or 0) // 1024} KiB"
    assert f"{size}, {ANONYMOUS.depth} levels and {ANONYMOUS.aliases} aliases" in security
