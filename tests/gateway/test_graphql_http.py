"""GraphQL over HTTP: media types, methods, statuses, and nothing that a page on another origin could send."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from typing import Any

import httpx
import pytest

from tests.conftest import Person
from tests.interfaces import bearer
from tests.processes import Process

GRAPHQL = "application/graphql-response+json"
JSON = "application/json"
TYPENAME = '{"query": "{ __typename }"}'


@pytest.fixture(scope="module")
def gateway(any_gateway: Process) -> Process:
    """Nothing that is tested here is stored, so one engine is enough."""
    return any_gateway


@pytest.fixture
def url(gateway: Process) -> str:
    return f"{gateway.origin}/graphql"


async def post(client: httpx.AsyncClient, url: str, body: Any, **headers: str) -> httpx.Response:
    content = body if isinstance(body, str | bytes) else json.dumps(body)
    sent = {"Content-Type": JSON} | {name.replace("_", "-"): value for name, value in headers.items()}
    return await client.post(url, content=content, headers=sent)


@pytest.mark.parametrize(
    ("accept", "media"),
    [
        ("*/*", JSON),
        ("application/*", JSON),
        (JSON, JSON),
        (GRAPHQL, GRAPHQL),
        (f"{GRAPHQL}, {JSON};q=0.9", GRAPHQL),
        (f"{JSON};q=0.5, {GRAPHQL};q=0.4", JSON),
        ("text/html, */*;q=0.1", JSON),
    ],
)
async def test_the_media_type_is_negotiated(client: httpx.AsyncClient, url: str, accept: str, media: str) -> None:
    response = await post(client, url, TYPENAME, accept=accept)
    assert (response.status_code, response.json()) == (200, {"data": {"__typename": "Query"}})
    assert response.headers["content-type"] == f"{media}; charset=utf-8"


async def test_nothing_acceptable(client: httpx.AsyncClient, url: str) -> None:
    assert (await post(client, url, TYPENAME, accept="text/plain")).status_code == 406


@pytest.mark.parametrize(
    "document",
    ["{", "{ nothing }", "query($id: ID!) { connection(id: $id) { id } }"],
    ids=["syntax", "field", "variable"],
)
async def test_a_request_error(client: httpx.AsyncClient, url: str, document: str, someone: Person) -> None:
    authorization = f"Bearer {someone.token}"
    modern = await post(client, url, {"query": document}, accept=GRAPHQL, authorization=authorization)
    assert modern.status_code == 400
    assert modern.json().keys() == {"errors"}
    legacy = await post(client, url, {"query": document}, accept=JSON, authorization=authorization)
    assert (legacy.status_code, legacy.json()) == (200, modern.json())
    assert modern.json()["errors"][0]["extensions"] == {"code": "VALIDATION_ERROR"}


@pytest.mark.parametrize(
    "body",
    [
        "",
        "not json",
        "[]",
        '[{"query": "{ __typename }"}]',
        '"text"',
        '{"query": "{ __typename }", "query": "{ __typename }"}',
        '{"query": 1}',
        '{"query": ["{ __typename }"]}',
        "{}",
        '{"query": "{ __typename }", "variables": []}',
        '{"query": "{ __typename }", "operationName": 1}',
        '{"query": "{ __typename }", "extensions": "x"}',
        '{"query": "{ __typename }", "variables": {"a": NaN}}',
        '{"query": "{ __typename }", "variables": {"a": "\\u0000"}}',
        '{"query": "{ __typename }", "variables": {"a": "\\ud800"}}',
        b"\xff\xfe",
        b"\xef\xbb\xbf" + TYPENAME.encode(),
        "[" * 5000,
    ],
)
async def test_a_body_that_is_no_request(client: httpx.AsyncClient, url: str, body: str | bytes) -> None:
    for accept in (GRAPHQL, JSON):
        response = await post(client, url, body, accept=accept)
        assert response.status_code == 400
        assert response.json()["errors"][0]["extensions"] == {"code": "VALIDATION_ERROR"}


@pytest.mark.parametrize(
    "media",
    [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/json; charset=latin-1",
        "",
    ],
)
async def test_only_json_is_read(client: httpx.AsyncClient, url: str, media: str) -> None:
    response = await client.post(url, content=TYPENAME, headers={"Content-Type": media})
    assert response.status_code == 415


async def test_a_body_has_a_bound(client: httpx.AsyncClient, url: str) -> None:
    def body(size: int) -> str:
        return TYPENAME + " " * (size - len(TYPENAME))

    assert (await post(client, url, body(64 * 1024))).status_code == 200
    assert (await post(client, url, body(64 * 1024 + 1))).status_code == 413

    async def chunks() -> AsyncGenerator[bytes]:
        for _ in range(65):
            yield b" " * 1024

    assert (await client.post(url, content=chunks(), headers={"Content-Type": JSON})).status_code == 413


async def test_queries_by_get(client: httpx.AsyncClient, url: str) -> None:
    query = "query One($slug: String!) { provider(slug: $slug) { slug } } query Two { __typename }"
    params = {"query": query, "variables": '{"slug": "oura"}', "operationName": "One"}
    response = await client.get(url, params=params)
    assert response.json() == {"data": {"provider": {"slug": "oura"}}}
    assert (await client.get(url, params={"query": "{ __typename }", "variables": "x"})).status_code == 400
    assert (await client.get(f"{url}?query={{a}}&query={{b}}")).status_code == 400


@pytest.mark.parametrize(
    "query",
    [
        "variables=&operationName=&extensions=",
        "variables&operationName&extensions",
        "operationName=&variables",
        "variables=null&extensions=null",
        "variables=%20null%0A&extensions=",
    ],
)
async def test_what_is_empty_in_a_get_is_absent(client: httpx.AsyncClient, url: str, query: str) -> None:
    for accept in (JSON, GRAPHQL):
        response = await client.get(f"{url}?query={{__typename}}&{query}", headers={"Accept": accept})
        assert (response.status_code, response.json()) == (200, {"data": {"__typename": "Query"}})
    assert (await client.get(f"{url}?query=&{query}")).status_code == 400
    assert (await client.get(f"{url}?query={{__typename}}&variables=&{query}&variables={{}}")).status_code == 400


async def test_what_is_empty_in_a_post_is_absent(client: httpx.AsyncClient, url: str) -> None:
    empty = {"operationName": "", "variables": None, "extensions": None}
    for accept in (JSON, GRAPHQL):
        response = await post(client, url, {"query": "query One { __typename }"} | empty, accept=accept)
        assert (response.status_code, response.json()) == (200, {"data": {"__typename": "Query"}})
    several = {"query": "query One { __typename } query Two { __typename }"}
    for name in ("", None):
        response = await post(client, url, several | {"operationName": name}, accept=GRAPHQL)
        assert response.status_code == 400
        by_get = await client.get(url, params=several | {"operationName": ""}, headers={"Accept": GRAPHQL})
        assert by_get.json() == response.json()


async def test_variables_and_extensions_of_a_get_are_objects_or_null(client: httpx.AsyncClient, url: str) -> None:
    for name in ("variables", "extensions"):
        for text in ("nul", "NULL", "nullnull", "[]", '"null"', "1"):
            response = await client.get(url, params={"query": "{ __typename }", name: text})
            assert response.status_code == 400


HASH = {"persistedQuery": {"version": 1, "sha256Hash": "0" * 64}}


@pytest.mark.parametrize("accept", [JSON, GRAPHQL, f"{GRAPHQL},{JSON};q=0.9"])
async def test_a_hash_without_a_document(client: httpx.AsyncClient, url: str, accept: str, someone: Person) -> None:
    """The answer that makes Apollo Client and urql send the whole document, and no more hashes."""
    headers = bearer(someone.token) | {"Accept": accept}
    by_get = {"operationName": "Q", "variables": "{}", "extensions": json.dumps(HASH)}
    answers = [
        await client.post(url, json={"operationName": "Q", "variables": {}, "extensions": HASH}, headers=headers),
        await client.post(url, json={"query": None, "extensions": HASH}, headers=headers),
        await client.post(url, json={"query": "", "extensions": HASH}, headers=headers),
        await client.get(url, params=by_get, headers=headers),
        await client.get(url, params=by_get | {"query": ""}, headers=headers),
    ]
    code = {"code": "PERSISTED_QUERY_NOT_SUPPORTED"}
    for answer in answers:
        assert answer.status_code == 200
        assert answer.json() == {"errors": [{"message": "PersistedQueryNotSupported", "extensions": code}]}


async def test_a_hash_beside_a_document_is_ignored(client: httpx.AsyncClient, url: str) -> None:
    answer = await client.post(url, json={"query": "{ __typename }", "extensions": HASH})
    assert answer.json() == {"data": {"__typename": "Query"}}


async def test_no_mutation_by_get(client: httpx.AsyncClient, url: str, someone: Person) -> None:
    mutation = (
        'mutation { authorizeConnection(input: {provider: "oura", redirectUri: "https://app.example/"}) { state } }'
    )
    for accept in (JSON, GRAPHQL):
        response = await client.get(url, params={"query": mutation}, headers=bearer(someone.token) | {"Accept": accept})
        assert response.status_code == 405


async def test_other_methods(client: httpx.AsyncClient, url: str) -> None:
    for method in ("PUT", "DELETE", "PATCH", "OPTIONS"):
        response = await client.request(method, url)
        assert response.status_code == 405
        assert {"GET", "POST"} <= set(response.headers["allow"].split(", "))
        for accept in (JSON, GRAPHQL):
            response = await client.request(method, url, headers={"Accept": accept})
            assert response.headers["content-type"] == f"{accept}; charset=utf-8"
            error = {"message": "Allowed here: GET, HEAD, POST.", "extensions": {"code": "METHOD_NOT_ALLOWED"}}
            assert response.json() == {"errors": [error]}


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({}, "query is required."),
        ({"query": None}, "query is required."),
        ({"query": 1}, "query must be a string."),
        ({"query": ""}, "query must not be empty."),
        ({"query": "fragment A on Query { __typename }"}, "query must contain an operation."),
        (
            {"query": "query A { __typename } query B { __typename }"},
            "operationName is required: the document has several operations.",
        ),
        (
            {"query": "query A { __typename } query B { __typename }", "operationName": "C"},
            "operationName must name an operation of the document.",
        ),
    ],
)
async def test_what_is_wrong_with_a_request(
    client: httpx.AsyncClient, url: str, members: dict[str, object], message: str
) -> None:
    answer = await client.post(url, json=members, headers={"Accept": GRAPHQL})
    assert (answer.status_code, answer.json()["errors"][0]["message"]) == (400, message)


async def test_a_get_without_a_query(client: httpx.AsyncClient, url: str) -> None:
    for asked in ("", "?query", "?query=", "?operationName=A"):
        answer = await client.get(url + asked, headers={"Accept": JSON})
        assert (answer.status_code, answer.json()["errors"][0]["message"]) == (400, "query is required.")


async def test_an_unknown_operation_name_is_not_repeated(client: httpx.AsyncClient, url: str) -> None:
    response = await post(client, url, {"query": "query A { __typename }", "operationName": "CANARY"}, accept=GRAPHQL)
    assert response.status_code == 400
    assert "CANARY" not in response.text


async def test_another_scheme_counts_as_no_token(client: httpx.AsyncClient, gateway: Process, url: str) -> None:
    """RFC 6750 3.1: the challenge then has no error code. What is open to everybody stays open."""
    basic = {"Authorization": "Basic YWxpY2U6eA=="}
    assert (await client.post(url, json={"query": "{ __typename }"}, headers=basic)).status_code == 200
    closed = {"query": '{ connections(userId: "alice") { id } }'}
    graphql = await client.post(url, json=closed, headers=basic)
    rest = await client.get(f"{gateway.origin}/v1/connections?userId=alice", headers=basic)
    assert graphql.json()["errors"][0]["extensions"] == {"code": "UNAUTHENTICATED"}
    assert rest.json()["error"] == "unauthenticated"
    for answer in (graphql, rest):
        assert (answer.status_code, answer.headers["www-authenticate"]) == (401, 'Bearer realm="tendon"')


async def test_in_dev_the_message_says_how_to_write_a_token(client: httpx.AsyncClient, gateway: Process) -> None:
    headers = bearer("alice")
    message = "The bearer token is not valid. In dev, write dev:NAME."
    graphql = await client.post(f"{gateway.origin}/graphql", json={"query": "{ __typename }"}, headers=headers)
    rest = await client.get(f"{gateway.origin}/v1/connections?userId=alice", headers=headers)
    assert (graphql.json()["errors"][0]["message"], rest.json()["message"]) == (message, message)


async def test_a_bad_token_is_a_401_whatever_is_asked(client: httpx.AsyncClient, url: str) -> None:
    for accept in (JSON, GRAPHQL):
        response = await post(client, url, TYPENAME, accept=accept, authorization="Bearer nonsense")
        assert response.status_code == 401
        assert 'error="invalid_token"' in response.headers["www-authenticate"]
        assert response.json()["errors"][0]["extensions"] == {"code": "INVALID_TOKEN"}


async def test_without_a_token_only_the_public_is_open(client: httpx.AsyncClient, url: str) -> None:
    public = await post(client, url, {"query": '{ providers { slug available } provider(slug: "oura") { name } }'})
    assert public.status_code == 200
    assert public.json()["data"]["provider"] == {"name": "Oura"}
    for document in (
        "{ connections(userId: 1) { id } }",
        "query($x: Int!) { ...F } fragment F on Query { connection(id: $x) { id } }",
    ):
        closed = await post(client, url, {"query": document})
        if closed.status_code == 200:
            # The second is not valid, which is said first.
            assert closed.json()["errors"][0]["extensions"] == {"code": "VALIDATION_ERROR"}
            continue
        assert closed.status_code == 401
        assert closed.json()["errors"][0]["extensions"] == {"code": "UNAUTHENTICATED"}


async def test_one_failed_field_leaves_the_others(client: httpx.AsyncClient, url: str, someone: Person) -> None:
    query = '{ provider(slug: "nobody") { slug } connections(userId: "%s") { id } }' % someone.id
    response = await post(client, url, {"query": query}, accept=GRAPHQL, authorization=f"Bearer {someone.token}")
    assert response.status_code == 200
    assert response.json()["data"] == {"provider": None, "connections": []}
    assert [error["extensions"]["code"] for error in response.json()["errors"]] == ["PROVIDER_NOT_FOUND"]
    assert response.json()["errors"][0]["path"] == ["provider"]


async def test_many_unknown_members_of_a_variable_are_one_error(
    client: httpx.AsyncClient, url: str, someone: Person
) -> None:
    query = "mutation($input: AuthorizeConnectionInput!) { authorizeConnection(input: $input) { url } }"
    given = {f"redirectUr{number}": 1 for number in range(1900)} | {"provider": "x", "redirectUri": "x"}
    answer = await client.post(
        url, json={"query": query, "variables": {"input": given}}, headers=bearer(someone.token) | {"Accept": GRAPHQL}
    )
    assert answer.status_code == 400
    assert [error["message"] for error in answer.json()["errors"]] == [
        "input has a member that AuthorizeConnectionInput does not have."
    ]
    far_more = {f"redirectUr{number}": 1 for number in range(2001)}
    for body in ({"query": query, "variables": far_more}, {"query": query, "variables": {"a": [{}] * 2001}}):
        answer = await client.post(url, json=body, headers=bearer(someone.token))
        assert answer.json()["errors"][0]["message"] == "The body has too many members and items."


async def test_no_websocket(client: httpx.AsyncClient, url: str) -> None:
    upgrade = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
    }
    assert (await client.get(url, headers=upgrade)).status_code == 400
