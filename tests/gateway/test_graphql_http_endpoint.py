"""`/graphql` as an ASGI app, without a server: what is read of a request, what is refused first, and what the response
to each outcome is."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from gateway.graphql_http import ANONYMOUS_BODY, GraphQLEndpoint
from resolvers.caller import Caller
from resolvers.context import Context
from resolvers.errors import InvalidToken
from rest.json_http import BODY_LIMIT, Request, Response
from schema.execution import Executor
from tests.rest.requests import Sent, scope_of
from tests.schema.contexts import ALICE, public_context

GRAPHQL, JSON = "application/graphql-response+json", "application/json"
EXECUTOR = Executor(explore=False)
TYPENAME = {"query": "{ __typename }"}
FINE = {"data": {"__typename": "Query"}}


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def code(self) -> str:
        return self.json["errors"][0]["extensions"]["code"]

    @property
    def message(self) -> str:
        return self.json["errors"][0]["message"]


PAGE = Response(200, b"the page", ((b"content-type", b"text/plain"),))


async def call(
    body: Any = b"",
    *,
    method: str = "POST",
    query: str = "",
    headers: Mapping[str, str] | None = None,
    caller: Caller | None = ALICE,
    shown: Response | None = None,
) -> Answer:
    async def open_context(request: Request) -> Context:
        if b"x-refuse" in request.fields:
            raise InvalidToken
        return public_context(caller)

    sent = body if isinstance(body, Sent) else Sent([body if isinstance(body, bytes) else json.dumps(body).encode()])
    messages: list[Any] = []

    async def send(message: Any) -> None:
        messages.append(message)

    given = {"Content-Type": JSON} | dict(headers or {})
    scope = scope_of(method=method, path="/graphql", query=query, headers=given)
    await GraphQLEndpoint(EXECUTOR, open_context, shown)(scope, sent.receive, send)
    head = {name.decode(): value.decode() for name, value in messages[0]["headers"]}
    return Answer(messages[0]["status"], head, messages[1]["body"])


async def get(query: str, **options: Any) -> Answer:
    return await call(method="GET", query=query, **options)


def sized(size: int) -> bytes:
    body = json.dumps(TYPENAME | {"variables": {"unused": ""}}).encode()
    return body.replace(b'""', b'"%s"' % (b"x" * (size - len(body))))


async def test_the_largest_body() -> None:
    """Without a token much less is read than with one. White space around it counts for the larger limit only."""
    assert (ANONYMOUS_BODY, BODY_LIMIT) == (16 * 1024, 64 * 1024)
    for caller, most in ((None, ANONYMOUS_BODY), (ALICE, BODY_LIMIT)):
        fits = await call(sized(most), caller=caller)
        assert (fits.status, fits.json) == (200, FINE)
        exceeds = await call(sized(most + 1), caller=caller)
        assert (exceeds.status, exceeds.code) == (413, "PAYLOAD_TOO_LARGE")
    assert (await call(sized(ANONYMOUS_BODY) + b" " * 1000, caller=None)).json == FINE
    assert (await call(sized(1000).ljust(BODY_LIMIT + 1))).status == 413


async def test_a_refused_token_comes_before_the_body() -> None:
    sent = Sent([b"not json"])
    for accept in (JSON, GRAPHQL):
        refused = await call(sent, headers={"x-refuse": "1", "Accept": accept})
        assert (refused.status, refused.code) == (401, "INVALID_TOKEN")
        assert refused.headers["content-type"] == f"{accept}; charset=utf-8"
        assert refused.headers["www-authenticate"] == 'Bearer realm="tendon", error="invalid_token"'
    assert sent.read == 0


async def test_a_media_type_that_is_not_offered_comes_before_the_token() -> None:
    refused = await call(TYPENAME, headers={"Accept": "text/html", "x-refuse": "1"})
    assert (refused.status, refused.code) == (406, "NOT_ACCEPTABLE")
    assert refused.headers["content-type"] == f"{JSON}; charset=utf-8"


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_browsers_that_prefer_html_get_the_page(method: str) -> None:
    html = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8", "x-refuse": "1"}
    assert (await call(method=method, headers=html, shown=PAGE)).headers["content-type"].startswith("text/plain")
    # If there is one, and the browser does not prefer JSON or send a document.
    assert (await call(method=method, headers=html)).code == "INVALID_TOKEN"
    for accept in (JSON, GRAPHQL, "*/*", f"text/html;q=0.5, {JSON}"):
        other = await call(method=method, query="query={__typename}", headers={"Accept": accept}, shown=PAGE)
        assert other.json == FINE
    assert (await call(TYPENAME, headers={"Accept": "text/html, */*;q=0.1"}, shown=PAGE)).json == FINE


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({}, "query is required."),
        ({"query": None}, "query is required."),
        ({"query": ""}, "query must not be empty."),
        ({"query": 1}, "query must be a string."),
        ({"query": [], "operationName": 1}, "query must be a string."),
        (TYPENAME | {"operationName": 1}, "operationName must be a string or null."),
        (TYPENAME | {"operationName": []}, "operationName must be a string or null."),
        (TYPENAME | {"variables": "{}"}, "variables must be an object or null."),
        (TYPENAME | {"variables": []}, "variables must be an object or null."),
        (TYPENAME | {"extensions": 1}, "extensions must be an object or null."),
        (TYPENAME | {"extensions": []}, "extensions must be an object or null."),
        ({"extensions": {"persistedQuery": 1}, "query": 1}, "query must be a string."),
        ({"extensions": {"other": 1}}, "query is required."),
        ({"extensions": "persistedQuery"}, "query is required."),
    ],
)
async def test_members_of_a_wrong_type(members: dict[str, Any], message: str) -> None:
    modern = await call(members, headers={"Accept": GRAPHQL})
    assert (modern.status, modern.code, modern.message) == (400, "VALIDATION_ERROR", message)
    assert modern.json.keys() == {"errors"}


async def test_members_that_are_given() -> None:
    several = "query One($s: String!) { provider(slug: $s) { slug } } query Two { __typename }"
    given = {"query": several, "operationName": "One", "variables": {"s": "oura"}, "extensions": {}, "more": 1}
    found = {"data": {"provider": {"slug": "oura"}}}
    assert (await call(given)).json == found
    assert (await call(given | {"operationName": "Two", "variables": None})).json == FINE
    assert (await call({"query": "query One { __typename }", "operationName": ""})).json == FINE
    query = (
        f"query={several.replace(' ', '%20')}&operationName=One&variables=%7B%22s%22:%22oura%22%7D&extensions=%7B%7D"
    )
    assert (await get(query)).json == found


async def test_a_get_request_may_only_query() -> None:
    mutation = "query=mutation{__typename}"
    refused = await get(mutation)
    assert (refused.status, refused.code, refused.headers["allow"]) == (405, "METHOD_NOT_ALLOWED", "POST")
    assert (await call({"query": "mutation{__typename}"})).json == {"data": {"__typename": "Mutation"}}


async def test_parameters_of_a_get_request_that_are_not_json() -> None:
    for name in ("variables", "extensions"):
        for value, said in (
            ("x", f"{name} "),
            ("[]", f"{name} must be a JSON object."),
            ("%20null%20x", f"{name} "),
            ("%E2%80%83null", f"{name} "),
        ):
            refused = await get(f"query={{__typename}}&{name}={value}", headers={"Accept": GRAPHQL})
            assert refused.status == 400
            assert refused.message.startswith(said)
        for value in ("null", "%20%09%0D%0Anull%20", "{}", ""):
            assert (await get(f"query={{__typename}}&{name}={value}")).json == FINE
    twice = await get("query={__typename}&query={__typename}", headers={"Accept": GRAPHQL})
    assert (twice.status, twice.message) == (400, "A query parameter is given more than once.")


async def test_a_hash_instead_of_a_document() -> None:
    extensions = {"persistedQuery": {"version": 1}}
    for query in ({}, {"query": None}, {"query": ""}):
        answer = await call(query | {"extensions": extensions}, headers={"Accept": GRAPHQL})
        assert (answer.status, answer.code) == (200, "PERSISTED_QUERY_NOT_SUPPORTED")
    assert (await call(TYPENAME | {"extensions": extensions})).json == FINE


@pytest.mark.parametrize(
    ("document", "status", "legacy"),
    [
        ("{ nothing }", 400, 200),
        ("{", 400, 200),
        ("subscription { a }", 400, 200),
        ("{ connections(userId: 1) { id } }", 401, 401),
    ],
)
async def test_the_status_of_what_was_not_executed(document: str, status: int, legacy: int) -> None:
    """For application/json, a document that is not valid has 200 (GraphQL over HTTP 6.4.1). Nothing else has."""
    for accept, expected in ((GRAPHQL, status), (JSON, legacy)):
        answer = await call({"query": document}, headers={"Accept": accept}, caller=None)
        assert (answer.status, answer.json.keys()) == (expected, {"errors"})
        assert answer.headers["content-type"] == f"{accept}; charset=utf-8"
        assert ("www-authenticate" in answer.headers) == (expected == 401)


async def test_what_was_executed_has_the_status_200_and_data() -> None:
    document = '{ its: provider(slug: "nobody") { slug } }'
    for accept in (JSON, GRAPHQL):
        answer = await call({"query": document}, headers={"Accept": accept})
        assert answer.status == 200
        assert list(answer.json) == ["errors", "data"]
        assert (answer.json["data"], answer.code) == ({"its": None}, "PROVIDER_NOT_FOUND")
        assert answer.json["errors"][0]["path"] == ["its"]
        fine = await call(TYPENAME, headers={"Accept": accept})
        assert (fine.status, fine.body) == (200, b'{"data":{"__typename":"Query"}}')
